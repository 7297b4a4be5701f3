"""Which columns of the data say when and where a row was observed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.against import is_number, known_rows
from mixcheck.checks.columns import follows_response, is_readable
from mixcheck.port import DataRows

__all__ = ["coordinates_of", "series_of", "time_of", "why_without_order"]

# Names of times, as words of a column's name or alone.
_TIMES = frozenset(
    {"date", "datetime", "day", "days", "doy", "generation", "hour", "hours", "julian", "minute"}
    | {"minutes", "month", "months", "occasion", "period", "quarter", "season", "second"}
    | {"seconds", "session", "t", "time", "timepoint", "times", "timestamp", "trial", "visit"}
    | {"wave", "week", "weeks", "year", "years"}
)
# Pairs of coordinates, the horizontal one first.
_PAIRS = (
    ("longitude", "latitude"),
    ("lon", "lat"),
    ("long", "lat"),
    ("lng", "lat"),
    ("easting", "northing"),
    ("east", "north"),
    ("xcoord", "ycoord"),
    ("coordx", "coordy"),
    ("posx", "posy"),
    ("utmx", "utmy"),
    ("utme", "utmn"),
    ("x", "y"),
    ("col", "row"),
    ("column", "row"),
)
_DEGREES = _PAIRS[:4]
# Rows of a level, on average, from which a level is a series.
LEAST_SERIES = 3.0
# Shares of neighbours in one direction, of those that differ, beyond which a series is sorted.
_SORTED = 0.95
_FEW_STEPS = 20


def time_of(rows: DataRows) -> str | None:
    """The column that says when a row was observed, or None.

    A column of dates; else one of numbers or of an ordered factor whose name has a word for a
    time in it (``week``, ``visit_date``, ``t``). It is known in every row, differs between rows of
    one series, and is neither the response nor a grouping factor.
    """
    named = []
    for name, column in _candidates(rows):
        if column.dtype.kind == "M" or isinstance(column.dtype, pd.PeriodDtype):
            return name
        if _words(name) & _TIMES and _has_order(column):
            named.append(name)
    return named[0] if named else None


def _candidates(rows: DataRows) -> Iterator[tuple[str, pd.Series[Any]]]:
    for name, column in rows.frame.items():
        if name in rows.grouping or not is_readable(column) or not known_rows(column).all():
            continue
        if column.nunique() >= 3 and not follows_response(column, rows.response):
            yield str(name), column


def _words(name: str) -> set[str]:
    """Words of a name: of ``visitDate`` and ``visit_date`` visit and date."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return set(re.split(r"[^a-z]+", parted.lower()))


def _has_order(column: pd.Series[Any]) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return bool(column.cat.ordered)
    return is_number(column)


def series_of(rows: DataRows) -> str | None:
    """The grouping factor whose levels are series: the one of most levels with 3 rows to each."""
    found = [
        (int(codes.max()) + 1, name)
        for name, codes in rows.groups.items()
        if name in rows.frame.columns and codes.size >= LEAST_SERIES * (int(codes.max()) + 1)
    ]
    return max(found)[1] if found else None


def why_without_order(codes: IntArray, response: FloatArray) -> str:
    """Why the order of the rows says nothing of time, as a sentence, or "".

    Parameters
    ----------
    codes : (n,) array of int
        Series of the rows.
    response : (n,) array
    """
    if np.count_nonzero(np.diff(codes)) + 1 > np.unique(codes).size:
        return "Rows of one series do not follow each other."
    steps = np.sign(np.diff(response)[np.diff(codes) == 0])
    moved = int(np.count_nonzero(steps))
    if moved >= _FEW_STEPS and abs(float(steps.sum())) > (2.0 * _SORTED - 1.0) * moved:
        return "The rows are sorted by the response."
    return ""


def coordinates_of(rows: DataRows) -> Mapping[str, str] | None:
    """Arguments of `Spatial` where two columns are coordinates by their names, or None.

    Longitude and latitude in degrees are measured along great circles.
    """
    numbers = {
        re.sub(r"[^a-z]", "", name.lower()): name
        for name, column in _candidates(rows)
        if is_number(column)
    }
    for pair in _PAIRS:
        if not all(name in numbers for name in pair):
            continue
        x, y = (numbers[name] for name in pair)
        found = {"x": x, "y": y}
        if pair in _DEGREES and _are_degrees(rows.frame[x], 180.0, rows.frame[y], 90.0):
            return found | {"metric": "great-circle"}
        return found
    return None


def _are_degrees(x: pd.Series[Any], most_x: float, y: pd.Series[Any], most_y: float) -> bool:
    return bool(x.abs().max() <= most_x and y.abs().max() <= most_y)
