"""Maximum likelihood of 0/1 responses with crossed random effects by importance sampling.

Shares no code with mixcheck. Levels that meet, directly or through others, make a block; the
effects of a block are drawn from a t distribution around their mode, once, and the sampled
log-likelihood is maximised with these draws. Another seed tells its Monte Carlo error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.special import gammaln, logsumexp

Array = NDArray[np.float64]
BY = "importance sampling from t distributions (validation/published/crossed.py)"
_DF = 6.0


@dataclass(frozen=True)
class _Block:
    """Rows of one block: ``y``, ``X``, loadings ``Z``, the factor of each effect; the draws."""

    y: Array
    X: Array
    Z: Array
    factor: NDArray[np.int64]
    draws: Array
    log_proposal: Array


def _mode(y: Array, X: Array, Z: Array, beta: Array, precision: Array) -> tuple[Array, Array]:
    u = np.zeros(Z.shape[1])
    H = np.eye(len(u))
    for _ in range(100):
        p = 1 / (1 + np.exp(-(X @ beta + Z @ u)))
        H = Z.T @ ((p * (1 - p))[:, None] * Z) + np.diag(precision)
        step = np.linalg.solve(H, Z.T @ (y - p) - precision * u)
        u = u + step
        if np.abs(step).max() < 1e-10:
            return u, H
    raise RuntimeError("the mode was not found")


def _blocks(
    y: Array,
    X: Array,
    groups: tuple[NDArray[np.int64], NDArray[np.int64]],
    beta: Array,
    sds: Array,
    draws: int,
    seed: int,
) -> list[_Block]:
    first, second = groups
    offset = int(first.max()) + 1
    size = offset + int(second.max()) + 1
    links = coo_matrix((np.ones(len(y)), (first, offset + second)), shape=(size, size))
    _, label = connected_components(links, directed=False)
    rng = np.random.default_rng(seed)
    blocks = []
    for block in np.unique(label[first]):
        rows = np.flatnonzero(label[first] == block)
        levels = np.flatnonzero(label == block)
        Z = ((first[rows, None] == levels) | (offset + second[rows, None] == levels)).astype(float)
        factor = (levels >= offset).astype(np.int64)
        mode, H = _mode(y[rows], X[rows], Z, beta, 1 / sds[factor] ** 2)
        root = np.linalg.inv(np.linalg.cholesky(H)).T
        d = len(levels)
        normal = rng.standard_normal((draws, d))
        scale = np.sqrt(_DF / rng.chisquare(_DF, draws))
        standard = normal * scale[:, None]
        square = (standard**2).sum(axis=1)
        log_proposal = (
            gammaln((_DF + d) / 2)
            - gammaln(_DF / 2)
            - d / 2 * np.log(_DF * np.pi)
            + 0.5 * np.linalg.slogdet(H)[1]
            - (_DF + d) / 2 * np.log1p(square / _DF)
        )
        u = mode + standard @ root.T
        blocks.append(_Block(y[rows], X[rows], Z, factor, u, log_proposal))
    return blocks


def _log_likelihood(x: Array, blocks: list[_Block], p: int) -> tuple[float, Array]:
    """Sampled log-likelihood at coefficients and two log deviations, and its gradient."""
    beta, log_sd = x[:p], x[p:]
    total, gradient = 0.0, np.zeros(len(x))
    for block in blocks:
        eta = block.X @ beta + block.draws @ block.Z.T
        s = log_sd[block.factor]
        scaled = (block.draws * np.exp(-s)) ** 2
        prior = -0.5 * scaled.sum(axis=1) - s.sum() - 0.5 * len(s) * np.log(2 * np.pi)
        inner = (block.y * eta - np.logaddexp(0.0, eta)).sum(axis=1)
        log_weight = inner + prior - block.log_proposal
        top = logsumexp(log_weight)
        total += float(top - np.log(len(log_weight)))
        weight = np.exp(log_weight - top)
        residual = block.y - weight @ (1 / (1 + np.exp(-eta)))
        gradient[:p] += block.X.T @ residual
        mean = weight @ scaled
        for k in range(2):
            gradient[p + k] += mean[block.factor == k].sum() - np.sum(block.factor == k)
    return total, gradient


def maximise(
    y: Array,
    X: Array,
    groups: tuple[NDArray[np.int64], NDArray[np.int64]],
    beta: Array,
    sds: Array,
    *,
    draws: int,
    seed: int,
) -> tuple[Array, Array, float]:
    """Coefficients, deviations and log-likelihood; draws are made around `beta` and `sds`."""
    blocks = _blocks(y, X, groups, beta, sds, draws, seed)
    p = X.shape[1]

    def value(x: Array) -> tuple[float, Array]:
        total, gradient = _log_likelihood(x, blocks, p)
        return -total, -gradient

    begin = np.append(beta, np.log(sds))
    found = minimize(value, begin, jac=True, method="BFGS", options={"gtol": 1e-4})
    return found.x[:p], np.exp(found.x[p:]), -float(found.fun)
