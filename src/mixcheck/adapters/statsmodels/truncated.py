"""Counts of statsmodels that are never zero, and such counts behind a hurdle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from mixcheck.adapters.regression import Reading
from mixcheck.adapters.statsmodels.counts import BFGS, LEAST_ALPHA, describe, placed
from mixcheck.adapters.statsmodels.recipe import Adapted, Recipe, mean_offset
from mixcheck.arrays import FloatArray
from mixcheck.errors import OptionError
from mixcheck.families import (
    Family,
    TruncatedNegativeBinomial1,
    TruncatedNegativeBinomial2,
    TruncatedPoisson,
    add_zeros,
)

__all__ = ["adapt_hurdle", "adapt_truncated"]

_TRUNCATED: Final[Mapping[str, type[Family]]] = {
    "poisson": TruncatedPoisson,
    "nbinom1": TruncatedNegativeBinomial1,
    "nbinom2": TruncatedNegativeBinomial2,
}


def adapt_truncated(result: Any) -> Adapted:
    """A result of `TruncatedLFPoisson` or `TruncatedLFNegativeBinomialP`, without zeros.

    Raises
    ------
    OptionError
        If counts are truncated elsewhere than at zero.
    """
    model = result.model
    if model.truncation != 0:
        raise OptionError(
            f"{type(model).__name__} with truncation={model.truncation} has no family here, which "
            "truncate counts at zero; draw responses from the model and write "
            "mixcheck.from_draws(observed, draws)"
        )
    exog = np.asarray(model.exog, dtype=np.float64)
    params = np.asarray(result.params, dtype=np.float64)
    linear = np.asarray(result.predict(which="linear"), dtype=np.float64)
    family, eta, slopes, matrices, fixed = _counts(
        model.model_main, exog, params, linear, 0, params.size
    )
    offset = mean_offset(linear, exog, params[: exog.shape[1]])
    data = family.prepare(np.asarray(model.endog, dtype=np.float64))
    start = params.copy()
    if "dispersion" in matrices:
        start[-1] = max(start[-1], LEAST_ALPHA)
    recipe = Recipe(
        type(model),
        exog,
        adapt_truncated,
        by_row={"offset": offset} if offset.any() else {},
        fixed=fixed,
        fit={**BFGS, "start_params": start, "skip_hessian": True},
    )
    return Adapted(Reading(family, eta, data, slopes, matrices, offset), recipe, params.size)


def adapt_hurdle(result: Any) -> Adapted:
    """A result of `HurdleCountModel`: its parameters begin with those of the zeros.

    Raises
    ------
    OptionError
        If zeros have a dispersion, which whether counts are zero does not tell.
    """
    model = result.model
    exog = np.asarray(model.exog, dtype=np.float64)
    params = np.asarray(result.params, dtype=np.float64)
    n, p = exog.shape
    if type(model.model1.model_main).__name__ != "Poisson":
        raise OptionError(
            "HurdleCountModel with zerodist='negbin' has a dispersion that zeros and others hardly "
            "tell, and which statsmodels lets run off; write zerodist='poisson' and dist='negbin'"
        )
    zero, bend = _zero_log_odds(exog @ params[:p])
    base, eta, slopes, matrices, fixed = _counts(
        model.model2.model_main, exog, params[p:], exog @ params[p : 2 * p], p, params.size
    )
    family = add_zeros(base)
    slopes["zi"], matrices["zi"] = placed(bend[:, None] * exog, 0, params.size), exog
    data = family.prepare(np.asarray(model.endog, dtype=np.float64))
    kind = "negbin" if "dispersion" in matrices else "poisson"
    recipe = Recipe(
        type(model),
        exog,
        adapt_hurdle,
        fixed={"dist": kind, "zerodist": "poisson", **fixed},
        fit=BFGS,
    )
    reading = Reading(family, (*eta, zero), data, slopes, matrices, np.zeros(n))
    return Adapted(reading, recipe, params.size)


def _counts(
    main: Any, exog: FloatArray, params: FloatArray, linear: FloatArray, first: int, width: int
) -> tuple[
    Family,
    tuple[FloatArray, ...],
    dict[str, FloatArray],
    dict[str, FloatArray],
    Mapping[str, Any],
]:
    """Family, predictors, slopes and matrices of counts from 1, whose parameters begin at `first`.

    Then arguments of the model.
    """
    whole, spread, bend, fixed = describe(main, params, linear)
    family = _TRUNCATED[whole.name]()
    slopes, matrices = {"mean": placed(exog, first, width)}, {"mean": exog}
    if spread is None:
        return family, (linear,), slopes, matrices, fixed
    own = np.ones((linear.size, 1))
    slopes["dispersion"] = placed(np.hstack([bend * exog, own]), first, width)
    matrices["dispersion"] = own
    return family, (linear, spread), slopes, matrices, fixed


def _zero_log_odds(linear: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log odds of a Poisson zero, ``-mu - log(1 - exp(-mu))``, and their slopes in ``log mu``."""
    mu = np.exp(linear)
    positive = -np.expm1(-mu)
    return -mu - np.log(positive), -mu / positive
