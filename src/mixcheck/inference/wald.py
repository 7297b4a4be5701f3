"""Wald's test and interval: the estimate is normal, with its standard error."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from mixcheck.arrays import FloatArray
from mixcheck.options import require_number

__all__ = ["wald_intervals", "wald_pvalues"]


def wald_intervals(estimate: FloatArray, deviation: FloatArray, alpha: float) -> FloatArray:
    """Wald intervals, (p, 2), ``estimate -+ z(1 - alpha / 2) deviation``.

    Parameters
    ----------
    estimate, deviation : (p,)
        Estimates and their standard errors.
    alpha : float
        One minus the confidence, between 0 and 1.

    Raises
    ------
    OptionError
        If `alpha` is not between 0 and 1.

    Examples
    --------
    >>> wald_intervals(np.array([1.0]), np.array([2.0]), 0.05).round(2)
    array([[-2.92,  4.92]])
    """
    level = require_number("alpha", alpha, 0.0, 1.0, example=0.05)
    reach = -float(ndtri(level / 2.0)) * deviation
    return np.column_stack([estimate - reach, estimate + reach])


def wald_pvalues(z: FloatArray) -> FloatArray:
    """Two-sided p-values, (p,), ``2 Phi(-|z|)`` of estimates over their standard errors.

    Examples
    --------
    >>> wald_pvalues(np.array([0.0, -1.96])).round(3)
    array([1.  , 0.05])
    """
    pvalues: FloatArray = 2.0 * ndtr(-np.abs(z))
    return pvalues
