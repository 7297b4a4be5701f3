"""Degrees of freedom of a fit, by term."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.fitting.latent.roots import whiten_effects
from mixcheck.fitting.likelihood.mode import Mode, build_system, whitened
from mixcheck.fitting.likelihood.problem import Curvature, Problem

__all__ = ["joint_degrees", "split_degrees"]

_DISPERSION = "dispersion"


def split_degrees(
    problem: Problem, mode: Mode, slope: Callable[[IntArray], float]
) -> dict[str, float]:
    """Degrees of freedom to first order by term; they sum to ``slope`` of all parameters.

    Fixed effects and random terms have theirs of the joint fit at known variances (as many as
    there are fixed effects; a random term its effective number of effects); a dispersion, with
    shapes that the mean does not depend on, and the variance parameters what their estimation
    adds.

    Parameters
    ----------
    problem : Problem
    mode : Mode
        At the optimum.
    slope : callable
        Degrees of freedom where only the parameters at these positions are estimated.
    """
    everything = np.arange(problem.n_beta + problem.n_theta)
    known = everything[: problem.n_beta]
    spread = [
        np.arange(where.start, where.stop)
        for name, where in zip(problem.family.predictors, problem.beta_slices, strict=True)
        if name in problem.family.spread
    ]
    out = joint_degrees(problem, mode)
    total, at_known = slope(everything), slope(known)
    without = slope(np.setdiff1d(known, np.concatenate(spread))) if spread else at_known
    if problem.weights is not None and problem.weights.min() < 1.0:
        # A row that is less than an observation counts for less than its share of the hat matrix.
        out = {name: value * without / sum(out.values()) for name, value in out.items()}
    dispersion = at_known - without
    # Priors take from the degrees of fixed effects, which are not told apart.
    name = "variance parameters" + ("" if problem.penalty is None else " and priors")
    out[name] = total - sum(out.values()) - dispersion
    return {**out, _DISPERSION: dispersion} if spread else out


def joint_degrees(problem: Problem, mode: Mode) -> dict[str, float]:
    """Trace of the joint hat matrix of fixed and random effects, by term.

    ``tr (J^-1 C'WC)`` with ``J = C'WC + diag(0, I)``, C = [X, M] and W the expected
    information; the dispersion is held.

    References
    ----------
    Hodges & Sargent (2001), Biometrika 88, 367-379; Vaida & Blanchard (2005), Biometrika 92,
    351-370.
    """
    second = problem.expected(mode.point.eta).second
    names = problem.family.predictors
    fixed = [k for k, name in enumerate(names) if name not in problem.family.spread]
    out = {_prefix(names, k) + "fixed effects": float(problem.X[k].shape[1]) for k in fixed}
    if not problem.terms:
        return out
    system = build_system(problem, mode.roots, Curvature(second, {}), observed=False)
    assert system is not None
    factorization = system.factorization
    entries = factorization.inverse_entries()
    crosses = [_scatter_column(problem, mode, second, k, x) for k in fixed for x in problem.X[k].T]
    solved = [factorization.solve(column) for column in crosses]
    schur = _information(problem, second, fixed) - _flatten(crosses) @ _flatten(solved).T
    spread = np.linalg.pinv(schur, hermitian=True)
    for term in problem.terms:
        # Their square under the prior: that of white noise where levels are tied.
        root = mode.roots[term.factor]
        white = [whiten_effects(root, column[term.factor]) for column in solved]
        part = [effects[term.columns].ravel() for effects in white]
        if term.tied:
            lost = factorization.tied_trace(term.factor, entries)
        else:
            inverse = entries[term.factor, term.factor][term.columns, term.columns]
            lost = float(np.einsum("aam->", inverse))
        if part:
            lost += float(np.einsum("pu,pq,qu->", np.stack(part), spread, np.stack(part)))
        size = term.block.m * len(term.block.effects)
        out[_prefix(names, term.predictor) + term.block.name] = size - lost
    return out


def _prefix(names: tuple[str, ...], k: int) -> str:
    return "" if k == 0 else f"{names[k]}: "


def _flatten(columns: list[list[FloatArray]]) -> FloatArray:
    """One row a column of effects, (p, Q)."""
    rows = [np.concatenate([part.ravel() for part in column]) for column in columns]
    return np.stack(rows) if rows else np.zeros((0, 0))


def _information(
    problem: Problem, second: Mapping[tuple[int, int], FloatArray], fixed: list[int]
) -> FloatArray:
    """``X' W X`` over some predictors."""
    blocks = []
    for a in fixed:
        row = []
        for b in fixed:
            weight = second.get((a, b) if a <= b else (b, a))
            W = np.zeros(problem.n) if weight is None else weight
            row.append((problem.X[a] * W[:, None]).T @ problem.X[b])
        blocks.append(row)
    return np.block(blocks)


def _scatter_column(
    problem: Problem,
    mode: Mode,
    second: Mapping[tuple[int, int], FloatArray],
    k: int,
    x: FloatArray,
) -> list[FloatArray]:
    """``M' W x`` for a column x of the design of predictor k, (q, m) per factor."""
    rows = {}
    for a in problem.latent.random_predictors:
        weight = second.get((a, k) if a <= k else (k, a))
        rows[a] = np.zeros(problem.n) if weight is None else weight * x
    return whitened(problem, mode.roots, rows)
