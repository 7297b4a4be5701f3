"""The port: what a fitted model must be able to do to be checked and compared.

Everything after this module (simulation, residuals, checks, report, comparison)
sees a model only through these protocols. Our own fit goes through the same door
as anybody else's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import pandas as pd

from mixcheck.arrays import BoolArray, FloatArray, IntArray

__all__ = [
    "CONDITIONINGS",
    "PERTURBATION_METHODS",
    "Approximate",
    "ApproximationFacts",
    "BatchObservable",
    "BatchPerturbations",
    "BatchRefittable",
    "Checkable",
    "Comparable",
    "ConditionalLikelihood",
    "Conditioning",
    "ConvergenceFacts",
    "Converging",
    "CovarianceEstimates",
    "Covarying",
    "DataRows",
    "DataView",
    "Dispersed",
    "Enumerable",
    "Estimating",
    "GroupDerivatives",
    "Grouped",
    "Groupwise",
    "Levelled",
    "LikelihoodKind",
    "Optimism",
    "PartEstimates",
    "PerturbationMethod",
    "Perturbations",
    "Ported",
    "Reducible",
    "Refittable",
    "Repeating",
    "RowDistribution",
    "RowPosterior",
    "Rowwise",
    "ScoreProjection",
    "Scored",
    "Tailed",
    "TermLevels",
    "Traceable",
    "Weighted",
    "port_of",
]

Conditioning: TypeAlias = Literal["posterior", "marginal", "mode"]
CONDITIONINGS: tuple[Conditioning, ...] = ("posterior", "marginal", "mode")


@dataclass(frozen=True, eq=False)
class DataView:
    """One data set, observed or simulated, as one model sees it.

    Under a correct model with known parameters, the realisation of the observed data
    and those of replicate data sets have the same joint distribution; every null
    distribution rests on that.

    What random choices there are move the residuals, what is given the random effects, and these.
    The response, the fitted values and what is given the modes are the same whenever one model
    sees one data set. A view of many data sets has their axes before those below.

    Attributes
    ----------
    response : (n,)
        The data: counts, successes or real values.
    residuals : (n,)
        Scaled quantile residuals, strictly between 0 and 1.
    fitted : (n,)
        Mean response with every random effect at zero.
    mean, variance : (n,)
        Moments of the response given the random effects that `conditioning` asks for
        (drawn, integrated out, or at their mode).
    mode_mean, mode_variance : (n,)
        Moments of the response given the conditional modes of the random effects.
    effects : mapping of term name to (m, q)
        Standardised random effects, independent standard normal under a correct model;
        empty where the model has none or `conditioning` integrates them out.
    probability : callable or None
        ``probability(k)`` is the (n,) array of P(Y = k) under the same random effects
        as `mean`; None for a response without probability masses.
    tails : (n,) or None
        Probability of what lies beyond each residual on its side, ``min(r, 1 - r)``, to its own
        digits; None where residuals are ranks among draws, which know no tails.
    mode_probability : callable or None
        As `probability`, given the conditional modes.
    predictors : mapping of part to (n,)
        Linear predictors ("mean", "dispersion", "zi" ..) at the conditional modes of the random
        effects; empty where only draws are known.
    scores : mapping of part to (n,)
        Derivative of each row's log density in that linear predictor, at the same modes.
    modes : mapping of term name to (m, q)
        Conditional modes of the random effects, by the names of `effects`.
    """

    response: FloatArray
    residuals: FloatArray
    fitted: FloatArray
    mean: FloatArray
    variance: FloatArray
    mode_mean: FloatArray
    mode_variance: FloatArray
    effects: Mapping[str, FloatArray] = field(default_factory=dict)
    probability: Callable[[float], FloatArray] | None = None
    tails: FloatArray | None = None
    mode_probability: Callable[[float], FloatArray] | None = None
    predictors: Mapping[str, FloatArray] = field(default_factory=dict)
    scores: Mapping[str, FloatArray] = field(default_factory=dict)
    modes: Mapping[str, FloatArray] = field(default_factory=dict)

    def rows(self, selected: BoolArray | IntArray) -> DataView:
        """Keep some rows (a mask or positions); random effects, being of groups, are dropped."""
        return DataView(
            response=self.response[..., selected],
            residuals=self.residuals[..., selected],
            fitted=self.fitted[..., selected],
            mean=self.mean[..., selected],
            variance=self.variance[..., selected],
            mode_mean=self.mode_mean[..., selected],
            mode_variance=self.mode_variance[..., selected],
            probability=_some_masses(self.probability, selected),
            tails=None if self.tails is None else self.tails[..., selected],
            mode_probability=_some_masses(self.mode_probability, selected),
            predictors=_SomeRows(self.predictors, selected),
            scores=_SomeRows(self.scores, selected),
        )


def _some_masses(
    whole: Callable[[float], FloatArray] | None, selected: BoolArray | IntArray
) -> _SomeMasses | None:
    return None if whole is None else _SomeMasses(whole, selected)


@dataclass(frozen=True, eq=False)
class _SomeMasses:
    """Probability masses of some rows; unlike a function made here, it pickles."""

    whole: Callable[[float], FloatArray]
    selected: BoolArray | IntArray

    def __call__(self, k: float) -> FloatArray:
        return self.whole(k)[..., self.selected]


@dataclass(frozen=True, eq=False)
class _SomeRows(Mapping[str, FloatArray]):
    """Some rows of each vector of a mapping, taken when they are asked for."""

    whole: Mapping[str, FloatArray]
    selected: BoolArray | IntArray

    def __getitem__(self, part: str) -> FloatArray:
        return self.whole[part][..., self.selected]

    def __iter__(self) -> Iterator[str]:
        return iter(self.whole)

    def __len__(self) -> int:
        return len(self.whole)


class Ported(Protocol):
    """A model whose port is an object of its own."""

    def __mixcheck_port__(self) -> Any:
        """An object with the methods of the protocols below."""
        ...


def asked_words(protocol: type) -> str:
    """What a protocol asks a model to be, within a sentence.

    Examples
    --------
    >>> asked_words(Refittable)
    'a model that can be fitted again to another response'
    """
    words = (inspect.getdoc(protocol) or protocol.__name__).partition("\n")[0]
    return words[:1].lower() + words[1:].rstrip(".")


@runtime_checkable
class Checkable(Protocol):
    """A model that sees its own data and can make more of the same kind."""

    @property
    def frame(self) -> pd.DataFrame:
        """Data of the rows used, (n, ..), with the caller's index and columns."""
        ...

    @property
    def discrete(self) -> bool:
        """Whether the response has probability masses."""
        ...

    @property
    def description(self) -> Mapping[str, str | int | float | bool | None]:
        """What the model is, for a report: formula, family, numbers of rows and groups."""
        ...

    def observe(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """See the observed data; random choices (draws, jitter) come from `rng`."""
        ...

    def replicate(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """Simulate a data set (new random effects, new response) and see it likewise."""
        ...


@runtime_checkable
class Repeating(Checkable, Protocol):
    """A model that makes many replicates at once in less time than one after another."""

    def replicate_many(
        self, conditioning: Conditioning, rngs: Sequence[np.random.Generator]
    ) -> Sequence[DataView | Exception]:
        """What `replicate` makes of each stream, or why it makes nothing.

        A replicate must not depend on those beside it.
        """
        ...


@runtime_checkable
class Refittable(Checkable, Protocol):
    """A model that can be fitted again to another response."""

    def respond(self, rng: np.random.Generator) -> FloatArray:
        """Simulate one response vector, (n,), with new random effects."""
        ...

    def refit(self, response: FloatArray) -> Self:
        """Fit the same model to `response`, (n,)."""
        ...


@runtime_checkable
class BatchRefittable(Refittable, Protocol):
    """A model that can be fitted to many responses at once in less time than one after another."""

    def refit_many(
        self, responses: FloatArray, *, one_step: bool = False
    ) -> Sequence[Self | Exception]:
        """What `refit` makes of each column of `responses`, (n, B), or why it makes nothing.

        A refit must not depend on those beside it. With `one_step` a refit may end after one
        Newton step from the estimates of this model, if that takes less time.
        """
        ...


@runtime_checkable
class BatchObservable(BatchRefittable, Protocol):
    """A model that sees the data of many of its refits at once, in less time than one by one."""

    def observe_many(
        self,
        fits: Sequence[Self],
        conditioning: Conditioning,
        rngs: Sequence[np.random.Generator],
        times: int = 1,
    ) -> Sequence[tuple[DataView, ...] | Exception]:
        """What each of some of these refits sees, or why it sees nothing.

        The views are those of `observe`, called so many times with the stream of the refit.
        """
        ...


@runtime_checkable
class Dispersed(Protocol):
    """A model that knows which features of its response are parameters by themselves."""

    @property
    def fits_variance(self) -> bool:
        """Whether the mean squared residual is what the model was fitted to."""
        ...

    @property
    def fits_frequencies(self) -> bool:
        """Whether the model was fitted to how often each value occurs."""
        ...


@runtime_checkable
class Tailed(Protocol):
    """A model that knows how much a response far out says of its mean."""

    @property
    def heavy_tailed(self) -> bool:
        """Whether it says little: the score in the mean falls with the distance."""
        ...


@runtime_checkable
class Weighted(Checkable, Protocol):
    """A model of rows that may each stand for several rows, which are what its data are."""

    def by_single_rows(self) -> tuple[Checkable, IntArray | None]:
        """The same model with each of these rows as one, and which row of `frame` each is.

        The model itself, and None, where each row is one already.
        """
        ...


@runtime_checkable
class Enumerable(Checkable, Protocol):
    """A model whose replicates are a given list of data sets, such as draws made elsewhere."""

    @property
    def available(self) -> int:
        """How many replicate data sets there are."""
        ...

    def replicate_number(
        self, k: int, conditioning: Conditioning, rng: np.random.Generator
    ) -> DataView:
        """See data set `k` of the list, ``0 <= k < available``, as the observed data are seen."""
        ...


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
class Converging(Protocol):
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


@runtime_checkable
class Approximate(Protocol):
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
class Estimating(Protocol):
    """A model with coefficients, their terms and their covariance."""

    @property
    def part_estimates(self) -> Mapping[str, PartEstimates]:
        """By linear predictor: "mean", "dispersion", "zi" .."""
        ...


@runtime_checkable
class Reducible(Estimating, Protocol):
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
class Grouped(Protocol):
    """A model with random effects of the levels of grouping factors."""

    @property
    def random_effects(self) -> Mapping[str, pd.DataFrame]:
        """Conditional modes: a frame of levels x effects for each grouping factor."""
        ...

    @property
    def random_effects_sd(self) -> Mapping[str, pd.DataFrame]:
        """Their conditional standard deviations, frames alike."""
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
    """

    labels: pd.Index[Any]
    effects: tuple[str, ...]
    deviations: FloatArray


@runtime_checkable
class Levelled(Protocol):
    """A model that knows how its conditional modes vary."""

    @property
    def term_levels(self) -> Mapping[str, TermLevels]:
        """By the names of `DataView.modes`; without terms whose levels are related."""
        ...


@runtime_checkable
class Comparable(Protocol):
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


@dataclass(frozen=True, eq=False)
class ScoreProjection:
    """What the estimates of the fixed effects take of the scores of a data set.

    With the scores s of all parts at the modes, the model matrix X of all parts and the covariance
    V of s under the model, ``s - V X (X'V X)^-1 X's`` are, to first order, the scores at the
    estimates from the same data set.

    Attributes
    ----------
    matrices : mapping of part to (n, p)
        Model matrix of each linear predictor; P columns in all.
    slopes : mapping of part to (n, P)
        Rows of ``V X (X'V X)^-1``.
    inflation : (n, P) or None
        Rows of ``C X (X'V X)^-1``, with C the covariance of the scores of zeros that the model
        lacks, ``1(y = 0) / p - 1`` with p the probability of a zero, and s. None where there is no
        such thing: no zero can be added, or the model has a part for zeros.
    """

    matrices: Mapping[str, FloatArray]
    slopes: Mapping[str, FloatArray]
    inflation: FloatArray | None = None


@runtime_checkable
class Scored(Protocol):
    """A model that knows the scores of its rows, and what estimation takes of them."""

    def project_scores(self) -> ScoreProjection:
        """What the estimates of the fixed effects take of the scores."""
        ...


LikelihoodKind: TypeAlias = Literal["full", "restricted", "pseudo", "penalised"]


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
    """

    frame: pd.DataFrame
    response: FloatArray
    size: FloatArray | None
    weights: FloatArray | None
    offsets: Mapping[str, FloatArray]
    groups: Mapping[str, IntArray]
    used: tuple[str, ...]
    grouping: tuple[str, ...]


@runtime_checkable
class Traceable(Protocol):
    """A model that knows the rows it was fitted to, and what kind of likelihood it has."""

    @property
    def data_rows(self) -> DataRows:
        """The rows of the fit and what they hold."""
        ...

    @property
    def likelihood_kind(self) -> LikelihoodKind:
        """Of the responses; restricted (REML); that of a working response; or not maximised."""
        ...

    @property
    def family_limits(self) -> tuple[str, ...]:
        """Families that the model's comes to where a predictor beside the mean runs to an end."""
        ...

    @property
    def whole_families(self) -> tuple[str, ...]:
        """Families that the model's is where its zero part has a value for each mean."""
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
class Covarying(Protocol):
    """A model that says which random effects covary, and how well that is known."""

    @property
    def covariance_estimates(self) -> CovarianceEstimates:
        """Variances and covariances of the random effects with their sampling covariance."""
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
class Groupwise(Protocol):
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
class Perturbations(Protocol):
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
class BatchPerturbations(Perturbations, Protocol):
    """Refits that are made together in less time than one after another."""

    @property
    def together(self) -> int:
        """How many are best made together."""
        ...

    def batch(self, numbers: range) -> Sequence[FloatArray | str]:
        """Results of some refits in their order; each depends on none of the others."""
        ...


@runtime_checkable
class ConditionalLikelihood(Protocol):
    """A model with a log-likelihood given its random effects, and how it follows the data."""

    @property
    def conditional_llf(self) -> float:
        """Log-likelihood at the conditional modes with every constant kept."""
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
class Rowwise(Protocol):
    """A model that knows the posterior of each row's predictor."""

    def row_posterior(self, response: FloatArray | None = None) -> RowPosterior:
        """Given the data, or given another response, (n,), at the same estimates."""
        ...

    def predict_row(self, row: int) -> RowPosterior:
        """Of one row given the others, the model being fitted without it; arrays of length 1."""
        ...


def port_of(model: object) -> Any:
    """The port of a fitted model: the object with the methods of the protocols above.

    A class whose own names are for its users hands its port out by a method
    ``__mixcheck_port__()``, as `mixcheck.GLMM` does; any other model is its own port.

    Parameters
    ----------
    model : object
        Anything; whether it meets a protocol is asked of what comes back.

    Returns
    -------
    object

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> round(port_of(fit).conditional_llf, 2)
    -78.71
    """
    given = getattr(type(model), "__mixcheck_port__", None)
    return model if given is None or isinstance(model, type) else given(model)
