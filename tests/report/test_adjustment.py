import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mixcheck.report.adjustment import (
    Pool,
    attainable,
    graded_pvalues,
    pool_pvalues,
    smallest_pvalue,
    step_down,
)

laws = settings(deadline=None, derandomize=True, max_examples=100)
ALTERNATIVES = ("two-sided", "greater", "less")
# Sums of a few p-values in another order.
ROUNDING = 1e-12

# Few distinct values, so that ties and undefined statistics are common.
statistics = st.integers(1, 5).flatmap(
    lambda m: arrays(
        float, (m, 12), elements=st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0, np.nan])
    )
)
pvalue_vectors = arrays(
    float, st.integers(1, 12), elements=st.floats(0.0, 1.0) | st.sampled_from([0.0, 0.01, 1.0])
)


def naive_pvalue(statistics, row, alternative):
    """The definition: how many data sets are at least as extreme, undefined ones always."""
    mine = statistics[row]
    above = sum(np.isnan(other) or other >= mine for other in statistics)
    below = sum(np.isnan(other) or other <= mine for other in statistics)
    sides = {"greater": above, "less": below, "two-sided": min(2 * min(above, below), 12)}
    return sides[alternative] / len(statistics)


def naive_step_down(pvalues):
    """Westfall and Young, by loops over tests and data sets; column 0 is the observed one."""
    tests, sets = pvalues.shape
    order = sorted(range(tests), key=lambda test: pvalues[test, 0])
    adjusted, largest = np.empty(tests), 0.0
    for step, test in enumerate(order):
        remaining = order[step:]
        count = 1
        for data in range(1, sets):
            count += min(pvalues[other, data] for other in remaining) <= pvalues[test, 0]
        largest = max(largest, count / sets, pvalues[test, 0])
        adjusted[test] = largest
    return adjusted


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_rounding_decides_no_tie(alternative):
    """Data sets that are equal up to rounding are tied, whichever way they were rounded."""
    noise = np.random.default_rng(1).normal(0.0, 1e-11, 40)
    assert (pool_pvalues(0.5 + noise, alternative) == 1.0).all()
    apart = np.array([0.5 * (1.0 + 1e-6), *(0.5 + noise)])
    assert pool_pvalues(apart, "greater")[0] == 1 / 41


@laws
@given(arrays(float, 12, elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0, np.nan])))
def test_pool_pvalues_are_their_definition(values):
    """Sorting gives what counting pairs gives, where the statistic itself is defined."""
    for alternative in ALTERNATIVES:
        found = pool_pvalues(values, alternative)
        for row in np.flatnonzero(~np.isnan(values)):
            assert found[row] == naive_pvalue(values, row, alternative)


def test_undefined_replicates_count_against_the_model():
    """A replicate without a statistic is the most extreme one, on either side."""
    values = np.array([1.0, 0.0, 2.0, np.nan])
    assert pool_pvalues(values, "greater").tolist() == [0.75, 1.0, 0.5, 0.25]
    assert pool_pvalues(values, "less").tolist() == [0.75, 0.5, 1.0, 0.25]


@laws
@given(
    arrays(float, 40, elements=st.floats(-50.0, 50.0) | st.sampled_from([0.0, np.inf, np.nan])),
    st.sampled_from(ALTERNATIVES),
)
def test_graded_pvalues_stay_within_an_error_of_their_rank(values, alternative):
    """They are positive, one standard error of the rank away at most, and in its order."""
    shares, graded = pool_pvalues(values, alternative), graded_pvalues(values, alternative)
    sides = 2 if alternative == "two-sided" else 1
    error = sides * np.sqrt(shares * values.size / sides) / values.size
    assert np.all(np.abs(graded - shares) <= error + ROUNDING)
    assert np.all(graded > 0.0)
    for one in range(values.size if alternative != "two-sided" else 0):
        assert np.mean(graded <= graded[one]) >= np.mean(shares <= shares[one]) - ROUNDING


def test_graded_pvalues_have_less_error_than_ranks():
    """Of 1,000 draws with one p-value of 0.004, by chance the fourth largest or thereabouts."""
    rng, at = np.random.default_rng(8), np.log(250.0)
    runs = [np.concatenate([[at], rng.exponential(size=999)]) for _ in range(400)]
    ranks = np.array([pool_pvalues(run, "greater")[0] for run in runs])
    graded = np.array([graded_pvalues(run, "greater")[0] for run in runs])
    assert graded.mean() == pytest.approx(0.0045, abs=0.0005)
    assert graded.std() < 0.75 * ranks.std()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_rounding_tells_no_data_apart(sign):
    """Statistics that are tied but for rounding have one graded p-value, in the tail too."""
    alternative = "greater" if sign > 0.0 else "less"
    tied = sign * np.array([50.0 * (1.0 + 1e-14), *np.full(39, 50.0)])
    assert graded_pvalues(tied, alternative).tolist() == [1.0] * 40
    far = sign * np.array([90.0 * (1.0 + 1e-14), 90.0, *range(38)])
    first, second, *_ = graded_pvalues(far, alternative)
    assert first == second < 0.05


def test_far_data_are_told_apart_from_the_largest_replicate():
    """Of 60 two-sided tests one far out has an adjusted p-value of 1 / (B + 1), not of a tie."""
    values = np.random.default_rng(5).normal(size=(60, 100))
    values[7, 0] = 12.0
    graded = np.stack([graded_pvalues(row, "two-sided") for row in values])
    assert step_down(graded[:, 0], [Pool(np.arange(60), graded)])[7] == 0.01
    tied = np.stack([pool_pvalues(row, "two-sided") for row in values])
    assert step_down(tied[:, 0], [Pool(np.arange(60), tied)])[7] > 0.6


@pytest.mark.slow
def test_graded_pvalues_have_the_level_of_the_family():
    """Under the null the smallest adjusted p-value of 20 tests, of several tails, is valid."""
    rng, runs, failed = np.random.default_rng(6), 1500, np.zeros(3)
    for _ in range(runs):
        values = rng.standard_t(3, size=(20, 60)) + rng.normal(size=(1, 60))
        values[::3] = np.round(values[::3])
        values[1::3] = rng.exponential(size=values[1::3].shape)
        graded = np.stack([graded_pvalues(row, "two-sided") for row in values])
        smallest = step_down(graded[:, 0], [Pool(np.arange(20), graded)]).min()
        failed += smallest <= np.array([0.05, 0.1, 0.3])
    levels = np.array([0.05, 0.1, 0.3])
    assert np.all(failed / runs <= levels + 3.0 * np.sqrt(levels * (1.0 - levels) / runs))


@laws
@given(statistics, st.sampled_from(ALTERNATIVES))
def test_one_pool_is_westfall_young(values, alternative):
    """The vectorised rule is the naive one, ties and undefined replicates included."""
    pvalues = np.stack([pool_pvalues(row, alternative) for row in values])
    pool = Pool(np.arange(len(pvalues)), pvalues)
    found = step_down(pvalues[:, 0], [pool])
    np.testing.assert_allclose(found, naive_step_down(pvalues), rtol=ROUNDING)


@pytest.mark.slow
def test_no_pool_is_holm():
    """Without replicates the rule is Holm's, as statsmodels has it, ties included."""
    from statsmodels.stats.multitest import multipletests

    rng = np.random.default_rng(1)
    for tests in range(1, 40):
        pvalues = np.round(rng.uniform(size=tests) ** 4, rng.integers(1, 6))
        expected = multipletests(pvalues, method="holm")[1]
        np.testing.assert_allclose(step_down(pvalues), expected, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.slow
@laws
@given(statistics, pvalue_vectors)
def test_adjusted_pvalues_keep_order_and_bounds(values, others):
    """Adjusted p-values are at least the raw ones, at most 1, and in the same order."""
    pooled = np.stack([pool_pvalues(row, "two-sided") for row in values])
    pvalues = np.concatenate([pooled[:, 0], others])
    adjusted = step_down(pvalues, [Pool(np.arange(len(pooled)), pooled)])
    assert np.all(adjusted >= pvalues)
    assert np.all(adjusted <= 1.0)
    assert np.all(np.diff(adjusted[np.argsort(pvalues, kind="stable")]) >= 0.0)


@pytest.mark.slow
@laws
@given(statistics, pvalue_vectors)
def test_floor_bounds_what_was_found(values, others):
    """No adjusted p-value is below the one that its test could have attained."""
    pooled = np.stack([pool_pvalues(row, "greater") for row in values])
    pvalues = np.concatenate([pooled[:, 0], others])
    floors = np.minimum(pvalues, 1 / 12)
    pools = [Pool(np.arange(len(pooled)), pooled)]
    assert np.all(
        attainable(pvalues, floors, pools, alpha=0.0) <= step_down(pvalues, pools) + ROUNDING
    )


def test_attainable_of_holm_is_the_number_of_tests_times_the_floor():
    """255 two-sided draws and 7 tests leave a smallest adjusted p-value of 7 * 2 / 256."""
    floor = smallest_pvalue(255, "two-sided")
    found = attainable(np.full(7, 0.5), np.full(7, floor), [], alpha=0.05)
    np.testing.assert_allclose(found, 7 * 2 / 256)


def test_position_of_the_pool_does_not_matter():
    """Permuting the tests permutes the answer, with a pool in the middle of the family."""
    rng = np.random.default_rng(0)
    pooled = np.stack([pool_pvalues(row, "greater") for row in rng.normal(size=(3, 100))])
    outside = np.array([0.002, 0.3])
    members = np.array([1, 3, 4])
    pvalues = np.empty(5)
    pvalues[members], pvalues[[0, 2]] = pooled[:, 0], outside
    together = step_down(np.concatenate([pooled[:, 0], outside]), [Pool(np.arange(3), pooled)])
    apart = step_down(pvalues, [Pool(members, pooled)])
    np.testing.assert_array_equal(apart[[1, 3, 4, 0, 2]], together)


def correlated(rng, tests, sets, correlation):
    """Exchangeable data sets, their statistics correlated between the tests."""
    common = rng.normal(size=(1, sets))
    own = rng.normal(size=(tests, sets))
    return np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_family_wise_error(correlation):
    """Over 400 true models with 8 checks a false alarm is raised in 5 % of runs.

    The Monte Carlo standard error at 5 % is 0.011; the bound is three of them.
    """
    rng = np.random.default_rng(11)
    alarms = 0
    for _ in range(400):
        values = correlated(rng, 8, 200, correlation)
        pooled = np.stack([pool_pvalues(row, "greater") for row in values])
        adjusted = step_down(pooled[:, 0], [Pool(np.arange(8), pooled)])
        alarms += adjusted.min() <= 0.05
    assert abs(alarms / 400 - 0.05) <= 3 * 0.011


@pytest.mark.slow
def test_more_power_than_holm():
    """With correlated checks the joint rule finds clearly more than Holm's on the same data.

    400 models with one shifted statistic; the paired difference has a standard error below
    0.025, and it must exceed four of them.
    """
    rng = np.random.default_rng(12)
    joint = holm = 0
    for _ in range(400):
        values = correlated(rng, 10, 400, 0.9)
        values[0, 0] += 2.0
        pooled = np.stack([pool_pvalues(row, "greater") for row in values])
        joint += step_down(pooled[:, 0], [Pool(np.arange(10), pooled)])[0] <= 0.05
        holm += step_down(pooled[:, 0])[0] <= 0.05
    assert (joint - holm) / 400 > 0.1
