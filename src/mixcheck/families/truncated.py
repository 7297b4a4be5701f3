"""Counts from 1 on: distributions of counts given that they are not zero."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import ArrayLike

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.families.bounds import find_inside, hold_exp
from mixcheck.families.chain_rule import NEAR_ZERO, compose_derivatives, compose_expected, take_log
from mixcheck.families.counts import (
    Poisson,
    draw_poisson,
    observe_counts,
    poisson_tails,
    prepare_counts,
    weigh_count,
)
from mixcheck.families.derivatives import Derivatives, Expected, Information, Predictors
from mixcheck.families.expectation import expect, spread_of_counts
from mixcheck.families.family import Family
from mixcheck.families.negative_binomial import (
    NegativeBinomial,
    NegativeBinomial1,
    NegativeBinomial2,
    derive_linear_variance,
    derive_quadratic_variance,
    hold_lowest,
    start_excess,
)
from mixcheck.families.negative_binomial_cdf import (
    accumulate_negative_binomial,
    draw_negative_binomial,
    surpass_negative_binomial,
)
from mixcheck.families.recession import recede
from mixcheck.families.responses import Observed, require_support
from mixcheck.families.special import gap_of_share, log1p_ratio, log_gap
from mixcheck.families.tails import SMALLEST, extreme_value_tails, one_minus
from mixcheck.families.template import Template

__all__ = [
    "Truncated",
    "TruncatedNegativeBinomial1",
    "TruncatedNegativeBinomial2",
    "TruncatedPoisson",
]


@dataclass(frozen=True, init=False, repr=False)
class Truncated(Template):
    """A count family given that the count is not zero.

    Predictors are those of the untruncated distribution; `mean` is the truncated one.
    """

    discrete: ClassVar[bool] = True
    mean_range: ClassVar[tuple[float, float]] = (0.0, np.inf)
    zero_part: ClassVar[Literal["inflation", "hurdle"] | None] = "hurdle"
    allowed_links: ClassVar[tuple[str, ...]] = ("log", "identity", "sqrt")

    @property
    @abstractmethod
    def untruncated(self) -> Family:
        """The family before truncation, with the same link."""

    @abstractmethod
    def excess(self, mu: FloatArray, eta: Predictors) -> FloatArray:
        """Variance over mean, less one, of the untruncated distribution, ``(n,)``."""

    def prepare(self, y: ArrayLike, size: ArrayLike | None = None) -> Observed:
        """Check that the response is made of counts from 1; see `Family.prepare`."""
        data = prepare_counts(self.name, y, size)
        require_support(
            data.y > 0.0,
            data.y,
            f"A {self.name} response must be whole numbers from 1",
            f'For counts with zeros write a zero part, zi=.., or family="{self.untruncated.name}".',
        )
        return data

    def finite_at_zero(self, data: Observed) -> BoolArray:
        """Counts of one, ``(n,)``."""
        certain: BoolArray = data.y == 1.0
        return certain

    def hold(self, data: Observed, eta: Predictors) -> Predictors:
        """Means beyond their lower end at that end, in rows that are possible there."""
        return (hold_lowest(self.link, eta[0], self.finite_at_zero(data)), *eta[1:])

    def find_inside(self, data: Observed, eta: Predictors) -> BoolArray:
        """Where the mean is positive and every parameter can be cubed, ``(n,)``."""
        return find_inside(self.link, eta)

    def step_information(self, data: Observed, eta: Predictors) -> Information:
        """Exact in the mean but for nbinom1, and a bound in the dispersion.

        The mean of nbinom1 is bounded by what the number of clusters would tell, the dispersion
        by that of untruncated counts and by what rows of two or more can tell.
        """
        eta = (hold_lowest(self.link, eta[0]), *eta[1:])
        mu, excess, rate = self._zero_rate(eta)
        _, _, inner = take_log(self.link, np.where(find_inside(self.link, eta), eta[0], 1.0))
        q = 1.0 / (1.0 + excess)
        clusters = rate / -np.expm1(-rate)
        mean = q * q * self.variance(eta)
        if isinstance(self.untruncated, NegativeBinomial1):
            mean = np.minimum(mean, clusters * one_minus(_hazard_ratio(rate), rate))
        information = {(0, 0): mean}
        if len(eta) > 1:
            several = np.maximum(1.0 - mu * q * np.exp(-rate) / -np.expm1(-rate), 0.0)
            limit = 0.5 * (excess * q) ** 2
            information[1, 1] = np.minimum(limit, several * clusters)
        return compose_expected(information, {}, (inner, None)[: len(eta)])[0]

    def _zero_rate(self, eta: Predictors) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Untruncated mean, excess variance, and ``-log P(0)``, held inside the domain."""
        eta = (hold_lowest(self.link, eta[0]), *eta[1:])
        inside = find_inside(self.link, eta)
        mu = np.where(inside, self.link.inverse(eta[0]), 1.0)
        excess = self.excess(mu, eta)
        return mu, excess, mu * log1p_ratio(np.maximum(excess, SMALLEST))

    def mean(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Mean of the truncated distribution, ``(n,)``."""
        mu, _, rate = self._zero_rate(eta)
        return mu / -np.expm1(-rate)

    def variance(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Variance of the truncated distribution, ``(n,)``."""
        mu, excess, rate = self._zero_rate(eta)
        log = np.log1p(excess)
        ratio = np.where(excess > 0.0, log_gap(excess, log) / np.maximum(log, 1e-300), 0.0)
        factor = rate - one_minus(_hazard_ratio(rate), rate)
        return mu / -np.expm1(-rate) * (excess + mu - (ratio + factor + ratio * factor))

    def cumulate(self, y: FloatArray, eta: Predictors, size: FloatArray | None) -> FloatArray:
        """Probability of ``y`` or less, ``(n,)``."""
        mu, excess, rate = self._zero_rate(eta)
        positive = -np.expm1(-rate)
        if not isinstance(self.untruncated, Poisson):
            value = accumulate_negative_binomial(y, mu, excess, lowest=1) / positive
        else:
            below, above = poisson_tails(y, mu)
            low = (below - np.exp(-rate)) / positive
            value = np.where(above < 0.5, 1.0 - above / positive, low)
        return np.where(y < 1.0, 0.0, np.clip(value, 0.0, 1.0))

    def survival(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of more than ``y``, ``(n,)``."""
        mu, excess, rate = self._zero_rate(eta)
        k = np.floor(y)
        if isinstance(self.untruncated, Poisson):
            above = poisson_tails(k, mu)[1]
        else:
            above = surpass_negative_binomial(k, mu, excess)
        return np.where(k < 1.0, 1.0, above / -np.expm1(-rate))

    def sample(
        self, eta: Predictors, size: FloatArray | None, rng: np.random.Generator
    ) -> FloatArray:
        """One draw of the counts, ``(n,)``.

        Counts are sums over the points of a Poisson process of rate ``-log P(0)``: the time of
        the first is drawn given that there is one, and the rest of the time is free.
        """
        mu, excess, rate = self._zero_rate(eta)
        first = -np.log1p(rng.random(mu.shape) * np.expm1(-rate))
        rest = mu * np.clip(1.0 - first / rate, 0.0, 1.0)
        if isinstance(self.untruncated, Poisson):
            return 1.0 + draw_poisson(rest, rng)
        share = np.clip(excess / (1.0 + excess), 1e-300, 1.0 - 2.0**-53)
        return rng.logseries(share) + draw_negative_binomial(rest, excess, rng)

    def probability(
        self, k: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of ``k``, ``(n,)``."""
        return weigh_count(self.log_density, k, eta, lowest=1.0)

    @property
    def simplest(self) -> tuple[int, ...]:
        """Those of the untruncated family."""
        return self.untruncated.simplest

    def recession(self, data: Observed) -> tuple[IntArray, ...]:
        """A count of one, likeliest at a mean of zero; see `Family.recession`."""
        direction = np.zeros(data.y.shape, dtype=np.intp)
        return (recede(self.link, data.y == 1.0), *(direction for _ in self.predictors[1:]))

    def start(self, data: Observed) -> FloatArray:
        """Untruncated mean: counts less one half, ``(n,)``."""
        return data.y - 0.5


@final
@dataclass(frozen=True, init=False, repr=False)
class TruncatedPoisson(Truncated):
    """Poisson counts without zeros; the predictor is that of the untruncated mean.

    Parameters
    ----------
    link : {"log", "identity", "sqrt"} or Link
        Link of the untruncated mean.

    Raises
    ------
    FamilyError
        If the family does not have the link.

    Examples
    --------
    >>> import numpy as np
    >>> from mixcheck.families import TruncatedPoisson
    >>> TruncatedPoisson().mean((np.log([1e-9, 2.0]),)).round(4)
    array([1.   , 2.313])
    """

    name: ClassVar[str] = "truncated_poisson"
    also_called: ClassVar[str] = (
        "truncatedpoisson ztpoisson ztp zerotruncatedpoisson truncpoisson pospoisson"
    )
    also_called_with_zeros: ClassVar[str] = "hurdlepoisson hurdletruncatedpoisson"
    predictors: ClassVar[tuple[str, ...]] = ("mean",)

    @property
    def untruncated(self) -> Family:
        """Poisson with the same link."""
        return Poisson(self.link)

    def excess(self, mu: FloatArray, eta: Predictors) -> FloatArray:
        """Zero, ``(n,)``."""
        return np.zeros_like(mu)

    def derive(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log probability and its derivatives in predictors that are inside the domain."""
        mu, log_mu, inner = take_log(self.link, eta[0])
        base = Derivatives(
            data.y * log_mu - mu + data.constant,
            ((data.y - 1.0) - mu,),
            {(0, 0): -mu},
            {(0, 0, 0): -mu},
        )
        rate = Derivatives(log_mu, (np.ones_like(mu),), {}, {})
        return compose_derivatives(_truncate(base, rate, order), (inner,), order)

    def expected(self, data: Observed, eta: Predictors) -> Expected:
        """Expected information in closed form: in the log mean the observed one is it."""
        predictor = np.where(find_inside(self.link, eta), eta[0], 1.0)
        if self.link.name == "sqrt":
            near = np.abs(eta[0]) < NEAR_ZERO
            predictor = np.where(near, np.copysign(NEAR_ZERO, eta[0]), predictor)
        _, log_mu, inner = take_log(self.link, predictor)
        plain = TruncatedPoisson().derive(observe_counts(np.ones_like(log_mu)), (log_mu,), 3)
        slopes = {((0, 0), 0): -plain.third[0, 0, 0]}
        return compose_expected({(0, 0): -plain.second[0, 0]}, slopes, (inner,))


@dataclass(frozen=True, init=False, repr=False)
class _TruncatedNegativeBinomial(Truncated):
    mean_predictors: ClassVar[tuple[str, ...]] = ("mean", "dispersion")
    predictors: ClassVar[tuple[str, ...]] = ("mean", "dispersion")
    kind: ClassVar[type[NegativeBinomial1] | type[NegativeBinomial2]]

    def expected(self, data: Observed, eta: Predictors) -> Expected:
        """Expected information, by summation over the counts."""
        eta = (hold_lowest(self.link, eta[0]), eta[1])
        spread = spread_of_counts(self.mean(eta), self.variance(eta), 1.0)
        return expect(lambda y, e, _: self.derivatives(observe_counts(y), e, 3), eta, spread)

    @property
    def untruncated(self) -> NegativeBinomial:
        """The negative binomial family with the same link."""
        return self.kind(self.link)

    def excess(self, mu: FloatArray, eta: Predictors) -> FloatArray:
        """Variance over mean, less one, of the untruncated distribution, ``(n,)``."""
        return self.untruncated.excess(mu, hold_exp(eta[1]))


@final
@dataclass(frozen=True, init=False, repr=False)
class TruncatedNegativeBinomial1(_TruncatedNegativeBinomial):
    """Counts of the nbinom1 family without zeros; predictors are those of `NegativeBinomial1`.

    Parameters
    ----------
    link : {"log", "identity", "sqrt"} or Link
        Link of the untruncated mean.

    Raises
    ------
    FamilyError
        If the family does not have the link.

    Examples
    --------
    >>> import numpy as np
    >>> from mixcheck.families import TruncatedNegativeBinomial1
    >>> family = TruncatedNegativeBinomial1()
    >>> family.cdf(np.array([0.0]), (np.zeros(1), np.zeros(1)))[1]
    array([0.])
    """

    name: ClassVar[str] = "truncated_nbinom1"
    also_called: ClassVar[str] = "truncatednegativebinomial1 truncatednb1"
    also_called_with_zeros: ClassVar[str] = "hurdlenbinom1 hurdletruncatednbinom1"
    _simpler: ClassVar[tuple[str, ...]] = ("truncated_poisson",)
    _end: ClassVar[int] = -1
    kind: ClassVar[type[NegativeBinomial1] | type[NegativeBinomial2]] = NegativeBinomial1

    def finite_at_zero(self, data: Observed) -> BoolArray:
        """All counts, ``(n,)``: at a mean of zero they have a logarithmic distribution."""
        return np.ones(data.y.shape, dtype=np.bool_)

    def derive(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log probability and its derivatives in predictors that are inside the domain."""
        mu, log_mu, inner = take_log(self.link, eta[0])
        base = derive_linear_variance(data, mu, log_mu, eta[1], order, less=1.0)
        phi = np.exp(eta[1])
        j = _ratio_logs(phi)
        rate = Derivatives(
            log_mu + j[0], (np.ones_like(mu), j[1]), {(1, 1): j[2]}, {(1, 1, 1): j[3]}
        )
        return compose_derivatives(_truncate(base, rate, order), (inner, None), order)

    def dispersion_start(self, data: Observed) -> float:
        """Moment estimate of phi that leaves the truncation aside."""
        return start_excess(data.y)[0]


@final
@dataclass(frozen=True, init=False, repr=False)
class TruncatedNegativeBinomial2(_TruncatedNegativeBinomial):
    """Counts of the nbinom2 family without zeros; predictors are those of `NegativeBinomial2`.

    Parameters
    ----------
    link : {"log", "identity", "sqrt"} or Link
        Link of the untruncated mean.

    Raises
    ------
    FamilyError
        If the family does not have the link.

    Examples
    --------
    >>> import numpy as np
    >>> from mixcheck.families import TruncatedNegativeBinomial2
    >>> family = TruncatedNegativeBinomial2()
    >>> family.cdf(np.array([0.0]), (np.zeros(1), np.zeros(1)))[1]
    array([0.])
    """

    name: ClassVar[str] = "truncated_nbinom2"
    also_called: ClassVar[str] = (
        "truncatednegativebinomial2 truncatednbinom truncatednb2 truncatednb ztnb "
        "zerotruncatednegbinomial zerotruncatednegativebinomial posnegbinomial"
    )
    also_called_with_zeros: ClassVar[str] = (
        "hurdlenegbinomial hurdlenegbin hurdlenbinom2 hurdletruncatednbinom2"
    )
    _simpler: ClassVar[tuple[str, ...]] = ("truncated_poisson",)
    _end: ClassVar[int] = 1
    kind: ClassVar[type[NegativeBinomial1] | type[NegativeBinomial2]] = NegativeBinomial2

    def derive(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log probability and its derivatives in predictors that are inside the domain."""
        mu, log_mu, inner = take_log(self.link, eta[0])
        base = derive_quadratic_variance(data, mu, log_mu, eta[1], order, less=1.0)
        excess = mu / np.exp(eta[1])
        j = _ratio_logs(excess)
        if order > 0:
            # The slope of log rate exceeds 1 / (1 + excess), which `less` took off already.
            base = Derivatives(
                base.value, (base.first[0] - j[4], base.first[1]), base.second, base.third
            )
        rate = Derivatives(
            log_mu + j[0],
            (1.0 + j[1], -j[1]),
            {(0, 0): j[2], (0, 1): -j[2], (1, 1): j[2]},
            {(0, 0, 0): j[3], (0, 0, 1): -j[3], (0, 1, 1): j[3], (1, 1, 1): -j[3]},
        )
        return compose_derivatives(_truncate(base, rate, order), (inner, None), order)

    def dispersion_start(self, data: Observed) -> float:
        """Moment estimate of theta that leaves the truncation aside."""
        excess, mean = start_excess(data.y)
        return mean / excess


def _truncate(base: Derivatives, rate: Derivatives, order: int) -> Derivatives:
    """Subtract ``log(1 - P(0))`` from a log probability.

    The first derivative of ``base`` in the log mean comes less that of the log rate, since for
    a count of one and a small mean the two cancel.
    """
    (log, *g), _ = extreme_value_tails(rate.value, order)
    value = base.value - log
    if order < 1:
        return Derivatives(value, (), {}, {})
    e = rate.first
    rest = one_minus(g[0], np.exp(rate.value))
    first = (
        base.first[0] + e[0] * rest,
        *(d - g[0] * slope for d, slope in zip(base.first[1:], e[1:], strict=True)),
    )
    if order < 2:
        return Derivatives(value, first, {}, {})
    second = {}
    for (a, b), d in base.second.items():
        second[a, b] = d - g[1] * e[a] * e[b] - g[0] * rate.second.get((a, b), 0.0)
    if order < 3:
        return Derivatives(value, first, second, {})
    third = {}
    for (a, b, c), d in base.third.items():
        pairs = (((a, b), c), ((a, c), b), ((b, c), a))
        bent = sum(rate.second[pair] * e[k] for pair, k in pairs if pair in rate.second)
        cubic = g[2] * e[a] * e[b] * e[c] + g[1] * bent
        third[a, b, c] = d - cubic - g[0] * rate.third.get((a, b, c), 0.0)
    return Derivatives(value, first, second, third)


def _ratio_logs(x: FloatArray) -> tuple[FloatArray, ...]:
    """``J = log(log(1 + x) / x)``, three derivatives in ``log x``, and ``1 + J' - 1 / (1 + x)``."""
    log = np.log1p(x)
    q = 1.0 / (1.0 + x)
    p = x * q
    slope = -gap_of_share(x, p, log) / log
    share = p / log
    above = np.where(x < 1.0, p + slope, share - q)
    bend = -share * above
    third = share * (above * above - p * q + share * above)
    return np.log(log / x), slope, bend, third, above


def _hazard_ratio(rate: FloatArray) -> FloatArray:
    """``rate / expm1(rate)``, ``(n,)``."""
    return rate * np.exp(-rate) / -np.expm1(-rate)
