"""Marginal means: predictions on a reference grid, averaged over the levels of some predictors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_calls, answer_methods
from mixcheck.arguments.options import listed, require_choice
from mixcheck.arrays import FloatArray
from mixcheck.errors import OptionError
from mixcheck.inference.wald import normal_quantile
from mixcheck.marginal.effects import Effects
from mixcheck.marginal.grid import Grid, Weights, make_grid, read_names, row_weights
from mixcheck.marginal.linear import Functions, Said, average_rows, require_predicting, say
from mixcheck.port import Ported, Predicting, PredictionOf

__all__ = ["MarginalMeans", "MeanScale", "emmeans"]

MeanScale: TypeAlias = Literal["link", "response"]


@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class MarginalMeans(Effects):
    """Estimated marginal means, made by `emmeans`.

    Attributes
    ----------
    model : Predicting
        The port of the model.
    names, by : tuple of str
        Columns whose combinations the means are of; contrasts are made within those of `by`.
    functions : Functions
        What was averaged, with its derivatives: predictors, or means of the response.
    averaged : {"link", "response"}
        Which of these.
    ddf : str
        Degrees of freedom asked for.
    averaging : tuple of str
        Sentences on what they are averages of.
    """

    model: Predicting
    names: tuple[str, ...]
    by: tuple[str, ...]
    functions: Functions
    averaged: MeanScale
    ddf: str
    averaging: tuple[str, ...]

    @property
    def _columns(self) -> tuple[str, ...]:
        # A test of a mean against zero is hardly ever a question.
        return ("estimate", "std_error", "df", "low", "high")

    @property
    def _reference(self) -> float:
        return float(np.nanmean(self.estimate)) if np.isfinite(self.estimate).any() else 0.0


@answer_calls
def emmeans(
    model: Ported | Predicting,
    names: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    weights: Weights = "equal",
    scale: MeanScale = "link",
    average: MeanScale = "link",
    random_effects: Literal["zero", "marginal"] = "zero",
    level: float = 0.95,
    ddf: str = "auto",
) -> MarginalMeans:
    """Estimated marginal means of the levels of predictors.

    Parameters
    ----------
    model : fitted model
    names : str or sequence of str
        Columns of the fixed part; a mean for each combination of their levels.
    by : str or sequence of str, optional
        Further columns, within whose combinations contrasts are made.
    at : mapping of column name to value or values, optional
        Values of the reference grid. By default it has every level of a factor, both values of a
        column of numbers that has two, and the mean of another one.
    weights : {"equal", "proportional", "cells"}
        How levels that are averaged over count: alike; by how frequent their combinations are in
        the data; or by how frequent they are in the data together with those of `names` and `by`.
    scale : {"link", "response"}
        Of the estimates. On the response the ends of intervals are those of the predictor taken
        through the inverse link, unless means of the response are averaged.
    average : {"link", "response"}
        What is averaged over the grid: linear predictors, or means of the response.
    random_effects : {"zero", "marginal"}
        Random effects of zero, or means averaged over their distribution, which takes
        ``average="response"``.
    level : float
        The confidence of each interval.
    ddf : str
        Degrees of freedom, as of `mixcheck.GLMM.coefficients`.

    Returns
    -------
    MarginalMeans

    Raises
    ------
    OptionError, UnknownColumnError

    Notes
    -----
    The mean of a combination is ``l'beta`` with l the average of the rows of the model matrix on
    the grid, its variance ``l'Cl``. Offsets are at their means, on the scale of the link. A
    combination that the data do not tell, because an interaction has no data there, is NaN, and a
    note says so. The linear predictor of ordered categories leaves the thresholds aside, whose
    mean the R package subtracts: means differ by that, and contrasts do not.

    References
    ----------
    Searle, Speed & Milliken (1980), Population marginal means in the linear model, The American
    Statistician 34; Lenth, emmeans (R package).

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> mc.emmeans(fit, "period", scale="response").to_frame().round(3)
      period  estimate  std_error    df    low   high
    0      1     0.198      0.038  14.0  0.129  0.293
    1      2     0.084      0.024  14.0  0.044  0.153
    2      3     0.074      0.023  14.0  0.037  0.141
    3      4     0.048      0.020  14.0  0.020  0.114
    """
    port = require_predicting(model, "emmeans")
    own, groups = read_names("names", names), read_names("by", by, empty=True)
    both = set(own) & set(groups)
    if both:
        raise OptionError(f"{both.pop()!r} is in names= and in by=; write it once")
    require_choice("weights", weights, ("equal", "proportional", "cells"))
    require_choice("scale", scale, ("link", "response"))
    require_choice("average", average, ("link", "response"))
    require_choice("random_effects", random_effects, ("zero", "marginal"))
    if average == "response" and scale == "link":
        raise OptionError('average="response" has no linear predictor; write scale="response"')
    if random_effects == "marginal" and average == "link":
        raise OptionError(
            'random_effects="marginal" averages means of the response; write scale="response", '
            'average="response"'
        )
    normal_quantile(level)
    of: PredictionOf = "link"
    if average == "response":
        of = "marginal" if random_effects == "marginal" else "response"
    kept = (*groups, *own)
    grid = make_grid(port, of, kept, at)
    L, first = row_weights(grid, kept, weights)
    functions = average_rows(L, port.predict_moving(grid.rows, of))
    labels = grid.rows.loc[first, list(kept)].reset_index(drop=True)
    said = say(functions, port.combine(functions.slopes, ddf), level)
    estimate, told = functions.estimates, said
    if scale == "response" and average == "link":
        estimate, told = _through_link(port, functions, said)
    averaging = _averaging(grid, kept, weights, of)
    return MarginalMeans(
        labels=labels,
        estimate=estimate,
        std_error=told.std_error,
        df=told.df,
        low=told.low,
        high=told.high,
        statistic=said.statistic,
        pvalue=said.pvalue,
        scale="marginal means of the response" if scale == "response" else _link_words(port),
        level=float(level),
        notes=(*averaging, *_unknown(functions), f"Confidence {level:g}."),
        model=port,
        names=own,
        by=groups,
        functions=functions,
        averaged=average,
        ddf=ddf,
        averaging=averaging,
    )


def _link_words(port: Predicting) -> str:
    if port.link_name == "identity":
        return "marginal means"
    return f"marginal means of the linear predictor ({port.link_name})"


def _through_link(port: Predicting, functions: Functions, said: Said) -> tuple[FloatArray, Said]:
    """Means of the response at averaged predictors, with the ends of these taken through."""
    known = np.where(np.isnan(functions.estimates), 0.0, functions.estimates)
    mean, rate = port.mean_of(known)
    unknown = np.isnan(functions.estimates)
    ends = [port.mean_of(np.where(unknown, 0.0, end))[0] for end in (said.low, said.high)]
    ends = [np.where(np.abs(end) > _HELD, np.copysign(np.inf, end), end) for end in ends]
    error = np.where(np.isinf(said.std_error), np.inf, np.abs(rate) * said.std_error)
    low, high = np.minimum(*ends), np.maximum(*ends)
    lost = np.where(unknown, np.nan, 1.0)
    return mean * lost, Said(error, said.df, low * lost, high * lost, said.statistic, said.pvalue)


# The logarithmic link holds its inverse at exp(700).
_HELD = 1e300


def _averaging(
    grid: Grid, kept: Sequence[str], weights: Weights, of: PredictionOf
) -> tuple[str, ...]:
    rest = [n for n, v in grid.levels.items() if n not in kept and len(v) > 1]
    held = {n: v[0] for n, v in grid.levels.items() if n not in kept and len(v) == 1}
    notes = []
    if rest:
        what = {"link": "linear predictors", "response": "means", "marginal": "means"}[of]
        counting = {
            "equal": "equal weights",
            "proportional": "weights in proportion to their frequencies in the data",
            "cells": "weights in proportion to the frequencies of the cells in the data",
        }[weights]
        notes.append(f"Averages of {what} over {listed(rest)}, with {counting}.")
    if held:
        at = ", ".join(f"{name} = {_number(value)}" for name, value in held.items())
        notes.append(f"At {at}.")
    if of == "marginal":
        notes.append("Averaged over the random effects.")
    return tuple(notes)


def _unknown(functions: Functions) -> tuple[str, ...]:
    lost = int(np.isnan(functions.estimates).sum())
    if not lost:
        return ()
    return (
        f"The data do not tell {lost} of {functions.estimates.size} means (NaN): an average "
        "needs combinations of levels that have no data.",
    )


def _number(value: object) -> str:
    # A mean of centred numbers is zero but for rounding.
    return f"{round(value, 10) + 0.0:.4g}" if isinstance(value, float) else str(value)


def combinations_of(labels: pd.DataFrame, by: Sequence[str]) -> list[Any]:
    """Rows of each combination of some columns, in their order."""
    if not by:
        return [np.arange(len(labels))]
    groups = labels.groupby(list(by), sort=False, observed=True).indices
    return [np.sort(rows) for rows in groups.values()]
