"""Derivative of the fitted values in the responses of a linear mixed model, in closed form.

With ``V = R^-1 + Z Lambda Lambda' Z'`` (R the weights, Lambda relative to the residual standard
deviation), ``A = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1`` and ``e = A y``, the fitted values are
``y - R^-1 A y`` and the covariance parameters minimise
``nu/2 log y'Ay + 1/2 log det V`` (REML: ``+ 1/2 log det X'V^-1 X``). Differentiating that
condition in y gives their response, with ``W_s = dV/dtheta_s`` and ``W_st`` its derivative:

- ``C_s = nu / y'Ay [A W_s e - q_s / y'Ay e]``, ``q_s = e'W_s e``
- ``H_st = nu/2 [(2 e'W_t A W_s e - e'W_st e) / y'Ay - q_s q_t / (y'Ay)^2] + 1/2 d2 log det``
- ``dtheta/dy = H^-1 C``, and ``d fitted_i / d y_i = 1 - A_ii / r_i + sum_s (A W_s e)_i / r_i
  dtheta_s/dy_i``.

W vanishes with an entry of Lambda on the boundary, in the Cholesky parameters, so that a variance
of zero or a correlation of one needs no special case: its parameter does not respond. Only
products with vectors and the factors of the mixed-model equations are formed.

References
----------
Greven & Kneib (2010), Biometrika 97, 773-789, theorem 3; here in the Cholesky factor, with the
second derivative W_st that the affine parametrisation does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.factorization import Factorization, factorize, log_det_slopes
from mixcheck.fitting.latent.layout import Gram
from mixcheck.fitting.latent.roots import (
    Root,
    correlate,
    covariances_of_effects,
    differentiate_square,
    resize,
    scale,
    units_of,
)
from mixcheck.fitting.likelihood.cross_products import take_moments
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["LinearMixed", "Response", "differentiate_fitted", "has_one_variance", "is_linear_mixed"]

# Central differences of the gradient of the log determinant over three pairs of points: their
# error is the sixth power of the step, which is in standard errors.
_STEP = 0.03
_STENCIL = ((1.0, 0.75), (2.0, -0.15), (3.0, 1.0 / 60.0))
# Eigenvalues of the scaled Hessian below this are not curvature.
_FLAT = 1e-9


def is_linear_mixed(problem: Problem) -> bool:
    """Whether the model is Gaussian with the identity link and one residual variance.

    An offset of the log standard deviation, such as a precision weight makes, may be there: it
    says in which known ratios the variances of rows are.
    """
    return has_one_variance(problem) and problem.latent.random_predictors == (0,)


def has_one_variance(problem: Problem) -> bool:
    """The same, whether or not there are random effects of the mean."""
    if not problem.family.is_linear or problem.penalty is not None:
        return False
    X = problem.X[1]
    return X.shape[1] == 1 and bool(np.ptp(X) == 0.0)


@dataclass(frozen=True, eq=False)
class Response:
    """Derivatives of the fitted values in the responses.

    Attributes
    ----------
    held : (n,)
        ``d fitted_i / d y_i`` at known covariance parameters.
    estimated : (n,)
        What the estimation of the covariance parameters adds.
    """

    held: FloatArray
    estimated: FloatArray


@dataclass(frozen=True, eq=False)
class LinearMixed:
    """A linear mixed model at some covariance parameters.

    Attributes
    ----------
    problem : Problem
    theta : (n_theta,)
        In the units of the response.
    deviation : float
        Residual standard deviation of a row whose offset is zero.
    """

    problem: Problem
    theta: FloatArray
    deviation: float

    @cached_property
    def copies(self) -> FloatArray:
        """Number of observations that each row is, (n,)."""
        weights = self.problem.weights
        return np.ones(self.problem.n) if weights is None else weights

    @cached_property
    def weights(self) -> FloatArray:
        """R, ``w_i exp(-2 o_i)``, (n,): copies, and o the offset of the log standard deviation."""
        precision: FloatArray = np.exp(-2.0 * self.problem.offsets[1])
        return self.copies * precision

    @cached_property
    def gram(self) -> Gram:
        """``Z' R Z``."""
        return self.problem.latent.gram({(0, 0): self.weights})

    @cached_property
    def roots(self) -> list[Root]:
        """Relative root of each factor."""
        return [resize(root, 1.0 / self.deviation) for root in self.problem.roots(self.theta)]

    def at(self, theta: FloatArray) -> LinearMixed:
        """The same model at other parameters."""
        return LinearMixed(self.problem, theta, self.deviation)

    @cached_property
    def factorization(self) -> Factorization:
        """Factors of ``I + Lambda' Z' R Z Lambda``."""
        found = factorize(self.problem.latent, self.gram, self.roots)
        assert found is not None
        return found

    def gather(self, effects: Sequence[FloatArray]) -> FloatArray:
        """``Z b``, (n,)."""
        part = self.problem.latent.gather(effects, 2)[0]
        assert part is not None
        return part

    def solve_v(self, rows: FloatArray) -> FloatArray:
        """``V^-1 a``, (n,)."""
        weighted = self.weights * rows
        sums = self.problem.latent.scatter({0: weighted})
        white = [scale(root.T, part) for root, part in zip(self.roots, sums, strict=True)]
        solved = self.factorization.solve(white)
        back = [scale(root, part) for root, part in zip(self.roots, solved, strict=True)]
        return weighted - self.weights * self.gather(back)

    @property
    def X(self) -> FloatArray:
        """Columns that span those of the fixed effects, orthonormal where they are known."""
        products = self.problem.products
        return self.problem.X[0] if products is None else products.Q

    @cached_property
    def absorbed(self) -> FloatArray:
        """``V^-1 X R_x^-1``, (n, p), with ``X'V^-1 X = R_x' R_x``."""
        X = self.X
        solved = np.column_stack([self.solve_v(x) for x in X.T]) if X.shape[1] else X
        lower = np.linalg.cholesky(X.T @ solved)
        out: FloatArray = np.linalg.solve(lower, solved.T).T
        return out

    def project(self, rows: FloatArray) -> FloatArray:
        """``A a``, (n,)."""
        solved: FloatArray = self.solve_v(rows)
        X = self.X
        if X.shape[1]:
            lower = np.linalg.cholesky(X.T @ self._solved)
            inner = np.linalg.solve(lower, X.T @ solved)
            solved = solved - self.absorbed @ inner
        return solved

    @cached_property
    def _solved(self) -> FloatArray:
        return np.column_stack([self.solve_v(x) for x in self.X.T])

    @cached_property
    def leverages(self) -> FloatArray:
        """``1 - A_ii / r_i``, (n,); zero where the weight is."""
        entries = self.factorization.inverse_entries()
        scaled = covariances_of_effects(self.roots, entries)
        random = self.weights * self.problem.latent.leverages(scaled)[0, 0]
        fixed = np.einsum("ip,ip->i", self.absorbed, self.absorbed)
        leverages: FloatArray = random + fixed / np.where(self.weights > 0.0, self.weights, 1.0)
        return leverages

    def log_det_gradient(self, *, restricted: bool) -> FloatArray:
        """Gradient in theta of ``log det V``, or of that plus ``log det X'V^-1 X``."""
        entries, roots = self.factorization.inverse_entries(), self.roots
        out = log_det_slopes(self.gram, entries, roots)
        for f, slope in self.factorization.dependence_slopes(entries).items():
            out[f][out[f].size - slope.size :] += slope
        for column in self.absorbed.T if restricted else ():
            sums = self.problem.latent.scatter({0: column})
            for f, (root, part) in enumerate(zip(roots, sums, strict=True)):
                out[f] -= differentiate_square(root, part)
        return self._pull_back(out)

    def _pull_back(self, d_roots: Sequence[FloatArray]) -> FloatArray:
        """Derivative in theta from those in the relative roots."""
        whole = []
        for root, part in zip(self.roots, d_roots, strict=True):
            scaled = part.copy()
            # What stands behind Lambda belongs to the dependence, which has no size.
            scaled.reshape(-1)[: units_of(root).size] /= self.deviation
            whole.append(scaled)
        return self.problem.pull_back(self.theta, whole)

    def spread(self, b: Sequence[FloatArray]) -> FloatArray:
        """``Z R R' b``, (n,), for b (q, m) per factor."""
        parts = [
            scale(root, correlate(root, scale(root.T, effects)))
            for root, effects in zip(self.roots, b, strict=True)
        ]
        return self.gather(parts)

    def square_gradient(self, b: Sequence[FloatArray]) -> FloatArray:
        """Gradient in theta of ``|R' b|^2``."""
        parts = zip(self.roots, b, strict=True)
        return self._pull_back([differentiate_square(root, effects) for root, effects in parts])


def differentiate_fitted(
    problem: Problem,
    theta: FloatArray,
    deviation: float,
    spread: FloatArray,
    *,
    restricted: bool,
) -> Response:
    """Derivative of each fitted value in its own response.

    ``dm_i / dy_i = 1 - A_ii / r_i + sum_s (A W_s e)_i / r_i dtheta_s / dy_i``, with the symbols of
    the head of this module, ``dtheta / dy = H^-1 C``.

    Parameters
    ----------
    problem : Problem
        See `is_linear_mixed`.
    theta : (n_theta,)
        Estimates in the units of the response.
    deviation : float
        Residual standard deviation at an offset of zero, estimated likewise.
    spread : (n_theta,)
        Approximate standard errors of theta.
    restricted : bool
        Whether the estimates are those of REML.

    Returns
    -------
    Response
    """
    model = LinearMixed(problem, theta, deviation)
    y = problem.data.y - problem.offsets[0]
    if problem.products is not None:
        # A y does not change, and the mean of y costs no digits.
        moments = take_moments(problem.products, problem.X[0], y)
        y = moments.size * moments.residual
    e = model.project(y)
    rss = float(y @ e)
    nu = float(model.copies.sum()) - (problem.X[0].shape[1] if restricted else 0)
    b = problem.latent.scatter({0: e})
    steps = _STEP * spread
    moved = _differentiate(model, steps, lambda at: at.spread(b))
    projected = [model.project(rows) for rows in moved]
    q = np.array([float(e @ rows) for rows in moved])
    C = np.array([nu / rss * (p - q_s / rss * e) for p, q_s in zip(projected, q, strict=True)])
    H = _hessian(model, b, moved, projected, q, (nu, rss), steps, restricted=restricted)
    change = _solve_curved(H, C)
    per_weight = np.where(model.weights > 0.0, model.weights, 1.0)
    estimated = np.einsum("sn,sn->n", change, np.array(projected)) / per_weight
    return Response(model.leverages, estimated)


def _differentiate(
    model: LinearMixed, steps: FloatArray, function: Callable[[LinearMixed], FloatArray]
) -> list[FloatArray]:
    """Derivative in each parameter of a function of the model, to the sixth power of the step.

    ``sum_k w_k (f(theta + k h) - f(theta - k h)) / h``, w = (3/4, -3/20, 1/60).
    """
    return [
        np.sum(
            [
                weight
                * (
                    function(model.at(model.theta + k * step))
                    - function(model.at(model.theta - k * step))
                )
                / step[s]
                for k, weight in _STENCIL
            ],
            axis=0,
        )
        for s, step in enumerate(np.diag(steps))
    ]


def _hessian(
    model: LinearMixed,
    b: Sequence[FloatArray],
    moved: list[FloatArray],
    projected: list[FloatArray],
    q: FloatArray,
    scales: tuple[float, float],
    steps: FloatArray,
    *,
    restricted: bool,
) -> FloatArray:
    """H of the head of this module, (k, k): Hessian in theta of the profiled deviance, halved.

    ``nu/2 [(2 e'W_t A W_s e - e'W_st e) / y'Ay - q_s q_t / (y'Ay)^2] + 1/2 d2 log det``.
    """
    nu, rss = scales
    k = len(moved)
    gradients = _differentiate(model, steps, lambda at: at.log_det_gradient(restricted=restricted))
    out = 0.25 * (np.array(gradients) + np.array(gradients).T)
    bent = np.array(_differentiate(model, steps, lambda at: at.square_gradient(b)))
    bent = 0.5 * (bent + bent.T)
    for s in range(k):
        for t in range(k):
            inner = float(moved[t] @ projected[s])
            out[s, t] += 0.5 * nu * ((2.0 * inner - bent[s, t]) / rss - q[s] * q[t] / rss**2)
    return out


def _solve_curved(H: FloatArray, C: FloatArray) -> FloatArray:
    """``H^-1 C`` without the directions in which H has no curvature."""
    size = np.sqrt(np.maximum(np.abs(np.diag(H)), 1e-300))
    values, vectors = np.linalg.eigh(H / np.outer(size, size))
    inverse = np.where(values > _FLAT, 1.0 / np.maximum(values, _FLAT), 0.0)
    root = vectors / size[:, None]
    out: FloatArray = (root * inverse) @ (root.T @ C)
    return out
