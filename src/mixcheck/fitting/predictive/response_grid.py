"""Values that each response might have taken: few to refit at, many to average over.

A function of the response that is dear to compute (a refit) is computed at the nodes and
interpolated by a polynomial to the points of the distribution; zero, where it has probability,
is a node of its own, because it may come from another part of a mixture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.families.derivatives import Predictors
from mixcheck.fitting.predictive.response_distribution import (
    Points,
    ResponseDistribution,
    find_moments,
    find_quantiles,
    list_points,
    mass_at_zero,
)

__all__ = ["Nodes", "interpolate", "place_nodes"]

# Nodes above zero; those of a count lie within so many standard deviations of its square root.
_COUNT_NODES, _REACH = 7, 3.0
_NODES = 5
# Zero is a node where it is at least as probable.
_RARE = 1e-9


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
    scale : tuple of K arrays (n,)
        Predictors at which the places of continuous responses are normal quantiles.
    """

    y: FloatArray
    place: FloatArray
    valid: BoolArray
    scale: Predictors

    def select(self, rows: IntArray) -> Nodes:
        """The nodes of some of the rows."""
        chosen = self.y[:, rows], self.place[:, rows], self.valid[:, rows]
        return Nodes(*chosen, tuple(part[rows] for part in self.scale))


def place_nodes(distribution: ResponseDistribution, y: FloatArray) -> Nodes:
    """Nodes for each row; the observed response takes the place of the one next to it.

    Parameters
    ----------
    distribution : ResponseDistribution
    y : (n,)
        Observed responses, at which no refit is needed.
    """
    zero = np.zeros(y.size)
    for weight, eta in distribution.components():
        zero += weight * mass_at_zero(distribution, eta)
    if distribution.family.discrete:
        responses = _count_nodes(*find_moments(distribution), distribution.size, y)
        places, valid = np.sqrt(responses), np.ones(responses.shape, dtype=bool)
        if distribution.size is not None:
            valid, responses = (
                responses <= distribution.size,
                np.minimum(responses, distribution.size),
            )
    else:
        places = _reach_of(distribution)
        responses, valid = (
            find_quantiles(distribution.family, distribution.centre(), places),
            np.ones(places.shape, dtype=bool),
        )
    nothing = np.zeros((1, y.size))
    return Nodes(
        np.concatenate([nothing, responses]),
        np.concatenate([nothing, places]),
        np.concatenate([(zero > _RARE)[None], valid]),
        distribution.centre(),
    )


def _reach_of(distribution: ResponseDistribution) -> FloatArray:
    """``m + s h_t``, (T, n): places of the nodes of a continuous response.

    h_t are the nodes of Gauss-Hermite, m and s mean and standard deviation of the places of the
    response, given that it is not zero.
    """
    total, first, second = np.zeros((3, distribution.eta.shape[2]))
    for points in list_points(distribution, number=_NODES):
        for weight, mass in points.parts:
            total += weight * mass[1:].sum(axis=0)
            first += weight * (mass * points.place).sum(axis=0)
            second += weight * (mass * points.place**2).sum(axis=0)
    mean = first / total
    deviation = np.sqrt(second / total - mean**2)
    places: FloatArray = mean + deviation * hermegauss(_NODES)[0][:, None]
    return places


def interpolate(nodes: Nodes, points: Points) -> FloatArray:
    """Weights that take values at the nodes to values at the points, (T, L, n).

    ``f(x) = sum_t L_t(x) f_t`` for a place x between the nodes, L_t Lagrange's polynomials; the
    straight lines through the outer two nodes beyond.
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
    """``prod_(s != t) (x - x_s) / (x_t - x_s)`` over the valid nodes above zero, (L, n)."""
    weight = np.where(nodes.valid[t], 1.0, 0.0) * np.ones(place.shape)
    for s in range(1, nodes.y.shape[0]):
        if s != t:
            gap = nodes.place[t] - nodes.place[s]
            used = nodes.valid[s] & nodes.valid[t]
            ratio = (place - nodes.place[s]) / np.where(gap == 0.0, 1.0, gap)
            weight = weight * np.where(used, ratio, 1.0)
    return weight


def _count_nodes(
    mean: FloatArray, variance: FloatArray, size: FloatArray | None, y: FloatArray
) -> FloatArray:
    """Whole numbers next to ``(a + (b - a) (1 - cos(pi t / (T - 1))) / 2)^2``, (T, n), increasing.

    Chebyshev's extremal points on the scale of the square root, between a and b, which are three
    standard deviations ``sd / (2 sqrt(mean))`` of the root below and above ``sqrt(mean)``. The node
    next to the observed y takes its place.
    """
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
