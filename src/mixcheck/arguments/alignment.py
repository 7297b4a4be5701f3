"""Vectors given beside the data: matched with rows by their labels, and read as numbers.

A Series says by its index which row each value belongs to, and an array says it by its order.
Whoever takes one vector takes both, so both are read here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixcheck.arguments.options import shown
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import DataError

__all__ = ["align_rows", "is_labelled", "label_places", "read_array", "read_numbers"]


def is_labelled(given: object) -> bool:
    """Whether a value says by its index which rows it is about."""
    return isinstance(given, pd.Series | pd.DataFrame)


def align_rows(given: Any, index: pd.Index[Any], name: str, rows: str = "the data") -> Any:
    """A Series or frame in the order of an index; anything else as it is.

    Parameters
    ----------
    given : Series, DataFrame or array_like
    index : Index
        Labels of the rows.
    name : str
        How the caller wrote the argument.
    rows : str
        Whose rows they are, in words.

    Raises
    ------
    DataError
        If its labels are not those of the rows, or are not unique and in another order.

    Examples
    --------
    >>> weights = pd.Series([1.0, 2.0], index=["b", "a"])
    >>> align_rows(weights, pd.Index(["a", "b"]), "weights").tolist()
    [2.0, 1.0]
    """
    if not is_labelled(given) or given.index.equals(index):
        return given
    if len(given) == len(index) and given.index.is_unique and index.is_unique:
        places = label_places(given.index, index)
        if (places >= 0).all():
            return given.iloc[places]
    raise DataError(
        f"{name} has an index that is not that of {rows} ({_difference(given.index, index)}), so "
        f"its values cannot be matched with rows; give it the index of {rows}, or write "
        f"{name}.to_numpy() to take them in the order of the rows."
    )


def label_places(labels: pd.Index[Any], wanted: pd.Index[Any]) -> IntArray:
    """Position among unique labels of each wanted one, -1 where it is not among them.

    Examples
    --------
    >>> label_places(pd.Index(["a", "b"]), pd.Index(["b", "c"])).tolist()
    [1, -1]
    """
    if labels.nlevels != wanted.nlevels:
        return np.full(len(wanted), -1, dtype=np.intp)
    return labels.get_indexer(wanted).astype(np.intp, copy=False)


def _difference(given: pd.Index[Any], index: pd.Index[Any]) -> str:
    if len(given) != len(index):
        return f"{len(given)} labels for {len(index)} rows"
    known = set(given)
    strange = next((label for label in index if label not in known), None)
    if strange is not None:
        return f"no label {shown(strange)}, for instance"
    return "labels that occur more than once, in another order"


def read_array(given: Any, name: str) -> NDArray[Any]:
    """Anything array-like as an array.

    Raises
    ------
    DataError
        If its parts have different lengths, or it has no order.
    """
    if isinstance(given, set | frozenset | dict):
        raise DataError(f"{name} is a {type(given).__name__}, which has no order; give an array.")
    try:
        return np.asanyarray(given)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{name} does not make an array, because its parts have different lengths or kinds; "
            "give one value a row."
        ) from error


def read_numbers(given: Any, name: str) -> FloatArray:
    """Real numbers of any storage as floats, masked and missing ones as NaN.

    Raises
    ------
    DataError
        For complex numbers, dates, words and ragged lists.

    Examples
    --------
    >>> read_numbers(np.ma.masked_equal([1, 2], 2), "weights")
    array([ 1., nan])
    """
    raw = read_array(given, name)
    if raw.dtype.kind in "cmM":
        kind = {"c": "complex numbers", "m": "time differences", "M": "dates"}[raw.dtype.kind]
        raise DataError(f"{name} holds {kind}; give real numbers.")
    if isinstance(raw, np.ma.MaskedArray):
        raw = np.asarray(np.ma.filled(raw.astype(np.float64), np.nan))
    if raw.dtype.kind in "iufb":
        return np.array(raw, dtype=np.float64)
    try:
        return np.array(raw, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        pass  # pandas also knows its own missing value
    try:
        return _parse(pd.Series(raw.ravel()), name).reshape(raw.shape)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{name} must be numbers, found {_kind(raw)}; use pd.to_numeric."
        ) from error


def _parse(values: pd.Series[Any], name: str) -> FloatArray:
    """Objects and text as numbers."""
    numbers = pd.to_numeric(values)
    if numbers.dtype.kind not in "iufb":
        raise DataError(f"{name} must be real numbers, found {numbers.dtype}.")
    return np.array(numbers, dtype=np.float64)


def _kind(raw: NDArray[Any]) -> str:
    for value in raw.ravel()[:1000]:
        if not isinstance(value, int | float | np.number):
            return shown(value)
    return str(raw.dtype)
