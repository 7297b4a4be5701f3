"""Tables in parts: what the parts must agree on, and the design of each.

What a model takes from its data before it has matrices is which levels its factors have, in which
order, and which columns are combinations of others. Some rows show the first: for each column that
a formula uses those in which a value occurs first, if its values are few, or its smallest and its
largest one. They lead to the recipes of the matrices, by the way that all rows would, and each part
fills these with its own rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.design.columns import Column, Columns, missing_rows, pick_numbers, read_column
from mixcheck.design.frames import columns_by_name, own_frame, read_vector
from mixcheck.design.grouping import group_rows
from mixcheck.design.known import known_functions, known_values
from mixcheck.design.matrices import Design, check_weights, complete_rows, needed_columns
from mixcheck.design.model_formula import ModelFormula
from mixcheck.design.plan import Plan, plan_formula
from mixcheck.design.predictors import Offset, make_predictors
from mixcheck.design.rank import independent_columns
from mixcheck.design.recipe_making import make_matrices
from mixcheck.design.recipes import Recipe
from mixcheck.design.response import Response, make_response
from mixcheck.errors import DataError, DesignError

__all__ = [
    "Outline",
    "Shown",
    "Wanted",
    "fill",
    "hash_levels",
    "join_shown",
    "keep_columns",
    "outline",
    "show_rows",
    "triangle",
]

# So many values of a column are shown each in a row; of more, the smallest and the largest.
_MOST_VALUES = 1000
_MOST_TEXTS = 20_000
# Levels of a grouping factor are shown to be several.
_LEVELS = 3
# A state of these functions is made of levels, which all are shown.
_OF_LEVELS = ("relevel(",)


@dataclass(frozen=True)
class Wanted:
    """What a model asks of a table.

    Attributes
    ----------
    formula : ModelFormula
    weights, offset : str or None
        Columns.
    context : mapping or None
    ratio_is_trials, categories : bool
        See `mixcheck.design.build_design`.
    """

    formula: ModelFormula
    weights: str | None
    offset: str | None
    context: Mapping[str, Any] | None
    ratio_is_trials: bool
    categories: bool

    @property
    def plan(self) -> Plan:
        """The parts of the formula."""
        return plan_formula(self.formula)

    @property
    def beside(self) -> tuple[str, ...]:
        """Columns that the formula does not name."""
        return tuple(name for name in (self.weights, self.offset) if name is not None)

    def columns(self, frame: pd.DataFrame) -> tuple[str, ...]:
        """Columns of the formula, those that exist; fail for names that are nothing."""
        functions, values = known_functions(self.context), known_values(self.context)
        return needed_columns(self.plan, frame, columns_by_name(frame), functions, values)

    @property
    def names(self) -> frozenset[str]:
        """Names that may be columns."""
        plan = self.plan
        return frozenset([*plan.every_variable, *plan.group_columns, *self.beside])


@dataclass(frozen=True, eq=False)
class Shown:
    """Some rows of a table that show what its columns hold.

    Attributes
    ----------
    frame : DataFrame
    rows : int
        Of the whole table.
    missing : mapping of str to int
        Rows in which each column is missing.
    incomplete : int
        Rows in which any is.
    """

    frame: pd.DataFrame
    rows: int
    missing: Mapping[str, int]
    incomplete: int

    @property
    def note(self) -> str | None:
        """A sentence on rows left out."""
        if not self.incomplete:
            return None
        counts = ", ".join(f"`{name}` ({count})" for name, count in self.missing.items() if count)
        return (
            f"{self.incomplete} of {self.rows} rows were left out because values are missing: "
            f"{counts}."
        )


def show_rows(frame: pd.DataFrame, wanted: Wanted) -> Shown:
    """Rows of a table in which its values occur first; of many values the ends.

    Raises
    ------
    UnknownColumnError, DataError
        As `mixcheck.design.build_design`.
    """
    if not len(frame):
        return Shown(frame, 0, {}, 0)
    names = wanted.columns(frame)
    table = columns_by_name(frame)
    picked = {name: pick_numbers(table, name) for name in names}
    beside = {name: read_vector(name, frame, name) for name in wanted.beside}
    found = {name: missing_rows(column) for name, column in picked.items()}
    found |= {name: np.isnan(v) for name, v in beside.items() if v is not None}
    present = {name: where for name, where in found.items() if where is not None and where.any()}
    gone = np.zeros(len(frame), dtype=np.bool_)
    for where in present.values():
        gone |= where
    rows = np.flatnonzero(~gone)
    counts = {name: int(where.sum()) for name, where in present.items()}
    plan = wanted.plan
    effects = frozenset([*plan.left, *plan.variables(response=False)])
    places: list[IntArray] = [rows[:1]]
    if rows.size:
        for name in names:
            column = read_column(picked[name], rows, name)
            places.append(rows[_first_places(column, few=name not in effects)])
    some = np.unique(np.concatenate(places))
    return Shown(frame.iloc[some], len(frame), counts, int(gone.sum()))


def _first_places(column: Column, *, few: bool) -> IntArray:
    """Where each value of a column occurs first; of many numbers the smallest and largest."""
    values: Any = column.codes if isinstance(column, pd.Categorical) else np.asarray(column)
    _, first = np.unique(values, return_index=True)
    if few:
        return np.sort(first)[:_LEVELS].astype(np.intp)
    most = _MOST_TEXTS if isinstance(column, pd.Categorical) else _MOST_VALUES
    if first.size <= most:
        return first.astype(np.intp)
    if isinstance(column, pd.Categorical):
        raise DesignError(
            f"a column of text or categories has {first.size:,} levels, each an effect of its own, "
            f"where {most:,} are the most over partitions; write it as a grouping factor, (1 | g)"
        )
    return first[[0, -1]].astype(np.intp)


def join_shown(shown: list[Shown], wanted: Wanted) -> Shown:
    """The same of all parts of a table from that of each."""
    filled = [one for one in shown if len(one.frame)]
    rows, incomplete = sum(one.rows for one in shown), sum(one.incomplete for one in shown)
    missing: dict[str, int] = {}
    for one in shown:
        for name, count in one.missing.items():
            missing[name] = missing.get(name, 0) + count
    if not filled:
        if not rows:
            raise DataError("The partitions have no rows.")
        counts = ", ".join(f"`{name}` ({count})" for name, count in missing.items())
        raise DataError(f"No row is left: every row misses a value. Missing: {counts}.")
    whole = pd.concat([one.frame for one in filled], ignore_index=True)
    return Shown(show_rows(whole, wanted).frame, rows, missing, incomplete)


@dataclass(frozen=True, eq=False)
class Outline:
    """How the matrices of a model are made, for all parts alike.

    Attributes
    ----------
    wanted : Wanted
    names : tuple of str
        Columns of the formula.
    recipes : mapping of str to Recipe
    levels : mapping of str to Index
        Of columns of text or categories on the left side.
    kept : mapping of str to (p,) or None
        Which columns of each matrix stay; None for all of them.
    """

    wanted: Wanted
    names: tuple[str, ...]
    recipes: Mapping[str, Recipe]
    levels: Mapping[str, pd.Categorical[Any]]
    kept: Mapping[str, BoolArray] | None = None


def outline(shown: Shown, wanted: Wanted) -> Outline:
    """The recipes of the matrices of a model, from rows that show what all hold.

    Raises
    ------
    DataError, DesignError
        As `mixcheck.design.build_design`; and for a function of whole columns.
    """
    frame, plan = shown.frame, wanted.plan
    names = wanted.columns(frame)
    table = columns_by_name(frame)
    columns = {name: read_column(pick_numbers(table, name), None, name) for name in names}
    left = {name: columns[name] for name in names if name in plan.left}
    right = {name: columns[name] for name in names if name in plan.right}
    made = make_matrices(plan.predictors, right, len(frame), wanted.context)
    response = make_matrices(plan.computed, left, len(frame), wanted.context)
    for _, recipe in (*made.values(), *response.values()):
        _require_rowwise(recipe)
    return Outline(
        wanted=wanted,
        names=names,
        recipes={key: recipe for key, (_, recipe) in made.items()},
        levels={name: v for name, v in left.items() if isinstance(v, pd.Categorical)},
    )


def _require_rowwise(recipe: Recipe) -> None:
    """Refuse functions whose value in a row depends on other rows."""
    for text, state in getattr(recipe, "states", {}).items():
        if state and not text.startswith(_OF_LEVELS):
            raise DesignError(
                f"`{text}` is computed from all rows, and over partitions each row is computed by "
                "itself; write its numbers, such as (x - 3.2) / 1.7 for scale(x), or make the "
                "column in the data"
            )


def fill(outline: Outline, frame: pd.DataFrame) -> Design | None:
    """The design of one part of the rows; None where no row is complete.

    Raises
    ------
    UnseenLevelError, DataError
        As `mixcheck.design.build_design`.
    """
    wanted = outline.wanted
    plan, names, context = wanted.plan, outline.names, wanted.context
    if not len(frame):
        return None
    table = columns_by_name(frame)
    picked = {name: pick_numbers(table, name) for name in names}
    vectors = {name: read_vector(name, frame, name) for name in wanted.beside}
    present = {name: v for name, v in vectors.items() if v is not None}
    if _misses_everywhere(picked, present, len(frame)):
        return None
    rows, _ = complete_rows(frame, picked, present)
    kept_rows = None if len(rows) == len(frame) else rows
    used = own_frame(frame) if kept_rows is None else frame.iloc[rows]
    weights, offset = (
        None if name is None else present[name][rows] for name in (wanted.weights, wanted.offset)
    )
    if weights is not None and weights.any():
        check_weights(weights, used)
    columns = {name: read_column(picked[name], kept_rows, name) for name in names}
    response = _respond(outline, columns, used)
    made = _evaluate(outline.recipes, columns, len(rows))
    groups = {group: group_rows(group, columns) for group in plan.groups}
    kept = outline.kept or {
        name: np.ones(made[name][0].shape[1], dtype=np.bool_)
        for name, _ in wanted.formula.predictors
    }
    predictors, kept = make_predictors(
        wanted.formula,
        made,
        groups,
        Offset(offset, wanted.offset or "offset"),
        used,
        context or {},
        kept,
    )
    return Design(
        formula=wanted.formula,
        response=response.outcome,
        size=response.size,
        weights=weights,
        predictors=predictors,
        frame=used,
        rows=rows,
        dropped=len(frame) - len(rows),
        notes=response.notes,
        recipes=outline.recipes,
        keys={group: key for group, (_, key) in groups.items()},
        kept=kept,
        offset_source=wanted.offset,
        labels=response.labels,
        weights_source=wanted.weights,
        asked={"weights": wanted.weights, "offset": wanted.offset},
    )


def _respond(outline: Outline, columns: Columns, used: pd.DataFrame) -> Response:
    """The response of the rows used, by the levels that it has in all parts together."""
    wanted = outline.wanted
    plan = wanted.plan
    left = {
        name: _alike(column, outline.levels.get(name))
        for name, column in columns.items()
        if name in plan.left
    }
    computed = make_matrices(plan.computed, left, len(used), wanted.context)
    return make_response(
        wanted.formula.response,
        {key: X for key, (X, _) in computed.items()},
        left,
        used,
        ratio_is_trials=wanted.ratio_is_trials,
        categories=wanted.categories,
    )


def _misses_everywhere(
    picked: Mapping[str, Any], vectors: Mapping[str, FloatArray], n: int
) -> bool:
    gone = np.zeros(n, dtype=np.bool_)
    for column in picked.values():
        where = missing_rows(column)
        if where is not None:
            gone |= where
    for vector in vectors.values():
        gone |= np.isnan(vector)
    return bool(gone.all())


def _alike(column: Column, known: pd.Categorical[Any] | None) -> Column:
    """A column of the left side with the levels that it has in all parts together."""
    if known is None or not isinstance(column, pd.Categorical):
        return column
    return column.set_categories(known.categories, ordered=bool(known.ordered))


def _evaluate(
    recipes: Mapping[str, Recipe], columns: Columns, n: int
) -> dict[str, tuple[FloatArray, Recipe]]:
    """Matrix and recipe of each part; parts of one recipe share its matrix."""
    known: dict[int, FloatArray] = {}
    for recipe in recipes.values():
        if id(recipe) not in known:
            known[id(recipe)] = recipe.evaluate(columns, n)
    return {key: (known[id(recipe)], recipe) for key, recipe in recipes.items()}


def triangle(X: FloatArray) -> FloatArray:
    """R, (k, p), with ``R'R = X'X``; those of parts, one below another, are one of all rows."""
    if X.shape[0] <= X.shape[1]:
        return X
    out: FloatArray = np.asarray(np.linalg.qr(X, mode="r"))
    return out


def keep_columns(outline: Outline, triangles: list[Mapping[str, FloatArray]]) -> Outline:
    """The outline with the columns that are no combinations of others in all rows together.

    Parameters
    ----------
    outline : Outline
    triangles : list of mapping of str to (k, p)
        Of each part, by predictor; see `triangle`.
    """
    names = [name for name, _ in outline.wanted.formula.predictors]
    kept = {
        name: independent_columns(np.vstack([part[name] for part in triangles])) for name in names
    }
    return replace(outline, kept=kept)


def hash_levels(design: Design) -> dict[tuple[str, ...], Any]:
    """A number of 64 bits for each level of each grouping factor, by its label."""
    return {group: _hashes(np.asarray(key.levels)) for group, key in design.keys.items()}


def _hashes(labels: Any) -> Any:
    whole = labels.astype(np.int64) if labels.dtype.kind in "iu" else labels
    return pd.util.hash_array(whole, categorize=False)
