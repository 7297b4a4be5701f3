"""Models whose parameters are known, for the checks: the port without any fitting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import gammaln, ndtr, pdtr

from mixcheck.port import ConvergenceFacts, DataView, ProbabilityTransform

GRID = np.linspace(-6.0, 6.0, 241)


def transform_of(residuals: np.ndarray) -> ProbabilityTransform:
    """Residuals as what is known of a response without masses."""
    return ProbabilityTransform.known(residuals, np.zeros_like(residuals))


@dataclass(frozen=True, eq=False)
class Intercepts:
    """Random intercepts of one grouping factor; `response` is the observed data.

    The parameters are known, so that the observed data and the replicates of a right model have
    exactly the same distribution.
    """

    frame: pd.DataFrame
    eta: np.ndarray
    group: np.ndarray
    response: np.ndarray
    sd_group: float = 0.7

    @property
    def levels(self) -> int:
        """Number of groups."""
        return int(self.group.max()) + 1

    @property
    def description(self) -> Mapping[str, Any]:
        """What the model is."""
        return {"model": type(self).__name__, "observations": self.eta.size}

    @property
    def convergence(self) -> ConvergenceFacts:
        """Known parameters are at their optimum."""
        return ConvergenceFacts(True, 1e-9, 1.0, 7, singular=("site",))

    def observe(self, conditioning: str, rng: np.random.Generator) -> DataView:
        """The observed data, with random effects drawn from their exact posterior."""
        return self.see(self.response, self.draw(self.response, rng), rng)

    def replicate(self, conditioning: str, rng: np.random.Generator) -> DataView:
        """New effects and data: the effects are themselves a draw given the data."""
        u = rng.standard_normal(self.levels)
        return self.see(self.sample(self.linear(u), rng), u, rng)

    def linear(self, u: np.ndarray) -> np.ndarray:
        """Linear predictor of standardised effects."""
        return self.eta + self.sd_group * u[self.group]

    def see(self, y: np.ndarray, u: np.ndarray, rng: np.random.Generator) -> DataView:
        """One data set with given effects."""
        mean, variance = self.moments(self.linear(u))
        mode_mean, mode_variance = self.moments(self.linear(self.mode(y)))
        residuals = self.uniform(y, mean, rng)
        return DataView(
            response=y,
            residuals=residuals,
            fitted=self.moments(self.eta)[0],
            mean=mean,
            variance=variance,
            mode_mean=mode_mean,
            mode_variance=mode_variance,
            effects={"site": u[:, None]},
            probability=self.masses(mean),
            transform=lambda: transform_of(residuals),
            mode_probability=self.masses(mode_mean),
        )


@dataclass(frozen=True, eq=False)
class Gaussian(Intercepts):
    """Normal responses with standard deviation 1: the posterior is normal."""

    discrete = False

    def moments(self, eta):
        """Mean and variance."""
        return eta, np.ones_like(eta)

    def sample(self, eta, rng):
        """New responses."""
        return eta + rng.standard_normal(eta.size)

    def mode(self, y):
        """Conditional modes of the standardised effects."""
        sums = np.bincount(self.group, y - self.eta)
        return self.sd_group * sums / self._precision()

    def _precision(self):
        return 1.0 + self.sd_group**2 * np.bincount(self.group)

    def draw(self, y, rng):
        """An exact draw of the standardised effects given the data."""
        return self.mode(y) + rng.standard_normal(self.levels) / np.sqrt(self._precision())

    def uniform(self, y, mean, rng):
        """Quantile residuals given the mean."""
        return np.clip(ndtr(y - mean), 1e-15, 1.0 - 1e-15)

    def masses(self, mean):
        """Probabilities of values, if there are any."""
        return


@dataclass(frozen=True, eq=False)
class Poisson(Intercepts):
    """Counts with a log link; the posterior on a grid fine enough to be exact here."""

    discrete = True

    def moments(self, eta):
        """Mean and variance."""
        mean = np.exp(eta)
        return mean, mean

    def sample(self, eta, rng):
        """New responses."""
        return rng.poisson(np.exp(eta)).astype(float)

    def _sums(self, y):
        return np.bincount(self.group, y), np.bincount(self.group, np.exp(self.eta))

    def mode(self, y):
        """Conditional modes of the standardised effects."""
        total, expected = self._sums(y)
        s, u = self.sd_group, np.zeros(self.levels)
        for _ in range(8):
            rate = expected * np.exp(s * u)
            u = u + np.clip((s * (total - rate) - u) / (s * s * rate + 1.0), -1.0, 1.0)
        return u

    def draw(self, y, rng):
        """An exact draw of the standardised effects given the data."""
        total, expected = self._sums(y)
        su = self.sd_group * GRID
        log = np.outer(total, su) - np.outer(expected, np.exp(su)) - 0.5 * GRID**2
        density = np.exp(log - log.max(axis=1, keepdims=True))
        mass = np.cumsum(density, axis=1)
        cell = np.argmax(mass >= rng.random((self.levels, 1)) * mass[:, -1:], axis=1)
        return GRID[cell] + (rng.random(self.levels) - 0.5) * (GRID[1] - GRID[0])

    def uniform(self, y, mean, rng):
        """Quantile residuals given the mean."""
        below = np.where(y > 0, pdtr(np.maximum(y - 1, 0), mean), 0.0)
        r = below + rng.random(y.size) * (pdtr(y, mean) - below)
        return np.clip(r, 1e-15, 1.0 - 1e-15)

    def masses(self, mean):
        """Probabilities of values, if there are any."""
        return lambda k: np.exp(k * np.log(mean) - mean - gammaln(k + 1))


KINDS = {"gaussian": Gaussian, "poisson": Poisson}


def make_toy(
    kind: str,
    seed: int,
    *,
    levels: int = 10,
    per_level: int = 4,
    change: Callable[[np.ndarray, pd.DataFrame, np.random.Generator], np.ndarray] | None = None,
) -> Intercepts:
    """A toy with data of its own making; `change` alters the linear predictor of the data alone."""
    rng = np.random.default_rng(seed)
    n = levels * per_level
    frame = pd.DataFrame(
        {
            "x": rng.standard_normal(n),
            "site": pd.Categorical.from_codes(
                np.repeat(np.arange(levels), per_level), [f"s{k}" for k in range(levels)]
            ),
            "half": np.tile(["a", "b"], n // 2),
        },
        index=np.arange(n) + 100,
    )
    group = frame["site"].cat.codes.to_numpy().astype(np.intp)
    eta = 0.5 + 0.4 * frame["x"].to_numpy()
    toy = KINDS[kind](frame, eta, group, np.zeros(n))
    linear = toy.linear(rng.standard_normal(levels))
    if change is not None:
        linear = change(linear, frame, rng)
    return replace(toy, response=toy.sample(linear, rng))


@pytest.fixture(scope="session")
def toy() -> Callable[..., Intercepts]:
    """Makes a model with known parameters, and data from it."""
    return make_toy
