"""Results of the package glmm, with the data that they have not kept."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from mixcheck.arguments.calls import answer_calls
from mixcheck.elsewhere.agreement import require_same
from mixcheck.errors import OptionError
from mixcheck.families.family import Family
from mixcheck.families.registry import FAMILIES
from mixcheck.fitting.glmm import glmm
from mixcheck.fitting.results.glmm_fit import GLMM

__all__ = ["from_fit"]

# Log-likelihoods of one optimum agree much better; those of other models hardly ever do.
_TOLERANCE: Final = 0.01
_FAMILIES: Final = {
    "gaussian": "gaussian",
    "binomial": "binomial",
    "poisson": "poisson",
    "gamma": "gamma",
    "negativebinomial": "nbinom2",
}
"""Names here of families of the package glmm."""


@answer_calls
def from_fit(result: Any, data: Any) -> GLMM:
    """The mixed model of another package that has not kept its data, with these.

    It is fitted here by the same formula, family, link and method, and refused unless both
    log-likelihoods agree within 0.01.

    Parameters
    ----------
    result : glmm.Fit
        The result of ``glmm.fit`` of the package glmm.
    data : table
        What it was fitted to: pandas, polars, pyarrow, duckdb or a dict of columns.

    Returns
    -------
    GLMM

    Raises
    ------
    OptionError
        If the result is of another package, or its family is not there.
    DataError
        If the log-likelihoods differ: other data, or a fit that is no optimum.

    Examples
    --------
    A result has ``formula``, ``family``, ``link``, ``reml``, ``nagq`` and ``loglik``:

    >>> import glmm as package  # doctest: +SKIP
    >>> import mixcheck as mc
    >>> ticks = mc.datasets.load("grouseticks")
    >>> formula = "TICKS ~ YEAR + (1 | BROOD)"
    >>> result = package.fit(ticks, formula, family="poisson")  # doctest: +SKIP
    >>> mc.check(mc.from_fit(result, ticks), seed=1).ok  # doctest: +SKIP
    False
    """
    package = type(result).__module__.partition(".")[0]
    if package != "glmm" or not hasattr(result, "loglik"):
        raise OptionError(
            f"result must be the result of glmm.fit of the package glmm, found "
            f"{type(result).__name__}; write mixcheck.check(result), "
            "which knows other packages or says what to write"
        )
    fit = glmm(result.formula, data, family=_family(result), **_options(result))
    way = "give the data that it was fitted to, or see whether it has converged"
    return require_same(fit, float(result.loglik), _TOLERANCE, way)


def _family(result: Any) -> Family:
    name = _FAMILIES.get(str(result.family))
    if name is None:
        raise OptionError(
            f"the family {result.family!r} of glmm is not there; it must be one of "
            f"{', '.join(_FAMILIES)}"
        )
    return FAMILIES[name](link=str(result.link))


def _options(result: Any) -> dict[str, Any]:
    """Arguments of our fit beside formula, data and family."""
    options: dict[str, Any] = {}
    if result.family == "gaussian":
        options["reml"] = bool(result.reml)
    if int(result.nagq) > 1:
        options |= {"method": "agq", "nodes": int(result.nagq)}
    if result.offset is not None:
        options["offset"] = np.asarray(result.offset, dtype=np.float64)
    weights = None if result.weights is None else np.asarray(result.weights, dtype=np.float64)
    if weights is None:
        return options
    if result.family == "gaussian":
        options["precision"] = weights
    elif "cbind" not in result.formula:
        options["weights"] = weights
    return options
