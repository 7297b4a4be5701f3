"""Which row of one model is which row of another: by label, or by what the rows hold.

Labels of an index name rows where they are unique. A table that was shuffled, or numbered anew,
or whose levels were given other names, is recognised by its contents: rows are hashed and
sorted. Names of levels can be left out of the hash: a level is then known by the rows that it
has, as a colour is refined by those of its neighbours.

References
----------
Weisfeiler & Leman (1968), Nauchno-Technicheskaya Informatsia 2(9), 12-16, for the refinement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixcheck.arguments.alignment import label_places
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.port import DataRows
from mixcheck.port.row_hashes import Hashes, coded, combine, hash_column, hash_rows, is_number, mix

__all__ = ["changed_columns", "match_rows", "regrouped_columns", "same_levels", "same_values"]

_Keys: TypeAlias = list[NDArray[Any]]

# Each refinement carries what a row holds one factor further.
_REFINEMENTS = 3


def match_rows(one: DataRows, other: DataRows) -> IntArray | None:
    """Position in `other` of each row of `one`, (n,); None where the rows are not the same.

    Labels where nothing was changed under them; then contents; then labels alone, for a column
    may have been changed between two fits.
    """
    # A comparison asks for the same pair many times; the answer lives as long as both do.
    known = _MATCHED.setdefault(one, WeakKeyDictionary())
    if other not in known:
        known[other] = _find_match(one, other)
    return known[other]


_MATCHED: WeakKeyDictionary[DataRows, WeakKeyDictionary[DataRows, IntArray | None]] = (
    WeakKeyDictionary()
)


def _find_match(one: DataRows, other: DataRows) -> IntArray | None:
    if len(one.frame) != len(other.frame):
        return None
    named = _by_label(one, other)
    agreed = named is not None and _agree(one, other, named)
    if named is not None and agreed and not changed_columns(one, other, named):
        return named
    first = named
    for order in _by_contents(one, other):
        if _agree(one, other, order):
            return order
        first = order if first is None else first
    return first


def changed_columns(one: DataRows, other: DataRows, order: IntArray) -> tuple[str, ...]:
    """Columns of both tables that hold other values in rows that are the same."""
    identity = np.array_equal(order, np.arange(order.size))
    out = []
    for name in _common(one, other):
        left, right = one.frame[name], other.frame[name]
        if identity and left.equals(right):
            continue
        first, second = hash_column(left), hash_column(right)
        if not np.array_equal(first, second[order]):
            out.append(str(name))
    return tuple(out)


def regrouped_columns(one: DataRows, other: DataRows, order: IntArray) -> tuple[str, ...]:
    """Those of them that differ in more than the names of levels."""
    changed = changed_columns(one, other, order)
    return tuple(name for name in changed if not _same_factor(name, one, other, order))


def _same_factor(name: str, one: DataRows, other: DataRows, order: IntArray) -> bool:
    if name not in one.frame.columns:
        return False
    left, right = one.frame[name], other.frame[name]
    if is_number(left) and name not in (*one.grouping, *other.grouping):
        return False
    return same_levels(coded(left)[0], coded(right)[0][order])


def same_values(one: FloatArray | None, other: FloatArray | None, order: IntArray) -> bool:
    """Whether two vectors hold the same, row by row; none is not the same as some."""
    if one is None or other is None:
        return one is other
    return bool(np.array_equal(one, other[order], equal_nan=True))


def same_levels(one: IntArray, other: IntArray) -> bool:
    """Whether two codings divide the rows alike, (n,) each, whatever the levels are called.

    Examples
    --------
    >>> same_levels(np.array([0, 0, 1]), np.array([5, 5, 2]))
    True
    """
    return bool(np.array_equal(pd.factorize(one)[0], pd.factorize(other)[0]))


def _agree(one: DataRows, other: DataRows, order: IntArray) -> bool:
    """Whether rows that are matched have one likelihood to maximise."""
    return (
        same_values(one.response, other.response, order)
        and same_values(one.size, other.size, order)
        and same_values(one.weights, other.weights, order)
        and same_values(one.offsets["mean"], other.offsets["mean"], order)
    )


def _common(one: DataRows, other: DataRows) -> list[Any]:
    """Names that one column of each table has."""
    left, right = (part.frame.columns for part in (one, other))
    return [name for name in left[~left.duplicated(keep=False)] if list(right).count(name) == 1]


def _by_label(one: DataRows, other: DataRows) -> IntArray | None:
    left, right = one.frame.index, other.frame.index
    if left.equals(right):
        return np.arange(len(left))
    if not (left.is_unique and right.is_unique):
        return None
    places = label_places(right, left)
    return None if (places < 0).any() else places


# ---- contents -----------------------------------------------------------------------------


def _by_contents(one: DataRows, other: DataRows) -> Iterator[IntArray]:
    """Orders in which the rows hold the same: with the names of levels, then without them."""
    common = _common(one, other)
    exact = [(hash_rows(part.frame, common), list[Any]()) for part in (one, other)]
    # Columns that only one table has may be new; if both have some, rows that look alike in
    # what they share need not be the same.
    unlike = len(common) < min(one.frame.shape[1], other.frame.shape[1])
    if unlike and len(pd.unique(exact[0][0])) < len(one.frame):
        return
    numbers, factors = _split_columns(one, other, common)
    free = (_refine(part, numbers, factors) for part in (one, other))
    for left, right in (exact, free):
        order = _match_sorted(_sorted(one, *left), _sorted(other, *right))
        if order is not None:
            yield order


def _sorted(part: DataRows, rows: Hashes, levels: _Keys) -> tuple[Hashes, IntArray]:
    """Hashes of the rows, and an order in which rows of the same data are alike."""
    # Of rows with the same columns, vectors given beside the table tell which is which.
    given = (part.offsets["mean"], part.weights, part.size, part.response)
    keys = [*(array for array in given if array is not None), rows, *levels]
    return rows, np.lexsort(keys)


def _match_sorted(one: tuple[Hashes, IntArray], other: tuple[Hashes, IntArray]) -> IntArray | None:
    (left, first), (right, second) = one, other
    if not np.array_equal(left[first], right[second]):
        return None
    order = np.empty(left.size, dtype=np.intp)
    order[first] = second
    return order


def _split_columns(
    one: DataRows, other: DataRows, common: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """Columns whose values count, and those whose levels may be called anything."""
    grouping = {*one.grouping, *other.grouping}
    numbers = [
        name
        for name in common
        if name not in grouping and all(is_number(part.frame[name]) for part in (one, other))
    ]
    return numbers, [name for name in common if name not in numbers]


def _refine(part: DataRows, numbers: Sequence[Any], factors: Sequence[Any]) -> tuple[Hashes, _Keys]:
    """Hashes of the rows without names of levels, and keys that keep levels together."""
    rows = hash_rows(part.frame, numbers)
    codes = [coded(part.frame[name])[0] for name in factors]
    prints: list[Hashes] = []
    for _ in range(_REFINEMENTS):
        prints = [_fingerprint(rows, code) for code in codes]
        for print_ in prints:
            rows = combine(rows, print_)
    coarsest_last = sorted(range(len(codes)), key=lambda k: -int(codes[k].max(initial=0)))
    return rows, [key for k in coarsest_last for key in (codes[k], prints[k])]


def _fingerprint(rows: Hashes, codes: IntArray) -> Hashes:
    """What each row's level holds, (n,): a sum, whatever the order of the rows."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=codes[order][:1] - 1))
    sums = mix(np.add.reduceat(mix(rows)[order], starts))
    sizes = np.diff(starts, append=codes.size)
    out = np.empty(codes.size, dtype=np.uint64)
    out[order] = np.repeat(sums, sizes)
    return out
