"""A Bayesian model whose draws hold the parameters of the distribution of each response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import pandas as pd
from scipy.special import betainc, betaincc, gammaincc, ndtri

from mixcheck.adapters.posterior_families import DISTRIBUTIONS, Distribution
from mixcheck.adapters.predicted import see_response
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.port import Conditioning, DataView

__all__ = ["PosteriorModel", "find_distribution", "given_draw"]

# Responses in draws by which a distribution is recognised, of so many draws at least. Fewer than
# 100 recognise nothing.
_LOOKED_AT: Final = 250_000
_DRAWS: Final = 20
_LEAST: Final = 100
_INSIDE: Final = 1e-15
# A test of one order statistic, of some three hundred, and that of dependence reject a right
# distribution by less than this.
_REJECTED: Final = 1e-7
_ORDERS: Final = 150
# Distances of rows whose correlation is looked at, and standard errors that it is away from zero.
_LAGS: Final = 5
_FAR: Final = 6.5
# Of distributions whose likelihoods are within a factor of a thousand all are named.
_RATIO: Final = float(np.log(1000.0))
# Relative differences of log-likelihoods that are rounding.
_SAME: Final = 1e-9
# Log densities that a program wrote are those of a distribution here to this, in single precision
# to the other; those of another one differ by more in some row.
_ALIKE: Final = {8: 1e-6, 4: 1e-3}


@final
@dataclass(frozen=True, eq=False, repr=False)
class PosteriorModel:
    """A response, and draws from the posterior of all that its distribution hangs on.

    Given one draw of the parameters and the random effects, (theta, b), from their distribution
    given y, the pair (y, theta, b) has the joint distribution that the model says, so that y is a
    sample of p(y | theta, b) as exactly as each replicate is one of its own draw (Johnson 2007,
    Bayesian Analysis 2, 719-734). The data are seen given the last draw, whatever the seed, and a
    replicate given one that is chosen at random, from which it is simulated.

    Attributes
    ----------
    response : (n,) array
    distribution : Distribution
    parameters : mapping of name to (S, n) or (S, 1) array
        In S draws.
    effects : mapping of term to (S, m) array
        Random effects over their standard deviations, in the same draws.
    frame : DataFrame, (n, ..)
    name : str
        Of the response.
    """

    response: FloatArray
    distribution: Distribution
    parameters: Mapping[str, FloatArray]
    effects: Mapping[str, FloatArray]
    frame: pd.DataFrame
    name: str

    def __repr__(self) -> str:
        known = f"{self.distribution.name}: {self.posterior_draws} draws"
        return f"<PosteriorModel {self.name!r}, {known}>"

    @property
    def posterior_draws(self) -> int:
        """How many draws of the parameters there are, S."""
        return len(next(iter(self.parameters.values())))

    @property
    def discrete(self) -> bool:
        """Whether the response has probability masses."""
        return self.distribution.discrete

    @property
    def description(self) -> Mapping[str, str | int | float | bool | None]:
        """What is known of the model."""
        return {
            "model": self.name,
            "distribution": self.distribution.name,
            "observations": self.response.size,
            "draws of the posterior": self.posterior_draws,
            "discrete response": self.discrete,
        }

    def observe(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """See the observed data given the last draw; it is the conditioning there is."""
        k = self.posterior_draws - 1
        effects = {term: values[k][:, None] for term, values in self.effects.items()}
        return self._see(self.response, self.given(k), rng, effects)

    def replicate(self, conditioning: Conditioning, rng: np.random.Generator) -> DataView:
        """Simulate a response from one draw, and see it given that draw.

        Random effects over their standard deviations are independent standard normal numbers
        under the model; those of the draws all come from one response.
        """
        given = self.given(int(rng.integers(self.posterior_draws)))
        y = np.asarray(given.rvs(size=self.response.size, random_state=rng), dtype=np.float64)
        effects = {
            term: rng.standard_normal((values.shape[1], 1)) for term, values in self.effects.items()
        }
        return self._see(y, given, rng, effects)

    def _see(
        self, y: FloatArray, given: Any, rng: np.random.Generator, effects: Mapping[str, FloatArray]
    ) -> DataView:
        with np.errstate(all="ignore"):
            mean, variance = (
                np.broadcast_to(part, y.shape) for part in (given.mean(), given.var())
            )
            lacks = ~np.isfinite(mean)
            if lacks.any():
                # As of t with one degree of freedom: the middle is the median there.
                mean = np.where(lacks, given.ppf(np.full(y.shape, 0.5)), mean)
        moments = (mean, np.where(np.isnan(variance) | lacks, np.inf, variance))
        return see_response(y, given, self.discrete, rng, effects, moments=moments)

    def given(self, k: int) -> Any:
        """The distribution of the responses in draw `k`, frozen."""
        return given_draw(self.distribution, self.parameters, k, self.response.size)


def find_distribution(
    parameters: Mapping[str, FloatArray],
    draws: FloatArray,
    response: FloatArray | None = None,
    densities: FloatArray | None = None,
) -> Distribution | None:
    """The distribution that draws of a response come from, or None.

    Where the program has written the log density of each observation in each draw, it is one that
    has these. Of all that have their parameters among the ones given, the one is taken under which
    the draws are likeliest; others whose likelihood is within a factor of a thousand, as that of a
    negative binomial distribution with hardly any dispersion of Poisson counts, differ by nothing
    that could be seen, and are named with it.

    It is the right one only if the probabilities of the draws under it, each by its own draw of the
    parameters and randomised where there are masses, are independent and uniform. Each of 300 of
    their order statistics, nearly all of which are in the tails, is tested by its beta
    distribution, which sees a distribution that is cut off far from its middle as well. Their
    correlations between rows are tested by the sum of squares, and those of near rows by their
    mean, which see a response whose rows depend on each other given the parameters. In the middle,
    distribution functions that differ by half a per cent are told apart.

    Parameters
    ----------
    parameters : mapping of name to (S, n) or (S, 1) array
        That named "categories" has the axis of categories besides.
    draws : (S, n) array
        Of the response, each by the parameters of the same row.
    response : (n,) array, optional
        What was observed.
    densities : (S, n) array, optional
        Log densities of the response, in the same draws.
    """
    kind = _kind_of(draws)
    candidates = [
        one for one in DISTRIBUTIONS if one.kind == kind and set(one.parameters) <= set(parameters)
    ]
    if not candidates:
        return None
    chosen, rows = _looked_at(*draws.shape)
    part = {
        name: (values[:, rows] if values.shape[1] > 1 else values)[chosen]
        for name, values in parameters.items()
    }
    if densities is not None and response is not None:
        seen = _Told(part, np.broadcast_to(response[rows], (chosen.size, rows.size)))
        written = densities[np.ix_(chosen, rows)]
        candidates = [one for one in candidates if _are_alike(seen.log_density(one), written)]
    elif chosen.size * rows.size < _LEAST:
        return None
    told = _Told(part, draws[np.ix_(chosen, rows)])
    sums = [(float(np.sum(told.log_density(one))), one) for one in candidates]
    known = sorted(((total, one) for total, one in sums if np.isfinite(total)), key=_total)
    likely = [pair for pair in known if pair[0] > known[0][0] - _RATIO]
    fitting = [pair for pair in likely if _are_uniform(told.probabilities(pair[1]))]
    if not fitting:
        return None
    # A binomial distribution of single trials is the Bernoulli one: the name of more says more.
    total = fitting[0][0]
    same = [one for each, one in fitting if abs(each - total) <= _SAME * max(abs(total), 1.0)]
    found = max(same, key=lambda one: len(one.parameters))
    others = (one.name for _, one in fitting if one not in same)
    names = dict.fromkeys((found.name, *others))
    return found if len(names) == 1 else found._replace(name=" or ".join(names))


def _looked_at(draws: int, n: int) -> tuple[IntArray, IntArray]:
    """Draws and rows that are looked at: of many rows neighbours, and others all over."""
    count = max(_DRAWS, _LOOKED_AT // max(n, 1))
    chosen = np.unique(np.linspace(0, draws - 1, min(count, draws)).astype(np.intp))
    most = _LOOKED_AT // _DRAWS
    if n <= most:
        return chosen, np.arange(n)
    apart = np.linspace(0, n - 1, most // 2).astype(np.intp)
    return chosen, np.union1d(np.arange(most // 2), apart)


def _total(pair: tuple[float, Distribution]) -> float:
    return -pair[0]


def _kind_of(draws: FloatArray) -> str:
    """Which kind of distribution has such draws."""
    if np.all(draws == np.rint(draws)):
        return "whole"
    return "mixed" if np.any(draws == 0.0) else "continuous"


@dataclass(frozen=True, eq=False)
class _Told:
    """What distributions say of some draws, (K, n) each.

    Attributes
    ----------
    parameters : mapping of name to (K, n), (K, 1) or (K, n, ..) array
    y : (K, n) array
    """

    parameters: Mapping[str, FloatArray]
    y: FloatArray

    def log_density(self, one: Distribution) -> FloatArray:
        """Log density of each response, or NaN where the parameters are none of it."""
        name = "logpmf" if one.discrete else "logpdf"
        with np.errstate(all="ignore"):
            rows = [getattr(self._given(one, k), name)(y) for k, y in enumerate(self.y)]
        return np.asarray(rows, dtype=np.float64)

    def probabilities(self, one: Distribution) -> FloatArray:
        """Probability of less than each response, randomised where it has a mass."""
        rng = np.random.default_rng(0)
        found = []
        for k, y in enumerate(self.y):
            given = self._given(one, k)
            with np.errstate(all="ignore"):
                upto = np.asarray(given.cdf(y), dtype=np.float64)
                mass = np.asarray(given.pmf(y), dtype=np.float64) if one.discrete else 0.0
            found.append(upto - rng.random(y.size) * mass)
        return np.asarray(found)

    def _given(self, one: Distribution, k: int) -> Any:
        return given_draw(one, self.parameters, k, self.y.shape[1])


def given_draw(
    distribution: Distribution, parameters: Mapping[str, FloatArray], k: int, n: int
) -> Any:
    """The distribution of n responses in draw `k`, frozen."""
    values = (parameters[name][k] for name in distribution.parameters)
    return distribution.make(
        *(part if part.ndim > 1 else np.broadcast_to(part, (n,)) for part in values)
    )


def _are_alike(ours: FloatArray, written: FloatArray) -> bool:
    """Whether log densities are those that a program wrote."""
    near = _ALIKE.get(written.dtype.itemsize, _ALIKE[4])
    return bool(np.allclose(ours, written, rtol=near, atol=near))


def _are_uniform(probabilities: FloatArray) -> bool:
    """Whether (K, n) probabilities are independent and uniform."""
    if not np.isfinite(probabilities).all():
        return False
    ranks = np.sort(probabilities, axis=None)
    size = ranks.size
    steps = np.geomspace(1, (size + 1) / 2, _ORDERS).astype(np.int64)
    # The i-th of N uniform numbers has the beta distribution of i and N + 1 - i.
    for ordered in (ranks, 1.0 - ranks[::-1]):
        at = np.clip(ordered[steps - 1], 0.0, 1.0)
        least = np.minimum(
            betainc(steps, size + 1 - steps, at), betaincc(steps, size + 1 - steps, at)
        )
        if np.min(least) < _REJECTED:
            return False
    scores = ndtri(np.clip(probabilities, _INSIDE, 1.0 - _INSIDE))
    # Rows depend where draws move them together, draws where they repeat what is off in a row.
    return not (_depend(scores) or _depend(scores.T) or _neighbours_depend(scores))


def _neighbours_depend(scores: FloatArray) -> bool:
    """Whether rows that lie near each other are correlated, where there are too few draws for all.

    The products of N independent pairs of normal scores have a sum of variance N.
    """
    for lag in range(1, min(_LAGS, scores.shape[1] - 1) + 1):
        left, right = scores[:, lag:], scores[:, :-lag]
        if abs(float(np.sum(left * right))) > _FAR * np.sqrt(left.size):
            return True
    return False


def _depend(scores: FloatArray) -> bool:
    """Whether columns of a (K, n) matrix of normal scores are correlated.

    The correlation about zero of two independent columns has the square of a beta distribution
    with mean 1 / K, and those of all pairs are independent pair by pair.
    """
    draws, n = scores.shape
    if n < 2:
        return False
    unit = scores / np.sqrt(np.sum(scores**2, axis=0))
    product = unit @ unit.T if draws < n else unit.T @ unit
    pairs = 0.5 * n * (n - 1)
    squares = 0.5 * (float(np.sum(product**2)) - n)
    # K r^2 is a square of a normal number with a lighter tail.
    return bool(gammaincc(0.5 * pairs, 0.5 * draws * squares) < _REJECTED)
