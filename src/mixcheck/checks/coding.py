"""Columns of rows in parts as columns of a model matrix: one coding for all parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.checks.against import is_number, known_rows
from mixcheck.checks.columns import MOST_LEVELS, is_readable, predictors_of
from mixcheck.checks.statistic import CheckContext, column_of
from mixcheck.port import Checkable, DataView, Traceable
from mixcheck.trial_values import binary_exponents

__all__ = ["Coded", "Coding", "ask_codings"]


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

    def columns(self, frame: pd.DataFrame) -> FloatArray:
        """Its column, (n, 1), NaN where it is missing."""
        return np.ldexp(_numbers(frame[self.name], self.origin), -self.exponent)[:, None]


@dataclass(frozen=True)
class Indicators:
    """A factor: an indicator of each level but the first that occurs."""

    name: str
    levels: tuple[object, ...]

    @property
    def width(self) -> int:
        """Levels but one."""
        return len(self.levels) - 1

    def columns(self, frame: pd.DataFrame) -> FloatArray:
        """Its columns, (n, k - 1), NaN where it is missing."""
        levels = pd.Index(self.levels, dtype=object)
        codes = levels.get_indexer(pd.Index(frame[self.name].astype(object)))
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
        return self.coding.columns(model.frame)


@dataclass(frozen=True)
class _Range:
    low: Any
    high: Any


@dataclass(frozen=True)
class _Levels:
    found: tuple[object, ...]


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
    return {name: one for name, one in found.items() if one is not None}


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
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)[known_rows(column)]
        return _Range(values.min(initial=np.inf), values.max(initial=-np.inf))
    return _Levels(tuple(pd.unique(column.dropna().astype(object)))[: MOST_LEVELS + 1])


def _join(name: str, told: Sequence[_Range | _Levels | None]) -> Coding | None:
    ranges = [one for one in told if isinstance(one, _Range)]
    levels = [one for one in told if isinstance(one, _Levels)]
    if len(levels) == len(told):
        every = tuple(dict.fromkeys(level for one in levels for level in one.found))
        return Indicators(name, every) if 1 < len(every) <= MOST_LEVELS else None
    if len(ranges) < len(told):
        return None
    low, high = min(one.low for one in ranges), max(one.high for one in ranges)
    if not low < high:
        return None
    if isinstance(low, pd.Timestamp):
        seconds = np.array([(high - low).total_seconds()])
        return Numbers(name, int(binary_exponents(seconds)), low)
    return Numbers(name, int(binary_exponents(np.array([low, high]))), None)


def _numbers(column: pd.Series[Any], origin: pd.Timestamp | None) -> FloatArray:
    known = known_rows(column)
    if origin is not None:
        column = (column - origin).dt.total_seconds()
    out: FloatArray = np.where(known, column.to_numpy(dtype=np.float64, na_value=np.nan), np.nan)
    return out
