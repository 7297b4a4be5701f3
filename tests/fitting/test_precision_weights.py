"""Weights of precision, told apart from those that count rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc

REFERENCE = json.loads((Path(__file__).parents[1] / "data" / "precision.json").read_text())
FORMULA = "Reaction ~ Days + (Days | Subject)"
# What the optimiser of lmer is good for.
LLF, RELATIVE = 1e-6, 1e-4


def sleep() -> pd.DataFrame:
    """Later days measured more often."""
    return mc.datasets.load("sleepstudy").assign(w=lambda frame: frame["Days"] + 1.0)


@pytest.mark.parametrize("kind", ["ml", "reml"])
def test_the_weights_of_lmer(kind):
    """Log-likelihood, estimates, standard errors and the variance of a row of weight one."""
    expected = REFERENCE[kind]
    fit = mc.glmm(FORMULA, sleep(), precision="w", reml=kind == "reml")
    assert fit.llf == pytest.approx(expected["llf"], abs=LLF)
    assert fit.params.to_numpy() == pytest.approx(expected["params"], rel=RELATIVE)
    if kind == "reml":
        assert fit.bse.to_numpy() == pytest.approx(expected["bse"], rel=RELATIVE)
    residual = fit.variance_components.set_index("group")["variance"]["Residual"]
    assert residual == pytest.approx(expected["sigma2"], rel=RELATIVE)


def test_precision_of_a_mean_of_gammas():
    """Means of n gamma responses are gamma with n times the shape."""
    rng = np.random.default_rng(8)
    g, n = np.repeat(np.arange(30), 4), rng.integers(1, 9, 120)
    mean = np.exp(0.4 + 0.5 * rng.normal(size=30)[g])
    table = pd.DataFrame({"g": g, "n": n, "y": rng.gamma(2.0 * n, mean / (2.0 * n))})
    family = mc.families.Gamma(link="log")
    fit = mc.glmm("y ~ 1 + (1 | g)", table, family=family, precision="n")
    by_hand = mc.glmm("y ~ 1 + (1 | g)", table, family=family, dispersion="~ 1 + offset(log(n))")
    assert fit.llf == by_hand.llf
    plain = mc.glmm("y ~ 1 + (1 | g)", table, family=family)
    assert fit.llf > plain.llf + 5.0
    draws = np.asarray(fit.simulate(400, seed=1))
    spread = draws.std(axis=1) / draws.mean(axis=1)
    few, many = spread[n == 1].mean(), spread[n == 8].mean()
    assert few > 1.3 * many


def test_they_are_not_counts_of_rows():
    """A constant weight changes the residual variance, and nothing else."""
    data = sleep().assign(two=2.0)
    plain, precise = mc.glmm(FORMULA, data), mc.glmm(FORMULA, data, precision="two")
    assert precise.llf == pytest.approx(plain.llf, abs=1e-7)
    assert precise.dispersion == pytest.approx(plain.dispersion * np.sqrt(2.0), rel=1e-6)
    doubled = mc.glmm(FORMULA, data, weights="two")
    assert doubled.llf < 1.5 * plain.llf


def test_checks_and_criteria_take_them():
    """Residuals, the conditional AIC and predictions of a fit with precisions."""
    fit = mc.glmm(FORMULA, sleep(), precision="w")
    assert mc.check(fit, seed=1, draws=39, calibration="plug-in").to_frame()["pvalue"].notna().any()
    plain = mc.caic(mc.glmm(FORMULA, sleep()))
    assert mc.caic(fit).df == pytest.approx(plain.df, abs=5.0)
    assert fit.predict(sleep()).to_numpy() == pytest.approx(fit.predict().to_numpy())


@pytest.mark.parametrize("family", ["poisson", "nbinom2", "lognormal", "beta"])
def test_families_without_a_variance_to_divide(family):
    """They are refused with what to write instead."""
    with pytest.raises(mc.OptionError, match='belongs to "gaussian" and "gamma"'):
        mc.glmm("w ~ Days + (1 | Subject)", sleep(), family=family, precision="w")


def test_precision_beside_a_zero_part() -> None:
    """A hurdle factorises: its precision weights are those of the responses that are not zero."""
    rng = np.random.default_rng(2)
    g, w, x = np.arange(300) % 15, rng.integers(1, 6, 300).astype(float), rng.normal(size=300)
    mean = np.exp(0.5 + 0.3 * x + rng.normal(0, 0.4, 15)[g])
    y = np.where(rng.random(300) < 0.3, 0.0, rng.gamma(2 * w, mean / (2 * w)))
    data = pd.DataFrame({"y": y, "x": x, "g": g, "w": w, "z": (y == 0).astype(int)})
    formula = "y ~ x + (1 | g)"
    whole = mc.glmm(formula, data, family="gamma", zi="~ 1", precision="w")
    positive = mc.glmm(formula, data[data.y > 0], family="gamma", precision="w")
    zeros = mc.glmm("z ~ 1", data, family="binomial")
    assert whole.llf == pytest.approx(positive.llf + zeros.llf, abs=1e-6)
