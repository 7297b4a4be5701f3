"""Families of a real response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from scipy import special

from mixcheck.arrays import FloatArray
from mixcheck.families.chain_rule import compose_derivatives, compose_expected, take_mean
from mixcheck.families.derivatives import Derivatives, Expected, Predictors, mask_derivatives
from mixcheck.families.responses import Observed
from mixcheck.families.template import Template

__all__ = ["Gaussian"]

_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
LOG_SD_MAX = 300.0
LARGEST_RESIDUAL = 1e100
"""Within these two bounds, log sd and standardised residual, every derivative is a float."""


@final
@dataclass(frozen=True, init=False, repr=False)
class Gaussian(Template):
    """Normal response; predictors are the mean and the log standard deviation.

    Parameters
    ----------
    link : {"identity", "log", "inverse"} or Link
        Link of the mean. That of the standard deviation is the logarithm.

    Raises
    ------
    FamilyError
        If the family does not have the link.

    Examples
    --------
    >>> import numpy as np
    >>> from mixcheck.families import Gaussian
    >>> family = Gaussian()
    >>> data = family.prepare([1.0, 2.0])
    >>> family.log_density(data, (np.ones(2), np.zeros(2))).round(4)
    array([-0.9189, -1.4189])
    """

    name: ClassVar[str] = "gaussian"
    allowed_links: ClassVar[tuple[str, ...]] = ("identity", "log", "inverse")
    precision_power: ClassVar[float | None] = -0.5
    unit_range: ClassVar[tuple[float, float]] = (1e-125, 1e125)
    normal_error: ClassVar[bool] = True
    alike: ClassVar[tuple[str, ...]] = ("t",)
    alike_if_positive: ClassVar[tuple[str, ...]] = ("gamma", "lognormal")
    also_called: ClassVar[str] = "normal lm lmer norm identity"

    def constant(self, y: FloatArray) -> FloatArray:
        """Log density of a standard normal at its mean, ``(n,)``."""
        return np.full(y.shape, -_HALF_LOG_2PI)

    def add_normal(self, eta: Predictors, variance: FloatArray) -> Predictors | None:
        """With the identity link the sum of two normal distributions is one."""
        if self.link.name != "identity":
            return None
        return eta[0], 0.5 * np.log(np.exp(2.0 * eta[1]) + variance)

    def log_deviation(self, y: FloatArray, eta: Predictors) -> FloatArray | None:
        """Log of the standard deviation, ``(n,)``."""
        return eta[1]

    def response_scale(self, y: FloatArray) -> float:
        """Standard deviation of the responses, or their size where they do not vary."""
        return measure_unit(y)

    def derive(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log density and its derivatives in both predictors."""
        scale, clipped = _inverse_sd(eta[1])
        mu, inner = take_mean(self.link, eta[0])
        residual = data.y - mu
        residual *= scale
        if clipped or _exceeds(residual, LARGEST_RESIDUAL):
            inside = (np.abs(residual) <= LARGEST_RESIDUAL) & (np.abs(eta[1]) <= LOG_SD_MAX)
            harmless = tuple(np.where(inside, e, 1.0) for e in eta)
            shown = Observed(np.where(inside, data.y, 0.0), None, data.constant)
            return mask_derivatives(self.derive(shown, harmless, order), inside)
        outer = _normal_derivatives(data.constant - eta[1], residual, scale, order)
        return compose_derivatives(outer, (inner, None), order)

    def expected(self, data: Observed, eta: Predictors) -> Expected:
        """Expected information: ``1 / sd^2`` for the mean, 2 for the log sd."""
        scale, _ = _inverse_sd(eta[1])
        precision = scale * scale
        _, inner = take_mean(self.link, eta[0])
        information = {(0, 0): precision, (1, 1): np.full_like(precision, 2.0)}
        return compose_expected(information, {((0, 0), 1): -2.0 * precision}, (inner, None))

    def variance(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Squared standard deviation, ``(n,)``."""
        return np.exp(2.0 * np.minimum(eta[1], LOG_SD_MAX))

    def cumulate(self, y: FloatArray, eta: Predictors, size: FloatArray | None) -> FloatArray:
        """Probability of ``y`` or less, ``(n,)``."""
        scale, _ = _inverse_sd(eta[1])
        return special.ndtr((y - self.link.inverse(eta[0])) * scale)

    def survival(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of more than ``y``, ``(n,)``."""
        scale, _ = _inverse_sd(eta[1])
        return special.ndtr((self.link.inverse(eta[0]) - y) * scale)

    def sample(
        self, eta: Predictors, size: FloatArray | None, rng: np.random.Generator
    ) -> FloatArray:
        """One draw, ``(n,)``."""
        mu = self.link.inverse(eta[0])
        return mu + np.exp(np.minimum(eta[1], LOG_SD_MAX)) * rng.standard_normal(mu.shape)

    def start(self, data: Observed) -> FloatArray:
        """The response itself, raised to a positive number for other links, ``(n,)``."""
        return data.y if self.link.name == "identity" else raise_to_positive(data.y)

    def dispersion_start(self, data: Observed) -> float:
        """Standard deviation of the response, or 1 where it does not vary."""
        return float(np.std(data.y)) or 1.0


def measure_unit(y: FloatArray) -> float:
    """Standard deviation of numbers, or their size where they do not vary; one where all are 0."""
    largest = float(np.abs(y).max())
    return largest * float((y / largest).std()) or largest if largest > 0.0 else 1.0


def raise_to_positive(y: FloatArray) -> FloatArray:
    """Numbers raised to a tenth of their mean size, whatever their unit, ``(n,)``."""
    return np.maximum(y, 0.1 * float(np.mean(np.abs(y))) or 1.0)


def _exceeds(values: FloatArray, bound: float) -> bool:
    return values.size > 0 and bool(max(-values.min(), values.max()) > bound)


def _inverse_sd(log_sd: FloatArray) -> tuple[FloatArray, bool]:
    """``1 / sd`` held inside the floats, and whether any of it had to be."""
    if _exceeds(log_sd, LOG_SD_MAX):
        return np.exp(-np.clip(log_sd, -LOG_SD_MAX, LOG_SD_MAX)), True
    return np.exp(-log_sd), False


def _normal_derivatives(
    value: FloatArray, residual: FloatArray, scale: FloatArray, order: int
) -> Derivatives:
    """Derivatives in the mean (0) and the log standard deviation (1).

    ``value`` is the log density of a zero residual, and is completed in place; ``residual``
    is standardised, ``scale`` one over the standard deviation.
    """
    square = residual * residual
    value -= 0.5 * square
    if order < 1:
        return Derivatives(value, (), {}, {})
    residual *= scale
    slope = residual
    first = (slope, square - 1.0)
    if order < 2:
        return Derivatives(value, first, {}, {})
    precision = scale * scale
    second = {(0, 0): -precision, (0, 1): -2.0 * slope, (1, 1): -2.0 * square}
    if order < 3:
        return Derivatives(value, first, second, {})
    third = {(0, 0, 1): 2.0 * precision, (0, 1, 1): 4.0 * slope, (1, 1, 1): 4.0 * square}
    return Derivatives(value, first, second, third)
