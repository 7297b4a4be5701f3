"""Variants of a check: of each level of a column, of one level, under another name."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import ClassVar, final

import numpy as np
import pandas as pd

from mixcheck.arguments.options import as_whole, require_number, require_text, shown
from mixcheck.arrays import IntArray
from mixcheck.checks.check import Check, Level
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    Outcome,
    RowStatistic,
    column_of,
    left_out,
)
from mixcheck.errors import OptionError
from mixcheck.report.finding import Finding

__all__ = ["By", "Named", "Where"]

# Whole numbers from here on are neither levels nor names of a table, whose integers have 64 bits.
_MOST_WHOLE = 2**64
# So many levels are asked of one by one, however few rows each has.
FEW_LEVELS = 20


def _subset(
    outcome: Outcome, positions: IntArray, name: str, remark: str, subject: Mapping[str, str]
) -> Outcome:
    if isinstance(outcome, CheckStatistic):
        return RowStatistic(name, outcome.kind, outcome, positions, remark, subject)
    told = {**outcome.subject, **subject}
    if isinstance(outcome, Finding):
        return replace(outcome, check=name, rows=positions[outcome.rows], subject=told)
    return replace(outcome, check=name, subject=told)


def _on_rows(
    check: Check,
    context: CheckContext,
    positions: IntArray,
    column: str,
    level: object,
    remark: str,
) -> tuple[Outcome, ...]:
    """The outcomes of a check on the rows of a level, each with the level after its name."""
    label, subject = f"[{column}={level}]", {"column": column, "level": str(level)}
    return tuple(
        _subset(outcome, positions, f"{_outcome_name(outcome)} {label}", remark, subject)
        for outcome in check.plan(context.rows(positions))
    )


def _outcome_name(outcome: Outcome) -> str:
    return outcome.name if isinstance(outcome, CheckStatistic) else outcome.check


def _plain_argument(name: str, value: object) -> Level:
    """A column, a level or a name as JSON has it."""
    if name == "title":
        return require_text("name", value, "zeros of spring")
    if name == "column":
        # Numbered columns of pandas are numbers of NumPy.
        number = as_whole(value)
        if isinstance(value, str):
            return value
        if number is not None and abs(number) < _MOST_WHOLE:
            return number
        raise OptionError(f"column must be a text or a whole number, found {shown(value)}")
    if isinstance(value, np.bool_ | np.number):
        value = value.item()
    if isinstance(value, float):
        return require_number(name, value, example=1.0)
    if isinstance(value, str) or (isinstance(value, int) and abs(value) < _MOST_WHOLE):
        return value
    raise OptionError(f"{name} must be a text or a number, found {shown(value)}")


@dataclass(frozen=True, repr=False)
class _Wrapper(Check, ABC):
    """A check that asks another one."""

    check: Check

    def __post_init__(self) -> None:
        if not isinstance(self.check, Check):
            raise OptionError(f"{type(self).__name__} wraps a check, found {shown(self.check)}")
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name != "check":
                object.__setattr__(self, item.name, _plain_argument(item.name, value))


@final
@dataclass(frozen=True, repr=False)
class By(_Wrapper):
    """A check of each level of a column; made by ``check.by(column)``.

    A level is a data set of its own, with its own number of rows. Rows without a value are
    left out, and the findings say how many.
    """

    kind: ClassVar[str] = "by"

    column: str

    @property
    def name(self) -> str:
        """The name of the wrapped check; each finding adds its level."""
        return self.check.name

    @property
    def __name__(self) -> str:
        """With the column, which tells it from the wrapped check."""
        return f"{self.check.__name__} by {self.column}"

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """The wrapped check, once a level."""
        if not self.check.about_rows:
            return self.check.plan(replace(context, whole=False))
        codes, levels = pd.factorize(column_of(context.frame, self.column), sort=True)
        self._require_levels(len(levels), int(np.count_nonzero(codes >= 0)))
        remark = left_out(int(np.count_nonzero(codes < 0)), self.column)
        order = np.argsort(codes, kind="stable")
        ends = np.searchsorted(codes[order], np.arange(len(levels) + 1))
        return tuple(
            outcome
            for k, level in enumerate(levels)
            for outcome in _on_rows(
                self.check,
                context,
                order[ends[k] : ends[k + 1]],
                self.column,
                level,
                remark,
            )
        )

    def _require_levels(self, levels: int, rows: int) -> None:
        """Refuse a column whose values are nearly all different: they are not levels."""
        if levels > FEW_LEVELS and 2 * levels > rows:
            raise OptionError(
                f"{shown(self.column)} has {levels:,} different values in {rows:,} rows, and by() "
                f"asks of each by itself; write Trend({self.column!r}) for a number, or give a "
                "column of levels, such as intervals of it"
            )

    def __repr__(self) -> str:
        return f"{self.check!r}.by({self.column!r})"


@final
@dataclass(frozen=True, repr=False)
class Where(_Wrapper):
    """A check of the rows of one level; made by ``check.where(column, level)``."""

    kind: ClassVar[str] = "where"

    column: str
    level: Level

    @property
    def name(self) -> str:
        """The name of the wrapped check; each finding adds its level."""
        return self.check.name

    @property
    def __name__(self) -> str:
        """With the level, which tells it from the wrapped check."""
        return f"{self.check.__name__} where {self.column} = {self.level}"

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """The wrapped check, of the rows of one level."""
        column = column_of(context.frame, self.column)
        positions = np.flatnonzero((column == self.level).to_numpy(dtype=bool, na_value=False))
        if not positions.size:
            levels = ", ".join(map(repr, column.dropna().unique()[:10].tolist()))
            raise OptionError(
                f"no row has {self.column} equal to {shown(self.level)}; its values are {levels}"
            )
        return _on_rows(self.check, context, positions, self.column, self.level, "")

    def __repr__(self) -> str:
        return f"{self.check!r}.where({self.column!r}, {self.level!r})"


@final
@dataclass(frozen=True, repr=False)
class Named(_Wrapper):
    """A check under another name; made by ``check.named(name)``."""

    kind: ClassVar[str] = "named"

    title: str

    @property
    def name(self) -> str:
        """The given name."""
        return self.title

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """The wrapped check, with its own name replaced."""
        return tuple(self._renamed(outcome) for outcome in self.check.plan(context))

    def _renamed(self, outcome: Outcome) -> Outcome:
        name = self.title + _outcome_name(outcome).removeprefix(self.check.name)
        if isinstance(outcome, CheckStatistic):
            return replace(outcome, name=name)
        return replace(outcome, check=name)

    def __repr__(self) -> str:
        return f"{self.check!r}.named({self.title!r})"
