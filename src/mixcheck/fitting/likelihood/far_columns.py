"""Columns far from zero beside their spread, all but in line with an intercept."""

from __future__ import annotations

import math

import numpy as np

from mixcheck.arrays import FloatArray

__all__ = ["lies_far"]

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
