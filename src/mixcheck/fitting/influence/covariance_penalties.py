"""What a row's log density gains by fitting its own response, averaged over that response.

References
----------
Saefken, Kneib, van Waveren & Greven (2014), Electronic Journal of Statistics 8, 201-225, for
counts; Efron (2004), JASA 99, 619-632, for 0/1 responses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.families.family import Family
from mixcheck.families.responses import Observed
from mixcheck.fitting.influence.case_refits import Perturbed
from mixcheck.fitting.influence.vanishing_parameters import bend, straighten
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.predictive.response_distribution import (
    Points,
    ResponseDistribution,
    list_points,
)
from mixcheck.fitting.predictive.response_grid import Nodes, interpolate

__all__ = ["chen_stein", "grid_excess", "grid_weights"]

# Numbers of one block of rows.
_BLOCK = 4_000_000


def chen_stein(problem: Problem, eta: FloatArray, changes: FloatArray) -> FloatArray:
    """``y (log mu(y) - log mu(y - 1))``: each row's share of the optimism of a Poisson model, (n,).

    The mean ``mu(y - 1)`` is that of the fit to one event less: `changes` are from y to y - 1.
    """
    y, family = problem.data.y, problem.family
    before, after = family.mean(tuple(eta)), family.mean(tuple(eta + changes))
    shares: FloatArray = y * (np.log(before) - np.log(after))
    return shares


def grid_excess(
    perturbed: Perturbed, distribution: ResponseDistribution, nodes: Nodes, changes: FloatArray
) -> FloatArray:
    """Each row's share of the optimism after the changes of each node, (n,).

    ``sum_k p_k { l(k; zeta(k)) - sum_j p_j l(j; zeta(k)) }`` for the probabilities p of a row's
    response and its predictors zeta(k) after a fit to k in its place, interpolated between nodes.
    """
    out = np.zeros(perturbed.problem.n)
    for rows in _row_blocks(distribution, nodes):
        for row in _evaluate_nodes(perturbed, distribution, nodes, rows):
            out[rows] += _excess(row, changes[:, :, rows])
    return out


def grid_weights(
    perturbed: Perturbed, distribution: ResponseDistribution, nodes: Nodes
) -> FloatArray:
    """Derivative of `grid_excess` in the changes of each node, at none, (T, K, n).

    ``sum_k p_k l_a(k) L_t(k)``, L_t the weights of interpolation and l_a the scores: those of the
    second term have the expectation zero under the fitted distribution.
    """
    out = np.zeros((nodes.y.shape[0], distribution.eta.shape[1], distribution.eta.shape[2]))
    for rows in _row_blocks(distribution, nodes):
        for row in _evaluate_nodes(perturbed, distribution, nodes, rows):
            out[:, :, rows] += _first_order(row)
    return out


def _row_blocks(distribution: ResponseDistribution, nodes: Nodes) -> Iterator[IntArray]:
    T, n = nodes.y.shape
    # A count that spreads widely has some two hundred points.
    size = max(1, _BLOCK // (max(T, distribution.weights.size) * 200))
    for start in range(0, n, size):
        yield np.arange(start, min(start + size, n))


@dataclass(frozen=True, eq=False)
class _Row:
    """A block of r rows with points of their distribution.

    Attributes
    ----------
    family : Family
    data : Observed
        The points, (L r,).
    points : Points
    eta : (K, r)
        Fitted predictors.
    weights : (T, L, r)
        From the nodes to the points.
    """

    family: Family
    data: Observed
    points: Points
    eta: FloatArray
    weights: FloatArray

    def log_density(self, predictors: FloatArray) -> FloatArray:
        """Of the points at predictors (K, L, r) or (K, r), (L, r)."""
        value = self.family.log_density(self.data, self._flat(predictors))
        return value.reshape(self.points.y.shape)

    def scores(self) -> FloatArray:
        """Of the points at the fitted predictors, (K, L, r)."""
        first = self.family.derivatives(self.data, self._flat(self.eta), 1).first
        return np.stack(first).reshape(len(self.eta), *self.points.y.shape)

    def _flat(self, predictors: FloatArray) -> tuple[FloatArray, ...]:
        return tuple(np.broadcast_to(p, self.points.y.shape).ravel() for p in predictors)


def _evaluate_nodes(
    perturbed: Perturbed, distribution: ResponseDistribution, nodes: Nodes, rows: IntArray
) -> Iterator[_Row]:
    family, observed = perturbed.problem.family, perturbed.problem.data
    eta = np.stack(perturbed.mode.point.eta)[:, rows]
    chosen = nodes.select(rows)
    for points in list_points(distribution.select(rows), chosen.scale):
        # Points without mass may lie outside the support.
        massive = np.any([mass > 0.0 for _, mass in points.parts], axis=0)
        y = np.where(massive, points.y, observed.y[rows])
        size = None if observed.size is None else np.tile(observed.size[rows], len(y))
        data = family.prepare(y.ravel(), size)
        yield _Row(family, data, points, eta, interpolate(chosen, points))


def _excess(row: _Row, changes: FloatArray) -> FloatArray:
    """``sum_k p_k { l(k; zeta(k)) - sum_j p_j l(j; zeta(k)) }``, averaged over the parts, (r,)."""
    ends = row.family.ends
    between = np.einsum("tkr,tlr->klr", straighten(changes, ends), row.weights)
    moved = row.eta[:, None] + bend(between, ends)
    own = row.log_density(moved)
    others = [row.log_density(row.eta + bend(straighten(change, ends), ends)) for change in changes]
    shares = np.zeros(row.eta.shape[1])
    for weight, mass in row.points.parts:
        fresh = np.stack([_average(mass, log_density) for log_density in others])
        here = np.einsum("lr,tlr->tr", mass, row.weights)
        shares += weight * (_average(mass, own) - np.einsum("tr,tr->r", here, fresh))
    return shares


def _average(mass: FloatArray, values: FloatArray) -> FloatArray:
    """``sum_k p_k v_k``, (r,); points without mass count for nothing, whatever they are."""
    mean: FloatArray = np.sum(mass * np.where(mass > 0.0, values, 0.0), axis=0)
    return mean


def _first_order(row: _Row) -> FloatArray:
    """``sum_k p_k l_a(k) dzeta(k) / dzeta_t``, (T, K, r)."""
    mass = sum((w * m for w, m in row.points.parts), np.zeros(row.points.y.shape))
    weights: FloatArray = np.einsum("lr,klr,tlr->tkr", mass, row.scores(), row.weights)
    return weights
