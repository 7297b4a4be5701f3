"""Intervals from estimates of simulated data sets: percentile, basic and BCa."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr, ndtri

from mixcheck.arrays import FloatArray
from mixcheck.errors import OptionError
from mixcheck.inference.wald import normal_quantile

__all__ = [
    "basic_intervals",
    "bca_intervals",
    "find_acceleration",
    "least_draws",
    "percentile_intervals",
]


def least_draws(level: float) -> int:
    """How many draws it takes for both ends of an interval to lie among them.

    With R draws the quantile p is the order statistic ``(R + 1) p``, which is one where
    ``R = 2 / (1 - level) - 1``.

    Examples
    --------
    >>> least_draws(0.95), least_draws(0.99)
    (39, 199)
    """
    normal_quantile(level)
    return math.ceil(round(2.0 / (1.0 - level), 6)) - 1


def percentile_intervals(draws: FloatArray, level: float) -> FloatArray:
    """Percentile intervals, (k, 2): quantiles of the draws, whatever scale they are on.

    Ends are the order statistics of rank ``(R + 1) a`` and ``(R + 1) (1 - a)`` of R draws, with
    ``a = (1 - level) / 2``, linear between two.

    Parameters
    ----------
    draws : (R, k)
        Estimates of k parameters from R simulated data sets; they may be infinite. NaN is an
        estimate that is not defined in a data set, and is left out.
    level : float
        The confidence, between 0 and 1.

    Raises
    ------
    OptionError
        If the draws are too few for this confidence.

    References
    ----------
    Davison & Hinkley (1997), Bootstrap Methods and their Application, section 5.3.

    Examples
    --------
    >>> percentile_intervals(np.arange(1.0, 100.0)[:, None], 0.9)
    array([[ 5., 95.]])
    """
    out = np.full((draws.shape[1], 2), np.nan)
    tail = 0.5 * (1.0 - level)
    for row, column in zip(out, draws.T, strict=True):
        known = np.sort(column[~np.isnan(column)])
        if known.size < least_draws(level):
            raise OptionError(
                f"{known.size} draws are too few for level={level:g}, whose ends are beyond them; "
                f"write draws={least_draws(level)} at least"
            )
        # By symmetry of the order statistics the upper end is the lower one of the negatives.
        row[:] = _order_statistic(known, tail), -_order_statistic(-known[::-1], tail)
    return out


def _order_statistic(values: FloatArray, share: float) -> float:
    """The order statistic ``(R + 1) p``, linear between two; infinite ones are not averaged."""
    place = round((values.size + 1) * share, 9)
    below = min(int(place), values.size - 1)
    low, high = float(values[below - 1]), float(values[below])
    rest = place - below
    return low if rest == 0.0 or low == high else low + rest * (high - low)


def basic_intervals(
    draws: FloatArray,
    estimate: FloatArray,
    level: float,
    least: FloatArray | None = None,
    most: FloatArray | None = None,
) -> FloatArray:
    """Basic intervals, (k, 2): ``2 estimate - quantile``, cut at the ends of the parameters.

    Parameters
    ----------
    draws : (R, k)
        As in `percentile_intervals`.
    estimate : (k,)
    level : float
        The confidence, between 0 and 1.
    least, most : (k,), optional
        Range of each parameter; without an end by default.

    References
    ----------
    Davison & Hinkley (1997), Bootstrap Methods and their Application, section 5.2.

    Examples
    --------
    >>> draws = np.arange(1.0, 100.0)[:, None]
    >>> basic_intervals(draws, np.array([40.0]), 0.9, least=np.zeros(1))
    array([[ 0., 75.]])
    """
    found = 2.0 * estimate[:, None] - percentile_intervals(draws, level)[:, ::-1]
    low = -np.inf if least is None else least[:, None]
    high = np.inf if most is None else most[:, None]
    return np.asarray(np.clip(found, low, high), dtype=np.float64)


def bca_intervals(
    draws: FloatArray, estimate: FloatArray, acceleration: FloatArray, level: float
) -> FloatArray:
    """Bias-corrected and accelerated intervals, (k, 2): percentiles at other levels.

    ``Phi(z0 + (z0 + z) / (1 - a (z0 + z)))`` in place of ``Phi(z)``, with z0 the normal quantile
    of the share of draws below the estimate (half of those that are equal), and a the
    acceleration. Beyond the draws an end is the outermost one.

    Parameters
    ----------
    draws : (R, k)
        As in `percentile_intervals`.
    estimate, acceleration : (k,)
    level : float
        The confidence, between 0 and 1.

    References
    ----------
    Efron (1987), Better bootstrap confidence intervals, JASA 82, 171-185.

    Examples
    --------
    >>> draws = np.arange(1.0, 1000.0)[:, None]
    >>> bca_intervals(draws, np.array([500.0]), np.zeros(1), 0.9).round(9)
    array([[ 50., 950.]])
    >>> bca_intervals(draws, np.array([450.0]), np.full(1, 0.05), 0.9).round(1)
    array([[ 39.9, 935.5]])
    """
    out = percentile_intervals(draws, level)
    tail = 0.5 * (1.0 - level)
    for row, column, centre, a in zip(out, draws.T, estimate, acceleration, strict=True):
        known = np.sort(column[~np.isnan(column)])
        below = np.sum(known < centre) + 0.5 * np.sum(known == centre)
        # A share of none is one of less than a draw.
        share = np.clip(below, 0.5, known.size - 0.5) / known.size
        z0 = float(ndtri(share))
        for side, p in enumerate((tail, 1.0 - tail)):
            z = z0 + float(ndtri(p))
            row[side] = _quantile(known, float(ndtr(z0 + z / (1.0 - a * z))))
    return out


def _quantile(values: FloatArray, share: float) -> float:
    """The order statistic ``(R + 1) p`` where it is among the values, else the outermost one."""
    if share > 0.5:
        return -_quantile(-values[::-1], 1.0 - share)
    if (values.size + 1) * share <= 1.0:
        return float(values[0])
    return _order_statistic(values, share)


def find_acceleration(influence: FloatArray) -> FloatArray:
    """Acceleration, (k,), ``sum d^3 / (6 (sum d^2)^(3/2))`` of deviations d from their mean.

    Parameters
    ----------
    influence : (G, k)
        What each group changes of an estimate: with it less without it. Zero where nothing does.

    References
    ----------
    Efron (1987), equation 7.3; Davison & Hinkley (1997), section 5.3.2.

    Examples
    --------
    >>> find_acceleration(np.array([[-1.0, 0.0], [-1.0, 0.0], [2.0, 0.0]])).round(4)
    array([0.068, 0.   ])
    """
    d = influence - influence.mean(axis=0)
    size = np.sum(d * d, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.sum(d**3, axis=0) / (6.0 * size**1.5)
    return np.asarray(np.where(size > 0.0, found, 0.0), dtype=np.float64)
