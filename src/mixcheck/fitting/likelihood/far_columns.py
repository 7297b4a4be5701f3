"""Columns far from zero beside their spread, all but in line with an intercept."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import FloatArray

__all__ = ["ColumnSums", "lies_far"]

# A column whose mean is this many times its standard deviation calls for other columns.
_FAR = 20.0
# The difference of mean squares that decides it has lost no digit that matters.
_CERTAIN = 0.9


def lies_far(X: FloatArray) -> bool:
    """Whether one of several columns, (n, p), lies far from zero beside its spread.

    Examples
    --------
    >>> year = np.arange(2000.0, 2010.0)
    >>> lies_far(np.column_stack([np.ones(10), year])), lies_far(year[:, None] - 2000.0)
    (True, False)
    """
    if X.shape[1] < 2:
        return False
    means = (np.add.reduce(X, axis=0) / len(X)).tolist()
    squares = (np.einsum("ij,ij->j", X, X) / len(X)).tolist()
    for column, mean, square in zip(X.T, means, squares, strict=True):
        if mean * mean * (1.0 + _FAR**2) < _CERTAIN * _FAR**2 * square < math.inf:
            continue  # the spread by squares alone, beyond doubt
        spread = float(column.std())
        if spread > 0.0 and abs(mean) > _FAR * spread:
            return True
    return False


@dataclass(frozen=True, eq=False)
class ColumnSums:
    """What tells of columns, (p,) each, whether they lie far: sums over rows that may be added.

    Attributes
    ----------
    n : int
    total, squares : (p,)
    low, high : (p,)
        Smallest and largest entry.
    """

    n: int
    total: FloatArray
    squares: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def of(cls, X: FloatArray) -> ColumnSums:
        """Of the columns of X, (n, p)."""
        return cls(
            len(X),
            X.sum(axis=0),
            np.einsum("ij,ij->j", X, X),
            X.min(axis=0, initial=np.inf),
            X.max(axis=0, initial=-np.inf),
        )

    def __add__(self, other: ColumnSums) -> ColumnSums:
        return ColumnSums(
            self.n + other.n,
            self.total + other.total,
            self.squares + other.squares,
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    @property
    def far(self) -> bool:
        """Whether one of several columns lies far from zero beside its spread.

        Examples
        --------
        >>> year = np.arange(2000.0, 2010.0)
        >>> parts = [np.column_stack([np.ones(5), part]) for part in (year[:5], year[5:])]
        >>> (ColumnSums.of(parts[0]) + ColumnSums.of(parts[1])).far
        True
        """
        if self.total.size < 2:
            return False
        mean = self.total / self.n
        spread = np.sqrt(np.maximum(self.squares / self.n - mean * mean, 0.0))
        return bool(((self.high > self.low) & (np.abs(mean) > _FAR * spread)).any())
