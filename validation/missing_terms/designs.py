"""Data of known origin: from the model that is fitted to them, and from models with one thing more.

Every data set has columns that are in no model: z and a factor f within groups, w constant in
groups, and a grouping factor h that crosses them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["CORRECT", "WRONG", "Design"]

Added = Callable[[pd.DataFrame, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Design:
    """One way of making data, and the model fitted to them.

    Attributes
    ----------
    name, formula, family : str
    groups, rows : int
        Number of groups, and of rows in each on average.
    intercept, sd : float
        Of the linear predictor, and of the random intercepts.
    uneven : bool
        Whether groups have from 1 to 2 `rows` - 1 rows.
    slopes : float
        Standard deviation of random slopes of x.
    added : callable or None
        What is added to the linear predictor and is not in the model.
    log_sd : callable or None
        What is added to the logarithm of the Gaussian standard deviation.
    inverse : callable
        Inverse link of the data.
    options : dict
        Further arguments of the fit.
    """

    name: str
    formula: str
    family: str
    groups: int
    rows: int
    intercept: float = 0.5
    sd: float = 0.6
    uneven: bool = False
    slopes: float = 0.0
    added: Added | None = None
    log_sd: Added | None = None
    inverse: Callable[[np.ndarray], np.ndarray] | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def make(self, rng: np.random.Generator) -> pd.DataFrame:
        """One data set."""
        sizes = np.full(self.groups, self.rows)
        if self.uneven:
            sizes = rng.integers(1, 2 * self.rows, self.groups)
        g = np.repeat(np.arange(self.groups), sizes)
        n = g.size
        data = pd.DataFrame(
            {
                "x": rng.normal(size=n),
                "v": rng.normal(size=n),
                "z": rng.normal(size=n),
                "w": rng.normal(size=self.groups)[g],
                "f": rng.choice(list("abc"), n),
                "h": pd.Categorical(rng.integers(0, 12, n)),
                "e": np.exp(rng.normal(size=n)),
                "g": pd.Categorical(g),
            }
        )
        eta = self.intercept + 0.5 * data["x"].to_numpy() + 0.3 * data["v"].to_numpy()
        eta = eta + self.sd * rng.normal(size=self.groups)[g]
        eta = eta + self.slopes * rng.normal(size=self.groups)[g] * data["x"].to_numpy()
        if self.added is not None:
            eta = eta + self.added(data, rng)
        return data.assign(y=self._response(eta, data, rng))

    def _response(
        self, eta: np.ndarray, data: pd.DataFrame, rng: np.random.Generator
    ) -> np.ndarray:
        if self.family == "gaussian":
            log_sd = 0.0 if self.log_sd is None else self.log_sd(data, rng)
            return eta + np.exp(log_sd) * rng.normal(size=eta.size)
        if self.family == "binomial":
            inverse = self.inverse or (lambda t: 1.0 / (1.0 + np.exp(-t)))
            return rng.binomial(1, inverse(eta))
        mean = np.exp(eta) if self.inverse is None else self.inverse(eta)
        if self.family == "gamma":
            shape = np.exp(1.2 - 0.5 * data["x"].to_numpy())
            return mean * rng.gamma(shape, 1.0 / shape)
        if self.family == "nbinom2":
            mean = mean * data["e"].to_numpy() * rng.gamma(1.5, 1.0 / 1.5, eta.size)
        counts = rng.poisson(mean)
        return counts * (rng.random(eta.size) > 0.25) if "zi" in self.options else counts


_ONE = "y ~ x + v + (1 | g)"

CORRECT = (
    Design("poisson 40 x 10", _ONE, "poisson", 40, 10),
    Design("poisson 100 x 3, uneven", _ONE, "poisson", 100, 3, uneven=True),
    Design("bernoulli 50 x 10", _ONE, "binomial", 50, 10, sd=0.8),
    Design("gaussian 30 x 8, uneven", _ONE, "gaussian", 30, 8, uneven=True),
    Design("gaussian slopes 40 x 8", "y ~ x + v + (x | g)", "gaussian", 40, 8, slopes=0.6),
    Design("poisson slopes 40 x 10", "y ~ x + v + (x | g)", "poisson", 40, 10, slopes=0.4),
    Design(
        "nbinom2 with offsets 40 x 10", "y ~ x + v + offset(log(e)) + (1 | g)", "nbinom2", 40, 10
    ),
    Design(
        "gamma, dispersion of x 30 x 10",
        _ONE,
        "gamma",
        30,
        10,
        options={"dispersion": "~ x"},
    ),
    Design("zip 40 x 10", _ONE, "poisson", 40, 10, intercept=1.0, options={"zi": "~ 1"}),
)


def _of(name: str, size: float) -> Added:
    return lambda data, rng: size * data[name].to_numpy()


def _factor(data: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    return data["f"].map({"a": -0.4, "b": 0.0, "c": 0.4}).to_numpy()


def _groups(name: str, sd: float) -> Added:
    def add(data: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        codes = data[name].cat.codes.to_numpy()
        return sd * rng.normal(size=codes.max() + 1)[codes]

    return add


def _square(size: float) -> Added:
    return lambda data, rng: size * (data["x"].to_numpy() ** 2 - 1.0)


def _product(size: float) -> Added:
    return lambda data, rng: size * data["x"].to_numpy() * data["v"].to_numpy()


def _loglog(eta: np.ndarray) -> np.ndarray:
    return 1.0 - np.exp(-np.exp(eta))


WRONG = {
    "missing slope": (
        Design("gaussian 40 x 8, slope sd .8", _ONE, "gaussian", 40, 8, slopes=0.8),
        Design("gaussian 40 x 8, slope sd .4", _ONE, "gaussian", 40, 8, slopes=0.4),
        Design("poisson 40 x 10, slope sd .5", _ONE, "poisson", 40, 10, slopes=0.5),
        Design("poisson 40 x 10, slope sd .25", _ONE, "poisson", 40, 10, slopes=0.25),
        Design("bernoulli 50 x 10, slope sd 1", _ONE, "binomial", 50, 10, slopes=1.0),
    ),
    "spread": (
        Design(
            "gaussian 40 x 8, variance fivefold along x",
            _ONE,
            "gaussian",
            40,
            8,
            # From the 5 % to the 95 % quantile of x.
            log_sd=_of("x", 0.25 * np.log(5.0) / 1.645),
        ),
        Design(
            "gaussian 40 x 8, variance fivefold by f",
            _ONE,
            "gaussian",
            40,
            8,
            log_sd=lambda d, r: np.log(5.0) * _factor(d, r) / 1.6,
        ),
    ),
    "missing predictor": (
        Design("poisson 40 x 10, z .15", _ONE, "poisson", 40, 10, added=_of("z", 0.15)),
        Design("poisson 40 x 10, w .4", _ONE, "poisson", 40, 10, added=_of("w", 0.4)),
        Design("gaussian 40 x 8, w .5", _ONE, "gaussian", 40, 8, added=_of("w", 0.5)),
        Design("bernoulli 50 x 10, f", _ONE, "binomial", 50, 10, added=_factor),
    ),
    "missing group": (
        Design("poisson 40 x 10, h .4", _ONE, "poisson", 40, 10, added=_groups("h", 0.4)),
        Design("gaussian 40 x 8, h .4", _ONE, "gaussian", 40, 8, added=_groups("h", 0.4)),
    ),
    "interaction": (
        Design("poisson 40 x 10, x v .15", _ONE, "poisson", 40, 10, added=_product(0.15)),
        Design("bernoulli 50 x 10, x v .4", _ONE, "binomial", 50, 10, added=_product(0.4)),
    ),
    "link": (
        Design(
            "bernoulli 50 x 10, cloglog", _ONE, "binomial", 50, 10, intercept=0.0, inverse=_loglog
        ),
        Design(
            "poisson 40 x 10, square",
            _ONE,
            "poisson",
            40,
            10,
            intercept=2.5,
            inverse=lambda eta: eta**2,
        ),
        Design("bernoulli 50 x 10, square of x", _ONE, "binomial", 50, 10, added=_square(0.4)),
        Design("poisson 40 x 10, square of x", _ONE, "poisson", 40, 10, added=_square(0.15)),
    ),
    "dispersion": (
        Design(
            "gaussian 40 x 8, variance fivefold along z",
            _ONE,
            "gaussian",
            40,
            8,
            log_sd=_of("z", 0.25 * np.log(5.0) / 1.645),
        ),
    ),
}
