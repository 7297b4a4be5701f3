"""Restricted likelihood: published fits, refits, and what it may be compared with."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import BoundaryWarning, ComparisonError, OptionError
from mixcheck.port import port_of

# The project's own limits for a log-likelihood and, in standard errors, for parameters.
LLF, OF_ERROR = 1e-6, 1e-3
# lme4 and glmmTMB stop where the criterion is flat: their deviations are off by this.
STOPPED = 2e-5

# lme4 1.1-31, restricted log-likelihoods (tight tolerance).
PUBLISHED = {
    "Reaction ~ Days + (Days | Subject)": ("sleepstudy", -871.814135980),
    "Reaction ~ Days + (Days || Subject)": ("sleepstudy", -871.834646791),
    "Reaction ~ Days + (1 | Subject)": ("sleepstudy", -893.232542697),
    "Reaction ~ (1 | Days) + (1 | Subject)": ("sleepstudy", -909.869049051),
    "strength ~ (1 | sample) + (1 | batch)": ("Pastes", -123.495372927),
    "strength ~ (1 | sample)": ("Pastes", -123.824200890),
    "strength ~ (1 | batch)": ("Pastes", -150.797705365),
}


def fit(formula: str, data: pd.DataFrame, **options: object) -> mc.GLMM:
    """A fit that may be singular."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        return mc.glmm(formula, data, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def slopes() -> mc.GLMM:
    """Random slopes for sleepstudy, by REML."""
    return mc.glmm("Reaction ~ Days + (Days | Subject)", mc.datasets.load("sleepstudy"), reml=True)


@pytest.mark.parametrize("formula", PUBLISHED)
def test_published(formula: str) -> None:
    """The maximum is that of lme4."""
    name, llf = PUBLISHED[formula]
    found = mc.glmm(formula, mc.datasets.load(name), reml=True)
    assert found.llf == pytest.approx(llf, abs=LLF)
    assert found.convergence.converged
    assert found.method.restricted


def test_sleepstudy(slopes: mc.GLMM) -> None:
    """Estimates, standard errors and components are those of lme4 (1.1-31)."""
    assert -2.0 * slopes.llf == pytest.approx(1743.62827196, abs=LLF)
    np.testing.assert_allclose(slopes.params, [251.405104848, 10.467285960], rtol=1e-9)
    np.testing.assert_allclose(slopes.bse, [6.82459669, 1.54578964], rtol=STOPPED)
    components = slopes.variance_components
    sds = components["sd"].dropna()
    np.testing.assert_allclose(sds, [24.7406579950, 5.9221376589, 25.5917957217], rtol=STOPPED)
    assert components["corr"].dropna().item() == pytest.approx(0.0655512382, rel=1e-4)


def test_polished(slopes: mc.GLMM) -> None:
    """Components are those of glmmTMB (1.1.5, REML=TRUE) polished to a gradient of 1e-13."""
    # Log deviations and the scaled correlation x / sqrt(1 + x^2); betad is log sigma^2.
    corr = 0.0656926113712123 / np.hypot(1.0, 0.0656926113712123)
    sds = np.exp([3.20843961515693, 1.77869670557202, 0.5 * 6.48454519657773])
    components = slopes.variance_components
    np.testing.assert_allclose(components["sd"].dropna(), sds, rtol=1e-7)
    assert components["corr"].dropna().item() == pytest.approx(corr, rel=1e-6)


def test_linear_model() -> None:
    """Without random effects it gives the variance and the errors of least squares."""
    data = mc.datasets.load("sleepstudy")
    found = mc.glmm("Reaction ~ Days", data, reml=True)
    X = np.column_stack([np.ones(len(data)), data["Days"]])
    y = data["Reaction"].to_numpy()
    beta, rss, _, _ = np.linalg.lstsq(X, y)
    variance = rss[0] / (len(data) - 2)
    assert found.dispersion == pytest.approx(np.sqrt(variance), rel=1e-8)
    np.testing.assert_allclose(found.params, beta, rtol=1e-10)
    errors = np.sqrt(variance * np.diag(np.linalg.inv(X.T @ X)))
    np.testing.assert_allclose(found.bse, errors, rtol=1e-8)


def test_balanced() -> None:
    """In a balanced one-way layout the variances are those of the analysis of variance."""
    rng = np.random.default_rng(3)
    m, k = 12, 5
    y = 3.0 + 1.5 * np.repeat(rng.normal(size=m), k) + rng.normal(size=m * k)
    found = mc.glmm("y ~ (1 | g)", {"y": y, "g": np.repeat(np.arange(m), k)}, reml=True)
    means = y.reshape(m, k).mean(axis=1)
    within = y.reshape(m, k).var(axis=1, ddof=1).mean()
    between = k * means.var(ddof=1)
    wanted = [(between - within) / k, within]
    np.testing.assert_allclose(found.variance_components["variance"], wanted, rtol=1e-6)
    assert found.bse.iloc[0] == pytest.approx(np.sqrt(between / (m * k)), rel=1e-6)


def test_no_fixed_effects() -> None:
    """With no fixed effect in the mean there is nothing to restrict."""
    data = mc.datasets.load("sleepstudy").assign(y=lambda d: d["Reaction"] - 300.0)
    one, other = (mc.glmm("y ~ 0 + (1 | Subject)", data, reml=reml) for reml in (True, False))
    assert one.llf == pytest.approx(other.llf, abs=1e-8)
    assert port_of(one).theta.iloc[0] == pytest.approx(port_of(other).theta.iloc[0], rel=1e-6)


@pytest.mark.parametrize("family", ["binomial", "gaussian"])
def test_rescaled(family: str) -> None:
    """Units of a predictor add a constant; shifting it changes nothing."""
    if family == "binomial":
        data = mc.datasets.load("cbpp").assign(x=lambda d: d["size"] / 10.0)
        formula = "incidence / size ~ {} + period + (1 | herd)"
    else:
        data = mc.datasets.load("sleepstudy").assign(x=lambda d: d["Days"] / 10.0)
        formula = "Reaction ~ {} + (1 | Subject)"
    plain = mc.glmm(formula.format("x"), data, family=family, reml=True)
    scaled = mc.glmm(formula.format("I(1e4 * x)"), data, family=family, reml=True)
    shifted = mc.glmm(formula.format("I(x - 3)"), data, family=family, reml=True)
    # The flat prior is on the coefficient, which is 1e4 times smaller.
    assert scaled.llf == pytest.approx(plain.llf - np.log(1e4), abs=1e-7)
    assert shifted.llf == pytest.approx(plain.llf, abs=1e-7)
    for other in (scaled, shifted):
        np.testing.assert_allclose(port_of(other).theta, port_of(plain).theta, rtol=1e-6)
    np.testing.assert_allclose(1e4 * scaled.params.iloc[1], plain.params.iloc[1], rtol=1e-6)
    np.testing.assert_allclose(1e4 * scaled.bse.iloc[1], plain.bse.iloc[1], rtol=1e-6)


def test_generalized() -> None:
    """Integrating over the fixed effects makes the variance of a binomial fit larger."""
    data = mc.datasets.load("cbpp")
    call = "incidence / size ~ period + (1 | herd)"
    full, restricted = (mc.glmm(call, data, family="binomial", reml=reml) for reml in (False, True))
    assert restricted.convergence.converged
    assert port_of(restricted).theta.iloc[0] > 1.02 * port_of(full).theta.iloc[0]
    np.testing.assert_allclose(restricted.bse, full.bse, rtol=0.05)


def test_refit(slopes: mc.GLMM) -> None:
    """A refit is the fit from scratch, to the same response and to others."""
    again = slopes.refit(port_of(slopes).observed)
    assert again.llf == pytest.approx(slopes.llf, abs=1e-8)
    np.testing.assert_allclose(again.bse, slopes.bse, rtol=1e-5)
    np.testing.assert_allclose(
        port_of(again).covariance, port_of(slopes).covariance, atol=1e-3 * 6.8**2
    )
    drawn = slopes.simulate(3, seed=5)
    data = mc.datasets.load("sleepstudy")
    for y in drawn.to_numpy().T:
        one = slopes.refit(y)
        other = fit(slopes.formula, data.assign(Reaction=y), reml=True)
        assert one.llf == pytest.approx(other.llf, abs=LLF)
        away = np.abs(port_of(one).optimum.psi - port_of(other).optimum.psi)
        assert np.all(away <= OF_ERROR * np.sqrt(np.diag(port_of(other).covariance)) + 1e-9)


def test_conditional(slopes: mc.GLMM) -> None:
    """Random effects and their deviations are those given the estimates, fixed ones included."""
    data = mc.datasets.load("sleepstudy")
    first = data[data["Subject"] == data["Subject"].iloc[0]]
    Z = np.column_stack([np.ones(len(first)), first["Days"]])
    root = port_of(slopes).theta.to_numpy()
    root = np.array([[root[0], 0.0], [root[1], root[2]]])
    G, sigma = root @ root.T, slopes.dispersion
    assert sigma is not None
    gain = G @ Z.T @ np.linalg.inv(Z @ G @ Z.T + sigma**2 * np.eye(len(first)))
    wanted = gain @ (first["Reaction"].to_numpy() - Z @ slopes.params.to_numpy())
    np.testing.assert_allclose(slopes.random_effects["Subject"].iloc[0], wanted, rtol=1e-6)
    deviations = np.sqrt(np.diag(G - gain @ Z @ G))
    np.testing.assert_allclose(slopes.random_effects_sd["Subject"].iloc[0], deviations, rtol=1e-8)
    np.testing.assert_allclose(slopes.predict(), slopes.fittedvalues, rtol=1e-10)


def test_compared(slopes: mc.GLMM) -> None:
    """A restricted likelihood is compared with another of the same fixed effects only."""
    data = mc.datasets.load("sleepstudy")
    simpler = mc.glmm("Reaction ~ Days + (1 | Subject)", data, reml=True)
    # lme4: REML likelihood ratio of the slopes.
    assert mc.lrt(simpler, slopes).statistic == pytest.approx(42.8368134350, abs=1e-5)
    for other, words in (
        (mc.glmm("Reaction ~ Days + (Days | Subject)", data), "maximum likelihood"),
        (mc.glmm("Reaction ~ (Days | Subject)", data, reml=True), "different fixed effects"),
    ):
        with pytest.raises(ComparisonError, match=words):
            mc.compare([slopes, other])
    assert "REML" in str(port_of(slopes).description["method"])
    assert "restricted log-likelihood" in str(slopes.summary())


@pytest.mark.slow
def test_checked(slopes: mc.GLMM) -> None:
    """A fit by REML goes through the standard checks; quadrature is no reference for it."""
    report = mc.check(slopes, seed=1, calibration="plug-in")
    assert "uniformity" in set(report.to_frame()["check"])
    assert "REML" in slopes.approximation().unavailable


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "agq"}, "integrates over the fixed effects"),
        ({"method": "profiled"}, "holds at their mode"),
        ({"reml": "yes"}, "must be True or False"),
    ],
)
def test_refused(options: dict[str, object], words: str) -> None:
    """What cannot be restricted is refused with what to write."""
    data = mc.datasets.load("cbpp")
    with pytest.raises(OptionError, match=words):
        fit(
            "incidence / size ~ period + (1 | herd)",
            data,
            family="binomial",
            **{"reml": True, **options},
        )


def test_nothing_to_estimate() -> None:
    """A model with fixed effects alone has nothing to restrict."""
    with pytest.raises(OptionError, match="no random effects"):
        fit("incidence / size ~ period", mc.datasets.load("cbpp"), family="binomial", reml=True)
