"""When drawing stops: the rule by definition, and its level by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom, norm

from mixcheck.report.adjustment import pool_pvalues
from mixcheck.report.finding import Effect, Finding
from mixcheck.report.policy import Policy
from mixcheck.report.stopping import (
    RISK,
    are_settled,
    chance_of_failing,
    is_settled,
    most_draws,
    stops,
)

MOST = 999
EFFECT = Effect("size", 0.0, -1.0, 1.0, 0.0)


@pytest.mark.parametrize(("count", "draws"), [(0, 39), (3, 99), (12, 99), (30, 559), (60, 999)])
def test_chance_of_failing_is_that_of_polyas_urn(count, draws):
    """The chance is a tail of the beta-binomial distribution of the replicates to come."""
    rest = betabinom(MOST - draws, count + 1, draws - count + 1)
    expected = rest.cdf(50 - 1 - count)
    assert chance_of_failing(count, draws, MOST, 0.05) == pytest.approx(expected, abs=1e-12)


def test_the_last_replicate_settles_everything():
    """With the most replicates a p-value is on its side for good, just at the level too."""
    for share in (0.05, 0.051, 0.049, 1.0, 0.001):
        assert is_settled(share, MOST, MOST, 0.05)
    assert not is_settled(0.05, 499, MOST, 0.05)


def test_an_extreme_statistic_needs_as_many_as_make_luck_rare():
    """Beyond all others, it is settled once 0.95 to the number of data sets is below the risk."""
    settled = [stop for stop in stops(MOST) if is_settled(1.0 / (stop + 1), stop, MOST, 0.05)]
    assert settled[0] == 139
    assert 0.95**140 < RISK < 0.95**100


def test_many_comparisons_and_small_levels_have_more_draws():
    """The most is enough to fail the smallest level by Holm's rule, and looks end there."""
    assert most_draws(0.05) == MOST
    assert most_draws(0.05, 60) + 1 >= 60 * 2 / 0.05
    assert list(stops(most_draws(0.001)))[-2:] == [13999, 19999]


def run_one_test(chance):
    """P-value and number of replicates for each chance that one is as extreme as the data."""
    rng = np.random.default_rng(1)
    p, draws = np.ones(chance.size), np.zeros(chance.size)
    going, count, made = np.ones(chance.size, bool), np.zeros(chance.size, int), 0
    for stop in stops(MOST):
        count = count + rng.binomial(stop - made, chance)
        made = stop
        ends = np.array(
            [is_settled((c + 1) / (stop + 1), stop, MOST, 0.05) for c in range(made + 1)]
        )
        now = going & ends[count]
        p[now], draws[now] = (count[now] + 1) / (stop + 1), stop
        going &= ~now
    assert not going.any()
    return p, draws


def test_pvalues_of_one_test_are_valid_from_the_level_on():
    """Under the null p <= u has a probability of u or less for u of alpha and above."""
    p, draws = run_one_test(np.random.default_rng(2).random(60_000))
    for u in (0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5):
        error = np.sqrt(u * (1.0 - u) / p.size)
        assert np.mean(p <= u) <= u / (1.0 - RISK) + 3.0 * error
    # The price of a correct model is a tenth of that of all replicates.
    assert draws.mean() < 110


def test_verdicts_are_those_of_all_replicates():
    """Whether a run stops early hardly changes a verdict: both ways at most the risk."""
    rng = np.random.default_rng(3)
    changed = 0
    for chance in rng.random(400) * 0.2:
        hits = np.cumsum(rng.random(MOST) < chance)
        whole = hits[-1] + 1 <= 50
        for stop in stops(MOST):
            share = (hits[stop - 1] + 1) / (stop + 1)
            if is_settled(share, stop, MOST, 0.05):
                changed += (share <= 0.05) != whole
                break
    # 400 chances near the level; the risk of each is 0.001 averaged over all of them, here five
    # times that. Poisson(2): at most 8 with probability 0.9998.
    assert changed <= 8


def finding(name, statistics, alternative):
    """A finding of statistics of which the first is observed."""
    return Finding(
        name,
        "toy",
        "none",
        float(statistics[0]),
        float(pool_pvalues(statistics, alternative)[0]),
        alternative,
        EFFECT,
        n=10,
        replicates=statistics[1:],
    )


def family(statistics):
    """Findings of several checks, (data sets, checks), every second one two-sided."""
    sides = ("greater", "two-sided")
    return [finding(str(k), one, sides[k % 2]) for k, one in enumerate(statistics.T)]


@pytest.mark.slow
@pytest.mark.parametrize("checks", [3, 12])
def test_the_level_of_the_family_holds(checks):
    """Correct models fail any of several correlated checks in 5 % of runs that stop by the rule."""
    rng, policy, runs, failed = np.random.default_rng(4), Policy(), 800, 0
    for _ in range(runs):
        common = rng.standard_normal((MOST + 1, 1))
        data_sets = (common + rng.standard_normal((MOST + 1, checks))) ** 3
        for stop in stops(MOST):
            findings = family(data_sets[: stop + 1])
            if are_settled(findings, policy, MOST):
                break
        failed += any(j.verdict.name == "FAIL" for j in policy.judge(findings))
    error = np.sqrt(0.05 * 0.95 / runs)
    assert abs(failed / runs - 0.05) < 3.0 * error


@pytest.mark.slow
def test_a_few_early_replicates_do_not_fail_a_check():
    """One of a dozen checks near the level: runs that stop end as runs of all replicates do."""
    rng, policy, changed = np.random.default_rng(5), Policy(), 0
    for _ in range(60):
        data_sets = rng.standard_normal((MOST + 1, 12))
        data_sets[0] = 0.0
        # An adjusted p-value of 0.07.
        data_sets[0, 0] = norm.isf(0.006)
        for stop in stops(MOST):
            findings = family(data_sets[: stop + 1])
            if are_settled(findings, policy, MOST):
                break
        verdicts = {policy.judge(one)[0].verdict for one in (findings, family(data_sets))}
        changed += len(verdicts) > 1
    # Where the adjusted p-value alone decides, 10 of these runs end otherwise.
    assert changed <= 3
