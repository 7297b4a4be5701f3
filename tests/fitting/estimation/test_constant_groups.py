"""Responses that are constant within groups."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import expit, log_expit, ndtr, ndtri
from scipy.stats import poisson

import mixcheck as mc
from mixcheck.design import build_design, parse_formula
from mixcheck.errors import ComparisonError, MixcheckWarning, SeparationWarning
from mixcheck.families import get_family
from mixcheck.fitting.estimation.constant_groups import determined_terms, mostly_determined
from mixcheck.fitting.estimation.pql import PQL
from mixcheck.fitting.estimation.wide_groups import GroupIntegral, integrate_alike
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.port import port_of

METHODS: list[dict[str, Any]] = [
    {},
    {"method": "agq"},
    {"method": "agq", "nodes": 9},
    {"method": "profiled"},
    {"method": "pql"},
    {"reml": True},
]

IMPORTANCE: dict[str, Any] = {"method": "importance", "draws": 256}


def fit_once(formula: str, data: pd.DataFrame, **options: Any) -> tuple[mc.GLMM, list[Any]]:
    """A fit and the warnings that it gave."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return mc.glmm(formula, data, **options), caught


def table(groups: int = 40, size: int = 10) -> pd.DataFrame:
    """Every other group all ones, the others all zeros."""
    g = np.repeat(np.arange(groups), size)
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"g": g, "b": g % 2, "x": rng.normal(size=g.size), "k": 5 * (g % 2), "m": 5, "h": g % 3}
    )


@pytest.mark.parametrize("options", METHODS, ids=str)
def test_supremum(options: dict[str, Any]) -> None:
    """Symmetric data: an intercept of zero without a standard error, and 40 log(1/2)."""
    fit, caught = fit_once("b ~ 1 + (1 | g)", table(), family="binomial", **options)
    assert [w.category for w in caught] == [SeparationWarning]
    assert "The groups determine the responses" in str(caught[0].message)
    assert fit.converged
    assert fit.llf == pytest.approx(40 * np.log(0.5), abs=1e-9)
    assert fit.params["Intercept"] == pytest.approx(0.0, abs=1e-6)
    assert np.isinf(fit.bse["Intercept"])
    assert fit.pvalues["Intercept"] == 1.0
    assert [(x.parameter, x.reason) for x in fit.convergence.limits] == [
        ("(1 | g)", "groups"),
        ("Intercept", "groups"),
    ]
    assert "determine the responses" in str(fit.summary())
    np.testing.assert_allclose(fit.fittedvalues, table()["b"], atol=1e-4)


def test_no_conditional_aic() -> None:
    """A conditional likelihood of one says nothing, and is refused with the reason."""
    fit, _ = fit_once("b ~ 1 + (1 | g)", table(), family="binomial")
    with pytest.raises(ComparisonError, match="the groups determine the responses"):
        mc.caic(fit)
    assert fit.approximation().unavailable == "The groups determine the responses."


@pytest.mark.parametrize(
    ("left", "family"),
    [
        ("k / m", "binomial"),
        ("k / m", "betabinomial"),
        ("b", mc.families.Binomial(link="probit")),
        ("b", mc.families.Binomial(link="cloglog")),
    ],
    ids=str,
)
def test_families(left: str, family: Any) -> None:
    """Every family of successes and link has the limit of a probit regression of the groups."""
    data = table(25, 4)
    fit, caught = fit_once(f"{left} ~ 1 + (1 | g)", data, family=family)
    assert [w.category for w in caught] == [SeparationWarning]
    share = 12 / 25
    assert fit.llf == pytest.approx(12 * np.log(share) + 13 * np.log(1 - share), abs=1e-9)
    ratio = fit.params["Intercept"] / port_of(fit).theta.iloc[0]
    assert ratio == pytest.approx(ndtri(share), abs=1e-7)
    again = fit.refit(data[left.split()[0]])
    assert again.llf == pytest.approx(fit.llf, abs=1e-9)


@pytest.mark.slow
def test_one_exception() -> None:
    """One response that differs within its group: the same story, from the width of the term."""
    data = table(20, 10)
    data.loc[3, "b"] = 1
    for options in ({}, {"method": "agq"}, {"reml": True}):
        fit, caught = fit_once("b ~ x + (1 | g)", data, family="binomial", **options)
        assert [w.category for w in caught] == [SeparationWarning]
        assert "nearly every group" in str(caught[0].message)
        assert fit.convergence.runaway == ("(1 | g)", "Intercept")
        assert fit.pvalues["Intercept"] == 1.0
        assert np.isfinite(fit.bse["x"])


@pytest.mark.slow
def test_determined_with_predictors() -> None:
    """Responses that a predictor tells within the groups are not said to be alike within them."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"x": rng.normal(size=80), "g": np.arange(80) % 8})
    data["y"] = (data.x + rng.normal(size=8)[data.g] > 0.0).astype(int)
    fit, caught = fit_once("y ~ x + (1 | g)", data, family="binomial")
    assert [w.category for w in caught] == [SeparationWarning]
    assert "alike" not in str(caught[0].message)
    assert "with the predictors beside them" in str(caught[0].message)
    assert not np.isfinite(fit.bse["Intercept"])


@pytest.mark.slow
def test_zero_part() -> None:
    """Groups that are all zero or have none are named in the zero part; the mean is as alone."""
    data = table(20, 10)
    data["y"] = np.where(data["b"] == 0, 0, np.random.default_rng(0).poisson(3, len(data)) + 1)
    fit, caught = fit_once("y ~ 1 + (1 | g)", data, family="truncated_poisson", zi="~ 1 + (1 | g)")
    assert [w.category for w in caught] == [SeparationWarning]
    assert fit.convergence.runaway == ("zi: (1 | g)", "zi: Intercept")
    alone, _ = fit_once("y ~ 1 + (1 | g)", data[data["y"] > 0], family="truncated_poisson")
    assert fit.bse["Intercept"] == pytest.approx(alone.bse["Intercept"], rel=1e-4)


def nearly() -> pd.DataFrame:
    """Twenty groups of five, all alike but in one group, which has a single success."""
    data = table(20, 5)
    data["y"] = data["b"]
    data.loc[2, "y"] = 1
    # Neither the smallest nor the largest value goes with the success.
    data.loc[:4, "x"] = [-1.0, 0.5, 0.1, 1.2, -0.4]
    return data


def log_likelihood(data: pd.DataFrame, intercept: float, sd: float) -> float:
    """Of a logistic random intercept, by adaptive integration over the predictor."""
    total = 0.0
    alike = data.groupby("g")["y"].agg(["sum", "size"]).value_counts()
    for (s, n), groups in alike.items():

        def density(t: float, s: int = s, n: int = n) -> float:
            likelihood = np.exp(s * log_expit(t) + (n - s) * log_expit(-t))
            return float(likelihood * np.exp(-0.5 * ((t - intercept) / sd) ** 2) / sd)

        edges = [-12.0 * sd, -60.0, -20.0, -4.0, 0.0, 4.0, 20.0, 60.0, 12.0 * sd]
        parts = [quad(density, a, b, epsabs=1e-14)[0] for a, b in pairwise(edges)]
        total += groups * np.log(sum(parts) / np.sqrt(2.0 * np.pi))
    return float(total)


@pytest.mark.parametrize(
    "options",
    [METHODS[0], *(pytest.param(o, marks=pytest.mark.slow) for o in METHODS[1:]), IMPORTANCE],
    ids=str,
)
def test_nearly_determined(options: dict[str, Any]) -> None:
    """The maximum of the likelihood itself, whichever approximation was asked for.

    One group of both kinds makes the likelihood fall as 1 / sd, so that its maximum is finite.
    """
    data = nearly()
    fit, caught = fit_once("y ~ 1 + (1 | g)", data, family="binomial", **options)
    assert "by integration" in str(caught[0].message)
    at = np.array([fit.params["Intercept"], port_of(fit).theta.iloc[0]])
    assert fit.llf == pytest.approx(log_likelihood(data, *at), abs=1e-8)
    for step in ([0.3, 0.0], [-0.3, 0.0], [0.0, 1.0], [0.0, -1.0]):
        assert log_likelihood(data, *(at + step)) < fit.llf
    assert [(x.parameter, x.reason) for x in fit.convergence.limits] == [
        ("(1 | g)", "groups"),
        ("Intercept", "groups"),
    ]
    assert np.isinf(fit.bse["Intercept"])
    assert fit.approximation().unavailable == "The likelihood is integrated exactly."
    assert fit.refit(data["y"]).llf == pytest.approx(fit.llf, abs=1e-8)
    with pytest.raises(ComparisonError, match="all but determine"):
        mc.caic(fit)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_pql_tells_what_laplace_tells(seed: int) -> None:
    """With further random effects, too, though its own deviations are moderate."""
    rng = np.random.default_rng(seed)
    data = table(40, 4)
    data["y"] = data["b"]
    data.loc[rng.choice(160, 2, replace=False), "y"] ^= 1
    data["h"] = rng.integers(0, 5, 160)
    told = []
    for options in ({}, {"method": "pql"}):
        fit, caught = fit_once("y ~ 1 + (1 | g) + (1 | h)", data, family="binomial", **options)
        told.append([limit.parameter for limit in fit.convergence.limits])
        assert any("nearly every group" in str(w.message) for w in caught)
    assert told[0] == told[1] == ["(1 | g)", "Intercept"]


def test_pql_of_groups_that_differ() -> None:
    """Where most groups have responses of both kinds, nothing else is fitted."""
    rng = np.random.default_rng(0)
    data = table(20, 10)
    data["y"] = rng.integers(0, 2, 200)
    design = build_design(parse_formula("y ~ 1 + (1 | g)"), data, ratio_is_trials=True)
    problem = arrange(design, get_family("binomial"))
    assert not mostly_determined(problem)
    assert integrate_alike(problem, PQL()) is None
    alike = problem.with_response(data["b"].to_numpy(dtype=np.float64))
    assert mostly_determined(alike)
    assert integrate_alike(alike, Laplace()) is None


def test_nearly_determined_beside_a_predictor() -> None:
    """What the groups do not determine has its estimate and its standard error."""
    data = nearly()
    one, _ = fit_once("y ~ x + (1 | g)", data, family="binomial")
    other, _ = fit_once("y ~ x + (1 | g)", data, family="binomial", method="agq", nodes=31)
    assert np.isfinite(one.bse["x"])
    np.testing.assert_allclose(one.params, other.params, rtol=1e-4)
    assert one.bse["x"] == pytest.approx(other.bse["x"], rel=1e-4)
    assert one.llf == pytest.approx(other.llf, abs=1e-8)


@pytest.mark.parametrize("zeros", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "options",
    [METHODS[0], pytest.param(METHODS[1], marks=pytest.mark.slow)],
    ids=str,
)
def test_supremum_of_a_zero_part(options: dict[str, Any], zeros: bool) -> None:
    """Groups that are all zero or counts: at an infinite deviation two kinds of groups.

    The likelihood of a group of zeros is p + (1 - p) f(0)^n, that of another (1 - p) prod f(y);
    with zeros among the counts, too, which the Poisson explains.
    """
    data = table(20, 5)
    counts = np.random.default_rng(1).poisson(2.5, len(data)) + (0 if zeros else 1)
    data["y"] = np.where(data["b"] == 0, 0, counts)
    assert ((data["y"] == 0) & (data["b"] == 1)).any() == zeros

    def minus(at: np.ndarray) -> float:
        p, logs = expit(at[0]), poisson.logpmf(data["y"], np.exp(at[1]))
        sums = np.bincount(data["g"], logs)
        none = np.bincount(data["g"], data["y"]) == 0
        return -float(np.log(np.where(none, p, 0.0) + (1.0 - p) * np.exp(sums)).sum())

    best = minimize(
        minus, [0.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}
    )
    fit, caught = fit_once("y ~ 1", data, family="poisson", zi="~ 1 + (1 | g)", **options)
    assert [w.category for w in caught] == [SeparationWarning]
    assert fit.llf == pytest.approx(-best.fun, abs=1e-6)
    assert fit.params["Intercept"] == pytest.approx(best.x[1], abs=1e-6)
    share = ndtr(fit.params["zi: Intercept"] / port_of(fit).theta.iloc[0])
    assert share == pytest.approx(expit(best.x[0]), abs=1e-5)
    assert fit.convergence.runaway == ("zi: (1 | g)", "zi: Intercept")
    assert np.isfinite(fit.bse["Intercept"])
    assert np.isinf(fit.bse["zi: Intercept"])


@pytest.mark.parametrize("seed", range(8))
def test_no_false_alarm(seed: int) -> None:
    """Groups with responses of both kinds are fitted without a word of it."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(15), 8)
    eta = 0.3 + rng.normal(0, 1.2, 15)[g]
    data = pd.DataFrame({"g": g, "b": (rng.random(g.size) < 1 / (1 + np.exp(-eta))).astype(int)})
    fit, _ = fit_once("b ~ 1 + (1 | g)", data, family="binomial")
    assert fit.convergence.limits == ()


@pytest.mark.parametrize("row", [None, 0, 2_999])
def test_any_row_decides(row: int | None) -> None:
    """One response that differs within its group, the first or the last of many, is enough."""
    data = table(groups=30, size=100)
    if row is not None:
        data.loc[row, "b"] = 1 - data["b"][row]
    formula = parse_formula("b ~ 1 + (1 | g)")
    problem = arrange(build_design(formula, data, ratio_is_trials=True), get_family("binomial"))
    assert bool(determined_terms(problem)) == (row is None)


@pytest.mark.parametrize("reml", [False, True])
def test_a_further_effect_of_no_variance_changes_nothing(reml: bool) -> None:
    """Groups that determine 0/1 data have one likelihood, with an effect beside it or without."""
    rng = np.random.default_rng(1)
    g, h = np.repeat(np.arange(60), 4), rng.integers(0, 8, 240)
    data = pd.DataFrame({"g": g, "h": h, "x": rng.normal(size=240)})
    data["y"] = np.where(rng.random(60) < 0.5, 0, 1)[g]
    with pytest.warns(SeparationWarning, match="groups determine the responses"):
        alone = mc.glmm("y ~ x + (1 | g)", data, family="binomial", reml=reml)
    with pytest.warns(MixcheckWarning):
        both = mc.glmm("y ~ x + (1 | g) + (1 | h)", data, family="binomial", reml=reml)
    assert both.llf == pytest.approx(alone.llf, abs=1e-6)
    np.testing.assert_allclose(both.params, alone.params, rtol=1e-3, atol=1e-6)
    assert both.variance_components["sd"].iloc[1] < 1e-4


@pytest.mark.slow
def test_effects_within_groups_that_grow_without_end_are_left_soon() -> None:
    """Where the few groups of both kinds are separated by x there is no maximum to integrate to."""
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(60), 4)
    kind = np.where(rng.random(60) < 0.5, 0.0, 1.0)
    data = pd.DataFrame({"g": g, "x": rng.normal(size=240), "y": kind[g]})
    mixed = np.isin(g, [3, 17, 40])
    data.loc[mixed, "y"] = (data.loc[mixed, "x"] > 0.0).astype(float)
    calls = []
    whole = GroupIntegral.__call__

    def counted(self: GroupIntegral, psi: Any, nearby: Any) -> Any:
        calls.append(psi)
        return whole(self, psi, nearby)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GroupIntegral, "__call__", counted)
        with pytest.warns(MixcheckWarning):
            mc.glmm("y ~ x + (1 | g)", data, family="binomial")
    assert 0 < len(calls) < 300


@pytest.mark.slow
def test_thresholds_run_away_with_their_groups() -> None:
    """Slopes in the response itself: one reason, and no advice on a gradient or on families."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(6), 8), "y": rng.integers(1, 6, 48)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixcheckWarning)
        fit = mc.glmm("y ~ (y | g)", data, family="ordinal")
    first, *more = fit.convergence.messages
    assert first.startswith("The model all but determines the responses")
    assert not any(word in text for text in more for word in ("simpler family", "gradient"))
