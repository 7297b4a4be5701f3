"""What is asked of a model to be compared: its likelihood, its data and its groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import pandas as pd

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.port.asking import Asked

__all__ = [
    "Comparable",
    "DataRows",
    "GroupDerivatives",
    "Groupwise",
    "LikelihoodKind",
    "Rescalable",
    "Traceable",
]


@runtime_checkable
class Comparable(Protocol, metaclass=Asked):
    """A model with a full marginal log-likelihood and an account of its data."""

    @property
    def llf(self) -> float:
        """Marginal log-likelihood with every constant kept."""
        ...

    @property
    def n_parameters(self) -> int:
        """Number of estimated parameters: fixed effects, covariance, dispersion."""
        ...

    @property
    def nobs(self) -> int:
        """Number of observations."""
        ...

    @property
    def data_digest(self) -> Mapping[str, str]:
        """Digests of what two models must share: rows, response, weights, offset."""
        ...

    @property
    def fixed_matrices(self) -> Mapping[str, FloatArray]:
        """Model matrix of each linear predictor, (n, p)."""
        ...

    @property
    def random_terms(self) -> Mapping[str, tuple[str, FloatArray]]:
        """Each random term: grouping factor, and the (n, q) matrix of its effects."""
        ...

    @property
    def description(self) -> Mapping[str, str | int | float | bool | None]:
        """What the model is: formula, family, method."""
        ...


LikelihoodKind: TypeAlias = Literal["full", "restricted", "pseudo", "penalised", "none"]


@dataclass(frozen=True, eq=False)
class DataRows:
    """The rows that a model was fitted to, and what they hold.

    Attributes
    ----------
    frame : DataFrame, (n, ..)
        The caller's rows with all their columns; its index names them.
    response : (n,)
        What was fitted; successes for a binomial.
    size, weights : (n,) or None
        Trials, and multipliers of the log density.
    offsets : mapping of str to (n,)
        Of each linear predictor; that of the mean is called ``"mean"``.
    groups : mapping of str to (n,) int
        Level of each row, by grouping factor.
    used, grouping : tuple of str
        Columns that the formula names, and those of them that make grouping factors.
    weighing : str or None
        Column of the weights: it says how often a row counts, and nothing of the response.
    """

    frame: pd.DataFrame
    response: FloatArray
    size: FloatArray | None
    weights: FloatArray | None
    offsets: Mapping[str, FloatArray]
    groups: Mapping[str, IntArray]
    used: tuple[str, ...]
    grouping: tuple[str, ...]
    weighing: str | None = None


@runtime_checkable
class Traceable(Protocol, metaclass=Asked):
    """A model that knows the rows it was fitted to, and what kind of likelihood it has."""

    @property
    def data_rows(self) -> DataRows:
        """The rows of the fit and what they hold."""
        ...

    @property
    def likelihood_kind(self) -> LikelihoodKind:
        """Of the responses; restricted (REML); of a working response; not maximised; or none."""
        ...

    @property
    def family_limits(self) -> tuple[str, ...]:
        """Families that the model's comes to where a predictor beside the mean runs to an end."""
        ...

    @property
    def whole_families(self) -> tuple[str, ...]:
        """Families that the model's is where its zero part has a value for each mean."""
        ...


@runtime_checkable
class Rescalable(Protocol, metaclass=Asked):
    """A model that knows how its response was made of a column."""

    def response_log_slope(self, column: str) -> FloatArray:
        """``log |dg / dy|`` of the response g in the column y, (n,)."""
        ...


@dataclass(frozen=True, eq=False)
class GroupDerivatives:
    """What each group says of the parameters at the estimates.

    Attributes
    ----------
    scores : (G, P)
        Gradients of the groups' log-likelihoods; they sum to zero at the optimum.
    information : (G, P, P)
        Minus their second derivatives.
    estimates : (P,)
        The estimates at which they were taken.
    """

    scores: FloatArray
    information: FloatArray
    estimates: FloatArray


@runtime_checkable
class Groupwise(Protocol, metaclass=Asked):
    """A model whose marginal log-likelihood is a sum over the levels of a grouping factor.

    `group` is a grouping factor of the model or a column of its data; None is the coarsest
    grouping factor.
    """

    def group_levels(self, group: str | None = None) -> pd.Index[Any]:
        """Levels of the grouping factor, named after it."""
        ...

    def group_loglik(
        self, group: str | None = None, estimates: FloatArray | None = None
    ) -> pd.Series[float]:
        """Log-likelihood of each level, at the estimates or at other ones, (P,) or (G, P)."""
        ...

    def group_derivatives(self, group: str | None = None) -> GroupDerivatives:
        """Gradient and information of the log-likelihood of each level."""
        ...

    def predict_group(self, group: str | None, k: int) -> float:
        """Joint log density of level number k, the model being fitted without it."""
        ...
