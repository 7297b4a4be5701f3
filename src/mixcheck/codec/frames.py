"""Data frames as arrays without code: what a file of numbers can hold, and gives back.

Numbers, truth values and times are arrays. Everything else is an array of codes beside the list of
its values, which JSON holds, and the name of its type.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mixcheck.arguments.options import shown
from mixcheck.errors import DataError

__all__ = ["frame_from_arrays", "frame_to_arrays"]

Arrays = dict[str, np.ndarray[Any, Any]]
_HELD = (str, bool, int, float)


def frame_to_arrays(frame: pd.DataFrame, name: str) -> tuple[dict[str, Any], Arrays]:
    """A frame as plain data, and arrays whose names begin with `name`.

    Raises
    ------
    DataError
        If a column or label is of a kind that no file holds, such as a list.

    Examples
    --------
    >>> frame = pd.DataFrame({"x": [1.5, 2.5], "g": ["a", "b"]}, index=[10, 20])
    >>> content, arrays = frame_to_arrays(frame, "data")
    >>> frame_from_arrays(content, arrays, "data").equals(frame)
    True
    """
    arrays: Arrays = {}
    columns = []
    for k, (label, column) in enumerate(frame.items()):
        told = _store(column, f"{name}.{k}", arrays, f"column {shown(label)}")
        columns.append({"label": _label(label)} | told)
    return {"columns": columns, "index": _store_index(frame.index, f"{name}.index", arrays)}, arrays


def frame_from_arrays(
    content: Mapping[str, Any], arrays: Mapping[str, np.ndarray[Any, Any]], name: str
) -> pd.DataFrame:
    """The frame that `frame_to_arrays` has written."""
    index = _read_index(content["index"], f"{name}.index", arrays)
    columns = [
        _read(told, f"{name}.{k}", arrays).set_axis(index)
        for k, told in enumerate(content["columns"])
    ]
    labels = [told["label"] for told in content["columns"]]
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=index)
    return frame.set_axis(labels, axis=1)


def _label(label: Hashable) -> str | int | float | bool:
    if isinstance(label, np.generic):
        label = label.item()
    if not isinstance(label, _HELD):
        raise DataError(
            f"a column is called {shown(label)}, and a file holds names that are text or numbers; "
            "rename it"
        )
    return label


def _store(column: pd.Series[Any], key: str, arrays: Arrays, what: str) -> dict[str, Any]:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        arrays[f"{key}.codes"] = np.asarray(column.cat.codes)
        levels = _store(pd.Series(dtype.categories), f"{key}.levels", arrays, what)
        return {"kind": "levels", "levels": levels, "ordered": bool(dtype.ordered)}
    if isinstance(dtype, pd.DatetimeTZDtype):
        arrays[key] = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        return {"kind": "zoned", "zone": str(dtype.tz)}
    if isinstance(dtype, np.dtype) and dtype.kind in "biufcmM":
        arrays[key] = column.to_numpy()
        return {"kind": "array"}
    try:
        codes, values = pd.factorize(column)
    except TypeError:
        raise _not_held(what, column.dropna().iloc[0]) from None
    found = [value.item() if isinstance(value, np.generic) else value for value in values.tolist()]
    broken = next((value for value in found if not isinstance(value, _HELD)), None)
    if broken is not None:
        raise _not_held(what, broken)
    arrays[f"{key}.codes"] = codes.astype(np.int64)
    return {"kind": "values", "values": found, "dtype": str(dtype)}


def _not_held(what: str, value: object) -> DataError:
    return DataError(
        f"{what} has values such as {shown(value)}, which no file holds; leave the column out of "
        "the data, or make it text"
    )


def _read(
    told: Mapping[str, Any], key: str, arrays: Mapping[str, np.ndarray[Any, Any]]
) -> pd.Series[Any]:
    if told["kind"] == "array":
        return pd.Series(arrays[key])
    if told["kind"] == "zoned":
        zoned: pd.Series[Any] = pd.Series(arrays[key]).dt.tz_localize("UTC")
        moved: pd.Series[Any] = zoned.dt.tz_convert(told["zone"])
        return moved
    codes = arrays[f"{key}.codes"]
    if told["kind"] == "levels":
        levels = pd.Index(_read(told["levels"], f"{key}.levels", arrays))
        kind = pd.CategoricalDtype(levels, ordered=told["ordered"])
        factor: pd.Series[Any] = pd.Series(pd.Categorical.from_codes(codes.tolist(), dtype=kind))
        return factor
    values = [*told["values"], None]
    column: pd.Series[Any] = pd.Series([values[k] for k in codes.tolist()], dtype=told["dtype"])
    return column


def _store_index(index: pd.Index[Any], key: str, arrays: Arrays) -> dict[str, Any]:
    names = [None if name is None else _label(name) for name in index.names]
    if isinstance(index, pd.RangeIndex):
        return {"range": [index.start, index.stop, index.step], "names": names}
    levels = [
        _store(pd.Series(index.get_level_values(k)), f"{key}.{k}", arrays, "the index")
        for k in range(index.nlevels)
    ]
    return {"levels": levels, "names": names}


def _read_index(
    told: Mapping[str, Any], key: str, arrays: Mapping[str, np.ndarray[Any, Any]]
) -> pd.Index[Any]:
    names = told["names"]
    if "range" in told:
        start, stop, step = told["range"]
        return pd.RangeIndex(start, stop, step, name=names[0])
    levels = [_read(level, f"{key}.{k}", arrays) for k, level in enumerate(told["levels"])]
    if len(levels) == 1:
        labels: pd.Index[Any] = pd.Index(levels[0], name=names[0])
        return labels
    index: pd.Index[Any] = pd.MultiIndex.from_arrays(levels, names=names)
    return index
