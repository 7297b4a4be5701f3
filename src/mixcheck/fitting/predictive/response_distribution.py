"""What each response may be: a distribution of its family, or a mixture, and points for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import ndtr, ndtri

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.families.derivatives import Predictors
from mixcheck.families.family import Family
from mixcheck.fitting.predictive.quantile_search import count_quantile, find_crossing

__all__ = [
    "Points",
    "ResponseDistribution",
    "find_moments",
    "find_quantiles",
    "list_points",
    "mass_at_zero",
]

# Points of a continuous distribution, and the probability that a count leaves out.
_POINTS = 21
_LEFT_OUT = 1e-9
# Counts that spread wider are summed in blocks of whole numbers, each at its centre.
_WIDEST = 200
# Of the search for a quantile, in standard deviations or on the scale of the logarithm.
_TOLERANCE = 1e-10
# Probabilities whose normal quantiles are finite.
_WITHIN = (1e-300, 1.0 - 2.0**-53)


@dataclass(frozen=True, eq=False)
class ResponseDistribution:
    """What each response may be: a mixture of Q distributions of one family.

    Attributes
    ----------
    family : Family
    weights : (Q,)
        They sum to one.
    eta : (Q, K, n)
        Predictors of each component.
    size : (n,) or None
        Trials; the largest response.
    """

    family: Family
    weights: FloatArray
    eta: FloatArray
    size: FloatArray | None

    def select(self, rows: IntArray) -> ResponseDistribution:
        """The distribution of some of the rows."""
        size = None if self.size is None else self.size[rows]
        return ResponseDistribution(self.family, self.weights, self.eta[:, :, rows], size)

    def centre(self) -> Predictors:
        """Mean predictors over the components, ``sum_q w_q eta_q``."""
        return tuple(np.tensordot(self.weights, self.eta, axes=1))

    def components(self) -> Iterator[tuple[float, Predictors]]:
        """Weight and predictors of each component."""
        for weight, eta in zip(self.weights.tolist(), self.eta, strict=True):
            yield weight, tuple(eta)


@dataclass(frozen=True, eq=False)
class Points:
    """Responses to average over, for some components of a distribution.

    Attributes
    ----------
    y : (L, n)
    place : (L, n)
        Where they lie on the scale of interpolation: the square root of a count, the normal
        quantile of a continuous response at certain predictors.
    parts : tuple of (float, (L, n))
        Weight and masses of each component; the masses of a row sum to one.
    """

    y: FloatArray
    place: FloatArray
    parts: tuple[tuple[float, FloatArray], ...]


def list_points(
    distribution: ResponseDistribution, scale: Predictors | None = None, number: int = _POINTS
) -> Iterator[Points]:
    """Points that represent the distribution of each row.

    The components of a discrete distribution share them, those of a continuous one have each
    their own, as many as `number` besides zero: ``F(y_l | y != 0) = Phi(z_l)`` with the masses
    ``w_l (1 - P(0))``, for nodes z and weights w of Gauss-Hermite that sum to one. Their places
    are normal quantiles at the predictors `scale`, by default the centre of the distribution.
    """
    if distribution.family.discrete:
        yield _count_points(distribution)
        return
    nodes, weights = hermegauss(number)
    z = np.repeat(nodes[:, None], distribution.eta.shape[2], axis=1)
    nothing = np.zeros((1, z.shape[1]))
    origin = distribution.centre() if scale is None else scale
    for weight, eta in distribution.components():
        zero = mass_at_zero(distribution, eta)
        y = find_quantiles(distribution.family, eta, z)
        same = all(np.array_equal(a, b) for a, b in zip(eta, origin, strict=True))
        place = z if same else _standardise(distribution.family, origin, y)
        mass = (weights / weights.sum())[:, None] * (1.0 - zero)
        yield Points(
            np.concatenate([nothing, y]),
            np.concatenate([nothing, place]),
            ((weight, np.concatenate([zero[None], mass])),),
        )


def _standardise(family: Family, eta: Predictors, y: FloatArray) -> FloatArray:
    """``Phi^-1((F(y) - P(0)) / (1 - P(0)))``, (L, n): normal quantiles, given that y is not 0."""
    below, upto = family.cdf(np.zeros(eta[0].size), eta)
    zero = upto - below
    _, upto = family.cdf(y.ravel(), tuple(np.tile(e, len(y)) for e in eta))
    share = (upto.reshape(y.shape) - zero) / (1.0 - zero)
    z: FloatArray = ndtri(np.clip(share, *_WITHIN))
    return z


def _at_all(distribution: ResponseDistribution, y: FloatArray, eta: Predictors) -> FloatArray:
    """``P(Y = y)`` of each response, (L, n)."""
    size = None if distribution.size is None else np.tile(distribution.size, len(y))
    flat = distribution.family.probability(y.ravel(), tuple(np.tile(e, len(y)) for e in eta), size)
    return flat.reshape(y.shape)


def find_moments(distribution: ResponseDistribution) -> tuple[FloatArray, FloatArray]:
    """``mu = sum w m`` and ``sum w (v + (m - mu)^2)`` over the components of the mixture, (n,)."""
    parts = [
        (w, distribution.family.mean(e, distribution.size), e) for w, e in distribution.components()
    ]
    mean = sum((w * m for w, m, _ in parts), np.zeros(distribution.eta.shape[2]))
    spread = (
        w * (distribution.family.variance(e, distribution.size) + (m - mean) ** 2)
        for w, m, e in parts
    )
    return mean, sum(spread, np.zeros(mean.shape))


def mass_at_zero(distribution: ResponseDistribution, eta: Predictors) -> FloatArray:
    """``P(0) = F(0) - F(0-)`` at these predictors, (n,)."""
    below, upto = distribution.family.cdf(np.zeros(eta[0].size), eta, distribution.size)
    return upto - below


def _count_points(distribution: ResponseDistribution) -> Points:
    """Whole numbers, or the centres of blocks that are about even on the scale of the root.

    A point y of a block of b whole numbers has the mass ``b P(Y = y)``, and all of them sum to one.
    """
    ends = [
        [_count_quantile(distribution, eta, p) for p in (_LEFT_OUT, 1.0 - _LEFT_OUT)]
        for _, eta in distribution.components()
    ]
    low = np.min([low for low, _ in ends], axis=0)
    high = np.max([high for _, high in ends], axis=0)
    blocks = int(min((high - low).max(initial=0.0), _WIDEST))
    share = np.linspace(0.0, 1.0, blocks + 1)[:, None]
    even = (np.sqrt(low) + share * (np.sqrt(high) - np.sqrt(low))) ** 2
    # An odd number of whole numbers in each block, so that its centre is one of them.
    widths = 2.0 * np.floor(0.5 * np.diff(even, axis=0)) + 1.0
    widths[:, high - low <= blocks] = 1.0
    before = low + np.cumsum(widths, axis=0) - widths
    y = np.concatenate([low[None], before + 0.5 * (widths + 1.0)])
    inside = y <= high
    width = np.concatenate([np.ones((1, low.size)), widths]) * inside
    y = np.minimum(y, high)
    parts = (
        (weight, _at_all(distribution, y, eta) * width) for weight, eta in distribution.components()
    )
    return Points(y, np.sqrt(y), tuple((weight, mass / mass.sum(axis=0)) for weight, mass in parts))


def _count_quantile(distribution: ResponseDistribution, eta: Predictors, p: float) -> FloatArray:
    """``min {k: F(k) >= p}``: smallest whole number whose distribution function reaches p."""
    family, size = distribution.family, distribution.size
    return count_quantile(lambda k: family.cdf(k, eta, size)[1], eta[0].size, size, p)


def find_quantiles(family: Family, eta: Predictors, z: FloatArray) -> FloatArray:
    """``F(y) = P(0) + (1 - P(0)) Phi(z)``, (T, n): responses at standard normal quantiles z.

    Given that they are not zero.
    """
    below, upto = family.cdf(np.zeros(eta[0].size), eta)
    zero = upto - below
    p = (zero + (1.0 - zero) * ndtr(z)).ravel()
    flat = tuple(np.tile(e, len(z)) for e in eta)
    mean, variance = family.mean(flat), family.variance(flat)
    reach = np.where(np.isfinite(variance), np.sqrt(variance), 1.0 + np.abs(mean))
    positive = not below.any()

    def response(x: FloatArray, mean: FloatArray, reach: FloatArray) -> FloatArray:
        # Small positive quantiles are found to a relative error.
        return mean * np.exp(x) if positive else mean + x * reach

    def excess(x: FloatArray, row: IntArray) -> FloatArray:
        y = response(x, mean[row], reach[row])
        return family.cdf(y, tuple(e[row] for e in flat))[1] - p[row]

    found = find_crossing(excess, p.size, _TOLERANCE)
    # Inwards by as much as it may be off, for beyond it the support may end.
    inwards = found - _TOLERANCE * np.sign(z.ravel())
    return response(inwards, mean, reach).reshape(z.shape)
