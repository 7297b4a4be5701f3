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

from mixcheck.alignment import label_places
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.port import DataRows

__all__ = ["changed_columns", "match_rows", "regrouped_columns", "same_levels", "same_values"]

_Hashes: TypeAlias = NDArray[np.uint64]
_Keys: TypeAlias = list[NDArray[Any]]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MISSING = np.uint64(0x27D4EB2F165667C5)
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
        first, second = _hash_column(left), _hash_column(right)
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
    if _is_number(left) and name not in (*one.grouping, *other.grouping):
        return False
    return same_levels(_coded(left)[0], _coded(right)[0][order])


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
    exact = [(_hash_columns(part, common), list[Any]()) for part in (one, other)]
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


def _sorted(part: DataRows, rows: _Hashes, levels: _Keys) -> tuple[_Hashes, IntArray]:
    """Hashes of the rows, and an order in which rows of the same data are alike."""
    # Of rows with the same columns, vectors given beside the table tell which is which.
    given = (part.offsets["mean"], part.weights, part.size, part.response)
    keys = [*(array for array in given if array is not None), rows, *levels]
    return rows, np.lexsort(keys)


def _match_sorted(
    one: tuple[_Hashes, IntArray], other: tuple[_Hashes, IntArray]
) -> IntArray | None:
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
        if name not in grouping and all(_is_number(part.frame[name]) for part in (one, other))
    ]
    return numbers, [name for name in common if name not in numbers]


def _refine(
    part: DataRows, numbers: Sequence[Any], factors: Sequence[Any]
) -> tuple[_Hashes, _Keys]:
    """Hashes of the rows without names of levels, and keys that keep levels together."""
    rows = _hash_columns(part, numbers)
    codes = [_coded(part.frame[name])[0] for name in factors]
    prints: list[_Hashes] = []
    for _ in range(_REFINEMENTS):
        prints = [_fingerprint(rows, code) for code in codes]
        for print_ in prints:
            rows = _mix(rows * _FACTOR + print_)
    coarsest_last = sorted(range(len(codes)), key=lambda k: -int(codes[k].max(initial=0)))
    return rows, [key for k in coarsest_last for key in (codes[k], prints[k])]


def _fingerprint(rows: _Hashes, codes: IntArray) -> _Hashes:
    """What each row's level holds, (n,): a sum, whatever the order of the rows."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=codes[order][:1] - 1))
    sums = _mix(np.add.reduceat(_mix(rows)[order], starts))
    sizes = np.diff(starts, append=codes.size)
    out = np.empty(codes.size, dtype=np.uint64)
    out[order] = np.repeat(sums, sizes)
    return out


def _hash_columns(part: DataRows, names: Sequence[Any]) -> _Hashes:
    rows = np.zeros(len(part.frame), dtype=np.uint64)
    for name in sorted(names, key=str):
        rows = _mix(rows * _FACTOR + _hash_column(part.frame[name]))
    return rows


def _hash_column(column: pd.Series[Any]) -> _Hashes:
    """A number for each value; whole numbers are the same however they are stored."""
    if _is_number(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0
        return np.where(np.isnan(values), _MISSING, _mix(values.view(np.uint64)))
    codes, levels = _coded(column)
    hashes = pd.util.hash_array(np.array(levels, dtype=object), categorize=False)
    return np.append(hashes, _MISSING)[codes]


def _is_number(column: pd.Series[Any]) -> bool:
    kind = getattr(column.dtype, "kind", "O")
    return pd.api.types.is_numeric_dtype(column.dtype) and kind in "iufb"


def _coded(column: pd.Series[Any]) -> tuple[IntArray, list[str]]:
    """Codes, (n,), -1 where a value is missing, and the texts of the levels."""
    try:
        codes, levels = pd.factorize(column)
    except TypeError:
        # Values such as lists have no hash, and a text.
        texts = column.map(str, na_action="ignore")
        codes, levels = pd.factorize(texts)
    return codes, [str(level) for level in levels]


def _mix(values: _Hashes) -> _Hashes:
    """A permutation of the 64-bit integers without pattern (the finaliser of splitmix64)."""
    x = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: _Hashes = x ^ (x >> np.uint64(31))
    return mixed
