"""R2 and ICC, beside performance and by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, polygamma

import mixcheck as mc
from mixcheck.errors import OptionError, SeparationWarning

KNOWN = json.loads((Path(__file__).parents[1] / "data" / "r_squared.json").read_text())
# Optima of lme4 are known to six digits.
OPTIMUM = 2e-5


@pytest.fixture(scope="module")
def sleepstudy() -> mc.GLMM:
    """Reaction times with a slope for each subject."""
    return mc.glmm("Reaction ~ Days + (Days | Subject)", mc.datasets.load("sleepstudy"))


@pytest.fixture(scope="module")
def ticks() -> mc.GLMM:
    """Counts of ticks on broods."""
    data = mc.datasets.load("grouseticks")
    return mc.glmm("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", data, family="poisson")


def _agree(fit: mc.GLMM, known: dict[str, float]) -> None:
    squares, correlation = mc.r2(fit), mc.icc(fit)
    assert squares.marginal == pytest.approx(known["marginal"], rel=OPTIMUM)
    assert squares.conditional == pytest.approx(known["conditional"], rel=OPTIMUM)
    assert correlation.adjusted == pytest.approx(known["adjusted"], rel=OPTIMUM)
    assert correlation.conditional == pytest.approx(known["unadjusted"], rel=OPTIMUM)


def test_shares_are_those_of_performance(sleepstudy: mc.GLMM) -> None:
    """With random slopes, by REML, and of a logit."""
    _agree(sleepstudy, KNOWN["sleepstudy"])
    data = mc.datasets.load("sleepstudy")
    _agree(mc.glmm("Reaction ~ Days + (Days | Subject)", data, reml=True), KNOWN["restricted"])
    bacteria = mc.datasets.load("bacteria")
    formula = "y ~ trt + I(week > 2) + (1 | ID)"
    _agree(mc.glmm(formula, bacteria, family="binomial"), KNOWN["bacteria"])


@pytest.mark.parametrize("approximation", ["delta", "lognormal", "trigamma"])
def test_counts_by_hand(ticks: mc.GLMM, approximation: Any) -> None:
    """At the mean ``exp(b + tau^2 / 2)`` of the model without fixed effects."""
    data = mc.datasets.load("grouseticks")
    null = mc.glmm("TICKS ~ 1 + (1 | BROOD)", data, family="poisson")
    mean = np.exp(null.params["Intercept"] + 0.5 * null.variance_components["variance"].iloc[0])
    e = {
        "delta": 1.0 / mean,
        "lognormal": np.log1p(1.0 / mean),
        "trigamma": float(polygamma(1, mean)),
    }[approximation]
    f = np.var(ticks.model_matrix().to_numpy() @ ticks.params.to_numpy(), ddof=1)
    g = ticks.variance_components["variance"].iloc[0]
    found = mc.r2(ticks, approximation=approximation)
    assert found.mean == pytest.approx(mean, rel=1e-6)
    assert found.marginal == pytest.approx(f / (f + g + e), rel=1e-6)
    assert found.conditional == pytest.approx((f + g) / (f + g + e), rel=1e-6)
    fitted = mc.r2(ticks, approximation=approximation, mean="fitted")
    marginal = ticks.predict(random_effects="marginal").mean()
    assert fitted.mean == pytest.approx(marginal, rel=1e-8)


def test_dispersed_counts_by_hand() -> None:
    """``1 / m + 1 / theta``, its logarithm and the trigamma function of its inverse."""
    data = mc.datasets.load("grouseticks")
    fit = mc.glmm("TICKS ~ YEAR + (1 | BROOD)", data, family="nbinom2")
    parts = {a: mc.r2(fit, approximation=a) for a in ("delta", "lognormal", "trigamma")}
    mean, theta = parts["delta"].mean, fit.dispersion
    assert theta is not None
    ratio = 1.0 / mean + 1.0 / theta
    known = {
        "delta": ratio,
        "lognormal": np.log1p(ratio),
        "trigamma": float(polygamma(1, 1.0 / ratio)),
    }
    for name, found in parts.items():
        assert found.variances["observation"] == pytest.approx(known[name], rel=1e-8)


def test_terms(ticks: mc.GLMM) -> None:
    """Several random terms have shares of their own; a fixed one, what R2 loses without it."""
    data = mc.datasets.load("grouseticks")
    fit = mc.glmm("TICKS ~ YEAR + (1 | BROOD) + (1 | LOCATION)", data, family="poisson")
    found = mc.r2(fit)
    random = found.shares["(1 | BROOD)"] + found.shares["(1 | LOCATION)"]
    assert random == pytest.approx(found.conditional - found.marginal)
    parts = mc.r2(ticks, semi_partial=True)
    without = mc.glmm("TICKS ~ cHEIGHT + (1 | BROOD)", data, family="poisson")
    lost = parts.marginal - mc.r2(without).marginal
    assert parts.shares["without YEAR"] == pytest.approx(lost, abs=1e-6)


def test_intervals(sleepstudy: mc.GLMM) -> None:
    """Quantiles of the shares of refits to simulated data, and the same ones for the same seed."""
    found = mc.r2(sleepstudy, draws=60, seed=3)
    fits = sleepstudy.refit(sleepstudy.simulate(60, seed=3))
    shares = np.sort([mc.r2(fit).marginal for fit in fits if fit is not None])
    low, high = found.intervals["marginal"]
    assert shares[0] <= low <= shares[3]
    assert shares[-4] <= high <= shares[-1]
    assert list(found.to_frame().columns) == ["estimate", "low", "high"]
    pd.testing.assert_frame_equal(found.to_frame(), mc.r2(sleepstudy, draws=60, seed=3).to_frame())
    correlation = mc.icc(sleepstudy, draws=60, seed=3)
    low, high = correlation.intervals["adjusted"]
    assert low < correlation.adjusted < high


def test_wrong_calls(sleepstudy: mc.GLMM) -> None:
    """One sentence."""
    for options, words in (
        ({"approximation": "delta"}, "approximation"),
        ({"mean": "nulls"}, "mean"),
        ({"semi_partial": 1}, "semi_partial"),
        ({"draws": 10}, "draws"),
        ({"draws": -1}, "draws"),
        ({"draws": 60, "level": 1}, "level"),
    ):
        with pytest.raises(OptionError, match=words):
            mc.r2(sleepstudy, **options)
    with pytest.raises(OptionError, match="divides its variance"):
        mc.icc("fit")  # type: ignore[arg-type]
    flat = mc.glmm("Reaction ~ Days", mc.datasets.load("sleepstudy"))
    with pytest.raises(OptionError, match="no ICC"):
        mc.icc(flat)
    salamanders = mc.datasets.load("Salamanders")
    hurdle = mc.glmm(
        "count ~ mined + (1 | site)", salamanders, family="truncated_poisson", zi="~ 1"
    )
    with pytest.raises(OptionError, match="counts above a hurdle are truncated"):
        mc.r2(hurdle)


def test_zero_inflation_is_variance_of_the_response() -> None:
    """With inflation p and conditional mean m, e is ``log(1 + (1 + p m) / ((1 - p) m))``."""
    data = mc.datasets.load("Salamanders")
    fit = mc.glmm("count ~ mined + (1 | site)", data, family="poisson", zi="~ mined")
    null = mc.glmm("count ~ 1 + (1 | site)", data, family="poisson", zi="~ mined")
    mean = np.exp(null.params["Intercept"] + 0.5 * null.variance_components["variance"].iloc[0])
    no = (data["mined"] == "no").to_numpy(dtype=float)
    p = expit(fit.predict(part="zi", scale="link", random_effects="zero").mean())
    ratio = (1.0 + p * mean) / ((1.0 - p) * mean)
    eta = fit.predict(part="conditional", scale="link", random_effects="zero")
    assert abs(np.corrcoef(eta, no)[0, 1]) == pytest.approx(1.0)
    f, g = eta.var(ddof=1), fit.variance_components["variance"].iloc[0]
    for approximation, e in (("lognormal", np.log1p(ratio)), ("delta", ratio)):
        found = mc.r2(fit, approximation=approximation)  # type: ignore[arg-type]
        assert found.mean == pytest.approx(mean, rel=1e-6)
        assert found.marginal == pytest.approx(f / (f + g + e), rel=1e-6)
        assert found.conditional == pytest.approx((f + g) / (f + g + e), rel=1e-6)


def test_without_zeros_it_is_that_of_the_rest() -> None:
    """An inflation that all but vanishes leaves the R2 of the model without it."""
    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(20), 10), rng.standard_normal(200)
    y = rng.poisson(np.exp(1.5 + 0.4 * x + 0.5 * rng.standard_normal(20)[g]))
    table = pd.DataFrame({"g": g, "x": x, "y": y})
    plain = mc.glmm("y ~ x + (1 | g)", table, family="poisson")
    with pytest.warns(SeparationWarning):
        inflated = mc.glmm("y ~ x + (1 | g)", table, family="poisson", zi="~ 1")
    assert mc.r2(inflated).marginal == pytest.approx(mc.r2(plain).marginal, abs=1e-4)


def test_trials_with_a_zero_part_have_no_latent_variance() -> None:
    """The theoretical variance of the logit knows no zeros."""
    cbpp = mc.datasets.load("cbpp")
    fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial", zi="~ 1")
    assert mc.r2(fit).approximation == "delta"
    with pytest.raises(OptionError, match="theoretical"):
        mc.r2(fit, approximation="theoretical")
