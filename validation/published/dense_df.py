"""Degrees of freedom of fitted values by brute force, sharing no code with mixcheck.

Gaussian models are fitted again with each response moved a little, their covariance inverted by
Woodbury's identity; models of counts and of 0/1 responses with one random intercept are fitted
again with each response replaced, all refits at once.

References
----------
Greven & Kneib (2010), Biometrika 97, 773-789; Säfken, Kneib, van Waveren & Greven (2014),
Electronic Journal of Statistics 8, 201-225; Efron (2004), Journal of the American Statistical
Association 99, 619-632.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import gammaln

Array = NDArray[np.float64]
BY = "brute-force refits (validation/published/dense_df.py)"


@dataclass(frozen=True)
class Gaussian:
    """Response ``y`` (n,), design ``X`` (n, p), and ``roots(theta)``, loadings per residual sd."""

    y: Array
    X: Array
    roots: Callable[[Array], Array]
    start: Array
    restricted: bool

    def deviance(self, theta: Array, y: Array) -> float:
        """Profile deviance in the relative covariance parameters, without its constant."""
        M, factor, spread, residual = self._solve(theta, y)
        p = self.X.shape[1] if self.restricted else 0
        size = 2 * np.log(np.diag(factor[0])).sum()
        rss = residual @ _weigh(M, factor, residual)
        extra = np.linalg.slogdet(spread)[1] if self.restricted else 0.0
        return float(size + extra + (len(y) - p) * np.log(rss))

    def fitted(self, theta: Array, y: Array) -> Array:
        """Fitted values given the predicted random effects."""
        M, factor, _, residual = self._solve(theta, y)
        return y - _weigh(M, factor, residual)

    def _solve(self, theta: Array, y: Array) -> tuple[Array, tuple[Array, bool], Array, Array]:
        M = self.roots(theta)
        factor = cho_factor(np.eye(M.shape[1]) + M.T @ M)
        solved = _weigh(M, factor, self.X)
        spread = self.X.T @ solved
        return M, factor, spread, y - self.X @ np.linalg.solve(spread, solved.T @ y)


def _weigh(M: Array, factor: tuple[Array, bool], values: Array) -> Array:
    """``(I + M M')^-1`` of values, by the factor of ``I + M' M``, whose determinant is the same."""
    return values - M @ cho_solve(factor, M.T @ values)


def gaussian_df(model: Gaussian, move: float) -> float:
    """One, for the residual variance, and the derivatives of fitted values in their responses."""
    theta = minimize(
        model.deviance,
        model.start,
        (model.y,),
        "Nelder-Mead",
        tol=1e-13,
        options={"maxiter": 4000},
    ).x
    H = _hessian(lambda at: model.deviance(at, model.y), theta)

    def moved(row: int, by: float) -> float:
        y = model.y.copy()
        y[row] += by
        at = theta
        for _ in range(3):
            at = at - np.linalg.solve(H, _gradient(lambda x: model.deviance(x, y), at))
        return float(model.fitted(at, y)[row])

    slopes = [(moved(row, move) - moved(row, -move)) / (2 * move) for row in range(len(model.y))]
    return 1.0 + float(np.sum(slopes))


def _gradient(f: Callable[[Array], float], x: Array, h: float = 1e-4) -> Array:
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))])


def _hessian(f: Callable[[Array], float], x: Array, h: float = 1e-3) -> Array:
    rows = [(_gradient(f, x + h * e) - _gradient(f, x - h * e)) / (2 * h) for e in np.eye(len(x))]
    H = np.array(rows)
    return (H + H.T) / 2


@dataclass(frozen=True)
class Intercepts:
    """Counts or 0/1 responses ``y`` (n,), design ``X`` (n, p), codes ``group`` (n,), increasing."""

    y: Array
    X: Array
    group: NDArray[np.intp]
    family: Literal["binomial", "poisson"]

    def _sum(self, rows: Array) -> Array:
        """Sums within groups, (R, G), of (R, n)."""
        return np.add.reduceat(rows, np.flatnonzero(np.diff(self.group, prepend=-1)), axis=1)

    def _mean(self, eta: Array) -> tuple[Array, Array, Array]:
        """Cumulant, mean and variance."""
        if self.family == "poisson":
            mu = np.exp(eta)
            return mu, mu, mu
        p = 1 / (1 + np.exp(-eta))
        return np.logaddexp(0.0, eta), p, p * (1 - p)

    def laplace(self, x: Array, Y: Array) -> tuple[Array, Array]:
        """Deviance (R,) by Laplace's approximation, and predictors, of R parameters and responses.

        `x` (R, p + 1) holds coefficients and the log deviation, `Y` (R, n) responses.
        """
        offset, sd = x[:, :-1] @ self.X.T, np.exp(x[:, -1:])
        u = np.zeros((len(x), self.group[-1] + 1))
        for _ in range(50):
            _, mu, weight = self._mean(offset + sd * u[:, self.group])
            slope = sd * self._sum(Y - mu) - u
            step = np.clip(slope / (1 + sd**2 * self._sum(weight)), -2.0, 2.0)
            u = u + step
            if np.abs(step).max() < 1e-12:
                break
        eta = offset + sd * u[:, self.group]
        cumulant, _, weight = self._mean(eta)
        density = (Y * eta - cumulant - (gammaln(Y + 1) if self.family == "poisson" else 0)).sum(1)
        H = 1 + sd**2 * self._sum(weight)
        return -2 * density + (u**2).sum(1) + np.log(H).sum(1), eta

    def _gradient(self, x: Array, Y: Array) -> Array:
        h = 1e-4
        return np.stack(
            [
                (self.laplace(x + h * e, Y)[0] - self.laplace(x - h * e, Y)[0]) / (2 * h)
                for e in np.eye(x.shape[1])
            ],
            axis=1,
        )

    def optimum(self) -> Array:
        """Estimates of the data, (p + 1,)."""
        begin = np.append(np.zeros(self.X.shape[1]), 0.0)
        y = self.y[None, :]
        found = minimize(
            lambda x: float(self.laplace(x[None, :], y)[0][0]),
            begin,
            jac=lambda x: self._gradient(x[None, :], y)[0],
            method="BFGS",
            options={"gtol": 1e-6},
        )
        return np.asarray(found.x, dtype=float)

    def refits(self, x: Array, Y: Array) -> Array:
        """Predictors (R, n) of the fits to the responses `Y`, from the estimates `x` on."""
        H = np.stack(
            [
                (
                    self._gradient((x + h)[None, :], self.y[None, :])[0]
                    - self._gradient((x - h)[None, :], self.y[None, :])[0]
                )
                / 2e-3
                for h in 1e-3 * np.eye(len(x))
            ]
        )
        inverse = np.linalg.inv((H + H.T) / 2)
        at = np.tile(x, (len(Y), 1))
        for _ in range(30):
            step = self._gradient(at, Y) @ inverse
            at = at - step
            if np.abs(step).max() < 1e-7:
                return self.laplace(at, Y)[1]
        raise RuntimeError("the refits have not settled")


def replaced_df(model: Intercepts) -> float:
    """Chen and Stein's estimate for counts, Efron's for 0/1 responses, by exact refits."""
    x = model.optimum()
    eta = model.laplace(x[None, :], model.y[None, :])[1][0]
    rows = np.flatnonzero(model.y > 0) if model.family == "poisson" else np.arange(len(model.y))
    Y = np.tile(model.y, (len(rows), 1))
    at = np.arange(len(rows))
    if model.family == "poisson":
        Y[at, rows] -= 1.0
        other = model.refits(x, Y)[at, rows]
        return float(np.sum(model.y[rows] * (eta[rows] - other)))
    Y[at, rows] = 1.0 - Y[at, rows]
    other = model.refits(x, Y)[at, rows]
    p = 1 / (1 + np.exp(-eta))
    return float(np.sum(p * (1 - p) * np.where(model.y == 1, eta - other, other - eta)))
