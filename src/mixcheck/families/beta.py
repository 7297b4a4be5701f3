"""Families built on the beta distribution: proportions, and successes with extra variation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.families.beta_binomial import cumulate
from mixcheck.families.expectation import Spread, expect
from mixcheck.families.family import FREE, Derivatives, Expected, Information, Predictors, recede
from mixcheck.families.links import ProbabilityLink
from mixcheck.families.proportions import log_choose, prepare_successes, start_successes
from mixcheck.families.responses import Observed
from mixcheck.families.special import Column, log_gap, rising_logs, stirling_errors
from mixcheck.families.tails import Tail
from mixcheck.families.template import Template

__all__ = ["Beta", "BetaBinomial"]

_HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
LOG_MAX = 230.0
"""Largest logarithm, in absolute value, of a shape of the beta distribution."""
_LINKS = ("logit", "probit", "cloglog", "cauchit")


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
    allowed_links: ClassVar[tuple[str, ...]] = _LINKS

    def contains(self, y: FloatArray) -> BoolArray:
        """Whether a response lies strictly between 0 and 1, ``(n,)``."""
        return np.asarray((y > 0.0) & (y < 1.0))

    def constant(self, y: FloatArray) -> FloatArray:
        """``-log(y (1 - y)) - log(2 pi) / 2``, ``(n,)``."""
        return np.asarray(-np.log(y) - np.log1p(-y) - _HALF_LOG_2PI)

    def find_inside(self, data: Observed, eta: Predictors) -> BoolArray:
        """Where both shapes and the precision are floats, ``(n,)``."""
        return _find_inside(self.link, eta)

    def derive(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log density and its derivatives in predictors that are inside the domain."""
        return _beta_derivatives(data, self.link.log_tails(eta[0], order), eta[1], order)

    def log_deviation(self, y: FloatArray, eta: Predictors) -> FloatArray | None:
        """Minus half the log precision, ``(n,)``."""
        return -0.5 * eta[1]

    def expected(self, data: Observed, eta: Predictors) -> Expected:
        """Expected information, in closed form."""
        inside = _find_inside(self.link, eta)
        safe = tuple(np.where(inside, e, 1.0) for e in eta)
        return _beta_information(self.link.log_tails(safe[0], 2), safe[1])

    def variance(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Variance, ``(n,)``."""
        p, q = self.link.log_tails(eta[0], 0)
        return np.exp(p[0] + q[0]) / (1.0 + _hold_exp(eta[1]))

    def cumulate(self, y: FloatArray, eta: Predictors, size: FloatArray | None) -> FloatArray:
        """Probability of ``y`` or less, ``(n,)``."""
        alpha, beta = _shapes(self.link, eta)
        inside = np.minimum(np.maximum(y, 0.0), 1.0)
        return np.asarray(special.betainc(alpha, beta, inside), dtype=np.float64)

    def survival(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of more than ``y``, ``(n,)``."""
        alpha, beta = _shapes(self.link, eta)
        inside = np.minimum(np.maximum(y, 0.0), 1.0)
        return np.asarray(special.betaincc(alpha, beta, inside), dtype=np.float64)

    def sample(
        self, eta: Predictors, size: FloatArray | None, rng: np.random.Generator
    ) -> FloatArray:
        """One draw, ``(n,)``; what rounds to 0 or 1 is given as the nearest number inside."""
        draws = rng.beta(*_shapes(self.link, eta))
        return np.minimum(np.maximum(draws, 2.0**-1022), 1.0 - 2.0**-53)

    def dispersion_start(self, data: Observed) -> float:
        """Moment estimate of the precision from the whole response, from 0.5 to 1000."""
        mean, variance = float(np.mean(data.y)), float(np.var(data.y))
        if variance <= 0.0:
            return 1e3
        return float(np.clip(mean * (1.0 - mean) / variance - 1.0, 0.5, 1e3))


@final
@dataclass(frozen=True, init=False, repr=False)
class BetaBinomial(Template):
    """Successes whose probability varies between rows; predictors are its mean and log precision.

    Parameters
    ----------
    link : {"logit", "probit", "cloglog", "cauchit"} or Link
        Link of the mean probability.

    Raises
    ------
    FamilyError
        If the family does not have the link.

    Notes
    -----
    The probability of a row has a beta distribution with shapes ``mu phi`` and
    ``(1 - mu) phi``, as in glmmTMB; the variance is
    ``m mu (1 - mu) (phi + m) / (phi + 1)``. Single trials carry no information on phi.

    Examples
    --------
    >>> import numpy as np
    >>> from mixcheck.families import BetaBinomial
    >>> family = BetaBinomial()
    >>> data = family.prepare([0, 1, 2], size=[2, 2, 2])
    >>> np.exp(family.log_density(data, (np.zeros(3), np.log([2.0] * 3)))).round(12)
    array([0.33333333, 0.33333333, 0.33333333])
    """

    link: ProbabilityLink

    name: ClassVar[str] = "betabinomial"
    mean_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    zero_part: ClassVar[Literal["inflation", "hurdle"] | None] = "inflation"
    also_called: ClassVar[str] = "betabinom betabin bb betabinomialfamily"
    also_called_with_zeros: ClassVar[str] = "zibb zeroinflatedbetabinomial"
    _simpler: ClassVar[tuple[str, ...]] = ("binomial",)
    _end: ClassVar[int] = 1
    discrete: ClassVar[bool] = True
    takes_trials: ClassVar[bool] = True
    allowed_links: ClassVar[tuple[str, ...]] = _LINKS

    def prepare(self, y: ArrayLike, size: ArrayLike | None = None) -> Observed:
        """Check successes against trials; see `Family.prepare`."""
        return prepare_successes(self.name, y, size)

    def hold(self, data: Observed, eta: Predictors) -> Predictors:
        """Means beyond an end at that end, where all or none are successes."""
        low = data.y == 0.0
        high = data.y == _trials(data.size, data.y)
        return _hold_ends(self.link, eta, low, high), eta[1]

    def find_inside(self, data: Observed, eta: Predictors) -> BoolArray:
        """Where both shapes and the precision are floats, ``(n,)``."""
        return _find_inside(self.link, eta)

    def term_sizes(self, data: Observed) -> FloatArray:
        """``m log m``: far from a binomial the sums over all trials and over one kind of them."""
        m = _trials(data.size, data.y)
        return np.asarray(m * np.log(np.maximum(m, 1.0)))

    def derive(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log probability and its derivatives in predictors that are inside the domain."""
        return _betabinomial_derivatives(data, self.link.log_tails(eta[0], order), eta[1], order)

    def expected(self, data: Observed, eta: Predictors) -> Expected:
        """Expected information, by summation over all numbers of successes."""
        m = _trials(data.size, eta[0])
        zero = np.zeros_like(m)

        def derive(y: FloatArray, at: Predictors, rows: np.ndarray) -> Derivatives:
            return self.derivatives(Observed(y, m[rows], log_choose(y, m[rows])), at, 3)

        return expect(derive, eta, Spread(0.0, zero, m, zero + 1.0))

    def step_information(self, data: Observed, eta: Predictors) -> Information:
        """Of the quasi-likelihood in the mean; in the precision the smaller of two limits.

        They are ``m (m - 1) / (2 (phi + m)^2)`` and phi: close to a binomial, and far from it.
        """
        m = _trials(data.size, eta[0])
        p, q = self.link.log_tails(eta[0], 1)
        phi = _hold_exp(eta[1])
        mean = -m * p[1] * q[1] * (phi + 1.0) / (phi + m)
        dispersion = np.minimum(0.5 * m * (m - 1.0) / (phi + m) ** 2, phi)
        return {(0, 0): mean, (1, 1): dispersion}

    def mean(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Expected number of successes, ``(n,)``."""
        p = self.link.inverse(eta[0])
        return p if size is None else size * p

    def variance(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Variance of the number of successes, ``(n,)``."""
        p, q = self.link.log_tails(eta[0], 0)
        m, phi = _trials(size, eta[0]), _hold_exp(eta[1])
        return m * np.exp(p[0] + q[0]) * ((phi + m) / (phi + 1.0))

    def cdf(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """F(y-) and F(y), each ``(n,)``, at a cost that many trials do not raise."""
        m = _trials(size, eta[0])
        k = np.floor(y)
        inside = (k >= 0.0) & (k <= m)
        count = np.clip(k, 0.0, m)
        mass = self.probability(count, eta, m)
        below, upto = cumulate(count, m, *_shapes(self.link, eta), mass)
        outside = np.where(k < 0.0, 0.0, 1.0)
        upto = np.where(inside, np.where(k == m, 1.0, upto), outside)
        return np.where(inside & (k == y), below, upto), upto

    def survival(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of more than ``y``, ``(n,)``."""
        m = _trials(size, eta[0])
        failures = m - np.floor(y)
        inside = (failures > 0.0) & (failures <= m)
        count = np.clip(failures, 0.0, m)
        alpha, beta = _shapes(self.link, eta)
        below, _ = cumulate(count, m, beta, alpha, self.probability(m - count, eta, m))
        return np.where(inside, below, np.where(failures > 0.0, 1.0, 0.0))

    def sample(
        self, eta: Predictors, size: FloatArray | None, rng: np.random.Generator
    ) -> FloatArray:
        """One draw of the number of successes, ``(n,)``."""
        p = rng.beta(*_shapes(self.link, eta))
        return rng.binomial(_trials(size, eta[0]).astype(np.int64), p).astype(np.float64)

    def probability(
        self, k: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of ``k`` successes, ``(n,)``."""
        m = _trials(size, eta[0])
        values = np.broadcast_to(np.asarray(k, dtype=np.float64), m.shape)
        possible = (values >= 0.0) & (values <= m) & (values == np.floor(values))
        counts = np.where(possible, values, 0.0)
        data = Observed(counts, m, log_choose(counts, m))
        return np.where(possible, np.exp(self.log_density(data, eta)), 0.0)

    simplest: ClassVar[tuple[int, ...]] = (0, 1)

    def recession(self, data: Observed) -> tuple[IntArray, ...]:
        """No success, or nothing else, likeliest at an end or where the variation has none.

        One trial says nothing of the variation.
        """
        top: FloatArray = np.ones(1) if data.size is None else data.size
        low, high = data.y == 0.0, data.y == top
        spread = np.where(low | high, -1, 0)
        return recede(self.link, low, high), np.where(top <= 1.0, FREE, spread)

    def start(self, data: Observed) -> FloatArray:
        """``(k + 1/2) / (m + 1)``, a probability, as for the binomial, ``(n,)``."""
        return start_successes(data)

    def dispersion_start(self, data: Observed) -> float:
        """Moment estimate of the precision from all rows, from 0.5 to 1000."""
        k, m = data.y, _trials(data.size, data.y)
        mean = float(np.clip(k.sum() / max(float(m.sum()), 1.0), 0.01, 0.99))
        excess = float(np.mean((k - m * mean) ** 2) / (mean * (1.0 - mean)) - np.mean(m))
        pairs = float(np.mean(m * (m - 1.0)))
        correlation = excess / pairs if pairs > 0.0 else 0.1
        return 1.0 / float(np.clip(correlation, 1e-3, 0.6)) - 1.0


def _trials(size: FloatArray | None, like: FloatArray) -> FloatArray:
    return np.ones(like.shape) if size is None else size


# Predictors at which the logarithm of a tail of a link is about -200.
_ENDS = {"logit": (-200.0, 200.0), "probit": (-19.0, 19.0), "cloglog": (-200.0, 5.0)}


def _hold_ends(
    link: ProbabilityLink, eta: Predictors, low: BoolArray, high: BoolArray
) -> FloatArray:
    """Predictors beyond an end at that end, in rows whose log density is constant there, (n,)."""
    if link.name not in _ENDS or not eta[0].size:
        return eta[0]
    below, above = _ENDS[link.name]
    if eta[0].min() >= below and eta[0].max() <= above:
        return eta[0]
    # A precision far below one takes the shapes further out.
    near = np.clip(1.0 + np.minimum(eta[1], 0.0) / 200.0, 0.1, 1.0)
    bounded = np.where(low, np.maximum(eta[0], below * near), eta[0])
    return np.where(high, np.minimum(bounded, above * near), bounded)


def _find_inside(link: ProbabilityLink, eta: Predictors) -> BoolArray:
    """Where both shapes and the precision are within ``exp(230)``, ``(n,)``."""
    p, q = link.log_tails(eta[0], 0)
    inside: BoolArray = np.abs(eta[1]) <= LOG_MAX
    inside &= np.minimum(p[0], q[0]) + np.minimum(eta[1], 0.0) >= -LOG_MAX
    return inside


def _hold_exp(log: FloatArray) -> FloatArray:
    bounded: FloatArray = np.exp(np.clip(log, -LOG_MAX, LOG_MAX))
    return bounded


def _shapes(link: ProbabilityLink, eta: Predictors) -> tuple[FloatArray, FloatArray]:
    """Both shapes of the beta distribution, held inside the domain, each ``(n,)``."""
    p, q = link.log_tails(eta[0], 0)
    alpha: FloatArray = _hold_exp(p[0] + eta[1])
    return alpha, _hold_exp(q[0] + eta[1])


def _share(a: Column, b: Column, m: Column, tails: tuple[Tail, Tail]) -> Derivatives:
    """Derivatives of ``f(log alpha) + g(log beta) + h(log phi)`` in eta (0) and log phi (1).

    ``a``, ``b`` and ``m`` are f, g and h with as many derivatives as wanted; alpha is
    ``phi F(eta)`` and beta ``phi (1 - F(eta))``, with the logarithms of F as tails.
    """
    u, v = tails
    value = a[0] + b[0] + m[0]
    order = len(a) - 1
    if order < 1:
        return Derivatives(value, (), {}, {})
    first = (a[1] * u[1] + b[1] * v[1], a[1] + b[1] + m[1])
    if order < 2:
        return Derivatives(value, first, {}, {})
    second = {
        (0, 0): a[2] * u[1] * u[1] + a[1] * u[2] + b[2] * v[1] * v[1] + b[1] * v[2],
        (0, 1): a[2] * u[1] + b[2] * v[1],
        (1, 1): a[2] + b[2] + m[2],
    }
    if order < 3:
        return Derivatives(value, first, second, {})
    third = {
        (0, 0, 0): _bend_thrice(a, u) + _bend_thrice(b, v),
        (0, 0, 1): a[3] * u[1] * u[1] + a[2] * u[2] + b[3] * v[1] * v[1] + b[2] * v[2],
        (0, 1, 1): a[3] * u[1] + b[3] * v[1],
        (1, 1, 1): a[3] + b[3] + m[3],
    }
    return Derivatives(value, first, second, third)


def _bend_thrice(f: Column, u: Tail) -> FloatArray:
    """Third derivative of ``f(u(eta))``."""
    return f[3] * u[1] * u[1] * u[1] + 3.0 * f[2] * u[1] * u[2] + f[1] * u[3]


def _betabinomial_derivatives(
    data: Observed, tails: tuple[Tail, Tail], log_phi: FloatArray, order: int
) -> Derivatives:
    """Derivatives in eta (0) and log phi (1): those of a binomial and of three rising sums.

    The log probability is ``k log mu + (m - k) log(1 - mu) + log choose`` plus
    ``A(k, alpha) + A(m - k, beta) - A(m, phi)``, see `rising_logs`.
    """
    k, m = data.y, _trials(data.size, data.y)
    failures = m - k
    u, v = tails
    a = rising_logs(k, np.exp(u[0] + log_phi), order)
    b = rising_logs(failures, np.exp(v[0] + log_phi), order)
    whole = rising_logs(m, np.exp(log_phi), order)
    result = _share(
        tuple(x + y for x, y in zip(a, (k * u[0], k), strict=False)) + a[2:],
        tuple(x + y for x, y in zip(b, (failures * v[0], failures), strict=False)) + b[2:],
        tuple(-x for x in whole),
        tails,
    )
    value = result.value + data.constant
    if order < 1:
        return Derivatives(value, (), {}, {})
    # k and m - k belong to the derivative in eta only.
    first = (result.first[0], a[1] + b[1] - whole[1])
    return Derivatives(value, first, result.second, result.third)


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
    rest = _share(
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
