"""A model that another program fitted: its rows, what that program says of it, and its port.

What the port says in the same words of every such model is said here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from mixcheck.arrays import IntArray
from mixcheck.families.facts import FamilyFacts
from mixcheck.families.family import Family
from mixcheck.port import DataRows
from mixcheck.port.row_hashes import digest_rows

__all__ = ["Estimates", "FittedElsewhere", "Rows"]


@dataclass(frozen=True, eq=False)
class Rows:
    """The caller's rows, and what the model uses of them.

    Attributes
    ----------
    frame : DataFrame, (n, ..)
    used : tuple of str
        Columns that the model uses.
    counts : (n,) int or None
        How often each row counts; None for once each.
    groups : mapping of str to (n,) int
        Level of each row by grouping factor.
    """

    frame: pd.DataFrame
    used: tuple[str, ...]
    counts: IntArray | None = None
    groups: Mapping[str, IntArray] | None = None

    def repeated(self, some: IntArray) -> Rows:
        """The same rows, each as often as it is named, and counted once each."""
        groups = {name: index[some] for name, index in (self.groups or {}).items()}
        return Rows(self.frame.iloc[some], self.used, None, groups)


@dataclass(frozen=True, eq=False)
class Estimates:
    """What the other program says of its fit as a whole.

    Attributes
    ----------
    table : DataFrame
        A row for each parameter: "estimate", "std_error", "low" and "high" (95 %).
    llf : float
    n_parameters : int
    converged : bool
    facts : mapping
        The description of a report.
    """

    table: pd.DataFrame
    llf: float
    n_parameters: int
    converged: bool
    facts: Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, eq=False)
class FittedElsewhere(FamilyFacts, ABC):
    """The part of the port that needs only rows, estimates and a family; see `mixcheck.port`.

    Attributes
    ----------
    rows : Rows
    estimates : Estimates
    """

    rows: Rows
    estimates: Estimates

    def __repr__(self) -> str:
        known = self.description
        return f"<{known['method']}: {known['formula']}, {self.nobs} rows>"

    @property
    @abstractmethod
    def family(self) -> Family:
        """The distribution of a response given its predictors."""

    @property
    @abstractmethod
    def data_rows(self) -> DataRows:
        """The rows of the fit and what they hold."""

    @property
    def frame(self) -> pd.DataFrame:
        """The rows of the fit."""
        return self.rows.frame

    @property
    def nobs(self) -> int:
        """Number of rows."""
        return len(self.rows.frame)

    @property
    def description(self) -> Mapping[str, str | int | float | bool | None]:
        """What the model is."""
        return self.estimates.facts

    @property
    def notes(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def llf(self) -> float:
        """The log-likelihood, as the other program reports it."""
        return self.estimates.llf

    @property
    def n_parameters(self) -> int:
        """Number of estimated parameters."""
        return self.estimates.n_parameters

    @cached_property
    def data_digest(self) -> Mapping[str, str]:
        """Digests of the rows, the response, the weights and the offset."""
        return digest_rows(self.data_rows)
