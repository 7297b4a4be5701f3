"""The right side of a model on its data: matrices, levels and offsets of every predictor.

Models of the same columns share it, whatever their responses: it is made once for each table that
holds the same. A table may be changed at any time, so nothing is known by its identity; what its
columns hold is compared.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from mixcheck.arguments.options import listed
from mixcheck.arrays import BoolArray, IntArray
from mixcheck.design.columns import Picked, contents_of, read_column
from mixcheck.design.covariances import STRUCTURES
from mixcheck.design.grouping import GroupKey, group_rows
from mixcheck.design.level_notes import doubts, level_notes
from mixcheck.design.model_formula import ModelFormula
from mixcheck.design.numbers_as_text import refuse_numbers_as_text
from mixcheck.design.plan import Plan
from mixcheck.design.predictors import Offset, Predictor, make_predictors, require_parameters
from mixcheck.design.recipe_making import make_matrices
from mixcheck.design.recipes import Recipe
from mixcheck.design.spelling import variant_notes
from mixcheck.errors import DesignError
from mixcheck.execution.recent import Recent

__all__ = ["RightSide", "alias_notes", "check_groups", "read_right_side"]
# Of so many right sides, of tables with so many values, the contents are known.
_MOST_SIDES: Final = 16
_MOST_VALUES: Final = 50_000


@dataclass(frozen=True, eq=False)
class RightSide:
    """All of a design but its response.

    Attributes
    ----------
    predictors : tuple of Predictor
    recipes : mapping
        How each matrix is made from new data.
    keys : mapping
        How each grouping factor finds its levels in new data.
    kept : mapping
        Which columns of a predictor's recipe are in its X.
    aloud : tuple of str
        Sentences on columns left out and spellings of levels, which are warned of.
    notes : tuple of str
        Sentences on levels left out.
    doubts : tuple of str
        Warnings of text that looks like numbers.
    """

    predictors: tuple[Predictor, ...]
    recipes: Mapping[str, Recipe] = field(repr=False)
    keys: Mapping[tuple[str, ...], GroupKey] = field(repr=False)
    kept: Mapping[str, BoolArray] = field(repr=False)
    aloud: tuple[str, ...]
    notes: tuple[str, ...]
    doubts: tuple[str, ...]


_SEEN: Final = Recent[Hashable, RightSide](_MOST_SIDES)


def read_right_side(
    formula: ModelFormula,
    plan: Plan,
    picked: Mapping[str, Picked],
    rows: IntArray | None,
    frame: pd.DataFrame,
    offset: Offset,
    context: Mapping[str, Any] | None,
) -> RightSide:
    """Everything that the predictors of a formula have on the data.

    Parameters
    ----------
    formula : ModelFormula
    plan : Plan
        Of the formula.
    picked : mapping of str to Series or array
        The columns of its right side, with all rows of the data.
    rows : (n,) int or None
        Positions of the rows used; None for all.
    frame : DataFrame
        These rows.
    offset : Offset
    context : mapping or None
        See `mixcheck.design.build_design`.

    Raises
    ------
    DataError, DesignError, UnknownColumnError
        As `mixcheck.design.build_design`.
    """
    alone = rows is None and offset.numbers is None and not context
    key = _contents(formula, picked, len(frame)) if alone else None
    known = None if key is None else _SEEN.get(key)
    if known is None:
        known = _make_right_side(formula, plan, picked, rows, frame, offset, context)
        if key is not None:
            _seal(known)
            _SEEN.keep(key, known)
    return known


def _seal(right: RightSide) -> None:
    """Refuse to write into what several models share."""
    for part in right.predictors:
        arrays = [
            part.X,
            part.offset,
            *(a for block in part.random for a in (block.Z, block.codes)),
        ]
        for array in arrays:
            array.flags.writeable = False


def _contents(formula: ModelFormula, picked: Mapping[str, Picked], n: int) -> Hashable | None:
    """All that a right side depends on; None where that is much, or has no fixed contents."""
    if n * len(picked) > _MOST_VALUES:
        return None
    columns = [(name, contents_of(column)) for name, column in picked.items()]
    if any(contents is None for _, contents in columns):
        return None
    return (formula.predictors, n, *columns)


def _make_right_side(
    formula: ModelFormula,
    plan: Plan,
    picked: Mapping[str, Picked],
    rows: IntArray | None,
    frame: pd.DataFrame,
    offset: Offset,
    context: Mapping[str, Any] | None,
) -> RightSide:
    n = len(frame)
    columns = {name: read_column(column, rows, name) for name, column in picked.items()}
    refuse_numbers_as_text(plan, picked, columns)
    made = make_matrices(plan.predictors, columns, n, context)
    groups = {group: group_rows(group, columns) for group in plan.groups}
    check_groups(groups, formula)
    predictors, kept = make_predictors(formula, made, groups, offset, frame, context or {})
    require_parameters(predictors, formula)
    return RightSide(
        predictors=predictors,
        recipes={key: recipe for key, (_, recipe) in made.items()},
        keys={group: key for group, (_, key) in groups.items()},
        kept=kept,
        aloud=(*alias_notes(predictors), *variant_notes(columns, list(columns))),
        notes=tuple(level_notes(picked, columns, columns)),
        doubts=tuple(doubts(plan, columns, n)),
    )


def check_groups(
    groups: Mapping[tuple[str, ...], tuple[IntArray, GroupKey]], formula: ModelFormula
) -> None:
    """Refuse one level only, save for one series, which varies in time.

    Raises
    ------
    DesignError
    """
    compared = {
        term.group
        for _, part in formula.predictors
        for term in part.random
        if not STRUCTURES[term.structure].sequential
    }
    for names, (_, key) in groups.items():
        if key.size < 2 and names in compared:
            raise DesignError(
                f"The grouping factor `{':'.join(names)}` has one level only "
                f"({key.levels.tolist()[0]!r}) in the rows used; the variance between levels "
                "cannot be estimated. Remove its random terms."
            )


def alias_notes(predictors: tuple[Predictor, ...]) -> list[str]:
    """A sentence for each predictor that has columns left out."""
    return [
        f"{len(p.aliased)} column(s) of the {p.name} predictor were left out because they are "
        f"linear combinations of the others: {listed(p.aliased)}."
        for p in predictors
        if p.aliased
    ]
