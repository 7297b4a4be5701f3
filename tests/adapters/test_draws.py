"""A model known by its draws."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from mixcheck.adapters.draws import from_draws, pool_moments
from mixcheck.checks import Convergence, RandomEffects, Suite, Zeros
from mixcheck.errors import DataError, OptionError
from mixcheck.port import Checkable, Enumerable, Refittable
from mixcheck.simulation import replicate


def counts(n: int, m: int, seed: int = 1, mean: float = 2.0):
    """Exchangeable data: m draws and one more for the observed."""
    rng = np.random.default_rng(seed)
    pool = rng.poisson(mean, (m + 1, n))
    return pool[0], pool[1:]


def test_it_meets_the_port():
    """It can be checked and enumerated, and cannot be fitted again."""
    model = from_draws(*counts(5, 9))
    assert isinstance(model, Checkable)
    assert isinstance(model, Enumerable)
    assert not isinstance(model, Refittable)


def test_the_shape_tells_draws_from_observations():
    """Draws by rows or by columns are the same model; a square asks which."""
    y, draws = counts(5, 9)
    np.testing.assert_array_equal(from_draws(y, draws).pool, from_draws(y, draws.T).pool)
    y, draws = counts(6, 6)
    with pytest.raises(OptionError, match='draws_by="rows"'):
        from_draws(y, draws)
    by_columns = from_draws(y, draws.T, draws_by="columns")
    np.testing.assert_array_equal(by_columns.pool, from_draws(y, draws, draws_by="rows").pool)


@pytest.mark.parametrize(
    ("observed", "draws", "message"),
    [
        (np.zeros((2, 2)), np.zeros((3, 2)), "one non-empty vector"),
        (np.zeros(4), np.zeros((3, 5)), "4 columns"),
        (np.zeros(4), np.zeros((1, 4)), "at least two draws"),
        (np.array([0.0, np.inf]), np.zeros((3, 2)), "1 values that are NaN or infinite"),
        (np.zeros(2), np.full((3, 2), np.nan), "draws holds 6 values"),
        (np.array(["a", "b"]), np.zeros((3, 2)), "observed must hold numbers"),
        (np.zeros(2), np.full((3, 2), "a"), "found 'a'; code categories as integers"),
        (np.zeros(2), None, "found None; give an array or a table of numbers"),
        (np.zeros(2), "draws.csv", "found 'draws.csv'; give an array or a table of numbers"),
        (np.zeros(2), (row for row in np.zeros((3, 2))), "give an array or a table of numbers"),
    ],
)
def test_unusable_data_are_refused(observed, draws, message):
    """Wrong shapes, values and types are one clear error."""
    with pytest.raises(DataError, match=message):
        from_draws(observed, draws)


def test_options_are_checked():
    """Wrong lengths of frame and fitted, a wrong axis name, and no frame at all are errors."""
    y, draws = counts(4, 9)
    with pytest.raises(DataError, match="one row an observation, 4"):
        from_draws(y, draws, frame=pd.DataFrame({"x": [1]}))
    with pytest.raises(DataError, match="fitted must be a vector of 4"):
        from_draws(y, draws, fitted=[1.0])
    with pytest.raises(OptionError, match="draws_by='row' is unknown"):
        from_draws(y, draws, draws_by="row")
    with pytest.raises(DataError, match="frame is a list; give a pandas, polars"):
        from_draws(y, draws, frame=[1, 2, 3, 4])


def test_discrete_follows_from_integers():
    """Integers, whole floats and booleans are discrete; fractions are not; the caller may say."""
    y, draws = counts(4, 9)
    assert from_draws(y, draws).discrete
    assert from_draws(y.astype(float), draws.astype(float)).discrete
    assert from_draws(y > 1, draws > 1).discrete
    assert not from_draws(y + 0.5, draws).discrete
    assert not from_draws(y, draws, discrete=False).discrete


def test_a_polars_frame_gives_columns_for_groups():
    """Any eager frame will do for checks by group."""
    y, draws = counts(6, 30)
    model = from_draws(y, draws, frame=pl.DataFrame({"site": list("aabbab")}))
    report = Zeros().by("site") & Zeros()
    names = [finding.check for finding in report.run(model, seed=1).findings]
    assert names == ["zeros [site=a]", "zeros [site=b]", "zeros"]


def test_every_member_of_the_pool_is_ranked_alike():
    """A draw seen as data equals that draw given as data, with the data among its draws."""
    y, draws = counts(7, 11)
    model = from_draws(y, draws)
    for k in (0, 4, 10):
        others = np.vstack([y, np.delete(draws, k, axis=0)])
        swapped = from_draws(draws[k], others)
        seen = model.replicate_number(k, "posterior", np.random.default_rng(3))
        expected = swapped.observe("posterior", np.random.default_rng(3))
        np.testing.assert_array_equal(seen.residuals, expected.residuals)
        np.testing.assert_array_equal(seen.response, expected.response)
        # Sums in another order differ by rounding.
        np.testing.assert_allclose(seen.mean, expected.mean, rtol=1e-13)
        np.testing.assert_allclose(seen.variance, expected.variance, rtol=1e-13)
        np.testing.assert_array_equal(seen.probability(0), expected.probability(0))


def test_ranks_of_continuous_draws_use_no_table_of_ties():
    """Without ties the ranks of one row are a permutation of the cells."""
    rng = np.random.default_rng(1)
    pool = rng.standard_normal((20, 3))
    model = from_draws(pool[0], pool[1:])
    generator = np.random.default_rng(0)
    seen = [model.observe("posterior", generator).residuals]
    seen += [model.replicate_number(k, "posterior", generator).residuals for k in range(19)]
    cells = np.sort(np.floor(np.array(seen) * 20), axis=0)
    np.testing.assert_array_equal(cells, np.repeat(np.arange(20.0)[:, None], 3, axis=1))


def test_moments_are_those_of_the_pool():
    """Mean and variance are over observed and draws together."""
    y, draws = counts(7, 11)
    pool = np.vstack([y, draws])
    mean, variance = pool_moments(pool)
    np.testing.assert_allclose(mean, pool.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(variance, pool.var(axis=0, ddof=1), rtol=1e-13)


def test_replicates_are_the_draws_in_order():
    """Replicate k is draw k, and one chosen at random is some draw."""
    y, draws = counts(7, 11)
    model = from_draws(y, draws)
    plan = replicate(model, seed=1)
    for k in range(11):
        np.testing.assert_array_equal(plan.replicate(k).response, draws[k])
    some = model.replicate("posterior", np.random.default_rng(1)).response
    assert any(np.array_equal(some, draw) for draw in draws)


def test_it_pickles_with_its_ranks():
    """A copy sent to a worker sees the same replicates."""
    model = from_draws(*counts(7, 11))
    plan = replicate(model, seed=1)
    expected = plan.replicate(2).residuals
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(plan)).replicate(2).residuals, expected)


def test_what_draws_cannot_tell_is_skipped():
    """Random effects and convergence are skipped, with a reason, and the rest is found."""
    report = Suite.standard().run(from_draws(*counts(30, 60)), seed=1)
    assert report["uniformity"].replicates.size == 60
    skipped = {finding.check: finding.reason for finding in report.findings[-2:]}
    assert "only its draws are known" in skipped[RandomEffects().name]
    assert "knows how its optimiser ended" in skipped[Convergence().name]


@pytest.mark.slow
def test_false_alarms_of_exchangeable_draws_are_at_their_level():
    """Data that are one draw more are flagged at 10 % in 10 % of pools, for a continuous check."""
    alarms = 0
    pools = 300
    for seed in range(pools):
        rng = np.random.default_rng([7, seed])
        pool = rng.standard_normal((20, 15)) + rng.standard_normal()
        report = (Suite.standard()).run(from_draws(pool[0], pool[1:]), seed=seed)
        alarms += report["uniformity"].pvalue <= 0.1
    # Binomial(300, 0.1): 30 with a standard deviation of 5.2; bounds at four of them.
    assert 9 <= alarms <= 51


def test_labels_of_observations():
    """Fitted values and columns are those of the rows that their index names."""
    y, draws = counts(6, 30)
    index = pd.Index(list("abcdef"))
    observed, order = pd.Series(y, index), list("fbdace")
    fitted = pd.Series(np.arange(6.0), index)
    frame = pd.DataFrame({"x": np.arange(6)}, index)
    model = from_draws(observed, draws, fitted=fitted[order], frame=frame.loc[order])
    assert model.fitted.tolist() == fitted.tolist()
    assert model.frame["x"].tolist() == list(range(6))
    for wrong in ({"fitted": fitted.reset_index(drop=True)}, {"frame": frame.reset_index()}):
        with pytest.raises(DataError, match="index that is not that of observed"):
            from_draws(observed, draws, **wrong)


def test_a_name():
    """Reports call the model by its name, and claim no conditioning that nobody knows."""
    y, draws = counts(6, 30)
    model = from_draws(y, draws, name="brms")
    assert "'brms', 30 draws of 6" in repr(model)
    assert model.description["model"] == "brms"
    assert from_draws(y, draws).description["model"] == "known by its draws"
    report = Suite((Zeros(),)).run(model, seed=1)
    assert report.provenance["conditioning"] == "that of the draws"
    for wrong in ({"name": 3}, {"discrete": np.array([True])}):
        with pytest.raises(OptionError):
            from_draws(y, draws, **wrong)


def test_a_dict_of_columns():
    """Columns may come in any table that a fit takes."""
    y, draws = counts(4, 9)
    assert from_draws(y, draws, frame={"x": [1, 2, 3, 4]}).frame["x"].tolist() == [1, 2, 3, 4]
    with pytest.raises(DataError, match="one row an observation, 4; found 2"):
        from_draws(y, draws, frame={"x": [1, 2]})


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (0, 200, "uint8"),
        (-3, 90, "int8"),
        (0, 60_000, "uint16"),
        (-3, 100_000, "int32"),
        (-3, 2**40, "int64"),
    ],
)
@pytest.mark.parametrize("given", [np.int64, np.float64])
def test_whole_numbers_are_kept_as_small_integers(low, high, dtype, given):
    """With the residuals of the numbers as they were given."""
    rng = np.random.default_rng(4)
    draws = np.floor(rng.uniform(low, high, (50, 9))).astype(given)
    y = np.floor(rng.uniform(low, high, 9)).astype(given)
    draws[0, 0], draws[1, 0] = low, high
    model = from_draws(y, draws)
    assert model.pool.dtype == dtype
    assert model.discrete
    np.testing.assert_array_equal(model.pool[1:], draws)
    whole = from_draws(y + 0.5, draws + 0.5, discrete=True)
    assert whole.pool.dtype == np.float64
    for k in (None, 3):
        one, other = (
            m.observe("marginal", np.random.default_rng(1))
            if k is None
            else m.replicate_number(k, "marginal", np.random.default_rng(1))
            for m in (model, whole)
        )
        np.testing.assert_array_equal(one.residuals, other.residuals)
        np.testing.assert_allclose(one.variance, other.variance, rtol=1e-12)


def test_whole_numbers_beyond_integers_are_kept_as_they_are():
    """They are whole all the same."""
    draws = np.array([[1e19, 2.0], [3e19, 1.0], [0.0, 5.0]])
    model = from_draws(np.array([1e19, 3.0]), draws)
    assert model.pool.dtype == np.float64
    assert model.discrete
