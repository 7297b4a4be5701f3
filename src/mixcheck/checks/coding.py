"""Columns of the data as columns of a model matrix, with one coding for rows in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.checks.against import is_number, numbers_of
from mixcheck.checks.columns import MOST_LEVELS, is_readable, predictors_of
from mixcheck.checks.statistic import CheckContext, column_of
from mixcheck.port import Checkable, DataView, Traceable
from mixcheck.trial_values import binary_exponents

__all__ = ["Coded", "Coding", "ask_codings", "coded_columns"]


@dataclass(frozen=True)
class Numbers:
    """A number, or the seconds of a date since the first, in units of a power of two."""

    name: str
    exponent: int
    origin: pd.Timestamp | None

    @property
    def width(self) -> int:
        """One column."""
        return 1

    def columns(self, column: pd.Series[Any]) -> FloatArray:
        """One column, (n, 1), NaN where it is missing."""
        if self.origin is not None:
            column = (column - self.origin).dt.total_seconds()
        return np.ldexp(numbers_of(column), -self.exponent)[:, None]


@dataclass(frozen=True)
class Indicators:
    """A factor: an indicator of each level but the first that occurs."""

    name: str
    levels: tuple[object, ...]

    @property
    def width(self) -> int:
        """Levels but one."""
        return len(self.levels) - 1

    def columns(self, column: pd.Series[Any]) -> FloatArray:
        """Its columns, (n, k - 1), NaN where it is missing."""
        levels = pd.Index(self.levels, dtype=object)
        codes, found = pd.factorize(column)
        # What is missing has the code -1, which is the last place.
        codes = np.append(levels.get_indexer(pd.Index(found).astype(object)), -1)[codes]
        out: FloatArray = (codes[:, None] == np.arange(1, len(levels))).astype(np.float64)
        out[codes < 0] = np.nan
        return out


Coding: TypeAlias = Numbers | Indicators


@dataclass(frozen=True)
class Coded:
    """Makes the columns of a coding of the rows of the part that a model is of."""

    coding: Coding

    def __call__(self, model: Checkable) -> FloatArray:
        """Columns (n, d)."""
        return self.coding.columns(model.frame[self.coding.name])


@dataclass(frozen=True)
class _Range:
    low: Any
    high: Any


@dataclass(frozen=True)
class _Levels:
    """The first levels, and how many there are."""

    found: tuple[object, ...]
    count: int


def coded_columns(column: pd.Series[Any]) -> FloatArray | str:
    """A column as columns of a model matrix, (n, d), NaN where it is missing; or why it has none.

    A number, and a date, is itself, in units of a power of two that bring it below one: none of
    its squares overflows, and no digit changes. A factor has an indicator of each level but the
    first.
    """
    coding = _join("", [_values(column)])
    return coding if isinstance(coding, str) else coding.columns(column)


def ask_codings(context: CheckContext, column: str | None = None) -> dict[str, Coding] | str:
    """The predictors of the model by name, or a column; or why they are not known.

    A column is one that `coded_columns` codes: of one value or level, or of too many levels, none.
    """
    told = context.ask(_tell, column)
    if not all(isinstance(one, dict) for one in told):
        return "The predictors of the model are not known."
    parts = [one for one in told if isinstance(one, dict)]
    names = dict.fromkeys(name for part in parts for name in part)
    found = {name: _join(name, [part[name] for part in parts if name in part]) for name in names}
    return {name: one for name, one in found.items() if not isinstance(one, str)}


def _tell(
    model: Checkable, view: DataView, column: str | None
) -> dict[str, _Range | _Levels | None] | None:
    """What a part says of the values of each column; None where its columns are not known."""
    frame = model.frame
    if column is not None:
        return {column: _values(column_of(frame, column))}
    if not isinstance(model, Traceable):
        return None
    return {name: _values(frame[name]) for name in predictors_of(model.data_rows)}


def _values(column: pd.Series[Any]) -> _Range | _Levels | None:
    """Range of a number or a date, levels of a factor: at most one more than are coded."""
    if not is_readable(column):
        return None
    if column.dtype.kind == "M":
        return _Range(column.min(), column.max())
    if is_number(column):
        values = numbers_of(column)
        values = values[~np.isnan(values)]
        return _Range(values.min(initial=np.inf), values.max(initial=-np.inf))
    found = pd.Index(pd.factorize(column)[1]).astype(object)
    return _Levels(tuple(found[: MOST_LEVELS + 1]), len(found))


def _join(name: str, told: Sequence[_Range | _Levels | None]) -> Coding | str:
    """The coding of a column in all parts, or why it has none."""
    ranges = [one for one in told if isinstance(one, _Range)]
    levels = [one for one in told if isinstance(one, _Levels)]
    if len(levels) == len(told):
        every = tuple(dict.fromkeys(level for one in levels for level in one.found))
        count = max(len(every), *(one.count for one in levels))
        if count < 2:
            return "it has one level"
        if count > MOST_LEVELS:
            return f"it has {count} levels, which are a question of groups"
        return Indicators(name, every)
    if len(ranges) < len(told):
        return "its values are neither numbers nor names"
    low, high = min(one.low for one in ranges), max(one.high for one in ranges)
    if not low < high:
        return "it has one value"
    if isinstance(low, pd.Timestamp):
        seconds = np.array([(high - low).total_seconds()])
        return Numbers(name, int(binary_exponents(seconds)), low)
    return Numbers(name, int(binary_exponents(np.array([low, high]))), None)
