"""Searches at the limits: every separated design gets one story, and its like none."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import SeparationWarning

# Two searches of one problem end this close.
LLF = 1e-6
ESTIMATE = 1e-4
ERROR = 3e-3

METHODS: list[dict[str, Any]] = [
    {},
    {"method": "agq", "nodes": 5},
    {"method": "profiled"},
    {"reml": True},
    {"method": "pql"},
]


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


def fit_once(formula: str, data: pd.DataFrame, **options: Any) -> tuple[mc.GLMM, list[Any]]:
    """A fit and the warnings that it gave."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return mc.glmm(formula, data, **options), caught


def method_for(options: dict[str, Any], number: int) -> dict[str, Any]:
    """One of the methods that a model can be fitted by, in turn."""
    linear = options["family"] in ("poisson", "binomial") and "zi" not in options
    return METHODS[number % (5 if linear else 4)]


def tell(case: Case, number: int) -> None:
    """The story of a separated table, and that its like has none."""
    method = method_for(case.options, number)
    fit, caught = fit_once(case.formula, case.data, **case.options, **method)
    by_support = [x for x in fit.convergence.limits if x.reason in ("separation", "not identified")]
    assert tuple(x.parameter for x in by_support) == case.lost
    assert [w.category for w in caught] == [SeparationWarning]
    assert fit.converged
    assert np.isinf(fit.bse[list(case.lost)]).all()
    assert (fit.pvalues[list(case.lost)] == 1.0).all()
    if case.rest is not None:
        formula, data, options = case.rest
        rest, _ = fit_once(formula, data, **options, **method)
        shared = [
            name
            for name in rest.params.index
            if name not in case.lost and np.isfinite(fit.bse[name]) and np.isfinite(rest.bse[name])
        ]
        assert fit.llf == pytest.approx(rest.llf, abs=LLF)
        np.testing.assert_allclose(fit.params[shared], rest.params[shared], atol=ESTIMATE)
        np.testing.assert_allclose(fit.bse[shared], rest.bse[shared], rtol=ERROR)
    healthy, _ = fit_once(case.formula, case.healthy, **case.options, **method)
    assert {x.reason for x in healthy.convergence.limits} <= {"dispersion", "zero part"}


def pairs() -> list[Any]:
    """Every response in every design; a sixth of them, with every method, in the inner loop."""
    return [
        pytest.param(
            response,
            design,
            id=f"{response.name}-{design}",
            marks=[pytest.mark.slow] if (i + j) % 6 else [],
        )
        for i, response in enumerate(RESPONSES)
        for j, design in enumerate(DESIGNS)
    ]


@pytest.mark.parametrize(("response", "design"), pairs())
def test_mean(response: Any, design: str) -> None:
    """A separated mean: named once, and all else as without the rows at the end."""
    number = RESPONSES.index(response) + DESIGNS.index(design)
    tell(make(response, design, number), number)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["all", "none"])
@pytest.mark.parametrize("options", ZERO_PARTS, ids=lambda o: o["family"])
def test_zero_part(options: dict[str, Any], kind: str) -> None:
    """A separated zero part: a level that is all zero, or one that has no zero."""
    number = ZERO_PARTS.index(options)
    tell(make_zero_part(options, kind, 7 + number), number)


@pytest.mark.slow
def test_both_in_one_part() -> None:
    """A level that is all zero and one without additional zeros: each with its own reason."""
    case = make_zero_part({"family": "nbinom2"}, "all", 8)
    fit, _ = fit_once(case.formula, case.data, **case.options)
    assert {x.parameter: x.reason for x in fit.convergence.limits} == {
        "zi: f[T.b]": "zero part",
        "zi: f[T.c]": "separation",
    }


@functools.cache
def in_its_unit(family: str) -> tuple[pd.DataFrame, mc.GLMM]:
    """A table, and the fit of its response with a dispersion that depends on a predictor."""
    rng = np.random.default_rng(41)
    n = 240
    group, x, z = np.arange(n) % 12, rng.normal(size=n), rng.normal(size=n)
    eta = 2.0 + 0.3 * x + rng.normal(0.0, 0.5, 12)[group]
    y = eta + np.exp(0.4 * z) * rng.normal(size=n)
    if family == "lognormal":
        y = np.exp(eta + 0.5 * np.exp(0.2 * z) * rng.normal(size=n))
    data = pd.DataFrame({"y": y, "x": x, "z": z, "g": group})
    return data, mc.glmm("y ~ x + (1 | g)", data, family=family, dispersion="~ z")


@pytest.mark.parametrize("family", ["gaussian", pytest.param("lognormal", marks=pytest.mark.slow)])
@pytest.mark.parametrize("unit", [1e-6, 1e3, 1e7])
def test_unit_of_response(family: str, unit: float) -> None:
    """A dispersion in the unit of the response is no limit: the unit changes the constant only."""
    data, one = in_its_unit(family)
    changed = data.assign(v=unit * data["y"])
    other = mc.glmm("v ~ x + (1 | g)", changed, family=family, dispersion="~ z")
    assert one.converged
    assert other.converged
    assert other.llf + len(data) * np.log(unit) == pytest.approx(one.llf, abs=1e-5)
    shift = other.params["dispersion: Intercept"] - one.params["dispersion: Intercept"]
    assert shift == pytest.approx(np.log(unit), abs=1e-4)


@pytest.mark.slow
def test_a_dispersion_at_its_other_end() -> None:
    """Counts with tails longer than any negative binomial has: no Poisson is named."""
    rng = np.random.default_rng(5)
    with pytest.warns(mc.SeparationWarning) as seen:
        fit = mc.glmm(
            "y ~ 1", {"y": np.minimum(rng.zipf(1.8, 200), 1000)}, family="truncated_nbinom2"
        )
    reasons = {x.parameter: x.reason for x in fit.convergence.limits}
    assert reasons["dispersion: Intercept"] == "flat"
    assert "vary no more" not in str(seen[0].message)
