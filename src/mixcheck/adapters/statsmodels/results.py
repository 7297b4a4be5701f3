"""A result of statsmodels as a model that can be checked and compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd

from mixcheck.adapters.fitted_elsewhere import Rows
from mixcheck.adapters.regression import Regression
from mixcheck.adapters.statsmodels.correlated import adapt_gee, adapt_gls
from mixcheck.adapters.statsmodels.counts import adapt_binary, adapt_count, adapt_inflated
from mixcheck.adapters.statsmodels.glm import adapt_glm, adapt_linear
from mixcheck.adapters.statsmodels.mixed import port_of_mixed
from mixcheck.adapters.statsmodels.predicted import PREDICTED, port_of_predicted
from mixcheck.adapters.statsmodels.recipe import Adapted, estimates_of
from mixcheck.adapters.statsmodels.shares import adapt_beta, adapt_ordered
from mixcheck.adapters.statsmodels.truncated import adapt_hurdle, adapt_truncated
from mixcheck.errors import OptionError

__all__ = ["MODELS", "port_of_result", "read_rows", "state"]

MODELS: Final[dict[str, Callable[[Any], Adapted]]] = {
    "OLS": adapt_linear,
    "WLS": adapt_linear,
    "GLS": adapt_gls,
    "GLM": adapt_glm,
    "GEE": adapt_gee,
    "Poisson": adapt_count,
    "NegativeBinomial": adapt_count,
    "NegativeBinomialP": adapt_count,
    "ZeroInflatedPoisson": adapt_inflated,
    "ZeroInflatedNegativeBinomialP": adapt_inflated,
    "TruncatedLFPoisson": adapt_truncated,
    "TruncatedLFNegativeBinomialP": adapt_truncated,
    "HurdleCountModel": adapt_hurdle,
    "Logit": adapt_binary,
    "Probit": adapt_binary,
    "BetaModel": adapt_beta,
    "OrderedModel": adapt_ordered,
}
"""What reads the results of each class of models."""

_MIXED: Final = "MixedLM"
_DRAWS: Final = "draw responses from it and write mixcheck.from_draws(observed, draws)"


def port_of_result(result: Any) -> Any:
    """The port of a result of statsmodels.

    Parameters
    ----------
    result : result of statsmodels
        Of one of the models in `MODELS` or of a `MixedLM`, with its data.

    Raises
    ------
    OptionError
        If it is none, its data were removed, or its model has no distribution for a response.

    Examples
    --------
    >>> import mixcheck as mc
    >>> import statsmodels.formula.api as smf
    >>> ticks = mc.datasets.load("grouseticks")
    >>> result = smf.poisson("TICKS ~ YEAR", ticks).fit(disp=0)
    >>> port_of_result(result)
    <statsmodels Poisson: TICKS ~ YEAR, 403 rows>
    """
    model = getattr(result, "model", None)
    own = type(result).__name__
    if model is None or not hasattr(result, "params"):
        fit = hasattr(result, "fit") and hasattr(result, "exog")
        way = "fit it first, model.fit()" if fit else "give the result of a fit, model.fit()"
        raise OptionError(f"{own} of statsmodels is no fitted model; {way}")
    name = _known_class(model)
    if name is None:
        raise OptionError(
            f"{type(model).__name__} of statsmodels is not among the models that are checked as "
            f"they are: {', '.join((*MODELS, *PREDICTED, _MIXED))}; {_DRAWS}"
        )
    _require_whole(result, own)
    if name == _MIXED:
        return port_of_mixed(result, read_rows(model), _formula(model))
    if name in PREDICTED:
        model_facts: dict[str, str | int | float | bool | None] = {
            "model": f"statsmodels {name}",
            "formula": _formula(model),
            "nobs": int(np.shape(model.exog)[0]),
            "log-likelihood": float(result.llf),
        }
        return port_of_predicted(result, read_rows(model), model_facts)
    adapted = MODELS[name](result)
    rows = read_rows(model)
    facts = state(result, adapted)
    recipe = replace(adapted.recipe, facts=facts)
    estimates = estimates_of(result, adapted, facts)
    return Regression(replace(rows, counts=adapted.counts), estimates, adapted.reading, recipe)


def _known_class(model: Any) -> str | None:
    """Name of the class that is read; that of a subclass made elsewhere counts as its parent's."""
    for kind in type(model).__mro__:
        if kind.__module__.partition(".")[0] == "statsmodels":
            return kind.__name__ if kind.__name__ in (*MODELS, *PREDICTED, _MIXED) else None
    return None


def _require_whole(result: Any, own: str) -> None:
    """Refuse what is not a maximum of the likelihood, and what has lost its data."""
    model = result.model
    if getattr(model, "endog", None) is None or getattr(model, "exog", None) is None:
        raise OptionError(
            f"{own} has not kept its data, which were removed by remove_data(); fit the model "
            f"again, or {_DRAWS}"
        )
    inner = type(getattr(result, "_results", result)).__name__
    constrained = getattr(result, "k_constr", 0) or getattr(result, "constraints", None) is not None
    if "Regularized" in inner or "L1" in inner or constrained:
        raise OptionError(
            f"{own} is a fit with a penalty or constraints, which cannot be made again for "
            f"simulated responses here; {_DRAWS}"
        )


def state(result: Any, adapted: Adapted) -> dict[str, str | int | float | bool | None]:
    """What the model is, for a report."""
    model, family = result.model, adapted.reading.family
    way = getattr(result, "method", None) if type(model).__name__ == "GLM" else None
    if hasattr(model, "cov_struct"):
        way = type(model.cov_struct).__name__
    method = f"statsmodels {type(model).__name__}"
    return {
        "formula": _formula(model),
        "family": family.name,
        "link": family.link.name,
        "method": f"{method}, {way}" if isinstance(way, str) else method,
        "nobs": adapted.reading.data.y.size,
    }


def _formula(model: Any) -> str:
    formula = getattr(model, "formula", None)
    if isinstance(formula, str):
        return formula
    return f"{model.endog_names} ~ {' + '.join(_column_names(model))}"


def _column_names(model: Any) -> list[str]:
    """Names of the columns of the matrix of the mean: those of an inflation stand before them."""
    before = np.shape(getattr(model, "exog_infl", np.zeros((0, 0))))[1]
    model = getattr(model, "model2", model)  # of a hurdle, the counts
    return [str(name) for name in model.exog_names][before:][: np.shape(model.exog)[1]]


def read_rows(model: Any) -> Rows:
    """The rows of a fit: the caller's table where a formula was given, else response and matrix."""
    data, n = model.data, np.shape(model.exog)[0]
    table = getattr(data, "frame", None)
    if isinstance(table, pd.DataFrame):
        kept = np.ones(len(table), dtype=np.bool_)
        missing = getattr(data, "missing_row_idx", None)
        if missing is not None:
            kept[np.asarray(missing, dtype=np.intp)] = False
        truncation = getattr(model, "truncation", None)
        if truncation is not None and int(kept.sum()) == len(data.endog):
            kept[kept] = np.asarray(data.endog) > truncation
        if int(kept.sum()) == n:
            frame = table.loc[kept]
            words = set(re.findall(r"\w+", _formula(model)))
            used = [name for name in frame.columns if _is_named(str(name), words, _formula(model))]
            return Rows(frame, tuple(used))
    return _rows_of_matrix(model, n)


def _is_named(name: str, words: set[str], formula: str) -> bool:
    """Whether a formula names a column, plainly or in Q("..")."""
    return name in words or f'"{name}"' in formula or f"'{name}'" in formula


def _rows_of_matrix(model: Any, n: int) -> Rows:
    names = _column_names(model)
    exog = np.asarray(model.exog, dtype=np.float64)
    columns = dict(zip(names, exog.T, strict=False))
    varying = {name: column for name, column in columns.items() if np.ptp(column) > 0.0}
    response = str(getattr(model, "endog_names", "y"))
    labels = getattr(model.data, "row_labels", None)
    index = labels if labels is not None and len(labels) == n else pd.RangeIndex(n)
    endog = np.asarray(model.endog, dtype=np.float64)
    plain = endog if endog.ndim == 1 else endog[:, 0]
    frame = pd.DataFrame({**varying, response: plain}, index=index)
    return Rows(frame, (*varying, response))
