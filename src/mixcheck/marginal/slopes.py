"""Slopes: how a prediction changes with a column of numbers, row by row and on average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import shown
from mixcheck.errors import OptionError
from mixcheck.inference.wald import normal_quantile
from mixcheck.marginal.averages import Asked, averages_of, read_asked
from mixcheck.marginal.effects import Effects
from mixcheck.marginal.linear import Functions, average_rows, say
from mixcheck.port import MovingPrediction, Ported, Predicting

__all__ = ["slopes"]

# Of differences of fourth order, in standard deviations of the column; their error is some
# 1e-12 of a smooth prediction.
_STEP = 1e-2
_PLACES = (-2.0, -1.0, 1.0, 2.0)
_WEIGHTS = (1.0 / 12.0, -2.0 / 3.0, 2.0 / 3.0, -1.0 / 12.0)


@answer_calls
def slopes(
    model: Ported | Predicting,
    column: str,
    *,
    data: object = None,
    by: str | Sequence[str] | None = None,
    average: bool = True,
    scale: Literal["response", "link"] = "response",
    random_effects: Literal["zero", "marginal"] = "zero",
    level: float = 0.95,
    ddf: str = "auto",
) -> Effects:
    """Slopes of the prediction in a column of numbers.

    Parameters
    ----------
    model : fitted model
    column : str
        A column of numbers that the fixed part uses.
    data : table, optional
        Rows at which slopes are taken; those of the fit by default. Representative values are
        rows of your own.
    by : str or sequence of str, optional
        Columns of the rows within whose combinations slopes are averaged.
    average : bool
        The mean over rows, or a slope for each row.
    scale : {"response", "link"}
        Of the mean, or of its linear predictor.
    random_effects : {"zero", "marginal"}
        Random effects of zero, or means averaged over their distribution.
    level : float
        The confidence of each interval.
    ddf : str
        Degrees of freedom, as of `mixcheck.GLMM.coefficients`.

    Returns
    -------
    Effects

    Raises
    ------
    OptionError, UnknownColumnError

    Notes
    -----
    ``d m / d x`` at each row by differences of fourth order in the column, through every term that
    holds it; errors by the delta method. Rows count by their weights where the model has
    frequency weights and the rows are those of the fit.

    Examples
    --------
    >>> import mixcheck as mc
    >>> ticks = mc.datasets.load("grouseticks")
    >>> fit = mc.glmm("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", ticks, family="poisson")
    >>> found = mc.slopes(fit, "cHEIGHT", random_effects="marginal")
    >>> found.to_frame()[["term", "estimate", "std_error"]].round(3)
          term  estimate  std_error
    0  cHEIGHT    -0.149      0.037
    """
    asked = read_asked(model, "slopes", data, by, average, scale, random_effects, [column])
    normal_quantile(level)
    rows = asked.rows
    if asked.columns[column] or not pd.api.types.is_numeric_dtype(rows[column].dtype):
        raise OptionError(
            f"{column} has levels and no slope; write mixcheck.comparisons(fit, {shown(column)})"
        )
    values = rows[column].to_numpy(dtype=np.float64)
    step = _STEP * (float(np.nanstd(asked.model.frame[column].to_numpy(dtype=np.float64))) or 1.0)
    found = [
        asked.model.predict_moving(rows.assign(**{column: values + place * step}), asked.of)
        for place in _PLACES
    ]
    derivative = _combine(found, [w / step for w in _WEIGHTS])
    L, labels = averages_of(asked)
    functions = average_rows(L, derivative)
    return describe(asked, functions, labels, column, "dY/dX", level, ddf)


def _combine(found: list[MovingPrediction], weights: list[float]) -> MovingPrediction:
    """A linear combination of predictions of the same rows."""
    w = np.array(weights)
    return MovingPrediction(
        np.tensordot(w, np.stack([f.estimates for f in found]), axes=1),
        np.tensordot(w, np.stack([f.slopes for f in found]), axes=1),
        np.tensordot(w, np.stack([f.excess for f in found]), axes=1),
        np.tensordot(np.abs(w), np.stack([f.sizes for f in found]), axes=1),
    )


def describe(
    asked: Asked,
    functions: Functions,
    labels: pd.DataFrame,
    term: str,
    contrast: str,
    level: float,
    ddf: str,
) -> Effects:
    """Slopes with their errors and labels."""
    said = say(functions, asked.model.combine(functions.slopes, ddf), level)
    head: dict[str, Any] = {"term": term, "contrast": contrast}
    return Effects(
        labels=pd.concat([pd.DataFrame(head, labels.index), labels], axis=1),
        estimate=functions.estimates,
        std_error=said.std_error,
        df=said.df,
        low=said.low,
        high=said.high,
        statistic=said.statistic,
        pvalue=said.pvalue,
        scale="slopes",
        level=float(level),
        notes=asked.notes,
    )
