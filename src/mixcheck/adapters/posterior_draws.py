"""A Bayesian model whose draws hold the parameters of the distribution of each response."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, final

import numpy as np
import pandas as pd

from mixcheck.adapters.predicted import see_response
from mixcheck.arrays import FloatArray
from mixcheck.port import Conditioning, DataView

__all__ = ["Distribution", "PosteriorModel", "find_distribution"]

# Kolmogorov's distance times the root of n is beyond this once in a hundred thousand.
_FARTHEST: Final = 2.5
# Responses in draws by which a distribution is recognised, of so many draws at least: those of
# another one are seen at a distance of half a per cent. Fewer than 100 recognise nothing.
_LOOKED_AT: Final = 250_000
_DRAWS: Final = 20
_LEAST: Final = 100


class Distribution(NamedTuple):
    """A distribution of scipy.stats by the parameters that programs for Bayesian models draw."""

    name: str
    parameters: tuple[str, ...]
    discrete: bool
    make: Callable[..., Any]


def _poisson(mu: Any) -> Any:
    from scipy import stats

    return stats.poisson(mu)


def _bernoulli(p: Any) -> Any:
    from scipy import stats

    return stats.bernoulli(p)


def _binomial(p: Any, n: Any) -> Any:
    from scipy import stats

    return stats.binom(n.astype(np.int64), p)


def _negative_binomial(mu: Any, alpha: Any) -> Any:
    """Variance mu + mu^2 / alpha."""
    from scipy import stats

    return stats.nbinom(alpha, alpha / (alpha + mu))


def _normal(mu: Any, sigma: Any) -> Any:
    from scipy import stats

    return stats.norm(mu, sigma)


def _student(mu: Any, sigma: Any, nu: Any) -> Any:
    from scipy import stats

    return stats.t(nu, mu, sigma)


def _gamma(mu: Any, alpha: Any) -> Any:
    """Shape alpha and mean mu."""
    from scipy import stats

    return stats.gamma(alpha, scale=mu / alpha)


def _beta(mu: Any, kappa: Any) -> Any:
    """Mean mu and precision kappa."""
    from scipy import stats

    return stats.beta(mu * kappa, (1.0 - mu) * kappa)


DISTRIBUTIONS: Final = (
    Distribution("bernoulli", ("p",), True, _bernoulli),
    Distribution("binomial", ("p", "n"), True, _binomial),
    Distribution("poisson", ("mu",), True, _poisson),
    Distribution("negative binomial", ("mu", "alpha"), True, _negative_binomial),
    Distribution("normal", ("mu", "sigma"), False, _normal),
    Distribution("t", ("mu", "sigma", "nu"), False, _student),
    Distribution("gamma", ("mu", "alpha"), False, _gamma),
    Distribution("beta", ("mu", "kappa"), False, _beta),
)


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
        return see_response(self.response, self.given(k), self.discrete, rng, effects)

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
        return see_response(y, given, self.discrete, rng, effects)

    def given(self, k: int) -> Any:
        """The distribution of the responses in draw `k`, frozen."""
        return self.distribution.make(*(self._of_rows(values[k]) for values in self._ordered))

    @property
    def _ordered(self) -> Sequence[FloatArray]:
        return [self.parameters[name] for name in self.distribution.parameters]

    def _of_rows(self, values: FloatArray) -> FloatArray:
        return np.broadcast_to(values, self.response.shape)


def find_distribution(
    parameters: Mapping[str, FloatArray], draws: FloatArray
) -> Distribution | None:
    """The distribution that draws of a response come from, or None.

    Each draw of the response is measured by the distribution that its own draw of the parameters
    gives: if it is that one, all of these probabilities are uniform. Of two that fit, as a Poisson
    distribution and a negative binomial one with hardly any dispersion, the one of more parameters
    is taken. Distribution functions that differ by less than a per cent cannot be told apart.

    Parameters
    ----------
    parameters : mapping of name to (S, n) or (S, 1) array
    draws : (S, n) array
        Of the response, each by the parameters of the same row.
    """
    integers = bool(np.all(draws == np.rint(draws)))
    count = max(_DRAWS, _LOOKED_AT // max(draws.shape[1], 1))
    chosen = np.unique(np.linspace(0, len(draws) - 1, min(count, len(draws))).astype(int))
    if chosen.size * draws.shape[1] < _LEAST:
        return None
    known = [
        one
        for one in DISTRIBUTIONS
        if one.discrete == integers and set(one.parameters) <= set(parameters)
    ]
    # A parameter that is there and not used would be that of another distribution.
    for one in sorted(known, key=lambda one: -len(one.parameters)):
        if _fits(one, parameters, draws, chosen):
            return one
    return None


def _fits(
    one: Distribution, parameters: Mapping[str, FloatArray], draws: FloatArray, chosen: Any
) -> bool:
    rng = np.random.default_rng(0)
    found = []
    n = draws.shape[1]
    for k in chosen:
        y = draws[k]
        with np.errstate(all="ignore"):
            given = one.make(*(np.broadcast_to(parameters[p][k], (n,)) for p in one.parameters))
            upto = np.asarray(given.cdf(y), dtype=np.float64)
            mass = np.asarray(given.pmf(y), dtype=np.float64) if one.discrete else 0.0
        found.append(upto - rng.random(n) * mass)
    ranks = np.sort(np.concatenate(found))
    if not np.isfinite(ranks).all():
        return False
    steps = np.arange(ranks.size + 1) / ranks.size
    distance = max(np.max(steps[1:] - ranks), np.max(ranks - steps[:-1]))
    return bool(distance * np.sqrt(ranks.size) < _FARTHEST)
