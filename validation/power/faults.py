"""Data that a model lacks something of, with sizes at which a careful reader would see it.

Each fault is one way of making data and the simpler model that is fitted to them. The predictors
x and z are in every model; other columns are there only where the fault is about them, and g
tells groups apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["FAULTS", "Fault"]

Rng = np.random.Generator
Table = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Fault:
    """What is wrong with a model, and the data that tell.

    Attributes
    ----------
    family : str
        Of the model and, but for the fault, of the data.
    groups, rows : int
        Number of groups, and of rows in each.
    ours : tuple of str
        Starts of the names of the checks that are about this fault.
    dharma : str
        The test of DHARMa that is about it, or "".
    formula : str
    intercept, sd : float
        Of the linear predictor, and of the random intercepts.
    columns : callable or None
        Further columns, from the groups of the rows and a generator.
    added : callable or None
        Added to the linear predictor, from all columns and a generator.
    effects : callable
        Random effects of variance one, from a generator and their number.
    response : callable or None
        From the linear predictor, the columns and a generator, where the family's would not do.
    """

    family: str
    groups: int
    rows: int
    ours: tuple[str, ...]
    dharma: str = ""
    formula: str = "y ~ x + z + (1 | g)"
    intercept: float = 0.5
    sd: float = 0.6
    columns: Callable[[np.ndarray, Rng], Table] | None = None
    added: Callable[[Table, Rng], np.ndarray] | None = None
    effects: Callable[[Rng, int], np.ndarray] = lambda rng, m: rng.normal(size=m)
    response: Callable[[np.ndarray, Table, Rng], np.ndarray] | None = None

    def make(self, rng: Rng) -> pd.DataFrame:
        """One data set."""
        g = np.repeat(np.arange(self.groups), self.rows)
        table = {"g": g, "x": rng.normal(size=g.size), "z": rng.normal(size=g.size)}
        if self.columns is not None:
            table |= self.columns(g, rng)
        eta = self.intercept + 0.4 * table["x"] + 0.3 * table["z"]
        eta = eta + self.sd * self.effects(rng, self.groups)[g]
        if self.added is not None:
            eta = eta + self.added(table, rng)
        respond = self.response or (lambda eta, _, rng: RESPONSES[self.family](eta, rng))
        return pd.DataFrame(table | {"y": respond(eta, table, rng)})


def _events(eta: np.ndarray, rng: Rng) -> np.ndarray:
    return rng.binomial(1, 1.0 / (1.0 + np.exp(-eta)))


RESPONSES: dict[str, Callable[[np.ndarray, Rng], np.ndarray]] = {
    "poisson": lambda eta, rng: rng.poisson(np.exp(eta)),
    "gaussian": lambda eta, rng: eta + rng.normal(size=eta.size),
    "binomial": _events,
    "nbinom2": lambda eta, rng: rng.poisson(np.exp(eta) * rng.gamma(1.5, 1 / 1.5, eta.size)),
}


def _noise(sd: float) -> Callable[[Table, Rng], np.ndarray]:
    return lambda table, rng: sd * rng.normal(size=table["g"].size)


def _square(name: str, size: float) -> Callable[[Table, Rng], np.ndarray]:
    return lambda table, rng: size * (table[name] ** 2 - 1.0)


def _slopes(sd: float) -> Callable[[Table, Rng], np.ndarray]:
    return lambda table, rng: sd * rng.normal(size=table["g"].max() + 1)[table["g"]] * table["x"]


def _times(name: str, size: float) -> Callable[[Table, Rng], np.ndarray]:
    return lambda table, rng: size * table[name]


def _by_level(name: str, sd: float) -> Callable[[Table, Rng], np.ndarray]:
    return lambda table, rng: sd * rng.normal(size=table[name].max() + 1)[table[name]]


def _of_groups(g: np.ndarray, rng: Rng) -> Table:
    return {"w": rng.normal(size=g.max() + 1)[g]}


def _site(g: np.ndarray, rng: Rng) -> Table:
    return {"site": rng.integers(0, 12, g.size)}


def _treatment(g: np.ndarray, rng: Rng) -> Table:
    return {"treatment": rng.choice(["control", "low", "high"], g.size)}


def _time(g: np.ndarray, rng: Rng) -> Table:
    return {"time": np.arange(g.size) - np.searchsorted(g, g)}


def _places(g: np.ndarray, rng: Rng) -> Table:
    return {"easting": rng.random(g.size), "northing": rng.random(g.size)}


def _inflated(share: float, family: str) -> Callable[[np.ndarray, Table, Rng], np.ndarray]:
    return lambda eta, _, rng: RESPONSES[family](eta, rng) * (rng.random(eta.size) >= share)


def _along(eta: np.ndarray, table: Table, rng: Rng) -> np.ndarray:
    """A variance that is five times as large at the 95 % quantile of x as at the 5 % one."""
    return eta + np.exp(0.25 * np.log(5.0) / 1.645 * table["x"]) * rng.normal(size=eta.size)


def _by_treatment(eta: np.ndarray, table: Table, rng: Rng) -> np.ndarray:
    """A variance that is five times as large at a high dose as in the controls."""
    level = pd.Series(table["treatment"]).map({"control": 0.0, "low": 0.5, "high": 1.0}).to_numpy()
    return eta + np.exp(0.5 * np.log(5.0) * level) * rng.normal(size=eta.size)


def _serial(eta: np.ndarray, table: Table, rng: Rng) -> np.ndarray:
    """Errors of variance one with a correlation of one half from one time to the next."""
    fresh = rng.normal(size=eta.size)
    errors = fresh.copy()
    for row in np.flatnonzero(table["time"] > 0):
        errors[row] = 0.5 * errors[row - 1] + np.sqrt(0.75) * fresh[row]
    return eta + errors


def _spatial(eta: np.ndarray, table: Table, rng: Rng) -> np.ndarray:
    """Half of the error variance falls off with a scale of a tenth of the square."""
    at = np.column_stack([table["easting"], table["northing"]])
    apart = np.linalg.norm(at[:, None] - at[None], axis=2)
    root = np.linalg.cholesky(np.exp(-apart / 0.1) + 1e-9 * np.eye(len(at)))
    return eta + np.sqrt(0.5) * (root @ rng.normal(size=eta.size) + rng.normal(size=eta.size))


def _gross(eta: np.ndarray, table: Table, rng: Rng) -> np.ndarray:
    """Two rows in a hundred four standard deviations off."""
    wrong = rng.random(eta.size) < 0.02
    return eta + rng.normal(size=eta.size) + 4.0 * wrong * rng.choice([-1.0, 1.0], eta.size)


def _miscounted(eta: np.ndarray, table: Table, rng: Rng) -> np.ndarray:
    """Two counts in a hundred with twelve more."""
    return rng.poisson(np.exp(eta)) + 12 * (rng.random(eta.size) < 0.02)


def _heavy(eta: np.ndarray, table: Table, rng: Rng) -> np.ndarray:
    """Errors of Student's t with three degrees of freedom."""
    return eta + rng.standard_t(3.0, eta.size)


def _two_kinds(rng: Rng, m: int) -> np.ndarray:
    """Effects around -0.95 and 0.95, of variance one."""
    return np.where(rng.random(m) < 0.5, -0.95, 0.95) + 0.31 * rng.normal(size=m)


def _long_tails(rng: Rng, m: int) -> np.ndarray:
    """Effects of Student's t with three degrees of freedom, over its standard deviation."""
    return rng.standard_t(3.0, m) / np.sqrt(3.0)


def _loglog(eta: np.ndarray, table: Table, rng: Rng) -> np.ndarray:
    """Successes of ten by a complementary log-log link, twice as steep."""
    return rng.binomial(10, 1.0 - np.exp(-np.exp(np.minimum(2.0 * eta - 0.5, 3.0))))


def _straight(eta: np.ndarray, table: Table, rng: Rng) -> np.ndarray:
    """Counts whose mean is the square of the linear predictor."""
    return rng.poisson(np.maximum(eta + 2.0, 0.0) ** 2)


FAULTS: dict[str, Fault] = {
    "overdispersion, sd 0.5": Fault(
        "poisson", 60, 4, ("dispersion",), "dispersion", added=_noise(0.5)
    ),
    "zero inflation, 15 %": Fault(
        "poisson",
        40,
        10,
        ("zeros",),
        "zeros",
        intercept=1.0,
        response=_inflated(0.15, "poisson"),
    ),
    "missing square, counts": Fault(
        "poisson", 40, 10, ("trend", "interaction", "link"), "quantiles", added=_square("x", 0.2)
    ),
    "missing square, events": Fault(
        "binomial", 50, 10, ("trend", "interaction", "link"), "quantiles", added=_square("x", 0.5)
    ),
    "missing square of the lesser predictor": Fault(
        "poisson", 40, 10, ("interaction",), "quantiles", added=_square("z", 0.2)
    ),
    "missing slope, Gaussian sd 0.8": Fault(
        "gaussian", 30, 8, ("missing slope",), "uniformity", added=_slopes(0.8)
    ),
    "missing slope, Poisson sd 0.5": Fault(
        "poisson", 40, 8, ("missing slope",), "dispersion", added=_slopes(0.5)
    ),
    "variance fivefold along x": Fault(
        "gaussian",
        40,
        8,
        ("spread", "missing predictor [dispersion]"),
        "quantiles",
        response=_along,
    ),
    "variance fivefold by a factor": Fault(
        "gaussian",
        40,
        8,
        ("missing predictor [dispersion]",),
        "levene",
        formula="y ~ x + z + treatment + (1 | g)",
        columns=_treatment,
        response=_by_treatment,
    ),
    "wrong link, binomial": Fault(
        "binomial",
        40,
        8,
        ("link", "trend"),
        "quantiles",
        intercept=0.0,
        response=_loglog,
        formula="y / 10 ~ x + z + (1 | g)",
    ),
    "wrong link, counts": Fault(
        "poisson", 40, 10, ("link", "trend"), "quantiles", response=_straight
    ),
    "missing predictor of rows": Fault(
        "poisson",
        40,
        10,
        ("missing predictor",),
        "",
        columns=lambda g, rng: {"v": rng.normal(size=g.size)},
        added=_times("v", 0.2),
    ),
    "missing predictor of groups": Fault(
        "poisson",
        60,
        8,
        ("missing predictor",),
        "quantiles",
        columns=_of_groups,
        added=_times("w", 0.4),
    ),
    "missing grouping factor": Fault(
        "poisson", 40, 10, ("missing group",), "", columns=_site, added=_by_level("site", 0.4)
    ),
    "AR(1) 0.5 within groups": Fault(
        "gaussian", 30, 10, ("autocorrelation",), "", columns=_time, response=_serial
    ),
    "spatial correlation": Fault(
        "gaussian", 30, 10, ("spatial",), "", columns=_places, response=_spatial
    ),
    "bimodal random effects": Fault(
        "gaussian", 60, 10, ("random effects",), "uniformity", sd=1.0, effects=_two_kinds
    ),
    "heavy-tailed random effects": Fault(
        "gaussian", 60, 10, ("random effects",), "uniformity", sd=1.0, effects=_long_tails
    ),
    "2 % gross errors, Gaussian": Fault(
        "gaussian", 40, 10, ("outliers",), "outliers", response=_gross
    ),
    "2 % gross errors, counts": Fault(
        "poisson", 40, 10, ("outliers",), "outliers", response=_miscounted
    ),
    "heavy tails": Fault(
        "gaussian", 40, 10, ("outliers", "uniformity"), "uniformity", response=_heavy
    ),
}
