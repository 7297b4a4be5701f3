"""Chi-bar-square distributions: mixtures of chi-squares, and their weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
from scipy.special import chdtrc

from mixcheck.arrays import FloatArray, IntArray

__all__ = ["ChiBarSquare", "chi_square", "half_and_half", "orthant_mixture"]

# Draws behind simulated weights, and where they start: the weights are the same every time.
WEIGHT_DRAWS = 100_000
_WEIGHT_SEED = 20070607
# Correlations below this are rounding.
_UNCORRELATED = 1e-10


@dataclass(frozen=True)
class ChiBarSquare:
    """A mixture of chi-square distributions.

    Attributes
    ----------
    weights : tuple of (int, float)
        Degrees of freedom, increasing, each with its weight; zero degrees are a mass at zero.
    error : float
        Standard error of the weights, where they were simulated.

    Examples
    --------
    >>> round(half_and_half(0).sf(2.705543), 4)
    0.05
    """

    weights: tuple[tuple[int, float], ...]
    error: float = 0.0

    @property
    def mean(self) -> float:
        """Mean of the distribution."""
        return sum(df * weight for df, weight in self.weights)

    def sf(self, statistic: float) -> float:
        """Probability of `statistic` or more."""
        if statistic <= 0.0:
            return 1.0
        parts = (w * float(chdtrc(df, statistic)) for df, w in self.weights if df > 0)
        return float(sum(parts))

    def shift(self, df: int) -> ChiBarSquare:
        """The distribution of the sum with an independent chi-square of `df` degrees."""
        return ChiBarSquare(tuple((degrees + df, w) for degrees, w in self.weights), self.error)

    def __str__(self) -> str:
        if len(self.weights) == 1:
            return f"chi-square({self.weights[0][0]})"
        return " + ".join(f"{w:.4g} chi-square({df})" for df, w in self.weights)


def chi_square(df: int) -> ChiBarSquare:
    """The chi-square distribution."""
    return ChiBarSquare(((df, 1.0),))


def half_and_half(df: int) -> ChiBarSquare:
    """Equal parts of chi-squares with `df` and ``df + 1`` degrees of freedom."""
    return ChiBarSquare(((df, 0.5), (df + 1, 0.5)))


def orthant_mixture(covariance: FloatArray) -> ChiBarSquare:
    """Law of the squared length of the projection of ``N(0, V)`` on the non-negative orthant.

    The metric is ``V^-1``: this is the limit of the likelihood-ratio statistic for as many
    variances at zero as V has rows, V the covariance of their unconstrained estimates.

    Parameters
    ----------
    covariance : (k, k)
        Positive definite.

    Returns
    -------
    ChiBarSquare
        Binomial weights where V is diagonal, closed ones for two variances, simulated ones
        with their error for more.

    References
    ----------
    Shapiro (1985), Biometrika 72, 133-144; Silvapulle & Sen (2004), Constrained Statistical
    Inference, section 3.3.

    Examples
    --------
    >>> orthant_mixture(np.eye(2)).weights
    ((0, 0.25), (1, 0.5), (2, 0.25))
    """
    k = covariance.shape[0]
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(scale, scale)
    if np.abs(correlation - np.eye(k)).max(initial=0.0) < _UNCORRELATED:
        return ChiBarSquare(tuple((j, math.comb(k, j) / 2.0**k) for j in range(k + 1)))
    if k == 2:
        tilt = math.asin(float(correlation[0, 1])) / (2.0 * math.pi)
        return ChiBarSquare(((0, 0.25 - tilt), (1, 0.5), (2, 0.25 + tilt)))
    counts = np.bincount(_positive_parts(correlation), minlength=k + 1)
    weights = counts / counts.sum()
    error = float(np.sqrt(weights * (1.0 - weights) / WEIGHT_DRAWS).max())
    return ChiBarSquare(tuple(enumerate(weights.tolist())), error)


def _positive_parts(covariance: FloatArray) -> IntArray:
    """Number of positive coordinates of the projections of draws from ``N(0, V)``, (draws,).

    Each subset of coordinates is tried as the positive ones; the conditions of Karush, Kuhn
    and Tucker hold for exactly one of them.
    """
    k = covariance.shape[0]
    rng = np.random.Generator(np.random.Philox(_WEIGHT_SEED))
    z = rng.standard_normal((WEIGHT_DRAWS, k)) @ np.linalg.cholesky(covariance).T
    P = np.linalg.inv(covariance)
    size = np.zeros(WEIGHT_DRAWS, dtype=np.intp)
    subsets = chain.from_iterable(combinations(range(k), r) for r in range(k + 1))
    for subset in subsets:
        free = np.array(subset, dtype=np.intp)
        zero = np.setdiff1d(np.arange(k), free)
        x = z[:, free] + z[:, zero] @ np.linalg.solve(P[np.ix_(free, free)], P[free][:, zero]).T
        off = z.copy()
        off[:, free] -= x
        optimal = np.all(x > 0.0, axis=1) & np.all((off @ P)[:, zero] <= 0.0, axis=1)
        size[optimal] = free.size
    return size
