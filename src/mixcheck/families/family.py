"""What one response is: the log density, its derivatives, its distribution.

A family has K linear predictors. Everything that varies between observations is an array of shape
``(n,)``; ``eta`` is a tuple of K such arrays. Predictors outside the domain of the family give a
log density of ``-inf`` and derivatives of zero, without a warning: an optimiser must shorten its
step. Arrays returned by a family may share memory with each other and with the data, and are never
to be written to.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from mixcheck.arguments.calls import answer_calls
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import FamilyError
from mixcheck.families.derivatives import Derivatives, Expected, Information, Predictors
from mixcheck.families.links import Link, get_link
from mixcheck.families.responses import Observed

__all__ = ["Family"]


@dataclass(frozen=True, init=False, repr=False)
class Family(ABC):
    """The distribution of a response given its linear predictors.

    Parameters
    ----------
    link : str or Link, optional
        Link of the mean; the first of those allowed unless given.

    Attributes
    ----------
    name : str
        Name that ``get_family`` knows, or made of those of its parts.
    predictors : tuple of str
        Names of the K linear predictors; the first is the mean's.
    discrete : bool
        Whether the response takes isolated values.
    allowed_links : tuple of str
        Links of the mean, the default first.
    mean_predictors : tuple of str
        Names of the predictors that the mean depends on.
    takes_trials : bool
        Whether the response is successes out of a number of trials.
    precision_power : float or None
        What the logarithm of a precision weight, which divides the variance, adds to the
        predictor of the dispersion; None where no value of it would do that.
    ends : tuple of int
        Which way each predictor runs to a simpler family, 1 or -1; 0 where none is there.
    shapes : tuple of str
        Those of the predictors that are one number for all rows, and that no formula speaks of.
    takes_categories : bool
        Whether the response is one of several ordered categories, which part the mean's
        predictor by thresholds, so that it has no intercept.
    limits : tuple of str
        Names of the families that it comes to at an end of its dispersion or of its zero part,
        the other predictors as they are.
    mean_range : tuple of float
        Between which numbers the mean parameter lies: infinity for a response without a bound.
    unit_range : tuple of float
        Between which numbers responses may differ for every derivative to be a float.
    is_count : bool
        Whether the response is a whole number from zero without an upper bound.
    zero_part : {"inflation", "hurdle"} or None
        What a zero part is to it: more zeros beside its own, zeros where it has none, or nothing.
    heavy_tailed : bool
        Whether a response far out says little of the mean: its score falls with its distance.
    normal_error : bool
        Whether the response is its mean and an independent normal error, whose standard
        deviation is the dispersion: what a random effect of each row would be too.
    canonical_link : str or None
        The link with which ``l' = y - mu``, where the log density is linear in the response but for
        its constant (so that one difference in the response is its derivative); None elsewhere.
    wider, narrower, alike : tuple of str
        Names of families for the same responses to try where these vary more than the family
        says, where they vary less, and where their distribution has another shape.
    alike_if_positive : tuple of str
        The last, where all responses are positive.
    without_zeros : str or None
        Name of the family of its responses that are not zero.
    dispersion_elsewhere : str
        Name of the dispersion in PyMC, where it is the same number there.
    also_called : str
        Names elsewhere, separated by blanks, in small letters without other signs.
    also_called_with_zeros : str
        The same for the family with a zero part.

    Raises
    ------
    FamilyError
        If the family does not have the link.
    """

    link: Link

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        made = inspect.unwrap(cls.__init__)
        type.__setattr__(cls, "__init__", answer_calls(made, verb=cls.__name__))

    allowed_links: ClassVar[tuple[str, ...]]
    precision_power: ClassVar[float | None] = None
    shapes: ClassVar[tuple[str, ...]] = ()
    takes_categories: ClassVar[bool] = False
    mean_range: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    unit_range: ClassVar[tuple[float, float]] = (0.0, np.inf)
    is_count: ClassVar[bool] = False
    zero_part: ClassVar[Literal["inflation", "hurdle"] | None] = None
    heavy_tailed: ClassVar[bool] = False
    normal_error: ClassVar[bool] = False
    canonical_link: ClassVar[str | None] = None
    wider: ClassVar[tuple[str, ...]] = ()
    narrower: ClassVar[tuple[str, ...]] = ()
    alike: ClassVar[tuple[str, ...]] = ()
    alike_if_positive: ClassVar[tuple[str, ...]] = ()
    without_zeros: ClassVar[str | None] = None
    dispersion_elsewhere: ClassVar[str] = ""
    also_called: ClassVar[str] = ""
    also_called_with_zeros: ClassVar[str] = ""
    harmless: ClassVar[float] = 1.0
    """A response inside the support."""
    _simpler: ClassVar[tuple[str, ...]] = ()
    _end: ClassVar[int] = 0

    def __init__(self, link: str | Link | None = None) -> None:
        chosen = get_link(self.allowed_links[0] if link is None else link)
        if chosen.name not in self.allowed_links:
            raise FamilyError(
                f"The {self.name} family has no {chosen.name} link; "
                f"its links are {', '.join(self.allowed_links)}."
            )
        object.__setattr__(self, "link", chosen)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(link={self.link.name!r})"

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the family."""

    @property
    def limits(self) -> tuple[str, ...]:
        """Names of the families that this one comes to at an end of a predictor."""
        return self._simpler

    @property
    def whole(self) -> tuple[str, ...]:
        """Names of families that a zero part with a value for each mean makes of this one."""
        return ()

    @property
    def ends(self) -> tuple[int, ...]:
        """Which way each predictor runs to such a limit, (K,): 1 for infinity, -1, or 0."""
        return (0,) * (len(self.predictors) - 1) + (self._end,)

    @property
    @abstractmethod
    def predictors(self) -> tuple[str, ...]:
        """Names of the K linear predictors."""

    @property
    @abstractmethod
    def discrete(self) -> bool:
        """Whether the response takes isolated values only."""

    @property
    @abstractmethod
    def links(self) -> tuple[Link, ...]:
        """Links of the K predictors."""

    @property
    def mean_predictors(self) -> tuple[str, ...]:
        """Names of the predictors that the mean depends on; all of them unless a family says."""
        return self.predictors

    @property
    def spread(self) -> tuple[str, ...]:
        """The dispersion and those of the shapes that the mean does not depend on."""
        shapes = tuple(name for name in self.shapes if name not in self.mean_predictors)
        return (*(name for name in self.predictors if name == "dispersion"), *shapes)

    @property
    def takes_trials(self) -> bool:
        """Whether the response is successes out of a number of trials."""
        return False

    @property
    def plain(self) -> Family:
        """The family without its zero part."""
        return self

    @property
    def has_atoms(self) -> bool:
        """Whether some value has a positive probability."""
        return self.discrete

    @property
    def two_ended(self) -> tuple[bool, ...]:
        """Whether rows may be likeliest at either infinity of each predictor, (K,)."""
        return (self.takes_trials, *(False for _ in self.predictors[1:]))

    @property
    def may_leave(self) -> bool:
        """Whether some predictor gives no mean, as a negative one of counts with the identity."""
        (low, high), (least, most) = self.link.image, self.mean_range
        return low < least or high > most

    @property
    def domain(self) -> tuple[float, float]:
        """Between which predictors of the mean there is one; the whole line for most links."""
        if not self.may_leave:
            return -np.inf, np.inf
        low, high = np.sort(self.link.link(np.array(self.mean_range)))
        return float(low), float(high)

    @property
    def fits_variance(self) -> bool:
        """Whether an estimate of the family is the variance of the response and nothing else."""
        return self.normal_error

    @property
    def fits_frequencies(self) -> bool:
        """Whether parameters of their own say how often each value occurs."""
        return False

    @property
    def is_linear(self) -> bool:
        """Whether the response is its linear predictor and a normal error."""
        return self.normal_error and self.link.name == "identity"

    def add_normal(self, eta: Predictors, variance: FloatArray) -> Predictors | None:
        """Predictors of the response where that of the mean has a normal part, if it has them.

        Parameters
        ----------
        eta : tuple of K arrays (n,)
            Without the normal part.
        variance : (n,) array
            Of the normal part.

        Returns
        -------
        tuple of K arrays (n,) or None
            None where the distribution is not in closed form.
        """
        return None

    def log_deviation(self, y: FloatArray, eta: Predictors) -> FloatArray | None:
        """Logarithm of how far responses lie from their mean, (n,), in units of `response_scale`.

        Where it goes to minus infinity the responses are reproduced exactly, and the density has
        no bound. None for a family that has no such end.
        """
        return None

    def response_scale(self, y: FloatArray) -> float:
        """In what unit responses are: one, but for a family without a unit of its own."""
        return 1.0

    def adapt(self, y: FloatArray, labels: tuple[str, ...]) -> Family:
        """The family with what it must know of a response: categories, with their labels."""
        return self

    @property
    def categories(self) -> Mapping[str, float]:
        """Numbers of the categories of the response by their labels; none for other responses."""
        return {}

    def require_estimable(self, data: Observed) -> None:
        """Refuse a response, inside the support, that leaves a shape without an estimate.

        Raises
        ------
        ConvergenceError
        """
        return

    @abstractmethod
    def prepare(self, y: ArrayLike, size: ArrayLike | None = None) -> Observed:
        """Check a response against the support and prepare it.

        Parameters
        ----------
        y : (n,) array-like
            The response.
        size : (n,) array-like, optional
            Numbers of trials; binomial families only.

        Raises
        ------
        FamilyError
            If a value lies outside the support of the family.
        """

    def prepare_again(self, y: ArrayLike, like: Observed) -> Observed:
        """The same of another response in the rows of one that is prepared, ``(n,)``."""
        return self.prepare(y, like.size)

    @abstractmethod
    def log_density(self, data: Observed, eta: Predictors) -> FloatArray:
        """Log density (or log probability) of each observation, every constant kept, ``(n,)``."""

    @abstractmethod
    def derivatives(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log density and its derivatives in the predictors.

        Parameters
        ----------
        data : Observed
            Made by `prepare`.
        eta : tuple of K arrays (n,)
            Linear predictors.
        order : {1, 2, 3}
            Highest order wanted; a lower-order mapping may be filled beyond it.

        Returns
        -------
        Derivatives
        """

    def derivatives_in_mean(self, data: Observed, eta: Predictors) -> Derivatives:
        """Two derivatives in the predictor of the mean, the others being held.

        Parameters
        ----------
        data : Observed
        eta : tuple of K arrays (n,)

        Returns
        -------
        Derivatives
            Those in other predictors may be wanting, and the value without what is free of the
            mean, but not in rows of zero.
        """
        return self.derivatives(data, eta, 2)

    def log_density_in_mean(self, data: Observed, eta: Predictors) -> FloatArray:
        """Log density, ``(n,)``, from which what is free of the mean may be wanting.

        Differences between predictors of the mean are those of `log_density`.
        """
        return self.log_density(data, eta)

    @abstractmethod
    def expected(self, data: Observed, eta: Predictors) -> Expected:
        """Expected information in the predictors and its derivatives.

        Parameters
        ----------
        data : Observed
            Only the numbers of trials are used.
        eta : tuple of K arrays (n,)

        Returns
        -------
        second : mapping from (a, b), a <= b, to (n,) arrays
            Minus the expectation of the second derivative; absent means zero.
        third : mapping from ((a, b), c) to (n,) arrays
            Derivative of ``second[a, b]`` in predictor c; absent means zero.

        Notes
        -----
        Families without a closed form sum over the support or integrate, to about 1e-10;
        `step_information` is cheaper where only a direction is wanted.
        """

    def step_information(self, data: Observed, eta: Predictors) -> Information:
        """Positive semi-definite approximation of the information, for a Newton step.

        Parameters
        ----------
        data : Observed
        eta : tuple of K arrays (n,)

        Returns
        -------
        mapping from (a, b), a <= b, to (n,) arrays
            The expected information, unless the family has a cheaper bound or approximation
            and says so. It is good enough to step by, not to report.
        """
        return self.expected(data, eta)[0]

    @abstractmethod
    def mean(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Mean of the response, ``(n,)``; for a binomial the expected count."""

    @abstractmethod
    def variance(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Variance of the response, ``(n,)``, on the scale of `mean`."""

    def moments(
        self, eta: Predictors, size: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """`mean` and `variance`, ``(n,)`` each, which may have work in common."""
        return self.mean(eta, size), self.variance(eta, size)

    @abstractmethod
    def cdf(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Probability below ``y`` and of ``y`` or less: F(y-) and F(y), each ``(n,)``."""

    def survival(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of more than ``y``, ``(n,)``, without the cancellation of ``1 - F(y)``.

        Here it is that difference, known to 1e-16: a family with long upper tails has its own.
        """
        return 1.0 - self.cdf(y, eta, size)[1]

    @abstractmethod
    def sample(
        self, eta: Predictors, size: FloatArray | None, rng: np.random.Generator
    ) -> FloatArray:
        """One draw of the response, ``(n,)``, on the scale of `mean`."""

    @abstractmethod
    def probability(
        self, k: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability that the response equals ``k``, ``(n,)``.

        Raises
        ------
        FamilyError
            If the family is continuous.
        """

    @abstractmethod
    def start(self, data: Observed) -> FloatArray:
        """Mean to start iterations from, ``(n,)``, inside the domain of the link.

        It is on the scale of the mean parameter: a probability for a binomial.
        """

    def dispersion_start(self, data: Observed) -> float:
        """Dispersion parameter to start from, on its own scale (not that of its link).

        Raises
        ------
        FamilyError
            If the family has no dispersion, or does not say where its search begins.
        """
        if "dispersion" in self.predictors:
            raise FamilyError(
                f"The {self.name} family has a dispersion and no value to start it from; write "
                "its method dispersion_start, such as a moment estimate from data.y."
            )
        raise FamilyError(f"The {self.name} family has no dispersion parameter.")

    def term_sizes(self, data: Observed) -> FloatArray:
        """How large the terms of each row's log density are that take each other away, ``(n,)``."""
        # As a rule the constant is the largest of them; their rounding is that of the sum.
        return data.constant

    def recession(self, data: Observed) -> tuple[IntArray, ...]:
        """Which way each predictor may go for ever without lowering a row's log density.

        All other predictors being held, whatever they are.

        Returns
        -------
        tuple of K int arrays (n,)
            -1 for minus infinity, 1 for infinity, 0 for neither, and ``FREE`` where the log
            density does not depend on the predictor.
        """
        direction = np.zeros(data.y.shape, dtype=np.intp)
        return (direction,) * len(self.predictors)

    @property
    def simplest(self) -> tuple[int, ...]:
        """The end at which each predictor leaves a simpler family: -1, 1, or 0 for none."""
        return (0,) * len(self.predictors)

    def start_parameters(self, data: Observed) -> Predictors:
        """Each parameter to start iterations from, on its own scale: K arrays (n,).

        The links of the family map them to linear predictors.
        """
        mean = self.start(data)
        spread = [self.dispersion_start(data)] if "dispersion" in self.predictors else []
        others = (*spread, *self.shape_starts(data))
        return mean, *(np.full(mean.shape, value) for value in others)

    def shape_starts(self, data: Observed) -> tuple[float, ...]:
        """Each of `shapes` to start from, on its own scale (not that of its link)."""
        return ()
