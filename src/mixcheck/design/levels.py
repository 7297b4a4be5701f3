"""How the levels of a factor go together: independent, or tied by a covariance of their own.

Effects of tied levels are ``b = Lambda w`` with ``w ~ N(0, K)`` over the levels, ``K = A A'``:
``w = A e`` for standard normal e. `Ties` says which levels are tied, whatever the parameters are;
a `Dependence` is K at given parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import pandas as pd
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import DataError, OptionError, UnseenLevelError

__all__ = ["Dependence", "Related", "RelatedDependence", "Ties", "read_relation"]

# Asymmetry of a matrix beside its largest entry that is rounding.
_SYMMETRIC = 1e-8


@dataclass(frozen=True, eq=False)
class Ties:
    """Which levels of a factor are tied.

    Attributes
    ----------
    blocks : (m,) int
        Independent block that each level belongs to, in increasing order.
    neighbours : bool
        Whether K^-1 ties each level of a block to the ones before and after it alone.
    """

    blocks: IntArray
    neighbours: bool

    def together(self, levels: IntArray) -> IntArray:
        """All levels of the blocks that some levels belong to."""
        return np.flatnonzero(np.isin(self.blocks, self.blocks[levels]))


class Dependence(ABC):
    """K = A A' over the m levels of a factor, at given parameters.

    Attributes
    ----------
    n_parameters : int
        Number k of parameters of K.
    """

    __slots__ = ("n_parameters",)

    n_parameters: int

    @abstractmethod
    def spread(self, e: FloatArray) -> FloatArray:
        """``A e`` along the last axis, (q, m)."""

    @abstractmethod
    def spread_transposed(self, s: FloatArray) -> FloatArray:
        """``A' s``, (q, m)."""

    @abstractmethod
    def whiten(self, w: FloatArray) -> FloatArray:
        """``A^-1 w``, (q, m)."""

    @abstractmethod
    def whiten_transposed(self, r: FloatArray) -> FloatArray:
        """``A^-T r``, (q, m)."""

    def solve(self, w: FloatArray) -> FloatArray:
        """``K^-1 w``, (q, m)."""
        return self.whiten_transposed(self.whiten(w))

    def multiply(self, s: FloatArray) -> FloatArray:
        """``K s``, (q, m)."""
        return self.spread(self.spread_transposed(s))

    @abstractmethod
    def log_det(self) -> float:
        """``log det K``."""

    @abstractmethod
    def variances(self) -> FloatArray:
        """Diagonal of K, (m,)."""

    @abstractmethod
    def precision(self) -> tuple[FloatArray, FloatArray | None]:
        """``K^-1``: whole, (m, m), or its diagonal (m,) and what is beside it (m,).

        The last entry of what is beside the diagonal, and that at the end of each block, is zero.
        """

    def precision_slope(self, v: FloatArray, w: FloatArray) -> FloatArray:
        """Derivative of ``<v, K^-1 w>`` in the parameters of K, (k,)."""
        return np.zeros(0)

    def precision_derivatives(self) -> tuple[FloatArray, FloatArray]:
        """First and second derivatives of `precision` in the parameters of K.

        Of levels tied to their neighbours: its diagonal and what is beside it, (k, 2, m) and
        (k, k, 2, m).
        """
        if self.n_parameters:
            raise NotImplementedError(f"{type(self).__name__} has no precision_derivatives")
        m = self.variances().size
        return np.zeros((0, 2, m)), np.zeros((0, 0, 2, m))

    def log_det_slope(self, diagonal: FloatArray, beside: FloatArray) -> FloatArray:
        """Derivative of ``log det(K^-1 + G) + log det K`` in the parameters of K, (k,).

        Parameters
        ----------
        diagonal, beside : (m,)
            Entries of the inverse of ``K^-1 + G``, on the diagonal and beside it, summed over
            the effects of a level.
        """
        return np.zeros(0)


@final
class Related:
    """Levels related through a given matrix: pedigree, phylogeny, kinship, adjacency.

    Attributes
    ----------
    name : str
        What the matrix is called in the formula.
    levels : pandas.Index, (m,)
    matrix : (m, m)
        K, in the order of the levels.
    """

    __slots__ = ("__dict__", "levels", "matrix", "name")

    def __init__(self, name: str, levels: pd.Index[Any], matrix: FloatArray) -> None:
        self.name, self.levels, self.matrix = name, levels, matrix

    @cached_property
    def dependence(self) -> RelatedDependence:
        """The matrix, factored."""
        lower, info = lapack.dpotrf(self.matrix, lower=1, clean=1)
        if info != 0:
            raise DataError(
                f"the matrix `{self.name}` is not positive definite for the levels of the data, "
                "so that some of them are one and the same; merge them, or add a small number to "
                "its diagonal"
            )
        return RelatedDependence(lower)

    @property
    def ties(self) -> Ties:
        """All levels are one block."""
        return Ties(np.zeros(len(self.levels), dtype=np.intp), neighbours=False)


@final
class RelatedDependence(Dependence):
    """A given K, by its lower Cholesky factor A."""

    __slots__ = ("__dict__", "lower")

    def __init__(self, lower: FloatArray) -> None:
        self.lower, self.n_parameters = lower, 0

    def spread(self, e: FloatArray) -> FloatArray:
        """``A e`` along the last axis."""
        return e @ self.lower.T

    def spread_transposed(self, s: FloatArray) -> FloatArray:
        """``A' s`` along the last axis."""
        return s @ self.lower

    def whiten(self, w: FloatArray) -> FloatArray:
        """``A^-1 w`` along the last axis."""
        return np.asarray(lapack.dtrtrs(self.lower, w.T, lower=1)[0]).T

    def whiten_transposed(self, r: FloatArray) -> FloatArray:
        """``A^-T r`` along the last axis."""
        return np.asarray(lapack.dtrtrs(self.lower, r.T, lower=1, trans=1)[0]).T

    def log_det(self) -> float:
        """``log det K``."""
        return 2.0 * float(np.log(self.lower.diagonal()).sum())

    def variances(self) -> FloatArray:
        """Diagonal of K."""
        out: FloatArray = np.einsum("ij,ij->i", self.lower, self.lower)
        return out

    def precision(self) -> tuple[FloatArray, None]:
        """``K^-1``, (m, m)."""
        return self._inverse, None

    @cached_property
    def _inverse(self) -> FloatArray:
        inverse = lapack.dpotri(self.lower, lower=1)[0]
        out: FloatArray = np.tril(inverse) + np.tril(inverse, -1).T
        return out


def read_relation(matrix: object, name: str, levels: pd.Index[Any], group: str) -> Related:
    """The matrix of the levels of a factor, matched by name.

    Parameters
    ----------
    matrix : DataFrame
        Square, its rows and columns labelled by levels, in any order; more levels than those of
        the data may be in it.
    name : str
        What it is called in the formula.
    levels : pandas.Index, (m,)
        Levels of the data.
    group : str
        Name of the grouping factor.

    Raises
    ------
    OptionError, DataError, UnseenLevelError
        If it is not such a table, or not symmetric, or lacks levels.
    """
    if not isinstance(matrix, pd.DataFrame):
        raise OptionError(
            f"`{name}` must be a pandas DataFrame whose rows and columns are labelled by the "
            f"levels of `{group}`, not {type(matrix).__name__}, so that it is matched by name; "
            f"write context={{{name!r}: pd.DataFrame(matrix, index=names, columns=names)}}."
        )
    rows, columns = (_matched(axis, levels) for axis in (matrix.index, matrix.columns))
    for axis, places in (("rows", rows), ("columns", columns)):
        if (places < 0).any():
            absent = levels[places < 0].tolist()
            raise UnseenLevelError(
                f"The matrix `{name}` has no {axis} for {len(absent)} level(s) of `{group}`: "
                f"{', '.join(repr(level) for level in absent[:5])}. Its rows and columns must be "
                "labelled like the column of the data."
            )
    try:
        values = matrix.to_numpy(dtype=np.float64)[np.ix_(rows, columns)]
    except (TypeError, ValueError):
        raise DataError(f"The matrix `{name}` must hold numbers.") from None
    if not np.isfinite(values).all():
        raise DataError(f"The matrix `{name}` has entries that are not finite.")
    if np.abs(values - values.T).max() > _SYMMETRIC * np.abs(values).max():
        raise DataError(
            f"The matrix `{name}` is not symmetric; a covariance of levels is needed, not, say, "
            "its Cholesky factor."
        )
    return Related(name, levels, 0.5 * (values + values.T))


def _matched(axis: pd.Index[Any], levels: pd.Index[Any]) -> IntArray:
    """Place of each level among labels; -1 where it is none."""
    if not axis.is_unique:
        twice = axis[axis.duplicated()][0]
        raise DataError(f"A matrix of related levels has {twice!r} twice; every level stands once.")
    places = axis.get_indexer(levels)
    if (places < 0).all():
        # Labels of a matrix are often text where those of the data are numbers.
        places = axis.astype(str).get_indexer(levels.astype(str))
    return np.asarray(places, dtype=np.intp)
