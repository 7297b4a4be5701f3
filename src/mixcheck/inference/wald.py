"""Wald's test and interval: the estimate is normal, on some scale, with its standard error."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from mixcheck.arguments.options import require_number
from mixcheck.arrays import FloatArray
from mixcheck.trial_values import may_overflow

__all__ = [
    "fisher_intervals",
    "log_intervals",
    "normal_quantile",
    "wald_intervals",
    "wald_pvalues",
]


def normal_quantile(level: object) -> float:
    """The normal quantile z of two-sided intervals of a confidence level.

    Raises
    ------
    OptionError
        If `level` is not between 0 and 1.

    Examples
    --------
    >>> round(normal_quantile(0.95), 2)
    1.96
    """
    known = require_number("level", level, 0.0, 1.0, example=0.95)
    return -float(ndtri(0.5 * (1.0 - known)))


def wald_intervals(estimate: FloatArray, deviation: FloatArray, level: float) -> FloatArray:
    """Wald intervals, (p, 2), ``estimate -+ z deviation``, z the quantile ``(1 + level) / 2``.

    Parameters
    ----------
    estimate, deviation : (p,)
        Estimates and their standard errors.
    level : float
        The confidence, between 0 and 1.

    Raises
    ------
    OptionError
        If `level` is not between 0 and 1.

    Examples
    --------
    >>> wald_intervals(np.array([1.0]), np.array([2.0]), 0.95).round(2)
    array([[-2.92,  4.92]])
    """
    reach = normal_quantile(level) * deviation
    return np.column_stack([estimate - reach, estimate + reach])


@may_overflow()
def log_intervals(estimate: FloatArray, deviation: FloatArray, level: float) -> FloatArray:
    """Intervals of positive numbers, (p, 2), symmetric in their logarithm.

    ``estimate exp(-+ z deviation / estimate)`` by the delta method. At zero, the boundary, the
    lower end is zero and the upper one NaN.

    Parameters
    ----------
    estimate, deviation : (p,)
        Estimates and their standard errors.
    level : float
        The confidence, between 0 and 1.

    Examples
    --------
    >>> log_intervals(np.array([1.0, 0.0]), np.array([0.5, 0.5]), 0.95).round(2)
    array([[0.38, 2.66],
           [0.  ,  nan]])
    """
    reach = normal_quantile(level) * deviation / estimate
    inside = estimate > 0.0
    low = np.where(inside, estimate * np.exp(-reach), 0.0)
    return np.column_stack([low, np.where(inside, estimate * np.exp(reach), np.nan)])


@may_overflow()
def fisher_intervals(estimate: FloatArray, deviation: FloatArray, level: float) -> FloatArray:
    """Intervals of correlations, (p, 2), symmetric in Fisher's ``z = artanh r``.

    Its standard error is ``deviation / (1 - r^2)`` by the delta method. At one in absolute
    value, the boundary, there are none: NaN.

    Parameters
    ----------
    estimate, deviation : (p,)
        Estimates and their standard errors.
    level : float
        The confidence, between 0 and 1.

    References
    ----------
    Fisher (1921), On the "probable error" of a coefficient of correlation, Metron 1.

    Examples
    --------
    >>> fisher_intervals(np.array([0.5]), np.array([0.3]), 0.95).round(2)
    array([[-0.23,  0.87]])
    """
    inside = np.abs(estimate) < 1.0
    spread = np.where(inside, deviation / ((1.0 - estimate) * (1.0 + estimate)), np.nan)
    return np.tanh(wald_intervals(np.arctanh(estimate), spread, level))


def wald_pvalues(z: FloatArray) -> FloatArray:
    """Two-sided p-values, (p,), ``2 Phi(-|z|)`` of estimates over their standard errors.

    Examples
    --------
    >>> wald_pvalues(np.array([0.0, -1.96])).round(3)
    array([1.  , 0.05])
    """
    pvalues: FloatArray = 2.0 * ndtr(-np.abs(z))
    return pvalues
