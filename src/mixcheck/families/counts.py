"""Families of a count without an upper bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import FamilyError
from mixcheck.families.chain_rule import compose_derivatives, compose_expected
from mixcheck.families.derivatives import Derivatives, Expected, Predictors, mask_derivatives
from mixcheck.families.recession import recede
from mixcheck.families.responses import Observed, read_response, refuse_size, require_whole
from mixcheck.families.tails import EXP_MAX, SMALLEST
from mixcheck.families.template import Template

__all__ = [
    "LARGEST",
    "Poisson",
    "draw_poisson",
    "observe_counts",
    "order_counts",
    "poisson_below",
    "poisson_tails",
    "prepare_counts",
    "weigh_count",
]

LARGEST = 1e100
# From here on terms of a log probability lose more than 1e-9 of it, and one term of Stirling's
# error gives all digits.
_LARGE_COUNT = 1e6
"""Largest mean whose square and cube are floats."""
LARGEST_RATE = 9.2e18
# Counts below this are summed to distribution functions, with means of which ``exp(-mu)`` has all
# its digits.
_SUMMED = 64
_SUMMED_MEAN = 700.0
"""NumPy draws 64-bit integers."""


@final
@dataclass(frozen=True, init=False, repr=False)
class Poisson(Template):
    """Poisson counts; the one predictor is that of the mean.

    Parameters
    ----------
    link : {"log", "identity", "sqrt"} or Link
        Link of the mean. With ``identity`` a predictor at or below zero gives a log density
        of ``-inf``; with ``sqrt`` the mean is the square of the predictor, whatever its sign.

    Raises
    ------
    FamilyError
        If the family does not have the link.

    Examples
    --------
    >>> import numpy as np
    >>> from mixcheck.families import Poisson
    >>> family = Poisson()
    >>> data = family.prepare([0, 3])
    >>> family.log_density(data, (np.zeros(2),)).round(4)
    array([-1.    , -2.7918])
    """

    name: ClassVar[str] = "poisson"
    predictors: ClassVar[tuple[str, ...]] = ("mean",)
    discrete: ClassVar[bool] = True
    mean_range: ClassVar[tuple[float, float]] = (0.0, np.inf)
    is_count: ClassVar[bool] = True
    zero_part: ClassVar[Literal["inflation", "hurdle"] | None] = "inflation"
    canonical_link: ClassVar[str | None] = "log"
    wider: ClassVar[tuple[str, ...]] = ("nbinom2", "nbinom1")
    narrower: ClassVar[tuple[str, ...]] = ("genpois", "compois")
    alike: ClassVar[tuple[str, ...]] = ("nbinom2",)
    without_zeros: ClassVar[str | None] = "truncated_poisson"
    also_called: ClassVar[str] = "pois counts"
    also_called_with_zeros: ClassVar[str] = "zip zipoisson zeroinflatedpoisson"
    allowed_links: ClassVar[tuple[str, ...]] = ("log", "identity", "sqrt")

    def prepare(self, y: ArrayLike, size: ArrayLike | None = None) -> Observed:
        """Check that the response is made of counts; see `Family.prepare`."""
        return prepare_counts(self.name, y, size)

    def derivatives(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log probability and its derivatives; see `Family.derivatives`."""
        if self.link.name == "log":
            return _log_link_derivatives(data, eta[0], order)
        if self.link.name == "sqrt":
            return _sqrt_link_derivatives(data, eta[0], order)
        return super().derivatives(data, eta, order)

    def derive(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log probability and its derivatives in predictors of any link."""
        mu, mu1, mu2, mu3 = self.link.derivatives(eta[0])
        inside = (mu > SMALLEST) & (mu < LARGEST)
        if not inside.all():
            harmless = self.derive(data, (np.where(inside, eta[0], 1.0),), order)
            return mask_derivatives(harmless, inside)
        outer = _mean_derivatives(data, mu, order)
        return compose_derivatives(outer, [(mu1, mu2, mu3)], order)

    def fourth(self, d: Derivatives) -> FloatArray | None:
        """``-mu`` for the log link, as the third; see `Template.fourth`."""
        return d.third[0, 0, 0] if self.link.name == "log" else None

    def expected(self, data: Observed, eta: Predictors) -> Expected:
        """Expected information, ``mu`` for the log link."""
        mu, mu1, mu2, mu3 = self.link.derivatives(eta[0])
        if self.link.name == "log":
            return {(0, 0): mu}, {((0, 0), 0): mu}
        if self.link.name == "sqrt":
            return {(0, 0): np.full_like(mu, 4.0)}, {}
        rate = 1.0 / np.clip(mu, SMALLEST, LARGEST)
        slopes = {((0, 0), 0): -rate * rate}
        return compose_expected({(0, 0): rate}, slopes, [(mu1, mu2, mu3)])

    def variance(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Variance, which is the mean, ``(n,)``."""
        return self.link.inverse(eta[0])

    def cumulate(self, y: FloatArray, eta: Predictors, size: FloatArray | None) -> FloatArray:
        """Probability of ``y`` or less, ``(n,)``."""
        return poisson_below(y, self.link.inverse(eta[0]))

    def cdf(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """F(y-) and F(y), each ``(n,)``."""
        mu = self.link.inverse(eta[0])
        summed = (y < _SUMMED) & (y >= 0.0) & (mu < _SUMMED_MEAN) & (y == np.floor(y))
        if summed.all():
            return _sum_poisson(y, mu)
        below, upto = np.empty_like(mu), np.empty_like(mu)
        below[summed], upto[summed] = _sum_poisson(y[summed], mu[summed])
        rest, mu = y[~summed], mu[~summed]
        below[~summed] = poisson_below(np.ceil(rest) - 1.0, mu)
        upto[~summed] = poisson_below(np.floor(rest), mu)
        return below, upto

    def survival(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of more than ``y``, ``(n,)``."""
        return poisson_tails(np.floor(y), self.link.inverse(eta[0]))[1]

    def sample(
        self, eta: Predictors, size: FloatArray | None, rng: np.random.Generator
    ) -> FloatArray:
        """One draw of the counts, ``(n,)``."""
        return draw_poisson(self.link.inverse(eta[0]), rng)

    def probability(
        self, k: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of ``k``, ``(n,)``."""
        return weigh_count(self.log_density, k, eta, lowest=0.0)

    def recession(self, data: Observed) -> tuple[IntArray, ...]:
        """A count of zero; see `Family.recession`."""
        return (recede(self.link, data.y == 0.0),)

    def start(self, data: Observed) -> FloatArray:
        """Counts plus 0.1, ``(n,)`` (McCullagh & Nelder 1989, section 2.5)."""
        return data.y + 0.1


def prepare_counts(family: str, y: ArrayLike, size: ArrayLike | None) -> Observed:
    """Counts from 0 with ``-log y!``, or a `FamilyError`."""
    refuse_size(family, size)
    counts = require_whole(
        read_response(y, "response"),
        f"A {family} response must be whole numbers from 0",
        "For rates, model the count with an offset of the log exposure; for reals write "
        'family="gaussian".',
    )
    return observe_counts(counts)


def observe_counts(y: FloatArray) -> Observed:
    """Counts known to be valid, with ``-log y!``; between whole numbers, the gamma function."""
    return Observed(y, None, -special.gammaln(y + 1.0))


def draw_poisson(mu: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Poisson draws ``(n,)``, or a `FamilyError` where a mean is beyond the integers."""
    allowed = (mu >= 0.0) & (mu < LARGEST_RATE)
    if not allowed.all():
        raise FamilyError(
            f"Poisson draws need means from 0 to {LARGEST_RATE:g}; "
            f"{int((~allowed).sum())} of {mu.size} are outside, the first is "
            f"{float(mu[~allowed][0])!r}. Look for coefficients that diverge."
        )
    return rng.poisson(mu).astype(np.float64)


def weigh_count(
    log_density: Callable[[Observed, Predictors], FloatArray],
    k: ArrayLike,
    eta: Predictors,
    lowest: float,
) -> FloatArray:
    """Probability of the count ``k``, zero below ``lowest`` and between whole numbers, ``(n,)``."""
    values = np.broadcast_to(np.asarray(k, dtype=np.float64), eta[0].shape)
    possible = (values >= lowest) & (values == np.floor(values))
    data = observe_counts(np.where(possible, values, lowest))
    return np.where(possible, np.exp(log_density(data, eta)), 0.0)


def poisson_below(k: FloatArray, mu: FloatArray) -> FloatArray:
    """P(Y <= k) for whole ``k``, which may be negative, ``(n,)``."""
    shape = np.maximum(k, 0.0) + 1.0
    return np.where(k < 0.0, 0.0, special.gammaincc(shape, mu))


def order_counts(k: FloatArray) -> IntArray:
    """Rows by falling count, of whole numbers below 256, ``(n,)``."""
    # Small integers are sorted in linear time.
    order: IntArray = np.argsort(255 - k.astype(np.uint8), kind="stable")
    return order


def _sum_poisson(k: FloatArray, mu: FloatArray) -> tuple[FloatArray, FloatArray]:
    """P(Y < k) and P(Y <= k) for small whole ``k``, each ``(n,)``.

    A sum of probabilities, which takes less time than the incomplete gamma function, and has its
    relative error in both.
    """
    order = order_counts(k)
    k, mu = k[order], mu[order]
    mass, total, factor = np.exp(-mu), np.zeros_like(mu), np.empty_like(mu)
    left = np.searchsorted(-k, -np.arange(_SUMMED), side="right").tolist()
    for j in range(1, int(k[0]) + 1 if k.size else 0):
        rows = slice(0, left[j])
        total[rows] += mass[rows]
        mass[rows] *= np.multiply(mu[rows], 1.0 / j, out=factor[rows])
    below, upto = np.empty_like(mu), np.empty_like(mu)
    below[order] = total
    upto[order] = np.minimum(total + mass, 1.0)
    return below, upto


def poisson_tails(k: FloatArray, mu: FloatArray) -> tuple[FloatArray, FloatArray]:
    """P(Y <= k) and P(Y > k) for whole ``k``, which may be negative; each ``(n,)``."""
    shape = np.maximum(k, 0.0) + 1.0
    return poisson_below(k, mu), np.where(k < 0.0, 1.0, special.gammainc(shape, mu))


def _log_link_derivatives(data: Observed, eta: FloatArray, order: int) -> Derivatives:
    """Derivatives for the log link; beyond ``exp(700)`` the probability is zero."""
    if eta.size and eta.max() > EXP_MAX:
        inside = eta <= EXP_MAX
        harmless = _log_link_derivatives(data, np.where(inside, eta, 0.0), order)
        return mask_derivatives(harmless, inside)
    mu = np.exp(eta)
    value = data.y * eta
    value -= mu
    value += data.constant
    if data.largest > _LARGE_COUNT:
        value = np.where(data.y > _LARGE_COUNT, _near_large_count(data.y, eta), value)
    if order < 1:
        return Derivatives(value, (), {}, {})
    first = (data.y - mu,)
    np.negative(mu, out=mu)
    second = {(0, 0): mu} if order > 1 else {}
    third = {(0, 0, 0): mu} if order > 2 else {}
    return Derivatives(value, first, second, third)


def _sqrt_link_derivatives(data: Observed, eta: FloatArray, order: int) -> Derivatives:
    """Derivatives of ``y log eta^2 - eta^2 - log y!``; for a zero a parabola through the origin.

    For any other count the log probability falls to ``-inf`` at a predictor of zero, on either
    side of which there is a maximum.
    """
    y, size = data.y, np.abs(eta)
    zero = y == 0.0
    inside = (zero | (size > np.sqrt(SMALLEST))) & (size < np.sqrt(LARGEST))
    if not inside.all():
        harmless = _sqrt_link_derivatives(data, np.where(inside, eta, 1.0), order)
        return mask_derivatives(harmless, inside)
    root = np.where(zero, 1.0, eta)
    log_mean = 2.0 * np.log(np.abs(root))
    value = y * log_mean - eta * eta + data.constant
    if y.size and y.max() > _LARGE_COUNT:
        value = np.where(y > _LARGE_COUNT, _near_large_count(y, log_mean), value)
    if order < 1:
        return Derivatives(value, (), {}, {})
    ratio = 2.0 * y / root
    bend = ratio / root
    second = {(0, 0): -bend - 2.0} if order > 1 else {}
    third = {(0, 0, 0): 2.0 * bend / root} if order > 2 else {}
    return Derivatives(value, (ratio - 2.0 * eta,), second, third)


def _near_large_count(y: FloatArray, eta: FloatArray) -> FloatArray:
    """Log probability of large counts, in which terms of the size of ``y log y`` do not cancel.

    With ``d = eta - log y``: ``-y (exp(d) - 1 - d) - log(2 pi y) / 2`` and Stirling's error.
    """
    large = np.maximum(y, _LARGE_COUNT)
    d = eta - np.log(large)
    out: FloatArray = -large * (np.expm1(d) - d) - 0.5 * np.log(2.0 * np.pi * large)
    return out - 1.0 / (12.0 * large)


def _mean_derivatives(data: Observed, mu: FloatArray, order: int) -> Derivatives:
    """Derivatives of the log probability in the mean."""
    ratio = data.y / mu
    value = data.y * np.log(mu) - mu + data.constant
    first = (ratio - 1.0,)
    second = {(0, 0): -ratio / mu} if order > 1 else {}
    third = {(0, 0, 0): 2.0 * ratio / (mu * mu)} if order > 2 else {}
    return Derivatives(value, first, second, third)
