"""Weighted squares of model matrices, ``X'WX``."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from mixcheck.arrays import FloatArray
from mixcheck.design.sparse_columns import Matrix

__all__ = ["weighted_square"]

# Numbers in one block of rows; a smaller matrix is one product.
_BLOCK = 1_000_000


def weighted_square(X: Matrix, weight: FloatArray) -> FloatArray:
    """``X'WX``, (p, p), for X (n, p) and weights (n,) of any sign.

    Of a sparse matrix only entries that are not zero are multiplied. A large dense matrix is taken
    block by block. Where no weight is negative, a block is the square of ``W^1/2 X``, of which the
    library computes one triangle.
    """
    n, p = X.shape
    if isinstance(X, sparse.csr_array):
        weighted = X.copy()
        weighted.data *= np.repeat(weight, np.diff(X.indptr))
        square: FloatArray = (X.T @ weighted).toarray()
        return square
    if X.size <= _BLOCK:
        whole: FloatArray = (X.T * weight).dot(X)
        return whole
    out, rows = np.zeros((p, p)), max(1, _BLOCK // p)
    for start in range(0, n, rows):
        part, held = X[start : start + rows], weight[start : start + rows, None]
        if held.min() >= 0.0:
            part = np.sqrt(held) * part
            out += part.T @ part
        else:
            out += (held * part).T @ part
    return out
