"""Columns of tables of any kind: picked by name, and read to arrays that a model can use."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, TypeAlias, TypeGuard, cast

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from mixcheck.arguments.options import shown
from mixcheck.arrays import BoolArray, IntArray
from mixcheck.errors import DataError

__all__ = [
    "Column",
    "Columns",
    "Picked",
    "Table",
    "contents_of",
    "missing_rows",
    "numbers_of",
    "pick_column",
    "pick_numbers",
    "read_column",
    "require_unicode",
]

Column: TypeAlias = "np.ndarray[Any, Any] | pd.Categorical | pd.Series[Any]"
Columns: TypeAlias = Mapping[str, Column]
Picked: TypeAlias = "pd.Series[Any] | np.ndarray[Any, Any] | pd.Categorical[Any] | Texts"
Table: TypeAlias = "Mapping[Any, Any] | pd.DataFrame"
_NUMBERS: Final = frozenset({"integer", "floating", "mixed-integer-float", "decimal", "boolean"})
_STORAGE: Final[dict[str, type[np.generic]]] = {
    "b": np.bool_,
    "f": np.float64,
    "i": np.int64,
    "u": np.uint64,
}
# Up to so many texts are looked up one by one, and up to so many levels known by their labels.
_FEW_TEXTS: Final = 3000
_FEW_LEVELS: Final = 100
_TEXT: Final = frozenset({"string", "empty"})


def pick_column(frame: Table, name: str) -> pd.Series[Any]:
    """Column by name, of a frame or of `columns_by_name`.

    Raises
    ------
    DataError
        If two columns have that name.
    """
    column: Any = frame[name]
    if isinstance(column, pd.DataFrame):
        raise DataError(
            f"{column.shape[1]} columns of the data are called `{name}`; rename all but one."
        )
    if isinstance(column, pd.Series):
        return column
    made: pd.Series[Any] = pd.Series(column, name=name, dtype=column.dtype, copy=False)
    return made


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of text, read once for all that is asked of it.

    Attributes
    ----------
    array : (n,) ExtensionArray or object
        Of a string dtype, or of strings alone.
    """

    array: ExtensionArray | np.ndarray[Any, Any]

    @property
    def dtype(self) -> object:
        """Of the array."""
        return self.array.dtype

    @cached_property
    def strings(self) -> tuple[str, ...]:
        """Its rows, (n,); what is missing is not a string."""
        return tuple(np.asarray(self.array, dtype=object).tolist())


def pick_numbers(table: Table, name: str) -> Picked:
    """The same; plain numbers, truth values, categories and text without what pandas adds."""
    column = table[name]
    if _is_plain(column) or isinstance(column, pd.Categorical):
        return column
    if isinstance(column, ExtensionArray) and isinstance(column.dtype, pd.StringDtype):
        return Texts(column)
    if isinstance(column, np.ndarray) and column.dtype == np.object_ and len(column) <= _FEW_TEXTS:
        found = Texts(column)
        if set(map(type, found.strings)) == {str}:
            return found
    return numbers_of(pick_column(table, name))


def _is_plain(column: object) -> TypeGuard[np.ndarray[Any, Any]]:
    return isinstance(column, np.ndarray) and column.dtype.kind in "iufb"


def numbers_of(series: pd.Series[Any]) -> pd.Series[Any] | np.ndarray[Any, Any]:
    """The array of a column of plain numbers or truth values; any other column as it is."""
    dtype = series.dtype
    plain = isinstance(dtype, np.dtype) and dtype.kind in "iufb"
    return series.to_numpy() if plain else series


def missing_rows(column: Picked) -> BoolArray | None:
    """Where a column is missing, (n,); None where it cannot be or is nowhere."""
    column = numbers_of(column) if isinstance(column, pd.Series) else column
    if isinstance(column, np.ndarray):
        if column.dtype.kind != "f":
            return None
        # The square of NaN alone is none, and a sum of squares is NaN for nothing else.
        with np.errstate(over="ignore"):
            square = np.dot(column, column)
        if not math.isnan(square):
            return None
        missing: BoolArray = np.isnan(column)
    else:
        array = column if isinstance(column, pd.Categorical) else column.array
        if isinstance(array, np.ndarray):
            return None
        if isinstance(array, pd.Categorical):
            missing = np.asarray(array.codes < 0)
        else:
            missing = np.asarray(array.isna(), dtype=np.bool_)
    return missing if missing.any() else None


def contents_of(column: Picked) -> Hashable | None:
    """All that a column holds, to be compared; None where that has no fixed form.

    It is the bytes of numbers, texts, and the codes of categories with their labels. Other objects
    may change, or be equal without being the same, as 1 and True are.
    """
    if isinstance(column, pd.Series) and isinstance(column.dtype, pd.CategoricalDtype):
        column = cast("pd.Categorical[Any]", column.array)
    if not isinstance(column, pd.Categorical):
        return _values_of(column)
    labels, codes = _values_of(column.categories), column.codes
    return None if labels is None else (column.ordered, labels, codes.dtype.str, codes.tobytes())


def _values_of(
    column: pd.Series[Any] | np.ndarray[Any, Any] | Texts | pd.Index[Any],
) -> Hashable | None:
    if isinstance(column, np.ndarray):
        return column.dtype.str, column.tobytes()
    if isinstance(column, Texts):
        return column.strings
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iufb":
        return dtype.str, column.to_numpy().tobytes()
    if dtype == np.object_ or isinstance(dtype, pd.StringDtype):
        texts = tuple(column.to_numpy(dtype=object).tolist())
        return texts if set(map(type, texts)) <= {str} else None
    return None


def read_column(column: Picked, rows: IntArray | None, name: object = None) -> Column:
    """Column at the given rows, none of them missing, in a form a model can use.

    Numbers of every storage (nullable, Arrow, object) come back as a NumPy array, text and
    categories as a Categorical without unused levels, dates and the rest as they are. An array of
    text is called by `name` in a message.

    Raises
    ------
    DataError
        If an object column mixes numbers and text, or holds anything else.
    """
    column = numbers_of(column) if isinstance(column, pd.Series) else column
    if isinstance(column, np.ndarray):
        return column if rows is None else column[rows]
    if isinstance(column, Texts):
        return _categorical_text(column if rows is None else Texts(column.array[rows]), name)
    if isinstance(column, pd.Categorical):
        return _used_categories(column if rows is None else column[rows], name)
    series = column if rows is None else column.iloc[rows]
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _used_categories(cast("pd.Categorical[Any]", series.array), series.name)
    if dtype.kind in "iufb":
        return series.to_numpy(dtype=_STORAGE[dtype.kind])
    if dtype.kind == "c":
        raise DataError(
            f"Column `{series.name}` holds complex numbers; give real numbers, such as their "
            "real part or their modulus."
        )
    if dtype.kind in "mM":
        return series
    return _read_objects(series)


def _used_categories(column: pd.Categorical[Any], name: object) -> pd.Categorical[Any]:
    counts = np.bincount(column.codes + 1, minlength=len(column.categories) + 1)
    if not counts[1:].all():
        column = column.remove_unused_categories()
    require_unicode(name, column.categories.tolist())
    return column


def _read_objects(series: pd.Series[Any]) -> Column:
    """Column of text, or of Python objects that are all text or all numbers."""
    kind = "string" if _is_text(series.dtype) else pd.api.types.infer_dtype(series, skipna=True)
    if kind in _TEXT:
        return _categorical_text(Texts(series.array), series.name)
    if kind in _NUMBERS:
        return series.to_numpy(dtype=np.bool_ if kind == "boolean" else np.float64)
    if kind in ("datetime", "date", "datetime64", "timedelta", "timedelta64"):
        return pd.Series(pd.to_datetime(series) if kind.startswith("date") else series)
    raise DataError(
        f"Column `{series.name}` holds Python objects of several kinds ({kind}); "
        "make it numbers with pd.to_numeric or text with .astype(str)."
    )


def _is_text(dtype: object) -> bool:
    return isinstance(dtype, pd.StringDtype) or str(dtype) in ("string", "large_string[pyarrow]")


def _categorical_text(column: Texts, name: object) -> pd.Categorical:
    codes, labels = _sort_texts(column)
    require_unicode(name, labels)
    few = len(labels) <= _FEW_LEVELS
    levels = _known_levels(tuple(labels)) if few else dtype_of_levels(labels)
    return pd.Categorical.from_codes(codes, dtype=levels, validate=False)


def _sort_texts(column: Texts) -> tuple[IntArray, list[str]]:
    """Codes, (n,), and the texts that occur, sorted."""
    if len(column.array) <= _FEW_TEXTS:
        texts = column.strings
        labels = sorted(set(texts))
        places = {label: place for place, label in enumerate(labels)}
        return np.fromiter(map(places.__getitem__, texts), np.intp, len(texts)), labels
    codes, found = pd.factorize(pd.Series(column.array))
    texts = np.asarray(found, dtype=object).tolist()
    order = sorted(range(len(texts)), key=texts.__getitem__)
    ranks = np.empty(len(texts), dtype=np.intp)
    ranks[order] = np.arange(len(texts))
    return ranks[codes], [texts[place] for place in order]


def dtype_of_levels(labels: Sequence[str]) -> pd.CategoricalDtype:
    return pd.CategoricalDtype(pd.Index(labels, dtype=object))


# Levels do not change, and columns of the same ones share them.
_known_levels = lru_cache(maxsize=256)(dtype_of_levels)


def require_unicode(name: object, labels: Iterable[object]) -> None:
    """Refuse text that was decoded wrongly: no table, page or file could hold its levels."""
    texts = [label for label in labels if isinstance(label, str)]
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        found = error.object[error.start : error.start + 1]
        called = str(name).encode(errors="backslashreplace").decode()
        raise DataError(
            f"Column `{called}` holds {shown(found)}, which is no character: the text was decoded "
            "wrongly. Read the file again with the encoding that it was written in."
        ) from None
