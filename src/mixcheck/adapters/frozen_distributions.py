"""Distributions with the methods of those of scipy.stats, which has none of them for rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.families.beta_binomial_cdf import cumulate

__all__ = ["BetaBinomial", "Categorical", "Hurdle", "ZeroInflated"]


class _Shared:
    """What follows from the methods of a distribution with masses."""

    def cdf(self, y: FloatArray) -> FloatArray:
        """Probability of y or less."""
        raise NotImplementedError

    def pmf(self, y: FloatArray) -> FloatArray:
        """Probability of y."""
        with np.errstate(divide="ignore"):
            return np.exp(self.logpmf(y))

    def logpmf(self, y: FloatArray) -> FloatArray:
        """Its logarithm; where there is a density, that of the density."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class ZeroInflated(_Shared):
    """Zero with probability 1 - psi, and otherwise whole numbers of another distribution."""

    psi: FloatArray
    inner: Any

    def cdf(self, y: FloatArray) -> FloatArray:
        """Probability of y or less."""
        return np.where(y < 0, 0.0, (1.0 - self.psi) + self.psi * self.inner.cdf(y))

    def sf(self, y: FloatArray) -> FloatArray:
        """Probability of more than y."""
        return np.where(y < 0, 1.0, self.psi * self.inner.sf(y))

    def logpmf(self, y: FloatArray) -> FloatArray:
        """Logarithm of the probability of y."""
        inner = np.log(self.psi) + self.inner.logpmf(y)
        return np.asarray(np.where(y == 0, np.logaddexp(np.log1p(-self.psi), inner), inner))

    def mean(self) -> FloatArray:
        """Means."""
        return np.asarray(self.psi * self.inner.mean())

    def var(self) -> FloatArray:
        """Variances."""
        mean = self.inner.mean()
        return np.asarray(self.psi * (self.inner.var() + (1.0 - self.psi) * mean**2))

    def rvs(self, size: int, random_state: np.random.Generator) -> FloatArray:
        """One draw of each row."""
        drawn = self.inner.rvs(size=size, random_state=random_state)
        return np.where(random_state.random(size) < self.psi, drawn, 0.0)


@dataclass(frozen=True, eq=False)
class Hurdle(_Shared):
    """Zero with probability 1 - psi, and otherwise positive numbers of another distribution.

    Attributes
    ----------
    psi : (n,) array
    inner : frozen distribution
        Counts, of which zero is left out, or with a density on the positive numbers.
    """

    psi: FloatArray
    inner: Any

    @property
    def _counts(self) -> bool:
        return not hasattr(self.inner, "pdf")

    @property
    def _positive(self) -> FloatArray:
        """The probability that the inner distribution is not zero."""
        zero = np.zeros_like(self.psi)
        return np.asarray(self.inner.sf(zero)) if self._counts else np.ones_like(self.psi)

    def cdf(self, y: FloatArray) -> FloatArray:
        """Probability of y or less."""
        positive = np.maximum(y, 0.0)
        above = self.inner.cdf(positive) - (self.inner.pmf(0) if self._counts else 0.0)
        upto = (1.0 - self.psi) + self.psi * np.maximum(above, 0.0) / self._positive
        return np.where(y < 0, 0.0, upto)

    def sf(self, y: FloatArray) -> FloatArray:
        """Probability of more than y."""
        return np.where(y < 0, 1.0, self.psi * self.inner.sf(y) / self._positive)

    def logpmf(self, y: FloatArray) -> FloatArray:
        """Logarithm of the probability of y, of its density where y has one."""
        known = self.inner.logpmf if self._counts else self.inner.logpdf
        positive = np.where(y > 0, y, 1.0)
        inner = np.log(self.psi) + known(positive) - np.log(self._positive)
        return np.where(y == 0, np.log1p(-self.psi), np.where(y > 0, inner, -np.inf))

    def pmf(self, y: FloatArray) -> FloatArray:
        """Probability of y, none where y has a density."""
        if self._counts:
            return super().pmf(y)
        return np.where(y == 0, 1.0 - self.psi, 0.0)

    def mean(self) -> FloatArray:
        """Means."""
        return np.asarray(self.psi * self.inner.mean() / self._positive)

    def var(self) -> FloatArray:
        """Variances."""
        square = (self.inner.var() + self.inner.mean() ** 2) / self._positive
        return np.asarray(self.psi * square - self.mean() ** 2)

    def rvs(self, size: int, random_state: np.random.Generator) -> FloatArray:
        """One draw of each row; of positive counts by their distribution from above."""
        going = random_state.random(size) < self.psi
        if self._counts:
            upper = self._positive * (1.0 - random_state.random(size))
            drawn = self.inner.isf(upper)
            # A discrete one: the least count of which no more than `upper` is above.
            drawn = np.maximum(drawn, 1.0)
        else:
            drawn = self.inner.rvs(size=size, random_state=random_state)
        return np.where(going, drawn, 0.0)


@dataclass(frozen=True, eq=False)
class BetaBinomial(_Shared):
    """Binomial counts whose probability has a beta distribution."""

    n: FloatArray
    a: FloatArray
    b: FloatArray

    @property
    def _inner(self) -> Any:
        from scipy import stats

        return stats.betabinom(self.n.astype(np.int64), self.a, self.b)

    def _both(self, y: FloatArray, mirrored: bool) -> tuple[FloatArray, FloatArray]:
        """P(Y < y) and P(Y <= y), or of n - y at the other shapes."""
        k = np.clip(np.floor(y), 0.0, self.n)
        mass = self._inner.pmf(k)
        if mirrored:
            return cumulate(self.n - k, self.n, self.b, self.a, mass)
        return cumulate(k, self.n, self.a, self.b, mass)

    def cdf(self, y: FloatArray) -> FloatArray:
        """Probability of y or less."""
        return np.where(y < 0, 0.0, self._both(y, False)[1])

    def sf(self, y: FloatArray) -> FloatArray:
        """Probability of more than y."""
        return np.where(y < 0, 1.0, self._both(y, True)[0])

    def logpmf(self, y: FloatArray) -> FloatArray:
        """Logarithm of the probability of y."""
        return np.asarray(self._inner.logpmf(y))

    def mean(self) -> FloatArray:
        """Means."""
        return np.asarray(self._inner.mean())

    def var(self) -> FloatArray:
        """Variances."""
        return np.asarray(self._inner.var())

    def rvs(self, size: int, random_state: np.random.Generator) -> FloatArray:
        """One draw of each row."""
        return np.asarray(self._inner.rvs(size=size, random_state=random_state), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Categorical(_Shared):
    """Categories 0 .. K - 1, ordered or not, by their probabilities.

    Attributes
    ----------
    p : (n, K) array
    """

    p: FloatArray

    def _upto(self, y: FloatArray) -> FloatArray:
        place = np.clip(np.floor(y).astype(np.int64), -1, self.p.shape[1] - 1)
        sums = np.concatenate([np.zeros((len(self.p), 1)), np.cumsum(self.p, axis=1)], axis=1)
        upto: FloatArray = np.take_along_axis(sums, place[:, None] + 1, axis=1)[:, 0]
        return np.where(place == self.p.shape[1] - 1, 1.0, np.minimum(upto, 1.0))

    def cdf(self, y: FloatArray) -> FloatArray:
        """Probability of y or less."""
        return self._upto(np.asarray(y, dtype=np.float64))

    def sf(self, y: FloatArray) -> FloatArray:
        """Probability of more than y."""
        mirrored = Categorical(self.p[:, ::-1])
        return mirrored.cdf(self.p.shape[1] - 2.0 - np.floor(y))

    def pmf(self, y: FloatArray) -> FloatArray:
        """Probability of y."""
        inside = (y >= 0) & (y < self.p.shape[1]) & (y == np.floor(y))
        place = np.where(inside, y, 0).astype(np.int64)
        return np.where(inside, np.take_along_axis(self.p, place[:, None], axis=1)[:, 0], 0.0)

    def logpmf(self, y: FloatArray) -> FloatArray:
        """Its logarithm."""
        with np.errstate(divide="ignore"):
            return np.log(self.pmf(y))

    def mean(self) -> FloatArray:
        """Means of the numbers of the categories."""
        return np.asarray(self.p @ np.arange(self.p.shape[1]))

    def var(self) -> FloatArray:
        """Their variances."""
        apart = np.arange(self.p.shape[1]) - self.mean()[:, None]
        return np.asarray(np.sum(self.p * apart**2, axis=1))

    def rvs(self, size: int, random_state: np.random.Generator) -> FloatArray:
        """One draw of each row."""
        u = random_state.random(size)
        over = u[:, None] >= np.cumsum(self.p, axis=1)[:, :-1]
        return np.asarray(np.sum(over, axis=1), dtype=np.float64)
