"""A model in need of a remedy: what is known of it, and one change of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from mixcheck.checks.check import Check
from mixcheck.checks.wrappers import By, Named, Where
from mixcheck.design.formula import unquote_name
from mixcheck.families import Family
from mixcheck.selection.random_parts import RandomPart
from mixcheck.selection.space import Model

__all__ = ["OBSERVATION", "Aspect", "Question", "Remedy", "Situation", "has_trials", "unwrapped"]

Aspect: TypeAlias = Literal["mean", "random", "part", "distribution"]

OBSERVATION = "observation"


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
    family: Family | None = None
    zi: str | None = None
    dispersion: str | None = None
    terms: tuple[str, ...] | None = None
    random: tuple[RandomPart, ...] | None = None
    link: str | None = None
    added: RandomPart | None = None

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
            and column.dtype.kind != "b"
            and column.nunique() > 2
        )

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
