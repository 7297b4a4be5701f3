"""Coefficients without a finite estimate: one story for every family, part and method."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import DesignError, SeparationError, SeparationWarning
from mixcheck.port import port_of

# Two searches of one problem end this close.
LLF = 1e-6
ESTIMATE = 1e-5
ERROR = 1e-4

METHODS: dict[str, dict[str, Any]] = {
    "laplace": {},
    "agq": {"method": "agq", "nodes": 5},
    "profiled": {"method": "profiled"},
    "reml": {"reml": True},
    "pql": {"method": "pql"},
}


def fit_once(formula: str, data: pd.DataFrame, **options: Any) -> tuple[mc.GLMM, list[Any]]:
    """A fit and the warnings that it gave."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return mc.glmm(formula, data, **options), caught


def level_table() -> pd.DataFrame:
    """Counts with groups and extra variation; level c of f is all zero (in `p`, all one)."""
    rng = np.random.default_rng(3)
    n = 300
    g = np.arange(n) % 15
    f = np.array(["a", "b", "c"])[(np.arange(n) // 15) % 3]
    u = rng.normal(0, 0.5, 15)[g]
    y = np.where(f == "c", 0, rng.poisson(np.exp(1 + u) * rng.gamma(1.5, 1 / 1.5, n)))
    return pd.DataFrame(
        {
            "y": y,
            "f": f,
            "g": g,
            "hit": np.minimum(y, 1),
            "k": np.minimum(y, 4),
            "m": 4,
            "p": np.where(f == "c", 1, y + 1),
        }
    )


LEVELS = [
    ("y", {"family": "poisson"}),
    ("y", {"family": "nbinom1"}),
    ("y", {"family": "nbinom2"}),
    ("y", {"family": "poisson", "zi": "~ 1"}),
    ("y", {"family": "nbinom2", "zi": "~ 1"}),
    ("y", {"family": "nbinom2", "dispersion": "~ f"}),
    ("y", {"family": "poisson", "zi": "~ f"}),
    ("hit", {"family": "binomial"}),
    ("k / m", {"family": "binomial"}),
    ("k / m", {"family": "betabinomial"}),
    ("p", {"family": "truncated_poisson"}),
    ("p", {"family": "truncated_nbinom2"}),
]


def _methods_of(options: dict[str, Any]) -> list[str]:
    plain = options["family"] in ("poisson", "binomial") and "zi" not in options
    return [name for name in METHODS if name != "pql" or plain]


@pytest.mark.slow
@pytest.mark.parametrize(("left", "options"), LEVELS, ids=lambda v: str(v))
def test_level_at_the_end(left: str, options: dict[str, Any]) -> None:
    """A level at the end of the support: named once, and all else as without its rows."""
    data = level_table()
    formula = f"{left} ~ f + (1 | g)"
    parts = [part for part in ("zi", "dispersion") if options.get(part) == "~ f"]
    lost = ["f[T.c]", *(f"{part}: f[T.c]" for part in parts)]
    for name in _methods_of(options):
        held = {**options, **METHODS[name]}
        fit, caught = fit_once(formula, data, **held)
        assert [w.category for w in caught] == [SeparationWarning], name
        text = str(caught[0].message)
        assert "'f[T.c]' have no finite estimate" in text
        assert "Rescale" not in text
        assert fit.converged
        assert list(fit.convergence.runaway) == lost
        assert {x.reason for x in fit.convergence.limits} <= {"separation", "not identified"}
        assert np.isinf(fit.bse[lost]).all()
        assert (fit.pvalues[lost] == 1.0).all()
        rest, _ = fit_once(formula, data[data["f"] != "c"], **held)
        shared = [p for p in fit.params.index if p not in lost]
        assert fit.llf == pytest.approx(rest.llf, abs=LLF)
        np.testing.assert_allclose(fit.params[shared], rest.params[shared], atol=ESTIMATE)
        np.testing.assert_allclose(fit.bse[shared], rest.bse[shared], rtol=2e-3)
        np.testing.assert_allclose(port_of(fit).theta, port_of(rest).theta, atol=ESTIMATE)
        assert "no finite estimate" in str(fit.summary())


def test_reference_level() -> None:
    """Where the reference is at the end, every contrast with it goes; differences stay."""
    data = level_table()
    data["f"] = data["f"].map({"c": "0", "a": "1", "b": "2"})
    fit, caught = fit_once("y ~ f + (1 | g)", data, family="poisson")
    assert [w.category for w in caught] == [SeparationWarning]
    assert fit.convergence.runaway == ("Intercept", "f[T.1]", "f[T.2]")
    rest, _ = fit_once("y ~ f + (1 | g)", data[data["f"] != "0"], family="poisson")
    assert fit.llf == pytest.approx(rest.llf, abs=LLF)
    found = fit.params["f[T.2]"] - fit.params["f[T.1]"]
    assert found == pytest.approx(rest.params["f[T.2]"], abs=ESTIMATE)


def test_slope_within_a_level() -> None:
    """The slope of a predictor within a level at the end is lost with it, for the same reason."""
    data = level_table().assign(x=lambda d: np.sin(np.arange(len(d))))
    fit, _ = fit_once("y ~ x * f + (1 | g)", data, family="poisson")
    assert {x.parameter: x.reason for x in fit.convergence.limits} == {
        "f[T.c]": "separation",
        "x:f[T.c]": "separation",
    }


def test_flat_ridge() -> None:
    """Zeros that two parts explain are laid to one of them, and the other is said to be free."""
    fit, caught = fit_once("y ~ f + (1 | g)", level_table(), family="poisson", zi="~ f")
    reasons = {x.parameter: x.reason for x in fit.convergence.limits}
    assert reasons == {"f[T.c]": "separation", "zi: f[T.c]": "not identified"}
    assert "another part of the model explains" in str(caught[0].message)


def test_covariance_says_so() -> None:
    """The covariance has an infinite variance and no covariances where there is no estimate."""
    fit, _ = fit_once("y ~ f + (1 | g)", level_table(), family="poisson")
    held = fit.cov_params()
    assert np.isinf(held.loc["f[T.c]", "f[T.c]"])
    assert np.isnan(held.loc["f[T.c]", "Intercept"])
    assert held.loc["f[T.b]", "f[T.b]"] == pytest.approx(fit.bse["f[T.b]"] ** 2)


def test_refit() -> None:
    """A refit has its own limits: none where the new response has none."""
    data = level_table()
    fit, _ = fit_once("y ~ f + (1 | g)", data, family="poisson")
    again = fit.refit(data["y"])
    assert again.llf == pytest.approx(fit.llf, abs=LLF)
    assert again.convergence.runaway == ("f[T.c]",)
    moved = data.assign(y=data["y"] + (np.arange(len(data)) % 4 == 0))
    fresh, _ = fit_once("y ~ f + (1 | g)", moved, family="poisson")
    other = fit.refit(moved["y"])
    assert other.convergence.runaway == ()
    assert other.llf == pytest.approx(fresh.llf, abs=LLF)
    np.testing.assert_allclose(other.params, fresh.params, atol=ESTIMATE)


def test_refit_finds_limits() -> None:
    """A refit to a response with a level at the end has the limit that a fit of it has."""
    data = level_table()
    healthy = data.assign(y=data["y"] + (np.arange(len(data)) % 4 == 0))
    fit, _ = fit_once("y ~ f + (1 | g)", healthy, family="nbinom2")
    fresh, _ = fit_once("y ~ f + (1 | g)", data, family="nbinom2")
    again = fit.refit(data["y"])
    assert again.convergence.runaway == ("f[T.c]",)
    assert again.converged
    assert again.llf == pytest.approx(fresh.llf, abs=LLF)
    assert np.isinf(again.bse["f[T.c]"])


@pytest.mark.parametrize("method", ["analytic", "one-step"])
def test_conditional_aic(method: Any) -> None:
    """The conditional AIC and the check of the approximation are those of the smaller model."""
    data = level_table()
    fit, _ = fit_once("y ~ f + (1 | g)", data, family="poisson")
    rest, _ = fit_once("y ~ f + (1 | g)", data[data["f"] != "c"], family="poisson")
    assert mc.caic(fit, method=method).value == pytest.approx(
        mc.caic(rest, method=method).value, abs=1e-4
    )
    assert fit.approximation().reference_llf == pytest.approx(
        rest.approximation().reference_llf, abs=LLF
    )


def test_refit_to_nothing() -> None:
    """A refit to a response that predictors tell completely has a likelihood of one."""
    fit, _ = fit_once("y ~ z + (1 | g)", poisson_table(1), family="poisson")
    again = fit.refit(np.zeros(200))
    assert again.llf == pytest.approx(0.0, abs=LLF)
    assert np.isinf(again.bse).all()
    assert port_of(again).theta.iloc[0] == 0.0


@pytest.mark.parametrize(
    ("left", "options"),
    [
        ("none", {"family": "poisson"}),
        ("none", {"family": "nbinom2"}),
        ("none / m", {"family": "betabinomial"}),
        ("one", {"family": "truncated_poisson"}),
        ("one", {"family": "truncated_nbinom2"}),
        ("cut", {"family": "binomial"}),
        ("cut4 / m", {"family": "betabinomial"}),
    ],
    ids=lambda v: str(v),
)
def test_complete(left: str, options: dict[str, Any]) -> None:
    """Where predictors tell every response there is no estimate at all, in any family."""
    data = level_table().assign(none=0, one=1, cut=lambda d: 1 * (d["f"] == "a"))
    data["cut4"] = 4 * data["cut"]
    with pytest.raises(SeparationError, match="complete separation"):
        mc.glmm(f"{left} ~ f + (1 | g)", data, **options)


def test_not_identified() -> None:
    """A dispersion of single trials, and a mean without responses, are refused as such."""
    data = level_table().assign(none=0)
    with pytest.raises(DesignError, match="one trial a row has no variation"):
        mc.glmm("hit ~ f + (1 | g)", data, family="betabinomial")
    with pytest.raises(DesignError, match="all are zero"):
        mc.glmm("none ~ f + (1 | g)", data, family="truncated_poisson", zi="~ 1")


def poisson_table(seed: int, n: int = 200, groups: int = 20) -> pd.DataFrame:
    """Counts without variation beyond the Poisson's."""
    rng = np.random.default_rng(seed)
    g, x = np.arange(n) % groups, rng.normal(0, 1, n)
    y = rng.poisson(np.exp(0.7 + 0.3 * x + rng.normal(0, 0.6, groups)[g]))
    return pd.DataFrame({"y": y, "x": x, "g": g, "z": rng.integers(0, 2, n)})


@pytest.mark.parametrize(
    "method",
    ["laplace", *(pytest.param(m, marks=pytest.mark.slow) for m in ("agq", "profiled", "reml"))],
)
@pytest.mark.parametrize("family", ["nbinom1", "nbinom2"])
def test_dispersion_at_its_limit(family: str, method: str) -> None:
    """Counts that vary no more than Poisson ones: the Poisson fit, and the dispersion is named."""
    data = poisson_table(5)
    fit, caught = fit_once("y ~ x + (1 | g)", data, family=family, **METHODS[method])
    plain, _ = fit_once("y ~ x + (1 | g)", data, family="poisson", **METHODS[method])
    assert [w.category for w in caught] == [SeparationWarning]
    assert "vary no more than they would without the dispersion" in str(caught[0].message)
    assert fit.converged
    assert [(x.parameter, x.reason) for x in fit.convergence.limits] == [
        ("dispersion: Intercept", "dispersion")
    ]
    assert fit.llf == pytest.approx(plain.llf, abs=LLF)
    np.testing.assert_allclose(fit.params, plain.params, atol=ESTIMATE)
    np.testing.assert_allclose(fit.bse, plain.bse, rtol=ERROR)


@pytest.mark.parametrize("seed", range(4))
def test_small_table(seed: int) -> None:
    """Twenty Poisson counts: the dispersion is estimated or at its limit, and never unreached."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"y": rng.poisson(3, 20), "g": np.arange(20) % 4, "x": rng.normal(size=20)})
    fit, caught = fit_once("y ~ x + (1 | g)", data, family="nbinom2")
    plain, _ = fit_once("y ~ x + (1 | g)", data, family="poisson")
    assert fit.converged
    assert not any("Rescale" in str(w.message) for w in caught)
    if fit.convergence.limits:
        assert fit.llf == pytest.approx(plain.llf, abs=LLF)
    else:
        assert fit.llf > plain.llf


@pytest.mark.parametrize("method", ["laplace", "agq", "profiled"])
def test_no_additional_zeros(method: str) -> None:
    """A zero part that the data do not show is at its limit: the fit without it."""
    data = poisson_table(2, 120, 12)
    data["y"] += data["y"] == 0
    for table in (data, poisson_table(0, 20, 4)):
        fit, caught = fit_once(
            "y ~ x + (1 | g)", table, family="poisson", zi="~ 1", **METHODS[method]
        )
        plain, _ = fit_once("y ~ x + (1 | g)", table, family="poisson", **METHODS[method])
        assert [w.category for w in caught] == [SeparationWarning]
        assert "no zeros there beyond those" in str(caught[0].message)
        assert [(x.parameter, x.reason) for x in fit.convergence.limits] == [
            ("zi: Intercept", "zero part")
        ]
        assert fit.llf == pytest.approx(plain.llf, abs=LLF)
        np.testing.assert_allclose(fit.bse.iloc[:-1], plain.bse, rtol=ERROR)


@pytest.mark.slow
def test_interior_dispersion_is_found() -> None:
    """A dispersion model with an interior maximum ends there (glmmTMB 1.1.5: -318.5987)."""
    rng = np.random.default_rng(1)
    n = 200
    g, x = np.arange(n) % 20, rng.normal(0, 1, n)
    y = rng.poisson(np.exp(0.7 + 0.3 * x + rng.normal(0, 0.6, 20)[g]))
    z = rng.integers(0, 2, n)
    data = pd.DataFrame({"y": np.where(rng.random(n) < 0.3, 0, y), "x": x, "g": g, "z": z})
    fit, caught = fit_once(
        "y ~ x + (1 | g)", data, family="nbinom2", dispersion="~ x + z", zi="~ 1"
    )
    assert not caught
    assert fit.llf == pytest.approx(-318.598684, abs=LLF)


def regular_counts(*first: int) -> pd.DataFrame:
    """Sixty counts that vary less than Poisson ones, but for those at the smallest x."""
    x = np.linspace(-1.5, 1.5, 60)
    y = np.round(np.exp(1 + 0.3 * x) + np.tile([1.2, -1.2, 0.6, -0.6], 15)).clip(0)
    y[: len(first)] = first
    return pd.DataFrame({"y": y, "x": x, "g": np.arange(60) % 6})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "row"), [((8,), 0), ((5,), 0), ((0, 9), 1)], ids=["8", "5", "0 and 9"]
)
@pytest.mark.parametrize("family", ["nbinom1", "nbinom2"])
def test_dispersion_at_one_end_of_a_predictor(
    family: str, first: tuple[int, ...], row: int
) -> None:
    """All rows are Poisson but one, at one end of x: the fit in which this row is a level.

    A count of zero beyond that row is certain, and counts nothing.
    """
    data = regular_counts(*first)
    fit, caught = fit_once("y ~ x + (1 | g)", data, family=family, dispersion="~ x")
    level = data.assign(one=np.arange(60) == row)[row:]
    known, _ = fit_once("y ~ x + (1 | g)", level, family=family, dispersion="~ one")
    assert [w.category for w in caught] == [SeparationWarning]
    assert fit.converged
    assert fit.convergence.runaway == ("dispersion: Intercept", "dispersion: x")
    assert np.isinf(fit.bse.iloc[-2:]).all()
    assert fit.llf == pytest.approx(known.llf, abs=LLF)
    np.testing.assert_allclose(fit.params.iloc[:2], known.params.iloc[:2], atol=ESTIMATE)
    np.testing.assert_allclose(fit.bse.iloc[:2], known.bse.iloc[:2], rtol=ERROR)
    poisson, _ = fit_once("y ~ x + (1 | g)", data, family="poisson")
    assert fit.llf > poisson.llf + 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("first", "seed", "corner"), [(5, 1, 8), (6, 2, 8)])
def test_dispersion_at_a_corner_of_two_predictors(first: int, seed: int, corner: int) -> None:
    """All rows are Poisson but one, the last along x + z and along neither of them."""
    data = regular_counts()
    z = np.random.default_rng(seed).permutation(np.linspace(-1.5, 1.5, 60))
    one = np.arange(60) == np.argmin(data["x"] + z)
    assert np.flatnonzero(one) == [corner]
    data = data.assign(z=z, y=np.where(one, first, data["y"]), one=one)
    fit, caught = fit_once("y ~ x + (1 | g)", data, family="nbinom2", dispersion="~ x + z")
    known, _ = fit_once("y ~ x + (1 | g)", data, family="nbinom2", dispersion="~ one")
    assert [w.category for w in caught] == [SeparationWarning]
    assert fit.convergence.runaway == tuple(f"dispersion: {n}" for n in ("Intercept", "x", "z"))
    assert np.isinf(fit.bse.iloc[-3:]).all()
    assert fit.llf == pytest.approx(known.llf, abs=LLF)
    np.testing.assert_allclose(fit.params.iloc[:2], known.params.iloc[:2], atol=ESTIMATE)
    poisson, _ = fit_once("y ~ x + (1 | g)", data, family="poisson")
    assert fit.llf > poisson.llf + 0.02


@pytest.mark.slow
def test_dispersion_at_no_end() -> None:
    """Counts that vary less than Poisson ones everywhere: the Poisson fit."""
    data = regular_counts(2)
    fit, _ = fit_once("y ~ x + (1 | g)", data, family="nbinom2", dispersion="~ x")
    poisson, _ = fit_once("y ~ x + (1 | g)", data, family="poisson")
    assert fit.llf == pytest.approx(poisson.llf, abs=LLF)
