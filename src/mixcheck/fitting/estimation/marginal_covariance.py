"""The covariance of a Gaussian response, and how that of the coefficients follows it.

With the identity link a response has the covariance ``V = R + Z S Z'``, R diagonal and S that of
the random effects, and the coefficients of the mean have ``C = (X' V^-1 X)^-1``. All is written in
orthonormal columns Q of X, so that neither the origin nor the unit of a column costs digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.linalg import block_diag

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.latent.factorization import Factorization, factorize
from mixcheck.fitting.latent.roots import Root, correlate, scale
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.inference.kenward_roger import KenwardRoger

__all__ = ["MOST_EFFECTS", "MarginalCovariance", "kenward_roger_at"]

# Of theta, or of one: differences of a quadratic are exact with any step.
_STEP = 1e-4
# Random effects of several grouping factors whose covariance given the data is formed.
MOST_EFFECTS = 1500


@dataclass(frozen=True, eq=False)
class MarginalCovariance:
    """A linear mixed model at some parameters.

    Attributes
    ----------
    problem : Problem
        Gaussian with the identity link, random effects in the mean alone.
    psi : (P,)
        All parameters; the coefficients of the mean are not looked at.
    """

    problem: Problem
    psi: FloatArray

    @cached_property
    def orthonormal(self) -> tuple[FloatArray, FloatArray]:
        """Q (n, p) with orthonormal columns, and U (p, p): ``X U = Q``."""
        X = self.problem.X[0]
        lengths = np.linalg.norm(X, axis=0)
        Q, R = np.linalg.qr(X / lengths)
        return Q, np.linalg.inv(R) / lengths[:, None]

    @cached_property
    def weights(self) -> FloatArray:
        """``R^-1``, (n,): what each row counts over its residual variance."""
        problem = self.problem
        deviation = problem.family.links[1].inverse(problem.fixed(self.psi)[1])
        counts = np.ones(problem.n) if problem.weights is None else problem.weights
        out: FloatArray = counts / deviation**2
        return out

    @cached_property
    def roots(self) -> list[Root]:
        """Root of the covariance of the effects of each factor."""
        return self.problem.roots(self.psi[self.problem.n_beta :])

    @cached_property
    def _factors(self) -> Factorization:
        latent = self.problem.latent
        factors = factorize(latent, latent.gram({(0, 0): self.weights}), self.roots)
        if factors is None:
            raise ConvergenceError("the covariance of the responses is singular to rounding")
        return factors

    def solve(self, row: FloatArray) -> FloatArray:
        """``V^-1 a = W a - W Z L H^-1 L' Z' W a``, (n,), with ``W = R^-1``."""
        latent, W, roots = self.problem.latent, self.weights, self.roots
        if not latent.factors:
            return W * row
        seen = latent.scatter({0: W * row})
        inner = self._factors.solve([scale(r.T, s) for r, s in zip(roots, seen, strict=True)])
        effects = [scale(root, u) for root, u in zip(roots, inner, strict=True)]
        part = latent.gather(effects, len(self.problem.X))[0]
        return W * row if part is None else W * (row - part)

    @cached_property
    def solved(self) -> FloatArray:
        """``V^-1 Q``, (n, p)."""
        return np.column_stack([self.solve(q) for q in self.orthonormal[0].T])

    @cached_property
    def covariance(self) -> FloatArray:
        """``C = (Q' V^-1 Q)^-1``, (p, p)."""
        information = self.orthonormal[0].T @ self.solved
        out: FloatArray = np.asarray(np.linalg.inv(0.5 * (information + information.T)))
        return out

    @cached_property
    def of_effects(self) -> list[FloatArray]:
        """``Z' V^-1 Q`` of each factor, (p, q, m)."""
        latent = self.problem.latent
        each = [latent.scatter({0: column}) for column in self.solved.T]
        return [np.stack(parts) for parts in zip(*each, strict=True)]

    def _explained(self, theta: FloatArray) -> FloatArray:
        """``T' S(theta) T`` with ``T = Z' V^-1 Q`` held, (p, p)."""
        p = self.orthonormal[0].shape[1]
        out: FloatArray = np.zeros((p, p))
        for root, T in zip(self.problem.roots(theta), self.of_effects, strict=True):
            inner = np.stack([scale(root.T, t) for t in T])
            joined = np.stack([correlate(root, t) for t in inner])
            out = out + inner.reshape(p, -1) @ joined.reshape(p, -1).T
        return out

    def slopes(self) -> FloatArray:
        """Derivatives of C in all parameters but the coefficients of the mean, (m, p, p).

        ``dC = C Q' V^-1 dV V^-1 Q C``.
        """
        problem, C = self.problem, self.covariance
        eta = problem.fixed(self.psi)[1]
        deviation, rate, *_ = problem.family.links[1].derivatives(eta)
        counts = np.ones(problem.n) if problem.weights is None else problem.weights
        # A row without weight has no finite variance and says nothing.
        variance_rate = 2.0 * deviation * rate / np.where(counts > 0.0, counts, 1.0)
        E = self.solved
        inner = [E.T @ ((variance_rate * x)[:, None] * E) for x in problem.X[1].T]
        theta = self.psi[problem.n_beta :]
        size = max(min(float(np.abs(theta).max(initial=0.0)), 1.0), 1e-300)
        lengths = _STEP * np.maximum(np.abs(theta), size)
        for step, length in zip(np.diag(lengths), lengths.tolist(), strict=True):
            change = self._explained(theta + step) - self._explained(theta - step)
            inner.append(change / (2.0 * length))
        p = len(C)
        out: FloatArray = C @ np.array(inner).reshape(-1, p, p) @ C
        return out


def kenward_roger_at(at: MarginalCovariance) -> KenwardRoger:
    """What Kenward and Roger's formulas take of a linear mixed model with one residual variance.

    With ``S = Z' V^-1 Z`` and ``T = Z' V^-1 Q`` all products follow without the rows. With the
    residual variance s, ``R = s D``, and the covariance B of the random effects ``V - s D`` is
    ``Z B Z'``, so that ``Z' V^-1 D V^-1 Z = (S - S B S) / s``, and so on. For one grouping factor S
    and T are looked at level by level.

    Parameters
    ----------
    at : MarginalCovariance
        Its covariance structures have a basis, and its levels are independent.
    """
    problem, C = at.problem, at.covariance
    total = float(problem.n if problem.weights is None else problem.weights.sum())
    place = problem.beta_slices[1]
    variance = float(problem.family.links[1].inverse(at.psi[place])[0]) ** 2
    A = np.linalg.inv(C)
    S, T, B, G = _by_level(at)
    k, p = len(G), len(C)
    # Of the residual, Z'V^-1 D V^-1 Z and Z'V^-1 D V^-1 Q.
    SB, BT = S @ B, B @ T
    residual_S = (S - SB @ S) / variance
    residual_T = (T - S @ BT) / variance
    P = np.empty((k + 1, p, p))
    Q = np.empty((k + 1, k + 1, p, p))
    traces = np.empty((k + 1, k + 1))
    P[k] = -(A - _sum_products(T, BT)) / variance
    Q[k, k] = (-P[k] - _sum_products(residual_T, BT)) / variance
    traces[k, k] = ((total - _trace(S, B)) / variance - _trace(residual_S, B)) / variance
    for i in range(k):
        GT, SG = G[i] @ T, S @ G[i]
        P[i] = -_sum_products(T, GT)
        Q[i, k] = _sum_products(GT, residual_T)
        Q[k, i] = Q[i, k].T
        traces[i, k] = traces[k, i] = _trace(residual_S, G[i])
        for j in range(i + 1):
            Q[i, j] = _sum_products(GT, S @ (G[j] @ T))
            Q[j, i] = Q[i, j].T
            traces[i, j] = traces[j, i] = _trace(SG, S @ G[j])
    return KenwardRoger(C, P, Q, traces)


def _by_level(
    at: MarginalCovariance,
) -> tuple[FloatArray, FloatArray, FloatArray, list[FloatArray]]:
    """S (b, s, s), T (b, s, p), B (s, s) and the matrices that it combines, (s, s) each.

    Of one factor b are its levels and s its effects; of several all effects are one block.
    """
    problem, latent = at.problem, at.problem.latent
    p = at.solved.shape[1]
    if not latent.factors:
        return np.zeros((0, 0, 0)), np.zeros((0, 0, p)), np.zeros((0, 0)), []
    units = [np.asarray(root) for root in at.roots]
    parts: list[list[FloatArray]] = [[] for _ in latent.factors]
    for term in problem.terms:
        basis = term.covariance.basis
        assert basis is not None
        for one in basis:
            whole = np.zeros_like(units[term.factor])
            whole[term.columns, term.columns] = one
            parts[term.factor].append(whole)
    if len(units) == 1:
        gram = latent.gram({(0, 0): at.weights})[0, 0].transpose(2, 0, 1)
        B, T = units[0] @ units[0].T, at.of_effects[0].transpose(2, 1, 0)
        return _given(gram, B), T, B, parts[0]
    sizes = [factor.m for factor in latent.factors]
    Z = sparse.hstack([_columns(problem, f) for f in range(len(sizes))], format="csr")
    gram = (Z.T @ sparse.diags_array(at.weights) @ Z).toarray()
    spread = [np.kron(u @ u.T, np.eye(m)) for u, m in zip(units, sizes, strict=True)]
    B = block_diag(*spread)
    T = np.concatenate([t.reshape(p, -1) for t in at.of_effects], axis=1).T
    ends = np.cumsum([0, *(len(block) for block in spread)])
    matrices = []
    for f, own in enumerate(parts):
        for one in own:
            whole = np.zeros_like(B)
            here = slice(ends[f], ends[f + 1])
            whole[here, here] = np.kron(one, np.eye(sizes[f]))
            matrices.append(whole)
    return _given(gram[None], B), T[None], B, matrices


def _given(gram: FloatArray, B: FloatArray) -> FloatArray:
    """``Z' V^-1 Z = (I + Z'WZ B)^-1 Z'WZ``, (b, s, s)."""
    found = np.linalg.solve(np.eye(len(B)) + gram @ B, gram)
    out: FloatArray = np.asarray(0.5 * (found + found.swapaxes(1, 2)), dtype=np.float64)
    return out


def _columns(problem: Problem, f: int) -> sparse.csr_array:
    """Columns of Z of one factor: effect by effect, and of each level by level, (n, q m)."""
    factor, rows = problem.latent.factors[f], np.arange(problem.n)
    each = [
        sparse.csr_array((z, (rows, factor.sums.index)), shape=(problem.n, factor.m))
        for z in factor.covariates.T
    ]
    return sparse.hstack(each, format="csr")


def _sum_products(left: FloatArray, right: FloatArray) -> FloatArray:
    """``sum_b L_b' R_b``, (p, p), of (b, s, p) each."""
    out: FloatArray = left.reshape(-1, left.shape[2]).T @ right.reshape(-1, right.shape[2])
    return out


def _trace(left: FloatArray, right: FloatArray) -> float:
    """``sum_b tr(L_b R_b)``."""
    return float(np.sum(left * right.swapaxes(-1, -2)))
