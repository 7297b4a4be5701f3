"""The table of the coefficients: estimates, errors, degrees of freedom, tests and intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.fitting.results.small_samples import small_samples_of
from mixcheck.inference.contrasts import Contrasts, t_intervals, t_pvalues

__all__ = ["describe_ddf", "tabulate_coefficients", "tabulate_contrasts"]

_WORDS = {
    "kenward-roger": "t, degrees of freedom and errors by Kenward and Roger",
    "satterthwaite": "t, degrees of freedom by Satterthwaite",
    "restricted-containment": "t, degrees of freedom by containment",
    "containment": "t, degrees of freedom by containment",
    "between-within": "t, degrees of freedom between and within groups",
    "normal": "normal (z)",
}


def tabulate_coefficients(
    fit: Estimates, ddf: str, level: float, cluster: str | None = None
) -> pd.DataFrame:
    """See `mixcheck.GLMM.coefficients`."""
    names = fit.fixed_names
    return tabulate_contrasts(
        small_samples_of(fit).contrasts(np.eye(len(names)), ddf, cluster), names, level
    )


def tabulate_contrasts(
    found: Contrasts, names: Sequence[str], level: float, value: FloatArray | float = 0.0
) -> pd.DataFrame:
    """A row for each linear combination, tested against a value; ``attrs["ddf"]`` says whose df."""
    errors = found.deviations
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = (found.estimate - value) / errors
    ends = t_intervals(found.estimate, errors, found.df, level)
    table = pd.DataFrame(
        {
            "estimate": found.estimate,
            "std_error": errors,
            "df": found.df,
            "statistic": statistic,
            "pvalue": t_pvalues(statistic, found.df),
            "low": ends[:, 0],
            "high": ends[:, 1],
        },
        index=pd.Index(list(names)),
    )
    table.attrs["ddf"] = found.method
    return table


def describe_ddf(fit: Estimates, method: str) -> str:
    """What tests and intervals of a table rest on, in a few words."""
    by_reml = method in ("kenward-roger", "restricted-containment")
    restricted = by_reml and not fit.reml and bool(fit.problem.terms)
    return _WORDS[method] + (", with the variances by REML" if restricted else "")
