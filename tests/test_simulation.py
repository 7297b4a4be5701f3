"""The engine: streams, plans, and the reduction of replicates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import joblib
import numpy as np
import pandas as pd
import pytest

from mixcheck import simulation
from mixcheck.adapters.draws import from_draws
from mixcheck.checks.replicate_numbers import reduce_replicates
from mixcheck.errors import ConvergenceError, ConvergenceWarning, OptionError
from mixcheck.execution import parallel as workers
from mixcheck.execution.streams import Purpose, stream
from mixcheck.notices import warn
from mixcheck.port import ConvergenceFacts, DataView, Refittable
from mixcheck.port.estimates import Limit
from mixcheck.simulation import replicate, simulate

N = 12


@dataclass(frozen=True, eq=False)
class NormalMean:
    """A normal sample with standard deviation 1, whose refits fail as told by the response."""

    response: np.ndarray
    fails_above: float = np.inf
    stalls_below: float = -np.inf
    mean: float = 0.0
    discrete = False

    @property
    def frame(self):
        """The data."""
        return pd.DataFrame({"response": self.response})

    @property
    def description(self):
        """A name."""
        return {"model": "normal mean"}

    @property
    def convergence(self):
        """Converged, unless the mean is too low."""
        return ConvergenceFacts(self.mean > self.stalls_below, 0.0, 1.0, 1)

    def observe(self, conditioning, rng):
        """See the data."""
        return see(self.response, self.mean, rng)

    def replicate(self, conditioning, rng):
        """See new data."""
        return see(self.respond(rng), self.mean, rng)

    def respond(self, rng):
        """New data."""
        return self.mean + rng.standard_normal(self.response.size)

    def refit(self, response):
        """The mean of other data; warns where it is positive."""
        if response[0] > self.fails_above:
            raise ConvergenceError("the likelihood is not finite")
        if response[0] > 0:
            warn("close to the edge", ConvergenceWarning)
        return replace(self, response=response, mean=float(response.mean()))


@dataclass(frozen=True, eq=False)
class SteppingMean(NormalMean):
    """A normal sample that is fitted to many responses at once, and says how it was asked."""

    asked: list = field(default_factory=list)

    def refit_many(self, responses, *, one_step=False):
        """The mean of each column."""
        self.asked.append((*responses.shape, one_step))
        return [self.refit(response) for response in responses.T]


def see(y, mean, rng):
    """A realisation that knows its mean."""
    full = np.full(y.size, mean)
    one = np.ones(y.size)
    return DataView(y, rng.random(y.size), full, full, one, full, one)


def first_numbers(data_view: DataView) -> np.ndarray:
    """Numbers that any change of stream would change."""
    return np.array([data_view.response[0], data_view.residuals[-1], data_view.mean[0]])


def plug_in(model, **options):
    """A plan of replicates that are seen by the parameters of the model."""
    return replicate(model, calibration="plug-in", **options)


def refitted(model, **options):
    """A plan of replicates to which the model is fitted again."""
    return replicate(model, calibration="refit", **options)


@pytest.fixture
def model() -> NormalMean:
    """A model of twelve rows."""
    return NormalMean(np.linspace(-1.0, 1.0, N))


@pytest.fixture
def pool():
    """A model known by 60 draws: it travels to worker processes."""
    rng = np.random.default_rng(5)
    return from_draws(rng.standard_normal(N), rng.standard_normal((60, N)))


def test_streams_differ_by_seed_purpose_and_number():
    """Each of seed, purpose and number gives a stream of its own, and the same one twice."""
    keys = [(1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1)]
    firsts = [float(stream(*key).random()) for key in keys]
    assert len(set(firsts)) == len(keys)
    assert firsts == [float(stream(*key).random()) for key in keys]


def test_stream_is_philox_by_spawn_key():
    """The stream is the documented one, which others can rebuild."""
    sequence = np.random.SeedSequence(9, spawn_key=(int(Purpose.REPLICATE), 3))
    expected = np.random.Generator(np.random.Philox(sequence)).random(4)
    np.testing.assert_array_equal(stream(9, Purpose.REPLICATE, 3).random(4), expected)


def test_a_missing_seed_is_drawn_and_kept(model):
    """Without a seed two plans differ, and each one can be repeated by the seed it shows."""
    first, second = replicate(model), replicate(model)
    assert first.seed != second.seed
    again = replicate(model, seed=first.seed)
    np.testing.assert_array_equal(first.observe().residuals, again.observe().residuals)


def test_the_former_name(model):
    """`mixcheck.simulate` plans as before, and says that it is called `replicate`."""
    with pytest.warns(FutureWarning, match=r"write mixcheck\.replicate\(\)"):
        plan = simulate(model, seed=3, draws=7)
    assert (plan.seed, plan.draws, type(plan)) == (3, 7, type(replicate(model)))
    with pytest.warns(FutureWarning), pytest.raises(OptionError, match="nsim="):
        simulate(model, nsim=7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed must be a non-negative integer"),
        ({"seed": 1.5}, "seed must be a non-negative integer"),
        ({"draws": 0}, "draws must be a whole number from 1 to 100000000"),
        ({"calibration": "exact"}, "'refit', 'one-step' or 'plug-in'"),
        ({"conditioning": "modes"}, "'posterior', 'marginal' or 'mode'"),
    ],
)
def test_wrong_options_are_refused(model, options, message):
    """A wrong option raises at once, and names what is allowed."""
    with pytest.raises(OptionError, match=message):
        replicate(model, **options)


def test_something_else_than_a_model_is_refused():
    """An array is no model, and the message says what is."""
    with pytest.raises(OptionError, match=r"mixcheck\.from_draws"):
        replicate(np.zeros(3))


def test_refits_need_a_model_that_refits(pool, model):
    """A model known by draws alone cannot be fitted again."""
    assert isinstance(model, Refittable)
    with pytest.raises(OptionError, match='write calibration="plug-in"'):
        replicate(pool, calibration="refit")


def test_draws_are_limited_by_those_given(pool):
    """A pool of draws gives at most itself: all by default, and an error beyond."""
    assert replicate(pool).size == 60
    with pytest.raises(OptionError, match="the model holds 60 draws"):
        replicate(pool, draws=61)


@dataclass(frozen=True, eq=False)
class ManyMeans(NormalMean):
    """The same model, which makes many replicates at once and notes how many."""

    asked: list = field(default_factory=list)

    def replicate_many(self, conditioning, rngs):
        """See new data, or say why not where a mean is large."""
        self.asked.append(len(rngs))
        seen = [self.replicate(conditioning, rng) for rng in rngs]
        large = ConvergenceError("the mean is too large")
        return [large if one.response.mean() > 0.5 else one for one in seen]


def test_replicates_are_made_together_where_a_model_can(monkeypatch):
    """In batches that depend on the rows alone; what fails is kept out with its reason."""
    model = ManyMeans(np.zeros(N))
    monkeypatch.setattr(simulation, "TOGETHER_ROWS", 8 * N)
    together = reduce_replicates(plug_in(model, seed=3, draws=100), first_numbers)
    assert model.asked == [8] * 12 + [4]
    plain = NormalMean(np.zeros(N))
    means = [plain.respond(stream(3, Purpose.REPLICATE, k)).mean() for k in range(100)]
    np.testing.assert_array_equal(together.kept, np.flatnonzero(np.array(means) <= 0.5))
    assert together.failures == (
        ("ConvergenceError: the mean is too large", 100 - together.kept.size),
    )


def test_refits_are_made_one_by_one():
    """A model that makes replicates together is still fitted again to each of them."""
    model = ManyMeans(np.zeros(N))
    reduced = reduce_replicates(refitted(model, seed=3, draws=5), first_numbers)
    assert reduced.numbers.shape == (5, 3)
    assert model.asked == []


def test_the_first_replicates_of_a_long_run_are_a_short_run(model):
    """The first 25 of 100 replicates equal a run of 25."""
    long = reduce_replicates(plug_in(model, seed=3, draws=100), first_numbers)
    short = reduce_replicates(plug_in(model, seed=3, draws=25), first_numbers)
    np.testing.assert_array_equal(long.numbers[:25], short.numbers)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_workers_do_not_change_the_numbers(pool, monkeypatch, backend):
    """Two workers, of either kind, give the numbers of one process, in its order."""

    # A function inside a test travels by value: workers cannot import the test.
    def ends(data_view):
        return data_view.residuals[[0, -1]]

    plan = replicate(pool, seed=4)
    alone = reduce_replicates(plan, ends)
    monkeypatch.setattr(workers, "TRIAL_SECONDS", 0.0)
    monkeypatch.setattr(workers, "START_SECONDS", -1.0)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        shared = reduce_replicates(plan, ends)
    np.testing.assert_array_equal(shared.numbers, alone.numbers)


def test_the_number_of_blocks_does_not_change_the_numbers(model, monkeypatch):
    """One block or many a worker: the same numbers."""
    plan = plug_in(model, seed=4, draws=30)
    monkeypatch.setattr(workers, "TRIAL_SECONDS", 0.0)
    monkeypatch.setattr(workers, "START_SECONDS", -1.0)
    values = []
    for blocks in (1, 9):
        monkeypatch.setattr(workers, "BLOCKS_PER_WORKER", blocks)
        with joblib.parallel_config(backend="threading"):
            values.append(reduce_replicates(plan, first_numbers, n_jobs=2).numbers)
    np.testing.assert_array_equal(*values)


def test_cheap_work_starts_no_workers(model, monkeypatch):
    """Work of milliseconds stays in this process, whatever n_jobs."""

    def refuse(*arguments, **options):
        raise AssertionError("workers were started")

    monkeypatch.setattr(joblib, "Parallel", refuse)
    reduced = reduce_replicates(plug_in(model, seed=1, draws=20), first_numbers, n_jobs=2)
    assert reduced.numbers.shape == (20, 3)


def test_refits_include_estimation(model):
    """With refits the fitted mean is that of each replicate; without, it never moves."""
    again = reduce_replicates(refitted(model, seed=1, draws=20), first_numbers)
    assert np.unique(again.numbers[:, 2]).size == 20
    fixed = reduce_replicates(plug_in(model, seed=1, draws=20), first_numbers)
    assert np.unique(fixed.numbers[:, 2]).size == 1


def test_failed_refits_are_kept_out_and_counted(model):
    """Refits that raise or do not converge leave no number, and each reason is counted."""
    model = replace(model, fails_above=1.0, stalls_below=-0.3)
    reduced = reduce_replicates(refitted(model, seed=1, draws=200), first_numbers)
    reasons = dict(reduced.failures)
    assert set(reasons) == {
        "ConvergenceError: the likelihood is not finite",
        "ConvergenceError: the refit did not converge",
    }
    assert reduced.failed == 200 - len(reduced.numbers) == 200 - reduced.kept.size
    assert (reduced.numbers[:, 0] <= 1.0).all()
    assert (reduced.numbers[:, 2] > -0.3).all()
    # P(Z > 1) = 0.159 of 200, four standard errors either way.
    assert 11 <= reasons["ConvergenceError: the likelihood is not finite"] <= 53


def test_no_usable_refit_raises(model):
    """If every refit fails there is no null distribution, and one error says why."""
    model = replace(model, fails_above=-np.inf)
    with pytest.raises(ConvergenceError, match="none of 5 refits was usable"):
        reduce_replicates(refitted(model, seed=1, draws=5), first_numbers)


def test_errors_of_the_statistic_are_not_swallowed(model):
    """A mistake in a statistic is a mistake, not a failed refit."""

    def broken(data_view):
        raise ZeroDivisionError("in the statistic")

    with pytest.raises(ZeroDivisionError, match="in the statistic"):
        reduce_replicates(refitted(model, seed=1, draws=5), broken)


def test_progress_counts_to_the_end(model):
    """The callback sees every block, and ends at the total."""
    seen = []
    plan = plug_in(model, seed=1, draws=7)
    reduce_replicates(plan, first_numbers, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(k, 7) for k in range(1, 8)]


def test_a_model_of_another_library_is_told_the_way():
    """What predicts without replicating its data is answered with from_draws."""

    class Results:
        def predict(self):
            return None

    with pytest.raises(OptionError, match=r"Results is a model of another library.*from_draws\("):
        replicate(Results())


def test_refits_are_read_as_draws_with_a_calibration(model):
    """The earlier ``refits=N`` is N draws by refits, and 0 the plug-in, each with a warning."""
    with pytest.warns(FutureWarning, match='write calibration="refit", draws=7'):
        plan = replicate(model, seed=1, refits=7)
    assert (plan.calibration, plan.draws) == ("refit", 7)
    with pytest.warns(FutureWarning, match="replicates.calibration"):
        assert plan.refits == 7
    with pytest.warns(FutureWarning, match='write calibration="plug-in"'):
        plan = replicate(model, seed=1, draws=5, refits=0)
    assert (plan.calibration, plan.draws) == ("plug-in", 5)


def test_the_calibration_suits_the_model(model, pool, monkeypatch):
    """Refits where there may be, one step beyond some rows, and the plug-in for given draws."""
    assert replicate(model).calibration == "refit"
    assert replicate(pool).calibration == "plug-in"
    assert "cannot be fitted again" in replicate(pool).reason
    monkeypatch.setattr("mixcheck.simulation.REFIT_ROWS", 3)
    assert replicate(model).calibration == "refit"
    stepping = SteppingMean(np.zeros(N))
    assert replicate(stepping).calibration == "one-step"
    reduced = reduce_replicates(replicate(stepping, seed=1, draws=5), first_numbers)
    assert reduced.numbers.shape == (5, 3)
    assert stepping.asked == [(N, 5, True)]


@dataclass(frozen=True, eq=False)
class LimitedMean(NormalMean):
    """A mean with a parameter that has no finite estimate, for a reason."""

    reason: str = "groups"

    @property
    def convergence(self):
        """At rest, beside the limit."""
        return replace(super().convergence, limits=(Limit("(1 | g)", self.reason),))


def test_where_groups_determine_the_responses_no_refits_are_made_unasked():
    """The plug-in, with the reason, by default only, and for no other limit."""
    model = LimitedMean(np.zeros(N))
    plan = replicate(model)
    assert plan.calibration == "plug-in"
    assert "determine the responses" in plan.reason
    assert replicate(model, calibration="refit").calibration == "refit"
    assert replicate(LimitedMean(np.zeros(N), reason="dispersion")).calibration == "refit"


def test_data_sets_are_seen_several_times(model, pool):
    """Five times where that is random and replicates can be: by refits, and of given draws."""
    for plan in (refitted(model, seed=1, draws=4), replicate(pool, seed=1, draws=4)):
        reduced = reduce_replicates(plan, first_numbers)
        assert reduced.single.shape == (4, 5, 3)
        np.testing.assert_allclose(reduced.numbers, reduced.single.mean(axis=1))
        views = plan.observe_again()
        np.testing.assert_array_equal(views[0].residuals, plan.observe().residuals)
        assert len({view.residuals[0] for view in views}) == 5
    assert plug_in(model, seed=1).randomisations == 1
    assert refitted(model, seed=1, conditioning="mode").randomisations == 1


def test_drawing_stops_once_there_is_enough(model):
    """At the first of the stops that suffices, with the numbers of a longer run; progress ends."""
    seen, asked = [], []

    def enough(numbers):
        asked.append(len(numbers.numbers))
        return len(numbers.numbers) >= 20

    plan = plug_in(model, seed=3)
    found = reduce_replicates(
        plan,
        first_numbers,
        enough=enough,
        stops=[10, 20, 40],
        progress=lambda done, total: seen.append((done, total)),
    )
    assert asked == [10, 20]
    assert seen[-2:] == [(20, 40), (20, 20)]
    fixed = reduce_replicates(plug_in(model, seed=3, draws=20), first_numbers)
    np.testing.assert_array_equal(found.numbers, fixed.numbers)
