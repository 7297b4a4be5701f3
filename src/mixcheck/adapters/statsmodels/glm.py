"""Generalized linear models of statsmodels, and its linear models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from mixcheck.adapters.regression import Reading
from mixcheck.adapters.statsmodels.links import find_predictor
from mixcheck.adapters.statsmodels.recipe import Adapted, Recipe, mean_offset
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import OptionError
from mixcheck.families import (
    Binomial,
    Family,
    Gamma,
    Gaussian,
    NegativeBinomial2,
    Poisson,
)

__all__ = ["adapt_glm", "adapt_linear"]

_FAMILIES: Final[dict[str, type[Family]]] = {
    "Gaussian": Gaussian,
    "Binomial": Binomial,
    "Poisson": Poisson,
    "NegativeBinomial": NegativeBinomial2,
    "Gamma": Gamma,
}
_SCALED: Final = ("Gaussian", "Gamma")
# Trials are whole numbers up to the rounding of a proportion times them.
_WHOLE: Final = 1e-8


def adapt_glm(result: Any) -> Adapted:
    """A `GLMResults`.

    Frequency weights say how many rows a row is; variance weights divide the scale of a Gaussian
    and a gamma, and are the trials of a proportion.

    Raises
    ------
    OptionError
        If the model has no distribution for its response: quasi-likelihood, weights that are
        neither, or a family that is not here.
    """
    model = result.model
    name = type(model.family).__name__
    if name not in _FAMILIES:
        raise OptionError(
            f"the family {name} of a GLM of statsmodels is not among those that are checked here: "
            f"{', '.join(_FAMILIES)}; draw responses from the model and write "
            "mixcheck.from_draws(observed, draws)"
        )
    scale = float(result.scale)
    _require_likelihood(name, scale)
    exog = np.asarray(model.exog, dtype=np.float64)
    params = np.asarray(result.params, dtype=np.float64)
    linear = np.asarray(result.predict(which="linear"), dtype=np.float64)
    frequency = np.asarray(model.freq_weights, dtype=np.float64)
    weights = np.asarray(model.var_weights, dtype=np.float64)
    y = np.asarray(model.endog, dtype=np.float64)
    size, weights, frequency = _trials(name, y, model, weights, frequency)
    counts = _counts(frequency)
    if name not in _SCALED and (weights != 1.0).any():
        raise OptionError(
            f"var_weights of a {name} GLM leave no distribution of the response: they divide a "
            "variance that the mean determines; write freq_weights= for rows that count several "
            "times, or exposure= for rates"
        )
    family, eta, slope = find_predictor(_FAMILIES[name], model.family.link, linear)
    response = y if size is None else np.rint(y * size)
    predictors: tuple[FloatArray, ...] = (eta,)
    spread: FloatArray | None = None
    if name in _SCALED:
        # A Gaussian has the logarithm of its deviation, a gamma that of its shape.
        log_scale = np.log(scale) - np.log(weights)
        predictors = (eta, 0.5 * log_scale if name == "Gaussian" else -log_scale)
        spread = np.ones((y.size, 0 if isinstance(model.scaletype, float) else 1))
    elif name == "NegativeBinomial":
        predictors = (eta, np.full(y.size, -np.log(float(model.family.alpha))))
    reading = _reading(family, predictors, response, size, slope[:, None] * exog, spread)
    offset = mean_offset(linear, exog, params)
    by_row = {"var_weights": weights} if (weights != 1.0).any() else {}
    if counts is not None:
        by_row["freq_weights"] = frequency
    if offset.any():
        by_row["offset"] = offset
    recipe = Recipe(
        type(model),
        exog,
        adapt_glm,
        by_row=by_row,
        fixed={"family": model.family},
        counted="" if counts is None else "freq_weights",
        fit={"start_params": params, "scale": model.scaletype},
        prepare=None if size is None else _successes,
        size=size,
    )
    estimated = int(np.linalg.matrix_rank(exog)) + reading.moments
    return Adapted(_with_offset(reading, offset, exog), recipe, estimated, counts)


def adapt_linear(result: Any) -> Adapted:
    """A result of OLS, WLS, or GLS without correlations: weights divide the variance."""
    model = result.model
    exog = np.asarray(model.exog, dtype=np.float64)
    params = np.asarray(result.params, dtype=np.float64)
    y = np.asarray(model.endog, dtype=np.float64)
    name = {"WLS": "weights", "GLS": "sigma"}.get(type(model).__name__, "")
    told = getattr(model, name, None) if name else None
    given = np.ones(y.size) if told is None else np.asarray(told, dtype=np.float64)
    weights = given if name == "weights" else 1.0 / given
    deviation = 0.5 * (np.log(float(result.scale)) - np.log(weights))
    eta = (exog @ params, np.broadcast_to(deviation, y.shape).copy())
    reading = _reading(Gaussian(), eta, y, None, exog, np.ones((y.size, 1)))
    by_row = {} if told is None else {name: given}
    recipe = Recipe(type(model), exog, adapt_linear, by_row=by_row)
    return Adapted(reading, recipe, int(np.linalg.matrix_rank(exog)) + 1)


def _require_likelihood(name: str, scale: float) -> None:
    if name not in _SCALED and scale != 1.0:
        raise OptionError(
            f"a {name} GLM with a scale of {scale:.3g} is quasi-likelihood, which has no "
            "distribution of the response; fit it without scale=, or write a model with a "
            "dispersion, such as statsmodels NegativeBinomial or mixcheck.glmm(.., "
            "family='nbinom1')"
        )


def _trials(
    name: str, y: FloatArray, model: Any, weights: FloatArray, frequency: FloatArray
) -> tuple[FloatArray | None, FloatArray, FloatArray]:
    """Numbers of trials of a binomial, and what is left of the two kinds of weights."""
    if name != "Binomial":
        return None, weights, frequency
    one = np.ones_like(y)
    trials = np.broadcast_to(np.asarray(model.n_trials, dtype=np.float64), y.shape).copy()
    # Two columns of successes and failures, or 0 and 1; then proportions, whose trials are either
    # kind of weights.
    candidates = ((trials, weights, frequency), (weights, trials, frequency))
    for trial, rest, rows in (*candidates, (frequency, weights, trials)):
        if _are_whole(trial) and _are_whole(y * trial) and (rest == 1.0).all():
            taken = trial is frequency
            return np.rint(trial), one, one if taken else rows
    raise OptionError(
        "a Binomial GLM of proportions has a distribution only with numbers of trials: give "
        "successes and failures as two columns, or proportions with whole var_weights"
    )


def _are_whole(values: FloatArray) -> bool:
    near: FloatArray = np.abs(values - np.rint(values))
    return bool((near <= _WHOLE * np.maximum(1.0, np.abs(values))).all())


def _counts(frequency: FloatArray) -> IntArray | None:
    if (frequency == 1.0).all():
        return None
    if not _are_whole(frequency):
        raise OptionError(
            "freq_weights that are no whole numbers leave no rows to be checked; write whole "
            "numbers, or var_weights= for variances of a Gaussian or a Gamma"
        )
    return np.rint(frequency).astype(np.intp)


def _successes(response: FloatArray, size: FloatArray | None) -> FloatArray:
    """A response as a binomial GLM takes it: 0 and 1, or successes and failures."""
    assert size is not None
    return response if (size == 1.0).all() else np.column_stack([response, size - response])


def _reading(
    family: Family,
    eta: tuple[FloatArray, ...],
    response: FloatArray,
    size: FloatArray | None,
    slope: FloatArray,
    spread: FloatArray | None,
) -> Reading:
    """Predictors of a mean with a matrix, and of a scale that is estimated by its moment."""
    moments = 0 if spread is None else spread.shape[1]
    slopes = {"mean": np.pad(slope, ((0, 0), (0, moments)))}
    matrices = {"mean": slope}
    if spread is not None:
        slopes["dispersion"] = np.pad(spread, ((0, 0), (slope.shape[1], 0)))
        matrices["dispersion"] = spread
    data = family.prepare(response, size)
    return Reading(family, eta, data, slopes, matrices, np.zeros(response.size), moments)


def _with_offset(reading: Reading, offset: FloatArray, exog: FloatArray) -> Reading:
    matrices = {**reading.matrices, "mean": exog}
    return replace(reading, offset=offset, matrices=matrices)
