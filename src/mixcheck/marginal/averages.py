"""Which rows slopes and comparisons are taken at, and how they are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mixcheck.arguments.options import listed, require_choice, require_flag, shown
from mixcheck.arrays import FloatArray
from mixcheck.errors import DataError, OptionError, UnknownColumnError
from mixcheck.marginal.grid import read_names
from mixcheck.marginal.linear import require_predicting
from mixcheck.port import Predicting, PredictionOf

__all__ = ["Asked", "averages_of", "read_asked"]


@dataclass(frozen=True, eq=False)
class Asked:
    """Rows to predict, and what of them.

    Attributes
    ----------
    model : Predicting
    of : str
        What is predicted.
    rows : DataFrame
    weights : (n,)
        How much each row counts in an average.
    columns : dict of str to bool
        Columns that the prediction uses, and whether each has levels.
    by : tuple of str
    average : bool
    notes : tuple of str
    """

    model: Predicting
    of: PredictionOf
    rows: pd.DataFrame
    weights: FloatArray
    columns: dict[str, bool]
    by: tuple[str, ...]
    average: bool
    notes: tuple[str, ...]


def read_asked(
    model: object,
    verb: str,
    data: object,
    by: object,
    average: bool,
    scale: str,
    random_effects: str,
    used: Sequence[object],
) -> Asked:
    """Read the arguments that slopes and comparisons share.

    Raises
    ------
    OptionError, UnknownColumnError, DataError
    """
    port = require_predicting(model, verb)
    require_choice("scale", scale, ("response", "link"))
    require_choice("random_effects", random_effects, ("zero", "marginal"))
    require_flag("average", average)
    if scale == "link" and random_effects == "marginal":
        raise OptionError(
            'random_effects="marginal" averages means, not predictors: write scale="response"'
        )
    of: PredictionOf = "link"
    if scale == "response":
        of = "marginal" if random_effects == "marginal" else "response"
    columns = port.prediction_columns(of)
    for name in used:
        if not isinstance(name, str) or name not in columns:
            raise UnknownColumnError(
                f"{shown(name)} is no predictor of the model's fixed part, which has "
                f"{listed(list(columns)) or 'none'}"
            )
    rows = port.frame if data is None else port.read_rows(data)
    groups = read_names("by", by, empty=True)
    for name in groups:
        if name not in rows.columns:
            raise UnknownColumnError(f"by={shown(name)} is no column of the rows")
    if not average and groups:
        raise OptionError("by= averages slopes within groups: write average=True, or leave it out")
    absent = [name for name in columns if name not in rows.columns]
    if absent:
        raise UnknownColumnError(
            f"{shown(absent[0])}, a predictor of the model, is no column of the data; add it"
        )
    for name in columns:
        if rows[name].dtype.kind == "c":
            raise DataError(
                f"column {shown(name)} holds complex numbers, which no model can use; give real "
                "numbers, such as their .real"
            )
    if len(rows) == 0:
        raise DataError("there is no row to predict; give data= with a row at least")
    weights = port.row_weights if data is None else None
    counts = np.ones(len(rows)) if weights is None else weights
    complete = rows[list(columns)].notna().all(axis=1).to_numpy()
    notes = []
    if average:
        over = "the rows of the fit" if data is None else "the rows of data="
        notes.append(f"Averages over {over}{', within each combination' if groups else ''}.")
        if not complete.all():
            notes.append(f"{int((~complete).sum())} rows with a missing value are left out.")
            rows, counts = rows[complete], counts[complete]
    notes.append(
        {
            "link": "Of the linear predictor.",
            "response": "Of the mean, random effects at zero.",
            "marginal": "Of the mean averaged over the random effects.",
        }[of]
    )
    return Asked(port, of, rows, counts, columns, groups, average, tuple(notes))


def averages_of(asked: Asked) -> tuple[FloatArray, pd.DataFrame]:
    """Weights of the rows in each average, (k, n), and its labels."""
    n = len(asked.rows)
    if not asked.average:
        names = list(asked.columns)
        return np.eye(n), asked.rows[names]
    if not asked.by:
        return (asked.weights / asked.weights.sum())[None], pd.DataFrame(index=pd.RangeIndex(1))
    groups = asked.rows.groupby(list(asked.by), sort=True, observed=True)
    L = np.zeros((groups.ngroups, n))
    number = groups.ngroup().to_numpy()
    L[number, np.arange(n)] = asked.weights
    firsts = [int(np.flatnonzero(number == k)[0]) for k in range(groups.ngroups)]
    labels = asked.rows.iloc[firsts][list(asked.by)].reset_index(drop=True)
    with np.errstate(invalid="ignore"):
        return L / L.sum(axis=1, keepdims=True), labels
