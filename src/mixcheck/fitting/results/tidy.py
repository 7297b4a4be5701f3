"""A fit as tidy frames, with the columns of R's broom and broom.mixed.

References
----------
Robinson (2014), broom: an R package for converting statistical analysis objects into tidy data
frames, arXiv:1412.3565; Bolker & Robinson (2022), broom.mixed, R package.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mixcheck.fitting.results.coefficient_table import tabulate_coefficients
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.fitting.results.predictions import fitted_means, pearson_residuals
from mixcheck.options import require_flag

__all__ = ["augment", "glance", "tidy"]

_COMPONENTS = {"mean": "cond", "dispersion": "disp", "zi": "zi"}
_COLUMNS = (
    *("effect", "component", "group", "term"),
    *("estimate", "std.error", "statistic", "df", "p.value"),
)
_UNTESTED = (np.nan, np.nan, np.nan)
_ENDS = ("conf.low", "conf.high")


def tidy(fit: Estimates, level: float, *, conf_int: bool) -> pd.DataFrame:
    """Coefficients, then standard deviations and correlations of the random effects; a row each."""
    require_flag("conf_int", conf_int)
    frame = pd.concat([_fixed(fit, level), _random(fit, level)], ignore_index=True)
    return frame if conf_int else frame.drop(columns=list(_ENDS))


def _fixed(fit: Estimates, level: float) -> pd.DataFrame:
    known = tabulate_coefficients(fit, "auto", level)
    frame = pd.DataFrame(
        {
            "effect": "fixed",
            "component": [_component(name) for name in fit.params.index],
            "group": None,
            "term": [str(name).partition(": ")[2] or str(name) for name in fit.params.index],
            "estimate": known["estimate"].to_numpy(),
            "std.error": known["std_error"].to_numpy(),
            "statistic": known["statistic"].to_numpy(),
            "df": known["df"].to_numpy(),
            "p.value": known["pvalue"].to_numpy(),
            "conf.low": known["low"].to_numpy(),
            "conf.high": known["high"].to_numpy(),
        }
    )
    shapes = fit.params.index.isin(fit.shape_names)
    frame.loc[shapes, "component"] = "family"
    # A test of a shape against a number nobody named says nothing.
    frame.loc[shapes, ["statistic", "df", "p.value"]] = np.nan
    return frame


def _component(name: object) -> str:
    part, colon, _ = str(name).partition(": ")
    return _COMPONENTS.get(part, "cond") if colon else "cond"


def _random(fit: Estimates, level: float) -> pd.DataFrame:
    """Terms are named ``sd__effect`` and ``cor__effect.effect``; ``sd__Observation`` last."""
    rows: list[tuple[Any, ...]] = []
    known = fit.covariance_parameters(level)
    numbers = known[["estimate", "std_error", "low", "high"]].to_numpy(dtype=np.float64)
    told = known[["part", "group", "kind", "name"]].astype(str).to_numpy().tolist()
    for (part, group, kind, name), (estimate, error, *ends) in zip(told, numbers, strict=True):
        term = f"{'sd' if kind == 'sd' else 'cor'}__{name.replace(', ', '.')}"
        component = _COMPONENTS.get(part, part)
        rows.append(("ran_pars", component, group, term, estimate, error, *_UNTESTED, *ends))
    if fit.dispersion is not None and fit.family.normal_error:
        residual = "ran_pars", "cond", "Residual", "sd__Observation", fit.dispersion
        rows.append((*residual, np.nan, *_UNTESTED, np.nan, np.nan))
    return pd.DataFrame(rows, columns=[*_COLUMNS, *_ENDS])


def glance(fit: Estimates) -> pd.DataFrame:
    """The whole fit in one row; NaN where there is no such number, as no AIC of a pseudo-fit."""
    likelihood = fit.method.kind != "pseudo" and not fit.priors
    numbers = {
        "nobs": fit.nobs,
        "sigma": np.nan if fit.dispersion is None else fit.dispersion,
        "logLik": fit.llf,
        "AIC": fit.aic if likelihood else np.nan,
        "BIC": fit.bic if likelihood else np.nan,
        "df.residual": fit.nobs - fit.n_parameters,
    }
    return pd.DataFrame([numbers])


def augment(fit: Estimates) -> pd.DataFrame:
    """The data of the fit with what it says of each row, by the index of the data."""
    fitted, problem = fitted_means(fit), fit.problem
    size = problem.data.size
    observed = problem.data.y if size is None else problem.data.y / size
    said: dict[str, Any] = {
        ".fitted": fitted,
        ".resid": problem.to_design(observed) - fitted,
        ".pearson": pearson_residuals(fit),
        ".fixed": problem.to_design(problem.fixed(fit.optimum.psi)[0]),
    }
    return fit.frame.assign(**said)
