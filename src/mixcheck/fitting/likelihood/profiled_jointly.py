"""The profiled deviance with several grouping factors, with its gradient.

The mixed-model equations are factored as one system whose last block are the fixed effects;
the gradient of its log determinant is that of the Laplace approximation.
"""

from __future__ import annotations

import math

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.factorization import Factorization, factorize
from mixcheck.fitting.latent.layout import Gram
from mixcheck.fitting.latent.small_matrices import sum_weighted_products
from mixcheck.fitting.likelihood.cross_products import Products
from mixcheck.fitting.likelihood.profiled_deviance import (
    SMALL_SHARE,
    Entries,
    Profile,
    ProfiledDeviance,
)

__all__ = ["absorb_jointly", "average_information", "evaluate_jointly", "least_residual"]

_REFINEMENTS = 3
# Lambda is regular where its smallest singular value is this share of the largest.
_REGULAR = 1e-4


def evaluate_jointly(
    at: ProfiledDeviance, entries: Entries, theta: FloatArray, roots: list[FloatArray]
) -> Profile:
    """Several grouping factors: one system, factored as a whole.

    ``H [u; b] = [Lambda'Z'We; 0]`` for the residuals e of least squares has the effects u and, in
    the orthonormal columns, what is added to the coefficients; ``r^2 = e'We - (Lambda'Z'We)'u``,
    ``w = Z'W(e - Q b - Z Lambda u)``, and ``dD/dLambda`` is that of ``log det H`` less
    ``2 nu / r^2 w u'``.
    """
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
    if square < SMALL_SHARE * at.products.weights.total:
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
        scores = _subtract(at.products, sums, b)
    for f, (w, part) in enumerate(zip(scores, u, strict=True)):
        slopes[f] = slopes[f] - (2.0 * nu / square) * (w @ part.T)
    gradient = np.array(
        [
            slopes[f][a, c]
            for f, a, c in zip(entries.factors, entries.rows, entries.columns, strict=True)
        ]
    )
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
        information=factorization.fixed_information(),
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
        gradient = [root.T @ w - x for root, w, x in zip(roots, scores, u, strict=True)]
        if at.p:
            gradient.append((products.Q.T @ weighted)[:, None])
        step = factorization.solve(gradient)
        u = [a + b for a, b in zip(u, step[:last], strict=True)]
        coefficients = coefficients + (step[last][:, 0] if at.p else 0.0)
    return u, coefficients, square, scores


def _log_det_slopes(
    gram: Gram, factorization: Factorization, roots: list[FloatArray]
) -> list[FloatArray]:
    """Derivatives of ``log det H`` in each Lambda: ``2 sum G_fg Lambda_g V_gf``.

    ``H V = I`` makes that ``2 Lambda_f^-T sum (I - V_ff)``, where nothing large cancels.
    """
    entries = factorization.inverse_entries()
    whole = [_is_regular(root) for root in roots]
    out = [np.zeros_like(root) for root in roots]
    for (f, g), entry in entries.items():
        if f == g and whole[f]:
            lost = entry.shape[2] * np.eye(len(entry)) - entry.sum(axis=2)
            out[f] += 2.0 * np.linalg.solve(roots[f].T, lost)
        elif not whole[f]:
            out[f] += 2.0 * sum_weighted_products(gram[f, g], entry, roots[g])
        if f != g and not whole[g]:
            mirrored = gram[f, g].swapaxes(0, 1), entry.swapaxes(0, 1)
            out[g] += 2.0 * sum_weighted_products(*mirrored, roots[f])
    return out


def _is_regular(root: FloatArray) -> bool:
    """Whether Lambda is far from singular, and the effects far from none."""
    sizes = np.linalg.svd(root, compute_uv=False)
    return bool(sizes[-1] > max(_REGULAR * sizes[0], 1.0))


def _subtract(products: Products, sums: list[FloatArray], b: list[FloatArray]) -> list[FloatArray]:
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
        gx = [-part for part in _subtract(at.products, zeros, x)]
        rhs = [r.T @ part for r, part in zip(here.roots, gx, strict=True)]
        if p:
            fixed = sum(
                np.einsum("pqm,qm->p", block, part)
                for block, part in zip(at.products.fixed, x, strict=True)
            )
            rhs.append(np.asarray(fixed)[:, None])
        solved = factorization.solve(rhs)
        b = [r @ part for r, part in zip(here.roots, solved[:last], strict=True)]
        gx = _subtract(at.products, gx, b)
        if p:
            gx = [
                part - np.tensordot(solved[last][:, 0], block, 1)
                for part, block in zip(gx, at.products.fixed, strict=True)
            ]
        moved.append(np.concatenate([part.ravel() for part in x]))
        answers.append(np.concatenate([part.ravel() for part in gx]))
    product = np.stack(moved) @ np.stack(answers).T
    out: FloatArray = (at.degrees / here.square) * (product + product.T)
    return out


def absorb_jointly(at: ProfiledDeviance, here: Profile) -> list[FloatArray]:
    """``Q'V^-1 Z w'`` of each factor, (p, q, q): what fixed effects and scores share."""
    factorization = factorize(at.products.latent, at.products.gram, here.roots)
    assert factorization is not None
    out = [np.empty_like(block) for block in at.products.fixed]
    for k in range(at.p):
        sums = [block[k] for block in at.products.fixed]
        rhs = [root.T @ part for root, part in zip(here.roots, sums, strict=True)]
        u = factorization.solve(rhs)
        b = [root @ part for root, part in zip(here.roots, u, strict=True)]
        for target, part in zip(out, _subtract(at.products, sums, b), strict=True):
            target[k] = part
    return [d @ w.T for d, w in zip(out, here.scores, strict=True)]


def least_residual(at: ProfiledDeviance) -> float:
    """Root mean square of what all effects leave by least squares, the fixed ones leaving one.

    ``min |W^1/2 (e - Q b - Z c)| / sqrt(N)`` over all b and c, by LSMR.
    """
    from scipy.sparse.linalg import LinearOperator, lsmr

    latent, weights, p = at.products.latent, at.products.weights, at.p
    shapes = [f.shape for f in latent.factors]
    ends = np.cumsum([p, *(q * m for q, m in shapes)])
    rows = np.ones(len(at.products.Q)) if weights.rows is None else np.sqrt(weights.rows)

    def fit(x: FloatArray) -> FloatArray:
        parts = np.split(np.ravel(x), ends[:-1])
        b = [part.reshape(shape) for part, shape in zip(parts[1:], shapes, strict=True)]
        random = latent.gather(b, 1)[0]
        assert random is not None
        out: FloatArray = rows * (at.products.Q @ parts[0] + random)
        return out

    def turn(r: FloatArray) -> FloatArray:
        weighted = rows * np.ravel(r)
        sums = latent.scatter({0: weighted})
        return np.concatenate([at.products.Q.T @ weighted, *(part.ravel() for part in sums)])

    operator = LinearOperator((rows.size, int(ends[-1])), matvec=fit, rmatvec=turn, dtype=float)
    target = rows * at.moments.residual
    for _ in range(_REFINEMENTS):
        target = target - fit(lsmr(operator, target, atol=1e-14, btol=1e-14, maxiter=2000)[0])
    return math.sqrt(float(target @ target) / weights.total)
