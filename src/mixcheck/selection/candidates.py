"""Candidate models of a search, and what one fit of each says."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, get_args, runtime_checkable

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.comparison.same_data import require_comparable
from mixcheck.errors import MixcheckError, OptionError
from mixcheck.options import shown
from mixcheck.port import Comparable, Converging, Ported

__all__ = [
    "Assessment",
    "Candidate",
    "CriterionFunction",
    "CriterionName",
    "Fit",
    "Score",
    "assess",
    "get_criterion",
    "score_of",
]

CriterionName: TypeAlias = Literal["aic", "bic", "caic", "logo", "loo"]
CriterionFunction: TypeAlias = Callable[[Any], Any]

_ROOMS: dict[str, str] = {
    "aic": "criteria",
    "bic": "criteria",
    "caic": "conditional",
    "logo": "group_scores",
    "loo": "row_scores",
}


@dataclass(frozen=True)
class Candidate:
    """A model that may be fitted.

    Attributes
    ----------
    key : str
        Its canonical name: two ways to write one model have one key.
    description : mapping of str to str
        What it is, part by part; the columns of a table.
    terms : tuple of str
        Terms whose importance is summed over models.
    content : object
        What the fit needs to know; the engine does not look at it.
    """

    key: str
    description: Mapping[str, str]
    terms: tuple[str, ...] = ()
    content: Any = field(default=None, repr=False, compare=False)


Fit: TypeAlias = Callable[[Candidate], Comparable | Ported]


@dataclass(frozen=True, eq=False)
class Score:
    """The value of a criterion, smaller for a better model.

    Attributes
    ----------
    value : float
    parts : Series or None
        Contributions that add up to it, one for each group; pairs of them give the standard
        error of a difference.
    """

    value: float
    parts: pd.Series[float] | None = None


@runtime_checkable
class _Valued(Protocol):
    @property
    def value(self) -> float: ...


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
        A record has a `value`, or log scores with their `total`, which are taken minus twice.

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
    if isinstance(result, _Valued):
        return Score(float(result.value))
    raise OptionError(
        f"a criterion returns a number, smaller for a better model; found {type(result).__name__}"
    )


def get_criterion(criterion: str | CriterionFunction) -> tuple[str, CriterionFunction]:
    """Name and function of a criterion.

    Raises
    ------
    OptionError
        If there is none of that name.

    Examples
    --------
    >>> get_criterion("bic")[0]
    'BIC'
    """
    if not isinstance(criterion, str):
        if not callable(criterion):
            raise OptionError(
                f"criterion={shown(criterion)} must be a name or a function of a model"
            )
        return str(getattr(criterion, "__name__", "criterion")), criterion
    found = _found(criterion) if criterion in _ROOMS else None
    if found is None:
        raise OptionError(
            f"criterion={shown(criterion)} is unknown; write one of "
            f"{', '.join(map(repr, get_args(CriterionName)))}, or a function of a fitted model"
        )
    names = {"caic": "cAIC", "logo": "-2 LOGO score", "loo": "-2 LOO score"}
    return names.get(criterion, criterion.upper()), found


def _found(criterion: str) -> CriterionFunction | None:
    # Looked up when it is asked for: a plain AIC does not need the modules of the others.
    try:
        module = importlib.import_module(f"mixcheck.comparison.{_ROOMS[criterion]}")
    except ModuleNotFoundError:
        return None
    function: CriterionFunction | None = getattr(module, criterion, None)
    return function


@dataclass(frozen=True, eq=False)
class Assessment:
    """What one fit says.

    Attributes
    ----------
    reason : str
        Why the model cannot be used; empty where it can.
    score : Score or None
    llf : float
    df : int
    notes : tuple of str
        Sentences on the fit, such as that a variance is zero.
    data : tuple
        What two models must share to be compared.
    limited : tuple of str
        Parameters without a finite estimate.
    converged : bool
    failure : OptionError or None
        What was wrong with an argument of the caller, such as the criterion.
    """

    reason: str = ""
    score: Score | None = None
    llf: float = np.nan
    df: int = 0
    notes: tuple[str, ...] = ()
    data: tuple[tuple[str, str], ...] = ()
    limited: tuple[str, ...] = ()
    converged: bool = True
    failure: OptionError | None = None

    @property
    def usable(self) -> bool:
        """Whether the model can be ranked."""
        return not self.reason

    @property
    def parts(self) -> FloatArray:
        """Parts of the score, (G,); empty where it has none."""
        if self.score is None or self.score.parts is None:
            return np.empty(0)
        return np.asarray(self.score.parts, dtype=np.float64)


def _criterion_of(
    model: Comparable | Ported, criterion: CriterionFunction, candidate: Candidate
) -> object:
    """What the criterion says; what a function of the user raises is one of our errors."""
    try:
        return criterion(model)
    except MixcheckError:
        raise
    except Exception as error:
        raise OptionError(
            f"the criterion raised {type(error).__name__}: {shown(str(error))} on the model "
            f"{shown(candidate.key)}; it must give a number for a fitted model"
        ) from error


def assess(candidate: Candidate, fit: Fit, criterion: CriterionFunction) -> Assessment:
    """Fit a candidate and rate it; a failure is a reason, not an exception."""
    try:
        fitted = fit(candidate)
        model = require_comparable(fitted, "a search")
        facts = model.convergence if isinstance(model, Converging) else None
        if facts is not None and not facts.converged:
            reason = " ".join(("it did not converge.", *facts.messages))
            return Assessment(reason, converged=False)
        score = score_of(_criterion_of(fitted, criterion, candidate))
    except OptionError as error:
        return Assessment(f"{type(error).__name__}: {error}", failure=error)
    except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
        return Assessment(f"{type(error).__name__}: {error}")
    if not np.isfinite(score.value):
        return Assessment(f"its criterion is {score.value}")
    return Assessment(
        score=score,
        llf=float(model.llf),
        df=int(model.n_parameters),
        notes=() if facts is None else facts.messages,
        limited=() if facts is None else tuple(facts.runaway),
        data=(("rows", str(model.nobs)), *sorted(model.data_digest.items())),
    )
