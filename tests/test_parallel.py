"""Numbered tasks: in order, wherever they are done; and what is said when workers fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import joblib
import numpy as np
import pytest

import mixcheck as mc
from mixcheck import parallel as workers
from mixcheck.parallel import map_batches, map_numbers


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


def test_a_backend_without_generators_gets_a_list(monkeypatch):
    """Where joblib refuses results as they come, a list is asked for."""
    asked = []

    def parallel(**options):
        asked.append(options)
        if "return_as" in options:
            raise ValueError("this backend cannot")
        return list

    monkeypatch.setattr(joblib, "Parallel", parallel)
    assert workers._executor(2) is list
    assert asked == [{"n_jobs": 2, "return_as": "generator_unordered"}, {"n_jobs": 2}]


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
from mixcheck import parallel as workers
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


def test_progress_true_shows_one_bar(capsys):
    """True draws a bar to the end on stderr and prints nothing to stdout."""
    map_numbers(_square, range(7), progress=True)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "7/7" in printed.err.splitlines()[-1]
    map_batches(_squares, range(7), 3, progress=True)
    assert "7/7" in capsys.readouterr().err


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
