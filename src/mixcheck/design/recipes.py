"""Recipes: how the text of one part becomes a matrix, on this data and on new data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, final

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.design.coding import Coding, Piece, require_room
from mixcheck.design.columns import Column, Columns
from mixcheck.design.evaluation import Environment, evaluate, names_of
from mixcheck.design.grouping import kind_of as label_kind
from mixcheck.design.grouping import write_cast
from mixcheck.design.nodes import Call, Name, Node
from mixcheck.design.spelling import spelling_hint
from mixcheck.design.values import Coded, Matrix, as_levels, as_number, as_numbers, kind_of
from mixcheck.errors import DataError, UnseenLevelError

__all__ = [
    "ExpressionRecipe",
    "PlainColumn",
    "PlainRecipe",
    "Recipe",
    "TermsRecipe",
    "TimesRecipe",
    "evaluate_times",
    "level_codes",
]

_KEEP_LEVELS: Final = ("I", "C", "factor", "as.factor", "as.character", "relevel", "ordered")


class Recipe(ABC):
    """One matrix, ready to be made again from new data."""

    __slots__ = ()

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""

    @property
    def terms(self) -> tuple[tuple[str, ...], ...]:
        """The factors whose product each column belongs to; () for the intercept."""
        return tuple((column,) for column in self.columns)

    @property
    def made(self) -> int:
        """Number of columns of the matrix."""
        return len(self.columns)

    @property
    def is_intercept(self) -> bool:
        """Whether the matrix is a column of ones, whatever the data."""
        return False

    @abstractmethod
    def evaluate(self, data: Columns, n: int) -> FloatArray:
        """Matrix, (n, p), of new data with no value missing.

        Raises
        ------
        UnseenLevelError
            For a level of a categorical predictor that the model has not seen.
        """


@dataclass(frozen=True, eq=False)
class PlainColumn:
    """One column as it stands: numbers, or indicators of levels."""

    name: str
    levels: pd.Index[Any] | None
    full: bool

    @property
    def width(self) -> int:
        """Number of its columns of the matrix."""
        return 1 if self.levels is None else len(self.levels) - (not self.full)

    @property
    def labels(self) -> list[str]:
        """Names of its columns of the matrix."""
        if self.levels is None:
            return [self.name]
        return Coding(self.name, levels=self.levels).labels(reduced=not self.full)

    def fill(self, out: FloatArray, data: Columns) -> None:
        """Write its columns into `out`, (n, width)."""
        values = data[self.name]
        if self.levels is None:
            out[:, 0] = as_numbers(values, self.name)
            return
        codes = level_codes(values, self.levels, self.name)
        for k in range(out.shape[1]):
            np.equal(codes, k if self.full else k + 1, out=out[:, k])


@final
@dataclass(frozen=True, eq=False)
class PlainRecipe(Recipe):
    """An intercept and columns as they stand, treatment coded."""

    intercept: bool
    parts: tuple[PlainColumn, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        first = ("Intercept",) if self.intercept else ()
        return _distinct((*first, *(label for part in self.parts for label in part.labels)))

    @property
    def terms(self) -> tuple[tuple[str, ...], ...]:
        """The factor that each column belongs to; () for the intercept."""
        first = ((),) if self.intercept else ()
        return (*first, *((part.name,) for part in self.parts for _ in range(part.width)))

    @property
    def is_intercept(self) -> bool:
        """Whether there is an intercept and nothing else."""
        return self.intercept and not self.parts

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.intercept) + sum(part.width for part in self.parts)

    @property
    def widest(self) -> str:
        """Factor with the most columns."""
        part = max(self.parts, key=lambda part: part.width, default=None)
        return "1" if part is None else part.name

    def evaluate(self, data: Columns, n: int) -> FloatArray:
        """Matrix, (n, p), of new data with no value missing."""
        at = int(self.intercept)
        require_room(n, self.width, self.widest)
        X = np.empty((n, self.width), order="F")
        X[:, :at] = 1.0
        for part in self.parts:
            part.fill(X[:, at : at + part.width], data)
            at += part.width
        return X


@final
@dataclass(frozen=True, eq=False)
class TermsRecipe(Recipe):
    """A matrix of terms, with the state of their functions and the coding of their factors."""

    factors: tuple[Node, ...]
    codings: tuple[Coding, ...]
    pieces: tuple[Piece, ...]
    states: dict[str, dict[str, Any]]
    context: Mapping[str, Any]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return _distinct(
            tuple(label for piece in self.pieces for label in piece.labels(self.codings))
        )

    @property
    def terms(self) -> tuple[tuple[str, ...], ...]:
        """The factors whose product each column belongs to; () for the intercept."""
        return tuple(
            tuple(self.codings[i].label for i, _ in piece.factors)
            for piece in self.pieces
            for _ in range(piece.width(self.codings))
        )

    @property
    def width(self) -> int:
        """Number of columns."""
        return sum(piece.width(self.codings) for piece in self.pieces)

    @property
    def widest(self) -> str:
        """Factor with the most columns."""
        coding = max(self.codings, key=lambda c: c.width(reduced=False), default=None)
        return "1" if coding is None else coding.label

    def evaluate(self, data: Columns, n: int) -> FloatArray:
        """Matrix, (n, p), of new data with no value missing."""
        return self.fill(Environment(data, n, self.context, self.states))

    def fill(self, environment: Environment) -> FloatArray:
        """Matrix, (n, p), of a environment."""
        require_room(environment.n, self.width, self.widest)
        with np.errstate(all="ignore"):
            values = [
                _coded_values(factor, coding, environment)
                for factor, coding in zip(self.factors, self.codings, strict=True)
            ]
            X = np.empty((environment.n, self.width), order="F")
            at = 0
            for piece in self.pieces:
                for column in piece.columns(self.codings, values):
                    X[:, at] = column
                    at += 1
        return X


@final
@dataclass(frozen=True, eq=False)
class ExpressionRecipe(Recipe):
    """One column of numbers by an expression: an offset, or a response."""

    text: str
    node: Node
    states: dict[str, dict[str, Any]]
    context: Mapping[str, Any]

    @property
    def columns(self) -> tuple[str, ...]:
        """Name of the column."""
        return (self.text,)

    def evaluate(self, data: Columns, n: int) -> FloatArray:
        """Column, (n, 1), of new data with no value missing."""
        return self.fill(Environment(data, n, self.context, self.states))

    def fill(self, environment: Environment) -> FloatArray:
        """Column, (n, 1), of a environment."""
        with np.errstate(all="ignore"):
            value = evaluate(self.node, environment)
        if isinstance(value, Matrix | pd.Categorical | Coded):
            raise DataError(
                f"{self.text} must be one column of numbers, not {kind_of(value)}; a response of "
                "two levels is written as the column alone, and an offset as a number."
            )
        number = as_number(value, self.text)
        if np.ndim(number) == 0 and names_of(self.node)[0]:
            raise DataError(f"`{self.text}` is one number, where one value a row is needed.")
        column = np.empty((environment.n, 1), order="F")
        column[:, 0] = number
        return column


@final
@dataclass(frozen=True, eq=False)
class TimesRecipe(Recipe):
    """Positions of rows in a sequence: whole numbers, or levels in their order.

    Attributes
    ----------
    text : str
    node : Node
    levels : pandas.Index, (q,)
        The times. Whole numbers from the first to the last, also those without rows.
    """

    text: str
    node: Node
    levels: pd.Index[Any]
    states: dict[str, dict[str, Any]]
    context: Mapping[str, Any]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the times."""
        return tuple(f"{self.text}{level}" for level in self.levels)

    @property
    def made(self) -> int:
        """One: the position."""
        return 1

    def evaluate(self, data: Columns, n: int) -> FloatArray:
        """Position of each row, (n, 1); whole numbers of new rows may lie outside."""
        return self.fill(Environment(data, n, self.context, self.states))

    def fill(self, environment: Environment) -> FloatArray:
        """Position of each row, (n, 1), of an environment."""
        value = evaluate_times(self.node, self.text, environment)
        if isinstance(value, pd.Categorical):
            codes = level_codes(value, self.levels, self.text)
        else:
            codes = value - self.levels[0]
        return np.asarray(codes, dtype=np.float64).reshape(-1, 1)


def evaluate_times(node: Node, text: str, environment: Environment) -> Any:
    """Whole numbers, (n,), or categories whose order is known."""
    with np.errstate(all="ignore"):
        value = evaluate(node, environment)
    if isinstance(value, Coded):
        value = value.categories
    if isinstance(value, pd.Categorical) and (value.ordered or not isinstance(node, Name)):
        return value
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iuf":
        raise DataError(
            f"`{text}` is {kind_of(value)}, and times of a sequence are whole numbers of steps, or "
            "categories in a known order: write ordered=True in pd.Categorical, or make numbers "
            "of them."
        )
    wrong = np.flatnonzero(~(np.isfinite(value) & (value == np.round(value))))
    if wrong.size:
        raise DataError(
            f"`{text}` has {value[wrong[0]]}, and times of a sequence are whole numbers of steps; "
            "divide them by the length of a step and round them in the data."
        )
    return value.astype(np.int64)


def _coded_values(factor: Node, coding: Coding, environment: Environment) -> Any:
    """Numbers, (n, width), or codes of levels, (n,), of a factor."""
    if coding.scale is not None:
        return np.full((environment.n, 1), coding.scale)
    value = evaluate(factor, environment)
    if coding.levels is not None:
        name, column = _column_of(factor, coding.label)
        if isinstance(value, np.ndarray) and coding.levels.dtype != np.bool_:
            value = as_levels(value, coding.label, environment.n)
        if isinstance(value, Coded):
            value = value.categories
        if not isinstance(value, pd.Categorical | np.ndarray):
            raise DataError(f"`{coding.label}` must be categories here, and is {kind_of(value)}.")
        return level_codes(value, coding.levels, name, noun="Column" if column else "The factor")
    if isinstance(value, Matrix):
        return value.numbers
    if isinstance(factor, Name) and factor.name in environment.data:
        return as_numbers(environment.data[factor.name], factor.name)[:, None]
    number = np.asarray(as_number(value, coding.label))
    return np.broadcast_to(number, (environment.n,))[:, None]


def _column_of(factor: Node, label: str) -> tuple[str, bool]:
    """Column whose levels a factor has, and whether it is one."""
    inner = factor
    while isinstance(inner, Call) and inner.function in _KEEP_LEVELS and inner.arguments:
        inner = inner.arguments[0]
    return (inner.name, True) if isinstance(inner, Name) else (label, False)


def _distinct(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Labels, with a column that has the name of the intercept, or another's, in back-ticks."""
    if len(set(labels)) == len(labels):
        return labels
    seen: dict[str, int] = {}
    made = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        marks = "`" * (seen[label] - 1)
        made.append(marks + label + marks)
    return tuple(made)


def level_codes(values: Column, levels: pd.Index[Any], name: str, *, noun: str = "Column") -> Any:
    """Position of every value among the levels, (n,).

    Raises
    ------
    UnseenLevelError
        If a value is none of them.
    """
    if isinstance(values, pd.Categorical) and values.categories is levels:
        return values.codes
    if isinstance(values, np.ndarray) and values.dtype.kind == "b" and levels.dtype == np.bool_:
        return values.astype(np.int8)
    found: pd.Index[Any] = pd.Index(values)
    if levels.dtype == np.bool_ and found.dtype.kind in "iufb":
        codes = np.where(found == 1, 1, np.where(found == 0, 0, -1))
    else:
        codes = levels.get_indexer(found)
    if codes.min(initial=0) < 0:
        unseen = found[codes < 0].unique().tolist()
        raise UnseenLevelError(
            f"{noun} `{name}` has level(s) {', '.join(repr(v) for v in unseen[:5])} that the model "
            f"has never seen; it knows {', '.join(repr(v) for v in levels[:10].tolist())}. "
            f"{spelling_hint(unseen[:5], levels)}{_remedy(levels, found, name)}"
        )
    return codes


def _remedy(levels: pd.Index[Any], found: pd.Index[Any], name: str) -> str:
    old, new = label_kind(levels), label_kind(found)
    if old == new:
        return "Remove these rows, or fit the model again with them."
    return f"The fit has {old} there and the new data {new}: {write_cast(old, name)}."
