"""Draws of one scalar effect a level by inverting its distribution given the data, on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.block_elimination import nested_factors
from mixcheck.fitting.latent.roots import Root
from mixcheck.fitting.likelihood.mode import Mode, predictors
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["Peak", "invert_distribution", "invert_distributions", "row_log_density"]

# Half width of the grid, in prior standard deviations: with a log-concave likelihood the
# density has fallen by more than exp(-32) there.
_REACH = 8.0
_NODES = 49
# Cells per interval of the tabulation after interpolation.
_REFINEMENT = 8
# Levels per block: bounds the memory of the refined table.
_BLOCK = 4096


def invert_distribution(
    problem: Problem, base: Sequence[FloatArray], mode: Mode, rng: np.random.Generator
) -> FloatArray | None:
    """One draw per level by inverting its distribution function, (1, m).

    None where a density ends inside the grid, as at the edge of the domain of a link: it
    cannot be interpolated there.
    """
    uniform = rng.random(mode.point.u[0].size)[None]
    found = invert_distributions(problem, base, mode.roots, Peak.of(mode), uniform)
    return found if np.isfinite(found).all() else None


@dataclass(frozen=True, eq=False)
class Peak:
    """Where the density of each level is highest, and how wide it is there.

    Attributes
    ----------
    centre, width : (m,)
    """

    centre: FloatArray
    width: FloatArray

    @staticmethod
    def of(mode: Mode) -> Peak:
        """Those of the only factor, with one effect a level."""
        lower = nested_factors(mode.system.factorization).blocks(0)
        return Peak(mode.point.u[0][0], 1.0 / lower[0, 0])


def invert_distributions(
    problem: Problem,
    base: Sequence[FloatArray],
    roots: Sequence[Root],
    peak: Peak,
    uniform: FloatArray,
) -> FloatArray:
    """Effects of the levels of the only factor at which their distributions are `uniform`, (k, m).

    They are found in t, ``u = c + w sinh(a t)`` with ``a = arcsinh(reach / w)`` and t in [-1, 1],
    where the density is proportional to ``p(u) cosh(a t)``: fine near the mode c, and wide in the
    tails. Not a number where a density ends inside the grid.
    """
    centre, width = peak.centre, peak.width
    reach = np.arcsinh(_REACH / width)
    nodes = np.linspace(-1.0, 1.0, _NODES)
    table = np.empty((_NODES, centre.size))
    for row, t in zip(table, nodes, strict=True):
        u = centre + width * np.sinh(reach * t)
        row[:] = _log_posterior(problem, base, roots, u) + np.log(np.cosh(reach * t))
    drawn = np.full(uniform.shape, np.nan)
    whole = np.flatnonzero(np.isfinite(table).all(axis=0))
    for start in range(0, whole.size, _BLOCK):
        levels = whole[start : start + _BLOCK]
        drawn[:, levels] = _invert_table(nodes, table[:, levels], uniform[:, levels])
    out: FloatArray = centre + width * np.sinh(reach * drawn)
    return out


def _log_posterior(
    problem: Problem, base: Sequence[FloatArray], roots: Sequence[Root], u: FloatArray
) -> FloatArray:
    """``sum_i l_i - u^2 / 2`` of each level of the only factor, (m,), up to a constant."""
    eta = tuple(predictors(problem, base, roots, [u[None]]))
    if problem.latent.random_predictors == (0,):
        values = problem.family.log_density_in_mean(problem.data, eta)
        values = values if problem.weights is None else problem.weights * values
    else:
        values = row_log_density(problem, eta)
    out: FloatArray = problem.latent.factors[0].sums(values) - 0.5 * u**2
    return out


def row_log_density(problem: Problem, eta: Sequence[FloatArray]) -> FloatArray:
    """``w_i l_i`` of each row, (n,)."""
    values = problem.family.log_density(problem.data, tuple(eta))
    return values if problem.weights is None else problem.weights * values


def _invert_table(nodes: FloatArray, table: FloatArray, uniform: FloatArray) -> FloatArray:
    """Invert distributions with tabulated log densities, one per column, at rows of uniforms.

    ``F(t) = U``: log densities between nodes by cubic splines, F by the trapezoidal rule, under
    which it is a quadratic within a cell.
    """
    from scipy.interpolate import CubicSpline

    fine = np.linspace(-1.0, 1.0, (nodes.size - 1) * _REFINEMENT + 1)
    floor = table.max(axis=0) - 700.0
    log_density = CubicSpline(nodes, np.maximum(table, floor), axis=0)(fine)
    density = np.exp(log_density - log_density.max(axis=0))
    mass = np.cumsum(0.5 * (density[1:] + density[:-1]), axis=0)
    out, columns = np.empty(uniform.shape), np.arange(table.shape[1])
    for row, target in zip(out, uniform * mass[-1], strict=True):
        cell = np.sum(mass < target, axis=0)
        before = np.where(cell > 0, mass[cell - 1, columns], 0.0)
        ends = density[cell, columns], density[cell + 1, columns]
        row[:] = fine[cell] + _invert_trapezoid(*ends, target - before) * (fine[1] - fine[0])
    return out


def _invert_trapezoid(left: FloatArray, right: FloatArray, area: FloatArray) -> FloatArray:
    """Solve ``left x + (right - left) x^2 / 2 = area`` for x in [0, 1], without cancellation."""
    root = np.sqrt(np.maximum(left**2 + 2.0 * (right - left) * area, 0.0))
    return np.clip(2.0 * area / np.maximum(left + root, 1e-300), 0.0, 1.0)
