"""Conditional modes at other parameters to second order, where another look at the rows is dear.

The modes solve ``Lambda' Z' l'(eta) = u`` with ``eta = o + X beta + Z Lambda u``. Along a straight
line of parameters, with dots for derivatives along it and ``H = I - Lambda' Z' l'' Z Lambda``,

``H u. = Lambda' Z' (l'' (X beta. + Z Lambda. u)) + Lambda.' Z' l'``,

``H u.. = 2 Lambda.' Z' (l'' eta.) + Lambda' Z' (l''' eta.^2 + 2 l'' Z Lambda. u.)``,

where both solves take the factors of H that are there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.roots import Root, change, scale
from mixcheck.fitting.likelihood.mode import Mode, ascent, whitened
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["bend_mode", "bends"]

# Beyond this share of the first term the second says that a series is no way to go there.
_SMALL = 0.3


def bends(problem: Problem) -> bool:
    """Whether modes are predicted so: random effects of untied levels in the only predictor."""
    latent = problem.latent
    plain = not (latent.tied or latent.dear or latent.iterative) and latent.fixed is None
    return plain and len(problem.X) == 1 and latent.random_predictors == (0,)


def bend_mode(
    problem: Problem, mode: Mode, before: FloatArray, psi: FloatArray
) -> list[FloatArray] | None:
    """Conditional modes at `psi`, (q, m) per factor, from the mode at `before`, to second order.

    None where the change is too large for that; see `mixcheck.fitting.likelihood.mode.predict_mode`
    for the first order.
    """
    roots, point = mode.roots, mode.point
    changes = list(map(change, problem.roots(psi[problem.n_beta :]), roots))
    second, third = point.derivatives.second[0, 0], point.derivatives.third[0, 0, 0]
    moved = problem.matrices[0].dot(psi[: problem.n_beta] - before[: problem.n_beta])
    moved += _rows(problem, changes, point.u)
    rhs = whitened(problem, roots, {0: second * moved})
    pairs = zip(changes, point.scores, strict=True)
    rhs = list(map(np.add, rhs, (scale(turn.T, part) for turn, part in pairs)))
    if mode.left:
        rhs = list(map(np.add, rhs, ascent(problem, roots, point)))
    first = mode.system.factorization.solve(rhs)
    moved += _rows(problem, roots, first)
    turned = whitened(problem, changes, {0: second * moved})
    moved *= moved
    moved *= third
    moved += 2.0 * (second * _rows(problem, changes, first))
    along = whitened(problem, roots, {0: moved})
    rhs = [2.0 * a + b for a, b in zip(turned, along, strict=True)]
    bent = mode.system.factorization.solve(rhs)
    size, more = (max(float(np.abs(e).max()) for e in part) for part in (first, bent))
    if not more <= _SMALL * size:
        return None
    return [u + a + 0.5 * b for u, a, b in zip(point.u, first, bent, strict=True)]


def _rows(problem: Problem, roots: Sequence[Root], u: Sequence[FloatArray]) -> FloatArray:
    """``Z Lambda u`` in the only predictor, (n,)."""
    (rows,) = problem.latent.gather(list(map(scale, roots, u)), 1)
    assert rows is not None
    return rows
