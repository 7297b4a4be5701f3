"""Grouping factors: columns to integer codes and sorted levels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias, final

import numpy as np
import pandas as pd

from mixcheck.arrays import IntArray
from mixcheck.design.columns import Column, Columns

__all__ = ["GroupKey", "factorize", "group_rows", "kind_of", "look_up", "write_cast"]

Labels: TypeAlias = "pd.Index[Any] | np.ndarray[Any, Any]"

# A table of at most this many entries a row replaces sorting.
_TABLE: Final = 8
_KINDS: Final = {
    "string": "text",
    "integer": "numbers",
    "floating": "numbers",
    "mixed-integer-float": "numbers",
    "decimal": "numbers",
    "boolean": "truth values",
    "date": "dates",
    "datetime": "dates",
}


@final
@dataclass(frozen=True, eq=False)
class GroupKey:
    """What is needed to find the level of a new row.

    Attributes
    ----------
    columns : tuple of str
        The columns that are crossed.
    labels : tuple of pandas.Index or array
        Levels of each column.
    pairs : tuple of IntArray
        For each column after the first: the increasing numbers of the combinations of the
        columns so far with it that occur. A number is the code of the columns so far times
        the levels of the column, plus its code.
    crossed : pandas.Index or None
        Labels of several crossed columns.
    """

    columns: tuple[str, ...]
    labels: tuple[Labels, ...]
    pairs: tuple[IntArray, ...] = ()
    crossed: pd.Index[Any] | None = None

    @cached_property
    def parts(self) -> tuple[pd.Index[Any], ...]:
        """Levels of each column."""
        return tuple(pd.Index(labels) for labels in self.labels)

    @property
    def levels(self) -> pd.Index[Any]:
        """Labels, (m,); ``"a:b"`` for crossed columns, quoted where two would be the same."""
        return self.parts[0] if self.crossed is None else self.crossed

    @property
    def size(self) -> int:
        """Number m of levels."""
        return len(self.labels[0] if self.crossed is None else self.crossed)


def group_rows(names: tuple[str, ...], columns: Columns) -> tuple[IntArray, GroupKey]:
    """Codes, (n,), of the crossed columns, and the key that finds them again."""
    parts = [factorize(columns[name]) for name in names]
    codes, first = parts[0]
    if len(parts) == 1:
        return codes, GroupKey(names, (first,))
    pairs = []
    for added, labels in parts[1:]:
        # Codes stay below the number of rows, so that no product of many columns overflows.
        numbers = codes * len(labels) + added
        codes, present = _compress(numbers, int(numbers.max()) + 1)
        pairs.append(present)
    row_of = np.empty(len(pairs[-1]), dtype=np.intp)
    row_of[codes] = np.arange(len(codes))
    crossed = _crossed_labels([pd.Index(labels)[code[row_of]] for code, labels in parts])
    return codes, GroupKey(names, tuple(labels for _, labels in parts), tuple(pairs), crossed)


def look_up(key: GroupKey, columns: Columns) -> IntArray:
    """Codes, (n,), of new rows; -1 for a level that `key` does not have."""
    codes, *others = (
        _find(part, columns[name]) for part, name in zip(key.parts, key.columns, strict=True)
    )
    for added, present, part in zip(others, key.pairs, key.parts[1:], strict=True):
        known = (codes >= 0) & (added >= 0)
        number = np.where(known, codes * len(part) + added, -1)
        at = np.searchsorted(present, number).clip(max=len(present) - 1)
        codes = np.where(present[at] == number, at, -1)
    return codes


def _find(part: pd.Index[Any], column: Column) -> IntArray:
    """Place of each value among the levels of one column; -1 where it is none."""
    if isinstance(column, pd.Categorical):
        places = part.get_indexer(column.categories)
        return np.where(column.codes >= 0, places[column.codes], -1).astype(np.intp)
    return part.get_indexer(pd.Index(_values(column))).astype(np.intp, copy=False)


def kind_of(values: pd.Index[Any] | Column) -> str:
    """What labels are, in words: ``"numbers"``, ``"text"``, ``"dates"``, ..

    Examples
    --------
    >>> kind_of(np.array([1, 2])), kind_of(pd.Index(["1", "2"]))
    ('numbers', 'text')
    """
    if isinstance(values, pd.Categorical | pd.CategoricalIndex):
        values = values.categories
    kind = {"i": "numbers", "u": "numbers", "f": "numbers", "b": "truth values"}
    kind |= {"M": "dates", "m": "time differences", "c": "complex numbers"}
    if values.dtype.kind in kind:
        return kind[values.dtype.kind]
    found = pd.api.types.infer_dtype(values, skipna=True)
    return _KINDS.get(found, found)


def write_cast(kind: str, name: str, found: str = "") -> str:
    """What to write to have a column of that kind of labels, of the kind that was found."""
    how = {"numbers": "pd.to_numeric(data[{0}])", "text": "data[{0}].astype(str)"}
    how |= {"truth values": "data[{0}] == ..", "dates": "pd.to_datetime(data[{0}])"}
    if (kind, found) == ("numbers", "truth values"):
        how["numbers"] = "data[{0}].astype(int)"
    text = how.get(kind)
    return f"write {text.format(repr(name))}" if text else f"make {kind} of column {name!r}"


def factorize(column: Column) -> tuple[IntArray, Labels]:
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
        column = column.astype(np.float64, copy=False)
        whole = (
            column.astype(np.int64, copy=True) if np.abs(column).max(initial=0) < 2**53 else None
        )
        return whole if whole is not None and np.array_equal(whole, column) else column
    return column


def _factorize_integers(values: Any) -> tuple[IntArray, Labels]:
    low, high = int(values.min()), int(values.max())
    if high - low > _TABLE * len(values) + 1024:
        codes, levels = pd.factorize(values, sort=True)
        return codes.astype(np.intp, copy=False), pd.Index(levels)
    unsigned = values.dtype == np.uint64
    shifted = values - np.uint64(low) if unsigned else values.astype(np.intp, copy=False) - low
    codes, present = _compress(shifted.astype(np.intp, copy=False), high - low + 1)
    found = present.astype(np.uint64) + np.uint64(low) if unsigned else present + low
    return codes, found.astype(values.dtype, copy=False)


def _compress(numbers: IntArray, top: int) -> tuple[IntArray, IntArray]:
    """Ranks of non-negative integers below `top` among those that occur, and those that occur."""
    if top > _TABLE * len(numbers) + 1024:
        present, codes = np.unique(numbers, return_inverse=True)
        return codes.astype(np.intp, copy=False), present
    occurs = np.zeros(top, dtype=np.bool_)
    occurs[numbers] = True
    present = occurs.nonzero()[0]
    if len(present) == top:
        return numbers, present
    rank = np.cumsum(occurs, dtype=np.intp) - 1
    return rank[numbers], present


def _crossed_labels(parts: list[pd.Index[Any]]) -> pd.Index[Any]:
    """Labels of the parts joined by colons; with quotes where two would be the same."""
    pieces = [part.astype(str).to_numpy(dtype=object) for part in parts]
    labels = pd.Index([":".join(row) for row in zip(*pieces, strict=True)], dtype=object)
    if labels.is_unique:
        return labels
    quoted = [":".join(map(repr, row)) for row in zip(*pieces, strict=True)]
    return pd.Index(np.where(labels.duplicated(keep=False), quoted, labels), dtype=object)
