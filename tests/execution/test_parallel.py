"""Numbered tasks: in order, wherever they are done; and what is said when workers fail."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time

import joblib
import numpy as np
import pytest

import mixcheck as mc
from mixcheck.execution import parallel as workers
from mixcheck.execution.parallel import map_batches, map_numbers


def _square(k: int) -> np.ndarray | str:
    return "seven is left out" if k == 7 else np.array([k * k])


@pytest.fixture
def eager(monkeypatch):
    """Workers are started at once."""
    monkeypatch.setattr(workers, "TRIAL_SECONDS", 0.0)
    monkeypatch.setattr(workers, "START_SECONDS", -1.0)


@pytest.mark.parametrize("shared", [False, True])
def test_numbered_tasks(request, shared):
    """Results come in the order of the numbers, wherever these start and whoever works."""
    if shared:
        request.getfixturevalue("eager")
    with joblib.parallel_config(backend="threading", n_jobs=2):
        found = map_numbers(_square, range(5, 12))
    assert found[2] == "seven is left out"
    squares = [float(row[0]) for row in found if not isinstance(row, str)]
    assert squares == [25, 36, 64, 81, 100, 121]
    assert map_numbers(_square, range(3, 3)) == []


def _squares(numbers: range) -> list[int]:
    return [k * k for k in numbers]


@pytest.mark.parametrize("size", [1, 4, 11, 30])
def test_batches_are_of_consecutive_numbers(size):
    """A task for several numbers at once gives each number its place, whatever the size."""
    asked, seen = [], []

    def task(numbers):
        asked.append(list(numbers))
        return _squares(numbers)

    found = map_batches(
        task, range(3, 14), size, progress=lambda done, total: seen.append((done, total))
    )
    assert found == [k * k for k in range(3, 14)]
    assert [k for numbers in asked for k in numbers] == list(range(3, 14))
    assert all(len(numbers) == size for numbers in asked[:-1])
    assert seen[-1] == (11, 11)
    assert [done for done, _ in seen] == np.minimum(size * np.arange(1, len(seen) + 1), 11).tolist()


@pytest.mark.slow
def test_batches_are_the_same_in_workers(eager):
    """Which numbers are done together does not depend on the workers."""
    assert map_batches(_squares, range(50), 8, n_jobs=2) == _squares(range(50))


def test_a_backend_without_generators_gives_a_list(eager, monkeypatch):
    """Where joblib refuses results as they come, a list is asked for, within the limit of time."""
    usual, asked = joblib.Parallel, []

    def parallel(**options):
        asked.append(options)
        if "return_as" in options:
            raise ValueError("this backend cannot")
        return usual(**options)

    monkeypatch.setattr(joblib, "Parallel", parallel)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        found = map_numbers(_square, range(20, 40))
        some = map_numbers(_square, range(20, 400), limit=Clock(5))
    assert [int(row[0]) for row in found] == [k * k for k in range(20, 40)]
    assert [int(row[0]) for row in some] == [k * k for k in range(20, 20 + len(some))]
    assert 1 < len(some) < 380
    assert asked[:2] == [{"n_jobs": 2, "return_as": "generator_unordered"}, {"n_jobs": 2}]


def test_workers_are_as_many_as_blocks_and_cores(eager, monkeypatch):
    """A thousand workers are asked for, and no more are started than there is work or cores."""
    asked = []
    usual = joblib.Parallel

    def parallel(**options):
        asked.append(options["n_jobs"])
        return usual(**options)

    monkeypatch.setattr(joblib, "Parallel", parallel)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 64)
    with joblib.parallel_config(backend="threading"):
        map_numbers(_square, range(9), n_jobs=1000)
        map_numbers(_square, range(2000), n_jobs=1000)
    assert asked == [8, 64]


def test_blocks_last_no_longer_than_a_second():
    """Few tasks are shared out, and long ones go one by one."""
    assert workers._block_size(800, 2, 1e-4) == 100
    assert workers._block_size(800, 2, 0.1) == 10
    assert workers._block_size(800, 2, 7.0) == 1
    assert workers._block_size(3, 2, 1e-4) == 1


WRONG_JOBS = [0, True, "2", [], 1.0, 2.5, (1,), {}, float("nan")]


@pytest.mark.parametrize("jobs", WRONG_JOBS)
def test_a_wrong_number_of_workers_is_refused(jobs):
    """Whatever is no number of workers is refused in one sentence, also where none would start."""
    with pytest.raises(mc.OptionError, match="n_jobs must be a whole number of workers"):
        map_numbers(_square, range(2), n_jobs=jobs)


def test_every_verb_refuses_a_wrong_number_of_workers_before_it_works():
    """check, loo, logo, caic, bootstrap_lrt, select and suggest say the same sentence."""
    cbpp = mc.datasets.load("cbpp")
    small = mc.glmm("incidence / size ~ 1 + (1 | herd)", cbpp, family="binomial")
    large = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    report = mc.check(large, mc.checks.Convergence(), seed=1, draws=5, calibration="plug-in")
    formula = "incidence / size ~ period + (1 | herd)"
    verbs = [
        lambda jobs: mc.check(large, mc.checks.Convergence(), n_jobs=jobs),
        lambda jobs: mc.loo(large, n_jobs=jobs),
        lambda jobs: mc.logo(large, n_jobs=jobs),
        lambda jobs: mc.caic(large, n_jobs=jobs),
        lambda jobs: mc.bootstrap_lrt(small, large, draws=3, n_jobs=jobs),
        lambda jobs: mc.select(formula, cbpp, family="binomial", n_jobs=jobs),
        lambda jobs: mc.suggest(report, n_jobs=jobs),
    ]
    for verb in verbs:
        for jobs in (0, "2", True):
            with pytest.raises(mc.OptionError, match="n_jobs must be"):
                verb(jobs)


LIMITS = [0, -1, 0.0, True, "60", float("nan"), float("inf"), [1], 1j]


@pytest.fixture(scope="module")
def two():
    """Nested models of a small table."""
    cbpp = mc.datasets.load("cbpp")
    formulas = ("incidence / size ~ 1 + (1 | herd)", "incidence / size ~ period + (1 | herd)")
    return tuple(mc.glmm(formula, cbpp, family="binomial") for formula in formulas)


def _limited(two):
    """What takes a limit of time, as functions of it."""
    small, large = two
    cbpp = mc.datasets.load("cbpp")
    formula = "incidence / size ~ period + (1 | herd)"
    report = mc.check(large, mc.checks.Convergence(), seed=1, draws=5, calibration="plug-in")
    chosen = mc.select(formula, cbpp, family="binomial", random=False)
    many = {"draws": 10**6, "seed": 1}
    suite = mc.checks.Suite((mc.checks.Dispersion(),))
    return {
        "check": lambda limit: mc.check(large, mc.checks.Dispersion(), **many, time_limit=limit),
        "suite": lambda limit: suite.run(large, **many, time_limit=limit),
        "bootstrap_lrt": lambda limit: mc.bootstrap_lrt(small, large, **many, time_limit=limit),
        "conf_int": lambda limit: large.conf_int(method="bootstrap", **many, time_limit=limit),
        "inclusion": lambda limit: mc.inclusion(chosen, **many, time_limit=limit),
        "select": lambda limit: mc.select(formula, cbpp, family="binomial", time_limit=limit),
        "suggest": lambda limit: mc.suggest(report, time_limit=limit),
    }


def test_a_wrong_limit_of_time_is_one_sentence(two):
    """Whatever is no positive number of seconds is refused before anything is done."""
    for call in _limited(two).values():
        for limit in LIMITS:
            with pytest.raises(mc.OptionError, match="time_limit must be a positive number of sec"):
                call(limit)
    with pytest.raises(mc.OptionError, match='time_limit belongs to method="bootstrap"'):
        two[1].conf_int(time_limit=60)


@pytest.mark.slow
def test_what_was_stopped_says_so(two):
    """A million data sets in no time: the first ones, with the numbers of so many."""
    small, large = two
    calls = _limited(two)
    test = calls["bootstrap_lrt"](0.05)
    assert test.out_of_time
    assert not test.stopped
    words = f"Stopped by time_limit=0.05 after {test.draws:,} of 1,000,000 simulated data sets."
    assert test.notes == (words,)
    assert test.pvalue == (1 + test.exceedances) / (1 + test.draws)
    again = mc.bootstrap_lrt(small, large, draws=test.draws, seed=1)
    assert np.array_equal(again.statistics, test.statistics)
    assert again.pvalue == test.pvalue
    assert not again.out_of_time
    assert json.loads(test.to_json())["out_of_time"]

    report = calls["check"](0.05)
    number = report.provenance["replicates used"]
    assert report.provenance["stopped"].startswith("Stopped by time_limit=0.05 after ")
    assert report.provenance["stopped"] in " ".join(report.to_text().split())
    same = mc.check(large, mc.checks.Dispersion(), seed=1, draws=number)
    assert [f.pvalue for f in report.findings] == [f.pvalue for f in same.findings]
    assert "stopped" not in same.provenance

    frame = calls["conf_int"](0.1)
    made = int(frame.attrs["stopped"].split(" after ")[1].split()[0].replace(",", ""))
    again = large.conf_int(method="bootstrap", draws=made, seed=1)
    assert "stopped" not in again.attrs
    assert np.array_equal(frame, again)
    # A millionth of a second is enough for as many as the level needs.
    assert np.isfinite(large.conf_int(method="bootstrap", seed=1, time_limit=1e-6)).all(axis=None)

    found = calls["inclusion"](0.1)
    assert found.draws < 10**6
    assert found.stopped.startswith("Stopped by time_limit=0.1 after ")


def test_a_search_that_was_stopped_says_so(two):
    """Of several models in no time the largest is fitted and checked, and that is told."""
    cbpp = mc.datasets.load("cbpp")
    formula = "incidence / size ~ period + (1 | herd)"
    options = {"family": "binomial", "suite": mc.checks.Dispersion(), "draws": 20, "seed": 1}
    for search, words in (("all", "1 of 4 models"), ("greedy", "1 models")):
        chosen = mc.select(formula, cbpp, **options, search=search, time_limit=1e-6)
        assert [model.model for model in chosen.models] == [formula]
        assert chosen.models[0].verdicts
        assert chosen.stopped == f"Stopped by time_limit=1e-06 after {words}."
        assert chosen.verdict.endswith(chosen.stopped)
        assert type(chosen).from_json(chosen.to_json()).stopped == chosen.stopped
    ticks = mc.datasets.load("grouseticks")
    fit = mc.glmm("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", ticks, family="poisson")
    report = mc.check(fit, mc.checks.Dispersion(), seed=1, draws=99, calibration="plug-in")
    found = mc.suggest(report, time_limit=1e-6)
    assert "was fitted. Stopped by time_limit=1e-06 after 1 of " in found.verdict
    assert found.best is None


@pytest.mark.slow
def test_a_killed_worker_is_an_error_of_ours(eager):
    """A worker that is killed ends the run with what is lost and what to write; others follow."""

    # A function inside a test travels by value: workers cannot import the test.
    def task(k):
        if k == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.array([k])

    with (
        joblib.parallel_config(backend="loky"),
        pytest.raises(mc.WorkerError, match=r"of 8 tasks finished.*n_jobs=1") as caught,
    ):
        map_numbers(task, range(8), n_jobs=2)
    assert isinstance(caught.value, RuntimeError)

    def again(k):
        return np.array([k])

    with joblib.parallel_config(backend="loky"):
        found = map_numbers(again, range(4), n_jobs=2)
    assert [int(row[0]) for row in found] == [0, 1, 2, 3]


def test_used_up_memory_is_an_error_of_ours():
    """A task that asks for more memory than there is ends in one sentence."""

    def task(k):
        return np.empty(2**56)

    with pytest.raises(mc.WorkerError, match="0 of 3 tasks finished"):
        map_numbers(task, range(3))


def test_what_cannot_travel_is_said(eager):
    """A task that does not pickle names the two ways out."""
    lock = joblib.parallel.threading.Lock()

    def task(k):
        return np.array([k, lock.locked()])

    with joblib.parallel_config(backend="loky"), pytest.raises(mc.OptionError, match="n_jobs=1"):
        map_numbers(task, range(8), n_jobs=2)


INTERRUPTED = """
import signal, sys, warnings, numpy as np, joblib, mixcheck as mc
from threadpoolctl import threadpool_info
from mixcheck.execution import parallel as workers
workers.TRIAL_SECONDS, workers.START_SECONDS = 0.0, -1.0
cbpp = mc.datasets.load("cbpp")
fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
count = lambda: [pool["num_threads"] for pool in threadpool_info()]
few = lambda: mc.check(fit, seed=1, draws=5, calibration="plug-in").to_json()
before = (count(), list(warnings.filters), few())
def stop(done, total):
    if done >= 30:
        signal.raise_signal(signal.SIGINT)
for backend in ("sequential", "threading"):
    try:
        with joblib.parallel_config(backend=backend, n_jobs=2):
            mc.check(fit, seed=1, calibration="refit", draws=100_000, progress=stop)
    except KeyboardInterrupt:
        after = (count(), list(warnings.filters), few())
        print(after == before)
"""


@pytest.mark.slow
def test_an_interrupt_leaves_everything_in_order():
    """After Ctrl-C in a run of 100,000 refits: threads, filters and results as before."""
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, env=env, check=False
    )
    assert done.stdout == "True\nTrue\n", done.stderr
    # Without the interrupt it would take a quarter of an hour.
    assert time.monotonic() - started < 60


class Clock:
    """A limit that is passed when it was asked so many times."""

    seconds = 1.0

    def __init__(self, times):
        self.left = times

    @property
    def passed(self):
        """Once it was asked often enough."""
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("shared", [False, True])
def test_a_limit_of_time_leaves_the_first_numbers(request, shared):
    """What was begun is finished and in order, nothing else is begun, and one task always is."""
    if shared:
        request.getfixturevalue("eager")
    with joblib.parallel_config(backend="threading", n_jobs=2):
        found = map_numbers(_square, range(20, 400), limit=Clock(5))
    assert 1 < len(found) < 380
    assert [int(row[0]) for row in found] == [k * k for k in range(20, 20 + len(found))]
    assert len(map_numbers(_square, range(8, 12), limit=Clock(0))) == 1
    batches = map_batches(_squares, range(50), 8, limit=Clock(2))
    assert batches == _squares(range(24))


@pytest.mark.slow
def test_a_p_value_after_a_limit_of_time_is_valid():
    """Tasks whose time hangs on their statistic as much as it can: p-values stay valid.

    The worst is a data set that takes the more time the larger, or the smaller, its statistic.
    With all that was begun counted, P(p <= alpha) <= alpha within 3.5 Monte Carlo errors.
    """
    trials, alphas = 4000, (0.05, 0.1, 0.25)
    rng = np.random.default_rng(11)
    for slow in (lambda u: 1.0 / u, lambda u: 1.0 / (1.0 - u), lambda u: np.where(u < 0.1, 30, 1)):
        pvalues = np.empty(trials)
        for trial in range(trials):
            observed, *simulated = rng.random(201)
            clock = Clock(0)
            spent = 0.0

            def task(k, simulated=simulated, clock=clock, slow=slow):
                nonlocal spent
                spent += float(slow(simulated[k]))
                clock.left = 9 if spent < 60.0 else 0
                return simulated[k]

            rows = map_numbers(task, range(200), limit=clock)
            pvalues[trial] = (1 + np.sum(np.array(rows) >= observed)) / (1 + len(rows))
        for alpha in alphas:
            error = np.sqrt(alpha * (1.0 - alpha) / trials)
            assert np.mean(pvalues <= alpha) < alpha + 3.5 * error


def test_whatever_takes_workers_takes_progress(two):
    """Each public function with n_jobs has progress, and each limit of time has both.

    But for the one whose workers hold data, and do no numbered tasks.
    """
    held = [mc.GLMM, mc.checks.Suite, type(mc.average(dict(zip("ab", two, strict=True))))]
    public = [getattr(mc, name) for name in mc.__all__ if name != "glmm_partitions"]
    methods = [getattr(one, name) for one in held for name in vars(one) if not name.startswith("_")]
    found = 0
    for one in filter(callable, [*public, *methods]):
        try:
            names = inspect.signature(one).parameters
        except ValueError:
            continue
        if "n_jobs" in names or "time_limit" in names:
            found += 1
            assert {"n_jobs", "progress"} <= set(names), one
    assert found >= 12


@pytest.mark.slow
def test_a_bar_is_one_line_with_the_time_left(two, capsys):
    """A bar goes on over batches, stays where the work stopped, and of nothing there is none."""
    mc.bootstrap_lrt(*two, draws=150, seed=1, stop_after=200, progress=True)
    mc.bootstrap_lrt(*two, draws=150, seed=1, stop_after=100, progress=True)
    two[1].conf_int(method="bootstrap", draws=39, seed=1, progress=True)
    out, err = capsys.readouterr()
    lines = err.strip().split("\n")
    assert out == ""
    assert len(lines) == 3
    for line, number in zip(lines, (150, 150, 39), strict=True):
        last = line.split("\r")[-1]
        assert last.startswith("simulated data sets: 100%|")
        assert re.search(rf"\| {number} of {number} \[\d\d:\d\d, 00:00 left\]$", last)
    map_numbers(_square, range(0), progress=True)
    assert capsys.readouterr().err.strip() == ""


def test_progress_true_shows_one_bar(capsys):
    """True draws a bar to the end on stderr and prints nothing to stdout."""
    map_numbers(_square, range(7), progress=True)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "7 of 7" in printed.err.splitlines()[-1]
    map_batches(_squares, range(7), 3, progress=True)
    assert "7 of 7" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("progress", "kind"),
    [(lambda *a: 1 / 0, ZeroDivisionError), (lambda: None, TypeError), (len, TypeError)],
)
def test_progress_that_raises(progress, kind):
    """A mistake in the caller's function is told as such, with the mistake behind it."""
    with pytest.raises(mc.OptionError, match=f"given as progress raised {kind.__name__}") as caught:
        map_numbers(_square, range(3), progress=progress)
    assert isinstance(caught.value.__cause__, kind)


def test_progress_that_stops_the_work():
    """What a caller raises in order to stop is passed on as it is."""

    class Stop(Exception):
        pass

    def progress(done, total):
        raise Stop

    with pytest.raises(Stop):
        map_numbers(_square, range(3), progress=progress)
