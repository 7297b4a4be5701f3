"""The beta-binomial family: successes with extra variation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import ArrayLike

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.families.beta_binomial_cdf import cumulate
from mixcheck.families.beta_shapes import (
    LINKS,
    differentiate_shares,
    find_inside,
    shapes_of,
)
from mixcheck.families.bounds import hold_exp
from mixcheck.families.derivatives import Derivatives, Expected, Information, Predictors
from mixcheck.families.expectation import Spread, expect
from mixcheck.families.links import ProbabilityLink
from mixcheck.families.proportions import (
    log_choose,
    prepare_successes,
    start_successes,
    weigh_successes,
)
from mixcheck.families.recession import FREE, recede
from mixcheck.families.responses import Observed
from mixcheck.families.special import rising_logs
from mixcheck.families.tails import Tail
from mixcheck.families.template import Template

__all__ = ["BetaBinomial"]


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
    allowed_links: ClassVar[tuple[str, ...]] = LINKS

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
        return find_inside(self.link, eta)

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
        phi = hold_exp(eta[1])
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
        m, phi = _trials(size, eta[0]), hold_exp(eta[1])
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
        below, upto = cumulate(count, m, *shapes_of(self.link, eta), mass)
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
        alpha, beta = shapes_of(self.link, eta)
        below, _ = cumulate(count, m, beta, alpha, self.probability(m - count, eta, m))
        return np.where(inside, below, np.where(failures > 0.0, 1.0, 0.0))

    def sample(
        self, eta: Predictors, size: FloatArray | None, rng: np.random.Generator
    ) -> FloatArray:
        """One draw of the number of successes, ``(n,)``."""
        p = rng.beta(*shapes_of(self.link, eta))
        return rng.binomial(_trials(size, eta[0]).astype(np.int64), p).astype(np.float64)

    def probability(
        self, k: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of ``k`` successes, ``(n,)``."""
        return weigh_successes(self.log_density, k, eta, size)

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
    result = differentiate_shares(
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
