"""Columns of the data as what they could be in a model: numbers, factors, groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.against import is_number, known_rows
from mixcheck.checks.rank_basis import scaled_ranks
from mixcheck.port import DataRows
from mixcheck.trial_values import may_overflow

__all__ = [
    "MOST_LEVELS",
    "follows_response",
    "is_identifier",
    "is_readable",
    "is_size",
    "level_codes",
    "predictors_of",
    "same_partition",
]

# Levels of a factor whose means are looked at; of more, ask for effects of groups.
MOST_LEVELS = 12
# A column whose ranks follow those of the response by more than this is another form of it.
FOLLOWS = 0.95
# Columns that one is compared with, and relative differences that are rounding.
_MOST_COMPARED = 60
# Rows that are compared before all are.
_FIRST_ROWS = 100
_SAME = 1e-9


def is_readable(column: pd.Series[Any]) -> bool:
    """Whether its values are real numbers, dates, or names: lists and complex numbers are not."""
    if column.dtype.kind == "c":
        return False
    try:
        pd.factorize(column)
    except (TypeError, NotImplementedError):
        return False
    return True


def level_codes(column: pd.Series[Any]) -> IntArray | None:
    """Codes (n,) of a column as a factor, -1 where it is missing; None for fractions and dates."""
    if column.dtype.kind in "Mb" or not is_readable(column):
        return None
    if is_number(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        known = np.isfinite(values)
        if not known.any() or np.any(values[known] != np.rint(values[known])):
            return None
    codes, _ = pd.factorize(column)
    return np.asarray(codes, dtype=np.intp)


def is_identifier(column: pd.Series[Any]) -> bool:
    """Whether it names rows: a text for each, or whole numbers one after the other."""
    if column.nunique() < column.size:
        return False
    if not is_number(column):
        return column.dtype.kind != "M"
    values = column.to_numpy(dtype=np.float64)
    return bool(np.all(values == np.rint(values)) and np.ptp(values) == column.size - 1)


def follows_response(column: pd.Series[Any], response: FloatArray) -> bool:
    """Whether a column is the response in another form.

    The ranks of a number are then all but those of the response, or their reverse; the levels of
    a factor part the rows as its values do.
    """
    known = known_rows(column)
    other = response[known]
    if not is_number(column):
        codes, values = pd.factorize(column[known])
        # Where every row differs from every other, so does all else.
        return len(values) < other.size and same_partition(codes, pd.factorize(other)[0])
    one = column.to_numpy(dtype=np.float64, na_value=np.nan)[known]
    if one.size < 3 or np.ptp(one) == 0.0 or np.ptp(other) == 0.0:
        return False
    ranks = scaled_ranks(one)[0], scaled_ranks(other)[0]
    return abs(float(np.corrcoef(*ranks)[0, 1])) > FOLLOWS


def composes_response(name: str, frame: pd.DataFrame, response: FloatArray) -> bool:
    """Whether a column gives the response together with another one.

    Their sum, difference, product or quotient, such as the share of successes beside the trials.
    """
    one = _numbers_of(frame[name])
    if one is None or np.ptp(one) == 0.0:
        return False
    for other_name in frame.columns[:_MOST_COMPARED]:
        other = None if other_name == name else _numbers_of(frame[other_name])
        if other is None:
            continue
        # Most columns show in their first rows already that they do not.
        first = (values[:_FIRST_ROWS] for values in (one, other, response))
        if _compose(*first) and _compose(one, other, response):
            return True
    return False


def _compose(one: FloatArray, other: FloatArray, response: FloatArray) -> bool:
    with may_overflow():
        made = (one + other, one - other, other - one, one * other, one / other, other / one)
    return any(np.allclose(values, response, rtol=_SAME, atol=0.0) for values in made)


def _numbers_of(column: pd.Series[Any]) -> FloatArray | None:
    """A column of numbers all of which are known, (n,)."""
    if not is_number(column) or not known_rows(column).all():
        return None
    return column.to_numpy(dtype=np.float64)


def same_partition(one: IntArray, other: IntArray) -> bool:
    """Whether two factors, of codes (n,), part the rows alike.

    Examples
    --------
    >>> same_partition(np.array([0, 0, 1]), np.array([5, 5, 2]))
    True
    """
    (one, levels), (other, others) = pd.factorize(one), pd.factorize(other)
    if len(levels) != len(others):
        return False
    # Each level of one has one level of the other, and there are as many.
    partner = np.empty(len(levels), dtype=np.intp)
    partner[one] = other
    return np.array_equal(partner[one], other)


def is_size(column: pd.Series[Any], rows: DataRows) -> bool:
    """Whether a column holds the trials of each row."""
    return rows.size is not None and is_number(column) and np.array_equal(column, rows.size)


def predictors_of(rows: DataRows) -> Iterator[str]:
    """Columns that the formula names, but for groups, the response and its trials."""
    for name in rows.used:
        if name in rows.grouping or name not in rows.frame.columns:
            continue
        column = rows.frame[name]
        told = follows_response(column, rows.response)
        if not (
            is_size(column, rows) or told or composes_response(name, rows.frame, rows.response)
        ):
            yield name
