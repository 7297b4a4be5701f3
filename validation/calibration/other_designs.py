"""Correct models of other kinds than those of the calibration study.

Uneven groups, nested and crossed factors, slopes, restricted likelihood, other families and links,
zero and dispersion parts, offsets and frequency weights, few rows, and columns that the model does
not use: numbers, factors, times and places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scenarios import Scenario
from scipy import stats

import mixcheck as mc

__all__ = ["OTHERS"]

Rng = np.random.Generator
Draw = Callable[[np.ndarray, Rng], np.ndarray]


def _inverse_logit(eta: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-eta))


def _truncated(mean: np.ndarray, rng: Rng) -> np.ndarray:
    """Poisson counts above zero, by inversion."""
    below = np.exp(-mean)
    return stats.poisson.ppf(below + (1.0 - below) * rng.random(mean.size), mean)


def _log_normal(mean: np.ndarray, rng: Rng) -> np.ndarray:
    """Of one standard deviation, 0.8, on the scale of the response, as the family has it."""
    variance = np.log1p((0.8 / mean) ** 2)
    return np.exp(np.log(mean) - 0.5 * variance + np.sqrt(variance) * rng.normal(size=mean.size))


def _ordered(eta: np.ndarray, rng: Rng) -> np.ndarray:
    at = eta + rng.logistic(size=eta.size)
    return np.digitize(at, [-1.0, 0.3, 1.5])


DRAWS: Mapping[str, Draw] = {
    "poisson": lambda eta, rng: rng.poisson(np.exp(eta)),
    "gaussian": lambda eta, rng: eta + rng.normal(size=eta.size),
    "t": lambda eta, rng: eta + rng.standard_t(5.0, size=eta.size),
    "lognormal": lambda eta, rng: _log_normal(np.exp(eta), rng),
    "nbinom1": lambda eta, rng: rng.poisson(rng.gamma(np.exp(eta) / 0.8, 0.8)),
    "nbinom2": lambda eta, rng: rng.poisson(np.exp(eta) * rng.gamma(1.5, 1 / 1.5, eta.size)),
    "events": lambda eta, rng: rng.binomial(1, _inverse_logit(eta)),
    "binomial": lambda eta, rng: rng.binomial(12, _inverse_logit(eta)),
    "betabinomial": lambda eta, rng: rng.binomial(
        12, rng.beta(6.0 * _inverse_logit(eta), 6.0 * _inverse_logit(-eta))
    ),
    "cloglog": lambda eta, rng: rng.binomial(1, -np.expm1(-np.exp(eta))),
    "ordinal": _ordered,
    "gamma": lambda eta, rng: np.exp(eta) * rng.gamma(4.0, 0.25, eta.size),
    "truncated": lambda eta, rng: _truncated(np.exp(eta), rng),
}


def _data(
    rng: Rng,
    *,
    draw: str,
    groups: int,
    size: int,
    intercept: float = 0.5,
    sd: float = 0.6,
    slope_sd: float = 0.0,
    uneven: bool = False,
    crossed: int = 0,
    nested: int = 0,
    factor: bool = False,
    unused: bool = False,
    zeros: float = 0.0,
    offset: bool = False,
) -> pd.DataFrame:
    """One data set: groups g, a predictor x, and what else is asked for."""
    sizes = 1 + rng.poisson(size - 1, groups) if uneven else np.full(groups, size)
    g = np.repeat(np.arange(groups), sizes)
    n = g.size
    frame = pd.DataFrame({"x": rng.normal(size=n), "g": g.astype(str), "m": 12.0})
    eta = intercept + 0.4 * frame["x"].to_numpy() + sd * rng.normal(size=groups)[g]
    eta += slope_sd * rng.normal(size=groups)[g] * frame["x"].to_numpy()
    if crossed:
        h = rng.integers(0, crossed, n)
        frame["h"], eta = h.astype(str), eta + 0.4 * rng.normal(size=crossed)[h]
    if nested:
        inner = g * nested + np.arange(n) % nested
        frame["h"], eta = inner.astype(str), eta + 0.4 * rng.normal(size=inner.max() + 1)[inner]
    if factor:
        f = rng.integers(0, 3, n)
        frame["f"], eta = np.array(["a", "b", "c"])[f], eta + np.array([0.0, 0.4, -0.3])[f]
    if offset:
        frame["o"] = rng.uniform(-1.0, 1.0, n)
        eta = eta + frame["o"].to_numpy()
    if unused:
        frame["z"], frame["u"] = rng.normal(size=n), rng.integers(0, 6, n).astype(str)
        frame["east"], frame["north"] = rng.random(n), rng.random(n)
        frame["day"] = rng.integers(0, 60, n)
    y = DRAWS[draw](eta, rng)
    frame["y"] = np.where(rng.random(n) < zeros, 0, y)
    return frame


def _case(
    name: str,
    formula: str,
    family: Any,
    options: Mapping[str, Any] | None = None,
    **made: Any,
) -> Scenario:
    return Scenario(name, formula, family, partial(_data, **made), options=options or {})


ONE = "y ~ x + (1 | g)"
OTHERS = (
    _case("poisson 10 x 5", ONE, "poisson", draw="poisson", groups=10, size=5),
    _case(
        "binomial(12) 15 x 4",
        "y / m ~ x + (1 | g)",
        "binomial",
        draw="binomial",
        groups=15,
        size=4,
        intercept=-1.5,
    ),
    _case(
        "poisson 40 x 8 uneven, columns unused",
        ONE,
        "poisson",
        draw="poisson",
        groups=40,
        size=8,
        uneven=True,
        unused=True,
    ),
    _case(
        "gaussian 12 x 8 REML, factor",
        "y ~ x + f + (1 | g)",
        "gaussian",
        {"reml": True},
        draw="gaussian",
        groups=12,
        size=8,
        factor=True,
    ),
    _case(
        "gaussian slopes 40 x 8, columns unused",
        "y ~ x + (x | g)",
        "gaussian",
        draw="gaussian",
        groups=40,
        size=8,
        slope_sd=0.5,
        unused=True,
    ),
    _case(
        "gaussian 30 x 10 crossed with 20",
        "y ~ x + (1 | g) + (1 | h)",
        "gaussian",
        draw="gaussian",
        groups=30,
        size=10,
        crossed=20,
    ),
    _case(
        "events 40 x 8 uneven by quadrature",
        ONE,
        "binomial",
        {"method": "agq"},
        draw="events",
        groups=40,
        size=8,
        uneven=True,
    ),
    _case(
        "events 30 x 12, cloglog",
        ONE,
        mc.families.Binomial(link="cloglog"),
        draw="cloglog",
        groups=30,
        size=12,
        intercept=-1.0,
    ),
    _case(
        "poisson 12 x 5 x 5 nested",
        "y ~ x + (1 | g) + (1 | h)",
        "poisson",
        draw="poisson",
        groups=12,
        size=25,
        nested=5,
    ),
    _case(
        "poisson 30 x 10, offset",
        "y ~ x + offset(o) + (1 | g)",
        "poisson",
        draw="poisson",
        groups=30,
        size=10,
        offset=True,
    ),
    _case("nbinom1 60 x 5", ONE, "nbinom1", draw="nbinom1", groups=60, size=5),
    _case(
        "zinb 50 x 8",
        ONE,
        "nbinom2",
        {"zi": "~ 1"},
        draw="nbinom2",
        groups=50,
        size=8,
        zeros=0.25,
        intercept=1.0,
    ),
    _case(
        "hurdle 60 x 6",
        ONE,
        "truncated_poisson",
        {"zi": "~ x"},
        draw="truncated",
        groups=60,
        size=6,
        zeros=0.3,
    ),
    _case(
        "betabinomial 50 x 6",
        "y / m ~ x + (1 | g)",
        "betabinomial",
        draw="betabinomial",
        groups=50,
        size=6,
        intercept=-0.5,
    ),
    _case("ordinal 60 x 6", ONE, "ordinal", draw="ordinal", groups=60, size=6),
    _case("t 60 x 6", ONE, "t", draw="t", groups=60, size=6),
    _case("lognormal 50 x 5", ONE, "lognormal", draw="lognormal", groups=50, size=5),
    _case(
        "gamma 30 x 10 uneven, factor",
        "y ~ x + f + (1 | g)",
        "gamma",
        draw="gamma",
        groups=30,
        size=10,
        factor=True,
        uneven=True,
    ),
)
