"""Aliased columns: those that are linear combinations of earlier ones."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.design.sparse_columns import sparse_columns

__all__ = ["deviates", "independent_columns"]

# R's tolerance for lm and glm: a column is aliased if less than this part of its length
# is left after projection on the earlier ones.
_TOLERANCE: Final = 1e-7
# Squares lose half the digits: above this the Gram matrix has decided beyond doubt.
_CERTAIN: Final = 1e-5
# Of the terms of a combination: rounding leaves less, and a row that follows another rule more.
FOLLOWS: Final = 1e-6


def independent_columns(X: FloatArray) -> BoolArray:
    """Which columns of `X`, (n, p), stay, (p,); earlier ones are preferred, as in R."""
    if X.shape[1] == 0:
        return np.ones(0, dtype=np.bool_)
    if X.shape[1] > X.shape[0]:
        return _by_projection(X)
    known = sparse_columns(X)
    with np.errstate(over="ignore", invalid="ignore"):
        product = known.T @ known
    gram = product.toarray() if sparse.issparse(product) else product
    squares = gram.diagonal()
    if all(0.0 < square < math.inf for square in squares.tolist()):
        if X.shape[1] == 1:
            return np.ones(1, dtype=np.bool_)
        lengths = np.sqrt(squares)
        factor, info = lapack.dpotrf(gram / lengths / lengths[:, None])
        if info == 0 and min(factor.diagonal().tolist()) > _CERTAIN:
            return np.ones(X.shape[1], dtype=np.bool_)
    return _by_projection(X)


def deviates(
    kept: FloatArray, aliased: FloatArray, new_kept: FloatArray, new_aliased: FloatArray
) -> BoolArray:
    """Where new rows do not follow the combinations that aliased columns are, (rows, aliased).

    Parameters
    ----------
    kept, aliased : (n, p), (n, k)
        Columns of full rank, and combinations of them.
    new_kept, new_aliased : (r, p), (r, k)
        The same columns of other rows; rows with NaN do not deviate.

    Examples
    --------
    >>> x = np.array([[1.0], [2.0]])
    >>> deviates(x, 2.0 * x, np.array([[3.0], [3.0]]), np.array([[6.0], [5.0]])).tolist()
    [[False], [True]]
    """
    off, size = deviations(kept, aliased, new_kept, new_aliased)
    with np.errstate(invalid="ignore"):
        result: BoolArray = np.abs(off) > FOLLOWS * size
    return result


def deviations(
    kept: FloatArray, aliased: FloatArray, new_kept: FloatArray, new_aliased: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """By how much new rows do not follow them, and the size of what was compared.

    Arguments as of `deviates`; (rows, aliased) each.
    """
    scale = np.sqrt(np.mean(kept**2, axis=0))
    scaled = np.linalg.lstsq(kept / scale, aliased, rcond=None)[0]
    coefficients = scaled / scale[:, None]
    with np.errstate(invalid="ignore", over="ignore"):
        off = new_aliased - new_kept @ coefficients
        size = np.abs(new_aliased) + np.abs(new_kept) @ np.abs(coefficients)
        size += np.sqrt(np.mean(aliased**2, axis=0))
    return off, size


def _by_projection(X: FloatArray) -> BoolArray:
    """The same by Householder and then Gram-Schmidt on the triangle, with no squares taken."""
    scale = np.abs(X).max(axis=0, initial=0)
    R: FloatArray = np.asarray(np.linalg.qr(X / np.where(scale > 0, scale, 1.0), mode="r"))
    basis = np.empty((len(R), min(R.shape)), order="F")
    rank = 0
    keep = np.zeros(X.shape[1], dtype=np.bool_)
    for j, column in enumerate(R.T):
        rest = column.copy()
        for _ in range(2):
            rest -= basis[:, :rank] @ (basis[:, :rank].T @ rest)
        left = np.linalg.norm(rest)
        if rank < basis.shape[1] and left > _TOLERANCE * np.linalg.norm(column):
            keep[j] = True
            basis[:, rank] = rest / left
            rank += 1
    return keep
