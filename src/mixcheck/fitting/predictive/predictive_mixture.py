"""The distribution of a new response of each row, uncertain parameters and effects integrated.

Given the other parameters the predictor of the mean is normal: its estimate, what the parameters
leave open, and a random part. `mixcheck.predictive` averages over it. What else is uncertain, the
predictors of the dispersion and of zeros and the standard deviation of the random part, is few
numbers a row, jointly normal with the predictor of the mean, and averaged over by a rule of three
points in each, exact for polynomials of degree five.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.families import Family
from mixcheck.fitting.predictive.quantile_search import count_quantile, find_crossing
from mixcheck.predictive import ConditionalDistribution, Distribution, MarginalDistribution
from mixcheck.trial_values import may_overflow

__all__ = ["PredictiveMixture", "mix"]

# Gauss-Hermite rule of three points.
_NODES = ((-np.sqrt(3.0), 1.0 / 6.0), (0.0, 2.0 / 3.0), (np.sqrt(3.0), 1.0 / 6.0))
# A parameter beside the mean that is known to no better than this, on the scale of its link, is
# averaged over as if it were known so well: beyond, its estimate is not normal.
_WIDEST = 1.0
_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class PredictiveMixture:
    """A mixture of distributions of each response.

    Attributes
    ----------
    family : Family
    size : (n,) or None
        Trials.
    parts : tuple of (float, Distribution)
        Weights, which sum to one, and distributions.
    """

    family: Family
    size: FloatArray | None
    parts: tuple[tuple[float, Distribution], ...]

    def moments(self) -> tuple[FloatArray, FloatArray]:
        """``m = sum_j w_j m_j`` and ``sum_j w_j (v_j + (m_j - m)^2)`` of each response."""
        means = [(weight, part.mean()) for weight, part in self.parts]
        mean = sum((weight * m for weight, m in means), np.zeros(self._n))
        spread = (
            weight * (part.variance() + (m - mean) ** 2)
            for (weight, part), (_, m) in zip(self.parts, means, strict=True)
        )
        return mean, sum(spread, np.zeros(self._n))

    @property
    def _n(self) -> int:
        first = self.parts[0][1]
        return len((first.base if isinstance(first, MarginalDistribution) else first.eta)[0])

    @may_overflow()
    def quantile(self, p: float) -> FloatArray:
        """Smallest response whose distribution function reaches p, (n,)."""
        if self.family.discrete:
            return count_quantile(lambda y: self.cdf(y)[1], self._n, self.size, p)
        return self._continuous_quantile(p)

    def cdf(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Probability below each response, and of it or less, (n,) each."""
        return self._cdf(lambda part: part, y)

    def _cdf(
        self, some: Callable[[Distribution], Distribution], y: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        below, upto = np.zeros(y.size), np.zeros(y.size)
        for weight, part in self.parts:
            left, right = some(part).cdf(y)
            below += weight * left
            upto += weight * right
        return below, upto

    def _continuous_quantile(self, p: float) -> FloatArray:
        mean, variance = self.moments()
        deviation = np.sqrt(variance)
        reach = np.where(np.isfinite(deviation), deviation, 1.0 + np.abs(mean))
        reach = np.where(reach > 0.0, reach, np.finfo(np.float64).tiny)
        below, upto = self.cdf(np.zeros(self._n))
        atom = (below < p) & (upto >= p) & self.family.has_atoms
        positive = not below.any()
        rows = np.flatnonzero(~atom)
        out = np.zeros(self._n)

        def response(x: FloatArray, row: IntArray) -> FloatArray:
            # Small positive quantiles are found to a relative error.
            y = mean[row] * np.exp(x) if positive else mean[row] + x * reach[row]
            return np.asarray(y, dtype=np.float64)

        def excess(x: FloatArray, row: IntArray) -> FloatArray:
            place = rows[row]
            return self._cdf(lambda part: part.rows(place), response(x, place))[1] - p

        out[rows] = response(find_crossing(excess, rows.size, _TOLERANCE), rows)
        return out


def mix(
    family: Family,
    eta: tuple[FloatArray, ...],
    covariance: FloatArray,
    random_variance: FloatArray,
    size: FloatArray | None,
) -> PredictiveMixture:
    """The mixture of each row.

    Parameters
    ----------
    family : Family
    eta : tuple of K arrays (n,)
        Estimated predictors.
    covariance : (K + 1, K + 1, n)
        Of the predictors and of the standard deviation of the mean's random part.
    random_variance : (n,)
        Variance of that random part; zero where it is given.
    size : (n,) or None
        Trials.
    """
    others = [a for a in range(1, len(covariance)) if (covariance[a, a] > 0.0).any()]
    inner = covariance[np.ix_(others, others)]
    spread = np.sqrt(np.diagonal(inner).T)
    held = np.minimum(1.0, _WIDEST / np.maximum(spread, _WIDEST))
    # The standard deviation of the random part is on the scale of the predictor.
    held[[k for k, a in enumerate(others) if a == len(eta)]] = 1.0
    root = _factor(inner)
    joint = _forward(root, covariance[others, 0])
    left = np.maximum(covariance[0, 0] - np.square(joint).sum(axis=0), 0.0)
    deviation = np.sqrt(random_variance)
    parts: list[tuple[float, Distribution]] = []
    for chosen in product(_NODES, repeat=len(others)):
        z = np.array([node for node, _ in chosen])
        weight = float(np.prod([w for _, w in chosen]))
        moved = held * np.einsum("abn,b->an", root, z)
        at = [*eta, deviation]
        for a, step in zip(others, moved, strict=True):
            at[a] = at[a] + step
        base = (eta[0] + z @ joint, *at[1 : len(eta)])
        parts.append((weight, _given(family, base, left + at[len(eta)] ** 2, size)))
    return PredictiveMixture(family, size, tuple(parts))


def _given(
    family: Family, base: tuple[FloatArray, ...], variance: FloatArray, size: FloatArray | None
) -> Distribution:
    if variance.any():
        return MarginalDistribution(family, base, variance, size)
    return ConditionalDistribution(family, base, size)


def _factor(matrices: FloatArray) -> FloatArray:
    """Cholesky factors L of covariances, (d, d, n); directions without variance are left out."""
    d, _, n = matrices.shape
    out = np.zeros((d, d, n))
    for j in range(d):
        left = matrices[j, j] - np.square(out[j, :j]).sum(axis=0)
        root = np.sqrt(np.where(left > 1e-12 * matrices[j, j], left, 0.0))
        out[j, j] = root
        for i in range(j + 1, d):
            rest = matrices[i, j] - np.einsum("kn,kn->n", out[i, :j], out[j, :j])
            out[i, j] = np.divide(rest, root, out=np.zeros(n), where=root > 0.0)
    return out


def _forward(root: FloatArray, right: FloatArray) -> FloatArray:
    """``L^-1 b``, (d, n); zero in directions that were left out."""
    out = np.zeros(right.shape)
    for j in range(len(root)):
        rest = right[j] - np.einsum("kn,kn->n", root[j, :j], out[:j])
        diagonal = root[j, j]
        out[j] = np.divide(rest, diagonal, out=np.zeros(rest.size), where=diagonal > 0.0)
    return out
