"""A design applied to new data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from mixcheck.arguments.options import shown
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.design.columns import Columns, missing_rows, pick_column, read_column
from mixcheck.design.frames import (
    RowVector,
    as_frame,
    check_finite,
    read_vector,
    require_columns,
    row_label,
)
from mixcheck.design.grouping import GroupKey, kind_of, look_up, write_cast
from mixcheck.design.matrices import Design
from mixcheck.design.model_formula import PredictorFormula
from mixcheck.design.plan import Plan, plan_formula
from mixcheck.design.predictors import Predictor, RandomBlock
from mixcheck.design.rank import deviates, deviations
from mixcheck.design.spelling import spelling_hint
from mixcheck.errors import (
    DataError,
    DataWarning,
    OptionError,
    UnknownColumnError,
    UnseenLevelError,
)
from mixcheck.notices import warn

__all__ = ["RandomParts", "Unseen", "apply_design", "deviations_of"]

Unseen: TypeAlias = Literal["error", "zero"]
RandomParts: TypeAlias = Literal["levels", "effects", "none"]


def apply_design(
    design: Design,
    new_data: object,
    *,
    unseen: Unseen,
    offset: RowVector = None,
    predictors: Collection[str] | None = None,
    random: RandomParts = "levels",
    aloud: bool = True,
) -> tuple[Predictor, ...]:
    """Make the predictors of a design from new data; no response is needed.

    Parameters
    ----------
    design : Design
        From ``build_design``.
    new_data : table
        Must have every column that the wanted predictors use, and no other.
    unseen : {"error", "zero"}
        A level of a grouping factor that the design has never seen raises, or gets code -1.
    offset : str or array_like, (rows of new_data,), optional
        Needed where the design was built with an offset given as an array.
    predictors : collection of str, optional
        Names of the predictors wanted; all of them by default.
    random : {"levels", "effects", "none"}
        Random terms with the level of every row; with their effects alone, every code being -1;
        or no random terms.
    aloud : bool
        Whether to warn of rows that the fit does not tell.

    Returns
    -------
    tuple of Predictor
        With as many rows as `new_data`; where a value is missing that they use, X and Z are NaN.

    Raises
    ------
    UnseenLevelError
        Naming column and level.
    DataError, UnknownColumnError
        As ``build_design``.

    Warns
    -----
    DataWarning
        If the fit does not tell what the predictor of a row is, because a column was left out
        as a combination of others, and the row does not follow the combination.
    """
    if unseen not in ("error", "zero"):
        raise OptionError(f"unseen must be 'error' or 'zero', not {shown(unseen)}.")
    frame = as_frame(new_data)
    plan = plan_formula(design.formula)
    wanted = [
        (parsed, old)
        for (name, parsed), old in zip(design.formula.predictors, design.predictors, strict=True)
        if predictors is None or name in predictors
    ]
    parts = _part_names(wanted, random)
    keys = {t.group: design.keys[t.group] for p, _ in wanted for t in p.random}
    grouped = tuple(dict.fromkeys(c for group in keys for c in group)) if random == "levels" else ()
    effects = _effect_columns(plan, parts, design.frame)
    _require_groups(frame, grouped)
    require_columns(frame, effects, ())
    uses_offset = any(old.name == "mean" for _, old in wanted)
    extra = read_vector(_new_offset(design, offset), frame, "offset") if uses_offset else None
    if extra is not None and np.isinf(extra).any():
        first = row_label(frame, int(np.flatnonzero(np.isinf(extra))[0]))
        raise DataError(
            f"offset is infinite in {first}, and in {int(np.isinf(extra).sum())} row(s) in all; "
            "write a finite number, or NaN where it is not known."
        )
    needed = dict.fromkeys([*effects, *(grouped if unseen == "error" else ())])
    rows = _present_rows(frame, list(needed), [extra])
    columns = {n: read_column(pick_column(frame, n), rows) for n in effects}
    made = _evaluate(design, parts, columns, frame, rows)
    none = np.full(len(frame), -1, dtype=np.intp)
    codes = {
        group: _new_codes(key, frame, unseen) if random == "levels" else none
        for group, key in keys.items()
    }
    out = tuple(
        _new_predictor(design, parsed, old, made, codes, extra, random) for parsed, old in wanted
    )
    for old, new in zip((old for _, old in wanted if aloud), out if aloud else (), strict=True):
        _warn_inestimable(design, plan, old, new, made[new.name], frame)
    return out


def deviations_of(
    design: Design, new_data: pd.DataFrame, name: str
) -> tuple[FloatArray, FloatArray]:
    """By how much columns left out of a predictor are not the combinations that they were.

    Returns
    -------
    off, sizes : (n, a)
        As of `mixcheck.design.rank.deviations`, in rows without a missing value.
    """
    old, recipe = design.predictor(name), design.recipes.get(name)
    if not old.aliased or recipe is None:
        return np.zeros((len(new_data), 0)), np.zeros((len(new_data), 0))
    keep = design.kept[name]
    made = []
    for frame in (design.frame, new_data):
        names = _effect_columns(plan_formula(design.formula), (name,), design.frame)
        columns = {n: read_column(pick_column(frame, n), None) for n in names}
        made.append(recipe.evaluate(columns, len(frame)))
    fitted, whole = made
    return deviations(fitted[:, keep], fitted[:, ~keep], whole[:, keep], whole[:, ~keep])


def _require_groups(frame: pd.DataFrame, names: tuple[str, ...]) -> None:
    absent = [name for name in names if name not in set(frame.columns)]
    if absent:
        raise UnknownColumnError(
            f"`{absent[0]}`, a grouping factor of the model, is no column of the new data; add it, "
            "or ask for random_effects='zero' or 'marginal', which need no groups."
        )


def _part_names(
    wanted: list[tuple[PredictorFormula, Predictor]], random: RandomParts
) -> tuple[str, ...]:
    """Keys of the matrices of the wanted predictors."""
    names = []
    for parsed, old in wanted:
        names.append(old.name)
        names += [f"{old.name} offset {i}" for i in range(len(parsed.offsets))]
        if random != "none":
            names += [f"{old.name} random {i}" for i in range(len(parsed.random))]
    return tuple(names)


def _effect_columns(plan: Plan, parts: tuple[str, ...], old: pd.DataFrame) -> tuple[str, ...]:
    """Columns of new data that some matrices need: those that were columns of the old."""
    columns = set(old.columns)
    used = dict.fromkeys(v for key in parts for v in plan.predictors[key].variables)
    return tuple(name for name in used if name in columns)


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
    design: Design, parts: tuple[str, ...], columns: Columns, frame: pd.DataFrame, rows: IntArray
) -> dict[str, FloatArray]:
    """Matrix of every part, NaN in the rows with a missing value."""
    made = {}
    for key in parts:
        recipe = design.recipes[key]
        whole = np.full((len(frame), recipe.made), np.nan, order="F")
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
    columns = {c: read_column(pick_column(frame, c), rows) for c in key.columns}
    codes[rows] = look_up(key, columns)
    if (codes[rows] >= 0).all():
        return codes
    _require_kinds(key, columns)
    if unseen == "error":
        strange = frame.iloc[rows[codes[rows] < 0]]
        labels = strange[list(key.columns)].astype(str).agg(":".join, axis=1).unique()
        raise UnseenLevelError(
            f"Grouping factor `{':'.join(key.columns)}` has level(s) "
            f"{', '.join(repr(v) for v in labels[:5])} that the model has never seen. "
            f"{spelling_hint(labels[:5], key.levels)}Ask for unseen='zero' to predict them with "
            "random effects of zero."
        )
    return codes


def _require_kinds(key: GroupKey, columns: Columns) -> None:
    """Fail if labels are of another kind than the fit's, so that none of them can be found."""
    for name, part in zip(key.columns, key.parts, strict=True):
        old, new = kind_of(part), kind_of(columns[name])
        if old != new:
            raise UnseenLevelError(
                f"Grouping factor `{name}` has {old} in the fit and {new} in the new data, so "
                f"that no level is found; {write_cast(old, name, new)}."
            )


def _warn_inestimable(
    design: Design,
    plan: Plan,
    old: Predictor,
    new: Predictor,
    whole: FloatArray,
    frame: pd.DataFrame,
) -> None:
    """Say which rows do not follow the combinations that columns were left out for."""
    if not old.aliased or len(frame) == 0:
        return
    names = [v for v in plan.predictors[old.name].variables if v in set(design.frame.columns)]
    columns = {name: read_column(pick_column(design.frame, name), None) for name in names}
    fitted = design.recipes[old.name].evaluate(columns, len(design.frame))
    keep = design.kept[old.name]
    off = deviates(fitted[:, keep], fitted[:, ~keep], whole[:, keep], whole[:, ~keep])
    rows = np.flatnonzero(off.any(axis=1))
    if len(rows) == 0:
        return
    strange = [name for j, name in enumerate(old.aliased) if off[:, j].any()]
    which = row_label(frame, int(rows[0]))
    if len(rows) > 1:
        which += f" and {len(rows) - 1} other(s)"
    warn(
        f"The fit does not tell the {old.name} predictor of {which}: "
        f"{', '.join(f'`{name}`' for name in strange[:5])} had been left out as a linear "
        "combination of other columns, which these rows do not follow; their prediction counts "
        "it as zero.",
        DataWarning,
    )


def _new_predictor(
    design: Design,
    parsed: PredictorFormula,
    old: Predictor,
    made: Mapping[str, FloatArray],
    codes: Mapping[tuple[str, ...], IntArray],
    extra: FloatArray | None,
    random: RandomParts,
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
        _new_block(block, codes[term.group], made[f"{name} random {i}"])
        for i, (term, block) in enumerate(zip(parsed.random, old.random, strict=True))
        if random != "none"
    )
    X = X if keep.all() else np.asfortranarray(X[:, keep])
    return Predictor(name, old.columns, X, offset, blocks, old.aliased)


def _new_block(block: RandomBlock, codes: IntArray, Z: FloatArray) -> RandomBlock:
    """A random term on new rows; times of a sequence may lie before its first or after its last."""
    if block.positions is None:
        return replace(block, codes=codes, Z=Z)
    known = np.isfinite(Z)
    positions = np.where(known, Z, 0.0)[:, 0].astype(np.intp)
    return replace(block, codes=codes, Z=np.where(known, 1.0, np.nan), positions=positions)
