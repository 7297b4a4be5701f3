"""Families built from a family: with more zeros than it has, or with zeros of their own.

The last predictor of both is ``zi``, on the logit scale, as ``ziformula`` in glmmTMB.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import shown
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import FamilyError
from mixcheck.families.counts import observe_counts
from mixcheck.families.derivatives import (
    Derivatives,
    Expected,
    Information,
    Predictors,
    mask_derivatives,
)
from mixcheck.families.expectation import Spread, expect, spread_of_counts
from mixcheck.families.family import Family
from mixcheck.families.links import Link, Logit
from mixcheck.families.negative_binomial import hold_lowest
from mixcheck.families.proportions import log_choose
from mixcheck.families.recession import FREE
from mixcheck.families.responses import Observed, read_response
from mixcheck.families.row_chunks import derive_in_blocks
from mixcheck.families.truncated import Truncated
from mixcheck.families.zero_derivatives import derive_inflated, derive_separate

__all__ = ["Hurdle", "ZeroInflated", "ZeroPart", "add_zeros"]


@answer_calls
def add_zeros(family: Family) -> Family:
    """The family with a zero part, as ``ziformula`` of glmmTMB adds one.

    Parameters
    ----------
    family : Family
        One that has zeros is inflated; one that has none gets a hurdle.

    Returns
    -------
    ZeroInflated or Hurdle

    Raises
    ------
    FamilyError
        If the family can have neither.

    Examples
    --------
    >>> from mixcheck.families import Gamma, Poisson, add_zeros
    >>> add_zeros(Poisson())
    ZeroInflated(Poisson(link='log'))
    >>> add_zeros(Gamma())
    Hurdle(Gamma(link='log'))
    """
    kind = family.zero_part if isinstance(family, Family) else "inflation"
    if kind is None:
        raise FamilyError(
            f"The {family.name} family has no place for a zero part, which belongs to counts, "
            "successes out of trials, positive responses and proportions. Leave zi= out."
        )
    return Hurdle(family) if kind == "hurdle" else ZeroInflated(family)


def _told(base: object) -> str:
    return repr(base) if isinstance(base, Family) else shown(base)


@dataclass(frozen=True, init=False, repr=False)
class ZeroPart(Family):
    """A family with a zero part: its own predictors, then ``zi``.

    Parameters
    ----------
    base : Family
        The family that zeros are added to.
    """

    base: Family

    kind: ClassVar[Literal["inflation", "hurdle"]]

    def __init__(self, base: Family) -> None:
        if not isinstance(base, Family) or base.zero_part != self.kind:
            raise FamilyError(self._refuse(base))
        object.__setattr__(self, "link", base.link)
        object.__setattr__(self, "base", base)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base!r})"

    @abstractmethod
    def _refuse(self, base: Family) -> str:
        """Why a base is not allowed, and what to write instead."""

    @property
    def predictors(self) -> tuple[str, ...]:
        """Those of the base, and ``zi``."""
        return (*self.base.predictors, "zi")

    @property
    def discrete(self) -> bool:
        """Whether the base is discrete."""
        return self.base.discrete

    @property
    def precision_power(self) -> float | None:  # type: ignore[override]
        """That of the base: the variance of the responses that the zero part leaves."""
        return self.base.precision_power

    @property
    def plain(self) -> Family:
        """The base."""
        return self.base

    @property
    def shapes(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the base."""
        return self.base.shapes

    def term_sizes(self, data: Observed) -> FloatArray:
        """Those of the base; see `Family.term_sizes`."""
        return self.base.term_sizes(data)

    @property
    def harmless(self) -> float:  # type: ignore[override]
        """That of the base."""
        return self.base.harmless

    @property
    def mean_range(self) -> tuple[float, float]:  # type: ignore[override]
        """That of the base."""
        return self.base.mean_range

    @property
    def has_atoms(self) -> bool:
        """True: zero has a probability."""
        return True

    @property
    def two_ended(self) -> tuple[bool, ...]:
        """Those of the base, and the zero part."""
        return (*self.base.two_ended, True)

    def log_deviation(self, y: FloatArray, eta: Predictors) -> FloatArray | None:
        """That of the base, in rows that are not zero, ``(n,)``."""
        base = self.base.log_deviation(y, eta[:-1])
        return None if base is None else np.where(y == 0.0, np.inf, base)

    @property
    def mean_predictors(self) -> tuple[str, ...]:
        """Those of the base, and ``zi``."""
        return (*self.base.mean_predictors, "zi")

    @property
    def takes_trials(self) -> bool:
        """Whether the base does."""
        return self.base.takes_trials

    @property
    def links(self) -> tuple[Link, ...]:
        """Those of the base, and the logit of the zero probability."""
        return (*self.base.links, Logit())

    def log_density(self, data: Observed, eta: Predictors) -> FloatArray:
        """Log density; at zero the log probability; ``(n,)``."""
        return self.derivatives(data, eta, 0).value

    def derivatives(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log density and its derivatives; see `Family.derivatives`."""
        return derive_in_blocks(self._derive, data, eta, order)

    @abstractmethod
    def _derive(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log density and derivatives of one block."""

    def mean(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Mean with the zero part, ``(n,)``."""
        return special.expit(-eta[-1]) * self.base.mean(eta[:-1], size)

    def variance(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Variance with the zero part, ``(n,)``."""
        mean = self.base.mean(eta[:-1], size)
        within = self.base.variance(eta[:-1], size)
        return special.expit(-eta[-1]) * (within + special.expit(eta[-1]) * mean * mean)

    def cdf(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """F(y-) and F(y), each ``(n,)``; they differ at zero."""
        zero, other = special.expit(eta[-1]), special.expit(-eta[-1])
        below, upto = self.base.cdf(y, eta[:-1], size)
        return (
            other * below + np.where(y > 0.0, zero, 0.0),
            other * upto + np.where(y >= 0.0, zero, 0.0),
        )

    def survival(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of more than ``y``, ``(n,)``."""
        zero, other = special.expit(eta[-1]), special.expit(-eta[-1])
        return other * self.base.survival(y, eta[:-1], size) + np.where(y < 0.0, zero, 0.0)

    def sample(
        self, eta: Predictors, size: FloatArray | None, rng: np.random.Generator
    ) -> FloatArray:
        """One draw, ``(n,)``."""
        zero = rng.random(eta[-1].shape) < special.expit(eta[-1])
        return np.where(zero, 0.0, self.base.sample(eta[:-1], size, rng))

    def dispersion_start(self, data: Observed) -> float:
        """That of the base, of the rows that are not zero."""
        return self.base.dispersion_start(self._take_nonzero(data))

    def start(self, data: Observed) -> FloatArray:
        """That of the base; rows of zero get the mean of the others, ``(n,)``."""
        nonzero = data.y != 0.0
        taken = self.base.start(self._take_nonzero(data))
        start = np.full(data.y.shape, taken.mean())
        if nonzero.any():
            start[nonzero] = taken
        return start

    def start_parameters(self, data: Observed) -> Predictors:
        """Those of the base, then a probability: half the share of zeros, inside (0.05, 0.95)."""
        share = 0.5 * float(np.mean(data.y == 0.0)) if data.y.size else 0.5
        zero = np.full(data.y.shape, np.clip(share, 0.05, 0.95))
        return *super().start_parameters(data), zero

    def shape_starts(self, data: Observed) -> tuple[float, ...]:
        """Those of the base, of the rows that are not zero."""
        return self.base.shape_starts(self._take_nonzero(data))

    def _take_nonzero(self, data: Observed) -> Observed:
        """Rows that are not zero; where there are none, one row that stands for them."""
        rows = np.flatnonzero(data.y != 0.0)
        if rows.size == 0:
            size = None if data.size is None else np.ones(1)
            return self.base.prepare([self.base.harmless], size)
        return data.rows(rows)


@final
@dataclass(frozen=True, init=False, repr=False)
class ZeroInflated(ZeroPart):
    """A count family with additional zeros: ``P(0) = pi + (1 - pi) f(0)``.

    Parameters
    ----------
    base : Poisson, NegativeBinomial1, NegativeBinomial2, Binomial or BetaBinomial
        The family of the counts that are not additional zeros.

    Raises
    ------
    FamilyError
        If the base has no zeros of its own; `Hurdle` adds them.

    Notes
    -----
    Lambert (1992). The predictor ``zi`` is the logit of pi, as in glmmTMB.

    Examples
    --------
    >>> import numpy as np
    >>> from mixcheck.families import Poisson, ZeroInflated
    >>> family = ZeroInflated(Poisson())
    >>> family.probability(np.zeros(1), (np.log([2.0]), np.zeros(1))).round(4)
    array([0.5677])
    """

    kind: ClassVar[Literal["inflation", "hurdle"]] = "inflation"

    @property
    def name(self) -> str:
        """``zero_inflated_`` and the name of the base."""
        return f"zero_inflated_{self.base.name}"

    @property
    def ends(self) -> tuple[int, ...]:
        """Those of the base, and an inflation of zero."""
        return (*self.base.ends, -1)

    @property
    def limits(self) -> tuple[str, ...]:
        """Without inflation the base; and what both come to without their dispersion."""
        simpler = self.base.limits
        return (self.base.name, *simpler, *(f"zero_inflated_{name}" for name in simpler))

    def _refuse(self, base: Family) -> str:
        return (
            f"ZeroInflated takes poisson, nbinom1, nbinom2, binomial or betabinomial; found "
            f"{_told(base)}. Write Hurdle(..) for a family without zeros of its own."
        )

    def prepare(self, y: ArrayLike, size: ArrayLike | None = None) -> Observed:
        """Check the response as the base does; see `Family.prepare`."""
        return self.base.prepare(y, size)

    @property
    def simplest(self) -> tuple[int, ...]:
        """Those of the base, and no additional zeros."""
        return (*self.base.simplest, -1)

    def recession(self, data: Observed) -> tuple[IntArray, ...]:
        """Those of the base, and of a zero that is an additional one; see `Family.recession`."""
        return (*self.base.recession(data), np.where(data.y == 0.0, 1, -1))

    def _derive(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        return derive_inflated(data, self.base.derivatives(data, eta[:-1], order), eta[-1], order)

    def derivatives_in_mean(self, data: Observed, eta: Predictors) -> Derivatives:
        """Those in the mean, from those of the base; see `Family.derivatives_in_mean`."""
        return derive_in_blocks(self._derive_mean, data, eta, 2)

    def _derive_mean(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        # What the base leaves out of rows that are not zero is a constant here too.
        base = self.base.derivatives_in_mean(data, eta[:-1])
        found = derive_inflated(data, base, eta[-1], order)
        return Derivatives(found.value, found.first[:1], {(0, 0): found.second[0, 0]}, {})

    def expected(self, data: Observed, eta: Predictors) -> Expected:
        """Expected information, by summation over the counts."""
        if self.base.takes_trials:
            m = np.ones(eta[0].shape) if data.size is None else data.size
            zero = np.zeros_like(m)

            def derive(y: FloatArray, at: Predictors, rows: IntArray) -> Derivatives:
                return self.derivatives(Observed(y, m[rows], log_choose(y, m[rows])), at, 3)

            return expect(derive, eta, Spread(0.0, zero, m, zero + 1.0))
        eta = (hold_lowest(self.link, eta[0]), *eta[1:])
        spread = spread_of_counts(self.base.mean(eta[:-1]), self.base.variance(eta[:-1]), 0.0)
        return expect(lambda y, e, _: self.derivatives(observe_counts(y), e, 3), eta, spread)

    def step_information(self, data: Observed, eta: Predictors) -> Information:
        """Information as if it were known which zeros are additional, given the response.

        It is block diagonal and bounds the observed information from above, as in the EM
        algorithm.
        """
        zero = self._posterior(data, eta)
        step = self.base.step_information(data, eta[:-1])
        information = {pair: (1.0 - zero) * value for pair, value in step.items()}
        k = len(eta) - 1
        information[k, k] = special.expit(eta[-1]) * special.expit(-eta[-1])
        return information

    def _posterior(self, data: Observed, eta: Predictors) -> FloatArray:
        """Probability that a row is an additional zero given its response, ``(n,)``."""
        value = self.base.log_density(data, eta[:-1])
        return np.where(data.y == 0.0, special.expit(eta[-1] - value), 0.0)

    def probability(
        self, k: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of ``k``, ``(n,)``."""
        values = np.broadcast_to(np.asarray(k, dtype=np.float64), eta[-1].shape)
        base = self.base.probability(values, eta[:-1], size)
        return special.expit(-eta[-1]) * base + np.where(values == 0.0, special.expit(eta[-1]), 0.0)


@final
@dataclass(frozen=True, init=False, repr=False)
class Hurdle(ZeroPart):
    """Zero with probability pi, otherwise a family without zeros.

    Parameters
    ----------
    base : truncated count family, Gamma, LogNormal or Beta
        The family of the responses that are not zero.

    Raises
    ------
    FamilyError
        If the base has zeros of its own; `ZeroInflated` adds to them.

    Notes
    -----
    Mullahy (1986). With a truncated base it is what glmmTMB fits for ``truncated_*`` with a
    ``ziformula``, with `Gamma` its ``ziGamma``. The log density of a zero is the logarithm of
    its probability; a family over the reals is continuous elsewhere.

    Examples
    --------
    >>> import numpy as np
    >>> from mixcheck.families import Hurdle, TruncatedPoisson
    >>> family = Hurdle(TruncatedPoisson())
    >>> family.probability(np.zeros(1), (np.log([2.0]), np.zeros(1)))
    array([0.5])
    """

    kind: ClassVar[Literal["inflation", "hurdle"]] = "hurdle"

    @property
    def name(self) -> str:
        """``hurdle_`` and the name of the base."""
        return f"hurdle_{self.base.name}"

    @property
    def ends(self) -> tuple[int, ...]:
        """Those of the base; its zeros are of their own."""
        return (*self.base.ends, 0)

    @property
    def whole(self) -> tuple[str, ...]:
        """The base before truncation, whose zeros are one probability more for each mean."""
        if not isinstance(self.base, Truncated):
            return ()
        return (self.base.untruncated.name, *self.base.untruncated.limits)

    @property
    def limits(self) -> tuple[str, ...]:
        """What it comes to without the dispersion of the base."""
        return tuple(f"hurdle_{name}" for name in self.base.limits)

    def _refuse(self, base: Family) -> str:
        return (
            "Hurdle takes a truncated count family, gamma, lognormal or beta; found "
            f"{_told(base)}. Write ZeroInflated(..) for a count family with zeros of its own."
        )

    def prepare(self, y: ArrayLike, size: ArrayLike | None = None) -> Observed:
        """Zeros are allowed, other responses are checked as the base does."""
        values = read_response(y, "response") + 0.0
        zero = values == 0.0
        data = self.base.prepare(np.where(zero, self.base.harmless, values), size)
        return Observed(np.where(zero, 0.0, data.y), data.size, np.where(zero, 0.0, data.constant))

    @property
    def simplest(self) -> tuple[int, ...]:
        """Those of the base; without its zeros nothing simpler is left."""
        return (*self.base.simplest, 0)

    def recession(self, data: Observed) -> tuple[IntArray, ...]:
        """Those of the base where there is no zero, and of the zeros; see `Family.recession`."""
        zero = data.y == 0.0
        parts = self.base.recession(replace(data, y=np.where(zero, self.base.harmless, data.y)))
        return (*(np.where(zero, FREE, part) for part in parts), np.where(zero, 1, -1))

    def _derive(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        zero = data.y == 0.0
        shown = np.where(zero, self.base.harmless, data.y)
        base = self.base.derivatives(Observed(shown, data.size, data.constant), eta[:-1], order)
        inside = base.value > -np.inf
        result = derive_separate(zero, base, eta[-1], order)
        return result if inside.all() else mask_derivatives(result, inside)

    def expected(self, data: Observed, eta: Predictors) -> Expected:
        """That of the base times ``1 - pi``, and ``pi (1 - pi)`` in the zero part."""
        zero, other = special.expit(eta[-1]), special.expit(-eta[-1])
        second, third = self.base.expected(data, eta[:-1])
        k = len(eta) - 1
        information = {pair: other * value for pair, value in second.items()}
        slopes = {key: other * value for key, value in third.items()}
        slopes.update({(pair, k): -zero * value for pair, value in information.items()})
        information[k, k] = zero * other
        slopes[(k, k), k] = zero * other * (other - zero)
        return information, slopes

    def step_information(self, data: Observed, eta: Predictors) -> Information:
        """As `expected`, with the step information of the base."""
        step = self.base.step_information(data, eta[:-1])
        zero, other = special.expit(eta[-1]), special.expit(-eta[-1])
        k = len(eta) - 1
        return {**{pair: other * value for pair, value in step.items()}, (k, k): zero * other}

    def probability(
        self, k: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of ``k``, ``(n,)``; for a continuous base of zero, and none elsewhere."""
        values = np.broadcast_to(np.asarray(k, dtype=np.float64), eta[-1].shape)
        zero = np.where(values == 0.0, special.expit(eta[-1]), 0.0)
        if not self.base.discrete:
            return zero
        return zero + special.expit(-eta[-1]) * self.base.probability(values, eta[:-1], size)
