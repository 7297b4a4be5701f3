"""Link functions: from a mean to a linear predictor and back.

``link`` maps a mean to the predictor, ``inverse`` maps it back, and ``derivatives``
gives the inverse with its first three derivatives. Links whose inverse is a
probability also give the logarithms of both tails, log F and log(1 - F), with
their derivatives; nothing there is computed as a difference of nearly equal numbers.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, TypeAlias, final

import numpy as np
from scipy import special

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.errors import FamilyError

__all__ = [
    "Cauchit",
    "Cloglog",
    "Identity",
    "Inverse",
    "Link",
    "Log",
    "Logit",
    "ProbabilityLink",
    "Probit",
    "Sqrt",
    "Tail",
    "get_link",
]

Tail: TypeAlias = tuple[FloatArray, ...]
"""A log probability and its derivatives in eta: ``order + 1`` arrays of shape ``(n,)``."""

EXP_MAX = 700.0
"""Largest argument of an exponential that leaves room for a product."""
SMALLEST = 1e-100
"""Smallest probability whose reciprocal can be cubed."""


@dataclass(frozen=True)
class Link(ABC):
    """A monotone map from the mean of a response to its linear predictor."""

    name: ClassVar[str]
    bounds: ClassVar[tuple[float, float]] = (-np.inf, np.inf)

    def link(self, mu: FloatArray) -> FloatArray:
        """Linear predictor of a mean.

        Parameters
        ----------
        mu : (n,) array
            Means; the ends of the domain map to the limits of the predictor.

        Returns
        -------
        (n,) array

        Raises
        ------
        FamilyError
            If a mean is not a number or lies outside the domain of the link.

        Examples
        --------
        >>> import numpy as np
        >>> from mixcheck.families import Logit
        >>> Logit().link(np.array([0.5]))
        array([0.])
        """
        values = np.asarray(mu, dtype=np.float64)
        _require_bounds(values, self.bounds, self.name)
        with np.errstate(divide="ignore"):
            return self._transform(values)

    @abstractmethod
    def _transform(self, mu: FloatArray) -> FloatArray:
        """Linear predictor of means already known to be inside the bounds."""

    @abstractmethod
    def inverse(self, eta: FloatArray) -> FloatArray:
        """Mean of a linear predictor, ``(n,)`` to ``(n,)``."""

    @abstractmethod
    def derivatives(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Inverse link and its first three derivatives in ``eta``, each ``(n,)``."""


@dataclass(frozen=True)
class ProbabilityLink(Link):
    """A link whose inverse is a probability, at least on part of the line."""

    @abstractmethod
    def log_tails(self, eta: FloatArray, order: int) -> tuple[Tail, Tail]:
        """Log F and log(1 - F) with their derivatives in ``eta``.

        Parameters
        ----------
        eta : (n,) array
            Linear predictors.
        order : {0, 1, 2, 3}
            Number of derivatives.

        Returns
        -------
        p, q : tuples of ``order + 1`` arrays of shape (n,)
            Log F, then its derivatives, and the same for log(1 - F). Where ``eta`` gives
            no probability, or a log probability below the range of the floats, the logarithm
            is ``-inf`` and its derivatives are zero.
        """


@final
@dataclass(frozen=True)
class Logit(ProbabilityLink):
    """Log odds: ``eta = log(mu / (1 - mu))``."""

    name: ClassVar[str] = "logit"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def _transform(self, mu: FloatArray) -> FloatArray:
        return special.logit(mu)

    def inverse(self, eta: FloatArray) -> FloatArray:
        """Logistic function, ``(n,)`` to ``(n,)``."""
        return special.expit(eta)

    def derivatives(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Logistic function and its first three derivatives, each ``(n,)``."""
        small = np.exp(-np.abs(eta))
        large = 1.0 / (1.0 + small)
        small *= large
        density = small * large
        mu2 = -density * np.tanh(0.5 * eta)
        return np.where(eta < 0, small, large), density, mu2, density * (1.0 - 6.0 * density)

    def log_tails(self, eta: FloatArray, order: int) -> tuple[Tail, Tail]:
        """Log F and log(1 - F) with derivatives; see `ProbabilityLink.log_tails`."""
        return _reflect_tails(eta, *_logistic_tails(np.abs(eta), order))


@final
@dataclass(frozen=True)
class Probit(ProbabilityLink):
    """Normal quantile: ``mu`` is the standard normal distribution function of ``eta``."""

    name: ClassVar[str] = "probit"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def _transform(self, mu: FloatArray) -> FloatArray:
        return special.ndtri(mu)

    def inverse(self, eta: FloatArray) -> FloatArray:
        """Normal distribution function, ``(n,)`` to ``(n,)``."""
        return special.ndtr(eta)

    def derivatives(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Normal distribution function and its first three derivatives, each ``(n,)``."""
        x = np.clip(eta, -40.0, 40.0)  # the density underflows to zero before 40
        density = np.exp(-0.5 * x * x) * _DENSITY_AT_ZERO
        return special.ndtr(eta), density, -x * density, (x * x - 1.0) * density

    def log_tails(self, eta: FloatArray, order: int) -> tuple[Tail, Tail]:
        """Log F and log(1 - F) with derivatives; see `ProbabilityLink.log_tails`."""
        return _reflect_tails(eta, *_normal_tails(np.abs(eta), order))


@final
@dataclass(frozen=True)
class Cauchit(ProbabilityLink):
    """Cauchy quantile: ``eta = tan(pi (mu - 1/2))``."""

    name: ClassVar[str] = "cauchit"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def _transform(self, mu: FloatArray) -> FloatArray:
        tail = np.minimum(mu, 1.0 - mu)
        outer = np.copysign(1.0, mu - 0.5) / np.tan(np.pi * tail)
        return np.where(tail > 0.25, np.tan(np.pi * (mu - 0.5)), outer)

    def inverse(self, eta: FloatArray) -> FloatArray:
        """Cauchy distribution function, ``(n,)`` to ``(n,)``."""
        return np.arctan2(1.0, -eta) / np.pi

    def derivatives(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Cauchy distribution function and its first three derivatives, each ``(n,)``."""
        x = np.clip(eta, -1e150, 1e150)
        w = 1.0 / (1.0 + x * x)
        density = w / np.pi
        mu3 = density * w * (6.0 - 8.0 * w)
        return self.inverse(eta), density, -2.0 * x * w * density, mu3

    def log_tails(self, eta: FloatArray, order: int) -> tuple[Tail, Tail]:
        """Log F and log(1 - F) with derivatives; see `ProbabilityLink.log_tails`."""
        return _reflect_tails(eta, *_cauchy_tails(np.minimum(np.abs(eta), 1e150), order))


@final
@dataclass(frozen=True)
class Cloglog(ProbabilityLink):
    """Complementary log-log: ``eta = log(-log(1 - mu))``."""

    name: ClassVar[str] = "cloglog"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def _transform(self, mu: FloatArray) -> FloatArray:
        return np.log(-np.log1p(-mu))

    def inverse(self, eta: FloatArray) -> FloatArray:
        """Distribution function of the smallest extreme value, ``(n,)`` to ``(n,)``."""
        return -np.expm1(-np.exp(np.minimum(eta, EXP_MAX)))

    def derivatives(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Extreme-value distribution function and its first three derivatives, each ``(n,)``."""
        x = np.minimum(eta, 300.0)  # the density underflows to zero long before 300
        hazard = np.exp(x)
        density = np.exp(x - hazard)
        mu3 = density * (1.0 + hazard * (hazard - 3.0))
        return -np.expm1(-hazard), density, density * (1.0 - hazard), mu3

    def log_tails(self, eta: FloatArray, order: int) -> tuple[Tail, Tail]:
        """Log F and log(1 - F) with derivatives; see `ProbabilityLink.log_tails`."""
        return _extreme_value_tails(eta, order)


@final
@dataclass(frozen=True)
class Log(ProbabilityLink):
    """Logarithm: ``eta = log(mu)``; a probability where ``eta < 0``."""

    name: ClassVar[str] = "log"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)

    def _transform(self, mu: FloatArray) -> FloatArray:
        return np.log(mu)

    def inverse(self, eta: FloatArray) -> FloatArray:
        """Exponential, held at ``exp(700)`` beyond; ``(n,)`` to ``(n,)``."""
        return np.exp(np.minimum(eta, EXP_MAX))

    def derivatives(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Exponential four times, ``(n,)``; the arrays are the same object."""
        mu = self.inverse(eta)
        return mu, mu, mu, mu

    def log_tails(self, eta: FloatArray, order: int) -> tuple[Tail, Tail]:
        """Log F and log(1 - F) with derivatives; see `ProbabilityLink.log_tails`."""
        inside = eta < 0.0
        return _mask_tails(inside, *_exponential_tails(np.where(inside, eta, -1.0), order))


@final
@dataclass(frozen=True)
class Identity(ProbabilityLink):
    """The mean itself: ``eta = mu``; a probability between 0 and 1."""

    name: ClassVar[str] = "identity"

    def _transform(self, mu: FloatArray) -> FloatArray:
        return mu.copy()

    def inverse(self, eta: FloatArray) -> FloatArray:
        """``eta`` itself, ``(n,)``."""
        return eta

    def derivatives(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """``eta``, ones, zeros, zeros, each ``(n,)``."""
        zero = np.zeros_like(eta)
        return eta, np.ones_like(eta), zero, zero

    def log_tails(self, eta: FloatArray, order: int) -> tuple[Tail, Tail]:
        """Log F and log(1 - F) with derivatives; see `ProbabilityLink.log_tails`."""
        inside = (eta > SMALLEST) & (eta < 1.0)
        return _mask_tails(inside, *_linear_tails(np.where(inside, eta, 0.5), order))


@final
@dataclass(frozen=True)
class Sqrt(Link):
    """Square root: ``eta = sqrt(mu)``.

    The inverse is ``eta |eta|``, so that a negative predictor gives a negative mean, which
    every family on the positive half line refuses.
    """

    name: ClassVar[str] = "sqrt"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)

    def _transform(self, mu: FloatArray) -> FloatArray:
        return np.sqrt(mu)

    def inverse(self, eta: FloatArray) -> FloatArray:
        """Square with the sign of ``eta``, ``(n,)``."""
        return eta * np.abs(eta)

    def derivatives(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Signed square and its first three derivatives, each ``(n,)``."""
        size = np.abs(eta)
        return eta * size, 2.0 * size, 2.0 * np.sign(eta), np.zeros_like(eta)


@final
@dataclass(frozen=True)
class Inverse(Link):
    """Reciprocal: ``eta = 1 / mu``; at ``eta = 0`` the mean is infinite."""

    name: ClassVar[str] = "inverse"

    def _transform(self, mu: FloatArray) -> FloatArray:
        return 1.0 / mu

    def inverse(self, eta: FloatArray) -> FloatArray:
        """Reciprocal, ``(n,)``."""
        with np.errstate(divide="ignore"):
            return 1.0 / eta

    def derivatives(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Reciprocal and its first three derivatives, each ``(n,)``."""
        with np.errstate(divide="ignore", over="ignore"):
            mu = 1.0 / eta
            square = mu * mu
            return mu, -square, 2.0 * square * mu, -6.0 * square * square


_LINKS: dict[str, Link] = {
    link.name: link
    for link in (Logit(), Probit(), Cloglog(), Cauchit(), Log(), Identity(), Sqrt(), Inverse())
}


def get_link(link: str | Link) -> Link:
    """Link of a name, or the link itself.

    Parameters
    ----------
    link : str or Link
        One of ``logit``, ``probit``, ``cloglog``, ``cauchit``, ``log``, ``identity``,
        ``sqrt``, ``inverse``, or an instance.

    Returns
    -------
    Link

    Raises
    ------
    FamilyError
        If there is no such link.

    Examples
    --------
    >>> from mixcheck.families import get_link
    >>> get_link("probit")
    Probit()
    """
    if isinstance(link, Link):
        return link
    if isinstance(link, str) and link in _LINKS:
        return _LINKS[link]
    near = difflib.get_close_matches(str(link).lower(), _LINKS, n=1)
    hint = f" Did you mean link={near[0]!r}?" if near else ""
    raise FamilyError(f"There is no link {link!r}; the links are {', '.join(_LINKS)}.{hint}")


# Both tails, at x = |eta| for the symmetric distributions: `far` is log F(-x), `near` log F(x),
# each with its derivatives in its own argument.

_DENSITY_AT_ZERO = 1.0 / np.sqrt(2.0 * np.pi)
_MILLS_AT_ZERO = np.sqrt(2.0 / np.pi)
_FRACTION_FROM = 5.0
_FRACTION_LEVELS = 24


def _reflect_tails(eta: FloatArray, far: Tail, near: Tail) -> tuple[Tail, Tail]:
    """Tails of a distribution symmetric about zero, from those at ``|eta|``."""
    left = eta < 0.0
    p = tuple(np.where(left, a, b) for a, b in zip(far, near, strict=True))
    q = tuple(
        np.where(left, b, a) if k % 2 == 0 else np.where(left, -b, -a)
        for k, (a, b) in enumerate(zip(far, near, strict=True))
    )
    return p, q


def _logistic_tails(x: FloatArray, order: int) -> tuple[Tail, Tail]:
    small = np.exp(-x)
    soft = -np.log1p(small)
    if order == 0:
        return (soft - x,), (soft,)
    large = 1.0 / (1.0 + small)
    small *= large
    density = small * large
    third = -density * np.tanh(0.5 * x)
    far = (soft - x, large, -density, third)
    near = (soft, small, -density, -third)
    return _cut(far, near, order)


def _normal_tails(x: FloatArray, order: int) -> tuple[Tail, Tail]:
    """Tails of the normal distribution at ``x >= 0``, through the scaled erfc."""
    capped = np.minimum(x, 1e150)
    scaled = special.erfcx(capped * np.sqrt(0.5))
    kernel = np.exp(-0.5 * capped * capped)
    upper = 0.5 * scaled * kernel
    far = [np.log(0.5 * scaled) - 0.5 * capped * capped]
    near = [np.log1p(-upper)]
    if order == 0:
        return tuple(far), tuple(near)
    mills_far = _MILLS_AT_ZERO / scaled
    mills_near = _DENSITY_AT_ZERO * kernel / (1.0 - upper)
    far += [mills_far, *_mills_derivatives(-capped, mills_far)]
    near += [mills_near, *_mills_derivatives(np.minimum(capped, 40.0), mills_near)]
    deep = capped > _FRACTION_FROM
    if deep.any():
        for values, exact in zip(far[1:], _mills_fraction(capped[deep]), strict=True):
            values[deep] = exact
    return _cut(tuple(far), tuple(near), order)


def _mills_derivatives(eta: FloatArray, mills: FloatArray) -> list[FloatArray]:
    """Second and third derivative of log Phi from its first, the inverse Mills ratio."""
    delta = eta + mills
    slope = mills * delta
    return [-slope, mills * (delta * delta + slope - 1.0)]


def _mills_fraction(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """First three derivatives of log Phi at ``-x``, by Laplace's continued fraction.

    With ``c_k = k / (x + c_{k+1})`` the inverse Mills ratio is ``m = x + c_1``; then
    ``m c_1 = 1 - c_1 c_2 + c_1^2`` and the third derivative is ``m c_1^2 c_2 (c_3 - c_2)``,
    in which nothing cancels (Abramowitz & Stegun 26.2.14).
    """
    c3 = np.zeros_like(x)
    for k in range(_FRACTION_LEVELS, 2, -1):
        c3 = k / (x + c3)
    c2 = 2.0 / (x + c3)
    c1 = 1.0 / (x + c2)
    mills = x + c1
    return mills, -mills * c1, mills * c1 * c1 * c2 * (c3 - c2)


def _cauchy_tails(x: FloatArray, order: int) -> tuple[Tail, Tail]:
    upper = np.arctan2(1.0, x) / np.pi
    w = 1.0 / (1.0 + x * x)
    far = (np.log(upper), *_cauchy_derivatives(-x, w, upper))
    near = (np.log1p(-upper), *_cauchy_derivatives(x, w, 1.0 - upper))
    return _cut(far, near, order)


def _cauchy_derivatives(
    eta: FloatArray, w: FloatArray, cdf: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Derivatives of log F, with ``w = 1 / (1 + eta^2)`` and F the distribution function."""
    first = w / (np.pi * cdf)
    score = -2.0 * eta * w
    second = first * (score - first)
    third = second * (score - first) + first * (2.0 * w - 4.0 * w * w - second)
    return first, second, third


def _extreme_value_tails(eta: FloatArray, order: int) -> tuple[Tail, Tail]:
    """Tails of ``F = 1 - exp(-exp(eta))``."""
    x = np.clip(eta, -EXP_MAX, EXP_MAX)
    hazard = np.exp(x)
    cdf = -np.expm1(-hazard)
    first = np.exp(x - hazard) / cdf
    curvature = _one_minus(first, hazard) - hazard
    second = first * curvature
    third = second * curvature - first * (second + hazard)
    log_cdf = np.where(hazard < 1e-9, eta - 0.5 * hazard, np.log1p(-np.exp(-hazard - 1e-300)))
    middle = (hazard >= 1e-9) & (hazard < 0.7)
    log_cdf = np.where(middle, np.log(cdf), log_cdf)
    beyond = eta > EXP_MAX
    slope = -np.where(beyond, 0.0, hazard)
    log_survival = np.where(beyond, -np.inf, -hazard)
    p = (log_cdf, first, second, third)
    return _cut(p, (log_survival, slope, slope, slope), order)


_BERNOULLI = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000)


def _one_minus(first: FloatArray, hazard: FloatArray) -> FloatArray:
    """``1 - h / expm1(h)``; by its Bernoulli series where the difference would cancel."""
    h = np.minimum(hazard, 0.5)
    square = h * h
    series = np.full_like(h, 1 / 74724249600)
    for coefficient in reversed(_BERNOULLI):
        series = series * square + coefficient
    return np.where(hazard < 0.5, 0.5 * h - square * series, 1.0 - first)


def _exponential_tails(eta: FloatArray, order: int) -> tuple[Tail, Tail]:
    """Tails of ``F = exp(eta)`` for ``eta < 0``."""
    odds = 1.0 / np.expm1(-np.maximum(eta, -EXP_MAX))
    log_q = np.where(eta < -0.7, np.log1p(-np.exp(np.minimum(eta, -0.7))), np.log(-np.expm1(eta)))
    slope = odds * (1.0 + odds)
    zero = np.zeros_like(eta)
    q = (log_q, -odds, -slope, -slope * (1.0 + 2.0 * odds))
    return _cut((eta, np.ones_like(eta), zero, zero), q, order)


def _linear_tails(eta: FloatArray, order: int) -> tuple[Tail, Tail]:
    """Tails of ``F = eta`` for ``0 < eta < 1``."""
    a, b = 1.0 / eta, 1.0 / (1.0 - eta)
    p = (np.log(eta), a, -a * a, 2.0 * a * a * a)
    q = (np.log1p(-eta), -b, -b * b, -2.0 * b * b * b)
    return _cut(p, q, order)


def _mask_tails(inside: BoolArray, p: Tail, q: Tail) -> tuple[Tail, Tail]:
    """Log probability ``-inf`` and derivatives zero outside the domain."""
    if inside.all():
        return p, q
    fill = (-np.inf, 0.0, 0.0, 0.0)
    masked = [
        tuple(np.where(inside, a, f) for a, f in zip(tail, fill, strict=False)) for tail in (p, q)
    ]
    return masked[0], masked[1]


def _cut(p: Tail, q: Tail, order: int) -> tuple[Tail, Tail]:
    """The logarithms and the first ``order`` derivatives."""
    return p[: order + 1], q[: order + 1]


def _require_bounds(mu: FloatArray, bounds: tuple[float, float], name: str) -> None:
    low, high = bounds
    bad = ~((mu >= low) & (mu <= high))
    if bad.any():
        raise FamilyError(
            f"The {name} link takes means from {low:g} to {high:g}; "
            f"{int(bad.sum())} of {mu.size} are outside, the first is {float(mu[bad][0])!r}."
        )
