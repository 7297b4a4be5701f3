"""Factors with many effects a level: the rows of each level side by side, for one matrix product.

With q effects a level, ``Z'WZ`` has ``q (q + 1) / 2`` different entries a level, each a pass over
all rows. Where levels have rows of about one number k, the covariates as an array (m, k, q), zero
where a level has fewer, give them by m products of small matrices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.fitting.latent.factors import Factor

__all__ = ["LevelRows", "rows_of_levels"]

# With fewer effects, or fewer rows a level, passes over the rows take less time.
_LEAST_EFFECTS, _LEAST_ROWS = 6, 8
# Places for each row, at most: the rest are zeros that are multiplied in vain.
_MOST_PLACES = 1.6


@dataclass(frozen=True, eq=False)
class LevelRows:
    """The covariates of one factor, level by level.

    Attributes
    ----------
    predictor : int
        That all effects enter.
    Z : (m, k, q)
    places : (n,) int
        Of the rows, among the ``m k`` places.
    """

    predictor: int
    Z: FloatArray
    places: IntArray

    def _place(self, rows: FloatArray) -> FloatArray:
        """Values of the rows (n,) at their places, (m, k)."""
        m, k, _ = self.Z.shape
        out = np.zeros(m * k)
        out[self.places] = rows
        return out.reshape(m, k)

    def gram(self, weights: FloatArray) -> FloatArray:
        """``Z_i' W_i Z_i`` of each level, (q, q, m), of weights (n,)."""
        weighted = self.Z * self._place(weights)[:, :, None]
        blocks = np.matmul(self.Z.transpose(0, 2, 1), weighted)
        # Both triangles are one sum but for rounding.
        return np.ascontiguousarray((0.5 * (blocks + blocks.transpose(0, 2, 1))).transpose(1, 2, 0))

    def leverages(self, inverse: FloatArray) -> FloatArray:
        """``z' V_i z`` of each row, (n,), of V (q, q, m)."""
        turned = np.matmul(self.Z, np.ascontiguousarray(inverse.transpose(2, 0, 1)))
        turned *= self.Z
        return np.asarray(turned.sum(axis=2).ravel()[self.places])

    def gather(self, effects: FloatArray) -> FloatArray:
        """``Z_i b_i`` of each row, (n,), of b (q, m)."""
        each = np.matmul(self.Z, np.ascontiguousarray(effects.T)[:, :, None])
        return np.asarray(each.ravel()[self.places])

    def scatter(self, rows: FloatArray) -> FloatArray:
        """``Z_i' r_i`` of each level, (q, m), of r (n,)."""
        each = np.matmul(self._place(rows)[:, None, :], self.Z)
        return np.ascontiguousarray(each[:, 0].T)

    def gather_each(self, effects: FloatArray) -> FloatArray:
        """``Z_i b_i`` of each row along each direction, (P, n), of b (q, P, m)."""
        each = np.matmul(self.Z, np.ascontiguousarray(effects.transpose(2, 0, 1)))
        return np.ascontiguousarray(each.reshape(-1, effects.shape[1])[self.places].T)

    def scatter_each(self, rows: FloatArray) -> FloatArray:
        """``Z_i' r_i`` of each level along each direction, (q, P, m), of r (P, n)."""
        m, k, _ = self.Z.shape
        placed = np.zeros((m * k, len(rows)))
        placed[self.places] = rows.T
        each = np.matmul(self.Z.transpose(0, 2, 1), placed.reshape(m, k, -1))
        return np.ascontiguousarray(each.transpose(1, 2, 0))


def rows_of_levels(factor: Factor) -> LevelRows | None:
    """The rows of a factor level by level; None where it would not save time.

    That is where effects or rows are few, effects enter several predictors, rows are not sorted by
    level, or some levels have many more of them than others.
    """
    if factor.fixed is not None or factor.q < _LEAST_EFFECTS:
        return None
    n, m, starts = factor.sums.index.size, factor.m, factor.sums.starts
    predictors = {column.predictor for column in factor.columns}
    if starts is None or n < _LEAST_ROWS * m or len(predictors) > 1:
        return None
    most = int(np.diff(starts, append=n).max())
    if m * most > _MOST_PLACES * n:
        return None
    places = np.arange(n) + (np.arange(m) * most - starts)[factor.sums.index]
    Z = np.zeros((m * most, factor.q))
    Z[places] = factor.covariates
    return LevelRows(predictors.pop(), Z.reshape(m, most, factor.q), places)
