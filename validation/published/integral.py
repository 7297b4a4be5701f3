"""Marginal log-likelihoods by integration around each mode, sharing no code with mixcheck.

One effect a group is integrated by Gauss-Legendre quadrature over 10 standard deviations on each
side of its mode, which is exact to rounding; two effects by adaptive Gauss-Hermite quadrature with
the number of nodes that a published fit used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

Array = NDArray[np.float64]
BY = "integration around each mode (validation/published/integral.py)"
_POINTS, _WIDTH = 120, 10.0


@dataclass(frozen=True)
class Grouped:
    """Response ``y`` (n,), design ``X`` (n, p), loadings ``Z`` (n, q) and ``group`` (n,)."""

    y: Array
    X: Array
    Z: Array
    group: NDArray[Any]
    family: Literal["binomial", "poisson"]

    def density(self, eta: Array, y: Array) -> Array:
        """Log density of 0/1 responses or counts, every constant kept."""
        if self.family == "poisson":
            return y * eta - np.exp(eta) - gammaln(y + 1)
        return y * eta - np.logaddexp(0.0, eta)

    def slopes(self, eta: Array, y: Array) -> tuple[Array, Array]:
        """First derivative of the log density, and minus the second."""
        if self.family == "poisson":
            return y - np.exp(eta), np.exp(eta)
        p = 1 / (1 + np.exp(-eta))
        return y - p, p * (1 - p)


def _mode(model: Grouped, offset: Array, loading: Array, y: Array) -> tuple[Array, Array]:
    """Mode and curvature of one group's standard normal effects, by damped Newton steps."""
    u = np.zeros(loading.shape[1])

    def height(at: Array) -> float:
        return float(model.density(offset + loading @ at, y).sum() - at @ at / 2)

    H = np.eye(len(u))
    for _ in range(200):
        slope, weight = model.slopes(offset + loading @ u, y)
        H = np.eye(len(u)) + loading.T @ (weight[:, None] * loading)
        step = np.linalg.solve(H, loading.T @ slope - u)
        length = 1.0
        while height(u + length * step) < height(u) - 1e-9 and length > 1e-8:
            length /= 2
        u = u + length * step
        if np.abs(step).max() < 1e-9:
            break
    return u, H


def log_likelihood(model: Grouped, beta: Array, root: Array, nodes: int = 0) -> float:
    """Log-likelihood with effects ``root @ z``, ``z`` standard normal; `nodes` for two effects."""
    total = 0.0
    for level in np.unique(model.group):
        rows = model.group == level
        offset, y = model.X[rows] @ beta, model.y[rows]
        loading = model.Z[rows] @ root
        u, H = _mode(model, offset, loading, y)
        points, log_weight = _rule(u, H, nodes)
        eta = offset[:, None] + loading @ points
        inner = model.density(eta, y[:, None]).sum(axis=0)
        prior = -0.5 * (points**2).sum(axis=0) - 0.5 * len(u) * np.log(2 * np.pi)
        total += float(logsumexp(inner + prior + log_weight))
    return total


@cache
def _legendre() -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(_POINTS)


def _rule(u: Array, H: Array, nodes: int) -> tuple[Array, Array]:
    """Points (q, m) and log weights (m,) around a mode."""
    if len(u) == 1:
        x, w = _legendre()
        half = _WIDTH / np.sqrt(H[0, 0])
        return (u[0] + half * x)[None, :], np.log(half * w)
    x, w = np.polynomial.hermite.hermgauss(nodes)
    grid = np.array(np.meshgrid(x, x, indexing="ij")).reshape(2, -1)
    weight = np.add.outer(np.log(w) + x**2, np.log(w) + x**2).ravel()
    scale = np.linalg.inv(np.linalg.cholesky(H)).T
    points = u[:, None] + np.sqrt(2) * scale @ grid
    return points, weight + np.log(2) - 0.5 * np.linalg.slogdet(H)[1]


def step_from(model: Grouped, beta: Array, deviation: float) -> tuple[Array, float, float]:
    """Coefficients, deviation and log-likelihood after a Newton step from estimates, one effect.

    Derivatives are differences of the log-likelihood. From the maximum the step leads nowhere;
    from elsewhere it leads towards it.
    """

    def value(x: Array) -> float:
        return log_likelihood(model, x[:-1], np.array([[np.exp(x[-1])]]))

    x = np.append(beta, np.log(deviation))
    scale = 1e-2 / np.sqrt(np.maximum(1e-8, -_second(value, x, np.full(len(x), 1e-3))))
    gradient, H = _derivatives(value, x, scale)
    x = x - np.linalg.solve(H, gradient)
    return x[:-1], float(np.exp(x[-1])), value(x)


def _second(value: Callable[[Array], float], x: Array, step: Array) -> Array:
    """Second derivative in each direction."""
    middle = value(x)
    return np.array(
        [(value(x + h * e) - 2 * middle + value(x - h * e)) / h**2 for h, e in _axes(step)]
    )


def _derivatives(value: Callable[[Array], float], x: Array, step: Array) -> tuple[Array, Array]:
    """Gradient and Hessian by central differences, `step` a direction."""
    moves = [h * e for h, e in _axes(step)]
    gradient = np.array([value(x + m) - value(x - m) for m in moves]) / (2 * step)
    k = len(x)
    H = np.empty((k, k))
    for i in range(k):
        for j in range(i + 1):
            a, b = moves[i], moves[j]
            change = value(x + a + b) - value(x + a - b) - value(x - a + b) + value(x - a - b)
            H[i, j] = H[j, i] = change / (4 * step[i] * step[j])
    return gradient, H


def _axes(step: Array) -> list[tuple[float, Array]]:
    return list(zip(step, np.eye(len(step)), strict=True))
