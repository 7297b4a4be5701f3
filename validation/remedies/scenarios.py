"""Data with one fault each, the model fitted to them, and the remedies that are right.

All data sets have columns that are in no model: z and a factor f within groups, w constant in
groups, and a grouping factor h that crosses them; t is the time within a group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import mixcheck as mc
from mixcheck import Suite, checks

__all__ = ["CORRECT", "KNOWN", "NEW", "Scenario"]

Values = NDArray[np.float64]
Maker = Callable[[pd.DataFrame, Values, np.random.Generator], Values]


@dataclass(frozen=True)
class Scenario:
    """A fault.

    Attributes
    ----------
    kind, name : str
    groups, rows : int
        Groups, and rows in each.
    family : str
        Of the model that is fitted.
    make : callable
        The response, of the columns, the linear predictor that the model knows, and a generator.
    right : tuple of str
        A model whose name holds one of them is right.
    changes : int
        How many changes of the model that takes.
    intercept, sd : float
        Of the linear predictor, and of the random intercepts.
    formula : str
    suite : Suite, optional
        Which is asked; what `mixcheck.check` asks of the model by default.
    trials : int
        Of which the response is the share of successes.
    levels : int
        Of h.
    options : dict
        Further arguments of the fit.
    """

    kind: str
    name: str
    groups: int
    rows: int
    family: str
    make: Maker
    right: tuple[str, ...] = ()
    changes: int = 1
    intercept: float = 0.6
    sd: float = 0.5
    formula: str = "y ~ x + v + (1 | g)"
    suite: Suite | None = None
    trials: int = 1
    levels: int = 12
    options: dict[str, Any] = field(default_factory=dict)

    def data(self, rng: np.random.Generator) -> pd.DataFrame:
        """One data set."""
        g = np.repeat(np.arange(self.groups), self.rows)
        n = g.size
        table = pd.DataFrame(
            {
                "x": rng.normal(size=n),
                "v": rng.normal(size=n),
                "z": rng.normal(size=n),
                "w": rng.normal(size=self.groups)[g],
                "f": rng.choice(list("abc"), n),
                "h": pd.Categorical(rng.integers(0, self.levels, n)),
                "t": np.tile(np.arange(self.rows), self.groups),
                "g": pd.Categorical(g),
            }
        )
        eta = self.intercept + 0.5 * table["x"].to_numpy() + 0.3 * table["v"].to_numpy()
        eta = eta + self.sd * rng.normal(size=self.groups)[g]
        made = self.make(table, eta, rng)
        return table.assign(y=made, n=self.trials)

    def fit(self, table: pd.DataFrame) -> mc.GLMM:
        """The model that lacks something."""
        weights = {"weights": "n"} if self.trials > 1 else {}
        return mc.glmm(self.formula, table, family=self.family, **weights, **self.options)


# ---- what the model lacks -----------------------------------------------------------------


def _effects(table: pd.DataFrame, name: str, sd: float, rng: np.random.Generator) -> Values:
    """A normal effect of each level of a factor."""
    codes = table[name].cat.codes.to_numpy()
    return sd * rng.normal(size=codes.max() + 1)[codes]


def _counts(added: Maker | None = None, *, sd: float = 0.0, shape: float = np.inf) -> Maker:
    """Counts by a log link; `sd` of an effect of each row, `shape` of a gamma factor."""

    def make(table: pd.DataFrame, eta: Values, rng: np.random.Generator) -> Values:
        mean = np.exp(eta + (0.0 if added is None else added(table, eta, rng)))
        mean = mean * np.exp(sd * rng.normal(size=eta.size))
        if np.isfinite(shape):
            mean = mean * rng.gamma(shape, 1.0 / shape, eta.size)
        return rng.poisson(mean)

    return make


def _numbers(added: Maker | None = None, log_sd: Maker | None = None) -> Maker:
    """Gaussian responses."""

    def make(table: pd.DataFrame, eta: Values, rng: np.random.Generator) -> Values:
        more = 0.0 if added is None else added(table, eta, rng)
        spread = 0.0 if log_sd is None else log_sd(table, eta, rng)
        return eta + more + np.exp(spread) * rng.normal(size=eta.size)

    return make


def _events(added: Maker | None = None, inverse: str = "logit", trials: int = 1) -> Maker:
    """Successes in trials."""

    def make(table: pd.DataFrame, eta: Values, rng: np.random.Generator) -> Values:
        moved = eta + (0.0 if added is None else added(table, eta, rng))
        p = 1.0 - np.exp(-np.exp(moved)) if inverse == "cloglog" else 1.0 / (1.0 + np.exp(-moved))
        return rng.binomial(trials, p) / trials

    return make


def _inflated(
    along: str | None, intercept: float, slope: float = 0.0, *, shape: float = np.inf
) -> Maker:
    """Counts, some of which are zeros of another kind."""
    counts = _counts(shape=shape)

    def make(table: pd.DataFrame, eta: Values, rng: np.random.Generator) -> Values:
        moved = intercept + (0.0 if along is None else slope * table[along].to_numpy())
        absent = rng.random(eta.size) < 1.0 / (1.0 + np.exp(-moved))
        return np.where(absent, 0, counts(table, eta, rng))

    return make


def _of(name: str, size: float) -> Maker:
    return lambda table, eta, rng: size * table[name].to_numpy()


def _constant(value: float) -> Maker:
    return lambda table, eta, rng: np.full(eta.size, value)


def _levels(name: str, *values: float) -> Maker:
    return lambda table, eta, rng: (
        table[name].map(dict(zip("abc", values, strict=True))).to_numpy(dtype=float)
    )


def _groups(name: str, sd: float) -> Maker:
    return lambda table, eta, rng: _effects(table, name, sd, rng)


def _slope(name: str, sd: float) -> Maker:
    return lambda table, eta, rng: _effects(table, "g", sd, rng) * table[name].to_numpy()


def _square(name: str, size: float) -> Maker:
    return lambda table, eta, rng: size * (table[name].to_numpy() ** 2 - 1.0)


def _product(size: float) -> Maker:
    return lambda table, eta, rng: size * table["x"].to_numpy() * table["v"].to_numpy()


def _bent_by(size: float) -> Maker:
    """The effect of x has another size, and sign, in the first level of f."""
    return lambda table, eta, rng: size * table["x"].to_numpy() * (table["f"] == "a").to_numpy()


def _remembering(rho: float, sd: float) -> Maker:
    """A stationary autoregression within groups."""

    def make(table: pd.DataFrame, eta: Values, rng: np.random.Generator) -> Values:
        groups = table["g"].nunique()
        e = sd * rng.normal(size=(groups, eta.size // groups))
        for k in range(1, e.shape[1]):
            e[:, k] = rho * e[:, k - 1] + np.sqrt(1.0 - rho**2) * e[:, k]
        return e.ravel()

    return make


def _poisson_of(inverse: Callable[[Values], Values]) -> Maker:
    return lambda table, eta, rng: rng.poisson(inverse(eta))


def _gamma(shape: float) -> Maker:
    return lambda table, eta, rng: np.exp(eta) * rng.gamma(shape, 1.0 / shape, eta.size)


def _lognormal(sd: float) -> Maker:
    return lambda table, eta, rng: np.exp(eta + sd * rng.normal(size=eta.size))


def _student(df: float) -> Maker:
    return lambda table, eta, rng: eta + rng.standard_t(df, size=eta.size)


# From the 5 % to the 95 % quantile of a standard normal column the variance is fivefold.
FIVEFOLD = 0.25 * float(np.log(5.0)) / 1.645
EXTRA = ("nbinom1", "nbinom2", "observation")
SQUARE = ("I(x ** 2)", "bs(x, df=4)")
SLOPE = ("(1 + x | g)",)
LEVELS = Suite((checks.Dispersion(), checks.Dispersion().by("f")))
P = "poisson"
G = "gaussian"

KNOWN = (
    Scenario(
        "overdispersion", "60 x 4, row effect .6", 60, 4, P, _counts(sd=0.6), EXTRA, intercept=1.2
    ),
    Scenario("overdispersion", "30 x 10, shape 2", 30, 10, P, _counts(shape=2.0), EXTRA),
    Scenario(
        "zero inflation",
        "30 x 10, 20 %",
        30,
        10,
        P,
        _inflated(None, -1.4),
        ("zi ~ 1",),
        intercept=1.0,
    ),
    Scenario(
        "zeros along x",
        "40 x 10",
        40,
        10,
        P,
        _inflated("x", -1.2, 1.5),
        ("zi ~ x",),
        2,
        intercept=1.2,
    ),
    Scenario(
        "zeros along z",
        "40 x 10",
        40,
        10,
        P,
        _inflated("z", -1.2, 1.5),
        ("zi ~ z",),
        2,
        intercept=1.2,
    ),
    Scenario("square", "counts, 60 x 5, .2", 60, 5, P, _counts(_square("x", 0.2)), SQUARE),
    Scenario(
        "square",
        "events, 50 x 10, .6",
        50,
        10,
        "binomial",
        _events(_square("x", 0.6)),
        SQUARE,
        intercept=0.2,
    ),
    Scenario("slope", "counts, 30 x 10, sd .5", 30, 10, P, _counts(_slope("x", 0.5)), SLOPE),
    Scenario("slope", "numbers, 40 x 6, sd .8", 40, 6, G, _numbers(_slope("x", 0.8)), SLOPE),
    Scenario(
        "variance along x",
        "fivefold, 30 x 10",
        30,
        10,
        G,
        _numbers(log_sd=_of("x", FIVEFOLD)),
        ("dispersion ~ x",),
    ),
    Scenario(
        "variance by f",
        "fivefold, 30 x 10",
        30,
        10,
        G,
        _numbers(log_sd=_levels("f", -0.4, 0.0, 0.4)),
        ("dispersion ~ f",),
    ),
    Scenario(
        "variance by f",
        "D & D.by, fivefold, 30 x 10",
        30,
        10,
        G,
        _numbers(log_sd=_levels("f", -0.4, 0.0, 0.4)),
        ("dispersion ~ f",),
        suite=LEVELS,
    ),
    Scenario(
        "link",
        "cloglog, 12 trials, 30 x 8",
        30,
        8,
        "binomial",
        _events(_of("x", 0.5), "cloglog", 12),
        ("cloglog",),
        intercept=-0.2,
        trials=12,
    ),
    Scenario(
        "link",
        "square root, 40 x 10",
        40,
        10,
        P,
        _poisson_of(lambda eta: eta**2),
        ("sqrt",),
        intercept=3.0,
    ),
    Scenario("predictor", "z .25, counts, 30 x 10", 30, 10, P, _counts(_of("z", 0.25)), ("+ z +",)),
    Scenario("predictor", "w .5, numbers, 50 x 6", 50, 6, G, _numbers(_of("w", 0.6)), ("+ w +",)),
    Scenario(
        "predictor",
        "f, events, 50 x 10",
        50,
        10,
        "binomial",
        _events(_levels("f", -0.6, 0.0, 0.6)),
        ("+ f +",),
    ),
    Scenario("group", "h .4, counts, 30 x 10", 30, 10, P, _counts(_groups("h", 0.4)), ("(1 | h)",)),
    Scenario("group", "h .5, numbers, 40 x 6", 40, 6, G, _numbers(_groups("h", 0.5)), ("(1 | h)",)),
    Scenario("interaction", "x v .2, counts, 30 x 10", 30, 10, P, _counts(_product(0.2)), ("x:v",)),
    Scenario(
        "interaction",
        "x f .6, numbers, 40 x 6",
        40,
        6,
        G,
        _numbers(_bent_by(0.7)),
        ("x:f",),
        formula="y ~ x + v + f + (1 | g)",
    ),
    Scenario("shape", "gamma 3, 30 x 8", 30, 8, G, _gamma(3.0), ("gamma", "lognormal")),
    Scenario("shape", "lognormal .6, 30 x 8", 30, 8, G, _lognormal(0.6), ("lognormal", "gamma")),
    Scenario("shape", "t of 3, 40 x 12", 40, 12, G, _student(3.0), (", t",)),
    Scenario(
        "series",
        "AR(1) .5, 30 x 12",
        30,
        12,
        G,
        _numbers(_remembering(0.5, 1.2), _constant(-1.0)),
        ("ar1(0 + t | g)",),
        sd=0.4,
    ),
)

N = "nbinom2"
B = "binomial"
A = "gamma"


def _gammas(
    added: Maker | None = None, log_shape: Maker | None = None, shape: float = 4.0
) -> Maker:
    """Gamma responses by a log link."""

    def make(table: pd.DataFrame, eta: Values, rng: np.random.Generator) -> Values:
        mean = np.exp(eta + (0.0 if added is None else added(table, eta, rng)))
        k = shape * np.exp(0.0 if log_shape is None else log_shape(table, eta, rng))
        return mean * rng.gamma(k, 1.0 / k, eta.size)

    return make


def _absent_by(values: tuple[float, float, float]) -> Maker:
    """Counts, and zeros of another kind by the levels of f."""
    counts = _counts()

    def make(table: pd.DataFrame, eta: Values, rng: np.random.Generator) -> Values:
        moved = _levels("f", *values)(table, eta, rng)
        absent = rng.random(eta.size) < 1.0 / (1.0 + np.exp(-moved))
        return np.where(absent, 0, counts(table, eta, rng))

    return make


def _successes(added: Maker | None, trials: int, sd: float = 0.0, absent: float = 0.0) -> Maker:
    """Shares of successes, with an effect of each row, or zeros of another kind."""

    def make(table: pd.DataFrame, eta: Values, rng: np.random.Generator) -> Values:
        eta = eta + sd * rng.normal(size=eta.size)
        share = _events(added, trials=trials)(table, eta, rng)
        return np.where(rng.random(eta.size) < absent, 0.0, share)

    return make


NEW = (
    Scenario(
        "overdispersion",
        "10 trials, row effect .8, 45 x 7",
        45,
        7,
        B,
        _successes(None, 10, 0.8),
        ("betabinomial", "observation"),
        intercept=0.0,
        trials=10,
    ),
    Scenario(
        "overdispersion", "shape 1, 80 x 5", 80, 5, P, _counts(shape=1.0), EXTRA, intercept=0.2
    ),
    Scenario(
        "zero inflation",
        "25 %, 100 x 3",
        100,
        3,
        P,
        _inflated(None, -1.1),
        ("zi ~ 1",),
        intercept=1.2,
    ),
    Scenario(
        "zero inflation",
        "25 %, 10 trials, 25 x 14",
        25,
        14,
        B,
        _successes(None, 10, absent=0.25),
        ("zi ~ 1",),
        intercept=-0.3,
        trials=10,
    ),
    Scenario(
        "zeros by f",
        "70 x 6",
        70,
        6,
        P,
        _absent_by((-2.5, -1.0, 0.8)),
        ("zi ~ f",),
        2,
        intercept=1.4,
    ),
    Scenario(
        "zeros along x",
        "zi ~ 1 fitted, 25 x 15",
        25,
        15,
        P,
        _inflated("x", -1.0, 1.2),
        ("zi ~ x",),
        intercept=1.3,
        options={"zi": "~ 1"},
    ),
    Scenario(
        "square",
        "of v, numbers, 25 x 12, .3",
        25,
        12,
        G,
        _numbers(_square("v", 0.3)),
        ("I(v ** 2)", "bs(v, df=4)"),
    ),
    Scenario("square", "gamma, 70 x 4, .25", 70, 4, A, _gammas(_square("x", 0.25)), SQUARE),
    Scenario(
        "slope", "nbinom2, 25 x 16, sd .6", 25, 16, N, _counts(_slope("x", 0.6), shape=3.0), SLOPE
    ),
    Scenario(
        "slope",
        "events, 30 x 20, sd 1.2, of v",
        30,
        20,
        B,
        _events(_slope("v", 1.2)),
        ("(1 + v | g)",),
    ),
    Scenario(
        "variance along z",
        "fivefold, 60 x 6",
        60,
        6,
        G,
        _numbers(log_sd=_of("z", FIVEFOLD)),
        ("dispersion ~ z",),
    ),
    Scenario(
        "variance along x",
        "gamma, 30 x 12",
        30,
        12,
        A,
        _gammas(log_shape=_of("x", -0.8)),
        ("dispersion ~ x",),
    ),
    Scenario(
        "variance by f",
        "gamma, 50 x 8",
        50,
        8,
        A,
        _gammas(log_shape=_levels("f", 1.0, 0.0, -0.8)),
        ("dispersion ~ f",),
    ),
    Scenario(
        "variance by f",
        "D.by & D, 60 x 5",
        60,
        5,
        G,
        _numbers(log_sd=_levels("f", -0.5, 0.0, 0.5)),
        ("dispersion ~ f",),
        suite=Suite(LEVELS.checks[::-1]),
    ),
    Scenario(
        "link",
        "cloglog, 8 trials, 60 x 6",
        60,
        6,
        B,
        _events(_of("x", 0.6), "cloglog", 8),
        ("cloglog",),
        intercept=-0.5,
        trials=8,
    ),
    Scenario(
        "link",
        "identity, 30 x 15",
        30,
        15,
        P,
        _poisson_of(lambda eta: 6.0 * np.maximum(eta, 0.5)),
        ("identity",),
        intercept=2.6,
        sd=0.2,
    ),
    # Some means would be negative: no identity link has made these data, and none fits them.
    Scenario(
        "link",
        "identity cut near zero, 30 x 15",
        30,
        15,
        P,
        _poisson_of(lambda eta: np.maximum(6.0 * eta, 0.1)),
        ("identity",),
        intercept=1.5,
        sd=0.2,
    ),
    Scenario(
        "link",
        "log, numbers, 40 x 9",
        40,
        9,
        G,
        lambda table, eta, rng: np.exp(eta) + 0.8 * rng.normal(size=eta.size),
        ("gaussian (log)",),
        sd=0.3,
    ),
    Scenario(
        "predictor",
        "z .4, nbinom2, 20 x 18",
        20,
        18,
        N,
        _counts(_of("z", 0.4), shape=2.0),
        ("+ z +",),
    ),
    Scenario("predictor", "w .5, counts, 70 x 5", 70, 5, P, _counts(_of("w", 0.5)), ("+ w +",)),
    Scenario(
        "predictor", "f, gamma, 35 x 9", 35, 9, A, _gammas(_levels("f", -0.3, 0.1, 0.3)), ("+ f +",)
    ),
    Scenario(
        "group",
        "h .7, events, 45 x 14",
        45,
        14,
        B,
        _events(_groups("h", 0.8)),
        ("(1 | h)",),
        levels=20,
    ),
    Scenario(
        "group",
        "h .4, gamma, 35 x 9",
        35,
        9,
        A,
        _gammas(_groups("h", 0.4)),
        ("(1 | h)",),
        levels=20,
    ),
    Scenario("interaction", "x v .7, events, 60 x 8", 60, 8, B, _events(_product(0.7)), ("x:v",)),
    Scenario(
        "interaction",
        "x f .5, counts, 55 x 6",
        55,
        6,
        P,
        _counts(_bent_by(-0.5)),
        ("x:f",),
        formula="y ~ x + v + f + (1 | g)",
    ),
    Scenario("shape", "gamma 1.5, 50 x 5", 50, 5, G, _gamma(1.5), ("gamma", "lognormal")),
    Scenario("shape", "lognormal .4, 20 x 15", 20, 15, G, _lognormal(0.4), ("lognormal", "gamma")),
    Scenario("shape", "t of 2.5, 60 x 5", 60, 5, G, _student(2.5), (", t",)),
    Scenario(
        "series",
        "AR(1) .7, 20 x 15",
        20,
        15,
        G,
        _numbers(_remembering(0.7, 1.2), _constant(-0.5)),
        ("ar1(0 + t | g)",),
        sd=0.3,
    ),
    Scenario(
        "series",
        "AR(1) .6, counts, 25 x 16",
        25,
        16,
        P,
        _counts(_remembering(0.6, 0.7)),
        ("ar1(0 + t | g)",),
        sd=0.3,
    ),
)

CORRECT = (
    Scenario("nothing", "counts, 40 x 8", 40, 8, P, _counts()),
    Scenario("nothing", "nbinom2, 30 x 10", 30, 10, N, _counts(shape=2.0)),
    Scenario("nothing", "events, 50 x 8", 50, 8, B, _events()),
    Scenario(
        "nothing",
        "numbers with slopes, 40 x 8",
        40,
        8,
        G,
        _numbers(_slope("x", 0.6)),
        formula="y ~ x + v + (1 + x | g)",
    ),
    Scenario(
        "nothing",
        "zeros of another kind, 40 x 8",
        40,
        8,
        P,
        _inflated(None, -1.0),
        intercept=1.0,
        options={"zi": "~ 1"},
    ),
    Scenario("nothing", "gamma, 30 x 8", 30, 8, A, _gammas()),
)
