"""What each response may be: a distribution of its family, or a mixture, and points for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import ndtr

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.families.family import Family, Predictors

__all__ = [
    "Law",
    "Points",
    "find_moments",
    "find_quantiles",
    "list_points",
    "mass_at_zero",
    "spread_mass",
]

# Points of a continuous distribution, and the probability that a count leaves out.
_POINTS = 21
_LEFT_OUT = 1e-9
# Counts that spread wider are summed in blocks of whole numbers, each at its centre.
_WIDEST = 200
_HALVINGS = 80


@dataclass(frozen=True, eq=False)
class Law:
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

    def select(self, rows: IntArray) -> Law:
        """The law of some of the rows."""
        size = None if self.size is None else self.size[rows]
        return Law(self.family, self.weights, self.eta[:, :, rows], size)

    def centre(self) -> Predictors:
        """Mean predictors over the components."""
        return tuple(np.tensordot(self.weights, self.eta, axes=1))

    def components(self) -> Iterator[tuple[float, Predictors]]:
        """Weight and predictors of each component."""
        for weight, eta in zip(self.weights.tolist(), self.eta, strict=True):
            yield weight, tuple(eta)


@dataclass(frozen=True, eq=False)
class Points:
    """Responses to average over.

    Attributes
    ----------
    y, place : (L, n)
    width : (L, n)
        What a probability, or the ratio of a density to that of the centre of the law, is
        multiplied by for the mass of the point.
    """

    y: FloatArray
    place: FloatArray
    width: FloatArray


def list_points(law: Law) -> Points:
    """Points that represent the law of each row."""
    if law.family.discrete:
        return _count_points(law)
    nodes, weights = hermegauss(_POINTS)
    z = np.repeat(nodes[:, None], law.eta.shape[2], axis=1)
    y = np.concatenate([np.zeros((1, z.shape[1])), find_quantiles(law, z)])
    upper = (weights / weights.sum())[:, None] * (1.0 - mass_at_zero(law, law.centre()))
    nothing = np.zeros((1, z.shape[1]))
    return Points(y, np.concatenate([nothing, z]), np.concatenate([nothing + 1.0, upper]))


def spread_mass(law: Law, points: Points) -> Iterator[tuple[float, FloatArray]]:
    """Weight of each component, and its masses at the points, (L, n), which sum to one."""
    origin = law.centre()
    for weight, eta in law.components():
        if law.family.discrete:
            mass = _at_all(law, points.y, eta) * points.width
        else:
            zero = mass_at_zero(law, eta)[None]
            ratio = np.exp(_log_ratio(law, points.y[1:], eta, origin))
            mass = points.width * np.concatenate([zero, ratio])
        yield weight, mass / mass.sum(axis=0)


def _at_all(law: Law, y: FloatArray, eta: Predictors) -> FloatArray:
    """Probability of each response, (L, n)."""
    size = None if law.size is None else np.tile(law.size, len(y))
    flat = law.family.probability(y.ravel(), tuple(np.tile(e, len(y)) for e in eta), size)
    return flat.reshape(y.shape)


def _log_ratio(law: Law, y: FloatArray, eta: Predictors, origin: Predictors) -> FloatArray:
    """Logarithm of the ratio of the densities at two sets of predictors, (L, n)."""
    if law.weights.size == 1:
        return np.zeros(y.shape)
    data = law.family.prepare(y.ravel())
    above, below = (
        law.family.log_density(data, tuple(np.tile(e, len(y)) for e in held))
        for held in (eta, origin)
    )
    return np.asarray(above - below).reshape(y.shape)


def find_moments(law: Law) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of the mixture, (n,)."""
    parts = [(w, law.family.mean(e, law.size), e) for w, e in law.components()]
    mean = sum((w * held for w, held, _ in parts), np.zeros(law.eta.shape[2]))
    spread = (w * (law.family.variance(e, law.size) + (held - mean) ** 2) for w, held, e in parts)
    return mean, sum(spread, np.zeros(mean.shape))


def mass_at_zero(law: Law, eta: Predictors) -> FloatArray:
    """Probability of zero at these predictors, (n,)."""
    below, upto = law.family.cdf(np.zeros(eta[0].size), eta, law.size)
    return upto - below


def _count_points(law: Law) -> Points:
    """Whole numbers, or the centres of blocks that are about even on the scale of the root."""
    ends = [
        [_count_quantile(law.family, eta, law.size, p) for p in (_LEFT_OUT, 1.0 - _LEFT_OUT)]
        for _, eta in law.components()
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
    return Points(y, np.sqrt(y), width)


def _count_quantile(
    family: Family, eta: Predictors, size: FloatArray | None, p: float
) -> FloatArray:
    """Smallest whole number whose distribution function reaches p."""

    def reaches(k: FloatArray) -> BoolArray:
        return np.asarray(family.cdf(k, eta, size)[1] >= p)

    low = np.full(eta[0].size, -1.0)
    high = np.ones(eta[0].size) if size is None else size
    while size is None and not (done := reaches(high)).all():
        low, high = np.where(done, low, high), np.where(done, high, 2.0 * high)
    while (high - low).max(initial=0.0) > 1.0:
        middle = np.floor(0.5 * (low + high))
        done = reaches(middle)
        low, high = np.where(done, low, middle), np.where(done, middle, high)
    return high


def find_quantiles(law: Law, z: FloatArray) -> FloatArray:
    """Responses of the centre at standard normal quantiles z, (T, n), given that they are not 0."""
    family, eta = law.family, law.centre()
    zero = mass_at_zero(law, eta)
    p = zero + (1.0 - zero) * ndtr(z)
    return np.stack([_invert(lambda y: family.cdf(y, eta)[1], row, family, eta) for row in p])


def _invert(
    cdf: Callable[[FloatArray], FloatArray], p: FloatArray, family: Family, eta: Predictors
) -> FloatArray:
    """Bisection between bounds that are doubled until they hold the quantile."""
    mean, variance = family.mean(eta), family.variance(eta)
    reach = np.where(np.isfinite(variance), np.sqrt(variance), 1.0 + np.abs(mean))
    low, high = mean - reach, mean + reach
    for _ in range(_HALVINGS):
        short, beyond = cdf(low) >= p, cdf(high) < p
        if not (short.any() or beyond.any()):
            break
        low = np.where(short, low - 2.0 * (high - low), low)
        high = np.where(beyond, high + 2.0 * (high - low), high)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        reached = cdf(middle) >= p
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    # One float inwards, for the largest float is often the end of the support, which is open.
    return np.nextafter(high, mean)
