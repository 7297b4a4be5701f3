"""The Laplace deviance of every group at once, and its gradient.

The terms of the deviance and of its gradient (:mod:`mixcheck.fitting.likelihood.laplace`) belong
to rows, to levels, or to pairs of levels that meet. Where all levels lie within groups, so does
each of them, and they are summed by group in place of over everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.fitting.latent.block_elimination import nested_factors
from mixcheck.fitting.latent.layout import Gram
from mixcheck.fitting.latent.roots import units_of
from mixcheck.fitting.latent.small_matrices import weighted_products
from mixcheck.fitting.likelihood.adjoint import Direct, find_adjoint, through_mode
from mixcheck.fitting.likelihood.mode import Mode, System
from mixcheck.fitting.likelihood.objective import Evaluation, GroupEvaluation
from mixcheck.fitting.likelihood.problem import Curvature, Problem

__all__ = ["GroupSums", "differentiate_groups", "split_deviance"]


def split_deviance(
    problem: Problem, whole: Evaluation, curvature: Curvature, system: System, codes: IntArray
) -> GroupEvaluation:
    """Laplace deviance of each group, and its gradient.

    ``D_g = -2 sum_i l_i + sum_j (u_j'u_j + log det H_j)`` over its rows i and levels j, and over
    all nested factors: H has a Cholesky factor block by block.

    Parameters
    ----------
    problem : Problem
    whole : Evaluation
        Of all groups together.
    curvature : Curvature
        What H is made of.
    system : System
        H, factored.
    codes : (n,) int
        Group of each row, 0 to G - 1; every level lies within one group.
    """
    mode = whole.mode
    assert mode is not None
    sums = GroupSums.of(problem, codes)
    deviance = sums.rows(-2.0 * mode.point.derivatives.value)
    for f, u in enumerate(mode.point.u):
        lower = nested_factors(system.factorization).blocks(f)
        log_det = 2.0 * np.log(np.einsum("qqm->qm", lower)).sum(axis=0)
        deviance += sums.levels(f, np.einsum("qm,qm->m", u, u) + log_det)
    entries = system.factorization.inverse_entries()
    first = mode.point.derivatives.first
    roots = [-2.0 * s[:, None] * u for s, u in zip(mode.point.scores, mode.point.u, strict=True)]
    direct = Direct([-2.0 * part for part in first], roots, None)
    gradient = differentiate_groups(
        problem, whole.psi, mode, curvature, system.gram, entries, direct, sums
    )
    return GroupEvaluation(deviance, gradient, whole)


def _first(levels: IntArray, codes: IntArray, m: int) -> IntArray:
    """Group of each level."""
    out = np.empty(m, dtype=np.intp)
    out[levels] = codes
    return out


@dataclass(frozen=True, eq=False)
class GroupSums:
    """Sums by group of what belongs to rows (n,) or to the levels (.., m) of a factor."""

    size: int
    codes: IntArray
    places: Sequence[IntArray]

    @classmethod
    def of(cls, problem: Problem, codes: IntArray) -> Self:
        """Of a division of the rows into groups within which all levels lie."""
        places = [_first(f.sums.index, codes, f.m) for f in problem.latent.factors]
        return cls(int(codes.max()) + 1, codes, places)

    def rows(self, values: FloatArray) -> FloatArray:
        """``sum_(i in g) a_i`` of each row's value, (n,)."""
        return np.bincount(self.codes, values, self.size).astype(np.float64, copy=False)

    def levels(self, f: int, values: FloatArray) -> FloatArray:
        """``sum_(j in g) a_j`` of each level's value, (.., m)."""
        return self.at(self.places[f], values)

    def at(self, places: IntArray, values: FloatArray) -> FloatArray:
        """Of anything whose group is known, (.., P)."""
        flat = values.reshape(-1, values.shape[-1])
        out = np.empty((flat.shape[0], self.size))
        for target, row in zip(out, flat, strict=True):
            target[:] = np.bincount(places, row, self.size)
        return out.reshape(*values.shape[:-1], self.size)


def differentiate_groups(
    problem: Problem,
    psi: FloatArray,
    mode: Mode,
    curvature: Curvature,
    gram: Gram,
    entries: Gram,
    direct: Direct,
    sums: GroupSums,
) -> FloatArray:
    """The gradient of `mixcheck.fitting.likelihood.adjoint.pull_back` by group, (G, P).

    ``X_k' (c_k + h_k)`` and the derivatives in Lambda, summed over the rows and levels of each
    group alone.
    """
    adjoint = find_adjoint(problem, mode, curvature, entries, direct.u)
    through = through_mode(problem, mode, adjoint.t, adjoint.v)
    columns: list[FloatArray] = []
    for X, coef, part in zip(problem.X, direct.coef, through, strict=True):
        coef = coef if part is None else part + coef
        columns.extend(sums.rows(coef * x) for x in X.T)
    if problem.terms:
        roots = _root_derivatives(problem, mode, through, adjoint.v, gram, entries, direct, sums)
        columns.extend(_pull_back(problem, psi[problem.n_beta :], roots))
    return np.stack(columns, axis=1)


def _root_derivatives(
    problem: Problem,
    mode: Mode,
    through: Sequence[FloatArray | None],
    v: list[FloatArray] | None,
    gram: Gram,
    entries: Gram,
    direct: Direct,
    sums: GroupSums,
) -> list[FloatArray]:
    """Derivatives in ``Lambda`` of each factor by group, (q, q, G).

    The terms of `mixcheck.fitting.likelihood.adjoint._root_derivatives`, added up within groups.
    """
    latent, point = problem.latent, mode.point
    scores = point.scores
    zero = np.zeros(problem.n)
    rows = {k: zero if (part := through[k]) is None else part for k in latent.random_predictors}
    out = []
    for f, (s, outer, u) in enumerate(zip(scores, latent.scatter(rows), point.u, strict=True)):
        stack = direct.roots[f] + outer[:, None] * u
        if v is not None:
            stack = stack + s[:, None] * v[f]
        out.append(sums.levels(f, stack))
    for (f, g), entry in entries.items():
        block, places = gram[f, g], sums.places[f][latent.pairs[f, g].left]
        out[f] = out[f] + sums.at(
            places, 2.0 * weighted_products(block, entry, units_of(mode.roots[g]))
        )
        if f != g:
            mirrored = block.swapaxes(0, 1), entry.swapaxes(0, 1)
            out[g] = out[g] + sums.at(
                places, 2.0 * weighted_products(*mirrored, units_of(mode.roots[f]))
            )
    return out


def _pull_back(problem: Problem, theta: FloatArray, roots: Sequence[FloatArray]) -> FloatArray:
    """The chain rule from derivatives in ``Lambda`` to those in theta by group, (n_theta, G)."""
    G = roots[0].shape[-1]
    parts = [problem.pull_back(theta, [part[..., g] for part in roots]) for g in range(G)]
    return np.stack(parts, axis=1)
