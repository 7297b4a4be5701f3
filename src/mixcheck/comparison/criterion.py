"""A criterion: what a table needs to know of it, and what it says of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import pandas as pd

from mixcheck.arguments.options import shown
from mixcheck.errors import MixcheckError, OptionError
from mixcheck.port import Comparable, port_of
from mixcheck.port.entry import asked_words

__all__ = ["Criterion", "CriterionFunction", "Score", "paired_error", "score_of"]

CriterionFunction: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, eq=False)
class Score:
    """The value of a criterion, smaller for a better model.

    Attributes
    ----------
    value : float
    parts : Series or None
        Contributions that add up to it, one for each row or group; pairs of them give the
        standard error of a difference.
    effective_df : float or None
        Degrees of freedom that the criterion counts, where they are not the number of
        parameters.
    """

    value: float
    parts: pd.Series[float] | None = None
    effective_df: float | None = None


@dataclass(frozen=True)
class Criterion:
    """What models are ranked by.

    Attributes
    ----------
    name : str
        As it is written in a call.
    title : str
        As pages show it.
    function : callable
        Takes a fitted model to a number, or to a record with a `value`, or with log `scores`
        and their `total`.
    needs : type
        The protocol that a model must meet.
    larger : bool
        Whether a larger result is better, as of a log score: it is ranked by minus twice it,
        the scale of a deviance.
    paired : bool
        Whether two results have a standard error of their difference, ``first.minus(second)``.
    effective : str
        Attribute of the result that counts degrees of freedom.
    by_largest : callable or None
        Takes the largest of the models to the function, and to sentences on it, where the
        function depends on something that all models share.
    remarks : tuple of str
        What pages say of the function.
    """

    name: str
    title: str
    function: CriterionFunction
    needs: type = Comparable
    larger: bool = False
    paired: bool = False
    effective: str = ""
    by_largest: Callable[[Any], tuple[CriterionFunction, tuple[str, ...]]] | None = None
    remarks: tuple[str, ...] = ()

    def for_models(self, largest: object) -> Criterion:
        """The criterion with what all models share taken from the largest of them.

        Raises
        ------
        OptionError, ComparisonError
            If that model does not tell it.
        """
        if self.by_largest is None:
            return self
        self._require(largest)
        function, remarks = self.by_largest(largest)
        return replace(self, function=function, by_largest=None, remarks=remarks)

    @property
    def heading(self) -> str:
        """The quantity that is ranked, smaller for a better model."""
        return f"-2 {self.title}" if self.larger else self.title

    def rate(self, model: object, name: str) -> Any:
        """The result of the function for a model, which messages call `name`.

        Raises
        ------
        OptionError
            If the model has not what the criterion needs, or a function of the user raised
            something.
        """
        self._require(model)
        try:
            return self.function(model)
        except MixcheckError:
            raise
        except Exception as error:
            raise OptionError(
                f"the criterion raised {type(error).__name__}: {shown(str(error))} on the model "
                f"{shown(name)}; it must give a number for a fitted model"
            ) from error

    def _require(self, model: object) -> None:
        if not isinstance(port_of(model), self.needs):
            raise OptionError(
                f"criterion={self.name!r} needs {asked_words(self.needs)}, which "
                f"{type(model).__name__} is not; write criterion='aic'"
            )

    def score(self, result: object) -> Score:
        """A result on the scale of the ranking."""
        found = score_of(result)
        if self.larger and not isinstance(result, _Scored | Score):
            found = Score(-2.0 * found.value)
        counted = getattr(result, self.effective) if self.effective else found.effective_df
        return Score(found.value, found.parts, counted)


@runtime_checkable
class _Valued(Protocol):
    @property
    def value(self) -> float: ...


@runtime_checkable
class _Divided(_Valued, Protocol):
    @property
    def contributions(self) -> pd.Series[float]: ...


@runtime_checkable
class _Scored(Protocol):
    @property
    def total(self) -> float: ...

    @property
    def scores(self) -> pd.Series[float]: ...


def score_of(result: object) -> Score:
    """What a criterion returned, as a `Score`.

    Parameters
    ----------
    result : float, Score, or record
        A record has a `value`, with `contributions` that add up to it or without, or log scores
        with their `total`, which are taken minus twice.

    Raises
    ------
    OptionError
        If it is none of these.

    Examples
    --------
    >>> score_of(12.5).value
    12.5
    """
    if isinstance(result, Score):
        return result
    if isinstance(result, int | float | np.number):
        return Score(float(result))
    if isinstance(result, _Scored):
        return Score(-2.0 * result.total, -2.0 * result.scores)
    if isinstance(result, _Divided):
        return Score(float(result.value), result.contributions)
    if isinstance(result, _Valued):
        return Score(float(result.value))
    raise OptionError(
        f"a criterion returns a number, smaller for a better model; found {type(result).__name__}"
    )


def paired_error(one: Score, other: Score) -> float | None:
    r"""Standard error of a difference of scores, from pairs of contributions of the same units.

    None where there are none. With the differences :math:`d_i` of N contributions it is
    :math:`\sqrt{N}` times their standard deviation (Vehtari, Gelman & Gabry 2017, Statistics and
    Computing 27, eq. 24).
    """
    if one.parts is None or other.parts is None or one.parts.size < 2:
        return None
    units, others = one.parts.index, other.parts.index
    if units.name != others.name or not units.equals(others):
        return None
    differences = one.parts.to_numpy() - other.parts.to_numpy()
    return float(np.sqrt(differences.size) * np.std(differences, ddof=1))
