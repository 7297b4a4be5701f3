"""A fit as tidy frames, with the columns of R's broom and broom.mixed.

References
----------
Robinson (2014), broom: an R package for converting statistical analysis objects into tidy data
frames, arXiv:1412.3565; Bolker & Robinson (2022), broom.mixed, R package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mixcheck.arguments.options import require_flag
from mixcheck.fitting.results.coefficient_table import tabulate_coefficients
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.fitting.results.intervals import Request, find_intervals
from mixcheck.fitting.results.predictions import fitted_means, pearson_residuals
from mixcheck.fitting.results.refitting import Refitting

__all__ = ["augment", "glance", "tidy"]

_COMPONENTS = {"mean": "cond", "dispersion": "disp", "zi": "zi"}
_COLUMNS = (
    *("effect", "component", "group", "term"),
    *("estimate", "std.error", "statistic", "df", "p.value"),
)
_UNTESTED = (np.nan, np.nan, np.nan)
_ENDS = ("conf.low", "conf.high")
_UNKNOWN = (np.nan, np.nan)


def tidy(fit: Refitting, level: float, *, conf_int: bool) -> pd.DataFrame:
    """Coefficients, then standard deviations and correlations of the random effects; a row each."""
    require_flag("conf_int", conf_int)
    fixed = _fixed(fit, level)
    ends = _ends_of_variances(fit, level) if conf_int else {}
    frame = pd.concat([fixed, _random(fit, ends)], ignore_index=True)
    return frame if conf_int else frame.drop(columns=list(_ENDS))


def _fixed(fit: Estimates, level: float) -> pd.DataFrame:
    known = tabulate_coefficients(fit, "auto", level)
    frame = pd.DataFrame(
        {
            "effect": "fixed",
            "component": [_COMPONENTS.get(part, "family") for part, _ in fit.shown_columns],
            "group": None,
            "term": [
                column if part in _COMPONENTS else name
                for name, (part, column) in zip(fit.params.index, fit.shown_columns, strict=True)
            ],
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
    # A test of a shape against a number nobody named says nothing.
    frame.loc[shapes, ["statistic", "df", "p.value"]] = np.nan
    return frame


def _ends_of_variances(fit: Refitting, level: float) -> dict[str, tuple[float, float]]:
    """Intervals of what describes random variation, by the names of `GLMM.conf_int`."""
    found = find_intervals(fit, Request(level, parameters="random"))
    return {str(name): (low, high) for name, low, high in found.itertuples()}


def _random(fit: Estimates, ends: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    """Terms are named ``sd__effect`` and ``cor__effect.effect``; ``sd__Observation`` last."""
    rows: list[tuple[Any, ...]] = []
    known = fit.covariance_parameters()
    numbers = known[["estimate", "std_error"]].to_numpy(dtype=np.float64)
    told = known[["part", "group", "kind", "name"]].astype(str).to_numpy().tolist()
    for (part, group, kind, name), (estimate, error) in zip(told, numbers, strict=True):
        short, prefix = "sd" if kind == "sd" else "cor", "" if part == "mean" else f"{part}: "
        own = ends.get(f"{prefix}{short}({group}, {name})", _UNKNOWN)
        term = f"{short}__{name.replace(', ', '.')}"
        component = _COMPONENTS.get(part, part)
        rows.append(("ran_pars", component, group, term, estimate, error, *_UNTESTED, *own))
    if fit.dispersion is not None and fit.family.normal_error:
        residual = "ran_pars", "cond", "Residual", "sd__Observation", fit.dispersion
        rows.append((*residual, np.nan, *_UNTESTED, *ends.get("dispersion", _UNKNOWN)))
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
