"""The response: one column, a quotient, or successes in trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.design.columns import Column, Columns
from mixcheck.design.formula import unquote_name
from mixcheck.design.frames import check_finite, row_label
from mixcheck.design.model_formula import ResponseFormula
from mixcheck.design.values import as_numbers
from mixcheck.design.written_numbers import how_to_make_numbers
from mixcheck.errors import DataError, FormulaError, UnknownColumnError

__all__ = ["Response", "make_response", "ordered_response", "two_level_response"]


@dataclass(frozen=True, eq=False)
class Response:
    """Response of the rows used.

    Attributes
    ----------
    outcome : (n,)
        Response; successes where `size` is given.
    size : (n,) or None
        Trials.
    notes : tuple of str
        How text was read.
    labels : tuple of str
        Of ordered categories, which are numbered from 1.
    """

    outcome: FloatArray
    size: FloatArray | None = None
    notes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


def make_response(
    formula: ResponseFormula,
    parts: Mapping[str, FloatArray],
    columns: Columns,
    frame: pd.DataFrame,
    *,
    ratio_is_trials: bool,
    categories: bool = False,
) -> Response:
    """Response of the left side; `categories` says whether the family is one of these.

    Raises
    ------
    DataError
        If it is not finite, not numbers, or trials are not positive.
    FormulaError
        If ``cbind`` is written for a family without trials.
    """
    if categories:
        column = columns.get(unquote_name(formula.parts[0]) or formula.parts[0])
        if isinstance(column, pd.Categorical) and formula.kind == "single":
            return ordered_response(column, formula.parts[0])
    if formula.kind == "single":
        return _single(formula.parts[0], parts, columns, frame, binary=ratio_is_trials)
    first, second = (
        _numbers(i, text, parts, columns, frame) for i, text in enumerate(formula.parts)
    )
    if formula.kind == "cbind":
        if not ratio_is_trials:
            raise FormulaError(
                "`cbind(successes, failures)` is a binomial response; this family has one column: "
                f"write `{formula.parts[0]} ~ ...`."
            )
        return _trials(first, first + second, f"{formula.parts[0]} + {formula.parts[1]}", frame)
    if ratio_is_trials:
        return _trials(first, second, formula.parts[1], frame)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = first / second
    check_finite(values, (" / ".join(formula.parts),), frame)
    return Response(values)


def two_level_response(values: pd.Categorical, name: str) -> Response:
    """Categories as 0 and 1, the second level being the success.

    Raises
    ------
    DataError
        If there are not two levels.
    """
    levels = list(values.categories)
    if len(levels) != 2:
        shown = ", ".join(repr(level) for level in levels[:5])
        raise DataError(f"A binary response has two levels; `{name}` has {len(levels)}: {shown}.")
    note = f"Response `{name}`: {levels[1]!r} is a success, {levels[0]!r} a failure."
    return Response(values.codes.astype(np.float64), None, (note,))


def ordered_response(values: pd.Categorical, name: str) -> Response:
    """Ordered categories as their numbers from 1.

    Raises
    ------
    DataError
        If they have no order.
    """
    labels = tuple(str(level) for level in values.categories)
    if not values.ordered and len(labels) > 2:
        raise DataError(
            f"The categories of the response `{name}` have no order; write "
            f"pd.Categorical(data[{name!r}], categories=[..], ordered=True) with the lowest first, "
            "or whole numbers."
        )
    shown = " < ".join(labels)
    note = f"Response `{name}`: {shown}."
    return Response(values.codes.astype(np.float64) + 1.0, None, (note,), labels)


def _single(
    text: str,
    parts: Mapping[str, FloatArray],
    columns: Columns,
    frame: pd.DataFrame,
    *,
    binary: bool,
) -> Response:
    column = None if "response 0" in parts else _column(columns, text)
    if isinstance(column, pd.Categorical):
        if binary:
            return two_level_response(column, text)
        levels = [str(level) for level in column.categories]
        raise DataError(
            f"The response `{text}` is text or categories; this family needs numbers. "
            f"{how_to_make_numbers(text, levels)}"
        )
    return Response(_numbers(0, text, parts, columns, frame))


def _numbers(
    index: int,
    text: str,
    parts: Mapping[str, FloatArray],
    columns: Columns,
    frame: pd.DataFrame,
) -> FloatArray:
    matrix = parts.get(f"response {index}")
    if matrix is None:
        values = np.array(as_numbers(_column(columns, text), text))
    elif matrix.shape[1] != 1:
        raise DataError(f"The response `{text}` must be one column of numbers.")
    else:
        values = np.ascontiguousarray(matrix[:, 0])
    check_finite(values, (text,), frame)
    return values


def _column(columns: Columns, text: str) -> Column:
    """Column by its name as written; a constant, such as pi, is none."""
    name = unquote_name(text) or text
    if name not in columns:
        raise UnknownColumnError(
            f"The response needs a column of the data, and `{name}` is none; write arithmetic with "
            f"a constant inside I(..), as in I(y / {text})."
        )
    return columns[name]


def _trials(successes: FloatArray, size: FloatArray, name: str, frame: pd.DataFrame) -> Response:
    if size.min() <= 0:
        i = int(size.argmin())
        raise DataError(
            f"Trials must be positive, but `{name}` is {size[i]:g} in {row_label(frame, i)}; "
            "leave these rows out."
        )
    return Response(successes, size)
