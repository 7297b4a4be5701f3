"""When to stop drawing replicates: once no further one is likely to change a verdict.

Let ``c`` of ``B`` replicates be at least as extreme as the data, and let ``M`` be the most that
will be drawn. The verdict of a run of M is FAIL where ``(c_M + 1) / (M + 1) <= alpha``. Under a
correct model data and replicates are exchangeable. So the place of the data among the first
``B + 1`` data sets is uniform, and given c the number of as extreme ones among the others is that
of Polya's urn,

    ``c_M - c ~ beta-binomial(M - B, c + 1, B - c + 1)``.

Drawing stops at the first of some fixed numbers B where, for every check, this distribution
gives the other verdict a probability of at most ``RISK``.

**Level.** Where a run has stopped at FAIL, the run of M would end at FAIL with probability
``1 - RISK`` or more, so ``(1 - RISK) P(FAIL) <= P(the run of M fails) <= alpha``: the level is at
most ``alpha / (1 - RISK)``, which is 0.05005 for 0.05.

**p-values.** That of a stopped run is ``(c + 1) / (B + 1)``. Above alpha they are valid as those of
Besag and Clifford are: for ``u > alpha`` let B be the first number at which a run can stop at PASS
with a p-value of u or less. Whatever has not stopped before has ``(c_B + 1) / (B + 1) <= u`` if its
p-value is to be u or less, and that has a probability of at most u. Below alpha a run that stopped
early says that it fails, and no more: where the size of a small p-value matters, give ``draws=``.

All this is exact where the order of the data sets does not depend on how many there are. Over
several checks it is an order by ranks among those drawn so far, which moves: with 39 replicates
and a dozen checks the adjusted p-value of data that are at the level in one of them is anywhere
between 0.05 and 0.5. So a check passes only where its own p-value could not come down to the level
either that its adjustment leaves for it, ``alpha p / p_adjusted``; and of m checks one fails only
where its own p-value could not rise above ``alpha / m``, or lies so far beyond all replicates that
a tail through the largest of them puts it a tenth of that. The tests measure the level of the
whole rule.

References
----------
Besag, J. and Clifford, P. (1991). Sequential Monte Carlo p-values. Biometrika 78, 301-304.
Gandy, A. (2009). Sequential implementation of Monte Carlo tests with uniformly bounded
resampling risk. Journal of the American Statistical Association 104, 1504-1511.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
from scipy.special import betaln, gammaln

from mixcheck.report.adjusted_tests import FAR, AdjustedTest, adjust_pvalues
from mixcheck.report.finding import Finding
from mixcheck.report.policy import Policy

__all__ = ["RISK", "are_settled", "chance_of_failing", "is_settled", "most_draws", "stops"]

# Probability of another verdict that is accepted.
RISK = 0.001
# Data sets, the observed one included, after which a run is looked at; those from 100 on are
# repeated tenfold, a hundredfold, and so on.
_FIRST = (40, 60, 80)
_AGAIN = (100, 140, 200, 280, 400, 560, 800)
# The most that is drawn: then a p-value at 0.05 has a standard error of 0.007.
_MOST = 1000
# Data sets as extreme as one that is just at the level, in a run of the most.
_AT_LEVEL = 20


def stops(most: int) -> Iterator[int]:
    """Numbers of replicates after which a run is looked at, each half as large again or so.

    Examples
    --------
    >>> list(stops(999))
    [39, 59, 79, 99, 139, 199, 279, 399, 559, 799, 999]
    """
    tens = (10**k * step for k in itertools.count() for step in _AGAIN)
    for data_sets in itertools.chain(_FIRST, tens):
        if data_sets > most:
            break
        yield data_sets - 1
    yield most


def most_draws(alpha: float, comparisons: int = 1) -> int:
    """The most replicates that are drawn for a level.

    Parameters
    ----------
    alpha : float
    comparisons : int
        By how much a p-value is multiplied for other tests at most.

    Examples
    --------
    >>> most_draws(0.05), most_draws(0.001), most_draws(0.05, 120)
    (999, 19999, 4799)
    """
    return max(_MOST, math.ceil(_AT_LEVEL / alpha), math.ceil(2 * comparisons / alpha)) - 1


def chance_of_failing(count: float, draws: int, most: int, alpha: float) -> float:
    """Probability that a run of the most draws fails, ``P((c_M + 1) / (M + 1) <= alpha)``.

    Parameters
    ----------
    count : float
        Replicates so far that are at least as extreme as the data.
    draws : int
        Replicates so far.
    most : int
    alpha : float

    Examples
    --------
    >>> chance_of_failing(0, 39, 999, 0.05) < 0.9 < chance_of_failing(0, 99, 999, 0.05)
    True
    """
    allowed = math.floor(alpha * (most + 1) * (1.0 + 1e-12)) - 1 - count
    if allowed < 0:
        return 0.0
    rest = most - draws
    more = np.arange(min(rest, math.floor(allowed)) + 1.0)
    ways = gammaln(rest + 1.0) - gammaln(more + 1.0) - gammaln(rest - more + 1.0)
    missed = draws - count + 1.0
    logs = ways + betaln(more + count + 1.0, rest - more + missed) - betaln(count + 1.0, missed)
    return min(1.0, float(np.exp(logs).sum()))


def is_settled(share: float, draws: int, most: int, alpha: float) -> bool:
    """Whether further replicates will hardly change on which side of alpha a p-value is.

    Parameters
    ----------
    share : float
        p-value so far; as a count it is ``share (draws + 1) - 1``.
    draws, most : int
    alpha : float
    """
    count = min(max(share * (draws + 1) - 1.0, 0.0), float(draws))
    fails = chance_of_failing(count, draws, most, alpha)
    return (1.0 - fails if share <= alpha else fails) <= RISK


def are_settled(findings: Sequence[Finding], policy: Policy, most: int) -> bool:
    """Whether further replicates will hardly change a verdict on any finding.

    Parameters
    ----------
    findings : sequence of Finding
    policy : Policy
    most : int
        The most replicates that will be drawn.
    """
    tests = adjust_pvalues(findings, policy.adjust, policy.alpha)
    shared = sum(test is not None and test.joint for test in tests)
    return all(
        _is_settled(finding, test, most, policy.alpha, shared)
        for finding, test in zip(findings, tests, strict=True)
        if test is not None
    )


def _is_settled(finding: Finding, test: AdjustedTest, most: int, alpha: float, shared: int) -> bool:
    draws = finding.replicates.size
    if test.joint and not is_settled(test.adjusted, draws, most, alpha):
        return False
    if test.joint and test.adjusted <= alpha:
        level = alpha / shared
        beyond = test.own <= FAR * level
        return beyond or is_settled(cast(float, finding.pvalue), draws, most, level)
    # A multiple of its own p-value, which counts a side twice where there are two. What is
    # adjusted jointly is more uncertain than its share: it stands where the own p-value puts it.
    own = cast(float, finding.pvalue)
    sides = 2 if finding.alternative == "two-sided" else 1
    return is_settled(own / sides, draws, most, alpha * own / (test.adjusted * sides))
