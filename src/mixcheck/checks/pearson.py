"""Pearson residuals given the conditional modes of the random effects."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from mixcheck.arrays import FloatArray
from mixcheck.port import DataView

__all__ = [
    "SMALLEST_VARIANCE",
    "cut",
    "mean_residuals",
    "pearson_residuals",
    "pearson_statistic",
    "score_residuals",
    "uncut_residuals",
    "unless_held",
    "unscaled_scores",
]

# A variance below this is the underflow of one; its row then weighs infinitely, as it should.
SMALLEST_VARIANCE = 1e-300
# Residuals of a continuous response, in standard deviations, from where a single row would make
# a trend of its own; those of counts, whose sums still have squares.
_CUT, _LARGEST = 3.0, 1e6
# Estimates of refits are exact to 1e-6 standard errors. A sum of residuals below this, in its own
# standard deviations, is what the search left of a zero.
HELD = 1e-5


def pearson_residuals(seen: DataView) -> FloatArray:
    """``(y - mean) / sqrt(variance)`` at the conditional modes of the random effects, (.., n)."""
    spread = np.maximum(seen.mode_variance, SMALLEST_VARIANCE)
    np.sqrt(spread, out=spread)
    residuals: FloatArray = (seen.response - seen.mode_mean) / spread
    return residuals


def pearson_statistic(seen: DataView) -> FloatArray:
    """``sum (y - mean)^2 / variance`` given the conditional modes of the random effects."""
    deviation = seen.response - seen.mode_mean
    variance = np.maximum(seen.mode_variance, SMALLEST_VARIANCE)
    total: FloatArray = np.sum(deviation * (deviation / variance), axis=-1)
    return total


def mean_residuals(seen: DataView) -> FloatArray:
    """Residuals whose means tell of the mean: Pearson's, (.., n), in standard deviations.

    Those of a continuous response are cut at 3, and where it has no variance (a t with two
    degrees of freedom) they are normal scores of its distribution function.
    """
    return cut(uncut_residuals(seen), seen)


def cut(residuals: FloatArray, seen: DataView) -> FloatArray:
    """The mean residuals of uncut ones, (.., n): themselves where none is so large."""
    most = _CUT if seen.probability is None else _LARGEST
    if residuals.min(initial=0.0) >= -most and residuals.max(initial=0.0) <= most:
        return residuals
    return np.clip(residuals, -most, most)


def score_residuals(seen: DataView) -> FloatArray:
    """Scores of the mean at the modes, ``s_i v_i^(1/2)`` over their root mean square, (.., n).

    Where tails are heavy they say more of the mean than Pearson's residuals, whose unit is a
    standard deviation that rows far out make. Where responses have no variance, the scores
    themselves.
    """
    scores = unscaled_scores(seen)
    size = np.sqrt(np.mean(scores**2, axis=-1, keepdims=True))
    return scores / np.where(size > 0.0, size, 1.0)


def unscaled_scores(seen: DataView) -> FloatArray:
    """The scores of the mean before they are brought to one size, ``s_i v_i^(1/2)``, (.., n)."""
    spread = np.sqrt(seen.mode_variance)
    finite = np.isfinite(spread).all(axis=-1, keepdims=True)
    out: FloatArray = seen.scores["mean"] * np.where(finite, spread, 1.0)
    return out


def uncut_residuals(seen: DataView) -> FloatArray:
    """The mean residuals, (.., n), before they are cut."""
    residuals = pearson_residuals(seen)
    endless = ~np.isfinite(seen.mode_variance)
    if seen.probability is None and endless.any():
        residuals = np.where(endless, _normal_scores(seen), residuals)
    return residuals


def _normal_scores(seen: DataView) -> FloatArray:
    """``E Phi^-1(F(y))`` over what is known of the predictors; of a draw where only these are."""
    if seen.transform is None:
        drawn: FloatArray = ndtri(seen.residuals)
        return drawn
    transform = seen.transform()
    scores: FloatArray = np.einsum("...jn,j->...n", transform.scores, transform.weights)
    return scores


def unless_held(coefficients: FloatArray, uncut: FloatArray) -> FloatArray:
    """Coefficients (.., d), zero where those of the uncut residuals, of variance about 1, vanish.

    There the estimates make them zero in every data set, and what differs from zero is rounding,
    or the mark of single rows that were cut.

    Examples
    --------
    >>> unless_held(np.array([0.2, 0.3]), np.array([1e-9, 0.4])).tolist()
    [0.0, 0.3]
    """
    return np.where(np.abs(uncut) > HELD, coefficients, 0.0)
