"""Effects of the Schur complement that meet in a level of a nested factor, pair by pair.

The coupling W of a nested factor with the Schur complement is sparse: level i has entries for the
effects that it meets. ``W'W`` needs the products of any two entries of a level, and ``W V`` at the
entries of W needs V between any two. Which pairs these are depends on the design alone. Where a
level meets few of many effects, a list of them is shorter work than products of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from mixcheck.arrays import FloatArray, IntArray

__all__ = ["Entries", "Meetings"]


@dataclass(frozen=True, eq=False)
class Entries:
    """Places of the entries of a sparse matrix, which are found once for many matrices.

    Attributes
    ----------
    rows, columns : (E,) int
        An entry that occurs several times is their sum.
    shape : tuple of int
    """

    rows: IntArray
    columns: IntArray
    shape: tuple[int, int]

    @cached_property
    def _by_row(self) -> tuple[IntArray | None, IntArray, IntArray]:
        """The order of entries by rows, None if it is theirs; columns in it, and starts of rows."""
        order = np.lexsort((self.columns, self.rows))
        starts: IntArray = np.zeros(self.shape[0] + 1, dtype=np.int32)
        starts[1:] = np.cumsum(np.bincount(self.rows, minlength=self.shape[0]))
        columns: IntArray = self.columns[order].astype(np.int32)
        same = bool(np.array_equal(order, np.arange(order.size)))
        return None if same else order, columns, starts

    def matrix(self, values: FloatArray) -> sparse.csr_array:
        """The matrix of these values, (E,)."""
        order, columns, starts = self._by_row
        ordered = values if order is None else values[order]
        return sparse.csr_array((ordered, columns, starts), shape=self.shape)


class _Lists(NamedTuple):
    """Pairs of entries e, d of one level, by rows of the lower triangle of the Schur complement.

    Entries are numbered by level; `place` is that of the pair in the triangle, by columns.
    """

    first: IntArray
    second: IntArray
    place: IntArray


@dataclass(frozen=True, eq=False)
class Meetings:
    """Entries of a sparse matrix W, one row a level.

    Attributes
    ----------
    rows : (E,) int
        Level of each entry.
    columns : (E,) int
        Effect of the Schur complement, once at most in each level.
    size : int
        Effects of the Schur complement, Q.
    """

    rows: IntArray
    columns: IntArray
    size: int

    def __getstate__(self) -> dict[str, Any]:
        # The lists are made again sooner than they are read.
        return {"rows": self.rows, "columns": self.columns, "size": self.size}

    @cached_property
    def count(self) -> int:
        """Number of pairs of different entries in the same level."""
        degrees = np.bincount(self.rows).astype(np.float64)
        return int(0.5 * (degrees * (degrees - 1.0)).sum())

    @cached_property
    def _order(self) -> IntArray:
        """Entries level by level."""
        return np.argsort(self.rows, kind="stable")

    @cached_property
    def _places(self) -> IntArray:
        """Effects of the entries, level by level."""
        return self.columns[self._order]

    @cached_property
    def _lists(self) -> _Lists:
        degrees = np.bincount(self.rows)
        begins = np.repeat(np.cumsum(degrees) - degrees, degrees)
        entries = np.arange(begins.size)
        # Each entry with those before it in its level.
        before = entries - begins
        first = np.repeat(entries, before)
        passed = np.repeat(np.cumsum(before) - before, before)
        second = begins[first] + (np.arange(first.size) - passed)
        ends = self._places[first], self._places[second]
        place = np.minimum(*ends) * self.size + np.maximum(*ends)
        return _Lists(first, second, place)

    def square(self, values: FloatArray) -> FloatArray:
        """The lower triangle of ``W'W`` for entries (E,), (Q, Q) by columns; zeros above."""
        w, lists = values[self._order], self._lists
        products: FloatArray = w[lists.first] * w[lists.second]
        total: FloatArray = np.bincount(lists.place, products, self.size**2).astype(
            np.float64, copy=False
        )
        out: FloatArray = total.reshape(self.size, self.size).T
        diagonal = np.einsum("ii->i", out)
        diagonal += np.bincount(self._places, w * w, self.size)
        return out

    def multiply(self, values: FloatArray, lower: FloatArray) -> FloatArray:
        """``W V`` at the entries of W, (E,), for a symmetric V by its lower triangle, (Q, Q)."""
        w, lists, places = values[self._order], self._lists, self._places
        met = np.asfortranarray(lower).ravel(order="K")[lists.place]
        total = w * lower[places, places]
        total += np.bincount(lists.first, w[lists.second] * met, w.size)
        total += np.bincount(lists.second, w[lists.first] * met, w.size)
        out = np.empty_like(total)
        out[self._order] = total
        return out

    def multiply_by_level(self, values: FloatArray, whole: FloatArray) -> FloatArray:
        """The same for several matrices of entries, (k, E), by the blocks of V of each level."""
        w, places = values[:, self._order], self._places
        flat = np.ascontiguousarray(whole).ravel()
        ends = np.cumsum(np.bincount(self.rows)).tolist()
        total, start = np.empty_like(w), 0
        for stop in ends:
            met = places[start:stop]
            block = flat.take(self.size * met[:, None] + met)
            total[:, start:stop] = w[:, start:stop] @ block
            start = stop
        out = np.empty_like(total)
        out[:, self._order] = total
        return out
