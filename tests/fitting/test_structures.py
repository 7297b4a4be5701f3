"""Covariance structures against R, closed forms and each other."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest, multivariate_normal

import mixcheck as mc
from mixcheck.fitting.likelihood.mode import find_mode
from mixcheck.fitting.predictive.data_view import Viewpoint, respond
from mixcheck.fitting.predictive.posterior import draw_posterior
from mixcheck.port import port_of

REFERENCE = json.loads((Path(__file__).parents[1] / "data" / "structures.json").read_text())[
    "cases"
]
SEIZURES = "y ~ lbase4 * trt + log(age) + V4"


def decay(levels: pd.Index) -> pd.DataFrame:
    """``0.8^|i - j|``, as in validation/reference/structures.R."""
    i = np.arange(len(levels))
    return pd.DataFrame(0.8 ** np.abs(i[:, None] - i), levels, levels)


def fit_case(name: str) -> mc.GLMM:
    """The model of a case of validation/reference/structures.R."""
    epil = mc.datasets.load("epil")
    epil = epil.assign(lbase4=np.log(epil["base"] / 4), visit=pd.Categorical(epil["period"]))
    cbpp = mc.datasets.load("cbpp")
    cbpp = cbpp.assign(p=cbpp["period"].astype(int))
    sleep = mc.datasets.load("sleepstudy")
    herds, subjects = cbpp["herd"].cat.categories, pd.Index(sleep["Subject"].unique()).sort_values()
    cows, days = "incidence / size ~ period", "Reaction ~ Days"
    calls: dict[str, tuple[str, pd.DataFrame, str, dict[str, Any]]] = {
        "epil_ar1": (f"{SEIZURES} + ar1(0 + period | subject)", epil, "poisson", {}),
        "epil_ar1_intercept": (
            f"{SEIZURES} + (1 | subject) + ar1(0 + period | subject)", epil, "poisson", {},
        ),
        "epil_cs": (f"{SEIZURES} + cs(0 + visit | subject)", epil, "poisson", {}),
        "cbpp_ar1": (f"{cows} + ar1(0 + p | herd)", cbpp, "binomial", {}),
        "sleep_ar1": (f"{days} + ar1(0 + Days | Subject)", sleep, "gaussian", {}),
        "sleep_ar1_reml": (
            f"{days} + ar1(0 + Days | Subject)", sleep, "gaussian", {"reml": True},
        ),
        "sleep_ar1_slope": (
            f"{days} + (0 + Days | Subject) + ar1(0 + Days | Subject)", sleep, "gaussian", {},
        ),
        "cbpp_related": (
            f"{cows} + propto(1 | herd, K)", cbpp, "binomial", {"context": {"K": decay(herds)}},
        ),
        "sleep_related": (
            f"{days} + propto(1 | Subject, K)", sleep, "gaussian",
            {"context": {"K": decay(subjects)}},
        ),
    }  # fmt: skip
    formula, data, family, options = calls[name]
    return mc.glmm(formula, data, family=family, **options)


@pytest.mark.parametrize("name", REFERENCE)
def test_reference(name: str) -> None:
    """glmmTMB, nlme and lme4 reach the same likelihood, estimates and standard errors."""
    wanted, fit = REFERENCE[name], fit_case(name)
    assert fit.converged
    assert fit.llf == pytest.approx(wanted["llf"], abs=2e-6)
    np.testing.assert_allclose(fit.params, wanted["params"], atol=1e-4)
    if "bse" in wanted:
        np.testing.assert_allclose(fit.bse, wanted["bse"], rtol=1e-3)
    held = port_of(fit).covariance_parameters()
    if "sd" in wanted:
        assert held["estimate"].iloc[0] == pytest.approx(wanted["sd"], rel=1e-4)
    if "residual" in wanted:
        assert fit.dispersion == pytest.approx(wanted["residual"], rel=1e-4)
    if "correlation" in wanted:
        assert held["estimate"].iloc[-1] == pytest.approx(wanted["correlation"], rel=1e-4)
    if "theta" in wanted:
        theta, errors = np.array(wanted["theta"]), np.array(wanted["theta_se"])
        sd = (held["kind"] == "sd").to_numpy()
        np.testing.assert_allclose(np.log(held["estimate"][sd]), theta[:-1], atol=1e-4)
        np.testing.assert_allclose(
            held["std_error"][sd], np.exp(theta[:-1]) * errors[:-1], rtol=2e-3
        )
        last = held.iloc[-1]
        t = theta[-1]
        if "cs" in name:  # (1 + a) logistic(t) - a, a = 1 / (q - 1)
            a, share = 1.0 / 3.0, 1.0 / (1.0 + np.exp(-t))
            value, slope = (1.0 + a) * share - a, (1.0 + a) * share * (1.0 - share)
        else:
            value, slope = t / np.sqrt(1.0 + t * t), (1.0 + t * t) ** -1.5
        assert last["estimate"] == pytest.approx(value, abs=1e-5)
        assert last["std_error"] == pytest.approx(slope * errors[-1], rel=2e-3)


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
@pytest.mark.parametrize("seed", [0, 2, 4, 9, 10])
def test_effects_without_variance(seed: int) -> None:
    """Where standard deviations of ``cs`` are zero, the fit is that without these effects."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"g": np.repeat(np.arange(20), 8)})
    visit = np.tile(np.repeat(np.arange(4), 2), 20)
    b = (0.7 * rng.normal(size=20) + 0.7 * rng.normal(size=(4, 20))).T * [0.0, 0.8, 0.5, 0.0]
    frame["y"] = rng.poisson(np.exp(0.8 + b[frame["g"], visit]))
    frame = frame.assign(v=pd.Categorical(visit), **{f"d{k}": 1.0 * (visit == k) for k in range(4)})
    fit = mc.glmm("y ~ 1 + cs(0 + v | g)", frame, family="poisson")
    held = port_of(fit).covariance_parameters()
    sd = held["estimate"].to_numpy()[:4]
    there = np.flatnonzero(sd > 1e-8)
    assert there.size < 4
    assert fit.converged
    assert fit.convergence.singular == ("cs(0 + v | g)",)
    np.testing.assert_array_equal(held["std_error"].isna()[:4], sd <= 1e-8)
    effects = " + ".join(f"d{k}" for k in there)
    alone = mc.glmm(f"y ~ 1 + cs(0 + {effects} | g)", frame, family="poisson")
    assert fit.llf == pytest.approx(alone.llf, abs=1e-7)
    np.testing.assert_allclose(
        held["estimate"].to_numpy()[[*there, 4]],
        port_of(alone).covariance_parameters()["estimate"],
        rtol=1e-4,
    )


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
@pytest.mark.parametrize("seed", [1, 3])
def test_no_effect_has_a_variance(seed: int) -> None:
    """Where all of them are zero, the likelihood is that without random effects."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"g": np.repeat(np.arange(15), 6), "v": np.tile([*"aabbcc"], 15)})
    # Less variation between groups than chance gives: shares of one total.
    frame["y"] = rng.multinomial(12, np.full(6, 1 / 6), size=15).ravel()
    fit = mc.glmm("y ~ 1 + cs(0 + v | g)", frame, family="poisson")
    assert fit.converged
    assert fit.convergence.singular == ("cs(0 + v | g)",)
    assert fit.llf == pytest.approx(mc.glmm("y ~ 1", frame, family="poisson").llf, abs=1e-8)
    held = port_of(fit).covariance_parameters()
    assert held["estimate"].iloc[:3].max() < 1e-6
    assert held["std_error"].isna().all()


def make_series(seed: int = 1, m: int = 15, q: int = 6) -> pd.DataFrame:
    """Groups at whole times, some of them lost, and species that are related."""
    rng = np.random.default_rng(seed)
    w = np.empty((m, q))
    w[:, 0] = rng.normal(size=m)
    for t in range(1, q):
        w[:, t] = 0.7 * w[:, t - 1] + np.sqrt(1 - 0.49) * rng.normal(size=m)
    frame = pd.DataFrame({"g": np.repeat(np.arange(m), q), "t": np.tile(np.arange(q), m)})
    x = rng.normal(size=m * q)
    species = rng.choice(list("abcdefgh"), m * q)
    K = relation()
    b = pd.Series(np.linalg.cholesky(K.to_numpy()) @ rng.normal(size=8), K.index)
    eta = 0.5 + 0.3 * x + w.ravel() + b[species].to_numpy()
    frame = frame.assign(x=x, s=species, eta=eta, e=rng.normal(size=m * q))
    frame["z"] = frame["eta"] + 0.5 * frame["e"]
    frame["y"] = rng.poisson(np.exp(frame["eta"].clip(upper=3)))
    return frame.drop(index=[2, 7]).reset_index(drop=True)


def relation() -> pd.DataFrame:
    """A covariance of species, in another order than the data's."""
    A = np.random.default_rng(9).normal(size=(8, 12))
    names = list("hgfedcba")
    return pd.DataFrame(A @ A.T / 12, names, names)


def test_closed_form() -> None:
    """A Gaussian likelihood is the multivariate normal density, and its optimum a maximum."""
    frame, K = make_series(m=40), relation()
    fit = mc.glmm(
        "z ~ x + ar1(0 + t | g) + propto(1 | s, K)", frame, family="gaussian", context={"K": K}
    )
    held = port_of(fit).covariance_parameters().set_index("kind")["estimate"]
    sd, phi, related = held.iloc[0], held.iloc[1], held.iloc[2]

    def llf(sd: float, phi: float, related: float, residual: float) -> float:
        lag = np.abs(frame["t"].to_numpy()[:, None] - frame["t"].to_numpy())
        same = frame["g"].to_numpy()[:, None] == frame["g"].to_numpy()
        V = sd**2 * same * phi**lag
        V += related**2 * K.loc[frame["s"], frame["s"]].to_numpy()
        V += residual**2 * np.eye(len(frame))
        mean = fit.params["Intercept"] + fit.params["x"] * frame["x"]
        return float(multivariate_normal(mean, V).logpdf(frame["z"]))

    best = (sd, phi, related, fit.dispersion)
    assert fit.llf == pytest.approx(llf(*best), abs=1e-9)
    for k in range(4):
        for side in (0.99, 1.01):
            moved = [value * (side if j == k else 1.0) for j, value in enumerate(best)]
            assert llf(*moved) < fit.llf


@pytest.mark.parametrize(("family", "most"), [("poisson", 11), ("binomial", 14), ("gaussian", 14)])
def test_search_begins_near_its_end(family: str, most: int) -> None:
    """Lagged scores say where a search begins: few evaluations, of which some are for curvature."""
    rng = np.random.default_rng(5)
    g, t = np.repeat(np.arange(250), 200), np.tile(np.arange(200), 250)
    w = rng.normal(size=(250, 200))
    for k in range(1, 200):
        w[:, k] = 0.6 * w[:, k - 1] + 0.8 * w[:, k]
    x = rng.normal(size=g.size)
    eta = 0.5 + 0.3 * x + 0.7 * w.ravel()
    y = {
        "poisson": rng.poisson(np.exp(eta)),
        "binomial": (rng.random(g.size) < 1.0 / (1.0 + np.exp(-eta))).astype(int),
        "gaussian": eta + 0.5 * rng.normal(size=g.size),
    }[family]
    frame = pd.DataFrame({"g": g, "t": t, "x": x, "y": y})
    fit = mc.glmm("y ~ x + ar1(0 + t | g)", frame, family=family)
    assert fit.converged
    assert fit.convergence.evaluations <= most
    held = port_of(fit).covariance_parameters()
    if family != "binomial":  # of one success or failure for each effect Laplace is biased
        # Four standard errors have odds of 6e-5.
        assert (abs(held["estimate"] - [0.7, 0.6]) < 4.0 * held["std_error"]).all()


def test_times_of_any_kind() -> None:
    """Whole numbers from anywhere, floats and ordered categories are one model."""
    frame = make_series()
    whole = mc.glmm("y ~ x + ar1(0 + t | g)", frame, family="poisson")
    others = (
        frame.assign(t=frame["t"] + 1990.0),
        frame.assign(t=pd.Categorical(frame["t"].map("abcdef".__getitem__), ordered=True)),
    )
    for other in others:
        fit = mc.glmm("y ~ x + ar1(0 + t | g)", other, family="poisson")
        assert fit.llf == pytest.approx(whole.llf, abs=1e-9)
    shuffled = frame.sample(frac=1.0, random_state=0)
    again = mc.glmm("y ~ x + ar1(0 + t | g)", shuffled, family="poisson")
    assert again.llf == pytest.approx(whole.llf, abs=1e-9)
    text = mc.glmm("y ~ x + ar1(0 + factor(t) | g)", frame, family="poisson")
    assert text.llf == pytest.approx(whole.llf, abs=1e-9)


def test_one_series() -> None:
    """A group of one level is a series: the likelihood is the multivariate normal density."""
    rng = np.random.default_rng(4)
    t = np.delete(np.arange(400), [3, 50, 51])
    w = np.empty(400)
    w[0] = rng.normal()
    for k in range(1, 400):
        w[k] = 0.8 * w[k - 1] + 0.6 * rng.normal()
    frame = pd.DataFrame({"t": t, "all": 1, "z": 1.0 + w[t] + 0.5 * rng.normal(size=t.size)})
    fit = mc.glmm("z ~ 1 + ar1(0 + t | all)", frame, family="gaussian")
    sd, phi = port_of(fit).covariance_parameters()["estimate"]
    V = sd**2 * phi ** np.abs(t[:, None] - t) + fit.dispersion**2 * np.eye(t.size)
    density = multivariate_normal(np.full(t.size, fit.params.iloc[0]), V).logpdf(frame["z"])
    assert fit.llf == pytest.approx(float(density), abs=1e-8)
    assert (sd, phi) == pytest.approx((1.0, 0.8), abs=0.25)


def test_gaps_are_steps() -> None:
    """A time that no row has lies between its neighbours."""
    frame = make_series()
    gap = frame[frame["t"] != 3]
    whole = mc.glmm("y ~ x + ar1(0 + t | g)", gap, family="poisson")
    squeezed = mc.glmm(
        "y ~ x + ar1(0 + t | g)", gap.assign(t=gap["t"] - (gap["t"] > 3)), family="poisson"
    )
    assert abs(whole.llf - squeezed.llf) > 1e-3
    assert list(whole.random_effects["g"].columns) == [f"t{k}" for k in range(6)]


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
def test_identities() -> None:
    """Structures that say the same reach the same likelihood."""
    frame = make_series()
    twice = pd.concat([frame, make_series(2)])
    two = twice[twice["t"] < 2].assign(f=lambda d: pd.Categorical(d["t"]))

    def llf(term: str, data: pd.DataFrame, **options: Any) -> float:
        return mc.glmm(f"y ~ x + {term}", data, family="poisson", **options).llf

    # Two effects: compound symmetry with two variances is any covariance; with one, an AR(1).
    assert llf("cs(0 + f | g)", two) == pytest.approx(llf("us(0 + f | g)", two), abs=1e-6)
    assert llf("homcs(0 + f | g)", two) == pytest.approx(llf("ar1(0 + t | g)", two), abs=1e-6)
    # Unrelated levels.
    names = list("abcdefgh")
    identity = {"context": {"K": pd.DataFrame(np.eye(8), names, names)}}
    assert llf("propto(1 | s, K)", frame, **identity) == pytest.approx(
        llf("(1 | s)", frame), abs=1e-8
    )
    assert llf("propto(1 + x | s, K)", frame, **identity) == pytest.approx(
        llf("(1 + x | s)", frame), abs=1e-6
    )


def test_prediction() -> None:
    """Known times and levels give the fitted values; beyond them effects die away."""
    frame = make_series()
    fit = mc.glmm("z ~ x + ar1(0 + t | g)", frame, family="gaussian")
    np.testing.assert_allclose(fit.predict(frame), fit.fittedvalues, rtol=1e-12)
    phi = port_of(fit).covariance_parameters()["estimate"].iloc[1]
    row = frame.iloc[[-1]]
    zero = fit.predict(row, random_effects="zero").iloc[0]
    last = fit.random_effects["g"].iloc[-1, -1]
    later = pd.concat([row, row]).assign(t=[7, 9])
    np.testing.assert_allclose(fit.predict(later), zero + last * phi ** np.array([2, 4]))
    other = row.assign(g=99)
    with pytest.raises(mc.MixcheckError, match="never seen"):
        fit.predict(other)
    assert fit.predict(other, unseen="zero").iloc[0] == pytest.approx(zero)
    variance = port_of(fit).covariance_parameters()["estimate"].iloc[0] ** 2
    counts = mc.glmm("y ~ x + ar1(0 + t | g)", frame, family="poisson")
    sd = port_of(counts).covariance_parameters()["estimate"].iloc[0]
    averaged = counts.predict(row, random_effects="marginal").iloc[0]
    centre = counts.predict(row, random_effects="zero").iloc[0]
    assert averaged == pytest.approx(centre * np.exp(sd**2 / 2), rel=1e-6)
    assert variance > 0.0


@pytest.mark.slow
def test_simulation() -> None:
    """Simulated effects have the covariance of the structure."""
    frame, K = make_series(m=20, q=4), relation()
    fit = mc.glmm(
        "z ~ x + ar1(0 + t | g) + propto(1 | s, K)", frame, family="gaussian", context={"K": K}
    )
    draws = fit.simulate(4000, seed=1).to_numpy()
    held = port_of(fit).covariance_parameters()["estimate"]
    lag = np.abs(frame["t"].to_numpy()[:, None] - frame["t"].to_numpy())
    same = frame["g"].to_numpy()[:, None] == frame["g"].to_numpy()
    V = held[0] ** 2 * same * held[1] ** lag + fit.dispersion**2 * np.eye(len(frame))
    V += held[2] ** 2 * K.loc[frame["s"], frame["s"]].to_numpy()
    assert np.abs(np.cov(draws) - V).max() < 6 * V.max() * np.sqrt(2 / 4000)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_posterior_draws_are_calibrated(family: str) -> None:
    """Effects drawn given simulated responses are distributed as those that made them.

    Talts et al. (2018): ranks of what was drawn first among draws given the data are uniform.
    """
    frame, K = make_series(m=6, q=4), relation()
    response = "z" if family == "gaussian" else "y"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.errors.BoundaryWarning)
        fit = mc.glmm(
            f"{response} ~ x + ar1(0 + t | g) + propto(1 | s, K)",
            frame,
            family=family,
            context={"K": K},
        )
    whole = port_of(fit).problem
    psi = port_of(fit).optimum.psi.copy()
    psi[-3:] = [0.8, 1.0, 0.9]
    view = Viewpoint(whole, psi)
    ranks = []
    for k in range(150):
        rng = np.random.default_rng(k)
        u = view.new_effects(rng)
        problem = whole.with_rows(respond(view, u, rng))
        mode = find_mode(problem, view.base, view.roots, problem.latent.zeros())
        assert mode is not None
        drawn = draw_posterior(problem, view.base, mode, rng)
        assert drawn.acceptance > 0.2
        # A sum over effects, and one of products of neighbours, before and after.
        one = [float(part.sum()) for part in u] + [float((u[0][0, 1:] * u[0][0, :-1]).sum())]
        other = drawn.u
        two = [float(part.sum()) for part in other]
        two.append(float((other[0][0, 1:] * other[0][0, :-1]).sum()))
        ranks.append(np.sign(np.array(one) - np.array(two)))
    # Each was as often above as below: 150 signs of mean zero.
    assert np.abs(np.mean(ranks, axis=0)).max() < 4.0 / np.sqrt(150)


def test_residuals_and_refits() -> None:
    """Residuals of a right model are uniform; a refit of its simulation is near the truth."""
    frame, K = make_series(m=40), relation()
    fit = mc.glmm(
        "y ~ x + ar1(0 + t | g) + propto(1 | s, K)", frame, family="poisson", context={"K": K}
    )
    residuals = np.asarray(mc.residuals(fit, seed=3).values)
    assert kstest(residuals, "uniform").pvalue > 1e-3
    again = fit.refit(fit.simulate(1, seed=5)[0])
    assert again.converged
    anew = mc.glmm(
        "y ~ x + ar1(0 + t | g) + propto(1 | s, K)",
        frame.assign(y=fit.simulate(1, seed=5)[0]),
        family="poisson",
        context={"K": K},
    )
    assert again.llf == pytest.approx(anew.llf, abs=1e-6)


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("z ~ x + ar1(0 + t | g)", {}),
        ("z ~ x + propto(1 | s, K)", {}),
        pytest.param("z ~ x + homcs(0 + f | g) + (1 | s)", {}, marks=pytest.mark.slow),
    ],
)
def test_conditional_aic(formula: str, options: dict[str, Any]) -> None:
    """Degrees of freedom are the derivatives of the fitted values in their own responses."""
    frame = make_series(m=8).assign(f=lambda d: pd.Categorical(d["t"] // 2))
    fit = mc.glmm(formula, frame, family="gaussian", context={"K": relation()}, **options)
    step, total = 1e-3, 0.0
    y = frame["z"].to_numpy()
    for i in range(len(frame)):
        ends = []
        for side in (1.0, -1.0):
            moved = y.copy()
            moved[i] += side * step
            ends.append(fit.refit(moved).fittedvalues.iloc[i])
        total += (ends[0] - ends[1]) / (2 * step)
    found = mc.caic(fit)
    known = sum(v for k, v in found.by_term.items() if k not in ("dispersion", "finite sample"))
    assert known == pytest.approx(total, rel=2e-3)


def test_what_does_not_apply() -> None:
    """One sentence each."""
    frame, K = make_series(), relation()
    formula = "y ~ x + ar1(0 + t | g)"
    fit = mc.glmm(formula, frame, family="poisson")
    alone = mc.glmm("y ~ x", frame, family="poisson")
    with pytest.raises(mc.MixcheckError, match="needs levels that are independent"):
        mc.glmm(formula, frame, family="poisson", method="agq")
    with pytest.raises(mc.MixcheckError, match="bootstrap_lrt"):
        mc.lrt(alone, fit)
    related = mc.glmm("y ~ x + propto(1 | s, K)", frame, family="poisson", context={"K": K})
    assert mc.lrt(alone, related).boundary


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("toep(0 + f | g)", "Unknown covariance structure `toep`; there are"),
        ("ar(0 + t | g)", r"Unknown covariance structure `ar` \(`ar1`\?\)"),
        ("ar1(t | g)", "without an intercept"),
        ("ar1(0 + t + x | g)", "one column of times"),
        ("ar1(0 + t || g)", "one bar"),
        ("ar1(0 + x | g)", "whole numbers of steps"),
        ("ar1(0 + s | g)", "in a known order"),
        ("ar1(0 + far | g)", "steps from the first time to the last"),
        ("ar1(0 + one | g)", "one time only"),
        ("ar1(0 + t | g, K)", "takes no argument"),
        ("propto(1 | s)", "name of a matrix"),
        ("propto(1 | s, K + 1)", "is no name"),
        ("propto(1 | s, M)", "not in context="),
        ("propto(1 | g, K)", "has no rows for"),
        ("ar1(0 + t)", "needs a bar"),
    ],
)
def test_refused(term: str, message: str) -> None:
    """A term that cannot be read says what to write."""
    frame = make_series().assign(far=lambda d: d["t"] * 10_000, one=1)
    with pytest.raises(mc.MixcheckError, match=message):
        mc.glmm(f"y ~ x + {term}", frame, family="poisson", context={"K": relation()})
