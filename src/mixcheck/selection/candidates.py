"""Candidate models of a search, and what one fit of each says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from mixcheck.comparison.criterion import Criterion, Score
from mixcheck.comparison.same_data import require_comparable
from mixcheck.errors import MixcheckError, OptionError
from mixcheck.port import Comparable, Converging, Ported

__all__ = [
    "Assessment",
    "Candidate",
    "Fit",
    "assess",
]


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
    coefficients : mapping of str to float
        Estimates by name, where the model has them.
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
    coefficients: Mapping[str, float] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether the model can be ranked."""
        return not self.reason


def assess(candidate: Candidate, fit: Fit, criterion: Criterion) -> Assessment:
    """Fit a candidate and rate it; a failure is a reason, not an exception."""
    try:
        fitted = fit(candidate)
        model = require_comparable(fitted, "a search")
        facts = model.convergence if isinstance(model, Converging) else None
        if facts is not None and not facts.converged:
            reason = " ".join(("it did not converge.", *facts.messages))
            return Assessment(reason, converged=False)
        score = criterion.score(criterion.rate(fitted, candidate.key))
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
        coefficients=_coefficients(fitted),
        data=(("rows", str(model.nobs)), *sorted(model.data_digest.items())),
    )


def _coefficients(fitted: object) -> dict[str, float]:
    params = getattr(fitted, "params", None)
    return (
        {str(name): float(value) for name, value in params.items()}
        if isinstance(params, pd.Series)
        else {}
    )
