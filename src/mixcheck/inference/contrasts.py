"""Linear combinations of coefficients: t tests and intervals of each, F tests of all together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, fdtrc, ndtr, ndtri, stdtr, stdtrit

from mixcheck.arrays import FloatArray
from mixcheck.inference.wald import normal_quantile

__all__ = ["Contrasts", "FTest", "spectral_root", "t_intervals", "t_pvalues", "t_quantiles"]

# Directions of a covariance whose variance is below this share of the largest, in units of the
# standard errors, are combinations of the others.
_SINGULAR = 1e-10


@dataclass(frozen=True)
class FTest:
    """A joint test of several linear combinations.

    Attributes
    ----------
    statistic : float
        ``scale (L b - r)' V^-1 (L b - r) / k``.
    df : int
        Of the numerator: the rank k.
    df_denominator : float
        Infinite where the reference is a chi-square over its degrees of freedom.
    pvalue : float
    """

    statistic: float
    df: int
    df_denominator: float
    pvalue: float


@dataclass(frozen=True, eq=False)
class Contrasts:
    """Linear combinations ``L b`` of coefficients b, and how well they are known.

    Attributes
    ----------
    estimate : (k,)
    covariance : (k, k)
        NaN or infinite where a coefficient without a finite estimate takes part.
    df : (k,)
        Degrees of freedom of the t distribution of each; infinite for the normal one.
    joint_df : float
        Of the denominator of the F statistic of all together.
    scale : float
        Factor of that statistic.
    method : str
        Whose degrees of freedom these are.
    """

    estimate: FloatArray
    covariance: FloatArray
    df: FloatArray
    joint_df: float
    scale: float
    method: str

    @property
    def deviations(self) -> FloatArray:
        """Standard errors, (k,)."""
        out: FloatArray = np.sqrt(self.covariance.diagonal())
        return out

    def test_jointly(self, value: FloatArray | float = 0.0) -> FTest:
        """The hypothesis that all have these values, (k,), at once.

        ``F = scale e' V^+ e / k`` with ``e = L b - value``, V their covariance and k its rank.

        Examples
        --------
        >>> two = Contrasts(np.array([1.0, 2.0]), np.eye(2), np.full(2, 8.0), 8.0, 1.0, "t")
        >>> found = two.test_jointly()
        >>> found.statistic, found.df, round(found.pvalue, 3)
        (2.5, 2, 0.143)
        """
        excess = self.estimate - value
        if not np.isfinite(self.covariance).all():
            return FTest(np.nan, len(excess), self.joint_df, np.nan)
        root = spectral_root(self.covariance)
        rank = root.shape[1]
        if rank == 0:
            return FTest(np.nan, 0, self.joint_df, np.nan)
        square = float(np.sum((root.T @ excess) ** 2))
        statistic = self.scale * square / rank
        return FTest(statistic, rank, self.joint_df, _f_pvalue(statistic, rank, self.joint_df))


def spectral_root(covariance: FloatArray) -> FloatArray:
    """R, (k, r), with ``R R' = V^+``, r the rank of V, (k, k), in units of standard errors."""
    deviations = np.sqrt(np.maximum(covariance.diagonal(), 0.0))
    units = np.where(deviations > 0.0, deviations, 1.0)
    values, vectors = np.linalg.eigh(covariance / units / units[:, None])
    kept = values > _SINGULAR * max(float(values[-1]), 1e-300)
    root: FloatArray = vectors[:, kept] / np.sqrt(values[kept]) / units[:, None]
    return root


def _f_pvalue(statistic: float, df: int, df_denominator: float) -> float:
    """Survival function of F; of a chi-square over its degrees of freedom in the limit."""
    if np.isnan(statistic) or np.isnan(df_denominator):
        return np.nan
    if np.isinf(df_denominator):
        return float(chdtrc(df, df * statistic))
    return float(fdtrc(df, df_denominator, statistic))


def t_pvalues(t: FloatArray, df: FloatArray) -> FloatArray:
    """Two-sided p-values, ``2 P(T_df < -|t|)``; of the normal distribution where df is infinite.

    Examples
    --------
    >>> t_pvalues(np.array([2.0, 2.0]), np.array([4.0, np.inf])).round(4)
    array([0.1161, 0.0455])
    """
    size = -np.abs(t)
    finite = np.isfinite(df)
    pvalues: FloatArray = 2.0 * np.where(finite, stdtr(np.where(finite, df, 1.0), size), ndtr(size))
    return np.where(np.isnan(df), np.nan, pvalues)


def t_quantiles(level: object, df: FloatArray) -> FloatArray:
    """``t_{df, (1 + level) / 2}``, quantiles of two-sided intervals of a confidence level.

    Raises
    ------
    OptionError
        If `level` is not between 0 and 1.

    Examples
    --------
    >>> t_quantiles(0.95, np.array([4.0, np.inf])).round(3)
    array([2.776, 1.96 ])
    """
    normal_quantile(level)
    tail = 0.5 * (1.0 - float(level))  # type: ignore[arg-type]
    finite = np.isfinite(df)
    found: FloatArray = -np.where(finite, stdtrit(np.where(finite, df, 1.0), tail), ndtri(tail))
    return np.where(np.isnan(df), np.nan, found)


def t_intervals(
    estimate: FloatArray, deviation: FloatArray, df: FloatArray, level: float
) -> FloatArray:
    """Intervals, (k, 2), ``estimate -+ t deviation`` with the quantile t of each's df.

    Examples
    --------
    >>> t_intervals(np.array([1.0]), np.array([2.0]), np.array([4.0]), 0.95).round(2)
    array([[-4.55,  6.55]])
    """
    reach = t_quantiles(level, df) * deviation
    return np.column_stack([estimate - reach, estimate + reach])
