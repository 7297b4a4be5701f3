"""What is asked of a model about single rows: how it follows them, and what it expects there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.port.asking import Asked

__all__ = [
    "PERTURBATION_METHODS",
    "BatchPerturbations",
    "ConditionalLikelihood",
    "Foldable",
    "Optimism",
    "PerturbationMethod",
    "Perturbations",
    "RowDistribution",
    "RowPosterior",
    "Rowwise",
]

PerturbationMethod: TypeAlias = Literal["analytic", "one-step", "refit"]


PERTURBATION_METHODS: tuple[PerturbationMethod, ...] = ("analytic", "one-step", "refit")


@dataclass(frozen=True)
class Optimism:
    """By how much the conditional log-likelihood of a fit is too large.

    Attributes
    ----------
    total : float
        Estimate of ``log f(y | fit) - E log f(y* | fit)``, y* new data with the same random
        effects: the effective degrees of freedom.
    by_term : mapping of str to float
        The same by part of the model; they sum to `total`.
    notes : tuple of str
        Sentences on how it was computed.
    """

    total: float
    by_term: Mapping[str, float]
    notes: tuple[str, ...] = ()


@runtime_checkable
class Perturbations(Protocol, metaclass=Asked):
    """Refits of a model, each with one response replaced, and what follows from them."""

    @property
    def size(self) -> int:
        """Number of refits."""
        ...

    def __call__(self, k: int) -> FloatArray | str:
        """Result of refit `k`, or a sentence that says why there is none."""
        ...

    def collect(self, results: Sequence[FloatArray | str]) -> Optimism:
        """The optimism, from the results of all refits in their order."""
        ...


@runtime_checkable
class BatchPerturbations(Perturbations, Protocol, metaclass=Asked):
    """Refits that are made together in less time than one after another."""

    @property
    def together(self) -> int:
        """How many are best made together."""
        ...

    def batch(self, numbers: range) -> Sequence[FloatArray | str]:
        """Results of some refits in their order; each depends on none of the others."""
        ...


@runtime_checkable
class ConditionalLikelihood(Protocol, metaclass=Asked):
    """A model with a log-likelihood given its random effects, and how it follows the data."""

    @property
    def conditional_llf(self) -> float:
        """Log-likelihood at the conditional modes with every constant kept."""
        ...

    @property
    def conditional_rows(self) -> FloatArray:
        """Parts of `conditional_llf`: each row's log density, times its weight, (n,)."""
        ...

    @property
    def usual_perturbation(self) -> PerturbationMethod:
        """The cheapest of the methods that is known to be right for such a model."""
        ...

    def perturb(self, method: PerturbationMethod) -> Perturbations:
        """How the fit follows its data: derivatives, one step of a refit, or refits."""
        ...


class RowDistribution(Protocol):
    """Distribution of each response given the linear predictor of its mean."""

    def log_density(self, predictor: FloatArray) -> FloatArray:
        """Log density of the response, (n,), times its weight."""
        ...

    def cdf(self, predictor: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Probability below the response, and of it or less, (n,) each."""
        ...

    def probability_upto(self, values: FloatArray, predictor: FloatArray) -> FloatArray:
        """Probability that a response is at most a value, (n,), whatever was seen."""
        ...

    def moments(self, predictor: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and variance of the response, (n,) each."""
        ...

    def probability(self, k: float, predictor: FloatArray) -> FloatArray:
        """Probability that the response is k, (n,); discrete responses only."""
        ...


@dataclass(frozen=True, eq=False)
class RowPosterior:
    """What the data say of the predictor of each row's mean, to second order.

    Attributes
    ----------
    response : (n,)
    predictor : (n,)
        At the conditional modes.
    variance : (n,)
        Of the predictor given the data, the uncertainty of the estimates included.
    score, information : (n,)
        First and minus second derivative of the row's own log density in its predictor.
    fixed_mean : (n,)
        Mean response with every random effect at zero.
    ranks : (n,) int
        Place of each row in an order that depends on what it holds, not on where it is.
    distribution : RowDistribution
    """

    response: FloatArray
    predictor: FloatArray
    variance: FloatArray
    score: FloatArray
    information: FloatArray
    fixed_mean: FloatArray
    ranks: IntArray
    distribution: RowDistribution


@runtime_checkable
class Rowwise(Protocol, metaclass=Asked):
    """A model that knows the posterior of each row's predictor."""

    def row_posterior(self, response: FloatArray | None = None) -> RowPosterior:
        """Given the data, or given another response, (n,), at the same estimates."""
        ...

    def predict_row(self, row: int) -> RowPosterior:
        """Of one row given the others, the model being fitted without it; arrays of length 1."""
        ...


@runtime_checkable
class Foldable(Rowwise, Protocol, metaclass=Asked):
    """A model that knows the posterior of some rows given the others, fitted to these."""

    def predict_rows(self, rows: BoolArray) -> RowPosterior:
        """Of the rows that are True, (n,), each by itself, the model being fitted without them."""
        ...
