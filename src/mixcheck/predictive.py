"""The distribution of each response as a model predicts it, and its quantile residuals.

Given its linear predictors, a response has the distribution of its family. With the random
effects integrated out it has a mixture of these,
``F(y) = int F(y | eta + s z) phi(z) dz``, s the standard deviation of the random part.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import ndtri

from mixcheck.arrays import BLOCK_ROWS, FloatArray, IntArray
from mixcheck.families.family import Family
from mixcheck.trial_values import may_overflow

__all__ = [
    "ConditionalDistribution",
    "Distribution",
    "MarginalDistribution",
    "known_normal",
    "mean_squares",
    "normal_rule",
    "probability_transform",
    "quantile_residuals",
]

# Nodes of the Gauss-Hermite rule over a row's random predictor, and the ratio of the spread of
# the predictor to what the response tells of it beyond which the integrand is too steep for it.
_NODES = 31
_STEEP = 1.5
# The trapezoidal rule for steep integrands: reach, steps in one slope, most nodes.
_REACH = 8.3
_STEPS = 2.0
_MOST_NODES = 601
# Residuals are kept strictly inside (0, 1), and the probabilities of tails above zero.
_INSIDE = 1e-12
_LEAST_TAIL = 1e-300
# From here on a response is measured from above: below, one minus it has ten digits.
_ABOVE = 1.0 - 1e-6
# Nodes are taken together up to so many rows: few rows are hardly more work than one.
_TOGETHER = 4096


@dataclass(frozen=True, eq=False)
class ConditionalDistribution:
    """Distribution of each response given its predictors.

    Attributes
    ----------
    family : Family
    eta : tuple of (n,)
        Linear predictors in the order of the family.
    size : (n,) or None
        Trials.
    """

    family: Family
    eta: tuple[FloatArray, ...]
    size: FloatArray | None

    def cdf(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Probability below y, and of y or less, (n,) each."""
        return self.family.cdf(y, self.eta, self.size)

    def survival(self, y: FloatArray) -> FloatArray:
        """Probability of more than y, (n,), to its own digits."""
        return self.family.survival(y, self.eta, self.size)

    def rows(self, some: IntArray | slice) -> ConditionalDistribution:
        """The distribution of some responses."""
        size = None if self.size is None else self.size[some]
        return ConditionalDistribution(self.family, tuple(e[some] for e in self.eta), size)

    def mean(self) -> FloatArray:
        """Mean of each response, (n,)."""
        return self.family.mean(self.eta, self.size)

    def variance(self) -> FloatArray:
        """Variance of each response, (n,)."""
        return self.family.variance(self.eta, self.size)

    def mass(self, y: FloatArray) -> FloatArray:
        """Probability of each y, (n,)."""
        return self.family.probability(y, self.eta, self.size)

    def probability(self, k: float) -> FloatArray:
        """Probability that the response is k, (n,)."""
        return self.mass(np.full(self.eta[0].size, k))


@dataclass(frozen=True, eq=False)
class MarginalDistribution:
    """Distribution of each response with its random effects integrated out.

    The predictor of a row is normal, so Gauss-Hermite quadrature in one dimension does;
    where the family is closed under a normal predictor (Gaussian with the identity link) the
    distribution is one of the family.

    Attributes
    ----------
    family : Family
    base : tuple of (n,)
        Linear predictors with the random effects at zero.
    random_variance : (n,)
        Variance of the random part of the predictor of the mean.
    size : (n,) or None
        Trials.
    """

    family: Family
    base: tuple[FloatArray, ...]
    random_variance: FloatArray
    size: FloatArray | None

    @cached_property
    def _given(self) -> list[tuple[FloatArray, ConditionalDistribution]]:
        """Weights (b,) of some nodes, and the distributions there one after the other, (b n,)."""
        closed = self.family.add_normal(self.base, self.random_variance)
        if closed is not None:
            return [(np.ones(1), ConditionalDistribution(self.family, closed, self.size))]
        spread = np.sqrt(self.random_variance)
        nodes, weights = normal_rule(self._steepness(spread))
        step = max(1, _TOGETHER // max(1, spread.size))
        given = []
        for start in range(0, nodes.size, step):
            some = nodes[start : start + step]
            moved = (self.base[0] + some[:, None] * spread).ravel()
            others = (_repeat(part, some.size) for part in self.base[1:])
            size = None if self.size is None else _repeat(self.size, some.size)
            at = ConditionalDistribution(self.family, (moved, *others), size)
            given.append((weights[start : start + step], at))
        return given

    def _steepness(self, spread: FloatArray) -> float:
        """Largest spread of a predictor in units of what one response tells of it."""
        upper = self.base[0] + 2.0 * spread
        step = 1e-4
        ahead, here, behind = (
            ConditionalDistribution(self.family, (upper + d, *self.base[1:]), self.size)
            for d in (step, 0, -step)
        )
        with may_overflow():
            slope = (ahead.mean() - behind.mean()) / (2.0 * step)
            deviation = np.sqrt(np.maximum(here.variance(), 1e-300))
            own = self.family.log_deviation(upper, here.eta)
            if own is not None:
                # Heavy tails may have a scale where they have no variance.
                deviation = np.where(np.isinf(deviation), np.exp(own), deviation)
            steepness: FloatArray = spread * np.abs(slope) / deviation
        # Where the mean overflows, no rule finds its average.
        return float(np.max(steepness, where=np.isfinite(steepness), initial=0.0))

    def _average(self, values: Callable[..., Any], *rows: FloatArray, count: int = 1) -> FloatArray:
        """Averages, (count, n), of values that a distribution has at numbers of the rows, (n,)."""
        n = self.base[0].size
        total = np.zeros((count, n))
        for weights, distribution in self._given:
            told = values(distribution, *(_repeat(row, weights.size) for row in rows))
            by_node = np.reshape(told, (count, weights.size, n))
            for k, weight in enumerate(weights.tolist()):
                total += weight * by_node[:, k]
        return total

    def cdf(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Probability below y, and of y or less, (n,) each."""
        below, upto = self._average(ConditionalDistribution.cdf, y, count=2)
        return below, upto

    def survival(self, y: FloatArray) -> FloatArray:
        """Probability of more than y, (n,), to its own digits."""
        return self._average(ConditionalDistribution.survival, y).ravel()

    def rows(self, some: IntArray | slice) -> MarginalDistribution:
        """The distribution of some responses."""
        size = None if self.size is None else self.size[some]
        base = tuple(part[some] for part in self.base)
        return MarginalDistribution(self.family, base, self.random_variance[some], size)

    def mean(self) -> FloatArray:
        """Mean of each response, (n,)."""
        return self._average(ConditionalDistribution.mean).ravel()

    def variance(self) -> FloatArray:
        """Variance of each response, (n,)."""
        return self._average(
            lambda distribution, mean: distribution.variance() + (distribution.mean() - mean) ** 2,
            self.mean(),
        ).ravel()

    def mass(self, y: FloatArray) -> FloatArray:
        """Probability of each y, (n,)."""
        return self._average(ConditionalDistribution.mass, y).ravel()

    def probability(self, k: float) -> FloatArray:
        """Probability that the response is k, (n,)."""
        return self.mass(np.full(self.base[0].size, k))


def _repeat(values: FloatArray, times: int) -> FloatArray:
    """Values one after the other, (times n,); without a copy where that is once."""
    return values if times == 1 else np.tile(values, times)


def normal_rule(steepness: float) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights for the standard normal distribution."""
    if steepness <= _STEEP:
        nodes, weights = hermegauss(_NODES)
    else:
        # The trapezoidal rule converges geometrically once its steps resolve the integrand.
        count = int(min(2.0 * _REACH * _STEPS * steepness + 1.0, _MOST_NODES))
        nodes = np.linspace(-_REACH, _REACH, max(count, 2 * _NODES))
        weights = np.exp(-0.5 * nodes**2)
    return nodes, weights / weights.sum()


Distribution: TypeAlias = ConditionalDistribution | MarginalDistribution


def quantile_residuals(
    distribution: Distribution, y: FloatArray, uniform: FloatArray
) -> FloatArray:
    """Randomised quantile residuals, (n,), strictly between 0 and 1.

    ``r = F(y-) + U (F(y) - F(y-))``: uniform where the distribution is right.

    Parameters
    ----------
    distribution : Distribution
    y : (n,)
    uniform : (n,)
        Uniform numbers U, which matter where the response has probability masses.

    References
    ----------
    Dunn & Smyth (1996), Randomized quantile residuals, J. Comput. Graph. Stat. 5, 236-244.
    """
    below, upto = distribution.cdf(y)
    return np.clip(below + uniform * (upto - below), _INSIDE, 1.0 - _INSIDE)


def probability_transform(
    distribution: Distribution, y: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Where responses stand in their distributions.

    Parameters
    ----------
    distribution : Distribution
    y : (n,)

    Returns
    -------
    below, mass : (n,)
        ``P(Y < y)`` and ``P(Y = y)``.
    scores : (n,)
        Normal scores of the middle, ``Phi^-1(P(Y < y) + P(Y = y) / 2)``, from the survival function
        where that is 1 to rounding.
    """
    below, mass, scores = np.empty((3, y.size))
    # In blocks of rows, whose temporaries stay in the processor's cache.
    for begin in range(0, y.size, BLOCK_ROWS):
        some = slice(begin, begin + BLOCK_ROWS)
        block = distribution.rows(some)
        _transform_block(block, y[some], below[some], mass[some], scores[some])
    return below, mass, scores


def mean_squares(
    distributions: Sequence[Distribution], weights: FloatArray, y: FloatArray
) -> FloatArray:
    """Mean squares, (n,), of the normal scores that responses have in several distributions.

    See `probability_transform`; nothing of it is kept.
    """
    total = np.zeros(y.size)
    scratch = np.empty((3, min(y.size, BLOCK_ROWS)))
    for begin in range(0, y.size, BLOCK_ROWS):
        some = slice(begin, min(begin + BLOCK_ROWS, y.size))
        parts = scratch[:, : some.stop - begin]
        for distribution, weight in zip(distributions, weights.tolist(), strict=True):
            _transform_block(distribution.rows(some), y[some], *parts)
            scores = parts[2]
            scores *= scores
            scores *= weight
            total[some] += scores
    return total


def _transform_block(
    distribution: Distribution,
    y: FloatArray,
    below: FloatArray,
    mass: FloatArray,
    scores: FloatArray,
) -> None:
    """Write what `probability_transform` returns, (n,) each."""
    below[:], upto = distribution.cdf(y)
    np.subtract(upto, below, out=mass)
    middle = np.multiply(mass, 0.5, out=scores)
    middle += below
    far = np.flatnonzero(middle > _ABOVE)
    np.clip(middle, _LEAST_TAIL, 1.0, out=middle)
    ndtri(middle, out=scores)
    if far.size:
        upper = _upper_tails(distribution.rows(far), y[far], mass[far])
        scores[far] = -ndtri(np.clip(upper, _LEAST_TAIL, 0.5))


def _upper_tails(distribution: Distribution, y: FloatArray, mass: FloatArray) -> FloatArray:
    """``P(Y > y) + P(Y = y) / 2``, (n,), without cancellation."""
    above: FloatArray = distribution.survival(y)
    if not distribution.family.has_atoms:
        return above
    if distribution.family.discrete:
        mass = distribution.mass(y)
    return above + 0.5 * mass


@lru_cache
def _hermite(count: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights, which sum to one, of a Gauss-Hermite rule; not to be written to."""
    points, weights = hermegauss(count)
    return points, weights / weights.sum()


def known_normal(
    family: Family,
    eta: tuple[FloatArray, ...],
    random: Sequence[int],
    covariance: FloatArray,
    size: FloatArray | None,
    count: int,
) -> tuple[FloatArray, list[ConditionalDistribution]]:
    """Distributions given predictors that are normal: the weights of a rule, and at its nodes.

    The rule is the product of Gauss-Hermite rules in the coordinates of a Cholesky factor of the
    covariance.

    Parameters
    ----------
    family : Family
    eta : tuple of (n,)
        Means of the predictors.
    random : sequence of int
        Predictors that are not known, k of them.
    covariance : (k, k, n)
        Their covariances.
    size : (n,) or None
        Trials.
    count : int
        Nodes in one coordinate.
    """
    points, weights = _hermite(count)
    root = _roots_of(covariance)
    products, given = [], []
    for nodes in itertools.product(range(count), repeat=len(random)):
        moved = list(eta)
        for a, k in enumerate(random):
            shift = points[nodes[0]] * root[a, 0]
            for b in range(1, a + 1):
                shift += points[nodes[b]] * root[a, b]
            shift += eta[k]
            moved[k] = shift
        products.append(float(np.prod(weights[list(nodes)])))
        given.append(ConditionalDistribution(family, tuple(moved), size))
    return np.array(products), given


def _roots_of(covariance: FloatArray) -> FloatArray:
    """Cholesky factors (k, k, n) of matrices that may be singular; what has no variance is zero."""
    root = np.zeros_like(covariance)
    for a in range(len(covariance)):
        for b in range(a + 1):
            rest = covariance[a, b]
            if b:
                rest = rest - np.einsum("cn,cn->n", root[a, :b], root[b, :b])
            if a == b:
                np.maximum(rest, 0.0, out=root[a, a])
                np.sqrt(root[a, a], out=root[a, a])
            else:
                np.divide(rest, root[b, b], out=root[a, b], where=root[b, b] > 0.0)
    return root
