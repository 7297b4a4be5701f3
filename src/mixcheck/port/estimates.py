"""What is asked of a model about its estimates: how they were found, and how well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import pandas as pd

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.port.asking import Asked

__all__ = [
    "Approximate",
    "ApproximationFacts",
    "ConvergenceFacts",
    "Converging",
    "CovarianceEstimates",
    "Covarying",
    "Estimated",
    "Estimating",
    "Grouped",
    "Levelled",
    "Limit",
    "LimitReason",
    "PartEstimates",
    "Reducible",
    "TermLevels",
]

LimitReason = Literal[
    "separation", "not identified", "groups", "dispersion", "zero part", "shape", "flat"
]
"""Why a parameter has no finite estimate.

"separation": predictors tell some responses exactly; "not identified": no response depends on
it; "groups": the groups determine the responses, so that a variance grows without end;
"dispersion" and "zero part": the data show no such variation, or no such zeros; "shape": they
are distributed as in the simpler family that a parameter of the family has at its end; "flat":
the likelihood no longer changes with it.
"""


@dataclass(frozen=True)
class Limit:
    """A parameter without a finite estimate.

    Attributes
    ----------
    parameter : str
        Its name, as in `params` or, of a random term, in the formula.
    reason : str
        See `LimitReason`.
    """

    parameter: str
    reason: LimitReason


@dataclass(frozen=True)
class ConvergenceFacts:
    """Where the optimiser stopped.

    Attributes
    ----------
    converged : bool
        Whether the scaled gradient is small and the curvature positive.
    gradient : float
        Largest absolute gradient, scaled by standard errors.
    smallest_eigenvalue : float
        Of the scaled Hessian of the deviance, boundary directions left out.
    evaluations : int
        Evaluations of the objective with its gradient.
    singular : tuple of str
        Random terms with a variance of zero or a correlation of one.
    singular_effects : tuple of str
        The same terms as `DataView.effects` names them.
    messages : tuple of str
        Full sentences, each with its remedy.
    runaway : tuple of str
        Parameters without a finite estimate: they run to a limit.
    limits : tuple of Limit
        The same with the reason of each. `converged` is judged on all other parameters.
    integration : mapping of str to float
        How good the integral over the random effects is, where it is known: for importance
        sampling the smallest effective number of draws, the largest Pareto shape of the weights
        and the Monte Carlo standard error of the log-likelihood.
    """

    converged: bool
    gradient: float
    smallest_eigenvalue: float
    evaluations: int
    singular: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    runaway: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    singular_effects: tuple[str, ...] = ()
    integration: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Converging(Protocol, metaclass=Asked):
    """A model that knows how its optimiser ended."""

    @property
    def convergence(self) -> ConvergenceFacts:
        """Where the optimiser stopped."""
        ...


@dataclass(frozen=True)
class ApproximationFacts:
    """How far an approximate maximum likelihood fit is from a more exact one.

    Attributes
    ----------
    reference : str
        What it was compared with, in words.
    llf, reference_llf : float
        Log-likelihoods at the two optima.
    shift : float
        Largest change of a parameter, in standard errors.
    parameter : str
        The parameter that changes most.
    unavailable : str
        Why no comparison can be made, as a sentence; empty where it was made.
    missed : float
        By how much the log-likelihood at the estimates is higher than the approximation says.
    missed_error, shift_error : float
        Monte Carlo standard errors of `missed` and `shift`; zero where nothing was drawn.
    effective_draws : float
        How many of the draws count where their weights are worst; zero where nothing was drawn.
    expanded : bool
        Whether it was compared with the next term of the expansion, and not with another fit.
    """

    reference: str
    llf: float
    reference_llf: float
    shift: float
    parameter: str
    unavailable: str = ""
    missed: float = float("nan")
    missed_error: float = 0.0
    shift_error: float = 0.0
    effective_draws: float = 0.0
    expanded: bool = False


@runtime_checkable
class Approximate(Protocol, metaclass=Asked):
    """A model that can tell how good the approximation of its likelihood is."""

    def approximation(self) -> ApproximationFacts:
        """Compare with a more exact fit to the same data."""
        ...


@dataclass(frozen=True, eq=False)
class PartEstimates:
    """Coefficients of one linear predictor.

    Attributes
    ----------
    names : tuple of str, (p,)
    terms : tuple of tuple of str, (p,)
        The factors whose product each coefficient belongs to; () for the intercept.
    estimates : (p,) array
    covariance : (p, p) array
        NaN beside an infinite variance.
    matrix : (n, p) array
        The model matrix.
    """

    names: tuple[str, ...]
    terms: tuple[tuple[str, ...], ...]
    estimates: FloatArray
    covariance: FloatArray
    matrix: FloatArray


@runtime_checkable
class Estimating(Protocol, metaclass=Asked):
    """A model with coefficients, their terms and their covariance."""

    @property
    def part_estimates(self) -> Mapping[str, PartEstimates]:
        """By linear predictor: "mean", "dispersion", "zi" .."""
        ...


@runtime_checkable
class Noted(Protocol, metaclass=Asked):
    """A model with something to say of its data."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was found before fitting, such as rows left out."""
        ...


@runtime_checkable
class Estimated(Noted, Protocol, metaclass=Asked):
    """A model with tables of its estimates, for a report."""

    @property
    def coefficient_table(self) -> pd.DataFrame:
        """A row for each coefficient: columns "estimate", "std_error", "low" and "high" (95 %)."""
        ...

    @property
    def variance_components(self) -> pd.DataFrame:
        """Rows of the random part: columns "group", "name", "variance", "sd" and "corr"."""
        ...


@runtime_checkable
class Reducible(Estimating, Protocol, metaclass=Asked):
    """A model with coefficients that can be fitted again without some of its rows."""

    def row_removals(self) -> Mapping[str, Mapping[str, FloatArray]]:
        """By part of the coefficients, and part of the scores: ``A``, (n, p).

        Without row i the p coefficients of a part move, by one step, by ``-V sum A_i s_i``, V
        their covariance and s the scores of the row in each part, at the modes.
        """
        ...

    def coefficients_without(self, rows: BoolArray) -> Mapping[str, FloatArray]:
        """Coefficients as in `part_estimates`, of the fit to the rows that are False, (n,)."""
        ...


@runtime_checkable
class Grouped(Protocol, metaclass=Asked):
    """A model with random effects of the levels of grouping factors."""

    @property
    def random_effects(self) -> Mapping[str, pd.DataFrame]:
        """Conditional modes: a frame of levels x effects for each grouping factor."""
        ...

    @property
    def random_effects_sd(self) -> Mapping[str, pd.DataFrame]:
        """Their conditional standard deviations, frames alike."""
        ...


@runtime_checkable
class Counting(Protocol, metaclass=Asked):
    """A model that knows how many levels its grouping factors have."""

    @property
    def n_groups(self) -> Mapping[str, int]:
        """Number of levels of each grouping factor."""
        ...


@dataclass(frozen=True, eq=False)
class TermLevels:
    """Levels of a random term, and how much their conditional modes vary.

    Attributes
    ----------
    labels : Index, (m,)
    effects : tuple of str, (q,)
    deviations : (m, q)
        Standard deviation of the modes over data of the model, of the variance that the data
        explain: ``(prior variance - conditional variance)^(1/2)``.
    reliability : (m, q)
        Share of the prior variance that the data explain, ``1 - conditional / prior``.
    """

    labels: pd.Index[Any]
    effects: tuple[str, ...]
    deviations: FloatArray
    reliability: FloatArray


@runtime_checkable
class Levelled(Protocol, metaclass=Asked):
    """A model that knows how its conditional modes vary."""

    @property
    def term_levels(self) -> Mapping[str, TermLevels]:
        """By the names of `DataView.modes`; without terms whose levels are related."""
        ...


@dataclass(frozen=True, eq=False)
class CovarianceEstimates:
    """Estimated variances and covariances of the random effects.

    Attributes
    ----------
    entries : tuple of (str, int, int)
        Name of the random term, as in `Comparable.random_terms`, and the two effects; one
        effect twice for its variance. Covariances that the model sets to zero are absent.
    values : (k,)
    covariance : (k, k)
        Sampling covariance of `values`, from the observed information.
    vanishing : frozenset of str
        Terms with correlations that do not exist where their variances are zero.
    """

    entries: tuple[tuple[str, int, int], ...]
    values: FloatArray
    covariance: FloatArray
    vanishing: frozenset[str] = frozenset()


@runtime_checkable
class Covarying(Protocol, metaclass=Asked):
    """A model that says which random effects covary, and how well that is known."""

    @property
    def covariance_estimates(self) -> CovarianceEstimates:
        """Variances and covariances of the random effects with their sampling covariance."""
        ...
