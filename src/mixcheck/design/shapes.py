"""What a family adds to a design, or takes from it: numbers for all rows, and the intercept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.design.columns import Columns
from mixcheck.design.matrices import Design
from mixcheck.design.model_formula import CONSTANT
from mixcheck.design.plan import plan_formula
from mixcheck.design.predictors import Predictor
from mixcheck.design.rank import independent_columns
from mixcheck.design.recipe_making import make_matrices
from mixcheck.design.recipes import Recipe
from mixcheck.errors import DesignError

__all__ = ["WithoutIntercept", "with_shapes", "without_intercept"]

_INTERCEPT = "Intercept"


def with_shapes(design: Design, shapes: Collection[str], order: Sequence[str]) -> Design:
    """The design with further predictors, each of which is one number for all rows.

    Parameters
    ----------
    design : Design
    shapes : collection of str
        Their names.
    order : sequence of str
        Names of all predictors, as they are to stand.
    """
    if not shapes:
        return design
    n = design.response.size
    parsed = dict(design.formula.predictors) | dict.fromkeys(shapes, CONSTANT)
    formula = replace(
        design.formula,
        predictors=tuple((name, parsed[name]) for name in order),
        shapes=tuple(shapes),
    )
    parts = plan_formula(formula).predictors
    made = make_matrices({name: parts[name] for name in shapes}, {}, n, None)
    by_name = {part.name: part for part in design.predictors}
    by_name |= {
        name: Predictor(name, recipe.columns, X, np.zeros(n), (), ())
        for name, (X, recipe) in made.items()
    }
    return replace(
        design,
        formula=formula,
        predictors=tuple(by_name[name] for name in order),
        recipes={**design.recipes, **{name: recipe for name, (_, recipe) in made.items()}},
        kept={**design.kept, **dict.fromkeys(shapes, np.ones(1, dtype=np.bool_))},
    )


@dataclass(frozen=True, eq=False)
class WithoutIntercept(Recipe):
    """A recipe whose first column, the intercept, is left out."""

    whole: Recipe

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the other columns."""
        return self.whole.columns[1:]

    @property
    def terms(self) -> tuple[tuple[str, ...], ...]:
        """The factors whose product each of them belongs to."""
        return self.whole.terms[1:]

    def evaluate(self, data: Columns, n: int) -> FloatArray:
        """Matrix of the other columns; see `Recipe.evaluate`."""
        return np.asfortranarray(self.whole.evaluate(data, n)[:, 1:])


def without_intercept(design: Design, *, whole: bool = True) -> Design:
    """The design with the intercept of its first predictor left out, since thresholds are one.

    Parameters
    ----------
    design : Design
    whole : bool
        Whether its rows are all rows, so that they tell whether the columns hold an intercept.

    Raises
    ------
    DesignError
        If the columns hold an intercept in another form.
    """
    mean = design.predictors[0]
    if mean.columns[:1] == (_INTERCEPT,):
        kept = {**design.kept, mean.name: design.kept[mean.name][1:]}
        recipe = WithoutIntercept(design.recipes[mean.name])
        mean = replace(mean, columns=mean.columns[1:], X=np.asfortranarray(mean.X[:, 1:]))
        return replace(
            design,
            predictors=(mean, *design.predictors[1:]),
            recipes={**design.recipes, mean.name: recipe},
            kept=kept,
        )
    n, p = mean.X.shape
    if whole and p and not independent_columns(np.column_stack([mean.X, np.ones(n)]))[-1]:
        raise DesignError(
            "the columns of the formula hold an intercept, whose place is taken by the thresholds "
            "between the categories; write the formula without `0 +`"
        )
    return design
