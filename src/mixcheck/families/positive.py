"""Families of a positive real response: gamma and log-normal."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from scipy import special

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.families.bounds import LOG_MAX, find_inside, hold_exp
from mixcheck.families.chain_rule import compose_expected, take_log
from mixcheck.families.derivatives import Derivatives, Expected, Predictors
from mixcheck.families.responses import Observed
from mixcheck.families.special import log_gap, stirling_errors
from mixcheck.families.template import LogMeanTemplate

__all__ = ["Gamma", "LogNormal", "Positive"]

_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
LOG_CV_MIN = -100.0
"""Smallest logarithm of standard deviation over mean whose square can be cubed and divided by."""
_NEAR = 0.25


@dataclass(frozen=True, init=False, repr=False)
class Positive(LogMeanTemplate):
    """What the families on the positive half line share: all but the density."""

    allowed_links: ClassVar[tuple[str, ...]] = ("log", "inverse", "identity")
    zero_part: ClassVar[Literal["inflation", "hurdle"] | None] = "hurdle"
    support: ClassVar[tuple[str, str]] = (
        "be positive",
        'For a response with zeros write a zero part, zi=..; for reals family="gaussian".',
    )

    @abstractmethod
    def is_float(self, y: FloatArray, mu: FloatArray, log_d: FloatArray) -> BoolArray:
        """Where every derivative is a float, given a mean inside its domain, ``(n,)``."""

    @abstractmethod
    def expect_logs(self, log_mu: FloatArray, log_d: FloatArray) -> Expected:
        """Expected information in the same, and its derivatives in them."""

    def contains(self, y: FloatArray) -> BoolArray:
        """Whether a response is positive, ``(n,)``."""
        return np.asarray(y > 0.0)

    def constant(self, y: FloatArray) -> FloatArray:
        """``-log y - log(2 pi) / 2``, ``(n,)``."""
        return np.asarray(-np.log(y) - _HALF_LOG_2PI)

    def find_inside(self, data: Observed, eta: Predictors) -> BoolArray:
        """Where the mean is positive and every derivative a float, ``(n,)``."""
        inside = find_inside(self.link, eta)
        mu = np.where(inside, self.link.inverse(eta[0]), 1.0)
        inside &= self.is_float(data.y, mu, eta[1])
        return inside

    def log_deviation(self, y: FloatArray, eta: Predictors) -> FloatArray | None:
        """Log of the coefficient of variation, ``(n,)``."""
        return -0.5 * eta[1]

    def expected(self, data: Observed, eta: Predictors) -> Expected:
        """Expected information, in closed form."""
        inside = find_inside(self.link, eta)
        safe = tuple(np.where(inside, e, 1.0) for e in eta)
        _, log_mu, inner = take_log(self.link, safe[0])
        return compose_expected(*self.expect_logs(log_mu, safe[1]), (inner, None))


@final
@dataclass(frozen=True, init=False, repr=False)
class Gamma(Positive):
    """Gamma response; predictors are the mean and the log of the shape.

    Parameters
    ----------
    link : {"log", "inverse", "identity"} or Link
        Link of the mean. Where it gives no positive mean the log density is ``-inf``.

    Raises
    ------
    FamilyError
        If the family does not have the link.

    Notes
    -----
    The variance is ``mu^2 / shape``. As in glmmTMB the dispersion predictor (``betad``) is the
    log of the shape, so that more of it is less variation; glmmTMB's ``sigma()`` is the
    coefficient of variation ``shape^(-1/2)``.

    Examples
    --------
    >>> import numpy as np
    >>> from mixcheck.families import Gamma
    >>> family = Gamma()
    >>> data = family.prepare([1.0])
    >>> family.log_density(data, (np.zeros(1), np.zeros(1)))  # the exponential distribution
    array([-1.])
    """

    name: ClassVar[str] = "gamma"
    alike: ClassVar[tuple[str, ...]] = ("lognormal",)
    dispersion_elsewhere: ClassVar[str] = "alpha"
    also_called: ClassVar[str] = "gammafamily"
    also_called_with_zeros: ClassVar[str] = "zigamma hurdlegamma"
    precision_power: ClassVar[float | None] = 1.0

    def derive_logs(
        self, data: Observed, mu: FloatArray, log_mu: FloatArray, log_d: FloatArray, order: int
    ) -> Derivatives:
        """Derivatives in the log mean (0) and the log shape (1)."""
        return _gamma_derivatives(data, mu, log_mu, log_d, order)

    def is_float(self, y: FloatArray, mu: FloatArray, log_d: FloatArray) -> BoolArray:
        """Where the response is not beyond ``exp(230)`` means."""
        return np.asarray(np.log(y) - np.log(mu) < LOG_MAX)

    def expect_logs(self, log_mu: FloatArray, log_d: FloatArray) -> Expected:
        """``shape`` in the log mean, ``shape^2 trigamma(shape) - shape`` in the log shape."""
        shape = np.exp(log_d)
        errors = stirling_errors(shape, 3)
        information = {(0, 0): shape, (1, 1): 0.5 - errors[1] + errors[2]}
        slopes = {((0, 0), 1): shape, ((1, 1), 1): errors[3] - errors[2]}
        return information, slopes

    def variance(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Variance ``mu^2 / shape``, ``(n,)``."""
        mu = self.link.inverse(eta[0])
        return mu * mu / hold_exp(eta[1])

    def cumulate(self, y: FloatArray, eta: Predictors, size: FloatArray | None) -> FloatArray:
        """Probability of ``y`` or less, ``(n,)``."""
        shape = hold_exp(eta[1])
        return special.gammainc(shape, shape * np.maximum(y, 0.0) / self.link.inverse(eta[0]))

    def survival(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of more than ``y``, ``(n,)``."""
        shape = hold_exp(eta[1])
        return special.gammaincc(shape, shape * np.maximum(y, 0.0) / self.link.inverse(eta[0]))

    def sample(
        self, eta: Predictors, size: FloatArray | None, rng: np.random.Generator
    ) -> FloatArray:
        """One draw, ``(n,)``."""
        shape = hold_exp(eta[1])
        return self.link.inverse(eta[0]) * rng.standard_gamma(shape) / shape

    def dispersion_start(self, data: Observed) -> float:
        """Squared mean over variance of the response, from 0.1 to 1000."""
        variance = float(np.var(data.y))
        mean = float(np.mean(data.y))
        return float(np.clip(mean * mean / variance, 0.1, 1e3)) if variance > 0.0 else 1e3


@final
@dataclass(frozen=True, init=False, repr=False)
class LogNormal(Positive):
    """Log-normal response; predictors are the mean and the log standard deviation of itself.

    Parameters
    ----------
    link : {"log", "inverse", "identity"} or Link
        Link of the mean. Where it gives no positive mean the log density is ``-inf``.

    Raises
    ------
    FamilyError
        If the family does not have the link.

    Notes
    -----
    Both parameters are on the scale of the data, as in glmmTMB: the logarithm of the response
    is normal with variance ``v = log(1 + sd^2 / mu^2)`` and mean ``log mu - v / 2``.

    Examples
    --------
    >>> import numpy as np
    >>> from mixcheck.families import LogNormal
    >>> family = LogNormal()
    >>> family.variance((np.log([5.0]), np.log([3.0]))).round(12)
    array([9.])
    """

    name: ClassVar[str] = "lognormal"
    alike: ClassVar[tuple[str, ...]] = ("gamma",)
    also_called: ClassVar[str] = "lnorm logn"
    also_called_with_zeros: ClassVar[str] = "hurdlelognormal zilognormal"

    def log_deviation(self, y: FloatArray, eta: Predictors) -> FloatArray | None:
        """Log of the standard deviation over the mean, ``(n,)``."""
        mean = self.link.inverse(eta[0])
        return eta[1] - np.log(np.where(mean > 0.0, mean, np.inf))

    def derive_logs(
        self, data: Observed, mu: FloatArray, log_mu: FloatArray, log_d: FloatArray, order: int
    ) -> Derivatives:
        """Derivatives in the log mean (0) and the log standard deviation (1)."""
        return _lognormal_derivatives(data, mu, log_mu, log_d, order)

    def is_float(self, y: FloatArray, mu: FloatArray, log_d: FloatArray) -> BoolArray:
        """Where the standard deviation is not below ``exp(-100)`` means."""
        return np.asarray(log_d - np.log(mu) > LOG_CV_MIN)

    def expect_logs(self, log_mu: FloatArray, log_d: FloatArray) -> Expected:
        """Those of the normal distribution of the logarithm, turned."""
        return _lognormal_information(log_mu, log_d)

    def variance(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Variance, the square of the standard deviation, ``(n,)``."""
        return np.exp(2.0 * np.clip(eta[1], -LOG_MAX, LOG_MAX))

    def cumulate(self, y: FloatArray, eta: Predictors, size: FloatArray | None) -> FloatArray:
        """Probability of ``y`` or less, ``(n,)``."""
        center, deviation = self._normal(eta)
        with np.errstate(divide="ignore"):
            log = np.log(np.maximum(y, 0.0))
        return special.ndtr((log - center) / deviation)

    def survival(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of more than ``y``, ``(n,)``."""
        center, deviation = self._normal(eta)
        with np.errstate(divide="ignore"):
            log = np.log(np.maximum(y, 0.0))
        return special.ndtr((center - log) / deviation)

    def sample(
        self, eta: Predictors, size: FloatArray | None, rng: np.random.Generator
    ) -> FloatArray:
        """One draw, ``(n,)``."""
        center, deviation = self._normal(eta)
        return np.exp(center + deviation * rng.standard_normal(center.shape))

    def _normal(self, eta: Predictors) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of the logarithm."""
        log_mu = np.log(self.link.inverse(eta[0]))
        variance = np.logaddexp(0.0, 2.0 * (np.clip(eta[1], -LOG_MAX, LOG_MAX) - log_mu))
        return log_mu - 0.5 * variance, np.sqrt(variance)

    def dispersion_start(self, data: Observed) -> float:
        """Standard deviation of the response, or its mean where it does not vary."""
        return float(np.std(data.y)) or float(np.mean(data.y))


def _gamma_derivatives(
    data: Observed, mu: FloatArray, log_mu: FloatArray, log_shape: FloatArray, order: int
) -> Derivatives:
    """Derivatives in the log mean (0) and the log shape ``s`` (1).

    With ``z = y / mu - 1`` the log density is
    ``-shape (z - log(1 + z)) + s / 2 - delta(shape) - log y - log(2 pi) / 2``, with Stirling's
    error delta, in which nothing cancels for a large shape.
    """
    shape = np.exp(log_shape)
    residual = (data.y - mu) / mu
    gap = shape * log_gap(residual, np.log(data.y) - log_mu)
    errors = stirling_errors(shape, order)
    value = data.constant + 0.5 * log_shape - gap - errors[0]
    if order < 1:
        return Derivatives(value, (), {}, {})
    slope = shape * residual
    first = (slope, 0.5 - gap - errors[1])
    if order < 2:
        return Derivatives(value, first, {}, {})
    ratio = shape * (data.y / mu)
    second = {(0, 0): -ratio, (0, 1): slope, (1, 1): -gap - errors[2]}
    if order < 3:
        return Derivatives(value, first, second, {})
    third = {(0, 0, 0): ratio, (0, 0, 1): -ratio, (0, 1, 1): slope, (1, 1, 1): -gap - errors[3]}
    return Derivatives(value, first, second, third)


def _lognormal_derivatives(
    data: Observed, mu: FloatArray, log_mu: FloatArray, log_sd: FloatArray, order: int
) -> Derivatives:
    """Derivatives in the log mean (0) and the log standard deviation (1).

    With ``w = log(y / mu)`` and v the variance of the logarithm, the log density is
    ``-log(2 pi v) / 2 - w^2 / (2 v) - w / 2 - v / 8 - log y``.
    """
    far = np.log(data.y) - log_mu
    near = np.abs(far) < _NEAR
    w = np.where(near, np.log1p(np.where(near, data.y - mu, 0.0) / mu), far)
    log_ratio = 2.0 * (log_sd - log_mu)
    v = np.logaddexp(0.0, log_ratio)
    value = data.constant - 0.5 * np.log(v) - 0.5 * w * w / v - 0.5 * w - 0.125 * v
    if order < 1:
        return Derivatives(value, (), {}, {})
    u = w / v
    square = u * u
    share, rest = special.expit(log_ratio), special.expit(-log_ratio)
    a = share / v
    by_v = 0.5 * v * square - 0.5 - 0.125 * v
    first_c = a * by_v
    first = (u + 0.5 - 2.0 * first_c, 2.0 * first_c)
    if order < 2:
        return Derivatives(value, first, {}, {})
    by_vv = 0.5 - v * square
    cross = -a * u
    bend = a * a * by_vv + first_c * rest
    second = {
        (0, 0): -1.0 / v - 4.0 * cross + 4.0 * bend,
        (0, 1): 2.0 * cross - 4.0 * bend,
        (1, 1): 4.0 * bend,
    }
    if order < 3:
        return Derivatives(value, first, second, {})
    ttc = a / v
    tcc = 2.0 * a * a * u - a * u * rest
    ccc = (
        a * a * a * (3.0 * v * square - 1.0)
        + 3.0 * a * a * by_vv * rest
        + first_c * rest * (rest - share)
    )
    third = {
        (0, 0, 0): -6.0 * ttc + 12.0 * tcc - 8.0 * ccc,
        (0, 0, 1): 2.0 * ttc - 8.0 * tcc + 8.0 * ccc,
        (0, 1, 1): 4.0 * tcc - 8.0 * ccc,
        (1, 1, 1): 8.0 * ccc,
    }
    return Derivatives(value, first, second, third)


def _lognormal_information(log_mu: FloatArray, log_sd: FloatArray) -> Expected:
    """Expected information in the log mean and log standard deviation, with its slopes.

    It depends on ``c = 2 (log sd - log mu)`` only.
    """
    log_ratio = 2.0 * np.maximum(log_sd - log_mu, LOG_CV_MIN)
    v = np.logaddexp(0.0, log_ratio)
    share, rest = special.expit(log_ratio), special.expit(-log_ratio)
    a = share / v
    mean, cross = 1.0 / v, -0.5 * a
    bend = a * a * (0.5 + 0.25 * v)
    d_mean = -a / v
    d_cross = -0.5 * a * (rest - a)
    d_bend = 2.0 * bend * (rest - a) + 0.25 * a * a * share
    values = _turn(mean, cross, bend)
    slopes = {}
    for pair, change in _turn(d_mean, d_cross, d_bend).items():
        slopes[pair, 0] = -2.0 * change
        slopes[pair, 1] = 2.0 * change
    return values, slopes


def _turn(
    mean: FloatArray, cross: FloatArray, bend: FloatArray
) -> dict[tuple[int, int], FloatArray]:
    """From coordinates (log mu, c) to (log mu, log sd)."""
    return {
        (0, 0): mean - 4.0 * cross + 4.0 * bend,
        (0, 1): 2.0 * cross - 4.0 * bend,
        (1, 1): 4.0 * bend,
    }
