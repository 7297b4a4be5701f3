"""The beta family: proportions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from scipy import special

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.families.beta_shapes import (
    LINKS,
    differentiate_shares,
    find_inside,
    shapes_of,
)
from mixcheck.families.bounds import hold_exp
from mixcheck.families.derivatives import Derivatives, Expected, Predictors
from mixcheck.families.links import ProbabilityLink
from mixcheck.families.responses import Observed
from mixcheck.families.special import Column, log_gap, stirling_errors
from mixcheck.families.tails import Tail
from mixcheck.families.template import Template

__all__ = ["Beta"]

_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)


@final
@dataclass(frozen=True, init=False, repr=False)
class Beta(Template):
    """Proportions strictly between 0 and 1; predictors are the mean and the log precision.

    Parameters
    ----------
    link : {"logit", "probit", "cloglog", "cauchit"} or Link
        Link of the mean.

    Raises
    ------
    FamilyError
        If the family does not have the link.

    Notes
    -----
    Shapes are ``mu phi`` and ``(1 - mu) phi``, and the variance ``mu (1 - mu) / (1 + phi)``
    (Ferrari & Cribari-Neto 2004), as in glmmTMB.

    Examples
    --------
    >>> import numpy as np
    >>> from mixcheck.families import Beta
    >>> family = Beta()
    >>> data = family.prepare([0.3])
    >>> family.log_density(data, (np.zeros(1), np.log([2.0]))).round(12) + 0.0  # uniform
    array([0.])
    """

    link: ProbabilityLink

    name: ClassVar[str] = "beta"
    dispersion_elsewhere: ClassVar[str] = "kappa"
    mean_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    harmless: ClassVar[float] = 0.5
    zero_part: ClassVar[Literal["inflation", "hurdle"] | None] = "hurdle"
    also_called: ClassVar[str] = "betafamily betar betaregression"
    also_called_with_zeros: ClassVar[str] = "zibeta zeroinflatedbeta hurdlebeta"
    support: ClassVar[tuple[str, str]] = (
        "lie strictly between 0 and 1",
        "For zeros write a zero part, zi=..; for counts out of trials successes / trials "
        'with family="betabinomial".',
    )
    allowed_links: ClassVar[tuple[str, ...]] = LINKS

    def contains(self, y: FloatArray) -> BoolArray:
        """Whether a response lies strictly between 0 and 1, ``(n,)``."""
        return np.asarray((y > 0.0) & (y < 1.0))

    def constant(self, y: FloatArray) -> FloatArray:
        """``-log(y (1 - y)) - log(2 pi) / 2``, ``(n,)``."""
        return np.asarray(-np.log(y) - np.log1p(-y) - _HALF_LOG_2PI)

    def find_inside(self, data: Observed, eta: Predictors) -> BoolArray:
        """Where both shapes and the precision are floats, ``(n,)``."""
        return find_inside(self.link, eta)

    def derive(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log density and its derivatives in predictors that are inside the domain."""
        return _beta_derivatives(data, self.link.log_tails(eta[0], order), eta[1], order)

    def log_deviation(self, y: FloatArray, eta: Predictors) -> FloatArray | None:
        """Minus half the log precision, ``(n,)``."""
        return -0.5 * eta[1]

    def expected(self, data: Observed, eta: Predictors) -> Expected:
        """Expected information, in closed form."""
        inside = find_inside(self.link, eta)
        safe = tuple(np.where(inside, e, 1.0) for e in eta)
        return _beta_information(self.link.log_tails(safe[0], 2), safe[1])

    def variance(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Variance, ``(n,)``."""
        p, q = self.link.log_tails(eta[0], 0)
        return np.exp(p[0] + q[0]) / (1.0 + hold_exp(eta[1]))

    def cumulate(self, y: FloatArray, eta: Predictors, size: FloatArray | None) -> FloatArray:
        """Probability of ``y`` or less, ``(n,)``."""
        alpha, beta = shapes_of(self.link, eta)
        inside = np.minimum(np.maximum(y, 0.0), 1.0)
        return np.asarray(special.betainc(alpha, beta, inside), dtype=np.float64)

    def survival(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of more than ``y``, ``(n,)``."""
        alpha, beta = shapes_of(self.link, eta)
        inside = np.minimum(np.maximum(y, 0.0), 1.0)
        return np.asarray(special.betaincc(alpha, beta, inside), dtype=np.float64)

    def sample(
        self, eta: Predictors, size: FloatArray | None, rng: np.random.Generator
    ) -> FloatArray:
        """One draw, ``(n,)``; what rounds to 0 or 1 is given as the nearest number inside."""
        draws = rng.beta(*shapes_of(self.link, eta))
        return np.minimum(np.maximum(draws, 2.0**-1022), 1.0 - 2.0**-53)

    def dispersion_start(self, data: Observed) -> float:
        """Moment estimate of the precision from the whole response, from 0.5 to 1000."""
        mean, variance = float(np.mean(data.y)), float(np.var(data.y))
        if variance <= 0.0:
            return 1e3
        return float(np.clip(mean * (1.0 - mean) / variance - 1.0, 0.5, 1e3))


def _beta_derivatives(
    data: Observed, tails: tuple[Tail, Tail], log_phi: FloatArray, order: int
) -> Derivatives:
    """Derivatives in eta (0) and log phi (1).

    Stirling's main terms make ``-phi`` times a divergence of y from mu, which is written as two
    gaps ``z - log(1 + z)``; his errors make the rest.
    """
    u, v = tails
    log_a, log_b = u[0] + log_phi, v[0] + log_phi
    alpha, beta, phi = np.exp(log_a), np.exp(log_b), np.exp(log_phi)
    rest = differentiate_shares(
        _half_less(log_a, stirling_errors(alpha, order), 1.0),
        _half_less(log_b, stirling_errors(beta, order), 1.0),
        _half_less(log_phi, stirling_errors(phi, order), -1.0),
        tails,
    )
    log_y, log_rest = np.log(data.y), np.log1p(-data.y)
    mu, nu = np.exp(u[0]), np.exp(v[0])
    residual = np.where(data.y < 0.5, data.y - mu, nu - (1.0 - data.y))
    main = -alpha * log_gap(residual / mu, log_y - u[0])
    main -= beta * log_gap(-residual / nu, log_rest - v[0])
    value = main + rest.value + data.constant
    if order < 1:
        return Derivatives(value, (), {}, {})
    distance = (log_y - log_rest) - (u[0] - v[0])
    pull = alpha * u[1] * distance
    first = (rest.first[0] + pull, rest.first[1] + main)
    if order < 2:
        return Derivatives(value, first, {}, {})
    odds = u[1] - v[1]
    mu2 = u[2] + u[1] * u[1]
    bend = alpha * (mu2 * distance - u[1] * odds)
    second = {
        (0, 0): rest.second[0, 0] + bend,
        (0, 1): rest.second[0, 1] + pull,
        (1, 1): rest.second[1, 1] + main,
    }
    if order < 3:
        return Derivatives(value, first, second, {})
    mu3 = u[3] + u[1] * (3.0 * u[2] + u[1] * u[1])
    last = alpha * (mu3 * distance - 2.0 * mu2 * odds - u[1] * (u[2] - v[2]))
    third = {
        (0, 0, 0): rest.third[0, 0, 0] + last,
        (0, 0, 1): rest.third[0, 0, 1] + bend,
        (0, 1, 1): rest.third[0, 1, 1] + pull,
        (1, 1, 1): rest.third[1, 1, 1] + main,
    }
    return Derivatives(value, first, second, third)


def _half_less(log: FloatArray, errors: Column, sign: float) -> Column:
    """``sign (log / 2 - delta)`` and its derivatives."""
    value, *slopes = errors
    halves = (0.5, 0.0, 0.0)
    changes = (sign * (half - slope) for half, slope in zip(halves, slopes, strict=False))
    return (sign * (0.5 * log - value), *changes)


def _beta_information(tails: tuple[Tail, Tail], log_phi: FloatArray) -> Expected:
    """Expected information, with ``x^2 trigamma(x) = x + W(x)`` for each shape.

    The parts linear in the shapes cancel but in the mean, where they stay as
    ``alpha u'^2 + beta v'^2``.
    """
    u, v = tails
    alpha, beta, phi = (np.exp(x) for x in (u[0] + log_phi, v[0] + log_phi, log_phi))
    (wa, sa), (wb, sb), (wm, sm) = (_excess_trigamma(x) for x in (alpha, beta, phi))
    u1, v1 = u[1], v[1]
    information = {
        (0, 0): u1 * u1 * (alpha + wa) + v1 * v1 * (beta + wb),
        (0, 1): u1 * wa + v1 * wb,
        (1, 1): wa + wb - wm,
    }
    by_mean = (
        2.0 * u1 * u[2] * (alpha + wa)
        + u1 * u1 * u1 * (alpha + sa)
        + 2.0 * v1 * v[2] * (beta + wb)
        + v1 * v1 * v1 * (beta + sb)
    )
    mixed = u[2] * wa + u1 * u1 * sa + v[2] * wb + v1 * v1 * sb
    slopes = {
        ((0, 0), 0): by_mean,
        ((0, 0), 1): u1 * u1 * (alpha + sa) + v1 * v1 * (beta + sb),
        ((0, 1), 0): mixed,
        ((0, 1), 1): u1 * sa + v1 * sb,
        ((1, 1), 0): u1 * sa + v1 * sb,
        ((1, 1), 1): sa + sb - sm,
    }
    return information, slopes


def _excess_trigamma(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``x^2 trigamma(x) - x`` and its derivative in ``log x``, each ``(n,)``."""
    errors = stirling_errors(x, 3)
    return 0.5 + errors[2] - errors[1], errors[3] - errors[2]
