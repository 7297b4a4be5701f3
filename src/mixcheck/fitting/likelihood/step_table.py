"""The deviance at the parameters of a fit, of every response that its design may have.

With a canonical link, ``l = w (y eta - A(eta)) + c(y)``, responses enter the deviance of a model
with one random effect per level by their sums alone. What is left is a function of each level's
effect u: sums over its rows of ``w A``, of ``w A' (z, x)``, ``w A'' (z^2, x z)`` and
``w A''' (z^3, x z^2, x x' z)``, with z the covariate of the effect and x the row of X. They are
tabulated once. The deviance of any response, its gradient, and the modes at parameters nearby
follow without a look at the rows, from polynomials through the table:

``D = -2 sum w (y eta - A) - 2 sum c + sum u^2 + sum log H``, ``H = 1 + L^2 sum w A'' z^2``,

where L is the standard deviation, and ``L sum w (y - A') z = u``.

References
----------
McCullagh & Nelder (1989), Generalized Linear Models, 2nd ed., section 2.2.4: sufficient statistics
and canonical links.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.polynomial import polynomial

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.roots import Root, units_of
from mixcheck.fitting.likelihood.mode import ascent, evaluate_density, whitened
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.points import Point
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.score_table import REACH, ScoreTable, nodes_of, weighted
from mixcheck.trial_values import may_overflow

__all__ = ["CLOSE_DEVIANCE", "Start", "StepTable", "tabulate_step"]

# Nodes of a polynomial, and how many of them lie below its cell.
_POINTS, _BELOW = 8, 3
# No predictor of a row moves by more from node to node; and the table is no longer than that.
_STEP, _MOST_NODES = 0.2, 301
# The table has at most so many numbers for each row.
_MOST = 24
# It is used where it has the deviance of the fit and, in units of the Hessian, the gradient so
# closely.
CLOSE_DEVIANCE, _CLOSE_GRADIENT = 1e-3, 1e-4


@dataclass(frozen=True, eq=False)
class StepTable:
    """Sums over the rows of each level at nodes of its effect.

    Attributes
    ----------
    scores : ScoreTable
        Which effects solve ``L sum w (y - A') z = u``.
    psi : (P,)
    base : (n,)
        Predictor without random effects.
    sums : (m, K, 3 p + 4 + p (p + 1) / 2)
        Of ``w A``, ``w A' (z, x)``, ``w A'' (z^2, x z)`` and ``w A''' (z^3, x z^2, x x' z)``.
    """

    scores: ScoreTable
    psi: FloatArray
    base: FloatArray
    sums: FloatArray

    def at(self, problem: Problem) -> Start:
        """The deviance of the response of a problem, and what follows."""
        y = weighted(problem, problem.data.y)
        constant = float(weighted(problem, problem.data.constant).sum())
        (total,) = problem.latent.scatter({0: y})
        root = float(units_of(self.scores.roots[0])[0, 0])
        u = self.scores.effects(root * total[0])
        level = _Level(root, u, total[0], *_divide(self._at(u), problem.n_beta)).at_mode()
        linear = float(self.base @ y)
        return Start(problem, self.psi, level, linear + constant, problem.X[0].T @ y)

    def _at(self, u: FloatArray) -> FloatArray:
        """The sums at effects (m,), one row for each level."""
        nodes = self.scores.nodes
        place = (u - nodes[0]) / (nodes[1] - nodes[0])
        cell = np.clip(place.astype(np.intp), _BELOW, nodes.size - _POINTS + _BELOW)
        shares = np.vander(place - cell, _POINTS, increasing=True) @ _lagrange()
        first = np.arange(u.size) * nodes.size + cell - _BELOW
        rows = self.sums.reshape(-1, self.sums.shape[2])
        beside = np.take(rows, first[:, None] + np.arange(_POINTS), axis=0)
        found: FloatArray = np.einsum("mk,mkj->mj", shares, beside)
        return found


@lru_cache
def _lagrange() -> FloatArray:
    """Coefficients of Lagrange's polynomials, a column for each node of a cell, lowest first."""
    nodes = np.arange(_POINTS) - _BELOW
    columns = []
    for node in nodes:
        others = nodes[nodes != node]
        columns.append(polynomial.polyfromroots(others) / np.prod(float(node) - others))
    return np.stack(columns, axis=1)


@dataclass(frozen=True, eq=False)
class _Level:
    """Sums over the rows of each level, (m,) or (m, p), at its effect."""

    root: float
    u: FloatArray
    total: FloatArray
    value: FloatArray
    first_z: FloatArray
    first_x: FloatArray
    second_zz: FloatArray
    second_xz: FloatArray
    third_zzz: FloatArray
    third_xzz: FloatArray
    third_xxz: FloatArray

    def at_mode(self) -> _Level:
        """The same after a step of Newton's method, so short that the third derivatives stay."""
        step = (self.root * self.scores - self.u) / self.information
        moved = self.root * step
        return replace(
            self,
            u=self.u + step,
            value=self.value + moved * (self.first_z + 0.5 * moved * self.second_zz),
            first_z=self.first_z + moved * (self.second_zz + 0.5 * moved * self.third_zzz),
            first_x=self.first_x + moved[:, None] * self.second_xz,
            second_zz=self.second_zz + moved * self.third_zzz,
            second_xz=self.second_xz + moved[:, None] * self.third_xzz,
        )

    @property
    def scores(self) -> FloatArray:
        """``sum w (y - A') z``."""
        return self.total - self.first_z

    @property
    def information(self) -> FloatArray:
        """H."""
        return 1.0 + self.root**2 * self.second_zz


@dataclass(frozen=True, eq=False)
class Start:
    """Where a step to another response begins.

    Attributes
    ----------
    problem : Problem
        Of that response.
    psi : (P,)
    level : _Level
    linear : float
        ``sum w y (o + x'beta) + sum c``.
    total : (p,)
        ``X' w y``.
    """

    problem: Problem
    psi: FloatArray
    level: _Level
    linear: float
    total: FloatArray

    @property
    def deviance(self) -> float:
        """Minus twice the log-likelihood."""
        at = self.level
        density = self.linear + at.root * float(at.u @ at.total) - float(at.value.sum())
        return float(-2.0 * density + at.u @ at.u + np.log(at.information).sum())

    @property
    def gradient(self) -> FloatArray:
        """Its gradient, (P,)."""
        at, root = self.level, self.level.root
        inverse = 1.0 / at.information
        by_beta = -root * at.second_xz * inverse[:, None]
        by_root = (at.scores - root * at.second_zz * at.u) * inverse
        turned = at.third_xzz + root * at.third_zzz[:, None] * by_beta
        beta = -2.0 * (self.total - at.first_x.sum(axis=0)) + root**2 * (inverse @ turned)
        moved = 2.0 * root * at.second_zz + root**2 * at.third_zzz * (at.u + root * by_root)
        d_root = np.array([[float(inverse @ moved) - 2.0 * float(at.scores @ at.u)]])
        theta = self.problem.pull_back(self.psi[self.problem.n_beta :], [d_root])
        return np.concatenate([beta, theta])

    def modes(self, psi: FloatArray) -> list[FloatArray]:
        """Modes at parameters nearby, (1, m), to second order.

        See `mixcheck.fitting.likelihood.bent_mode`.
        """
        at, root, n_beta = self.level, self.level.root, self.problem.n_beta
        shift = psi[:n_beta] - self.psi[:n_beta]
        (moved,) = self.problem.roots(psi[n_beta:])
        turn = float(units_of(moved)[0, 0]) - root
        inverse, along = 1.0 / at.information, at.second_xz @ shift
        first = inverse * (turn * (at.scores - root * at.second_zz * at.u) - root * along)
        change = turn * at.u + root * first
        bent = -2.0 * turn * (along + at.second_zz * (change + root * first))
        bent -= root * change * (2.0 * (at.third_xzz @ shift) + at.third_zzz * change)
        j, k = np.triu_indices(n_beta)
        bent -= root * (at.third_xxz @ (np.where(j == k, 1.0, 2.0) * shift[j] * shift[k]))
        return [(at.u + first + 0.5 * inverse * bent)[None]]


def tabulate_step(problem: Problem, at: Evaluation, scale: FloatArray) -> StepTable | None:
    """The table at an evaluation; None where there is none, or it is not exact enough.

    Parameters
    ----------
    problem : Problem
    at : Evaluation
        By Laplace's approximation.
    scale : (P, P)
        Root of the inverse of the Hessian of the deviance there.
    """
    if nodes_of(problem) is None or problem.has_large_counts or problem.penalty is not None:
        return None
    base, roots = problem.fixed(at.psi), problem.roots(at.psi[problem.n_beta :])
    nodes, levels = _nodes(problem, roots[0]), problem.latent.factors[0].m
    width = 3 * problem.n_beta + 4 + problem.n_beta * (problem.n_beta + 1) // 2
    if nodes is None or nodes.size * levels * width > _MOST * problem.n:
        return None
    sums = np.empty((levels, nodes.size, width))
    values, slopes = np.empty((2, nodes.size, levels))
    linear = weighted(problem, problem.data.y)
    (total,) = whitened(problem, roots, {0: linear})
    root = float(units_of(roots[0])[0, 0])
    constant = weighted(problem, problem.data.constant)
    with may_overflow():
        for k, node in enumerate(nodes):
            point = evaluate_density(problem, base, roots, [np.full((1, levels), node)], 3)
            sums[:, k] = _sums_at(problem, point, linear, constant)
            values[k] = total[0] - ascent(problem, roots, point)[0][0]
            slopes[k] = 1.0 + sums[:, k, 2 + problem.n_beta] * root**2
    if not np.isfinite(sums).all() or not (np.diff(values, axis=0) > 0.0).all():
        return None
    table = StepTable(ScoreTable(roots, nodes, values, slopes), at.psi, base[0], sums)
    start = table.at(problem)
    off = np.abs(scale.T @ (start.gradient - at.gradient)).max()
    close = abs(start.deviance - at.deviance) < CLOSE_DEVIANCE and off < _CLOSE_GRADIENT
    return table if close else None


def _nodes(problem: Problem, root: Root) -> FloatArray | None:
    """Effects at which the table is made, (K,); None where they would be too many."""
    (column,) = problem.latent.factors[0].columns
    largest = 1.0 if column.covariate is None else float(np.abs(column.covariate).max())
    reach = REACH * abs(float(units_of(root)[0, 0])) * largest
    count = 2 * max(_POINTS, int(np.ceil(reach / _STEP))) + 1
    return np.linspace(-REACH, REACH, count) if count <= _MOST_NODES else None


def _sums_at(
    problem: Problem, point: Point, linear: FloatArray, constant: FloatArray
) -> FloatArray:
    """Sums over the rows of each level, in a row for each; see `StepTable`."""
    sums = problem.latent.factors[0].sums
    (column,) = problem.latent.factors[0].columns
    d, z, X = point.derivatives, column.covariate, problem.X[0].T
    parts = [
        linear * point.eta[0] + constant - d.value,
        linear - d.first[0],
        -d.second[0, 0],
        -d.third[0, 0, 0],
    ]
    out = [sums(parts[0])]
    for power, part in enumerate(parts[1:]):
        once = part if z is None or not power else part * z**power
        out.append(sums(once if z is None else once * z))
        out += [sums(once * x) for x in X]
    once = parts[3] if z is None else parts[3] * z
    for j, x in enumerate(X):
        by_x = once * x
        out += [sums(by_x * other) for other in X[j:]]
    return np.stack(out, axis=1)


def _divide(sums: FloatArray, p: int) -> list[FloatArray]:
    """Sums of levels as (m,), and (m, p) or (m, p (p + 1) / 2) where they are of x."""
    ends = np.cumsum([1, 1, p, 1, p, 1, p])
    parts = np.split(sums, ends, axis=1)
    return [part[:, 0] if k in (0, 1, 3, 5) else part for k, part in enumerate(parts)]
