"""Aliased columns: those that are linear combinations of earlier ones."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import BoolArray, FloatArray

__all__ = ["independent_columns"]

# R's tolerance for lm and glm: a column is aliased if less than this part of its length
# is left after projection on the earlier ones.
_TOLERANCE: Final = 1e-7
# Squares lose half the digits: above this the Gram matrix has decided beyond doubt.
_CERTAIN: Final = 1e-5


def independent_columns(X: FloatArray) -> BoolArray:
    """Which columns of `X`, (n, p), stay, (p,); earlier ones are preferred, as in R."""
    if X.shape[1] == 0:
        return np.ones(0, dtype=np.bool_)
    gram = X.T @ X
    lengths = np.sqrt(np.diag(gram))
    if np.isfinite(lengths).all() and (lengths > 0).all():
        factor, info = lapack.dpotrf(gram / np.outer(lengths, lengths))
        if info == 0 and np.diag(factor).min() > _CERTAIN:
            return np.ones(X.shape[1], dtype=np.bool_)
    return _by_projection(X)


def _by_projection(X: FloatArray) -> BoolArray:
    """The same by Householder and then Gram-Schmidt on the triangle, with no squares taken."""
    scale = np.abs(X).max(axis=0, initial=0)
    R: FloatArray = np.asarray(np.linalg.qr(X / np.where(scale > 0, scale, 1.0), mode="r"))
    basis: list[FloatArray] = []
    keep = np.zeros(X.shape[1], dtype=np.bool_)
    for j, column in enumerate(R.T):
        rest = column.copy()
        for _ in range(2):
            for direction in basis:
                rest -= (direction @ rest) * direction
        left = np.linalg.norm(rest)
        if left > _TOLERANCE * np.linalg.norm(column):
            keep[j] = True
            basis.append(rest / left)
    return keep
