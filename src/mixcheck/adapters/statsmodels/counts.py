"""Discrete models of statsmodels: counts, with more zeros or without, and 0 and 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from mixcheck.adapters.regression import Reading
from mixcheck.adapters.statsmodels.recipe import Adapted, Recipe, mean_offset
from mixcheck.arrays import FloatArray
from mixcheck.errors import OptionError
from mixcheck.families import (
    Binomial,
    Family,
    NegativeBinomial1,
    NegativeBinomial2,
    Poisson,
    Probit,
    add_zeros,
)

__all__ = [
    "BFGS",
    "LEAST_ALPHA",
    "adapt_binary",
    "adapt_count",
    "adapt_inflated",
    "describe",
    "placed",
]

# An alpha at its boundary of zero is a Poisson; the search begins again a little inside.
LEAST_ALPHA: Final = 0.01
_ITERATIONS: Final = 500
BFGS: Final[Mapping[str, Any]] = {"method": "bfgs", "maxiter": _ITERATIONS, "disp": 0}


def adapt_count(result: Any) -> Adapted:
    """A result of `Poisson`, `NegativeBinomial` or `NegativeBinomialP`."""
    model = result.model
    exog = np.asarray(model.exog, dtype=np.float64)
    params = np.asarray(result.params, dtype=np.float64)
    linear = np.asarray(result.predict(which="linear"), dtype=np.float64)
    family, spread, bend, fixed = describe(model, params, linear)
    p = exog.shape[1]
    slopes = {"mean": np.pad(exog, ((0, 0), (0, params.size - p)))}
    matrices = {"mean": exog}
    eta: tuple[FloatArray, ...] = (linear,)
    if spread is not None:
        eta = (linear, spread)
        own = np.ones((linear.size, params.size - p))
        slopes["dispersion"] = np.hstack([bend * exog, own])
        matrices["dispersion"] = own
    offset = mean_offset(linear, exog, params[:p])
    data = family.prepare(np.asarray(model.endog, dtype=np.float64))
    recipe = Recipe(
        type(model),
        exog,
        adapt_count,
        by_row={"offset": offset} if offset.any() else {},
        fixed=fixed,
        fit=_fit(params, exog.shape[1]),
    )
    return Adapted(Reading(family, eta, data, slopes, matrices, offset), recipe, params.size)


def describe(
    model: Any, params: FloatArray, linear: FloatArray
) -> tuple[Family, FloatArray | None, float, Mapping[str, Any]]:
    """Family, predictor of the dispersion, its slope in that of the mean, and arguments.

    With ``Var = mu + alpha mu^p`` the parameters of the two families are
    ``theta = mu^(2 - p) / alpha`` (`NegativeBinomial2`) and ``alpha`` (`NegativeBinomial1`, p = 1).
    """
    name = type(model).__name__
    if name == "Poisson":
        return Poisson(), None, 0.0, {}
    if name == "NegativeBinomialP":
        power = float(model.parameterization)
        fixed: Mapping[str, Any] = {"p": power}
    else:
        method = model.loglike_method
        power = 1.0 if method == "nb1" else 2.0
        fixed = {"loglike_method": method}
        if method == "geometric":
            return NegativeBinomial2(), np.zeros_like(linear), 0.0, fixed
    alpha = max(float(params[-1]), np.finfo(float).tiny)
    if power == 1.0:
        return NegativeBinomial1(), np.full_like(linear, np.log(alpha)), 0.0, fixed
    bend = 2.0 - power
    return NegativeBinomial2(), bend * linear - np.log(alpha), bend, fixed


def _fit(params: FloatArray, p: int) -> Mapping[str, Any]:
    if params.size == p:
        return {"start_params": params, "disp": 0, "skip_hessian": True}
    start = params.copy()
    start[-1] = max(start[-1], LEAST_ALPHA)
    return {**BFGS, "start_params": start, "skip_hessian": True}


def adapt_inflated(result: Any) -> Adapted:
    """A result of `ZeroInflatedPoisson` or `ZeroInflatedNegativeBinomialP`.

    The parameters of statsmodels begin with those of the inflation.
    """
    model = result.model
    exog = np.asarray(model.exog, dtype=np.float64)
    inflation = np.asarray(model.exog_infl, dtype=np.float64)
    params = np.asarray(result.params, dtype=np.float64)
    k, p, n = inflation.shape[1], exog.shape[1], exog.shape[0]
    linear = np.asarray(result.predict(which="linear"), dtype=np.float64)
    zero, bend = _log_odds(model.inflation, inflation @ params[:k])
    base, spread, power = _main(model, params, linear)
    family = add_zeros(base)
    slopes = {
        "mean": placed(exog, k, params.size),
        "zi": placed(bend[:, None] * inflation, 0, params.size),
    }
    matrices = {"mean": exog, "zi": inflation}
    eta: tuple[FloatArray, ...] = (linear, zero)
    if spread is not None:
        eta = (linear, spread, zero)
        own = np.ones((n, 1))
        slopes["dispersion"] = placed(np.hstack([power * exog, own]), k, params.size)
        matrices["dispersion"] = own
    offset = mean_offset(linear, exog, params[k : k + p])
    by_row = {"exog_infl": inflation, **({"offset": offset} if offset.any() else {})}
    start = params.copy()
    fixed = {"inflation": model.inflation}
    if spread is not None:
        start[-1] = max(start[-1], LEAST_ALPHA)
        fixed["p"] = model.model_main.parameterization
    data = family.prepare(np.asarray(model.endog, dtype=np.float64))
    recipe = Recipe(
        type(model),
        exog,
        adapt_inflated,
        by_row=by_row,
        fixed=fixed,
        fit={**BFGS, "start_params": start, "skip_hessian": True},
    )
    return Adapted(Reading(family, eta, data, slopes, matrices, offset), recipe, params.size)


def _main(
    model: Any, params: FloatArray, linear: FloatArray
) -> tuple[Family, FloatArray | None, float]:
    """Family of the counts, predictor of its dispersion, and its slope in that of the mean."""
    family, spread, bend, _ = describe(model.model_main, params, linear)
    return family, spread, bend


def _log_odds(link: str, linear: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log odds of an additional zero, and their derivative in the linear predictor, (n,) each."""
    if link == "logit":
        return linear, np.ones_like(linear)
    (lower, first), (upper, second) = Probit().log_tails(linear, 1)
    return lower - upper, first - second


def placed(matrix: FloatArray, first: int, width: int) -> FloatArray:
    """A matrix as columns from `first` of a wider one."""
    return np.pad(matrix, ((0, 0), (first, width - first - matrix.shape[1])))


def adapt_binary(result: Any) -> Adapted:
    """A result of `Logit` or `Probit`.

    Raises
    ------
    OptionError
        If responses lie between 0 and 1, where there is no distribution.
    """
    model = result.model
    y = np.asarray(model.endog, dtype=np.float64)
    if not np.isin(y, (0.0, 1.0)).all():
        raise OptionError(
            f"the response of {type(model).__name__} lies between 0 and 1, where it has no "
            "distribution; give successes and failures to a Binomial GLM of statsmodels"
        )
    exog = np.asarray(model.exog, dtype=np.float64)
    params = np.asarray(result.params, dtype=np.float64)
    linear = np.asarray(result.predict(which="linear"), dtype=np.float64)
    family = Binomial(type(model).__name__.lower())
    offset = mean_offset(linear, exog, params)
    size = np.ones(y.size)
    parts = {"mean": exog}
    reading = Reading(family, (linear,), family.prepare(y, size), parts, parts, offset)
    recipe = Recipe(
        type(model),
        exog,
        adapt_binary,
        by_row={"offset": offset} if offset.any() else {},
        fit={"start_params": params, "disp": 0, "skip_hessian": True},
    )
    return Adapted(reading, recipe, params.size)
