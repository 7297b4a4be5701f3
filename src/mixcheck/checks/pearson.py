"""Pearson residuals given the conditional modes of the random effects."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from mixcheck.arrays import FloatArray
from mixcheck.port import DataView

__all__ = ["SMALLEST_VARIANCE", "mean_residuals", "pearson_residuals", "pearson_statistic"]

# A variance below this is the underflow of one; its row then weighs infinitely, as it should.
SMALLEST_VARIANCE = 1e-300
# Residuals of a continuous response, in standard deviations, from where a single row would make
# a trend of its own; those of counts, whose sums still have squares.
_CUT, _LARGEST = 3.0, 1e6


def pearson_residuals(seen: DataView) -> FloatArray:
    """``(y - mean) / sqrt(variance)`` given the conditional modes of the random effects, (n,)."""
    variance = np.maximum(seen.mode_variance, SMALLEST_VARIANCE)
    residuals: FloatArray = (seen.response - seen.mode_mean) / np.sqrt(variance)
    return residuals


def pearson_statistic(seen: DataView) -> float:
    """``sum (y - mean)^2 / variance`` given the conditional modes of the random effects."""
    deviation = seen.response - seen.mode_mean
    variance = np.maximum(seen.mode_variance, SMALLEST_VARIANCE)
    return float(np.sum(deviation * (deviation / variance)))


def mean_residuals(seen: DataView) -> FloatArray:
    """Residuals whose means tell of the mean: Pearson's, (n,), in standard deviations.

    Those of a continuous response are cut at 3, and where it has no variance (a t with two
    degrees of freedom) they are normal scores of the quantile residuals.
    """
    residuals = pearson_residuals(seen)
    if seen.probability is not None:
        return np.clip(residuals, -_LARGEST, _LARGEST)
    endless = ~np.isfinite(seen.mode_variance)
    if endless.any():
        residuals = np.where(endless, ndtri(seen.residuals), residuals)
    return np.clip(residuals, -_CUT, _CUT)
