"""Smooth functions of the ranks of a predictor: what a curve of residuals is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from mixcheck.arrays import FloatArray

__all__ = ["CURVE_RANKS", "RankBasis", "regress_on_ranks", "scaled_ranks"]

DEGREES = 4
# Relative differences of a predictor below this are rounding, not information.
ROUNDING = 1e-12
# Columns that add less than this, per row, to those before them are dropped.
RANK_TOLERANCE = 1e-5
# Ranks between which the fitted curve is read for its effect size: beyond them a polynomial
# rests on few rows.
CURVE_RANKS = np.linspace(-0.9, 0.9, 37)


@dataclass(frozen=True, eq=False)
class RankBasis:
    """Orthonormal functions of the ranks of a predictor.

    Attributes
    ----------
    rows : (n, d) array
        Their values in the rows: centred, with ``rows' rows = I``.
    curve : (g, d) array
        Their values along the curve from which the effect size is read.
    """

    rows: FloatArray
    curve: FloatArray

    @classmethod
    def of(cls, x: FloatArray) -> RankBasis | None:
        """The basis of a predictor (n,), or None if it is constant."""
        ranks, distinct = scaled_ranks(x)
        degree = min(DEGREES, distinct - 1)
        if degree < 1:
            return None
        raw = legendre.legvander(ranks, degree)[:, 1:]
        centre = raw.mean(axis=0)
        raw -= centre
        # Column by column, so that it moves continuously where fitted values do, signs included.
        kept = np.abs(np.diag(np.linalg.qr(raw, mode="r"))) > RANK_TOLERANCE * np.sqrt(x.size)
        upper = np.linalg.qr(raw[:, kept], mode="r")
        upper *= np.sign(np.diag(upper))[:, None]
        whiten: FloatArray = np.zeros((degree, upper.shape[0]))
        whiten[kept] = np.linalg.inv(upper)
        rows: FloatArray = raw @ whiten
        points = np.clip(CURVE_RANKS, ranks.min(), ranks.max())
        curve: FloatArray = legendre.legvander(points, degree)[:, 1:] - centre
        return cls(rows, curve @ whiten)


def regress_on_ranks(
    values: FloatArray, basis: RankBasis, x: FloatArray, fitted: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Coefficients of centred values (n,), and their curve at `CURVE_RANKS`.

    Parameters
    ----------
    values : (n,) array
    basis : RankBasis
        Of x, (n,).
    x : (n,) array
    fitted : (n,) array or None
        What each data set has in place of x, where it has something of its own.

    Returns
    -------
    coefficients : (d,) array
        As many as `basis` has; zero where the ranks of `fitted` span fewer.
    curve : (g,) array
    """
    now: RankBasis | None = basis
    # Only refits move the fitted values, and only then is the basis made again.
    if fitted is not None and not np.array_equal(fitted, x):
        now = RankBasis.of(fitted)
    coefficients = np.zeros(basis.rows.shape[1])
    if now is None:
        return coefficients, np.zeros(CURVE_RANKS.size)
    found = values @ now.rows
    kept = min(found.size, coefficients.size)
    coefficients[:kept] = found[:kept]
    return coefficients, now.curve @ found


def scaled_ranks(x: FloatArray) -> tuple[FloatArray, int]:
    """Mean ranks of a vector (n,), scaled to (-1, 1), and how many distinct values it has."""
    size = float(np.max(np.abs(x)))
    if size == 0.0 or np.ptp(x) <= ROUNDING * size:
        return np.zeros(x.size), 1
    digits = np.rint(x / (ROUNDING * size))
    _, inverse, counts = np.unique(digits, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle = last - 0.5 * counts
    ranks: FloatArray = 2.0 * middle[inverse] / x.size - 1.0
    return ranks, counts.size
