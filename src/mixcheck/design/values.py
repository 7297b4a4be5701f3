"""Values of expressions: what a column, a constant or a function can be in a formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.design.columns import Column
from mixcheck.design.written_numbers import how_to_make_numbers
from mixcheck.errors import DataError

__all__ = [
    "Coded",
    "Matrix",
    "Value",
    "as_flag",
    "as_levels",
    "as_logical",
    "as_number",
    "as_numbers",
    "as_scalar",
    "categorical",
    "constants",
    "kind_of",
    "level_index",
    "require_defined",
    "text_levels",
    "value_of",
]


@dataclass(frozen=True, eq=False)
class Matrix:
    """Several columns of numbers, such as those of a spline."""

    numbers: FloatArray
    labels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Coded:
    """Categories with contrasts of their own."""

    categories: pd.Categorical[Any]
    contrasts: Any


Value: TypeAlias = (
    "np.ndarray[Any, Any] | pd.Categorical[Any] | pd.Series[Any] | Matrix | Coded | float | bool"
    " | str | tuple[Any, ...] | None"
)

_WHOLE: Final = 2.0**53


def value_of(column: Column, name: str) -> Value:
    """Column as a value of arithmetic: float64, truth values, or levels.

    Raises
    ------
    DataError
        For complex numbers, which no model can use.
    """
    if isinstance(column, pd.Categorical):
        return column
    if isinstance(column, pd.Series):
        if column.dtype.kind == "c":
            raise DataError(
                f"Column `{name}` holds complex numbers, which no model can use; take their .real, "
                ".imag or abs() in the data."
            )
        return column.reset_index(drop=True)
    return column if column.dtype.kind == "b" else column.astype(np.float64, copy=False)


def as_numbers(values: Column, name: str) -> FloatArray:
    """Column as float64.

    Raises
    ------
    DataError
        If it does not hold numbers.
    """
    if isinstance(values, np.ndarray):
        return values.astype(np.float64, copy=False)
    value_of(values, name)
    kind, how = "text or categories", "; make numbers of it"
    if isinstance(values, pd.Categorical):
        how = f". {how_to_make_numbers(name, map(str, values.categories))}".removesuffix(".")
    else:
        kind = {"M": "dates", "m": "time differences"}.get(values.dtype.kind, str(values.dtype))
    raise DataError(f"Column `{name}` must be numbers, but holds {kind}{how}.")


def kind_of(value: Value) -> str:
    """What a value is, in words."""
    if isinstance(value, pd.Categorical | Coded):
        return "text or categories"
    if isinstance(value, pd.Series):
        return "dates" if value.dtype.kind == "M" else str(value.dtype)
    if isinstance(value, Matrix):
        return f"{value.numbers.shape[1]} columns"
    if isinstance(value, np.ndarray):
        return "a column"
    if isinstance(value, bool | int | float):
        return "a number"
    return {str: "a text", tuple: "a list", type(None): "nothing"}.get(type(value), "no number")


def as_number(value: Value, text: str) -> Any:
    """Value as float64, (n,) or one number; truth values are 0 and 1.

    Raises
    ------
    DataError
        If it is text, a date or several columns.
    """
    if isinstance(value, np.ndarray):
        return value.astype(np.float64, copy=False)
    if isinstance(value, bool | int | float):
        return float(value)
    hint = {
        "dates": f"; make numbers of it with days({text})",
        "text or categories": "; compare it with a level, as in `f == 'a'`, or use pd.to_numeric "
        "on the column",
    }.get(kind_of(value), "")
    raise DataError(
        f"The formula cannot be evaluated on these data: `{text}` must be numbers here, and is "
        f"{kind_of(value)}{hint}."
    )


def require_defined(numbers: Any, text: str) -> Any:
    """Numbers that something can be asked of: none of them is NaN.

    Raises
    ------
    DataError
        With how many are, and where the answer of R would be missing.
    """
    undefined = int(np.count_nonzero(np.isnan(numbers)))
    if undefined:
        raise DataError(
            f"`{text}` is not a number in {undefined} row(s), so that a condition on it is neither "
            "true nor false there; correct these rows, or leave them out of the data."
        )
    return numbers


def as_logical(value: Value, text: str) -> Any:
    """Value as truth values; a number is true unless it is zero, as in R."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "b":
        return value
    if isinstance(value, bool):
        return value
    return require_defined(as_number(value, text), text) != 0.0


def as_levels(value: Value, text: str, n: int) -> pd.Categorical[Any]:
    """Value as categories, sorted where they have no order.

    Raises
    ------
    DataError
        If it is several columns, or one value.
    """
    if isinstance(value, Coded):
        return value.categories
    if isinstance(value, pd.Categorical):
        return value
    if isinstance(value, np.ndarray) and value.shape == (n,):
        if value.dtype.kind == "b":
            return categorical(value.astype(np.int8), [False, True])
        codes, levels = pd.factorize(value, sort=True)
        if codes.min(initial=0) < 0:
            raise DataError(
                f"`{text}` is not a number in {int((codes < 0).sum())} row(s), and has no level "
                "there; correct these rows."
            )
        return categorical(codes, level_index(levels))
    if isinstance(value, pd.Series):
        return pd.Categorical(value)
    raise DataError(f"`{text}` must be a column to be a factor, and is {kind_of(value)}.")


def categorical(codes: Any, levels: Any) -> pd.Categorical[Any]:
    """Categories by their codes; every code must be that of a level."""
    made: pd.Categorical[Any] = pd.Categorical.from_codes(codes, categories=pd.Index(levels))
    return made


def text_levels(values: Any) -> pd.Categorical[Any]:
    """An array of texts as categories in increasing order."""
    codes, levels = pd.factorize(values, sort=True)
    return categorical(codes, pd.Index(levels, dtype=object))


def level_index(values: Any) -> pd.Index[Any]:
    """Levels of numbers; whole ones are shown without a point, whatever their storage."""
    numbers = np.asarray(values, dtype=np.float64)
    whole = np.isfinite(numbers).all() and np.abs(numbers).max(initial=0) < _WHOLE
    if whole and (numbers == np.floor(numbers)).all():
        return pd.Index(numbers.astype(np.int64))
    return pd.Index(numbers)


def constants(value: Value, text: str) -> list[Any]:
    """A list of numbers, truth values and texts, one constant being a list of one.

    Raises
    ------
    DataError
        If it holds a column, or anything else.
    """
    items: Sequence[Any] = value if isinstance(value, tuple) else (value,)
    if not items or not all(isinstance(item, str | float | int) for item in items):
        raise DataError(f"`{text}` needs a list of constants there, such as c(1, 2).")
    return list(items)


def as_scalar(value: Value, text: str, what: str) -> float:
    """Value as one number.

    Raises
    ------
    DataError
        If it is a column, or no number.
    """
    if isinstance(value, bool | int | float):
        return float(value)
    raise DataError(f"`{text}` needs one number for {what}, and has {kind_of(value)}.")


def as_flag(value: Value, text: str, what: str) -> bool:
    """Value as true or false.

    Raises
    ------
    DataError
        If it is anything else.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    raise DataError(f"`{text}` needs TRUE or FALSE for {what}, and has {kind_of(value)}.")
