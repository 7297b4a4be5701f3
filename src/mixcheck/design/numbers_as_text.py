"""Columns of numbers that were read as text: refused where each number would be a level."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from mixcheck.design.columns import Columns, Picked, Texts
from mixcheck.design.nodes import Name, render
from mixcheck.design.plan import Plan
from mixcheck.design.written_numbers import (
    are_amounts,
    how_to_make_numbers,
    mostly_numbers,
    which_are_numbers,
    without_unit,
)
from mixcheck.errors import DataError

__all__ = ["refuse_numbers_as_text"]


def refuse_numbers_as_text(plan: Plan, picked: Mapping[str, Picked], columns: Columns) -> None:
    """Refuse text that stands alone in a predictor and is numbers, each of which would be a level.

    Text is taken for numbers where it has more than ten levels, nine of ten of them are numbers,
    and some of those have a fraction: whole numbers may be codes, unless `are_amounts` sees that
    they are none. A unit that follows them, of up to three letters, a currency on either side, or
    one over another as in "mg/L", is no matter. Categories are taken at their word, and so is
    `factor(x)`.

    Parameters
    ----------
    plan : Plan
    picked : mapping of str to Series or array
        Columns as they are in the data.
    columns : mapping of str to array
        The same ones, read.

    Raises
    ------
    DataError
        If there is such a column.
    """
    lookups = dict.fromkeys(name for part in plan.predictors.values() for name in part.lookups)
    for name in lookups:
        read = columns.get(name)
        if not isinstance(read, pd.Categorical) or not _is_text(picked[name]):
            continue
        levels = [str(level) for level in read.categories]
        if mostly_numbers(without_unit(levels)[0]) and are_amounts(levels):
            raise DataError(
                f"Column `{name}` is text with {len(levels)} levels, {which_are_numbers(levels)}. "
                f"{how_to_make_numbers(name, levels)} To give each its own effect write "
                f"factor({render(Name(name))})."
            )


def _is_text(column: Picked) -> bool:
    return isinstance(column, Texts) or (
        isinstance(column, pd.Series) and not isinstance(column.dtype, pd.CategoricalDtype)
    )
