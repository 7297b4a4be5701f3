"""Parts of a formula and the data of a fit to their recipes and matrices.

A part made of an intercept and plain columns is trivial and is filled at once. Everything else
is evaluated by its nodes, and all such parts of a model share what they evaluate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.design.coding import Coding, pieces_of, require_time
from mixcheck.design.columns import Columns
from mixcheck.design.evaluation import Environment, evaluate
from mixcheck.design.nodes import Name, Node, Number, render
from mixcheck.design.parts import Part
from mixcheck.design.recipes import (
    ExpressionRecipe,
    PlainColumn,
    PlainRecipe,
    Recipe,
    TermsRecipe,
    TimesRecipe,
    evaluate_times,
)
from mixcheck.design.terms import Term
from mixcheck.design.values import Coded, Matrix, as_number, kind_of, value_of
from mixcheck.errors import DataError, DesignError

__all__ = ["make_matrices"]

_LOGICAL: Final = pd.Index([False, True])


def make_matrices(
    parts: Mapping[str, Part], data: Columns, n: int, context: Mapping[str, Any] | None
) -> dict[str, tuple[FloatArray, Recipe]]:
    """Matrix, (n, p), and recipe of every part, from columns with no value missing.

    Raises
    ------
    DataError
        If an expression cannot be evaluated, or a column has a type no model can use.
    DesignError
        If a categorical predictor has one level only, or there is no room for the matrix.
    """
    environment = Environment(data, n, dict(context or {}), {})
    made: dict[str, tuple[FloatArray, Recipe]] = {}
    # Random effects are often the fixed ones: parts that are read alike are one matrix.
    known: dict[str, tuple[FloatArray, Recipe]] = {}
    for key, part in parts.items():
        if part.positions and part.expression is not None:
            times = _times_recipe(part.expression, part.text, environment)
            made[key] = (times.fill(environment), times)
            continue
        if part.expression is not None:
            shown = f"offset({part.text})" if " offset " in key else part.text
            column = ExpressionRecipe(
                shown, part.expression, environment.states, environment.context
            )
            made[key] = (column.fill(environment), column)
            continue
        if part.text in known:
            made[key] = known[part.text]
            continue
        _check_lookups(part, data)
        if part.plain is not None and set(part.plain) <= set(data):
            plain = _plain_recipe(part.plain, part.intercept, data)
            require_time(n, plain.width, plain.widest)
            made[key] = (plain.evaluate(data, n), plain)
        else:
            recipe = _terms_recipe(part.terms, environment)
            require_time(n, recipe.width, recipe.widest)
            made[key] = (recipe.fill(environment), recipe)
        known[part.text] = made[key]
    return made


def _check_lookups(part: Part, data: Columns) -> None:
    for name in part.lookups:
        values = data.get(name)
        if isinstance(values, pd.Categorical):
            _check_levels(name, list(values.categories))
        elif isinstance(values, pd.Series):
            value_of(values, name)
            raise DataError(
                f"Column `{name}` is of type {values.dtype}, which is no number and no category. "
                f"Make a number of it, such as days({render(Name(name))}) for dates, the days "
                "since 1970."
            )


def _check_levels(name: str, levels: Sequence[object]) -> None:
    if len(levels) < 2:
        only = f" ({levels[0]!r})" if len(levels) else ""
        raise DesignError(
            f"The categorical predictor `{name}` has one level only{only} in the rows used; "
            "an effect cannot be estimated. Remove it from the formula."
        )


def _plain_recipe(names: Sequence[str], intercept: bool, data: Columns) -> PlainRecipe:
    spanned = intercept
    parts = []
    for name in names:
        values = data[name]
        levels = (
            values.categories
            if isinstance(values, pd.Categorical)
            else _LOGICAL
            if values.dtype.kind == "b"
            else None
        )
        parts.append(PlainColumn(name, levels, full=levels is not None and not spanned))
        spanned = spanned or levels is not None
    return PlainRecipe(intercept, tuple(parts))


def _terms_recipe(terms: Sequence[Term], environment: Environment) -> TermsRecipe:
    """Recipe of terms, the functions in them fitted to the environment."""
    factors = tuple(dict.fromkeys(factor for term in terms for factor in term.factors))
    with np.errstate(all="ignore"):
        codings = tuple(_coding(factor, environment) for factor in factors)
    position = {factor: i for i, factor in enumerate(factors)}
    positions = [tuple(position[factor] for factor in term.factors) for term in terms]
    pieces = tuple(pieces_of(positions, codings))
    return TermsRecipe(factors, codings, pieces, environment.states, environment.context)


def _coding(factor: Node, environment: Environment) -> Coding:
    """How a factor is coded, by its value on the rows of the fit."""
    if isinstance(factor, Number):
        return Coding(factor.text, scale=float(factor.text))
    label = factor.name if isinstance(factor, Name) else render(factor)
    value = evaluate(factor, environment)
    if isinstance(value, Coded):
        _check_levels(label, value.categories.categories.tolist())
        return Coding(label, levels=value.categories.categories, contrasts=value.contrasts)
    if isinstance(value, pd.Categorical):
        _check_levels(label, value.categories.tolist())
        return Coding(label, levels=value.categories)
    if isinstance(value, Matrix):
        return Coding(label, parts=value.labels)
    if isinstance(value, np.ndarray) and value.dtype.kind == "b":
        return Coding(label, levels=_LOGICAL, logical=not isinstance(factor, Name))
    if isinstance(value, np.ndarray):
        return Coding(label)
    if isinstance(value, pd.Series):
        as_number(value, label)
    hint = {
        "min": "; write pmin(x, 500) for the smaller of two",
        "max": "; write pmax(x, 500) for the larger of two",
    }.get(getattr(factor, "function", ""), "")
    raise DataError(
        f"The term `{label}` is {kind_of(value)}, where a term needs one value a row{hint}."
    )


def _times_recipe(node: Node, text: str, environment: Environment) -> TimesRecipe:
    value = evaluate_times(node, text, environment)
    levels: pd.Index[Any]
    if isinstance(value, pd.Categorical):
        levels = value.categories
    else:
        levels = pd.RangeIndex(int(value.min()), int(value.max()) + 1)
    if len(levels) < 2:
        raise DesignError(f"`{text}` is one time only, so that there is no order in time.")
    return TimesRecipe(text, node, levels, environment.states, environment.context)
