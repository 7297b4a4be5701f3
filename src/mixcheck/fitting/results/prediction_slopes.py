"""Predictions of a fit as functions of its estimates."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pandas as pd

from mixcheck.arguments.options import listed, require_choice
from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.design.parts import Part
from mixcheck.design.plan import plan_formula
from mixcheck.design.prediction import deviations_of
from mixcheck.errors import OptionError
from mixcheck.fitting.predictive.predictor_spread import spread_of_fixed
from mixcheck.fitting.predictive.quantities import differentiate, quantity_of
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.fitting.results.prediction_intervals import gradient, known_covariance, lost_rows
from mixcheck.fitting.results.predictions import PredictionRequest, point_values, predict_rows
from mixcheck.fitting.results.small_samples import DegreesOfFreedom, small_samples_of
from mixcheck.port import Combinations, MovingPrediction, PredictionOf
from mixcheck.trial_values import may_overflow

__all__ = ["combine", "mean_of", "predict_moving", "prediction_columns"]

_LEVELLED = frozenset({"factor", "as.factor", "C", "ordered", "as.character", "relevel"})


def _names(fit: Estimates, of: PredictionOf) -> tuple[str, ...]:
    return ("mean",) if of == "link" else quantity_of(fit.family, "response").names


def prediction_columns(fit: Estimates, of: PredictionOf) -> dict[str, bool]:
    """See `mixcheck.port.Predicting`."""
    plan, frame = plan_formula(fit.design.formula), fit.frame
    wanted = _names(fit, of)
    parts = [
        part
        for key, part in plan.predictors.items()
        if key in wanted or any(key.startswith(f"{name} offset ") for name in wanted)
    ]
    columns = dict.fromkeys(n for part in parts for n in part.variables if n in frame.columns)
    if fit.design.offset_source:
        columns[fit.design.offset_source] = None
    return {name: _has_levels(frame, name, parts) for name in columns}


def _has_levels(frame: pd.DataFrame, name: str, parts: list[Part]) -> bool:
    kind = frame[name].dtype
    if pd.api.types.is_bool_dtype(kind) or not pd.api.types.is_numeric_dtype(kind):
        return True
    return any(name in part.variables and _LEVELLED.intersection(part.functions) for part in parts)


@may_overflow()
def predict_moving(fit: Estimates, data: pd.DataFrame, of: PredictionOf) -> MovingPrediction:
    """See `mixcheck.port.Predicting`."""
    offset = None
    if fit.design.offset_source == "":
        # An offset that is not a column is at its mean.
        offset = np.full(len(data), float(fit.design.predictor("mean").offset.mean()))
    request = PredictionRequest(
        data,
        "marginal" if of == "marginal" else "zero",
        scale="link" if of == "link" else "response",
        offset=offset,
    )
    rows = predict_rows(fit, request, _names(fit, of), aloud=False)
    spread = spread_of_fixed(fit.problem, rows.parts)
    slopes = spread.slopes[0]
    if of != "link":
        rates = differentiate(request.quantity(fit), rows.eta, rows.variances)
        slopes = gradient(fit, rows, spread, rates)
    off = [deviations_of(fit.design, data, part.name) for part in rows.parts]
    excess, sizes = (np.hstack([pair[k] for pair in off]) for k in (0, 1))
    return MovingPrediction(point_values(fit, request, rows), slopes, excess, sizes)


def mean_of(fit: Estimates, predictor: FloatArray) -> tuple[FloatArray, FloatArray]:
    """See `mixcheck.port.Predicting`."""
    quantity = quantity_of(fit.family, "response")
    if quantity.names != ("mean",):
        raise OptionError(
            f"the mean depends on {listed(quantity.names)}, so that it is no function of one "
            'predictor; write average="response", which averages means'
        )
    eta = (predictor, *(np.zeros(predictor.size) for _ in fit.family.predictors[1:]))
    return quantity.value(eta), differentiate(quantity, eta, {}).in_predictor[0]


def combine(fit: Estimates, slopes: FloatArray, ddf: str) -> Combinations:
    """See `mixcheck.port.Predicting`: ``J C J'``, with the degrees of freedom of the coefficients.

    What depends on the variances too has the observed information as its covariance, and the
    degrees of freedom that are counted from the design.
    """
    require_choice("ddf", ddf, get_args(DegreesOfFreedom))
    place = fit.fixed_positions
    others = np.ones(slopes.shape[1], dtype=np.bool_)
    others[place] = False
    # A derivative beyond all numbers is that of a function which nothing is known of.
    finite: BoolArray = np.asarray(np.isfinite(slopes).all(axis=1))
    slopes = np.where(finite[:, None], slopes, 0.0)
    lost = lost_rows(fit, slopes) | ~finite
    moved = bool(np.any(slopes[:, others]))
    if not (moved or lost.any()):
        found = small_samples_of(fit).contrasts(slopes[:, place], ddf)
        return Combinations(found.covariance, found.df)
    counted = "containment" if moved and ddf == "auto" else ddf
    df = small_samples_of(fit).contrasts(slopes[:, place], counted).df
    covariance = slopes @ known_covariance(fit) @ slopes.T
    covariance[lost], covariance[:, lost] = np.nan, np.nan
    covariance[lost, lost] = np.inf
    return Combinations(covariance, df)
