"""Models with known truth: correct ones, and ones that lack what the data have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["CORRECT", "DEFAULT", "OVERDISPERSED", "WIDER", "WIDER_WRONG", "Scenario"]


@dataclass(frozen=True)
class Scenario:
    """One way of making data, and the model fitted to them.

    Attributes
    ----------
    name, formula : str
    family : str or Family
    make : callable
        From a generator to a data set.
    zi : str or None
        Zero part of the model.
    options : mapping
        Further arguments of `glmm`.
    """

    name: str
    formula: str
    family: Any
    make: Callable[[np.random.Generator], pd.DataFrame]
    zi: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def _grouped(
    groups: int, size: int, intercept: float, sd: float, kind: str, noise: float = 0.0
) -> Callable[[np.random.Generator], pd.DataFrame]:
    def make(rng: np.random.Generator) -> pd.DataFrame:
        g = np.repeat(np.arange(groups), size)
        x = rng.normal(size=g.size)
        eta = intercept + 0.5 * x + sd * rng.normal(size=groups)[g]
        eta = eta + noise * rng.normal(size=g.size)
        return pd.DataFrame({"x": x, "g": g, **_response(kind, eta, rng)})

    return make


def _crossed(rows: int, columns: int) -> Callable[[np.random.Generator], pd.DataFrame]:
    def make(rng: np.random.Generator) -> pd.DataFrame:
        g, h = (part.ravel() for part in np.indices((rows, columns)))
        x = rng.normal(size=g.size)
        effects = 0.7 * rng.normal(size=rows)[g] + 0.5 * rng.normal(size=columns)[h]
        eta = 0.5 + 0.5 * x + effects
        return pd.DataFrame({"x": x, "g": g, "h": h, **_response("poisson", eta, rng)})

    return make


def _slopes(groups: int, size: int) -> Callable[[np.random.Generator], pd.DataFrame]:
    def make(rng: np.random.Generator) -> pd.DataFrame:
        g = np.repeat(np.arange(groups), size)
        x = rng.normal(size=g.size)
        intercept, slope = 0.6 * rng.normal(size=groups), 0.4 * rng.normal(size=groups)
        eta = 0.5 + intercept[g] + (0.5 + slope[g]) * x
        return pd.DataFrame({"x": x, "g": g, **_response("poisson", eta, rng)})

    return make


def _response(
    kind: str, eta: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray | float]:
    if kind == "poisson":
        return {"y": rng.poisson(np.exp(eta))}
    if kind == "gaussian":
        return {"y": eta + rng.normal(size=eta.size)}
    if kind == "nbinom2":
        return {"y": rng.poisson(np.exp(eta) * rng.gamma(1.5, 1.0 / 1.5, eta.size))}
    if kind == "zip":
        return {"y": rng.poisson(np.exp(eta)) * (rng.random(eta.size) > 0.25)}
    if kind == "gamma":
        return {"y": np.exp(eta) * rng.gamma(4.0, 0.25, eta.size)}
    if kind == "zinb":
        mean = np.exp(eta) * rng.gamma(1.0, 1.0, eta.size)
        return {"y": rng.poisson(mean) * (rng.random(eta.size) > 0.25)}
    if kind == "contaminated gamma":
        shape = np.where(rng.random(eta.size) < 0.1, 0.3, 6.0)
        return {"y": np.exp(eta) * rng.gamma(shape, 1.0 / shape)}
    p = 1.0 / (1.0 + np.exp(-eta))
    if kind == "contaminated beta":
        precision = np.where(rng.random(eta.size) < 0.1, 0.8, 12.0)
        return {"y": np.clip(rng.beta(precision * p, precision * (1.0 - p)), 1e-9, 1.0 - 1e-9)}
    if kind == "beta":
        return {"y": np.clip(rng.beta(8.0 * p, 8.0 * (1.0 - p)), 1e-9, 1.0 - 1e-9)}
    trials = int(kind.removeprefix("binomial"))
    return {"y": rng.binomial(trials, p), "m": float(trials)}


_ONE = "y ~ x + (1 | g)"
CORRECT = (
    Scenario("poisson 100 x 3", _ONE, "poisson", _grouped(100, 3, 1.0, 0.7, "poisson")),
    Scenario("poisson 300 x 2", _ONE, "poisson", _grouped(300, 2, 0.0, 0.7, "poisson")),
    Scenario("poisson 20 x 25", _ONE, "poisson", _grouped(20, 25, 0.0, 0.7, "poisson")),
    Scenario(
        "binomial(10) 100 x 3",
        "y / m ~ x + (1 | g)",
        "binomial",
        _grouped(100, 3, 0.0, 0.8, "binomial10"),
    ),
    Scenario("bernoulli 60 x 10", _ONE, "binomial", _grouped(60, 10, 0.0, 0.8, "binomial1")),
    Scenario("gaussian 100 x 3", _ONE, "gaussian", _grouped(100, 3, 0.0, 1.0, "gaussian")),
    Scenario("poisson crossed 25 x 16", "y ~ x + (1 | g) + (1 | h)", "poisson", _crossed(25, 16)),
)
WIDER = tuple(
    Scenario(
        f"{name} {groups} x {size}",
        _ONE,
        family,
        _grouped(groups, size, 0.5, 0.5, name),
        "~ 1" if name == "zip" else None,
    )
    for name, family in (
        ("nbinom2", "nbinom2"),
        ("zip", "poisson"),
        ("gamma", "gamma"),
        ("beta", "beta"),
    )
    for groups, size in ((100, 3), (20, 25))
)
DEFAULT = (
    *CORRECT,
    Scenario("poisson slopes 60 x 10", "y ~ x + (1 + x | g)", "poisson", _slopes(60, 10)),
    *(
        Scenario(
            f"{name} {groups} x {size}",
            _ONE,
            family,
            _grouped(groups, size, 0.5, 0.5, name),
            "~ 1" if name == "zip" else None,
        )
        for name, family, groups, size in (
            ("nbinom2", "nbinom2", 100, 3),
            ("zip", "poisson", 100, 3),
            ("gamma", "gamma", 100, 3),
            ("beta", "beta", 40, 6),
        )
    ),
)
WIDER_WRONG = tuple(
    Scenario(
        f"{title} {groups} x {size}",
        _ONE,
        family,
        _grouped(groups, size, intercept, 0.5, kind),
        zi,
    )
    for title, family, kind, intercept, zi in (
        ("nbinom2 without the quarter of zeros", "nbinom2", "zip", 1.5, None),
        ("zip without overdispersion", "poisson", "zinb", 0.5, "~ 1"),
        ("gamma without the tenth of scattered rows", "gamma", "contaminated gamma", 0.5, None),
        ("beta without the tenth of scattered rows", "beta", "contaminated beta", 0.5, None),
    )
    for groups, size in ((100, 3), (20, 25))
)
OVERDISPERSED = (
    Scenario(
        "poisson 60 x 4, observation-level sd 0.5",
        _ONE,
        "poisson",
        _grouped(60, 4, 1.0, 0.7, "poisson", noise=0.5),
    ),
    Scenario(
        "low counts: poisson 60 x 4, observation-level sd 0.5",
        _ONE,
        "poisson",
        _grouped(60, 4, 0.0, 0.7, "poisson", noise=0.5),
    ),
)
