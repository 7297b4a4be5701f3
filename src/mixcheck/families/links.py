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
from typing import ClassVar, final

import numpy as np
from scipy import special

from mixcheck.arguments.alignment import read_numbers
from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import shown
from mixcheck.arrays import FloatArray
from mixcheck.errors import FamilyError
from mixcheck.families.tails import (
    DENSITY_AT_ZERO,
    EXP_MAX,
    SMALLEST,
    Tail,
    cauchy_tails,
    exponential_tails,
    extreme_value_tails,
    linear_tails,
    logistic_tails,
    mask_tails,
    normal_tails,
    reflect_tails,
)

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
    "get_link",
]


@dataclass(frozen=True)
class Link(ABC):
    """A monotone map from the mean of a response to its linear predictor.

    Its inverse is monotone too, but for the square root, whose mean is the square of either sign.
    """

    name: ClassVar[str]
    bounds: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    image: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    """Between which numbers the inverse lies, over all predictors."""
    latent_variance: ClassVar[float | None] = None
    """Variance of the distribution whose distribution function the inverse is, if it has one."""

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
        values = read_numbers(mu, "mu")
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

    def tails(self, eta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``F`` and ``1 - F``, each to its own digits, (n,) each."""
        p, q = self.log_tails(eta, 0)
        return np.exp(p[0]), np.exp(q[0])

    def upper_tail(self, eta: FloatArray) -> FloatArray:
        """``1 - F`` to its own digits, (n,)."""
        return self.tails(eta)[1]


def _logistic(odds: FloatArray) -> FloatArray:
    """``1 / (1 + exp(x))``, written over x."""
    with np.errstate(over="ignore"):
        np.exp(odds, out=odds)
    odds += 1.0
    np.divide(1.0, odds, out=odds)
    return odds


@final
@dataclass(frozen=True)
class Logit(ProbabilityLink):
    """Log odds: ``eta = log(mu / (1 - mu))``."""

    name: ClassVar[str] = "logit"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    image: ClassVar[tuple[float, float]] = (0.0, 1.0)
    latent_variance: ClassVar[float | None] = np.pi**2 / 3.0

    def _transform(self, mu: FloatArray) -> FloatArray:
        return special.logit(mu)

    def inverse(self, eta: FloatArray) -> FloatArray:
        """Logistic function, ``1 / (1 + exp(-eta))``, ``(n,)`` to ``(n,)``.

        It has its own digits in the lower tail, as the exponential has, down to the smallest
        normal number.
        """
        return _logistic(-eta)

    def tails(self, eta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both sides of the logistic function; see `inverse`."""
        return _logistic(-eta), _logistic(eta + 0.0)

    def upper_tail(self, eta: FloatArray) -> FloatArray:
        """``1 / (1 + exp(eta))``; see `inverse`."""
        return _logistic(eta + 0.0)

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
        return reflect_tails(eta, *logistic_tails(np.abs(eta), order))


@final
@dataclass(frozen=True)
class Probit(ProbabilityLink):
    """Normal quantile: ``mu`` is the standard normal distribution function of ``eta``."""

    name: ClassVar[str] = "probit"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    image: ClassVar[tuple[float, float]] = (0.0, 1.0)
    latent_variance: ClassVar[float | None] = 1.0

    def _transform(self, mu: FloatArray) -> FloatArray:
        return special.ndtri(mu)

    def inverse(self, eta: FloatArray) -> FloatArray:
        """Normal distribution function, ``(n,)`` to ``(n,)``."""
        return special.ndtr(eta)

    def derivatives(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Normal distribution function and its first three derivatives, each ``(n,)``."""
        x = np.clip(eta, -40.0, 40.0)  # the density underflows to zero before 40
        density = np.exp(-0.5 * x * x) * DENSITY_AT_ZERO
        return special.ndtr(eta), density, -x * density, (x * x - 1.0) * density

    def log_tails(self, eta: FloatArray, order: int) -> tuple[Tail, Tail]:
        """Log F and log(1 - F) with derivatives; see `ProbabilityLink.log_tails`."""
        return reflect_tails(eta, *normal_tails(np.abs(eta), order))


@final
@dataclass(frozen=True)
class Cauchit(ProbabilityLink):
    """Cauchy quantile: ``eta = tan(pi (mu - 1/2))``."""

    name: ClassVar[str] = "cauchit"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    image: ClassVar[tuple[float, float]] = (0.0, 1.0)

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
        return reflect_tails(eta, *cauchy_tails(np.minimum(np.abs(eta), 1e150), order))


@final
@dataclass(frozen=True)
class Cloglog(ProbabilityLink):
    """Complementary log-log: ``eta = log(-log(1 - mu))``."""

    name: ClassVar[str] = "cloglog"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    image: ClassVar[tuple[float, float]] = (0.0, 1.0)
    latent_variance: ClassVar[float | None] = np.pi**2 / 6.0

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
        return extreme_value_tails(eta, order)


@final
@dataclass(frozen=True)
class Log(ProbabilityLink):
    """Logarithm: ``eta = log(mu)``; a probability where ``eta < 0``."""

    name: ClassVar[str] = "log"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    image: ClassVar[tuple[float, float]] = (0.0, np.inf)

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
        return mask_tails(inside, *exponential_tails(np.where(inside, eta, -1.0), order))


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
        return mask_tails(inside, *linear_tails(np.where(inside, eta, 0.5), order))


@final
@dataclass(frozen=True)
class Sqrt(Link):
    """Square root: ``eta = sqrt(mu)``.

    The inverse is ``eta^2`` on the whole line, so that a mean of zero is an interior point, at
    which densities of zeros are smooth, and every predictor has a mean. Predictors beyond 1e150
    are held there.
    """

    name: ClassVar[str] = "sqrt"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    image: ClassVar[tuple[float, float]] = (0.0, np.inf)

    def _transform(self, mu: FloatArray) -> FloatArray:
        return np.sqrt(mu)

    def inverse(self, eta: FloatArray) -> FloatArray:
        """Square, ``(n,)``."""
        bounded = np.clip(eta, -1e150, 1e150)
        return bounded * bounded

    def derivatives(self, eta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Square and its first three derivatives, each ``(n,)``."""
        return self.inverse(eta), 2.0 * eta, np.full_like(eta, 2.0), np.zeros_like(eta)


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


@answer_calls
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
    named = link.lower() if isinstance(link, str) else ""
    near = difflib.get_close_matches(named, _LINKS, n=1)
    hint = f" Did you mean link={near[0]!r}?" if near else ""
    raise FamilyError(f"There is no link {shown(link)}; the links are {', '.join(_LINKS)}.{hint}")


def _require_bounds(mu: FloatArray, bounds: tuple[float, float], name: str) -> None:
    low, high = bounds
    bad = ~((mu >= low) & (mu <= high))
    if bad.any():
        raise FamilyError(
            f"The {name} link takes means from {low:g} to {high:g}; "
            f"{int(bad.sum())} of {mu.size} are outside, the first is {float(mu[bad][0])!r}."
        )
