"""Penalised quasi-likelihood with dense matrices, sharing no code with mixcheck.

At predictors ``eta`` the working response ``z = eta + (y - mu) / (d mu / d eta)`` is taken for
normal with covariance ``V = W^-1 + sum_k s_k Z_k Z_k'``; the variances ``s`` move by one step of
Fisher scoring of its likelihood (MSPL) or restricted likelihood (RSPL), then ``eta`` is found
anew, until nothing moves. Canonical links only.

References
----------
Breslow & Clayton (1993), Journal of the American Statistical Association 88, 9-25, section 2;
Wolfinger & O'Connell (1993), Journal of Statistical Computation and Simulation 48, 233-243.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
ROUNDS, SETTLED = 2000, 1e-11


@dataclass(frozen=True)
class Linear:
    """Response ``y`` (n,) out of ``trials`` (n,), design ``X`` (n, p), loadings (n, q_k) each."""

    y: Array
    trials: Array
    X: Array
    loadings: tuple[Array, ...]
    family: Literal["binomial", "poisson"]

    def mean_and_weight(self, eta: Array) -> tuple[Array, Array]:
        """Mean of the response and its variance, which is the weight of a canonical link."""
        if self.family == "poisson":
            mu = np.exp(eta)
            return mu, mu
        p = 1 / (1 + np.exp(-eta))
        return self.trials * p, self.trials * p * (1 - p)


@dataclass(frozen=True)
class Estimates:
    """What a pseudo-likelihood comes to rest at."""

    beta: Array
    beta_se: Array
    variances: Array
    variances_se: Array
    minus_two: float
    chi_square: float


def indicators(group: Any) -> Array:
    """Columns (n, levels) of zeros and ones."""
    return pd.get_dummies(pd.Series(np.asarray(group).astype(str))).to_numpy(float)


def _covariance(model: Linear, weight: Array, s: Array) -> Array:
    V = np.diag(1 / weight)
    for variance, Z in zip(s, model.loadings, strict=True):
        V += variance * Z @ Z.T
    return V


def _minus_two(model: Linear, z: Array, weight: Array, s: Array, restricted: bool) -> float:
    """Minus twice the log (restricted) pseudo-likelihood, with its constant."""
    V = _covariance(model, weight, s)
    inverse = np.linalg.inv(V)
    information = model.X.T @ inverse @ model.X
    residual = z - model.X @ np.linalg.solve(information, model.X.T @ inverse @ z)
    n = len(z) - (model.X.shape[1] if restricted else 0)
    value = n * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + residual @ inverse @ residual
    return float(value + (np.linalg.slogdet(information)[1] if restricted else 0.0))


def _score(
    model: Linear, z: Array, weight: Array, s: Array, restricted: bool
) -> tuple[Array, Array, Array, Array, Array]:
    """Slope and expected information of the variances; coefficients, their covariance, V^-1 r."""
    inverse = np.linalg.inv(_covariance(model, weight, s))
    spread = np.linalg.inv(model.X.T @ inverse @ model.X)
    beta = spread @ model.X.T @ inverse @ z
    scaled = inverse @ (z - model.X @ beta)
    P = inverse
    if restricted:
        P = inverse - inverse @ model.X @ spread @ model.X.T @ inverse
    inner = [[A.T @ P @ B for B in model.loadings] for A in model.loadings]
    slope = np.array(
        [
            0.5 * (np.sum((Z.T @ scaled) ** 2) - np.trace(inner[k][k]))
            for k, Z in enumerate(model.loadings)
        ]
    )
    information = 0.5 * np.array([[np.sum(block**2) for block in row] for row in inner])
    return slope, information, beta, spread, scaled


def fit(model: Linear, *, restricted: bool) -> Estimates:
    """Where the pseudo-likelihood comes to rest."""
    eta = np.linalg.lstsq(model.X, _first(model), rcond=None)[0]
    eta = model.X @ eta
    s = np.full(len(model.loadings), 0.5)
    for _ in range(ROUNDS):
        mu, weight = model.mean_and_weight(eta)
        z = eta + (model.y - mu) / weight
        slope, information, beta, spread, scaled = _score(model, z, weight, s, restricted)
        move = np.linalg.solve(information, slope)
        new = np.maximum(s + move, s / 10)
        effects = sum(v * Z @ (Z.T @ scaled) for v, Z in zip(s, model.loadings, strict=True))
        moved = model.X @ beta + effects
        if np.abs(new - s).max() < SETTLED and np.abs(moved - eta).max() < SETTLED:
            break
        s, eta = new, moved
    else:
        raise RuntimeError("the pseudo-likelihood has not settled")
    residual = z - model.X @ beta
    hessian = _hessian(model, z, weight, s, restricted)
    return Estimates(
        beta,
        np.sqrt(np.diag(spread)),
        s,
        np.sqrt(np.diag(2 * np.linalg.inv(hessian))),
        _minus_two(model, z, weight, s, restricted),
        float(residual @ scaled),
    )


def _first(model: Linear) -> Array:
    """Predictors of the responses themselves, moved off the ends of their support."""
    if model.family == "poisson":
        return np.log(model.y + 0.5)
    return np.log((model.y + 0.5) / (model.trials - model.y + 0.5))


def _hessian(model: Linear, z: Array, weight: Array, s: Array, restricted: bool) -> Array:
    """Second derivatives of minus twice the log-likelihood in the variances, the rest held."""
    step = 1e-4 * s
    k = len(s)
    H = np.empty((k, k))

    def slope(at: Array) -> Array:
        return -2 * _score(model, z, weight, at, restricted)[0]

    for j in range(k):
        e = np.zeros(k)
        e[j] = step[j]
        H[j] = (8 * (slope(s + e) - slope(s - e)) - (slope(s + 2 * e) - slope(s - 2 * e))) / (
            12 * step[j]
        )
    return (H + H.T) / 2
