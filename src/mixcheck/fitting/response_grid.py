"""Values that each response might have taken: few to refit at, many to average over.

A function of the response that is dear to compute (a refit) is computed at the nodes and
interpolated by a polynomial to the points of the distribution; zero, where it has probability,
is a node of its own, because it may come from another part of a mixture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import ndtr

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.families.family import Family, Predictors

__all__ = ["Nodes", "Points", "interpolate", "list_points", "place_nodes"]

# Nodes above zero; those of a count lie within so many standard deviations of its square root.
_COUNT_NODES, _REACH = 7, 3.0
_NODES = 5
# Points of a continuous distribution, and the probability that a count leaves out.
_POINTS = 21
_LEFT_OUT = 1e-9
# Counts that spread wider are summed in blocks of whole numbers, each at its centre.
_WIDEST = 200
_HALVINGS = 80


@dataclass(frozen=True, eq=False)
class Nodes:
    """Responses to refit at.

    Attributes
    ----------
    y : (T, n)
        The first is zero.
    place : (T, n)
        Where the nodes lie on the scale of interpolation.
    valid : (T, n)
        Which of them the distribution of the row has.
    """

    y: FloatArray
    place: FloatArray
    valid: BoolArray


@dataclass(frozen=True, eq=False)
class Points:
    """Responses to average over.

    Attributes
    ----------
    y, place, mass : (L, n)
        The masses of a row sum to one.
    """

    y: FloatArray
    place: FloatArray
    mass: FloatArray


def place_nodes(family: Family, eta: Predictors, size: FloatArray | None, y: FloatArray) -> Nodes:
    """Nodes for each row; the observed response takes the place of the one next to it.

    Parameters
    ----------
    family : Family
    eta : tuple of K arrays (n,)
    size : (n,) or None
        Trials; the largest response.
    y : (n,)
        Observed responses, at which no refit is needed.
    """
    zero = _mass_at_zero(family, eta, size)
    if family.discrete:
        held = _count_nodes(family, eta, size, y)
        places, valid = np.sqrt(held), np.ones(held.shape, dtype=bool)
        if size is not None:
            valid, held = held <= size, np.minimum(held, size)
    else:
        z = np.repeat(hermegauss(_NODES)[0][:, None], y.size, axis=1)
        held, places = _quantiles(family, eta, size, zero, z), z
        valid = np.ones(held.shape, dtype=bool)
    nothing = np.zeros((1, y.size))
    return Nodes(
        np.concatenate([nothing, held]),
        np.concatenate([nothing, places]),
        np.concatenate([zero[None] > _LEFT_OUT, valid]),
    )


def list_points(family: Family, eta: Predictors, size: FloatArray | None) -> Points:
    """Points that represent the distribution of each row."""
    if family.discrete:
        return _count_points(family, eta, size)
    zero = _mass_at_zero(family, eta, size)
    nodes, weights = hermegauss(_POINTS)
    z = np.repeat(nodes[:, None], zero.size, axis=1)
    y = np.concatenate([np.zeros((1, zero.size)), _quantiles(family, eta, size, zero, z)])
    mass = (weights / weights.sum())[:, None] * (1.0 - zero)
    return Points(y, np.concatenate([zero[None] * 0.0, z]), np.concatenate([zero[None], mass]))


def interpolate(nodes: Nodes, points: Points) -> FloatArray:
    """Weights that take values at the nodes to values at the points, (T, L, n).

    A polynomial between the nodes, straight lines through the outer two beyond.
    """
    out = np.zeros((nodes.y.shape[0], *points.y.shape))
    zero = points.y == 0.0
    columns = np.arange(points.y.shape[1])
    last = np.maximum(nodes.valid[1:].sum(axis=0), 1)
    ends = nodes.place[1], nodes.place[last, columns]
    inside = np.clip(points.place, *ends)
    for t in range(1, len(out)):
        out[t] = _lagrange(nodes, inside, t)
    beyond = points.place - inside
    first = np.ones_like(last)
    sides = [
        (first, np.minimum(last, 2), beyond < 0.0),
        (last, np.maximum(last - 1, 1), beyond > 0.0),
    ]
    for end, inner, there in sides:
        gap = nodes.place[end, columns] - nodes.place[inner, columns]
        slope = np.where(there & (gap != 0.0), beyond, 0.0) / np.where(gap == 0.0, 1.0, gap)
        for t in range(1, len(out)):
            out[t] += slope * (1.0 * (end == t) - 1.0 * (inner == t))
    out *= ~zero
    out[0] = zero
    return out


def _lagrange(nodes: Nodes, place: FloatArray, t: int) -> FloatArray:
    """Lagrange polynomial of node t among the valid nodes above zero, (L, n)."""
    weight = np.where(nodes.valid[t], 1.0, 0.0) * np.ones(place.shape)
    for s in range(1, nodes.y.shape[0]):
        if s != t:
            gap = nodes.place[t] - nodes.place[s]
            used = nodes.valid[s] & nodes.valid[t]
            ratio = (place - nodes.place[s]) / np.where(gap == 0.0, 1.0, gap)
            weight = weight * np.where(used, ratio, 1.0)
    return weight


def _mass_at_zero(family: Family, eta: Predictors, size: FloatArray | None) -> FloatArray:
    below, upto = family.cdf(np.zeros(eta[0].size), eta, size)
    return upto - below


def _count_nodes(
    family: Family, eta: Predictors, size: FloatArray | None, y: FloatArray
) -> FloatArray:
    mean, variance = family.mean(eta, size), family.variance(eta, size)
    centre = np.sqrt(np.maximum(mean, 1.0))
    spread = _REACH * 0.5 * np.sqrt(variance) / centre
    low = np.rint(np.maximum(centre - spread, 1.0) ** 2)
    if size is not None:
        low = np.minimum(low, np.maximum(size - (_COUNT_NODES - 1.0), 1.0))
    high = np.maximum(np.rint((centre + spread) ** 2), low)
    out = np.empty((_COUNT_NODES, y.size))
    for t, share in enumerate(
        0.5 - 0.5 * np.cos(np.pi * np.arange(_COUNT_NODES) / (_COUNT_NODES - 1))
    ):
        out[t] = np.rint((np.sqrt(low) + share * (np.sqrt(high) - np.sqrt(low))) ** 2)
        if t:
            out[t] = np.maximum(out[t], out[t - 1] + 1.0)
    nearest = np.abs(out - y).argmin(axis=0)
    replaced = (y >= low) & (y <= out[-1])
    columns = np.flatnonzero(replaced)
    out[nearest[columns], columns] = y[columns]
    return out


def _count_points(family: Family, eta: Predictors, size: FloatArray | None) -> Points:
    """Whole numbers, or the centres of blocks that are about even on the scale of the root."""
    low = _count_quantile(family, eta, size, _LEFT_OUT)
    high = np.maximum(_count_quantile(family, eta, size, 1.0 - _LEFT_OUT), low)
    blocks = int(min((high - low).max(initial=0.0), _WIDEST))
    share = np.linspace(0.0, 1.0, blocks + 1)[:, None]
    even = (np.sqrt(low) + share * (np.sqrt(high) - np.sqrt(low))) ** 2
    # An odd number of whole numbers in each block, so that its centre is one of them.
    widths = 2.0 * np.floor(0.5 * np.diff(even, axis=0)) + 1.0
    widths[:, high - low <= blocks] = 1.0
    before = low + np.cumsum(widths, axis=0) - widths
    y = np.concatenate([low[None], before + 0.5 * (widths + 1.0)])
    inside = y <= high
    y = np.minimum(y, high)
    trials = None if size is None else np.tile(size, len(y))
    flat = family.probability(y.ravel(), tuple(np.tile(e, len(y)) for e in eta), trials)
    mass = flat.reshape(y.shape) * inside
    mass[1:] *= widths
    return Points(y, np.sqrt(y), mass / mass.sum(axis=0))


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


def _quantiles(
    family: Family, eta: Predictors, size: FloatArray | None, zero: FloatArray, z: FloatArray
) -> FloatArray:
    """Responses at standard normal quantiles z, (T, n), given that they are not zero."""
    p = zero + (1.0 - zero) * ndtr(z)
    return np.stack([_invert(lambda y: family.cdf(y, eta, size)[1], row, family, eta) for row in p])


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
