"""Sentences on the levels of columns: those that no row has, and text that looks like numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import pandas as pd

from mixcheck.arguments.options import shown
from mixcheck.design.columns import Columns, Picked
from mixcheck.design.nodes import Name, render
from mixcheck.design.plan import Plan
from mixcheck.design.written_numbers import (
    all_numbers,
    mostly_dates,
    mostly_numbers,
    which_are_numbers,
)

__all__ = ["doubts", "level_notes"]

# Below twice this many rows, a level every second row is nothing strange.
_MANY_ROWS: Final = 5


def level_notes(picked: Mapping[str, Picked], columns: Columns, names: Iterable[str]) -> list[str]:
    """A sentence for each of the columns with levels that no row used has."""
    notes = []
    for name in names:
        series, used = picked[name], columns[name]
        if not isinstance(used, pd.Categorical):
            continue
        dtype = series.dtype
        if not isinstance(dtype, pd.CategoricalDtype):
            continue
        if len(dtype.categories) > len(used.categories):
            unused = dtype.categories.difference(used.categories, sort=False)
            listed = ", ".join(repr(level) for level in unused[:5])
            more = ", .." if len(unused) > 5 else ""
            notes.append(f"{len(unused)} unused level(s) of `{name}` left out: {listed}{more}.")
    return notes


def doubts(plan: Plan, columns: Columns, n: int) -> list[str]:
    """Sentences on text that looks like numbers or dates."""
    lookups = dict.fromkeys(name for part in plan.predictors.values() for name in part.lookups)
    return [
        note
        for name in lookups
        if isinstance(values := columns[name], pd.Categorical)
        and (note := _doubt(name, [str(level) for level in values.categories], n))
    ]


def _doubt(name: str, levels: Sequence[str], n: int) -> str:
    """A sentence on levels that are many, dates, or numbers but for a few; empty where none is."""
    if mostly_dates(levels):
        column, written = f"data[{name!r}]", render(Name(name))
        return (
            f"Column `{name}` is text or categories with {len(levels)} levels, which are dates, "
            f"such as {shown(levels[0])}; each is an effect of its own. For an effect of time make "
            f"dates of them, as {column} = pd.to_datetime({column}) with format= (--dates on the "
            f"command line), and write days({written}), month({written}) or year({written})."
        )
    if mostly_numbers(levels) and not all_numbers(levels):
        return (
            f"Column `{name}` is text or categories with {len(levels)} levels, "
            f"{which_are_numbers(levels)}. Each is an effect of its own; if it is numbers, use "
            f"pd.to_numeric(data[{name!r}], errors='coerce')."
        )
    if len(levels) > n / 2 >= _MANY_ROWS:
        return (
            f"Column `{name}` is text or categories with {len(levels)} levels in "
            f"{n} rows, each an effect of its own; if it is numbers, use pd.to_numeric."
        )
    return ""
