"""Counts with more variation than the Poisson: both negative binomial families."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.families.bounds import LOG_MAX, find_inside, hold_exp
from mixcheck.families.chain_rule import Inner, compose_derivatives, compose_expected, take_log
from mixcheck.families.counts import (
    observe_counts,
    prepare_counts,
    weigh_count,
)
from mixcheck.families.derivatives import Derivatives, Expected, Information, Predictors
from mixcheck.families.expectation import expect, spread_of_counts
from mixcheck.families.links import Link
from mixcheck.families.negative_binomial_cdf import (
    accumulate_negative_binomial,
    draw_negative_binomial,
    surpass_negative_binomial,
    surround_negative_binomial,
)
from mixcheck.families.recession import recede
from mixcheck.families.responses import Observed
from mixcheck.families.row_chunks import derive_in_blocks
from mixcheck.families.special import gap_of_share, log1p_ratio, rising_logs
from mixcheck.families.template import LogMeanTemplate

__all__ = [
    "NegativeBinomial",
    "NegativeBinomial1",
    "NegativeBinomial2",
    "derive_linear_variance",
    "derive_quadratic_variance",
    "hold_ends",
    "hold_lowest",
    "start_excess",
]

_LEAST_ROOT = 1e-49
"""Predictor of the square root whose mean is just inside."""
_LARGE_COUNT = 1e6
_LARGE_SHARE = 1e3
"""Counts beyond both, the second times theta, have derivatives in which they do not cancel."""


@dataclass(frozen=True, init=False, repr=False)
class NegativeBinomial(LogMeanTemplate):
    """What the two negative binomial families share: all but how the variance grows.

    A negative binomial is a Poisson whose mean is gamma distributed with shape ``size`` and
    scale ``excess``, so that its variance is ``mean (1 + excess)``.
    """

    discrete: ClassVar[bool] = True
    mean_range: ClassVar[tuple[float, float]] = (0.0, np.inf)
    is_count: ClassVar[bool] = True
    zero_part: ClassVar[Literal["inflation", "hurdle"] | None] = "inflation"
    narrower: ClassVar[tuple[str, ...]] = ("poisson", "genpois", "compois")
    allowed_links: ClassVar[tuple[str, ...]] = ("log", "identity", "sqrt")

    @abstractmethod
    def excess(self, mu: FloatArray, dispersion: FloatArray) -> FloatArray:
        """Variance over mean, less one; ``(n,)``."""

    def prepare(self, y: ArrayLike, size: ArrayLike | None = None) -> Observed:
        """Check that the response is made of counts; see `Family.prepare`."""
        return prepare_counts(self.name, y, size)

    def finite_at_zero(self, data: Observed) -> BoolArray:
        """Counts of zero, ``(n,)``."""
        certain: BoolArray = data.y == 0.0
        return certain

    def hold(self, data: Observed, eta: Predictors) -> Predictors:
        """Means beyond their lower end at that end, in rows of zero; dispersions at theirs."""
        zero = data.y == 0.0
        return hold_lowest(self.link, eta[0], zero), hold_ends(eta[1], self.simplest[1], zero)

    def find_inside(self, data: Observed, eta: Predictors) -> BoolArray:
        """Where the mean is positive and every parameter can be cubed, ``(n,)``."""
        return find_inside(self.link, eta)

    def expected(self, data: Observed, eta: Predictors) -> Expected:
        """Expected information, by summation over the counts."""
        eta = (hold_lowest(self.link, eta[0]), eta[1])
        spread = spread_of_counts(self.mean(eta), self.variance(eta), 0.0)
        return expect(lambda y, e, _: self.derivatives(observe_counts(y), e, 3), eta, spread)

    def step_information(self, data: Observed, eta: Predictors) -> Information:
        """Exact in the mean; in the dispersion the smaller of its two limits.

        They are ``p^2 / 2``, with p the excess over one plus the excess, where the
        distribution is close to a Poisson, and minus log P(0) where it is far from it.
        """
        mu, excess, inner = self._moments(eta)
        share = excess / (1.0 + excess)
        dispersion = np.minimum(0.5 * share * share, mu * log1p_ratio(excess))
        information = {(0, 0): mu / (1.0 + excess), (1, 1): dispersion}
        return compose_expected(information, {}, (inner, None))[0]

    def _moments(self, eta: Predictors) -> tuple[FloatArray, FloatArray, Inner]:
        """Mean, excess variance, and derivatives of the log mean, held inside the domain."""
        eta = (hold_lowest(self.link, eta[0]), eta[1])
        inside = find_inside(self.link, eta)
        mu, _, inner = take_log(self.link, np.where(inside, eta[0], 1.0))
        return mu, self.excess(mu, np.exp(np.where(inside, eta[1], 0.0))), inner

    def variance(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Variance, ``(n,)``."""
        mu = self.link.inverse(eta[0])
        return mu * (1.0 + self.excess(mu, hold_exp(eta[1])))

    def cumulate(self, y: FloatArray, eta: Predictors, size: FloatArray | None) -> FloatArray:
        """Probability of ``y`` or less, ``(n,)``."""
        mu = self.link.inverse(hold_lowest(self.link, eta[0]))
        return accumulate_negative_binomial(y, mu, self.excess(mu, hold_exp(eta[1])))

    def cdf(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """F(y-) and F(y), each ``(n,)``."""
        mu = self.link.inverse(hold_lowest(self.link, eta[0]))
        return surround_negative_binomial(y, mu, self.excess(mu, hold_exp(eta[1])))

    def survival(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of more than ``y``, ``(n,)``."""
        mu = self.link.inverse(hold_lowest(self.link, eta[0]))
        return surpass_negative_binomial(np.floor(y), mu, self.excess(mu, hold_exp(eta[1])))

    def sample(
        self, eta: Predictors, size: FloatArray | None, rng: np.random.Generator
    ) -> FloatArray:
        """One draw of the counts, ``(n,)``."""
        mu = self.link.inverse(eta[0])
        return draw_negative_binomial(mu, self.excess(mu, hold_exp(eta[1])), rng)

    def probability(
        self, k: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of ``k``, ``(n,)``."""
        return weigh_count(self.log_density, k, eta, lowest=0.0)

    def recession(self, data: Observed) -> tuple[IntArray, ...]:
        """A count of zero, likeliest at a mean of zero or without end to its variation."""
        zero = data.y == 0.0
        return recede(self.link, zero), np.where(zero, -self.simplest[1], 0)

    def start(self, data: Observed) -> FloatArray:
        """Counts plus 0.1, ``(n,)``, as for the Poisson."""
        return data.y + 0.1


@final
@dataclass(frozen=True, init=False, repr=False)
class NegativeBinomial1(NegativeBinomial):
    """Counts with variance ``mu (1 + phi)``; predictors are the mean and log phi.

    Parameters
    ----------
    link : {"log", "identity", "sqrt"} or Link
        Link of the mean. With ``identity`` a predictor at or below zero gives a log density
        of ``-inf``; with ``sqrt`` the mean is the square of the predictor, whatever its sign.

    Raises
    ------
    FamilyError
        If the family does not have the link.

    Notes
    -----
    Parameters are those of ``nbinom1`` in glmmTMB (Hardin & Hilbe 2007).

    Examples
    --------
    >>> import numpy as np
    >>> from mixcheck.families import NegativeBinomial1
    >>> family = NegativeBinomial1()
    >>> family.variance((np.log([3.0]), np.log([0.5])))
    array([4.5])
    """

    name: ClassVar[str] = "nbinom1"
    wider: ClassVar[tuple[str, ...]] = ("nbinom2",)
    alike: ClassVar[tuple[str, ...]] = ("nbinom2",)
    without_zeros: ClassVar[str | None] = "truncated_nbinom1"
    also_called: ClassVar[str] = "nb1 negativebinomial1 negbinomial1 negbin1 nbin1 quasipoissonlike"
    also_called_with_zeros: ClassVar[str] = (
        "zinbinom1 zinb1 zeroinflatednbinom1 zeroinflatednegativebinomial1"
    )
    _simpler: ClassVar[tuple[str, ...]] = ("poisson",)
    _end: ClassVar[int] = -1

    def excess(self, mu: FloatArray, dispersion: FloatArray) -> FloatArray:
        """``phi``, ``(n,)``."""
        return dispersion

    def derive_logs(
        self, data: Observed, mu: FloatArray, log_mu: FloatArray, log_d: FloatArray, order: int
    ) -> Derivatives:
        """Derivatives in the log mean (0) and log phi (1)."""
        return derive_linear_variance(data, mu, log_mu, log_d, order)

    simplest: ClassVar[tuple[int, ...]] = (0, -1)

    def dispersion_start(self, data: Observed) -> float:
        """Moment estimate of phi from the whole response."""
        return start_excess(data.y)[0]


@final
@dataclass(frozen=True, init=False, repr=False)
class NegativeBinomial2(NegativeBinomial):
    """Counts with variance ``mu + mu^2 / theta``; predictors are the mean and log theta.

    Parameters
    ----------
    link : {"log", "identity", "sqrt"} or Link
        Link of the mean. With ``identity`` a predictor at or below zero gives a log density
        of ``-inf``; with ``sqrt`` the mean is the square of the predictor, whatever its sign.

    Raises
    ------
    FamilyError
        If the family does not have the link.

    Notes
    -----
    Parameters are those of ``nbinom2`` in glmmTMB and of ``glm.nb``: theta grows without
    bound as the counts approach a Poisson.

    Examples
    --------
    >>> import numpy as np
    >>> from mixcheck.families import NegativeBinomial2
    >>> family = NegativeBinomial2()
    >>> family.variance((np.log([3.0]), np.log([2.0])))
    array([7.5])
    """

    name: ClassVar[str] = "nbinom2"
    wider: ClassVar[tuple[str, ...]] = ("nbinom1",)
    alike: ClassVar[tuple[str, ...]] = ("nbinom1",)
    without_zeros: ClassVar[str | None] = "truncated_nbinom2"
    dispersion_elsewhere: ClassVar[str] = "alpha"
    also_called: ClassVar[str] = (
        "negbin negativebinomial negativebinomial2 negbinomial negbinomial2 negbin2 nb nb2 "
        "nbinom nbin nbin2 glmernb negbinp"
    )
    also_called_with_zeros: ClassVar[str] = (
        "zinb zinbinom zinbinom2 zinb2 zinegbin zinegbinomial zeroinflatednegbinomial "
        "zeroinflatednegativebinomial zeroinflatednbinom2 zeroinflatednegativebinomial2"
    )
    _simpler: ClassVar[tuple[str, ...]] = ("poisson",)
    _end: ClassVar[int] = 1

    def excess(self, mu: FloatArray, dispersion: FloatArray) -> FloatArray:
        """``mu / theta``, ``(n,)``."""
        return mu / dispersion

    def derive_logs(
        self, data: Observed, mu: FloatArray, log_mu: FloatArray, log_d: FloatArray, order: int
    ) -> Derivatives:
        """Derivatives in the log mean (0) and log theta (1)."""
        return derive_quadratic_variance(data, mu, log_mu, log_d, order)

    def derivatives_in_mean(self, data: Observed, eta: Predictors) -> Derivatives:
        """Those in the mean, where the gamma functions of the counts are constants."""
        return derive_in_blocks(self._derive_mean_block, data, eta, 2)

    def log_density_in_mean(self, data: Observed, eta: Predictors) -> FloatArray:
        """Log probability without the gamma functions of the counts, ``(n,)``."""
        return derive_in_blocks(self._derive_mean_block, data, eta, 0).value

    def _derive_mean_block(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        return self.derive_held(self._derive_mean, data, eta, order)

    def _derive_mean(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        mu, log_mu, inner = take_log(self.link, eta[0])
        theta = np.exp(eta[1])
        excess, top = mu / theta, data.y + theta
        value = data.y * log_mu - top * np.log1p(excess)
        if order < 1:
            return Derivatives(value, (), {}, {})
        q, p = 1.0 / (1.0 + excess), mu / (mu + theta)
        outer = Derivatives(value, (q * (data.y - mu),), {(0, 0): -top * (p * q)}, {})
        return compose_derivatives(outer, (inner,), order)

    simplest: ClassVar[tuple[int, ...]] = (0, 1)

    def dispersion_start(self, data: Observed) -> float:
        """Moment estimate of theta from the whole response."""
        excess, mean = start_excess(data.y)
        return mean / excess


def hold_lowest(link: Link, eta: FloatArray, rows: BoolArray | bool = True) -> FloatArray:
    """Predictors of means below exp(-230) at that, where such a mean is the limit, ``(n,)``.

    Parameters
    ----------
    link : Link
        The log link has its lower end at infinity, and the square root at a predictor of zero.
    eta : (n,) array
    rows : (n,) bool array, optional
        Rows with the smallest response, whose log density is constant there.
    """
    if link.name == "sqrt":
        near = np.abs(eta) < _LEAST_ROOT
        return np.where(near & rows, np.copysign(_LEAST_ROOT, eta), eta) if near.any() else eta
    if link.name != "log" or not eta.size or eta.min() >= -LOG_MAX:
        return eta
    return np.where(rows, np.maximum(eta, -LOG_MAX), eta)


def hold_ends(log: FloatArray, simplest: int, rows: BoolArray) -> FloatArray:
    """Log dispersions beyond 230 at that, where the density has reached its limit, ``(n,)``.

    Parameters
    ----------
    log : (n,) array
    simplest : {-1, 1}
        Where the family is a Poisson, for every response.
    rows : (n,) bool array
        Counts of zero, which have a limit at the other end too: they are certain.
    """
    if not log.size or np.abs(log).max() <= LOG_MAX:
        return log
    lowest = np.where(rows | (simplest < 0), -LOG_MAX, -np.inf)
    return np.clip(log, lowest, np.where(rows | (simplest > 0), LOG_MAX, np.inf))


def start_excess(y: FloatArray) -> tuple[float, float]:
    """Variance over mean less one, at least 0.05, and the mean, at least 0.1."""
    mean = max(float(np.mean(y)), 0.1)
    return max(float(np.var(y)) / mean - 1.0, 0.05), mean


def derive_quadratic_variance(
    data: Observed,
    mu: FloatArray,
    log_mu: FloatArray,
    log_theta: FloatArray,
    order: int,
    less: float = 0.0,
) -> Derivatives:
    """Derivatives of nbinom2 in the log mean (0) and log theta (1).

    ``less`` over one plus the excess is taken off the first of them.

    With ``A = sum over k < y of log(1 + k / theta)`` the log probability is
    ``A + y log mu - (y + theta) log(1 + mu / theta) - log y!``, in which no term grows with
    theta.
    """
    y, theta = data.y, np.exp(log_theta)
    excess = mu / theta
    log = np.log1p(excess)
    rise = rising_logs(y, theta, order)
    top = y + theta
    value = rise[0] + y * log_mu - top * log + data.constant
    if y.size and y.max() > _LARGE_COUNT:
        value = _near_large_count(value, y, theta, theta * log, 1.0 / excess)
    if order < 1:
        return Derivatives(value, (), {}, {})
    q = 1.0 / (1.0 + excess)
    p = mu / (mu + theta)
    gap = theta * gap_of_share(excess, p, log)
    residual = y - mu
    slope = rise[1] + y * p - gap
    if y.size and y.max() > _LARGE_COUNT:
        slope = np.where(_is_large(y, theta), _count_terms(y, theta) - y * q - gap, slope)
    first = (q * ((y - less) - mu), slope)
    if order < 2:
        return Derivatives(value, first, {}, {})
    product = p * q
    mixed = product * residual
    bend = -top * product
    second = {(0, 0): bend, (0, 1): mixed, (1, 1): rise[2] - gap - mixed}
    if order < 3:
        return Derivatives(value, first, second, {})
    tilt = q - p
    scaled = mu * product
    third = {
        (0, 0, 0): bend * tilt,
        (0, 0, 1): product * (q * (y - 2.0 * mu) - p * y),
        (0, 1, 1): -mixed * tilt,
        (1, 1, 1): rise[3] - gap + scaled + mixed * tilt,
    }
    return Derivatives(value, first, second, third)


def derive_linear_variance(
    data: Observed,
    mu: FloatArray,
    log_mu: FloatArray,
    log_phi: FloatArray,
    order: int,
    less: float = 0.0,
) -> Derivatives:
    """Derivatives of nbinom1 in the log mean (0) and log phi (1).

    ``less`` is taken off the first of them.

    It is nbinom2 with ``theta = mu / phi``, and ``mu / theta`` free of the mean: the log
    probability is ``A + y log mu - (y + theta) log(1 + phi) - log y!``.
    """
    y, phi = data.y, np.exp(log_phi)
    log = np.log1p(phi)
    theta = mu / phi
    rise = rising_logs(y, theta, order)
    zero = mu * log1p_ratio(phi)
    value = rise[0] + y * (log_mu - log) - zero + data.constant
    if y.size and y.max() > _LARGE_COUNT:
        value = _near_large_count(value, y, theta, zero, 1.0 / phi)
    if order < 1:
        return Derivatives(value, (), {}, {})
    q = 1.0 / (1.0 + phi)
    p = phi * q
    gap = theta * gap_of_share(phi, p, log)
    first = (rise[1] + (y - less) - zero, gap - rise[1] - y * p)
    if y.size and y.max() > _LARGE_COUNT:
        large, terms = _is_large(y, theta), _count_terms(y, theta)
        first = (
            np.where(large, terms - less - zero, first[0]),
            np.where(large, gap - terms + y * q, first[1]),
        )
    if order < 2:
        return Derivatives(value, first, {}, {})
    product = y * p * q
    square = theta * p * p
    below = square - gap
    second = {
        (0, 0): rise[2] - zero,
        (0, 1): gap - rise[2],
        (1, 1): rise[2] - product + below,
    }
    if order < 3:
        return Derivatives(value, first, second, {})
    third = {
        (0, 0, 0): rise[3] - zero,
        (0, 0, 1): gap - rise[3],
        (0, 1, 1): rise[3] + below,
        (1, 1, 1): gap - rise[3] - product * (q - p) - 2.0 * square * p,
    }
    return Derivatives(value, first, second, third)


def _is_large(y: FloatArray, theta: FloatArray) -> BoolArray:
    """Counts so large, by themselves and beside theta, that differences of their size cancel."""
    large: BoolArray = (y > _LARGE_COUNT) & (y > _LARGE_SHARE * theta)
    return large


def _near_large_count(
    value: FloatArray, y: FloatArray, theta: FloatArray, zero: FloatArray, odds: FloatArray
) -> FloatArray:
    """Log probability, with large counts in a form in which terms of ``y log y`` do not cancel.

    ``-log B(theta, y) - log y - zero - y log(1 + odds)``, where zero is minus log P(0) and the
    odds are theta over the mean. The beta function has an asymptotic series there.
    """
    large = y > _LARGE_COUNT * np.maximum(theta, 1.0)
    count = np.where(large, y, 1.0)
    near = -special.betaln(theta, count) - np.log(count) - zero - count * np.log1p(odds)
    return np.where(large, near, value)


def _count_terms(y: FloatArray, theta: FloatArray) -> FloatArray:
    """``sum over k < y of theta / (theta + k)``: y plus the derivative of A, ``(n,)``."""
    return theta * (special.digamma(y + theta) - special.digamma(theta))
