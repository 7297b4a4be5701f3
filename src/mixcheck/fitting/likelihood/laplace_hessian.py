"""The exact Hessian of the Laplace deviance, for nested grouping factors.

Along directions j and k the modes move by ``u_j = H^-1 (Lambda' Z' l'' e_j + Lambda_j' s)``, with
``e_j = X_j + Z Lambda_j u`` the predictors at modes held and ``s = Z' l'``; then the predictors
move by ``eta_j = e_j + Z Lambda u_j``. Differentiating ``D = 2 h + log det H`` twice, the second
derivatives of the modes enter through the adjoint v alone (:mod:`.adjoint`), as ``v' H u_jk``:

``D_jk = sum_i Q eta_j eta_k + 2 u_j' u_k + [<Lambda_j, Y_k + N_k> + its mirror image]
+ 2 tr(V Lambda_j' G Lambda_k) + <Lambda_jk, dD/dLambda> - tr(V H_j V H_k)``

- ``Q = -2 l'' + d(t)/d(eta) + g l'''`` with ``g = Z Lambda v`` and t at leverages held,
- ``Y_k = y u_k' + (Z' l'' eta_k) v'`` with y the sums of ``dD/d(eta)``,
- ``N_k = 2 G_k Lambda V'`` with ``G_k = Z' W_k Z`` and W_k the tangent of the weights,
- ``H_j = Lambda' G_j Lambda + Lambda_j' G Lambda + Lambda' G Lambda_j``.

All but Q needs three derivatives of the log density, which families have. The fourth enters by
itself in each row; where the family does not tell it, it is a difference of the third there, to
ten digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.block_elimination import BlockElimination, nested_factors
from mixcheck.fitting.latent.directions import (
    add_effects,
    gram_of_each,
    scale_each,
    scatter_each,
    solve_each,
    whiten_tangents,
)
from mixcheck.fitting.latent.factorization import log_det_slopes
from mixcheck.fitting.latent.group_sums import Summation
from mixcheck.fitting.latent.layout import Gram, Latent, Pair
from mixcheck.fitting.latent.roots import scale, units_of
from mixcheck.fitting.latent.small_matrices import sandwich
from mixcheck.fitting.latent.weighted_square import weighted_square
from mixcheck.fitting.likelihood.adjoint import find_adjoint, through_mode
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.row_weights import POINTS, row_weights
from mixcheck.fitting.likelihood.term import Term

__all__ = ["differentiate_twice", "has_hessian", "sum_products"]

# Step of differences in covariance parameters, with an error of the fourth power.
_STEP_THETA = 1e-3
# Numbers in one array of what rows, or blocks of levels, do along all directions.
_MOST_NUMBERS = 4_000_000
_MOST_WHOLE = 60_000_000


def has_hessian(problem: Problem) -> bool:
    """Whether the Hessian is known: nested factors, independent levels, and rows that fit."""
    latent = problem.latent
    if not latent.forest:
        return False
    return latent.n_nested < 2 or _width(problem, latent) <= _MOST_WHOLE


def _width(problem: Problem, latent: Latent) -> int:
    """Numbers in the largest array of rows or blocks along all directions."""
    blocks = [f.q * f.q * f.m for f in latent.factors]
    return (problem.n_beta + problem.n_theta) * max([problem.n, *blocks])


@dataclass(frozen=True, eq=False)
class _Part:
    """Rows whose levels are theirs alone, with all that their share of the Hessian needs.

    Attributes
    ----------
    X : tuple of (n, p_k)
    second, weight : mapping of (c, d) to (n,)
        ``l''``, and Q.
    third : mapping of (a, b, c) to (n,)
        Derivative of the information W_ab in predictor c.
    latent : Latent
    factors : BlockElimination
    gram, entries : Gram
        G and V.
    u, v, scores, y : list of (q, m)
    """

    X: Sequence[FloatArray]
    second: Mapping[tuple[int, int], FloatArray]
    weight: Mapping[tuple[int, int], FloatArray]
    third: Mapping[tuple[int, int, int], FloatArray]
    latent: Latent
    factors: BlockElimination
    gram: Gram
    entries: Gram
    u: list[FloatArray]
    v: list[FloatArray]
    scores: list[FloatArray]
    y: list[FloatArray]


@dataclass(frozen=True, eq=False)
class _Tangents:
    """How roots move along each covariance parameter: ``Lambda`` and its tangents of each factor.

    Attributes
    ----------
    units : list of (q, q)
    slopes : list of (n_theta, q, q)
    places : slice
        Of covariance parameters among all.
    beta : tuple of slice
        Of the fixed effects of each predictor.
    """

    units: list[FloatArray]
    slopes: list[FloatArray]
    places: slice
    beta: tuple[slice, ...]


def differentiate_twice(problem: Problem, at: Evaluation) -> FloatArray:
    """Hessian of the Laplace deviance with the observed information, (P, P).

    ``d^2 (2 h + log det H) / d psi d psi'`` by the formula at the head of this module.

    Parameters
    ----------
    problem : Problem
        For which `has_hessian` holds.
    at : Evaluation
        With a mode.
    """
    psi, mode = at.psi, at.mode
    assert mode is not None
    theta = psi[problem.n_beta :]
    whole = _whole(problem, mode)
    tangents = _Tangents(
        [units_of(root) for root in mode.roots],
        _root_tangents(problem, theta),
        slice(problem.n_beta, psi.size),
        problem.beta_slices,
    )
    out = np.zeros((psi.size, psi.size))
    for part in _parts(problem, whole):
        out += _hessian_of(part, tangents)
    out[tangents.places, tangents.places] += _bend_of_roots(problem, theta, whole, mode)
    return 0.5 * (out + out.T)


def _whole(problem: Problem, mode: Mode) -> _Part:
    """All rows."""
    latent, derivatives = problem.latent, mode.point.derivatives
    factors, curvature = nested_factors(mode.system.factorization), problem.observed(derivatives)
    entries = factors.inverse_entries()
    adjoint = find_adjoint(problem, mode, curvature, entries, None)
    v = latent.zeros() if adjoint.v is None else adjoint.v
    held, slopes = through_mode(problem, mode, adjoint.t, adjoint.v), {}
    for k in latent.random_predictors:
        direct, part = -2.0 * derivatives.first[k], held[k]
        slopes[k] = direct if part is None else part + direct
    shifts = latent.gather(list(map(scale, mode.roots, v)), len(problem.X))
    return _Part(
        X=problem.X,
        second=derivatives.second,
        weight=row_weights(problem, mode, adjoint.leverages, shifts),
        third=curvature.third,
        latent=latent,
        factors=factors,
        gram=mode.system.gram,
        entries=entries,
        u=mode.point.u,
        v=v,
        scores=mode.point.scores,
        y=latent.scatter(slopes),
    )


# ---- covariance parameters -----------------------------------------------------------------


def _root_tangents(problem: Problem, theta: FloatArray) -> list[FloatArray]:
    """``Lambda_j = d Lambda / d theta_j`` of each factor, (n_theta, q, q).

    A structure knows the adjoint, ``M -> (<M, Lambda_j>)_j``: at ``e_a e_b'`` it is their entry.
    """
    out = [np.zeros((problem.n_theta, f.q, f.q)) for f in problem.latent.factors]
    for term in problem.terms:
        own = theta[term.theta]
        target = out[term.factor][term.theta, term.columns, term.columns]
        if term.covariance.entries is not None:
            target[(np.arange(own.size), *term.covariance.entries)] = 1.0
            continue
        q = term.covariance.q
        units = np.eye(q * q).reshape(-1, q, q)
        slopes = np.stack([term.covariance.pull_back(own, unit) for unit in units])
        target[:] = slopes.T.reshape(-1, q, q)
    return out


def _bend_of_roots(problem: Problem, theta: FloatArray, whole: _Part, mode: Mode) -> FloatArray:
    """``<Lambda_jk, dD/dLambda>``; zero where parameters are entries of Lambda."""
    out = np.zeros((theta.size, theta.size))
    curved = [term for term in problem.terms if term.covariance.entries is None]
    if not curved:
        return out
    slopes = log_det_slopes(whole.gram, whole.entries, mode.roots)
    for term in curved:
        f = term.factor
        total = whole.y[f] @ whole.u[f].T + whole.scores[f] @ whole.v[f].T + slopes[f]
        own = total[term.columns, term.columns]
        out[term.theta, term.theta] = _bend_of_root(term, theta[term.theta], own)
    return out


def _bend_of_root(term: Term, theta: FloatArray, d_root: FloatArray) -> FloatArray:
    """``<M, Lambda_jk>`` with M the derivative in one root: differences of ``<M, Lambda_j>``."""
    out = np.zeros((theta.size, theta.size))
    for k in range(theta.size):
        step = np.zeros(theta.size)
        step[k] = _STEP_THETA * max(abs(float(theta[k])), _STEP_THETA)
        for shift, factor in POINTS:
            out[:, k] += factor * term.covariance.pull_back(theta + shift * step, d_root) / step[k]
    return out


# ---- the sum over rows and levels ----------------------------------------------------------


def _parts(problem: Problem, whole: _Part) -> Iterator[_Part]:
    """All rows in parts of whole levels, so that no array of all directions is too large."""
    latent = whole.latent
    count = -(-_width(problem, latent) // _MOST_NUMBERS)
    index = latent.factors[0].sums.index if latent.factors else np.arange(problem.n)
    if count < 2 or latent.n_nested > 1 or (np.diff(index) < 0).any():
        yield whole
        return
    ends = np.linspace(0, index[-1] + 1, count + 1).astype(np.intp)
    starts = np.searchsorted(index, ends)
    for k in range(count):
        if ends[k] < ends[k + 1]:
            yield _cut(whole, slice(starts[k], starts[k + 1]), slice(ends[k], ends[k + 1]))


def _cut(whole: _Part, rows: slice, levels: slice) -> _Part:
    """Some rows, with some levels of the one factor."""
    latent, factors = whole.latent, whole.factors
    if latent.factors:
        (factor,) = latent.factors
        m = levels.stop - levels.start
        sums = Summation(factor.sums.index[rows] - levels.start, m)
        columns = tuple(column.rows(rows) for column in factor.columns)
        pair = Pair(sums, np.arange(m), np.arange(m))
        latent = Latent((replace(factor, sums=sums, columns=columns),), 1, {(0, 0): pair})
        factors = BlockElimination(latent, (factors.blocks(0)[:, :, levels],), Gram(), None)
    return _Part(
        X=tuple(X[rows] for X in whole.X),
        second={key: part[rows] for key, part in whole.second.items()},
        weight={key: part[rows] for key, part in whole.weight.items()},
        third={key: part[rows] for key, part in whole.third.items()},
        latent=latent,
        factors=factors,
        gram={key: part[:, :, levels] for key, part in whole.gram.items()},
        entries={key: part[:, :, levels] for key, part in whole.entries.items()},
        u=[part[:, levels] for part in whole.u],
        v=[part[:, levels] for part in whole.v],
        scores=[part[:, levels] for part in whole.scores],
        y=[part[:, levels] for part in whole.y],
    )


def _hessian_of(part: _Part, tangents: _Tangents) -> FloatArray:
    """What some rows and their levels add to the sum at the head, without ``<Lambda_jk, ..>``."""
    latent, places, size = part.latent, tangents.places, tangents.places.stop
    eta = [np.zeros((size, X.shape[0])) for X in part.X]
    for rows, X, where in zip(eta, part.X, tangents.beta, strict=True):
        rows[where] = X.T
    if latent.factors:
        slopes = (slope.swapaxes(0, 1) for slope in tangents.slopes)
        held = list(map(_along, slopes, part.u))
        add_effects(latent, held, [rows[places] for rows in eta])
        moved = _move_modes(part, tangents, eta)
        held = [scale_each(*pair) for pair in zip(tangents.units, moved, strict=True)]
        add_effects(latent, held, eta)
    out = sum_products(eta, part.weight)
    if not latent.factors:
        return out
    for u in moved:
        flat = u.swapaxes(0, 1).reshape(size, -1)
        out += 2.0 * flat.dot(flat.T)
    grams = gram_of_each(latent, _weight_tangents(part, eta))
    mixed = _mixed(part, tangents, eta, moved, grams)
    out[places] += mixed
    out[:, places] += mixed.T
    out[places, places] += _both_roots(part, tangents)
    return out - _trace_of_products(part, tangents, grams)


def _along(slopes: FloatArray, u: FloatArray) -> FloatArray:
    """``L_j u`` for P matrices L_j, a stack (q, P, q), and u (q, m): (q, P, m)."""
    q, count, _ = slopes.shape
    out: FloatArray = slopes.reshape(q * count, q).dot(u).reshape(q, count, -1)
    return out


def _score_tangents(part: _Part, eta: Sequence[FloatArray]) -> list[FloatArray]:
    """``Z' l'' eta``, (q, P, m) per factor."""
    rows = {}
    for a in part.latent.random_predictors:
        pairs = [((a, c) if a <= c else (c, a), c) for c in range(len(eta))]
        terms = [part.second[key] * eta[c] for key, c in pairs if key in part.second]
        rows[a] = sum(terms[1:], terms[0]) if terms else np.zeros_like(eta[a])
    return scatter_each(part.latent, rows)


def _move_modes(part: _Part, tangents: _Tangents, eta: Sequence[FloatArray]) -> list[FloatArray]:
    """Tangents of the modes, ``u_j = H^-1 (Lambda' Z' l'' e_j + Lambda_j' s)``, (q, P, m) each.

    `eta` are the e_j, the tangents of the predictors at modes held.
    """
    sums = _score_tangents(part, eta)
    rhs = [scale_each(root.T, part) for root, part in zip(tangents.units, sums, strict=True)]
    for target, slope, s in zip(rhs, tangents.slopes, part.scores, strict=True):
        target[:, tangents.places] += _along(slope.transpose(2, 0, 1), s)
    return solve_each(part.factors, rhs)


def sum_products(
    eta: Sequence[FloatArray], weight: Mapping[tuple[int, int], FloatArray]
) -> FloatArray:
    """``sum_cd eta_c Q_cd eta_d'`` over the rows."""
    out = np.zeros((len(eta[0]),) * 2)
    for (c, d), held in weight.items():
        if c == d:
            out += weighted_square(eta[c].T, held)
        else:
            product = (eta[c] * held) @ eta[d].T
            out += product + product.T
    return out


def _weight_tangents(part: _Part, eta: Sequence[FloatArray]) -> dict[tuple[int, int], FloatArray]:
    """``sum_c (dW_ab / d eta_c) eta_c``: tangents of the information of each pair, (P, n)."""
    random = part.latent.random_predictors
    out: dict[tuple[int, int], FloatArray] = {}
    for (a, b, c), slope in part.third.items():
        if a in random and b in random:
            moved = slope * eta[c]
            out[a, b] = out[a, b] + moved if (a, b) in out else moved
    return out or {(random[0], random[0]): np.zeros_like(eta[0])}


def _mixed(
    part: _Part,
    tangents: _Tangents,
    eta: Sequence[FloatArray],
    moved: Sequence[FloatArray],
    grams: Gram,
) -> FloatArray:
    """``<Lambda_j, Y_k + N_k>`` for each covariance parameter j and direction k."""
    sums = _score_tangents(part, eta)
    out = np.zeros((len(tangents.slopes[0]), tangents.places.stop))
    inner = [
        _multiply_each(y, u).swapaxes(1, 2) + _multiply_each(v, s)
        for y, u, s, v in zip(part.y, moved, sums, part.v, strict=True)
    ]
    for (f, g), block in grams.items():
        entry = part.entries[f, g]
        inner[f] = inner[f] + 2.0 * _sum_blocks(block, tangents.units[g], entry)
        if f != g:
            mirrored = block.swapaxes(0, 1), tangents.units[f], entry.swapaxes(0, 1)
            inner[g] = inner[g] + 2.0 * _sum_blocks(*mirrored)
    for slope, held in zip(tangents.slopes, inner, strict=True):
        out += slope.reshape(len(slope), -1).dot(held.reshape(len(held), -1).T)
    return out


def _multiply_each(v: FloatArray, s: FloatArray) -> FloatArray:
    """``s_k v'`` of effects (q, m) and (q, P, m), (P, q, q)."""
    q, count, m = s.shape
    out: FloatArray = s.reshape(-1, m).dot(v.T).reshape(q, count, q).swapaxes(0, 1)
    return out


def _sum_blocks(gram: FloatArray, root: FloatArray, entry: FloatArray) -> FloatArray:
    """``sum G_k L V'`` over the pairs of levels, (P, r, r)."""
    r, _, count, _ = gram.shape
    right = np.matmul(root, entry).reshape(r, -1)
    left = gram.transpose(2, 0, 1, 3).reshape(count * r, -1)
    out: FloatArray = left.dot(right.T).reshape(count, r, r)
    return out


def _both_roots(part: _Part, tangents: _Tangents) -> FloatArray:
    """``2 tr(V Lambda_j' G Lambda_k)``, (n_theta, n_theta)."""
    count = len(tangents.slopes[0])
    out = np.zeros((count, count))
    for k in range(count):
        roots = [slope[k] for slope in tangents.slopes]
        found = log_det_slopes(part.gram, part.entries, roots)
        for slope, held in zip(tangents.slopes, found, strict=True):
            out[:, k] += slope.reshape(count, -1).dot(held.ravel())
    return out


def _trace_of_products(part: _Part, tangents: _Tangents, grams: Gram) -> FloatArray:
    """``tr(V H_j V H_k)`` for all directions."""
    units, size = tangents.units, tangents.places.stop
    moved = Gram()
    for (f, g), block in grams.items():
        r, s, count, pairs = block.shape
        flat = sandwich(units[f], block.reshape(r, s, -1), units[g])
        held = flat.reshape(r, s, count, pairs)
        gram = part.gram[f, g]
        for k in range(count - size + tangents.places.start, count):
            j = k - tangents.places.start
            left = sandwich(tangents.slopes[f][j], gram, units[g])
            held[:, :, k] += left + sandwich(units[f], gram, tangents.slopes[g][j])
        moved[f, g] = held
    out = np.zeros((size, size))
    for (f, g), block in whiten_tangents(part.factors, moved).items():
        rows = block.transpose(2, 0, 1, 3).reshape(size, -1)
        out += (1.0 if f == g else 2.0) * rows.dot(rows.T)
    return out
