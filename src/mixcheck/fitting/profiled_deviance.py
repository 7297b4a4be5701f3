"""The profiled deviance of a linear mixed model, from cross products alone.

With ``V = W^-1 + Z S Z'`` (``S = Lambda Lambda'`` the covariance of the random effects in units
of the residual variance), fixed effects and residual variance have closed forms given Lambda.
Put in, they leave (Bates et al. 2015, eq. 35 and, restricted, eq. 42)

``D = log det(I + Lambda'Z'WZ Lambda) + nu (1 + log(2 pi r^2 / nu)) [+ log det X'V^-1 X]``,

``r^2 = min_b (y - X b)'V^-1 (y - X b)``, nu the number of observations (restricted: minus the
number of fixed effects). Nothing here has the length of the data.

With one grouping factor, level i has ``B = (G^-1 + S)^-1`` for ``G = Z_i'WZ_i`` and
``d = (I + G S)^-1 Z_i'W[X y]``, and, w being the d of the residuals,

- ``dD/dS = sum B - nu / r^2 sum w w' [- sum d_x (X'V^-1 X)^-1 d_x']``,
- ``dB = -B dS B``, ``dd = -B dS d``, which give the second derivative.

With several factors the system is factored as one, and its gradient is that of the Laplace
approximation.

References
----------
Bates, Maechler, Bolker & Walker (2015), Journal of Statistical Software 67(1), section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.fitting.cross_products import Moments, Products
from mixcheck.fitting.factorization import Factorization, factorize
from mixcheck.fitting.latent import FixedEffects, Gram, Latent, add_fixed_effects

__all__ = ["Entries", "Profile", "ProfiledDeviance"]

# Where fixed and random effects leave less than this share of a sum of squares, it is taken
# from the rows: a difference would have lost its digits.
_SMALL_SHARE = 1e-5
_REFINEMENTS = 3


@dataclass(frozen=True, eq=False)
class Entries:
    """Where each covariance parameter stands: ``Lambda_f[row, column]``, (k,) each.

    Lambda is lower triangular up to the order of its rows.
    """

    factors: IntArray
    rows: IntArray
    columns: IntArray

    def roots(self, theta: FloatArray, sizes: tuple[int, ...]) -> list[FloatArray]:
        """Lambda of each factor."""
        out = [np.zeros((q, q)) for q in sizes]
        for f, root in enumerate(out):
            held = self.factors == f
            root[self.rows[held], self.columns[held]] = theta[held]
        return out


@dataclass(frozen=True, eq=False)
class Profile:
    """The profiled deviance at one theta, in the units of the cross products.

    Attributes
    ----------
    entries : Entries
    theta : (k,)
    deviance : float
        Infinite where the model leaves nothing over.
    gradient : (k,)
    hessian : (k, k) or None
        None with several factors.
    roots : list of (q, q)
        Lambda of each factor.
    coefficients : (p,)
        Of the orthonormal columns, for the least-squares residuals.
    square : float
        ``r^2``.
    information : (p, p)
        ``Q'V^-1 Q``.
    scores : list of (q, m)
        ``w = Z'V^-1`` of what the fixed effects leave.
    """

    entries: Entries
    theta: FloatArray
    deviance: float
    gradient: FloatArray
    hessian: FloatArray | None
    roots: list[FloatArray]
    coefficients: FloatArray
    square: float
    information: FloatArray
    scores: list[FloatArray]


@dataclass(frozen=True, eq=False)
class ProfiledDeviance:
    """The profiled deviance as a function of theta.

    Attributes
    ----------
    products : Products
    moments : Moments
    restricted : bool
        Whether the fixed effects are integrated out.
    """

    products: Products
    moments: Moments
    restricted: bool

    @property
    def p(self) -> int:
        """Number of fixed effects."""
        return len(self.products.units)

    @property
    def degrees(self) -> float:
        """``nu``."""
        return self.products.weights.total - (self.p if self.restricted else 0)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Effects of a level, for each factor."""
        return tuple(f.q for f in self.products.latent.factors)

    def __call__(self, entries: Entries, theta: FloatArray) -> Profile:
        """Evaluate at theta, (k,)."""
        roots = entries.roots(theta, self.sizes)
        if len(roots) == 1:
            return _evaluate_levels(self, entries, theta, roots)
        if not roots:
            return _evaluate_alone(self, entries, theta)
        return _evaluate_jointly(self, entries, theta, roots)

    def nowhere(self, entries: Entries, theta: FloatArray, roots: list[FloatArray]) -> Profile:
        """An infinite deviance."""
        lost = np.full(theta.size, np.nan)
        none = np.zeros(0)
        return Profile(entries, theta, np.inf, lost, None, roots, none, 0.0, none, [])

    def profile(self, square: float, log_det: float) -> float:
        """The deviance from its parts."""
        nu = self.degrees
        return log_det + nu * (1.0 + math.log(2.0 * math.pi * square / nu))

    # ---- one factor ----------------------------------------------------------------------

    @cached_property
    def answer(self) -> Callable[[FloatArray, FloatArray], _Levels]:
        """The response of all levels of one factor to Lambda and S."""
        gram = self.products.gram[0, 0]
        cross = np.concatenate([self.products.fixed[0], self.moments.random[0][None]])
        if len(gram) == 1:
            return lambda _, S: _answer_one(gram[0, 0], cross, S)
        if len(gram) == 2:
            return _answer_two(gram, cross)
        return _answer_many(gram, cross)

    @cached_property
    def cross(self) -> FloatArray:
        """``[Q e]'W Z`` of one factor, (p + 1, q m)."""
        held = np.concatenate([self.products.fixed[0], self.moments.random[0][None]])
        out: FloatArray = held.reshape(len(held), -1)
        return out

    @cached_property
    def start(self) -> FloatArray:
        """``[Q e]'W [Q e]``, (p + 1, p + 1)."""
        out = np.eye(self.p + 1)
        out[-1, -1] = self.products.weights.total
        return out

    def remainders(self, S: FloatArray, d: FloatArray) -> FloatArray:
        """``[Q e] - Z S d`` of the rows, (p + 1, n)."""
        latent, left = self.products.latent, []
        for k in range(len(d)):
            part = latent.gather([S @ d[k]], 1)[0]
            assert part is not None
            left.append((self.products.Q[:, k] if k < self.p else self.moments.residual) - part)
        return np.stack(left)

    # ---- several factors -----------------------------------------------------------------

    @cached_property
    def joint(self) -> Latent:
        """The latent system with the fixed effects as its last factor."""
        if self.p == 0:
            return self.products.latent
        effects = FixedEffects(self.products.Q, np.eye(self.p))
        return add_fixed_effects(self.products.latent, effects)

    @cached_property
    def joint_gram(self) -> Gram:
        """Its cross products."""
        out, last = dict(self.products.gram), len(self.sizes)
        if self.p:
            for f, block in enumerate(self.products.fixed):
                out[f, last] = np.ascontiguousarray(block.swapaxes(0, 1))
            out[last, last] = np.eye(self.p)[:, :, None]
        return out


_Levels = tuple[float, FloatArray, FloatArray]
"""``log det (I + G S)``, B (q, q, m) and d (p + 1, q, m)."""


def _answer_one(g: FloatArray, cross: FloatArray, S: FloatArray) -> _Levels:
    grown = g * S[0, 0]
    shrunk = 1.0 / (1.0 + grown)
    return float(np.log1p(grown).sum()), (g * shrunk)[None, None], cross * shrunk


def _answer_two(gram: FloatArray, cross: FloatArray) -> Callable[[FloatArray, FloatArray], _Levels]:
    """Two effects in closed form: sums of what is positive, so that nothing cancels."""
    flat = gram.reshape(4, -1)
    det = flat[0] * flat[3] - flat[1] * flat[2]
    # adj(G) Z'W[Q e]
    turned = np.stack(
        [
            flat[3] * cross[:, 0] - flat[1] * cross[:, 1],
            flat[0] * cross[:, 1] - flat[2] * cross[:, 0],
        ],
        axis=1,
    )

    def answer(root: FloatArray, S: FloatArray) -> _Levels:
        adjoint = np.array([[S[1, 1], -S[0, 1]], [-S[1, 0], S[0, 0]]])
        volume = float(root[0, 0] * root[1, 1] - root[0, 1] * root[1, 0]) ** 2
        grown = S.ravel() @ flat + volume * det
        shrunk = 1.0 / (1.0 + grown)
        B = (gram + adjoint[:, :, None] * det) * shrunk
        d = (cross + adjoint @ turned) * shrunk
        return float(np.log1p(grown).sum()), B, d

    return answer


def _answer_many(
    gram: FloatArray, cross: FloatArray
) -> Callable[[FloatArray, FloatArray], _Levels]:
    q = len(gram)
    by_level = np.ascontiguousarray(gram.transpose(2, 0, 1))
    sides = np.concatenate([by_level, cross.transpose(2, 1, 0)], axis=2)

    def answer(root: FloatArray, S: FloatArray) -> _Levels:
        system = by_level @ S
        system[:, range(q), range(q)] += 1.0
        solved = np.linalg.solve(system, sides)
        log_det = float(np.linalg.slogdet(system)[1].sum())
        B = np.ascontiguousarray(solved[:, :, :q].transpose(1, 2, 0))
        return log_det, B, np.ascontiguousarray(solved[:, :, q:].transpose(2, 1, 0))

    return answer


def _evaluate_alone(at: ProfiledDeviance, entries: Entries, theta: FloatArray) -> Profile:
    """Without random effects: least squares."""
    square = at.products.weights.total
    deviance = at.profile(square, 0.0)
    information = np.eye(at.p)
    none = np.zeros((0, 0))
    return Profile(
        entries, theta, deviance, theta, none, [], np.zeros(at.p), square, information, []
    )


def _evaluate_levels(
    at: ProfiledDeviance, entries: Entries, theta: FloatArray, roots: list[FloatArray]
) -> Profile:
    """One grouping factor, with second derivatives."""
    p, nu, root = at.p, at.degrees, roots[0]
    S = root @ root.T
    log_det, B, d = at.answer(root, S)
    flat, grown = d.reshape(p + 1, -1), (S @ d).reshape(p + 1, -1)
    shares = at.start - at.cross @ grown.T
    solved = _solve_shares(shares)
    least = float((shares.diagonal() / at.start.diagonal()).min())
    if solved is None or min(least, solved.square / at.start[p, p]) < _SMALL_SHARE:
        refined = _solve_by_rows(at, S, d)
        if refined is None:
            return at.nowhere(entries, theta, roots)
        shares, solved = refined
    information, back = shares[:p, :p], solved.back
    square, coefficients = solved.square, solved.coefficients
    if not square > 0.0:
        return at.nowhere(entries, theta, roots)
    w = (flat[p] - coefficients @ flat[:p]).reshape(d.shape[1:])
    absorbed = (back @ flat[:p]).reshape(p, *w.shape)
    slopes, curvature = _derive(B, w, absorbed, nu / square, nu, restricted=at.restricted)
    gradient, hessian = _chain(entries, root, slopes, curvature)
    if at.restricted:
        hessian -= _turn_of_information(entries, root, absorbed)
    return Profile(
        entries=entries,
        theta=theta,
        deviance=at.profile(square, log_det - solved.log_volume(restricted=at.restricted)),
        gradient=gradient,
        hessian=hessian,
        roots=roots,
        coefficients=coefficients,
        square=square,
        information=information,
        scores=[w],
    )


@dataclass(frozen=True, eq=False)
class _Solved:
    """Generalised least squares from ``[Q e]'V^-1 [Q e]``.

    Attributes
    ----------
    back : (p, p)
        ``L^-1`` of ``Q'V^-1 Q = L L'``.
    coefficients : (p,)
    square : float
    """

    back: FloatArray
    coefficients: FloatArray
    square: float

    def log_volume(self, *, restricted: bool) -> float:
        """``-log det Q'V^-1 Q`` where it counts."""
        return 2.0 * float(np.log(self.back.diagonal()).sum()) if restricted else 0.0


def _solve_shares(shares: FloatArray) -> _Solved | None:
    p = len(shares) - 1
    if p == 0:
        return _Solved(np.zeros((0, 0)), np.zeros(0), float(shares[0, 0]))
    lower, info = lapack.dpotrf(shares[:p, :p], lower=1, clean=1)
    if info != 0:
        return None
    back: FloatArray = lapack.dtrtri(lower, lower=1)[0]
    half = back @ shares[:p, p]
    return _Solved(back, back.T @ half, float(shares[p, p] - half @ half))


def _solve_by_rows(
    at: ProfiledDeviance, S: FloatArray, d: FloatArray
) -> tuple[FloatArray, _Solved] | None:
    """The same from residuals of the rows: ``R'WR + d'S d`` is a sum of what is positive.

    Products of large residuals with small ones lose digits, so that the coefficients are
    refined with the residuals that they leave.
    """
    p, times = at.p, at.products.weights.times
    left, flat = at.remainders(S, d), d.reshape(len(d), -1)
    grown = (S @ d).reshape(flat.shape)
    shares = np.stack([times(row) for row in left]) @ left.T + flat @ grown.T
    solved = _solve_shares(shares)
    if solved is None:
        return None
    coefficients, square = solved.coefficients, solved.square
    for _ in range(_REFINEMENTS):
        v = np.append(-coefficients, 1.0)
        alone, w, b = v @ left, v @ flat, v @ grown
        square = float(alone @ times(alone) + w @ b)
        rest = left[:p] @ times(alone) + flat[:p] @ b
        coefficients = coefficients + solved.back.T @ (solved.back @ rest)
    return shares, replace(solved, coefficients=coefficients, square=square)


def _derive(
    B: FloatArray,
    w: FloatArray,
    absorbed: FloatArray,
    rate: float,
    nu: float,
    *,
    restricted: bool,
) -> tuple[FloatArray, FloatArray]:
    """First and second derivative of D in S, (q, q) and (q, q, q, q).

    `absorbed` is ``L^-1 d_x``, L a root of N. The part ``tr(N^-1 dN N^-1 dN)`` of the
    restricted one is left out.
    """
    q, m = w.shape
    flat = B.reshape(q * q, m)
    pairs = (w[:, None] * w).reshape(q * q, m)
    squares = pairs.sum(axis=1)
    slopes = flat.sum(axis=1) - rate * squares
    # [d, a, b, c] -> [a, b, c, d], and [a, d, b, c] -> [a, b, c, d].
    traces = (flat @ flat.T).reshape(q, q, q, q).transpose(1, 2, 3, 0)
    middle = 2.0 * rate * pairs
    if restricted:
        spread = (absorbed[:, :, None] * absorbed[:, None]).sum(axis=0).reshape(q * q, m)
        slopes = slopes - spread.sum(axis=1)
        middle += 2.0 * spread
    curvature = (middle @ flat.T).reshape(q, q, q, q).transpose(0, 2, 3, 1) - traces
    moved = (absorbed.reshape(-1, m) @ w.T).reshape(-1, q * q)
    together = 2.0 * rate * (moved.T @ moved) + (rate * rate / nu) * np.outer(squares, squares)
    return slopes.reshape(q, q), curvature - together.reshape(q, q, q, q)


def _directions(entries: Entries, root: FloatArray) -> FloatArray:
    """``dS / dtheta`` of one factor, (k, q, q)."""
    k, q = entries.rows.size, len(root)
    out = np.zeros((k, q, q))
    out[np.arange(k), entries.rows] = root[:, entries.columns].T
    return out + out.swapaxes(1, 2)


def _chain(
    entries: Entries, root: FloatArray, slopes: FloatArray, curvature: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Gradient and Hessian in theta: ``dS = dL L' + L dL'``, ``d2S = 2 dL dL'``."""
    rows, columns, q = entries.rows, entries.columns, len(root)
    gradient = 2.0 * (slopes @ root)[rows, columns]
    turns = _directions(entries, root).reshape(rows.size, q * q)
    hessian = turns @ curvature.reshape(q * q, q * q) @ turns.T
    hessian += 2.0 * slopes[rows[:, None], rows] * (columns[:, None] == columns)
    return gradient, 0.5 * (hessian + hessian.T)


def _turn_of_information(entries: Entries, root: FloatArray, absorbed: FloatArray) -> FloatArray:
    """``tr(N^-1 dN_s N^-1 dN_t)``, (k, k)."""
    p, q, m = absorbed.shape
    if p == 0:
        return np.zeros((entries.rows.size,) * 2)
    flat = absorbed.reshape(p * q, m)
    products = (flat @ flat.T).reshape(p, q, p, q)
    turned = np.einsum("kalb,sab->skl", products, _directions(entries, root), optimize=True)
    turned = turned.reshape(len(turned), -1)
    out: FloatArray = turned @ turned.T
    return out


def _evaluate_jointly(
    at: ProfiledDeviance, entries: Entries, theta: FloatArray, roots: list[FloatArray]
) -> Profile:
    """Several grouping factors: one system, factored as a whole."""
    p, nu, last = at.p, at.degrees, len(roots)
    whole = [*roots, np.eye(p)] if p else roots
    factorization = factorize(at.joint, at.joint_gram, whole)
    if factorization is None:
        return at.nowhere(entries, theta, roots)
    random = at.moments.random
    rhs = [root.T @ part for root, part in zip(roots, random, strict=True)]
    solved = factorization.solve([*rhs, np.zeros((p, 1))] if p else rhs)
    u, coefficients = solved[:last], solved[last][:, 0] if p else np.zeros(0)
    explained = sum(float(np.vdot(a, b)) for a, b in zip(rhs, u, strict=True))
    square, scores = at.products.weights.total - explained, None
    if square < _SMALL_SHARE * at.products.weights.total:
        u, coefficients, square, scores = _refine(at, roots, factorization, u, coefficients)
    if not square > 0.0:
        return at.nowhere(entries, theta, roots)
    integrated = factorization if at.restricted else factorization.random_part()
    gram = at.joint_gram if at.restricted else at.products.gram
    slopes = _log_det_slopes(gram, integrated, whole)
    if scores is None:
        sums = [
            part - np.tensordot(coefficients, fixed, 1)
            for part, fixed in zip(random, at.products.fixed, strict=True)
        ]
        b = [root @ part for root, part in zip(roots, u, strict=True)]
        scores = subtract(at.products, sums, b)
    for f, (w, part) in enumerate(zip(scores, u, strict=True)):
        slopes[f] = slopes[f] - (2.0 * nu / square) * (w @ part.T)
    gradient = np.array(
        [
            slopes[f][a, c]
            for f, a, c in zip(entries.factors, entries.rows, entries.columns, strict=True)
        ]
    )
    rest = factorization.rest
    information = np.zeros((0, 0))
    if p:
        assert rest is not None
        lower = np.tril(rest[-p:, -p:])
        information = lower @ lower.T
    deviance = at.profile(square, integrated.log_det())
    return Profile(
        entries=entries,
        theta=theta,
        deviance=deviance,
        gradient=gradient,
        hessian=None,
        roots=roots,
        coefficients=coefficients,
        square=square,
        information=information,
        scores=scores,
    )


def _refine(
    at: ProfiledDeviance,
    roots: list[FloatArray],
    factorization: Factorization,
    u: list[FloatArray],
    coefficients: FloatArray,
) -> tuple[list[FloatArray], FloatArray, float, list[FloatArray]]:
    """Effects, coefficients, ``r^2`` and scores by the residuals of the rows.

    ``r^2 = (y - X b - Z Lambda u)'W(..) + u'u`` is at its minimum, so that errors are squared.
    """
    products, last = at.products, len(roots)
    square, scores = np.inf, u
    for _ in range(_REFINEMENTS):
        part = products.latent.gather([root @ x for root, x in zip(roots, u, strict=True)], 1)[0]
        assert part is not None
        left = at.moments.residual - products.Q @ coefficients - part
        weighted = products.weights.times(left)
        square = float(left @ weighted) + sum(float(np.vdot(a, a)) for a in u)
        scores = products.latent.scatter({0: weighted})
        rest = [root.T @ w - x for root, w, x in zip(roots, scores, u, strict=True)]
        if at.p:
            rest.append((products.Q.T @ weighted)[:, None])
        step = factorization.solve(rest)
        u = [a + b for a, b in zip(u, step[:last], strict=True)]
        coefficients = coefficients + (step[last][:, 0] if at.p else 0.0)
    return u, coefficients, square, scores


def _log_det_slopes(
    gram: Gram, factorization: Factorization, roots: list[FloatArray]
) -> list[FloatArray]:
    """Derivatives of ``log det H`` in each Lambda: ``2 sum G_fg Lambda_g V_gf``."""
    out = [np.zeros_like(root) for root in roots]
    for (f, g), entry in factorization.inverse_entries().items():
        out[f] += 2.0 * _contract(gram[f, g], entry, roots[g])
        if f != g:
            mirrored = gram[f, g].swapaxes(0, 1), entry.swapaxes(0, 1)
            out[g] += 2.0 * _contract(*mirrored, roots[f])
    return out


def _contract(gram: FloatArray, inverse: FloatArray, root: FloatArray) -> FloatArray:
    moved = np.matmul(root, inverse)
    out: FloatArray = gram.reshape(len(gram), -1) @ moved.reshape(len(moved), -1).T
    return out


def subtract(products: Products, sums: list[FloatArray], b: list[FloatArray]) -> list[FloatArray]:
    """``s - Z'WZ b``, (q, m) per factor."""
    out = list(sums)
    for (f, g), block in products.gram.items():
        pair = products.latent.pairs[f, g]
        if f == g:
            out[f] = out[f] - np.einsum("abm,bm->am", block, b[f])
            continue
        m, k = products.latent.factors[f].m, products.latent.factors[g].m
        there = np.einsum("abP,bP->aP", block, b[g][:, pair.right])
        back = np.einsum("abP,aP->bP", block, b[f][:, pair.left])
        out[f] = out[f] - np.stack([np.bincount(pair.left, row, m) for row in there])
        out[g] = out[g] - np.stack([np.bincount(pair.right, row, k) for row in back])
    return out


def average_information(at: ProfiledDeviance, here: Profile) -> FloatArray:
    """Mean of the observed and the expected information on theta, (k, k), of the deviance.

    ``2 nu / r^2 w'dS_s (Z'PZ) dS_t w`` needs one solve for each parameter (Gilmour, Thompson
    & Cullis 1995, Biometrics 51, 1440-1450).
    """
    p, last = at.p, len(here.roots)
    whole = [*here.roots, np.eye(p)] if p else here.roots
    factorization = factorize(at.joint, at.joint_gram, whole)
    assert factorization is not None
    entries = here.entries
    moved, answers = [], []
    for f, a, c in zip(entries.factors, entries.rows, entries.columns, strict=True):
        root, w = here.roots[f], here.scores[f]
        x = [np.zeros_like(part) for part in here.scores]
        x[f][a] += root[:, c] @ w
        x[f] += root[:, c][:, None] * w[a]
        zeros = [np.zeros_like(part) for part in x]
        gx = [-part for part in subtract(at.products, zeros, x)]
        rhs = [r.T @ part for r, part in zip(here.roots, gx, strict=True)]
        if p:
            fixed = sum(
                np.einsum("pqm,qm->p", block, part)
                for block, part in zip(at.products.fixed, x, strict=True)
            )
            rhs.append(np.asarray(fixed)[:, None])
        solved = factorization.solve(rhs)
        b = [r @ part for r, part in zip(here.roots, solved[:last], strict=True)]
        gx = subtract(at.products, gx, b)
        if p:
            gx = [
                part - np.tensordot(solved[last][:, 0], block, 1)
                for part, block in zip(gx, at.products.fixed, strict=True)
            ]
        moved.append(np.concatenate([part.ravel() for part in x]))
        answers.append(np.concatenate([part.ravel() for part in gx]))
    held = np.stack(moved) @ np.stack(answers).T
    out: FloatArray = (at.degrees / here.square) * (held + held.T)
    return out


def absorb(at: ProfiledDeviance, here: Profile) -> list[FloatArray]:
    """``Q'V^-1 Z`` of each factor, (p, q, m)."""
    if len(here.roots) == 1:
        d = at.answer(here.roots[0], here.roots[0] @ here.roots[0].T)[2]
        return [d[:-1]]
    factorization = factorize(at.products.latent, at.products.gram, here.roots)
    assert factorization is not None
    out = [np.empty_like(block) for block in at.products.fixed]
    for k in range(at.p):
        sums = [block[k] for block in at.products.fixed]
        rhs = [root.T @ part for root, part in zip(here.roots, sums, strict=True)]
        u = factorization.solve(rhs)
        b = [root @ part for root, part in zip(here.roots, u, strict=True)]
        for target, part in zip(out, subtract(at.products, sums, b), strict=True):
            target[k] = part
    return out
