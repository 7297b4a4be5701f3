"""A generator of data of which some coefficient has no finite estimate, and of its like that has.

Every table has groups `g`, a predictor `x`, and factors `f` and `h`; a separated design puts the
responses of some rows at the end of the support that its family has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["DESIGNS", "RESPONSES", "ZERO_PARTS", "Case", "Response", "make", "make_zero_part"]


@dataclass(frozen=True)
class Response:
    """A family with its responses: how they are drawn, and where the support ends."""

    name: str
    left: str
    options: dict[str, Any]
    draw: Callable[[np.random.Generator, np.ndarray], np.ndarray]
    end: int
    inside: int
    trials: int = 0


@dataclass(frozen=True)
class Case:
    """A separated table, what has no finite estimate in it, and the same without that."""

    formula: str
    data: pd.DataFrame
    options: dict[str, Any]
    lost: tuple[str, ...]
    rest: tuple[str, pd.DataFrame, dict[str, Any]] | None
    healthy: pd.DataFrame
    column: str = field(default="y")


def _poisson(rng: np.random.Generator, eta: np.ndarray) -> np.ndarray:
    return rng.poisson(np.exp(eta))


def _gamma_poisson(rng: np.random.Generator, eta: np.ndarray) -> np.ndarray:
    return rng.poisson(np.exp(eta) * rng.gamma(1.2, 1 / 1.2, eta.size))


def _positive(rng: np.random.Generator, eta: np.ndarray) -> np.ndarray:
    return 1 + _gamma_poisson(rng, eta)


def _binary(rng: np.random.Generator, eta: np.ndarray) -> np.ndarray:
    return (rng.random(eta.size) < 1 / (1 + np.exp(-0.8 * eta))).astype(int)


def _successes(rng: np.random.Generator, eta: np.ndarray) -> np.ndarray:
    return rng.binomial(6, 1 / (1 + np.exp(-eta)))


def _varied(rng: np.random.Generator, eta: np.ndarray) -> np.ndarray:
    p = 1 / (1 + np.exp(-eta))
    return rng.binomial(6, rng.beta(2 * p, 2 * (1 - p)))


def _zeros(
    draw: Callable[[np.random.Generator, np.ndarray], np.ndarray],
) -> Callable[[np.random.Generator, np.ndarray], np.ndarray]:
    def with_zeros(rng: np.random.Generator, eta: np.ndarray) -> np.ndarray:
        return np.where(rng.random(eta.size) < 0.3, 0, draw(rng, eta))

    return with_zeros


RESPONSES = [
    Response("poisson", "y", {"family": "poisson"}, _poisson, 0, 2),
    Response("nbinom1", "y", {"family": "nbinom1"}, _gamma_poisson, 0, 2),
    Response("nbinom2", "y", {"family": "nbinom2"}, _gamma_poisson, 0, 2),
    Response("binary 0", "y", {"family": "binomial"}, _binary, 0, 1),
    Response("binary 1", "y", {"family": "binomial"}, _binary, 1, 0),
    Response("binomial", "y / m", {"family": "binomial"}, _successes, 6, 3, 6),
    Response("betabinomial", "y / m", {"family": "betabinomial"}, _varied, 0, 3, 6),
    Response("truncated_poisson", "y", {"family": "truncated_poisson"}, _positive, 1, 3),
    Response("truncated_nbinom2", "y", {"family": "truncated_nbinom2"}, _positive, 1, 3),
    Response("zip", "y", {"family": "poisson", "zi": "~ 1"}, _zeros(_poisson), 0, 2),
    Response("zinb2", "y", {"family": "nbinom2", "zi": "~ 1"}, _zeros(_gamma_poisson), 0, 2),
    Response("zib", "y / m", {"family": "binomial", "zi": "~ 1"}, _zeros(_successes), 0, 3, 6),
]

DESIGNS = ["level", "reference", "cell", "slope", "touching"]


def _table(rng: np.random.Generator, n: int = 240, groups: int = 12) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "g": np.arange(n) % groups,
            "x": rng.normal(size=n),
            "f": rng.choice(["a", "b", "c"], n),
            "h": rng.choice(["u", "v"], n),
            "m": 6,
        }
    )


def make(response: Response, design: str, seed: int) -> Case:
    """A separated table of a response.

    Parameters
    ----------
    response : Response
    design : {"level", "reference", "cell", "slope", "touching"}
        A level of a factor at the end; its reference level; one cell of an interaction; a
        predictor that differs from zero in such rows alone; or one that is positive there and
        negative nowhere, with rows of every kind at zero.
    seed : int
    """
    rng = np.random.default_rng(seed)
    data = _table(rng)
    eta = 0.6 + 0.3 * data["x"] + rng.normal(0, 0.4, 12)[data["g"]]
    data["y"] = response.draw(rng, eta.to_numpy())
    formula, lost, rest = "f + x", ("f[T.c]",), "f + x"
    if design == "level":
        at = data["f"] == "c"
    elif design == "reference":
        at = data["f"] == "a"
        lost = ("Intercept", "f[T.b]", "f[T.c]")
    elif design == "cell":
        at = (data["f"] == "c") & (data["h"] == "v")
        formula = rest = "f * h + x"
        lost = ("f[T.c]:h[T.v]",)
    else:
        at = pd.Series(rng.random(len(data)) < 0.15)
        size = (
            rng.uniform(0.5, 2.0, len(data)) if design == "slope" else rng.integers(1, 4, len(data))
        )
        data["w"] = np.where(at, size, 0.0)
        formula, lost, rest = "w + f + x", ("w",), "f + x"
    data.loc[at, "y"] = response.end
    healthy = data.copy()
    healthy.loc[healthy.index[at][::3], "y"] = response.inside
    ends = f"{response.left} ~ "
    return Case(
        f"{ends}{formula} + (1 | g)",
        data,
        response.options,
        lost,
        (f"{ends}{rest} + (1 | g)", data[~at], response.options),
        healthy,
    )


ZERO_PARTS: list[dict[str, Any]] = [
    {"family": "poisson"},
    {"family": "nbinom2"},
    {"family": "truncated_poisson"},
    {"family": "gamma"},
]


def make_zero_part(options: dict[str, Any], kind: str, seed: int) -> Case:
    """A table whose level c of `f` is all zero, or has no zero, with a zero part that knows `f`.

    Parameters
    ----------
    options : dict
    kind : {"all", "none"}
    seed : int
    """
    rng = np.random.default_rng(seed)
    data = _table(rng)
    eta = 1.0 + 0.3 * data["x"] + rng.normal(0, 0.4, 12)[data["g"]]
    draw = _gamma_poisson if options["family"] == "nbinom2" else _poisson
    y = 1.0 + draw(rng, eta.to_numpy())
    if options["family"] == "gamma":
        y = y * rng.uniform(0.5, 1.5, y.size)
    data["y"] = np.where(rng.random(y.size) < 0.35, 0.0, y)
    at = data["f"] == "c"
    healthy = data.copy()
    data["y"] = np.where(at, 0.0 if kind == "all" else y, data["y"])
    held = {**options, "zi": "~ f"}
    rest = ("y ~ x + (1 | g)", data[~at], held) if kind == "all" else None
    return Case("y ~ x + (1 | g)", data, held, ("zi: f[T.c]",), rest, healthy)
