"""Model matrices of which nearly all entries are zero, as those of factors with many levels."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
from scipy import sparse

from mixcheck.arrays import FloatArray

__all__ = ["Matrix", "sparse_columns"]

Matrix: TypeAlias = "FloatArray | sparse.csr_array[Any]"

# A matrix of fewer columns, or with a larger share of other entries, stays as it is.
_LEAST_COLUMNS: Final = 40
_MOST_FILLED: Final = 0.1
_FIRST_ROWS: Final = 500


def sparse_columns(X: FloatArray) -> Matrix:
    """X itself, (n, p), or its entries that are not zero, where these are few of many.

    Examples
    --------
    >>> sparse_columns(np.ones((3, 2))).shape
    (3, 2)
    >>> sparse_columns(np.eye(100)).nnz
    100
    """
    n, p = X.shape
    if p < _LEAST_COLUMNS:
        return X
    first = X[:_FIRST_ROWS]
    if np.count_nonzero(first) > _MOST_FILLED * first.size:
        return X
    places = [np.flatnonzero(column) for column in X.T]
    ends = np.cumsum([0, *(rows.size for rows in places)])
    if ends[-1] > _MOST_FILLED * X.size:
        return X
    values = np.concatenate([column[rows] for column, rows in zip(X.T, places, strict=True)])
    found = sparse.csc_array((values, np.concatenate(places), ends), shape=(n, p))
    return sparse.csr_array(found)
