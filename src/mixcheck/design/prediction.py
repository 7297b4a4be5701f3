"""A design applied to new data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.design.formula import PredictorFormula
from mixcheck.design.frames import (
    Columns,
    RowVector,
    as_frame,
    check_finite,
    missing_rows,
    pick_column,
    read_column,
    read_vector,
    require_columns,
)
from mixcheck.design.grouping import GroupKey, look_up
from mixcheck.design.matrices import Design, Predictor, RandomBlock
from mixcheck.design.plan import Plan, plan_formula
from mixcheck.errors import DataError, OptionError, UnseenLevelError

__all__ = ["Unseen", "apply_design"]

Unseen: TypeAlias = Literal["error", "zero"]


def apply_design(
    design: Design, new_data: object, *, unseen: Unseen, offset: RowVector = None
) -> tuple[Predictor, ...]:
    """Make the predictors of a design from new data; no response is needed.

    Parameters
    ----------
    design : Design
        From ``build_design``.
    new_data : table
        Must have every column of the predictors and groups.
    unseen : {"error", "zero"}
        A level of a grouping factor that the design has never seen raises, or gets code -1.
    offset : str or array_like, (rows of new_data,), optional
        Needed where the design was built with an offset given as an array.

    Returns
    -------
    tuple of Predictor
        With as many rows as `new_data`; where a predictor is missing, X and Z are NaN.

    Raises
    ------
    UnseenLevelError
        Naming column and level.
    DataError, UnknownColumnError
        As ``build_design``.
    """
    if unseen not in ("error", "zero"):
        raise OptionError(f"unseen must be 'error' or 'zero', not {unseen!r}.")
    frame = as_frame(new_data)
    plan = plan_formula(design.formula)
    names = _new_names(plan, design.frame, frame)
    extra = read_vector(_new_offset(design, offset), frame, "offset")
    whole = () if unseen == "error" else plan.group_columns
    skip = frozenset(whole) - frozenset(plan.variables(response=False))
    rows = _present_rows(frame, [n for n in names if n not in skip], [extra])
    columns = {n: read_column(pick_column(frame, n), rows) for n in names if n not in skip}
    made = _evaluate(design, columns, frame, rows)
    codes = {group: _new_codes(key, frame, unseen) for group, key in design.keys.items()}
    return tuple(
        _new_predictor(design, p, old, made, codes, extra)
        for (_, p), old in zip(design.formula.predictors, design.predictors, strict=True)
    )


def _new_names(plan: Plan, old: pd.DataFrame, frame: pd.DataFrame) -> tuple[str, ...]:
    """Columns of new data that its predictors need: those that were columns of the old."""
    columns = set(old.columns)
    names = [name for name in plan.variables(response=False) if name in columns]
    needed = tuple(dict.fromkeys([*names, *plan.group_columns]))
    require_columns(frame, needed, ())
    return needed


def _new_offset(design: Design, offset: RowVector) -> RowVector:
    if offset is None and design.offset_source == "":
        raise DataError(
            "The model was fitted with an offset given as an array, so new data need one: give "
            "offset=, or write offset(column) in the formula."
        )
    return design.offset_source if offset is None else offset


def _present_rows(
    frame: pd.DataFrame, names: list[str], vectors: list[FloatArray | None]
) -> IntArray:
    missing = np.zeros(len(frame), dtype=np.bool_)
    for name in names:
        where = missing_rows(pick_column(frame, name))
        if where is not None:
            missing |= where
    for vector in vectors:
        if vector is not None:
            missing |= np.isnan(vector)
    return np.flatnonzero(~missing)


def _evaluate(
    design: Design, columns: Columns, frame: pd.DataFrame, rows: IntArray
) -> dict[str, FloatArray]:
    """Matrix of every part, NaN in the rows with a missing value."""
    made = {}
    for key, recipe in design.recipes.items():
        whole = np.full((len(frame), len(recipe.columns)), np.nan, order="F")
        if len(rows):
            values = recipe.evaluate(columns, len(rows))
            check_finite(values, recipe.columns, frame.iloc[rows])
            whole[rows] = values
        made[key] = whole
    return made


def _new_codes(key: GroupKey, frame: pd.DataFrame, unseen: Unseen) -> IntArray:
    """Codes, (n,), of new rows; -1 where a group is missing or, by request, unseen."""
    codes = np.full(len(frame), -1, dtype=np.intp)
    rows = _present_rows(frame, list(key.columns), [])
    if len(rows) == 0:
        return codes
    codes[rows] = look_up(key, {c: read_column(pick_column(frame, c), rows) for c in key.columns})
    if unseen == "error" and (codes[rows] < 0).any():
        strange = frame.iloc[rows[codes[rows] < 0]]
        labels = strange[list(key.columns)].astype(str).agg(":".join, axis=1).unique()
        raise UnseenLevelError(
            f"Grouping factor `{':'.join(key.columns)}` has level(s) "
            f"{', '.join(repr(v) for v in labels[:5])} that the model has never seen. Ask for "
            "unseen='zero' to predict them with random effects of zero."
        )
    return codes


def _new_predictor(
    design: Design,
    parsed: PredictorFormula,
    old: Predictor,
    made: Mapping[str, FloatArray],
    codes: Mapping[tuple[str, ...], IntArray],
    extra: FloatArray | None,
) -> Predictor:
    name = old.name
    X = made[name]
    keep = design.kept[name]
    offset = np.zeros(len(X))
    for i in range(len(parsed.offsets)):
        offset += made[f"{name} offset {i}"][:, 0]
    if name == "mean" and extra is not None:
        offset += extra
    blocks = tuple(
        RandomBlock(
            block.name,
            block.group,
            block.effects,
            block.levels,
            codes[term.group],
            made[f"{name} random {i}"],
            block.structure,
        )
        for i, (term, block) in enumerate(zip(parsed.random, old.random, strict=True))
    )
    X = X if keep.all() else np.asfortranarray(X[:, keep])
    return Predictor(name, old.columns, X, offset, blocks, old.aliased)
