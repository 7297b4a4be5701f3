"""Grouping factors: columns to integer codes and sorted levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pandas as pd

from mixcheck.arrays import IntArray
from mixcheck.design.frames import Column, Columns

__all__ = ["GroupKey", "factorize", "group_rows", "look_up"]

# A table of at most this many entries a row replaces sorting.
_TABLE: Final = 8


@final
@dataclass(frozen=True, eq=False)
class GroupKey:
    """What is needed to find the level of a new row.

    Attributes
    ----------
    columns : tuple of str
        The columns that are crossed.
    parts : tuple of pandas.Index
        Levels of each column.
    combinations : (m,)
        Increasing mixed-radix number of the combination that is level j.
    levels : pandas.Index, (m,)
        Labels; ``"a:b"`` for crossed columns.
    """

    columns: tuple[str, ...]
    parts: tuple[pd.Index[Any], ...]
    combinations: IntArray
    levels: pd.Index[Any]


def group_rows(names: tuple[str, ...], columns: Columns) -> tuple[IntArray, GroupKey]:
    """Codes, (n,), of the crossed columns, and the key that finds them again."""
    parts = [factorize(columns[name]) for name in names]
    if len(parts) == 1:
        codes, levels = parts[0]
        return codes, GroupKey(names, (levels,), np.arange(len(levels)), levels)
    combined = _combine([codes for codes, _ in parts], [len(levels) for _, levels in parts])
    codes, combinations = _compress(combined)
    levels = _crossed_labels(combinations, [levels for _, levels in parts])
    return codes, GroupKey(names, tuple(levels for _, levels in parts), combinations, levels)


def look_up(key: GroupKey, columns: Columns) -> IntArray:
    """Codes, (n,), of new rows; -1 for a level that `key` does not have."""
    codes = [
        part.get_indexer(pd.Index(_values(columns[name])))
        for part, name in zip(key.parts, key.columns, strict=True)
    ]
    combined = _combine(codes, [len(part) for part in key.parts])
    at = np.searchsorted(key.combinations, combined).clip(max=len(key.combinations) - 1)
    known = (key.combinations[at] == combined) & np.all([c >= 0 for c in codes], axis=0)
    return np.where(known, at, -1)


def factorize(column: Column) -> tuple[IntArray, pd.Index[Any]]:
    """Codes, (n,), and levels in increasing order; categories keep their own order."""
    if isinstance(column, pd.Categorical):
        return column.codes.astype(np.intp), column.categories
    values = _values(column)
    if values.dtype.kind in "iub":
        return _factorize_integers(values)
    codes, levels = pd.factorize(values, sort=True)
    return codes.astype(np.intp, copy=False), pd.Index(levels)


def _values(column: Column) -> Any:
    """Column as an array; whole numbers stored as floats become integers."""
    if isinstance(column, (pd.Categorical, pd.Series)):
        return column.array if isinstance(column, pd.Series) else column
    if column.dtype.kind == "f":
        whole = (
            column.astype(np.int64, copy=True) if np.abs(column).max(initial=0) < 2**53 else None
        )
        return whole if whole is not None and np.array_equal(whole, column) else column
    return column


def _factorize_integers(values: Any) -> tuple[IntArray, pd.Index[Any]]:
    low, high = int(values.min()), int(values.max())
    if high - low > _TABLE * len(values) + 1024:
        codes, levels = pd.factorize(values, sort=True)
        return codes.astype(np.intp, copy=False), pd.Index(levels)
    shifted = values.astype(np.intp) - low
    codes, present = _compress(shifted)
    return codes, pd.Index((present + low).astype(values.dtype))


def _compress(numbers: IntArray) -> tuple[IntArray, IntArray]:
    """Ranks of non-negative integers among those that occur, and those that occur."""
    top = int(numbers.max()) + 1
    if top > _TABLE * len(numbers) + 1024:
        present, codes = np.unique(numbers, return_inverse=True)
        return codes.astype(np.intp, copy=False), present
    occurs = np.zeros(top, dtype=np.bool_)
    occurs[numbers] = True
    present = np.flatnonzero(occurs)
    if len(present) == top:
        return numbers, present
    rank = np.cumsum(occurs, dtype=np.intp) - 1
    return rank[numbers], present


def _combine(codes: list[IntArray], sizes: list[int]) -> IntArray:
    combined = codes[0]
    for code, size in zip(codes[1:], sizes[1:], strict=True):
        combined = combined * size + code
    return combined


def _crossed_labels(combinations: IntArray, parts: list[pd.Index[Any]]) -> pd.Index[Any]:
    pieces: list[list[str]] = []
    rest = combinations
    for part in reversed(parts):
        rest, code = np.divmod(rest, len(part))
        pieces.append(part.astype(str).to_numpy(dtype=object)[code].tolist())
    return pd.Index(
        [":".join(labels) for labels in zip(*reversed(pieces), strict=True)], dtype=object
    )
