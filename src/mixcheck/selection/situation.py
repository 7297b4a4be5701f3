"""A model in need of a remedy: what is known of it, and one change of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from mixcheck.checks.check import Check
from mixcheck.checks.wrappers import By, Named, Where
from mixcheck.design import Design
from mixcheck.design.formula import unquote_name
from mixcheck.families import Family
from mixcheck.fitting.results.glmm_fit import GLMM
from mixcheck.port import port_of
from mixcheck.selection.fits import require_likelihood
from mixcheck.selection.random_parts import RandomPart
from mixcheck.selection.space import Model, model_of, one_sided

__all__ = [
    "OBSERVATION",
    "Aspect",
    "Question",
    "Remedy",
    "Situation",
    "has_trials",
    "situation_of",
    "unwrapped",
]

Aspect: TypeAlias = Literal["mean", "random", "part", "distribution"]

OBSERVATION = "observation"
# Levels of a factor from which the variance of their effects can be estimated: Gelman and Hill
# (2007), Data Analysis Using Regression and Multilevel/Hierarchical Models, section 12.9.
LEAST_LEVELS = 5


@dataclass(frozen=True)
class Remedy:
    """One change of a model, and why.

    Attributes
    ----------
    aspect : {"mean", "random", "part", "distribution"}
        Changes of different aspects can be made together.
    why : str
    explains : bool
        Whether something in the data would explain the failure, and not a variation of rows
        that nothing explains.
    and_why : str
        Of a change that is two: a part, and what it depends on.
    family : Family, optional
    zi, dispersion : str, optional
    terms : tuple of str, optional
        All fixed terms.
    random : tuple of RandomPart, optional
        All random terms but the next.
    link : str, optional
        Of the family of the model.
    added : RandomPart, optional
    """

    aspect: Aspect
    why: str
    explains: bool = False
    and_why: str = ""
    family: Family | None = None
    zi: str | None = None
    dispersion: str | None = None
    terms: tuple[str, ...] | None = None
    random: tuple[RandomPart, ...] | None = None
    link: str | None = None
    added: RandomPart | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """One for each change that it is."""
        return (self.why, self.and_why) if self.and_why else (self.why,)

    def apply(self, model: Model) -> Model:
        """The model with the change made."""
        names = ("family", "zi", "dispersion", "terms", "random")
        given = {name: getattr(self, name) for name in names}
        changed = replace(model, **{name: v for name, v in given.items() if v is not None})
        if self.link is not None:
            changed = replace(changed, family=type(changed.family)(link=self.link))
        if self.added is None:
            return changed
        return replace(changed, random=(*changed.random, self.added))


@dataclass(frozen=True, eq=False)
class Situation:
    """A model, its data, and what is known of them.

    Attributes
    ----------
    model : Model
    frame : DataFrame
    trials : bool
        Whether some response is out of more than one trial.
    positive : bool
        Whether all responses are positive numbers.
    """

    model: Model
    frame: pd.DataFrame
    trials: bool
    positive: bool = False

    @property
    def numbers(self) -> tuple[str, ...]:
        """Fixed terms that are columns of numbers with several values."""
        return tuple(term for term in self.model.terms if self.is_number(term))

    def is_number(self, name: str) -> bool:
        """Whether a term is a column of numbers with more than two values."""
        column = self.column(name)
        return (
            column is not None
            and pd.api.types.is_numeric_dtype(column.dtype)
            and column.dtype.kind not in "bc"
            and column.nunique() > 2
        )

    def has_many_levels(self, name: str) -> bool:
        """Whether a column has enough values for the variance of effects of each."""
        column = self.column(name)
        if column is None or column.dtype.kind in "Mb":
            return False
        return bool(column.nunique() >= LEAST_LEVELS)

    def column(self, name: str) -> pd.Series[Any] | None:
        """The column of a plain term."""
        plain = unquote_name(name)
        return self.frame[plain] if plain in self.frame.columns else None

    def varies_within(self, name: str, group: tuple[str, ...]) -> bool:
        """Whether a column differs between the rows of some level of a grouping factor."""
        column = self.column(name)
        if column is None or not set(group) <= set(self.frame.columns):
            return False
        by = [self.frame[part] for part in group]
        values = column.groupby(by, observed=True).nunique()
        return bool((values > 1).any())


@dataclass(frozen=True)
class Question:
    """A check without its wrappers, and the column whose levels it was asked of."""

    check: Check
    column: str | None


def unwrapped(check: Check) -> Question:
    """A check without its wrappers."""
    column = None
    while isinstance(check, By | Where | Named):
        column = column if isinstance(check, Named) else check.column
        check = check.check
    return Question(check, column)


def has_trials(size: np.ndarray[Any, Any] | None) -> bool:
    """Whether some response is out of more than one trial."""
    return size is not None and bool(np.max(size) > 1.0)


def situation_of(fit: GLMM) -> tuple[Situation, dict[str, Any]]:
    """A fit as a model that can be changed, and the options of its call."""
    design: Design = port_of(fit).design
    parts = dict(design.formula.predictors)
    texts = {name: one_sided(parts[name]) for name in ("zi", "dispersion") if name in parts}
    if texts.get("dispersion") == "~ 1":
        del texts["dispersion"]
    # The fit's family has its zero part; a call names the family without it, and the part.
    family = fit.family.plain
    model = model_of(design.formula, family, **texts)
    # A proportion in one column has its trials as weights.
    weights = design.weights
    if design.formula.response.kind == "single" and design.size is not None:
        weights = design.size
    options = fit.method.options
    require_likelihood({**options, "priors": port_of(fit).priors})
    options.pop("reml", None)
    if weights is not None:
        options["weights"] = weights
    if design.offset_source == "":
        # An offset given as an array: the sum of all offsets takes the place of each.
        options["offset"] = design.predictors[0].offset
        model = replace(model, offsets=())
    elif design.offset_source is not None:
        options["offset"] = design.offset_source
    positive = bool(np.all(design.response > 0.0))
    return Situation(model, design.frame, has_trials(design.size), positive), options
