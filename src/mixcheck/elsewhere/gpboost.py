"""Mixed models of GPBoost with grouped random effects, read from what they keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.elsewhere.agreement import agrees, require_same
from mixcheck.errors import OptionError
from mixcheck.families.registry import FAMILIES
from mixcheck.fitting.glmm import glmm
from mixcheck.notices import quiet
from mixcheck.port import port_of

__all__ = ["LIKELIHOODS", "port_of_model"]

LIKELIHOODS: Final[Mapping[str, tuple[str, str, bool]]] = {
    "gaussian": ("gaussian", "identity", False),
    "bernoulli_logit": ("binomial", "logit", False),
    "bernoulli_probit": ("binomial", "probit", False),
    "binomial_logit": ("binomial", "logit", False),
    "binomial_probit": ("binomial", "probit", False),
    "beta_binomial": ("betabinomial", "logit", False),
    "beta": ("beta", "logit", False),
    "poisson": ("poisson", "log", False),
    "negative_binomial": ("nbinom2", "log", False),
    "negative_binomial_1": ("nbinom1", "log", False),
    "zero_inflated_poisson": ("poisson", "log", True),
    "zero_inflated_negative_binomial": ("nbinom2", "log", True),
    "zero_inflated_negative_binomial_1": ("nbinom1", "log", True),
    "gamma": ("gamma", "log", False),
    "hurdle_gamma": ("gamma", "log", True),
}
"""By GPBoost's name of a likelihood: family here, link, and whether zeros have a probability."""

# GPBoost stops where a step changes its log-likelihood by a millionth of it.
_RELATIVE: Final = 1e-5
_LEAST: Final = 0.02
# It scales its matrix and scales it back, which leaves a last digit.
_ROUNDING: Final = 1e-12
_DRAW: Final = (
    "draw responses from it, with new random effects in each draw, and write "
    "mixcheck.from_draws(observed, draws)"
)


def port_of_model(model: Any) -> Any:
    """The same model, fitted here and held to the log-likelihood of GPBoost.

    The variances of GPBoost are those of its random effects and of the error, its shape is the
    size of a negative binomial and the shape of a gamma distribution, and all of its likelihoods
    are Laplace's approximation with the observed information, as here. For crossed effects it
    approximates once more, by random vectors; its likelihood at its estimates is then taken without
    that.

    Parameters
    ----------
    model : gpboost.GPModel
        After ``fit``, with grouped random effects and one of `LIKELIHOODS`.

    Returns
    -------
    object
        The port of the `GLMM` with the same terms.

    Raises
    ------
    OptionError
        If it is not fitted, or is a model that cannot be read.
    DataError
        If the log-likelihoods differ by more than 1e-5 of their size and 0.02.

    Examples
    --------
    >>> import gpboost  # doctest: +SKIP
    >>> import mixcheck as mc
    >>> sleep = mc.datasets.load("sleepstudy")
    >>> model = gpboost.GPModel(group_data=sleep["Subject"])  # doctest: +SKIP
    >>> X = sleep[["Days"]].assign(one=1.0)
    >>> model.fit(y=sleep["Reaction"], X=X)  # doctest: +SKIP
    >>> mc.check(model, seed=1).ok  # doctest: +SKIP
    False
    """
    parts = _read(model)
    family, link, zeros = LIKELIHOODS[parts["likelihood"]]
    table, formula = _table_and_formula(model, parts)
    options: dict[str, Any] = {"zi": "~ 1"} if zeros else {}
    if parts["has_offset"]:
        options["offset"] = np.asarray(parts["offset"], dtype=np.float64)
    if parts["weights"] is not None:
        weights = np.asarray(parts["weights"], dtype=np.float64)
        if family == "gaussian":
            table, options["precision"] = table.assign(weight=weights), "weight"
        else:
            options["weights"] = weights
    with quiet():
        fit = glmm(formula, table, family=FAMILIES[family](link=link), **options)
    tolerance = max(_LEAST, _RELATIVE * abs(float(fit.llf)))
    theirs = -float(model.get_current_neg_log_likelihood())
    if not agrees(fit, theirs, tolerance):
        theirs = _without_random_vectors(model, parts)
    way = (
        "see whether GPBoost has converged (params={'max_num_restarts_lbfgs': 5} continues "
        f"its search), or {_DRAW}"
    )
    return port_of(require_same(fit, theirs, tolerance, way))


def _read(model: Any) -> dict[str, Any]:
    """All that the model keeps, if it is one that can be fitted here."""
    if not hasattr(model, "model_to_dict") or not hasattr(model, "get_cov_pars"):
        _refuse(model, "its fixed effects are not linear, and it has not kept its response")
    if not model.model_fitted:
        _refuse(model, "it is not fitted: write model.fit(y=y, X=X) first")
    if model.free_raw_data:
        _refuse(model, "it has not kept its groups: make it with free_raw_data=False")
    parts: dict[str, Any] = model.model_to_dict()
    for found in _obstacles(parts):
        _refuse(model, found)
    return parts


def _obstacles(parts: Mapping[str, Any]) -> Iterator[str]:
    """What stands in the way of a fit here."""
    if parts["likelihood"] not in LIKELIHOODS:
        known = ", ".join(LIKELIHOODS)
        yield f"its likelihood is {parts['likelihood']!r}, and is taken where it is one of {known}"
    if parts["gp_coords"] is not None or parts["group_data"] is None:
        yield "it has a Gaussian process, and only grouped random effects are taken"
    if parts["cluster_ids"] is not None:
        yield "it has cluster_ids, which make independent copies of its random effects"
    params = parts["params"]
    held = np.asarray(params.get("estimate_cov_par_index", -1)).ravel()
    if (held == 0).any() or params.get("estimate_aux_pars") is False:
        yield "some of its variances or shapes were held, and all are estimated here"
    if parts.get("likelihood_learning_rate", 1.0) != 1.0:
        yield "its likelihood is raised to a power, likelihood_learning_rate"


def _refuse(model: Any, reason: str) -> NoReturn:
    raise OptionError(
        f"{type(model).__name__} of gpboost is not checked as it is, since {reason}; or {_DRAW}"
    )


def _table_and_formula(model: Any, parts: Mapping[str, Any]) -> tuple[pd.DataFrame, str]:
    """The columns of the model by name, and its terms."""
    columns: dict[str, Any] = {}
    response = _add(columns, "y", np.asarray(parts["y"], dtype=np.float64))
    fixed, has_intercept = [], False
    matrix = parts["X"] if parts["has_covariates"] else np.zeros((len(columns[response]), 0))
    names = model.coef_names if parts["has_covariates"] else ()
    for name, values in zip(names, np.asarray(matrix, dtype=np.float64).T, strict=True):
        if np.abs(values - 1.0).max() < _ROUNDING and not has_intercept:
            has_intercept = True
        else:
            fixed.append(_add(columns, str(name), values))
    groups = np.asarray(parts["group_data"])
    groups = groups.reshape(groups.shape[0], -1)
    named = zip(_group_names(model, parts), groups.T, strict=True)
    labels = [_add(columns, name, levels) for name, levels in named]
    terms = ["1" if has_intercept else "0", *map(_quoted, fixed)]
    terms += _random_terms(parts, columns, labels)
    return pd.DataFrame(columns), f"{_quoted(response)} ~ {' + '.join(terms)}"


def _group_names(model: Any, parts: Mapping[str, Any]) -> Iterator[str]:
    """Names of the grouping factors: one without an intercept is named by its slopes alone."""
    names = iter(model.re_comp_names)
    count = len(np.ravel(parts["nb_groups"]))
    dropped = parts["drop_intercept_group_rand_effect"]
    kept = np.ones(count, bool) if dropped is None else ~np.ravel(dropped).astype(bool)
    intercepts = [str(next(names)) if there else None for there in kept]
    places = parts["ind_effect_group_rand_coef"]
    slopes = dict(zip(np.ravel([] if places is None else places), names, strict=False))
    for k, name in enumerate(intercepts, start=1):
        yield str(slopes[k]).partition("_rand_coef_")[0] if name is None else name


def _random_terms(
    parts: Mapping[str, Any], columns: dict[str, Any], labels: list[str]
) -> Iterator[str]:
    """Intercepts of each grouping factor, and slopes, all independent of each other."""
    dropped = parts["drop_intercept_group_rand_effect"]
    for k, group in enumerate(labels):
        if dropped is None or not np.ravel(dropped)[k]:
            yield f"(1 | {_quoted(group)})"
    if parts["group_rand_coef_data"] is None:
        return
    slopes = np.asarray(parts["group_rand_coef_data"], dtype=np.float64)
    slopes = slopes.reshape(slopes.shape[0], -1)
    for values, place in zip(slopes.T, parts["ind_effect_group_rand_coef"], strict=True):
        group = labels[int(place) - 1]
        slope = _same_column(columns, values) or _add(columns, f"slope_of_{group}", values)
        yield f"(0 + {_quoted(slope)} | {_quoted(group)})"


def _same_column(columns: Mapping[str, Any], values: FloatArray) -> str | None:
    numbers = (name for name, column in columns.items() if column.dtype.kind == "f")
    scale = _ROUNDING * np.abs(values).max()
    return next((name for name in numbers if np.abs(columns[name] - values).max() <= scale), None)


def _add(columns: dict[str, Any], name: str, values: Any) -> str:
    """Put a column there under its name, or under one with a number after it where it is taken."""
    free, k = name, 1
    while free in columns:
        k += 1
        free = f"{name}_{k}"
    columns[free] = values
    return free


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"`{name}`"


def _without_random_vectors(model: Any, parts: Mapping[str, Any]) -> float:
    """GPBoost's log-likelihood at its estimates, its determinants by Cholesky factors."""
    n = np.size(parts["y"])
    predictor = np.zeros(n)
    if parts["has_covariates"]:
        predictor += np.asarray(parts["X"]) @ np.ravel(parts["coefs"])
    if parts["has_offset"]:
        predictor += parts["offset"]
    exact = type(model)(
        model_dict={**parts, "matrix_inversion_method": "cholesky", "num_parallel_threads": 1}
    )
    return -float(
        exact.neg_log_likelihood(
            parts["cov_pars"],
            parts["y"],
            fixed_effects=predictor,
            aux_pars=parts["params"]["init_aux_pars"],
        )
    )
