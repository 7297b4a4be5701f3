"""The reference grid: every combination of the levels of the predictors, others at their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from mixcheck.arguments.options import as_whole, listed, shown
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import OptionError, UnknownColumnError
from mixcheck.port import Predicting, PredictionOf

__all__ = ["Grid", "Weights", "levels_of", "make_grid", "read_names", "row_weights"]

Weights: TypeAlias = Literal["equal", "proportional", "cells"]

_MOST_ROWS = 1_000_000
# A column of numbers with so few values has them as levels.
_FEW_VALUES = 2


@dataclass(frozen=True, eq=False)
class Grid:
    """Combinations of values of the columns that a prediction uses.

    Attributes
    ----------
    rows : DataFrame, (r, columns)
    levels : mapping of column name to list
        Values of each column, of a covariate the mean.
    codes : mapping of column name to (r,) int
        Number of the value in each row.
    frequencies : (r,)
        How many rows of the data have the levels of each; those of covariates do not count.
    """

    rows: pd.DataFrame
    levels: Mapping[str, list[Any]]
    codes: Mapping[str, IntArray]
    frequencies: FloatArray


def read_names(name: str, given: object, *, empty: bool = False) -> tuple[str, ...]:
    """One column name or several, as a tuple.

    Raises
    ------
    OptionError
    """
    if given is None and empty:
        return ()
    names = (given,) if isinstance(given, str) else given
    if (
        not isinstance(names, Sequence)
        or isinstance(names, bytes)
        or not all(isinstance(n, str) for n in names)
        or len(set(names)) != len(names)
        or (not names and not empty)
    ):
        raise OptionError(
            f"{name}={shown(given)} must be the name of a column, or a list of different names"
        )
    return tuple(str(n) for n in names)


def make_grid(
    model: Predicting, of: PredictionOf, wanted: Sequence[str], at: Mapping[str, Any] | None
) -> Grid:
    """The grid of a prediction.

    Parameters
    ----------
    model : Predicting
    of : str
        What is predicted.
    wanted : sequence of str
        Columns whose values matter.
    at : mapping of column name to value or values, optional

    Raises
    ------
    OptionError, UnknownColumnError
        For a column that the prediction does not use.
    """
    columns, frame = model.prediction_columns(of), model.frame
    if at is not None and not isinstance(at, Mapping):
        raise OptionError(f"at={shown(at)} must be a mapping, such as at={{'age': [20, 40]}}")
    chosen = {} if at is None else dict(at)
    for name in [*wanted, *chosen]:
        _require_column(name, columns)
    levels, counted = {}, []
    for name, has_levels in columns.items():
        own = levels_of(frame[name]) if has_levels else None
        values = frame[name].dropna().unique().tolist() if own is None else own
        if name in chosen:
            levels[name] = _read_values(name, chosen[name], own)
        elif own is not None:
            levels[name] = own
        elif len(values) <= _FEW_VALUES:
            levels[name] = sorted(values)
        else:
            levels[name] = [float(frame[name].mean())]
        if own is not None or (len(values) <= _FEW_VALUES and name not in chosen):
            counted.append(name)
    size = prod(len(v) for v in levels.values())
    if size > _MOST_ROWS:
        raise OptionError(
            f"the grid of all levels has {size:,} rows; hold columns at a value, such as "
            f"at={{{next(iter(levels))!r}: ..}}"
        )
    numbers = np.array(list(product(*(range(len(v)) for v in levels.values()))), dtype=np.intp)
    numbers = numbers.reshape(size, len(levels))
    codes = {name: numbers[:, j] for j, name in enumerate(levels)}
    rows = pd.DataFrame(
        {name: _column(frame[name], levels[name], codes[name]) for name in levels},
        index=pd.RangeIndex(size),
    )
    return Grid(rows, levels, codes, _count(model, levels, codes, counted, size))


def _require_column(name: object, columns: Mapping[str, bool]) -> None:
    if name not in columns:
        raise UnknownColumnError(
            f"{shown(name)} is no predictor of the model's fixed part, which has "
            f"{listed(list(columns)) or 'none'}"
        )


def levels_of(column: pd.Series[Any]) -> list[Any]:
    """Levels that some row has, in their order."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        present = set(column.dropna().unique())
        return [level for level in column.cat.categories if level in present]
    return sorted(column.dropna().unique().tolist())


def _read_values(name: str, given: object, levels: list[Any] | None) -> list[Any]:
    several = isinstance(given, list | tuple | np.ndarray | pd.Series | pd.Index | range)
    values: list[Any] = list(given) if several else [given]  # type: ignore[call-overload]
    if not values:
        raise OptionError(f"at={{{name!r}: ..}} holds no value; write one or several")
    if levels is not None:
        strange = [v for v in values if v is pd.NA or v not in levels]
        if strange:
            raise OptionError(
                f"{shown(strange[0])} is no level of {name}, which has "
                f"{listed([str(level) for level in levels])}"
            )
        return values
    for value in values:
        number = as_whole(value) is not None or isinstance(value, float | np.floating)
        if not number or not np.isfinite(float(value)):
            raise OptionError(f"at={{{name!r}: ..}} must hold numbers; found {shown(value)}")
    return [float(v) for v in values]


def _column(old: pd.Series[Any], levels: list[Any], codes: IntArray) -> Any:
    if isinstance(old.dtype, pd.CategoricalDtype):
        known = old.cat.categories
        return pd.Categorical([levels[c] for c in codes], dtype=old.dtype if len(known) else None)
    made = pd.Series([levels[c] for c in codes])
    return made.astype(old.dtype) if pd.api.types.is_bool_dtype(old.dtype) else made


def _count(
    model: Predicting,
    levels: Mapping[str, list[Any]],
    codes: Mapping[str, IntArray],
    counted: Sequence[str],
    size: int,
) -> FloatArray:
    """Rows of the data in each cell of the columns with levels."""
    frame, weights = model.frame, model.row_weights
    w = np.ones(len(frame)) if weights is None else weights
    own: IntArray = np.zeros(len(frame), dtype=np.intp)
    cell: IntArray = np.zeros(size, dtype=np.intp)
    for name in counted:
        place = {level: k for k, level in enumerate(levels[name])}
        found = np.array([place.get(v, -1) for v in frame[name].tolist()], dtype=np.intp)
        own = np.where((own < 0) | (found < 0), -1, own * len(levels[name]) + found)
        cell = cell * len(levels[name]) + codes[name]
    cells = prod(len(levels[name]) for name in counted)
    counts = np.bincount(own[own >= 0], w[own >= 0], minlength=cells)
    return np.asarray(counts[cell], dtype=np.float64)


def row_weights(grid: Grid, kept: Sequence[str], weights: Weights) -> tuple[FloatArray, IntArray]:
    """How the rows of the grid are averaged for each combination of some columns.

    Parameters
    ----------
    grid : Grid
    kept : sequence of str
        Columns of the combinations.
    weights : {"equal", "proportional", "cells"}

    Returns
    -------
    L : (k, r)
        Rows sum to one; NaN for a combination without data, by "cells".
    first : (k,) int
        A row of each combination.
    """
    shape = [len(grid.levels[name]) for name in kept]
    cell: IntArray = np.zeros(len(grid.rows), dtype=np.intp)
    for name, m in zip(kept, shape, strict=True):
        cell = cell * m + grid.codes[name]
    k = prod(shape)
    if weights == "equal":
        raw: FloatArray = np.ones(len(grid.rows))
    elif weights == "cells":
        raw = grid.frequencies
    else:
        # Frequencies of what is averaged over, whatever the combination.
        rest: IntArray = np.zeros(len(grid.rows), dtype=np.intp)
        for name in grid.levels:
            if name not in kept:
                rest = rest * len(grid.levels[name]) + grid.codes[name]
        raw = np.asarray(np.bincount(rest, grid.frequencies)[rest], dtype=np.float64)
    totals = np.bincount(cell, raw, minlength=k)
    L = np.zeros((k, len(grid.rows)))
    with np.errstate(invalid="ignore"):
        L[cell, np.arange(len(grid.rows))] = raw / totals[cell]
    first = np.array([int(np.flatnonzero(cell == c)[0]) for c in range(k)], dtype=np.intp)
    return L, first
