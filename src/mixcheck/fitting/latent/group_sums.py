"""Group sums: values of rows that share an index are added up; and which indices there are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mixcheck.arrays import FloatArray, IntArray

__all__ = ["Summation", "distinct"]

# Runs of so many rows on average are written sooner than their values are looked up.
_LONG_RUNS = 3


def distinct(keys: IntArray) -> IntArray:
    """Whole numbers without repetition, ascending, (E,) to (K,).

    They are sorted first: the hash table of `numpy.unique` takes ten times as long for keys of
    pairs.
    """
    ordered = np.sort(keys)
    first = np.ones(ordered.size, dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    kept: IntArray = ordered[first]
    return kept


@dataclass(frozen=True, eq=False)
class Summation:
    """Sums of row values by a non-negative index below `size`.

    Attributes
    ----------
    index : (n,) int
    size : int
    """

    index: IntArray
    size: int

    @cached_property
    def starts(self) -> IntArray | None:
        """Starts of the runs of a sorted index without gaps; None for others."""
        steps = self.index[1:] - self.index[:-1]
        if steps.size and steps.min() < 0:
            return None
        jumps = steps.nonzero()[0]
        if jumps.size + 1 != self.size:
            return None
        starts = np.zeros(self.size, dtype=np.intp)
        starts[1:] = jumps + 1
        return starts

    @cached_property
    def identity(self) -> bool:
        """Whether every value occurs once and in order."""
        return self.size == self.index.size and self.starts is not None

    @cached_property
    def counts(self) -> IntArray | None:
        """Lengths of these runs, (size,), where they are so long that to repeat is to be fast."""
        if self.starts is None or self.index.size < _LONG_RUNS * self.size:
            return None
        return np.diff(self.starts, append=self.index.size)

    def __call__(self, values: FloatArray) -> FloatArray:
        """Sum `values` (n,) to (size,)."""
        if self.identity:
            return values
        if self.starts is not None:
            return np.add.reduceat(values, self.starts)
        return np.bincount(self.index, values, self.size).astype(np.float64, copy=False)

    def each(self, values: FloatArray) -> FloatArray:
        """Sum each of several rows of values, (r, n) to (r, size)."""
        if self.identity:
            return values
        if self.starts is not None:
            return np.add.reduceat(values, self.starts, axis=1)
        return np.stack([self(row) for row in values])

    def spread(self, values: FloatArray) -> FloatArray:
        """Give each row the value of its index, (size,) to (n,)."""
        if self.identity:
            return values
        if self.counts is not None:
            return np.repeat(values, self.counts)
        return np.take(values, self.index)
