"""Whether models may be compared at all: the same data, and one kind of likelihood."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mixcheck.arguments.options import as_items, shown
from mixcheck.arrays import IntArray
from mixcheck.comparison.column_space import spans
from mixcheck.comparison.row_matching import match_rows, regrouped_columns, same_values
from mixcheck.errors import ComparisonError, OptionError
from mixcheck.port import Comparable, DataRows, Traceable, port_of

__all__ = [
    "formula_of",
    "is_reml",
    "label_of",
    "name_models",
    "order_of",
    "other_values",
    "require_comparable",
    "require_one_likelihood",
    "require_same_data",
]

_DATA = ("rows", "response", "weights", "offset")

_REMEDIES = {
    "rows": (
        "a missing value in a variable that only one of them has is the usual cause: leave those "
        "rows out first, data.dropna(subset=[..]), and fit all models to what remains"
    ),
    "contents": (
        "neither the labels of their rows nor what the rows hold are the same: fit all models to "
        "the same rows of one table, and keep its index"
    ),
    "response": (
        "their likelihoods are of different quantities: fit all models to one response on one "
        'scale, or name the column whose transformations they are, compare(.., scale="y")'
    ),
    "trials": "fit all models to the same successes out of the same numbers of trials",
    "weights": "fit all models with the same weights=",
    "offset": "fit all models with the same offset() or offset=",
}


def name_models(models: object, verb: str) -> dict[str, Any]:
    """Several models by name, by number where they have none.

    Raises
    ------
    OptionError
        If they are not a collection.
    ComparisonError
        If they are fewer than two.
    """
    several = as_items(models)
    if several is None:
        raise OptionError(
            f"{verb} needs several models, found {shown(models)}; "
            f'write {verb}({{"first": a, "second": b}}) or {verb}([a, b])'
        )
    if isinstance(models, Mapping):
        named = {str(label): model for label, model in models.items()}
    else:
        named = {f"model {number}": model for number, model in enumerate(several, start=1)}
    if len(named) < 2:
        raise ComparisonError(
            f"{verb} needs at least two models, found {len(named)}; "
            f'write {verb}({{"first": a, "second": b}})'
        )
    return named


def require_comparable(model: object, what: str, *, maximum: bool = True) -> Comparable:
    """The port of a model, if it has a likelihood and an account of its data.

    Parameters
    ----------
    model : object
    what : str
        For what.
    maximum : bool
        Whether the likelihood must have its maximum at the estimates.

    Raises
    ------
    OptionError
        If it has not.
    ComparisonError
        If its log-likelihood is not a finite number, or not one of the responses.
    """
    found = port_of(model)
    if isinstance(found, type) or not isinstance(found, Comparable):
        raise OptionError(
            f"{what} needs a fitted model with a log-likelihood, such as the result of "
            f"mixcheck.glmm(..); found {type(model).__name__}"
        )
    return _require_likelihood(found, what, maximum=maximum)


def _require_likelihood(model: Comparable, what: str, *, maximum: bool) -> Comparable:
    if isinstance(model, Traceable) and model.likelihood_kind == "pseudo":
        raise ComparisonError(
            f"{formula_of(model)!r} was fitted by pseudo-likelihood, which is a likelihood of "
            f"working responses that differ between models: {what} does not exist. Fit it by "
            'method="laplace"'
        )
    if isinstance(model, Traceable) and model.likelihood_kind == "none":
        raise ComparisonError(
            f"{formula_of(model)!r} was fitted by estimating equations, which have no likelihood: "
            f"{what} does not exist. Fit a model with a random effect of the clusters, "
            "mixcheck.glmm"
        )
    if maximum and isinstance(model, Traceable) and model.likelihood_kind == "penalised":
        raise ComparisonError(
            f"{formula_of(model)!r} was fitted with priors, so its log-likelihood is not a "
            f"maximum: {what} does not exist. Fit it without priors=, or score it by logo or loo"
        )
    if not math.isfinite(model.llf):
        raise ComparisonError(
            f"the log-likelihood of {formula_of(model)!r} is {model.llf}; {what} needs a finite "
            "one, so fit the model again before comparing it"
        )
    return model


def formula_of(model: Comparable) -> str:
    """The formula of a model, or the name of its class."""
    return str(model.description.get("formula") or type(model).__name__)


def label_of(model: Comparable) -> str:
    """Formula, family and link: what tells a model from others of the same data."""
    family, link = model.description.get("family"), model.description.get("link")
    words = f"{family} ({link})" if link else str(family)
    return f"{formula_of(model)}, {words}" if family else formula_of(model)


def require_same_data(models: Mapping[str, Comparable]) -> None:
    """Refuse models of other rows, responses, weights or offsets.

    Parameters
    ----------
    models : mapping of label to Comparable
        Each is held against the first.

    Raises
    ------
    ComparisonError
        Naming the two models, what differs, and what to do.
    """
    (first, reference), *others = models.items()
    for label, model in others:
        differing = _first_difference(reference, model)
        if differing:
            raise ComparisonError(
                f"{first!r} and {label!r} cannot be compared, because they differ in their "
                f"{_difference_words(differing, reference, model)}; {_REMEDIES[differing]}"
            )


def _first_difference(one: Comparable, other: Comparable) -> str:
    if one.nobs != other.nobs:
        return "rows"
    if isinstance(one, Traceable) and isinstance(other, Traceable):
        return _difference_of_rows(one.data_rows, other.data_rows)
    left, right = port_of(one).data_digest, port_of(other).data_digest
    return next((name for name in _DATA if left.get(name) != right.get(name)), "")


def _difference_of_rows(one: DataRows, other: DataRows) -> str:
    order = match_rows(one, other)
    if order is None:
        return "contents"
    pairs = {
        "response": (one.response, other.response),
        "trials": (one.size, other.size),
        "weights": (one.weights, other.weights),
        "offset": (one.offsets["mean"], other.offsets["mean"]),
    }
    return next((name for name, pair in pairs.items() if not same_values(*pair, order)), "")


def order_of(reference: Comparable, model: Comparable) -> IntArray | None:
    """Position in `model` of each row of `reference`, (n,); None where that is its own order."""
    if model is reference or not (
        isinstance(reference, Traceable) and isinstance(model, Traceable)
    ):
        return None
    order = match_rows(reference.data_rows, model.data_rows)
    return None if order is None or np.array_equal(order, np.arange(order.size)) else order


def other_values(reference: Comparable, model: Comparable) -> tuple[str, ...]:
    """Columns that both models use and that hold other values or levels in the same rows."""
    if not (isinstance(reference, Traceable) and isinstance(model, Traceable)):
        return ()
    one, other = reference.data_rows, model.data_rows
    order = match_rows(one, other)
    changed = () if order is None else regrouped_columns(one, other, order)
    return tuple(name for name in changed if name in one.used and name in other.used)


def _difference_words(differing: str, one: Comparable, other: Comparable) -> str:
    if differing == "rows" and one.nobs != other.nobs:
        return f"rows ({one.nobs} and {other.nobs} observations)"
    return "rows" if differing == "contents" else differing


def is_reml(model: Comparable) -> bool:
    """Whether the likelihood is a restricted one."""
    return isinstance(model, Traceable) and model.likelihood_kind == "restricted"


def require_one_likelihood(models: Mapping[str, Comparable]) -> None:
    """Refuse REML beside maximum likelihood, and REML fits of other fixed effects.

    Raises
    ------
    ComparisonError
        Naming the models.
    """
    restricted = [label for label, model in models.items() if is_reml(model)]
    if not restricted:
        return
    if len(restricted) < len(models):
        full = next(label for label in models if label not in restricted)
        raise ComparisonError(
            f"{restricted[0]!r} was fitted by REML and {full!r} by maximum likelihood, which are "
            "likelihoods of different quantities; fit all models by maximum likelihood"
        )
    (first, reference), *others = models.items()
    for label, model in others:
        if not _same_fixed_space(reference, model):
            raise ComparisonError(
                f"{first!r} and {label!r} were fitted by REML with different fixed effects, so "
                "their likelihoods are of different quantities; fit them by maximum likelihood"
            )


def _same_fixed_space(one: Comparable, other: Comparable) -> bool:
    order = order_of(one, other)
    left, right = one.fixed_matrices, dict(other.fixed_matrices)
    if order is not None:
        right = {name: X[order] for name, X in right.items()}
    return left.keys() == right.keys() and all(
        spans(left[name], right[name]) and spans(right[name], left[name]) for name in left
    )
