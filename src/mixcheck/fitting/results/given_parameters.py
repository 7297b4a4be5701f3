"""Predictions at other fixed effects than the estimates: draws of them, or steps away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mixcheck.arguments.alignment import read_numbers
from mixcheck.arguments.options import as_items, listed, shown
from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError, DataError, OptionError
from mixcheck.fitting.likelihood.mode import Mode, find_mode
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.fitting.results.predictions import (
    PredictionRequest,
    point_values,
    predict_rows,
    predictors_at,
)
from mixcheck.trial_values import may_overflow

__all__ = ["ParameterValues", "predict_at"]

ParameterValues: TypeAlias = "Mapping[str, float] | pd.Series[float] | pd.DataFrame | ArrayLike"


def predict_at(
    fit: Estimates, request: PredictionRequest, params: ParameterValues
) -> pd.Series[float] | pd.DataFrame:
    """See `GLMM.predict`."""
    values, labels = _read(fit, params)
    quantity = request.quantity(fit)
    names = (request.link_part,) if request.scale == "link" else quantity.names
    modes = request.random_effects == "auto" and bool(fit.problem.terms)
    columns = []
    with may_overflow():
        rows = predict_rows(fit, request, names)
        for value in values:
            psi = fit.optimum.psi.copy()
            psi[fit.fixed_positions] = value
            mode = _mode_at(fit, psi) if modes else None
            kind, n = request.random_effects, len(rows.index)
            eta = predictors_at(fit, rows.parts, kind, n, psi=psi, mode=mode)
            columns.append(point_values(fit, request, replace(rows, eta=eta)))
    if labels is None:
        return pd.Series(columns[0], rows.index, name="predicted")
    table = np.stack(columns, axis=1) if columns else np.zeros((len(rows.index), 0))
    return pd.DataFrame(table, rows.index, labels)


def _mode_at(fit: Estimates, psi: FloatArray) -> Mode:
    """Conditional modes given the data at other parameters."""
    problem = fit.problem
    roots = problem.roots(psi[problem.n_beta :])
    found = find_mode(problem, problem.fixed(psi), roots, list(fit.mode.point.u))
    if found is None:
        raise ConvergenceError(
            'no conditional modes were found at some of params=; write random_effects="zero", or '
            "values nearer to the estimates"
        )
    return found


def _read(fit: Estimates, params: object) -> tuple[FloatArray, pd.Index[Any] | None]:
    """Values of all fixed effects, (D, p), and the labels of the draws; None of a single one."""
    names = fit.fixed_names
    if isinstance(params, pd.DataFrame):
        return _by_name(fit, params, list(params.columns)), params.index
    if isinstance(params, pd.Series):
        return _by_name(fit, pd.DataFrame([params.tolist()]), list(params.index)), None
    if isinstance(params, Mapping):
        return _by_name(fit, pd.DataFrame([list(params.values())]), list(params)), None
    items = None if isinstance(params, np.ndarray) else as_items(params)
    try:
        values = read_numbers(params if items is None else list(items), "params")
    except DataError:
        raise OptionError(_wrong(fit, f"found {shown(params)}")) from None
    if values.ndim not in (1, 2) or values.shape[-1] != len(names):
        raise OptionError(_wrong(fit, f"found an array of shape {values.shape}"))
    _require_finite(values)
    labels = None if values.ndim == 1 else pd.RangeIndex(len(values))
    return np.atleast_2d(values), labels


def _by_name(fit: Estimates, table: pd.DataFrame, given: list[Any]) -> FloatArray:
    names = fit.fixed_names
    unknown = [name for name in given if not (isinstance(name, str) and name in names)]
    if unknown or len(set(given)) < len(given):
        wrong = f"{shown(unknown[0])} is none of them" if unknown else "a name is there twice"
        raise OptionError(_wrong(fit, wrong))
    out = np.tile(np.asarray(fit.params, dtype=np.float64), (len(table), 1))
    try:
        values = table.to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        raise OptionError(_wrong(fit, "some value is no number")) from None
    _require_finite(values)
    out[:, [names.index(name) for name in given]] = values
    return out


def _require_finite(values: FloatArray) -> None:
    if not np.isfinite(values).all():
        raise OptionError("params= holds values that are not finite; leave such draws out")


def _wrong(fit: Estimates, found: str) -> str:
    names = fit.fixed_names
    return (
        f"params= are values of fit.params, by name or {len(names)} in their order, or one row for "
        f"each draw of them; {found}. The names are {listed(names)}"
    )
