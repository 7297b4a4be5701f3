"""Linear models of statsmodels with correlated errors: generalized least squares, Gaussian GEE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np

from mixcheck.adapters.correlated import Block, read_correlated
from mixcheck.adapters.statsmodels.glm import adapt_linear
from mixcheck.adapters.statsmodels.recipe import Adapted, Recipe, mean_offset
from mixcheck.arrays import FloatArray
from mixcheck.errors import OptionError

__all__ = ["adapt_gee", "adapt_gls"]

_CORRELATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "Independence": (),
    "Exchangeable": (),
    "Autoregressive": ("grid",),
    "Stationary": ("max_lag", "grid"),
    "Unstructured": (),
}
"""Working correlations, with the arguments that they keep."""


def adapt_gls(result: Any) -> Adapted:
    """A result of `GLS`: normal errors, whose covariances are given up to a scale."""
    model = result.model
    sigma = model.sigma
    if sigma is None or np.ndim(sigma) < 2:
        return adapt_linear(result)
    exog = np.asarray(model.exog, dtype=np.float64)
    params = np.asarray(result.params, dtype=np.float64)
    y = np.asarray(model.endog, dtype=np.float64)
    block = Block(np.arange(y.size), np.linalg.cholesky(np.asarray(sigma, dtype=np.float64)))
    deviation = float(np.sqrt(result.scale))
    reading = read_correlated(y, exog, exog @ params, deviation, [block], np.zeros(y.size))
    recipe = Recipe(type(model), exog, adapt_gls, fixed={"sigma": sigma})
    return Adapted(reading, recipe, int(np.linalg.matrix_rank(exog)) + 1)


def adapt_gee(result: Any) -> Adapted:
    """A result of `GEE` with the Gaussian family: its working covariance as that of normal errors.

    Raises
    ------
    OptionError
        If the means and the working correlation are not those of one distribution.
    """
    model = result.model
    correlations = _correlations(model)
    exog = np.asarray(model.exog, dtype=np.float64)
    params = np.asarray(result.params, dtype=np.float64)
    y = np.asarray(model.endog, dtype=np.float64)
    linear = np.asarray(result.fittedvalues, dtype=np.float64)
    places = [np.asarray(model.group_indices[label]) for label in model.group_labels]
    blocks = []
    for i, rows in enumerate(places):
        matrix, _ = model.cov_struct.covariance_matrix(linear[rows], i)
        blocks.append(Block(rows, np.linalg.cholesky(np.asarray(matrix, dtype=np.float64))))
    offset = mean_offset(linear, exog, params)
    deviation = float(np.sqrt(result.scale))
    reading = read_correlated(y, exog, linear, deviation, blocks, offset, "none")
    # Without times of the caller's those of statsmodels stand in the order of the clusters.
    time = np.empty((y.size, model.time_li[0].shape[1]))
    for rows, own in zip(places, model.time_li, strict=True):
        time[rows] = own
    by_row = {"groups": np.asarray(model.groups), "time": time}
    if offset.any():
        by_row["offset"] = offset
    recipe = Recipe(
        GEE,
        exog,
        adapt_gee,
        by_row=by_row,
        fixed={"family": model.family, "correlations": correlations},
        fit={"maxiter": 200, "cov_type": "naive"},
    )
    return Adapted(reading, recipe, int(np.linalg.matrix_rank(exog)) + 1)


def GEE(
    endog: FloatArray, exog: FloatArray, *, correlations: Callable[[], Any], **given: Any
) -> Any:
    """A `GEE` of a response whose correlations are estimated anew."""
    from statsmodels.genmod import generalized_estimating_equations as equations

    return equations.GEE(endog, exog, cov_struct=correlations(), **given)


def _correlations(model: Any) -> Callable[[], Any]:
    """What makes the working correlations of a model, before they are estimated.

    Raises
    ------
    OptionError
        If the means and the working correlation are not those of one distribution.
    """
    family, link, structure = model.family, model.family.link, model.cov_struct
    kind: Callable[..., Any] = type(structure)
    refused = {
        f"the family {type(family).__name__}": type(family).__name__ != "Gaussian",
        f"the link {type(link).__name__}": type(link).__name__ != "Identity",
        "weights": getattr(model, "weights", None) is not None,
        f"correlations of the kind {kind.__name__}": kind.__name__ not in _CORRELATIONS,
        "distances of your own": getattr(structure, "dist_func", kind).__module__
        != kind.__module__,
    }
    found = [name for name, holds in refused.items() if holds]
    if found:
        raise OptionError(
            f"a GEE with {found[0]} has means and a working correlation, which are not a "
            "distribution that could be simulated; a Gaussian GEE with the identity link is "
            "checked as the normal distribution that has both. Write a model with a random effect "
            "of the clusters, mixcheck.glmm('y ~ x + (1 | cluster)', data, family=..)"
        )
    return partial(
        kind, **{name: getattr(structure, name) for name in _CORRELATIONS[kind.__name__]}
    )
