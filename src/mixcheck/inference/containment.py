"""Degrees of freedom by containment: of the random term whose levels a predictor tells apart.

A column of the model matrix that is a multiple of a random effect within each of its levels (a
predictor of the levels beside random intercepts, a slope beside random slopes) is estimated from
differences between levels. Their number is what such columns of the random effect add to the rank
of the model matrix. A column that no random term contains is estimated from differences between
rows that all random effects leave.

References
----------
SAS/STAT user's guide, PROC MIXED and PROC GLIMMIX, ``DDFM=CONTAIN``, which asks for containment
by the names of the effects where this asks for it by their columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from mixcheck.arrays import BoolArray, FloatArray, IntArray

__all__ = ["RandomColumns", "added_rank", "containment_df"]

# What is left of a column within the levels, of its length, where it is contained in them.
_CONTAINED = 1e-7
# Singular values below this share of the largest are rounding.
_RANK = 1e-8
# A rank of more columns together is not computed: one more or less changes no quantile.
_MOST_COLUMNS = 1500


@dataclass(frozen=True, eq=False)
class RandomColumns:
    """The effects of one random term.

    Attributes
    ----------
    codes : (n,) int
        Level of each row, from zero.
    Z : (n, q)
        Effects of each row.
    """

    codes: IntArray
    Z: FloatArray


def containment_df(
    X: FloatArray, terms: Sequence[RandomColumns], total: float | None = None
) -> FloatArray:
    """Degrees of freedom of each column of a model matrix of full rank, (p,).

    Parameters
    ----------
    X : (n, p)
    terms : sequence of RandomColumns
    total : float, optional
        Number of observations that the rows stand for; n by default. Infinite where nothing but
        the variances of the random effects is estimated: the others are then known.

    Returns
    -------
    (p,)
        The smallest over the random terms that contain the column, and at least one.

    Examples
    --------
    Six groups of two, an intercept, a predictor of the groups, and one of the rows:

    >>> g = np.repeat(np.arange(6), 2)
    >>> X = np.column_stack([np.ones(12), g % 2, np.tile([0.0, 1.0], 6)])
    >>> containment_df(X, [RandomColumns(g, np.ones((12, 1)))])
    array([4., 4., 5.])
    """
    n, p = X.shape
    out = np.full(p, np.inf)
    for term in terms:
        parts = [term.Z[:, [c]] for c in range(term.Z.shape[1])]
        found = np.zeros(p, dtype=np.bool_)
        for Z in parts:
            inside = _is_contained(X, term.codes, Z)
            if inside.any():
                own = float(added_rank(X, [RandomColumns(term.codes, Z)]))
                out[inside] = np.minimum(out[inside], own)
            found |= inside
        if len(parts) > 1 and not found.all():
            inside = _is_contained(X, term.codes, term.Z) & ~found
            if inside.any():
                each = added_rank(X, [term]) / term.Z.shape[1]
                out[inside] = np.minimum(out[inside], each)
    rest = np.isinf(out)
    if rest.any():
        out[rest] = (n if total is None else total) - p - added_rank(X, terms)
    known: FloatArray = np.maximum(out, 1.0)
    return known


def _is_contained(X: FloatArray, codes: IntArray, Z: FloatArray) -> BoolArray:
    """Which columns of X are combinations of those of Z within every level, (p,)."""
    left = _residuals(X, codes, Z)
    sizes = np.linalg.norm(X, axis=0)
    most = _CONTAINED * np.where(sizes > 0.0, sizes, 1.0)
    inside: BoolArray = np.linalg.norm(left, axis=0) <= most
    return inside


def _residuals(X: FloatArray, codes: IntArray, Z: FloatArray) -> FloatArray:
    """``X - Z_k (Z_k'Z_k)^- Z_k'X_k`` within each level k, (n, p)."""
    m = int(codes.max()) + 1
    if Z.shape[1] == 1:
        z = Z[:, 0]
        square = np.bincount(codes, z * z, m)
        sums = np.stack([np.bincount(codes, z * x, m) for x in X.T], axis=1)
        shares = sums / np.where(square > 0.0, square, 1.0)[:, None]
        one: FloatArray = X - z[:, None] * shares[codes]
        return one
    gram, cross = _products(codes, Z, Z), _products(codes, Z, X)
    inverse = np.linalg.pinv(gram, rcond=_RANK, hermitian=True)
    several: FloatArray = X - np.einsum("na,nap->np", Z, (inverse @ cross)[codes])
    return several


def _products(codes: IntArray, Z: FloatArray, X: FloatArray) -> FloatArray:
    """``Z'X`` of the rows of each level, (m, q, p)."""
    m = int(codes.max()) + 1
    sums = [[np.bincount(codes, z * x, m) for x in X.T] for z in Z.T]
    return np.array(sums).transpose(2, 0, 1)


def added_rank(X: FloatArray, terms: Sequence[RandomColumns]) -> int:
    """What random effects add to the rank of a model matrix of full rank: ``rank [X Z] - p``.

    Of several terms with very many levels the most that it can be.

    Examples
    --------
    >>> g = np.repeat(np.arange(6), 2)
    >>> added_rank(np.column_stack([np.ones(12), g % 2]), [RandomColumns(g, np.ones((12, 1)))])
    4
    """
    if not terms:
        return 0
    if len(terms) == 1:
        term = terms[0]
        left = _residuals(X, term.codes, term.Z)
        rank: int = _rank_of_levels(term) + _rank(left, X) - X.shape[1]
        return rank
    n = len(X)
    each = [_rank_of_levels(term) for term in terms]
    if sum(each) + X.shape[1] > _MOST_COLUMNS:
        return sum(each)
    columns = []
    for term in terms:
        m = int(term.codes.max()) + 1
        for z in term.Z.T:
            columns.append(sparse.csr_array((z, (np.arange(n), term.codes)), shape=(n, m)))
    Z = sparse.hstack([sparse.csr_array(X), *columns], format="csr")
    most: int = _sparse_rank(Z) - X.shape[1]
    return most


def _rank_of_levels(term: RandomColumns) -> int:
    """Rank of Z with columns of its own for each level."""
    gram = _products(term.codes, term.Z, term.Z)
    ranks: IntArray = np.linalg.matrix_rank(gram, hermitian=True)
    return int(ranks.sum())


def _rank(left: FloatArray, X: FloatArray) -> int:
    """Rank of what is left of columns that had the lengths of X's."""
    sizes = np.linalg.norm(X, axis=0)
    scaled = left / np.where(sizes > 0.0, sizes, 1.0)
    values = np.linalg.svd(scaled.T @ scaled, compute_uv=False, hermitian=True)
    return int(np.sum(values > _CONTAINED**2 * max(1.0, float(values.max(initial=0.0)))))


def _sparse_rank(A: sparse.csr_array) -> int:
    """Rank of a matrix with few columns, or many."""
    sizes = np.sqrt(np.asarray(A.multiply(A).sum(axis=0)).ravel())
    scaled = A @ sparse.diags_array(1.0 / np.where(sizes > 0.0, sizes, 1.0))
    gram = (scaled.T @ scaled).toarray()
    values = np.linalg.eigvalsh(gram)
    return int(np.sum(values > _RANK * values[-1]))
