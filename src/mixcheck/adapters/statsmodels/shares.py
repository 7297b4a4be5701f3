"""Beta regressions of statsmodels, and its models of ordered categories."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from mixcheck.adapters.regression import Reading
from mixcheck.adapters.statsmodels.links import find_predictor
from mixcheck.adapters.statsmodels.recipe import Adapted, Recipe, mean_offset
from mixcheck.arrays import FloatArray
from mixcheck.errors import OptionError
from mixcheck.families import Beta, Ordinal

__all__ = ["adapt_beta", "adapt_ordered"]

_CUMULATIVE: Final = {"norm": "probit", "logistic": "logit", "gumbel_l": "cloglog"}
_LOG: Final = "Log"


def adapt_beta(result: Any) -> Adapted:
    """A `BetaResults`: mean and precision have predictors of their own.

    Raises
    ------
    OptionError
        If the link of the precision is not the logarithm.
    """
    model = result.model
    if type(model.link_precision).__name__ != _LOG:
        raise OptionError(
            f"the precision of a BetaModel is read with the log link, and this has the link "
            f"{type(model.link_precision).__name__}; fit it with link_precision=links.Log()"
        )
    exog = np.asarray(model.exog, dtype=np.float64)
    precision = np.asarray(model.exog_precision, dtype=np.float64)
    params = np.asarray(result.params, dtype=np.float64)
    p, y = exog.shape[1], np.asarray(model.endog, dtype=np.float64)
    linear = exog @ params[:p]
    family, eta, slope = find_predictor(Beta, model.link, linear)
    slopes = {
        "mean": np.pad(slope[:, None] * exog, ((0, 0), (0, precision.shape[1]))),
        "dispersion": np.pad(precision, ((0, 0), (p, 0))),
    }
    matrices = {"mean": exog, "dispersion": precision}
    predictors = (eta, precision @ params[p:])
    nothing = np.zeros(y.size)
    reading = Reading(family, predictors, family.prepare(y), slopes, matrices, nothing)
    recipe = Recipe(
        type(model),
        exog,
        adapt_beta,
        by_row={"exog_precision": precision},
        fixed={"link": model.link, "link_precision": model.link_precision},
        fit={"start_params": params, "disp": 0, "skip_hessian": True},
    )
    return Adapted(reading, recipe, params.size)


def adapt_ordered(result: Any, called: Sequence[str] | None = None) -> Adapted:
    """A result of `OrderedModel`: thresholds less a predictor without intercept.

    Parameters
    ----------
    result : OrderedResults
    called : sequence of str, optional
        The categories, of which a fit to simulated codes knows the numbers alone.

    Raises
    ------
    OptionError
        If the distribution is none of those of the cumulative links.
    """
    model = result.model
    name = getattr(model.distr, "name", "")
    if name not in _CUMULATIVE:
        raise OptionError(
            f"an OrderedModel with the distribution {name or type(model.distr).__name__} is not "
            f"among those that are checked here: {', '.join(_CUMULATIVE)}; draw responses from it "
            "and write mixcheck.from_draws(observed, draws)"
        )
    exog = np.asarray(model.exog, dtype=np.float64)
    params = np.asarray(result.params, dtype=np.float64)
    p, n = exog.shape[1], exog.shape[0]
    thresholds = np.asarray(model.transform_threshold_params(params), dtype=np.float64)[1:-1]
    linear = np.asarray(model.predict(params, which="linpred"), dtype=np.float64).reshape(n)
    labels = [str(label) for label in model.labels] if called is None else list(called)
    numbers = range(1, len(labels) + 1)
    family = Ordinal(_CUMULATIVE[name], values=numbers, labels=labels)
    eta = (linear, *(np.full(n, threshold) for threshold in thresholds))
    slopes = {"mean": np.pad(exog, ((0, 0), (0, thresholds.size)))}
    matrices = {"mean": exog}
    for k, part in enumerate(family.shapes):
        column = np.zeros((n, params.size))
        column[:, p + k] = 1.0
        slopes[part], matrices[part] = column, np.ones((n, 1))
    offset = mean_offset(linear, exog, params[:p])
    codes = np.asarray(model.endog, dtype=np.float64)
    data = family.prepare(codes + 1.0)
    recipe = Recipe(
        type(model),
        exog,
        partial(adapt_ordered, called=labels),
        by_row={"offset": offset} if offset.any() else {},
        fixed={"distr": model.distr},
        fit={
            "start_params": params,
            "method": "bfgs",
            "maxiter": 200,
            "disp": 0,
            "skip_hessian": True,
        },
        prepare=_codes,
    )
    return Adapted(Reading(family, eta, data, slopes, matrices, offset), recipe, params.size)


def _codes(response: FloatArray, size: FloatArray | None) -> FloatArray:
    """Categories as whole numbers."""
    return np.asarray(response, dtype=np.intp)
