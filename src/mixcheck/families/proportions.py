"""Families of successes out of trials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import FamilyError
from mixcheck.families.derivatives import Derivatives, Expected, Predictors
from mixcheck.families.links import ProbabilityLink
from mixcheck.families.recession import recede
from mixcheck.families.responses import Observed, read_response, require_support, require_whole
from mixcheck.families.tails import Tail
from mixcheck.families.template import Template

__all__ = [
    "Binomial",
    "log_choose",
    "prepare_successes",
    "start_successes",
    "weigh_successes",
]


@final
@dataclass(frozen=True, init=False, repr=False)
class Binomial(Template):
    """Successes out of a known number of trials; without one, a 0/1 response.

    Parameters
    ----------
    link : {"logit", "probit", "cloglog", "cauchit", "log", "identity"} or Link
        Link of the probability. With ``log`` and ``identity`` a predictor that gives no
        probability gives a log density of ``-inf``.

    Raises
    ------
    FamilyError
        If the family does not have the link.

    Examples
    --------
    >>> import numpy as np
    >>> from mixcheck.families import Binomial
    >>> family = Binomial()
    >>> data = family.prepare([1, 2], size=[2, 2])
    >>> np.exp(family.log_density(data, (np.zeros(2),)))
    array([0.5 , 0.25])
    """

    link: ProbabilityLink

    name: ClassVar[str] = "binomial"
    predictors: ClassVar[tuple[str, ...]] = ("mean",)
    discrete: ClassVar[bool] = True
    takes_trials: ClassVar[bool] = True
    mean_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    zero_part: ClassVar[Literal["inflation", "hurdle"] | None] = "inflation"
    canonical_link: ClassVar[str | None] = "logit"
    wider: ClassVar[tuple[str, ...]] = ("betabinomial",)
    alike: ClassVar[tuple[str, ...]] = ("betabinomial",)
    also_called: ClassVar[str] = "bernoulli logistic logit binary bernoullifamily"
    also_called_with_zeros: ClassVar[str] = "zib zibinomial zeroinflatedbinomial"
    allowed_links: ClassVar[tuple[str, ...]] = (
        "logit",
        "probit",
        "cloglog",
        "cauchit",
        "log",
        "identity",
    )

    def prepare(self, y: ArrayLike, size: ArrayLike | None = None) -> Observed:
        """Check successes against trials; see `Family.prepare`."""
        return prepare_successes(self.name, y, size)

    def prepare_again(self, y: ArrayLike, like: Observed) -> Observed:
        """Check successes against trials that were checked; see `Family.prepare_again`."""
        return _prepare_successes_again(self.name, y, like)

    def derive(self, data: Observed, eta: Predictors, order: int) -> Derivatives:
        """Log probability and its derivatives in the predictor."""
        k, m = _counts(data)
        if self.link.name == "logit":
            return _logit_derivatives(k, m, data.constant, eta[0], order)
        return _tail_derivatives(k, m, data.constant, self.link.log_tails(eta[0], order))

    def fourth(self, d: Derivatives) -> FloatArray | None:
        """``l'' (3 t^2 - 1) / 2`` for the logit link, ``t = tanh(eta / 2)``; see `Template.fourth`.

        The third is ``-t l''``, and the derivative of t is ``(1 - t^2) / 2``.
        """
        if self.link.name != "logit":
            return None
        second, third = d.second[0, 0], d.third[0, 0, 0]
        out: FloatArray = third * third
        np.divide(out, second, out=out, where=second != 0.0)
        return 1.5 * out - 0.5 * second

    def expected(self, data: Observed, eta: Predictors) -> Expected:
        """Expected information, ``m f^2 / (F (1 - F))`` with F the inverse link."""
        _, m = _counts(data)
        if self.link.name == "logit":
            d = _logit_derivatives(data.y, m, data.constant, eta[0], 3)
            return {(0, 0): -d.second[0, 0]}, {((0, 0), 0): -d.third[0, 0, 0]}
        p, q = self.link.log_tails(eta[0], 2)
        information = -m * p[1] * q[1]
        return {(0, 0): information}, {((0, 0), 0): -m * (p[2] * q[1] + p[1] * q[2])}

    def mean(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Expected number of successes, ``(n,)``."""
        p = self.link.inverse(eta[0])
        return p if size is None else size * p

    def variance(self, eta: Predictors, size: FloatArray | None = None) -> FloatArray:
        """Variance of the number of successes, ``(n,)``."""
        return self.moments(eta, size)[1]

    def moments(
        self, eta: Predictors, size: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """``m F`` and ``m F (1 - F)``; see `Family.moments`."""
        p, q = self.link.tails(eta[0])
        q *= p
        return (p, q) if size is None else (size * p, size * q)

    def cumulate(self, y: FloatArray, eta: Predictors, size: FloatArray | None) -> FloatArray:
        """Probability of ``y`` successes or less, ``(n,)``."""
        _, q = self.link.log_tails(eta[0], 0)
        failure = np.exp(q[0])
        return _binomial_cdf(y, np.ones_like(failure) if size is None else size, failure)

    def cdf(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """F(y-) and F(y), each ``(n,)``."""
        failure = self.link.upper_tail(eta[0])
        if _is_single(y, size):
            # Of one trial, without a branch for each row.
            return y * failure, np.maximum(y, failure)
        trials = np.ones_like(failure) if size is None else size
        below = _binomial_cdf(np.ceil(y) - 1.0, trials, failure)
        return below, _binomial_cdf(np.floor(y), trials, failure)

    def survival(
        self, y: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of more than ``y``, ``(n,)``."""
        p, _ = self.link.log_tails(eta[0], 0)
        success = np.exp(p[0])
        trials = np.ones_like(success) if size is None else size
        # More than k successes are fewer than m - k failures.
        return _binomial_cdf(trials - np.floor(y) - 1.0, trials, success)

    def sample(
        self, eta: Predictors, size: FloatArray | None, rng: np.random.Generator
    ) -> FloatArray:
        """One draw of the number of successes, ``(n,)``."""
        p = self.link.inverse(eta[0])
        if not (p.min(initial=0.0) >= 0.0 and p.max(initial=1.0) <= 1.0):
            allowed = (p >= 0.0) & (p <= 1.0)
            raise FamilyError(
                f"Binomial draws need probabilities; {int((~allowed).sum())} of {p.size} means "
                f"are outside 0 to 1, the first is {float(p[~allowed][0])!r}. "
                f'Write link="logit" instead of link={self.link.name!r}.'
            )
        if size is None:
            return (rng.random(p.shape) < p).astype(np.float64)
        if size.max(initial=0.0) <= 1.0 <= size.min(initial=1.0):
            # The numbers that `Generator.binomial` makes of the same stream, and sooner.
            # Up to a half: U > 1 - p, and beyond: not U > p.
            drawn = rng.random(p.shape) > np.maximum(p, 1.0 - p)
            drawn ^= p > 0.5
            return drawn.astype(np.float64)
        return rng.binomial(size.astype(np.int64), p).astype(np.float64)

    def probability(
        self, k: FloatArray, eta: Predictors, size: FloatArray | None = None
    ) -> FloatArray:
        """Probability of ``k`` successes, ``(n,)``."""
        return weigh_successes(self.log_density, k, eta, size)

    def recession(self, data: Observed) -> tuple[IntArray, ...]:
        """No success, or nothing else; see `Family.recession`."""
        top: FloatArray = np.ones(1) if data.size is None else data.size
        return (recede(self.link, data.y == 0.0, data.y == top),)

    def start(self, data: Observed) -> FloatArray:
        """``(k + 1/2) / (m + 1)``, a probability, ``(n,)`` (McCullagh & Nelder 1989, 4.4)."""
        return start_successes(data)


_TOO_MANY = {
    True: (
        "Without a number of trials a {} response must be 0 or 1",
        'Write successes / trials for several trials, or family="poisson" for unbounded counts.',
    ),
    False: (
        "A {} response must not exceed its number of trials",
        "Write successes / trials in that order.",
    ),
}


def prepare_successes(family: str, y: ArrayLike, size: ArrayLike | None) -> Observed:
    """Successes and trials with the log binomial coefficient, or a `FamilyError`."""
    values = read_response(y, "response")
    trials = np.ones_like(values) if size is None else _read_trials(size, values.size)
    counts = _require_successes(family, values, trials, alone=size is None)
    return Observed(counts, trials, log_choose(counts, trials))


def _prepare_successes_again(family: str, y: ArrayLike, like: Observed) -> Observed:
    """The same with the trials of successes that are prepared, in which nothing is amiss."""
    _, trials = _counts(like)
    counts = _require_successes(family, read_response(y, "response"), trials, alone=False)
    single = trials.max(initial=1.0) == 1.0
    return Observed(counts, trials, like.constant if single else log_choose(counts, trials))


def _require_successes(
    family: str, values: FloatArray, trials: FloatArray, *, alone: bool
) -> FloatArray:
    """Whole numbers of successes that are no more than the trials; `alone` if none were given."""
    counts = require_whole(
        values,
        f"A {family} response must be whole numbers of successes from 0",
        "Write successes / trials, or cbind(successes, failures), with counts in both, or a "
        "proportion with weights=trials.",
    )
    fact, instead = _TOO_MANY[alone]
    require_support(counts <= trials, counts, fact.format(family), instead)
    return counts


def start_successes(data: Observed) -> FloatArray:
    """``(k + 1/2) / (m + 1)``, ``(n,)``."""
    k, m = _counts(data)
    return (k + 0.5) / (m + 1.0)


def _counts(data: Observed) -> tuple[FloatArray, FloatArray]:
    assert data.size is not None, "binomial data come from Binomial.prepare"
    return data.y, data.size


def _read_trials(size: ArrayLike, rows: int) -> FloatArray:
    values = read_response(size, "number of trials")
    if values.size != rows:
        raise FamilyError(
            f"There must be one number of trials for each response; "
            f"found {values.size} for {rows} responses."
        )
    trials = require_whole(
        values, "The numbers of trials must be whole", "Write successes / trials with counts."
    )
    require_support(
        trials > 0.0, trials, "The numbers of trials must be positive", "Drop the rows without any."
    )
    return trials


def _is_single(y: FloatArray, size: FloatArray | None) -> bool:
    """Whether every response is that of one trial, 0 or 1."""
    one = size is None or bool((size == 1.0).all())
    return one and bool(((y == 1.0) | (y == 0.0)).all())


def weigh_successes(
    log_density: Callable[[Observed, Predictors], FloatArray],
    k: ArrayLike,
    eta: Predictors,
    size: FloatArray | None,
) -> FloatArray:
    """Probability of ``k`` successes, zero where so many cannot be, ``(n,)``."""
    m = np.ones(eta[0].shape) if size is None else size
    values = np.broadcast_to(np.asarray(k, dtype=np.float64), m.shape)
    possible = (values >= 0.0) & (values <= m) & (values == np.floor(values))
    counts = np.where(possible, values, 0.0)
    data = Observed(counts, m, log_choose(counts, m))
    return np.where(possible, np.exp(log_density(data, eta)), 0.0)


def log_choose(k: FloatArray, m: FloatArray) -> FloatArray:
    """Log binomial coefficient; exactly zero for single trials."""
    if m.max(initial=1.0) == 1.0:
        return np.zeros(m.shape)
    inner = special.gammaln(m + 1.0) - special.gammaln(k + 1.0) - special.gammaln(m - k + 1.0)
    return np.where((k == 0.0) | (k == m), 0.0, inner)


def _logit_derivatives(
    k: FloatArray, m: FloatArray, constant: FloatArray, eta: FloatArray, order: int
) -> Derivatives:
    """Derivatives for the logit link, with the smaller of F and 1 - F as the carrier.

    With ``d = k - m [eta > 0]`` the log probability is ``d eta - m log(1 + exp(-|eta|))``, of
    which the first term is zero exactly where it must be, and the first derivative ``k - m F`` is
    ``d + sign(eta) m min(F, 1 - F)``: both are accurate in both tails.
    """
    small = np.abs(eta)
    np.negative(small, out=small)
    np.exp(small, out=small)
    # Without a branch for each row.
    first = m * np.signbit(eta)
    first += k - m
    value = np.log1p(small)
    value *= m
    work = first * eta
    np.subtract(work, value, out=value)
    value += constant
    if order < 1:
        return Derivatives(value, (), {}, {})
    large = np.add(small, 1.0, out=work)
    np.divide(1.0, large, out=large)
    small *= large
    small *= m
    first += np.copysign(small, eta)
    if order < 2:
        return Derivatives(value, (first,), {}, {})
    small *= large
    np.negative(small, out=small)
    if order < 3:
        return Derivatives(value, (first,), {(0, 0): small}, {})
    np.multiply(eta, -0.5, out=large)
    np.tanh(large, out=large)
    large *= small
    return Derivatives(value, (first,), {(0, 0): small}, {(0, 0, 0): large})


def _tail_derivatives(
    k: FloatArray, m: FloatArray, constant: FloatArray, tails: tuple[Tail, Tail]
) -> Derivatives:
    """Derivatives of ``k log F + (m - k) log(1 - F)``, as many as the tails have."""
    p, q = tails
    failures = m - k
    value = _weigh_logs(k, failures, p[0], q[0])
    value += constant
    slopes = [k * a + failures * b for a, b in zip(p[1:], q[1:], strict=True)]
    return Derivatives(
        value,
        tuple(slopes[:1]),
        dict(zip([(0, 0)], slopes[1:2], strict=False)),
        dict(zip([(0, 0, 0)], slopes[2:], strict=False)),
    )


def _weigh_logs(
    k: FloatArray, failures: FloatArray, log_p: FloatArray, log_q: FloatArray
) -> FloatArray:
    """``k log F + failures log(1 - F)``, with zero times minus infinity zero."""
    if log_p.size and min(log_p.min(), log_q.min()) == -np.inf:
        success = k * np.where(k > 0.0, log_p, 0.0)
        return success + failures * np.where(failures > 0.0, log_q, 0.0)
    return k * log_p + failures * log_q


def _binomial_cdf(k: FloatArray, m: FloatArray, failure: FloatArray) -> FloatArray:
    """Regularised incomplete beta function of ``1 - p`` at ``(m - k, k + 1)``."""
    inner: FloatArray = failure
    if m.size and m.max() > 1.0:
        shapes = np.maximum(m - k, 1.0), np.maximum(k, 0.0) + 1.0
        inner = np.asarray(special.betainc(*shapes, failure), dtype=np.float64)
    return np.where(k < 0.0, 0.0, np.where(k >= m, 1.0, inner))
