"""Formula and data to the frozen Design that a fitter works on."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.design.columns import Picked, Table, missing_rows, pick_numbers, read_column
from mixcheck.design.frames import (
    RowVector,
    as_frame,
    check_finite,
    columns_by_name,
    own_frame,
    read_vector,
    require_columns,
    row_label,
)
from mixcheck.design.grouping import GroupKey
from mixcheck.design.known import known_functions, known_values, require_functions
from mixcheck.design.level_notes import level_notes
from mixcheck.design.model_formula import ModelFormula
from mixcheck.design.plan import Plan, plan_formula
from mixcheck.design.predictors import Offset, Predictor
from mixcheck.design.recipe_making import make_matrices
from mixcheck.design.recipes import Recipe
from mixcheck.design.response import make_response
from mixcheck.design.right_side import read_right_side
from mixcheck.design.spelling import variant_notes
from mixcheck.errors import DataError, DataWarning
from mixcheck.notices import warn

__all__ = ["Design", "build_design", "check_weights", "complete_rows", "needed_columns"]


@dataclass(frozen=True, eq=False)
class Design:
    """A model's data as arrays.

    Attributes
    ----------
    formula : ModelFormula
        What was asked for.
    response : (n,)
        Response; successes where `size` is given.
    size : (n,) or None
        Trials.
    weights : (n,) or None
        Prior weights.
    predictors : tuple of Predictor
        One for each predictor of the formula.
    frame : pandas.DataFrame
        The caller's rows that were used, with all columns and their index.
    rows : (n,)
        Positions of these rows in the caller's data.
    dropped : int
        Number of rows left out because a value is missing.
    notes : tuple of str
        Sentences on rows, columns and levels left out.
    recipes : mapping
        How each matrix is made from new data.
    keys : mapping
        How each grouping factor finds its levels in new data.
    kept : mapping
        Which columns of a predictor's recipe are in its X.
    offset_source : str or None
        Column of the offset given beside the formula; ``""`` where it was an array.
    labels : tuple of str
        Of a response of ordered categories.
    weights_source : str or None
        Column of the weights, given by its name or as it is.
    asked : mapping
        Arguments of the call that was made for it; arrays of rows are those of `rows`.
    """

    formula: ModelFormula
    response: FloatArray
    size: FloatArray | None
    weights: FloatArray | None
    predictors: tuple[Predictor, ...]
    frame: pd.DataFrame
    rows: IntArray
    dropped: int
    notes: tuple[str, ...]
    recipes: Mapping[str, Recipe] = field(repr=False)
    keys: Mapping[tuple[str, ...], GroupKey] = field(repr=False)
    kept: Mapping[str, BoolArray] = field(repr=False)
    offset_source: str | None = None
    labels: tuple[str, ...] = ()
    weights_source: str | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)

    def predictor(self, name: str) -> Predictor:
        """Predictor called `name`."""
        return {p.name: p for p in self.predictors}[name]


def build_design(
    formula: ModelFormula,
    data: object,
    *,
    weights: RowVector = None,
    offset: RowVector = None,
    ratio_is_trials: bool,
    categories: bool = False,
    context: Mapping[str, Any] | None = None,
) -> Design:
    """Make every array of a model.

    Rows with a missing value anywhere (response, predictors, groups, weights, offsets) are left
    out together. Transformations see the rows that are used.

    Parameters
    ----------
    formula : ModelFormula
        From ``parse_formula``.
    data : table
        pandas, polars, pyarrow, duckdb, or a dict of columns; never changed.
    weights, offset : str or array_like, (rows of data,), optional
        Prior weights, and a vector added to the predictor of the mean.
    ratio_is_trials : bool
        Whether ``k / n`` means k successes in n trials; otherwise it is a quotient.
    categories : bool
        Whether the response may be ordered categories.
    context : mapping, optional
        More functions for formulas, by name. Must pickle if the design is to.

    Raises
    ------
    UnknownColumnError
        For a name that is not a column.
    DataError
        If no row is left, or values are not finite or not numbers.
    DesignError
        For a factor with one level, or effects that cannot be told apart.

    Warns
    -----
    DataWarning
        If rows or columns were left out.

    Examples
    --------
    >>> from mixcheck.design.formula import parse_formula
    >>> data = {"k": [1, 2, 0, 3], "n": [4, 4, 4, 4], "g": ["a", "a", "b", "b"]}
    >>> design = build_design(parse_formula("k / n ~ 1 + (1 | g)"), data, ratio_is_trials=True)
    >>> design.predictors[0].random[0].codes.tolist()
    [0, 0, 1, 1]
    """
    frame = as_frame(data)
    plan = plan_formula(formula)
    table = columns_by_name(frame)
    names = needed_columns(plan, frame, table, known_functions(context), known_values(context))
    given = {
        "weights": read_vector(weights, frame, "weights"),
        "offset": read_vector(offset, frame, "offset"),
    }
    labels = {"weights": weights, "offset": offset}
    called = {key: v if isinstance(v, str) else key for key, v in labels.items()}
    picked = {name: pick_numbers(table, name) for name in names}
    rows, notes = complete_rows(frame, picked, {called[key]: v for key, v in given.items()})
    kept_rows = None if len(rows) == len(frame) else rows
    used = own_frame(frame) if kept_rows is None else frame.iloc[rows]
    vectors = {k: v if v is None or kept_rows is None else v[rows] for k, v in given.items()}
    check_weights(vectors["weights"], used)
    left = {name: read_column(picked[name], kept_rows, name) for name in names if name in plan.left}
    response = make_response(
        formula.response,
        {key: X for key, (X, _) in make_matrices(plan.computed, left, len(rows), context).items()},
        left,
        used,
        ratio_is_trials=ratio_is_trials,
        categories=categories,
    )
    right = read_right_side(
        formula,
        plan,
        {name: picked[name] for name in names if name in plan.right},
        kept_rows,
        used,
        Offset(vectors["offset"], called["offset"]),
        context,
    )
    # A column that stands on both sides is spoken of once.
    own = [name for name in left if name not in plan.right]
    aloud = [*notes, *variant_notes(left, own), *right.aloud]
    for note in (*aloud, *right.doubts):
        warn(note, DataWarning)
    return Design(
        formula=formula,
        response=response.outcome,
        size=response.size,
        weights=vectors["weights"],
        predictors=right.predictors,
        frame=used,
        rows=rows,
        dropped=len(frame) - len(rows),
        notes=(*aloud, *response.notes, *level_notes(picked, left, own), *right.notes),
        recipes=right.recipes,
        keys=right.keys,
        kept=right.kept,
        offset_source=offset if isinstance(offset, str) else None if offset is None else "",
        labels=response.labels,
        weights_source=_source(weights, given["weights"], frame),
        asked={
            key: asked if asked is None or isinstance(asked, str) else vectors[key]
            for key, asked in labels.items()
        },
    )


def _source(given: RowVector, values: FloatArray | None, frame: pd.DataFrame) -> str | None:
    """The column that a vector is, by its name, or None."""
    name = given if isinstance(given, str) else getattr(given, "name", None)
    if not isinstance(name, str) or name not in frame.columns or values is None:
        return None
    column = pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return name if np.array_equal(column, values, equal_nan=True) else None


def needed_columns(
    plan: Plan,
    frame: pd.DataFrame,
    table: Table,
    functions: frozenset[str],
    values: frozenset[str],
) -> tuple[str, ...]:
    """Columns that a model needs; fail for names that are nothing."""
    if len(frame) == 0:
        raise DataError("The data have no rows.")
    variables = plan.every_variable
    groups, available = plan.group_columns, _labels_of(table)
    if not all(name in available for name in groups):
        require_columns(frame, groups, ())
    if not all(name in available for name in variables):
        require_columns(frame, variables, values, functions=functions)
    if called := plan.every_function:
        require_functions(called, functions, list(frame.columns))
    return tuple(dict.fromkeys([*(v for v in variables if v in available), *groups]))


def _labels_of(table: Table) -> Container[object]:
    """The names of the columns."""
    if not isinstance(table, pd.DataFrame):
        return table
    # An index of names is asked; one of dates or of levels would read them in its own way.
    return table.columns if type(table.columns) is pd.Index else set(table.columns)


def complete_rows(
    frame: pd.DataFrame,
    picked: Mapping[str, Picked],
    given: Mapping[str, FloatArray | None],
) -> tuple[IntArray, list[str]]:
    """Positions of the rows with nothing missing, and a note on the others."""
    found = {name: missing_rows(column) for name, column in picked.items()}
    found |= {name: np.isnan(v) for name, v in given.items() if v is not None and np.isnan(v).any()}
    present = {name: where for name, where in found.items() if where is not None}
    if not present:
        return np.arange(len(frame)), []
    missing = np.logical_or.reduce(list(present.values()))
    counts = ", ".join(f"`{name}` ({int(where.sum())})" for name, where in present.items())
    if missing.all():
        raise DataError(f"No row is left: every row misses a value. Missing: {counts}.")
    note = (
        f"{int(missing.sum())} of {len(frame)} rows were left out because values are missing: "
        f"{counts}."
    )
    return np.flatnonzero(~missing), [note]


def check_weights(weights: FloatArray | None, frame: pd.DataFrame) -> None:
    """Refuse weights that are not finite, or negative, or all zero.

    Raises
    ------
    DataError
    """
    if weights is None:
        return
    check_finite(weights, ("weights",), frame)
    if weights.min() < 0:
        i = int(weights.argmin())
        raise DataError(f"weights must be >= 0, but is {weights[i]} in {row_label(frame, i)}.")
    if not weights.any():
        raise DataError("All weights are zero; no row counts.")
