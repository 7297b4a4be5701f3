"""The door: tables of any kind to pandas, columns to arrays that a model can use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.errors import DataError, UnknownColumnError

__all__ = [
    "Column",
    "Columns",
    "RowVector",
    "as_frame",
    "check_finite",
    "missing_rows",
    "pick_column",
    "read_column",
    "read_vector",
    "require_columns",
    "row_label",
]

Column: TypeAlias = "np.ndarray[Any, Any] | pd.Categorical | pd.Series[Any]"
Columns: TypeAlias = Mapping[str, Column]

RowVector: TypeAlias = "str | ArrayLike | None"

_NUMBERS: Final = frozenset({"integer", "floating", "mixed-integer-float", "decimal", "boolean"})
_TEXT: Final = frozenset({"string", "empty"})


def as_frame(data: object) -> pd.DataFrame:
    """Table of any kind as a pandas frame; a pandas frame comes back itself.

    Parameters
    ----------
    data : pandas, polars, pyarrow or duckdb table, narwhals frame, or mapping of columns
        Lazy tables are collected. A polars Categorical has no order of its own and becomes
        text; an Enum keeps its order.

    Raises
    ------
    DataError
        If the object is no table.
    """
    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, Mapping):
        return _frame_of_mapping(data)
    import narwhals as nw

    try:
        table = nw.from_native(data)  # type: ignore[call-overload]
    except TypeError as error:
        raise DataError(
            f"data is a {type(data).__name__}; give a pandas, polars, pyarrow or duckdb table, "
            "or a dict of columns."
        ) from error
    if isinstance(table, nw.LazyFrame):
        table = table.collect()
    if table.implementation.is_polars():
        # The order of a polars Categorical depends on what else the process has read.
        table = table.with_columns(nw.selectors.by_dtype(nw.Categorical).cast(nw.String))
    try:
        return table.to_pandas()  # type: ignore[no-any-return]
    except ModuleNotFoundError:
        return pd.DataFrame({name: table[name].to_numpy() for name in table.columns})


def _frame_of_mapping(data: Mapping[str, object]) -> pd.DataFrame:
    try:
        return pd.DataFrame(dict(data))
    except ValueError as error:
        raise DataError(f"The columns of data do not make a table: {error}.") from error


def require_columns(frame: pd.DataFrame, names: Iterable[str], known: Iterable[str]) -> None:
    """Fail if a name is neither a column nor among the `known` functions.

    Raises
    ------
    UnknownColumnError
        With near names.
    """
    available = set(frame.columns)
    missing = [name for name in names if name not in available]
    known = set(known)
    for name in missing:
        if name not in known:
            raise UnknownColumnError(_unknown(name, [str(c) for c in frame.columns], known))


def _unknown(name: str, columns: list[str], known: set[str]) -> str:
    folded = {column.casefold(): column for column in columns}
    near = get_close_matches(name, columns, n=3) or [
        folded[key] for key in get_close_matches(name.casefold(), folded, n=3)
    ]
    near += get_close_matches(name, known, n=1, cutoff=0.8 if near else 0.6)
    if near:
        hint = f"Did you mean {' or '.join(f'`{n}`' for n in near)}?"
    else:
        hint = f"The columns are {', '.join(columns[:20])}{', ..' if len(columns) > 20 else ''}."
    return f"`{name}` is no column of the data, nor a known function. {hint}"


def pick_column(frame: pd.DataFrame, name: str) -> pd.Series[Any]:
    """Column by name.

    Raises
    ------
    DataError
        If two columns have that name.
    """
    column = frame[name]
    if isinstance(column, pd.DataFrame):
        raise DataError(
            f"{column.shape[1]} columns of the data are called `{name}`; rename all but one."
        )
    return column


def missing_rows(series: pd.Series[Any]) -> BoolArray | None:
    """Where a column is missing, (n,); None where it cannot be or is nowhere."""
    kind = series.dtype.kind
    if kind in "iub" and isinstance(series.dtype, np.dtype):
        return None
    missing: BoolArray = np.asarray(series.isna(), dtype=np.bool_)
    return missing if missing.any() else None


def read_column(series: pd.Series[Any], rows: IntArray | None) -> Column:
    """Column at the given rows, none of them missing, in a form a model can use.

    Numbers of every storage (nullable, Arrow, object) come back as a NumPy array, text and
    categories as a Categorical without unused levels, dates and the rest as they are.

    Raises
    ------
    DataError
        If an object column mixes numbers and text, or holds anything else.
    """
    if rows is not None:
        series = series.iloc[rows]
    dtype = series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iufb":
        return series.to_numpy()
    if isinstance(dtype, pd.CategoricalDtype):
        return pd.Categorical(series).remove_unused_categories()
    if dtype.kind in "iufb":
        return series.to_numpy(dtype={"b": np.bool_, "f": np.float64}.get(dtype.kind, np.int64))
    if dtype.kind in "mMc":
        return series
    return _read_objects(series)


def _read_objects(series: pd.Series[Any]) -> Column:
    """Column of text, or of Python objects that are all text or all numbers."""
    kind = "string" if _is_text(series.dtype) else pd.api.types.infer_dtype(series, skipna=True)
    if kind in _TEXT:
        return _categorical_text(series)
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


def _categorical_text(series: pd.Series[Any]) -> pd.Categorical:
    codes, labels = pd.factorize(series.to_numpy(dtype=object), sort=True)
    return pd.Categorical.from_codes(codes, categories=pd.Index(labels, dtype=object))


def row_label(frame: pd.DataFrame, position: int) -> str:
    """Sentence part that names a row: its index label, and its position where they differ."""
    label = frame.index[position]
    shown = repr(label) if isinstance(label, str) else str(label)
    return (
        f"row {shown}"
        if label is position or shown == str(position)
        else (f"row {shown} (position {position})")
    )


def check_finite(values: FloatArray, names: tuple[str, ...], frame: pd.DataFrame) -> None:
    """Fail if an array, (n,) or (n, p), has a value that is not finite.

    Raises
    ------
    DataError
        Naming the first column and row, and how many there are.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):
            return
    bad = ~np.isfinite(values.reshape(len(values), -1))
    if not bad.any():
        return
    j = int(np.flatnonzero(bad.any(axis=0))[0])
    i = int(np.flatnonzero(bad[:, j])[0])
    value = values.reshape(len(values), -1)[i, j]
    raise DataError(
        f"`{names[j]}` is {value} in {row_label(frame, i)}, and not finite in "
        f"{int(bad[:, j].sum())} row(s). Correct these rows, or write a transformation that is "
        "defined there, such as log1p for log."
    )


def read_vector(given: RowVector, frame: pd.DataFrame, name: str) -> FloatArray | None:
    """Weights or offset, (rows of data,), by column name or in the order of the rows.

    Missing values come back as NaN.

    Raises
    ------
    UnknownColumnError, DataError
        If there is no such column, or the values are not numbers, one a row.
    """
    if given is None:
        return None
    if isinstance(given, str):
        require_columns(frame, [given], ())
        given = pick_column(frame, given)
    raw = np.asarray(given)
    if raw.shape != (len(frame),):
        raise DataError(
            f"{name} has shape {raw.shape}, the data have {len(frame)} rows; give one value a "
            "row, or the name of a column."
        )
    try:
        numbers = raw if raw.dtype.kind in "iufb" else pd.to_numeric(pd.Series(raw))
        return np.array(numbers, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must be numbers: {error}.") from error
