"""Variance inflation by term."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks.collinearity import Collinearity, inflation_factors
from mixcheck.errors import OptionError
from mixcheck.port import port_of
from mixcheck.report.finding import Skipped
from mixcheck.report.policy import Verdict


def data(rho=0.9, seed=0):
    """Two correlated predictors, a third, and a factor."""
    rng = np.random.default_rng(seed)
    n = 300
    x = rng.normal(size=n)
    z = rho * x + np.sqrt(1 - rho**2) * rng.normal(size=n)
    g = np.repeat(np.arange(30), 10)
    frame = pd.DataFrame({"x": x, "z": z, "w": rng.normal(size=n), "g": g})
    frame["f"] = rng.choice(list("abc"), n)
    frame["y"] = x + rng.normal(size=30)[g] + rng.normal(size=n)
    return frame


def found(formula, frame, check=None):
    """The one outcome of the check."""
    fit = mc.glmm(formula, frame)
    return mc.checks.Suite((check or Collinearity(),)).run(fit, seed=1, draws=19)


def test_without_random_effects_it_is_the_factor_of_linear_regression():
    """Against statsmodels, where the variance of groups is nearly nothing beside the rows."""
    frame = data()
    fit = mc.glmm("y ~ x + z + w", frame)
    factors = inflation_factors(port_of(fit).part_estimates["mean"])
    # A second of imports, for this test alone.
    from statsmodels.stats.outliers_influence import variance_inflation_factor

    X = np.column_stack([np.ones(300), frame[["x", "z", "w"]]])
    for k, name in enumerate("xzw", start=1):
        assert factors[name] == pytest.approx(variance_inflation_factor(X, k), rel=1e-6)


def test_a_factor_is_one_term_whatever_its_reference():
    """The generalised factor does not depend on the contrasts."""
    frame = data()
    frame["f"] = np.where(frame["x"] > 0.7, "a", frame["f"])
    other = frame.assign(f=pd.Categorical(frame["f"], ["c", "a", "b"]))
    told = [
        inflation_factors(port_of(mc.glmm("y ~ x + f + (1 | g)", d)).part_estimates["mean"])
        for d in (frame, other)
    ]
    assert set(told[0]) == {"x", "f"}
    assert told[0]["f"] == pytest.approx(told[1]["f"], rel=1e-5)
    assert told[0]["f"] > 1.05


def test_collinear_predictors_warn_and_unrelated_ones_pass():
    """It is no fault of the model, so it never fails."""
    report = found("y ~ x + z + (1 | g)", data(0.98))
    assert report.verdicts == {"collinearity": Verdict.WARN}
    assert report.findings[0].subject["term"] in "xz"
    assert found("y ~ x + w + (1 | g)", data()).verdicts == {"collinearity": Verdict.PASS}


def test_interactions_are_left_out():
    """The factor of x in x * w depends on the zero of w, and says nothing."""
    frame = data().assign(w=lambda d: d["w"] + 100.0)
    fit = mc.glmm("y ~ x * w + z + (1 | g)", frame)
    assert set(inflation_factors(port_of(fit).part_estimates["mean"])) == {"z"}
    outcome = found("y ~ x * w + (1 | g)", frame).findings[0]
    assert isinstance(outcome, Skipped)


def test_parts_are_told_apart():
    """Of a dispersion formula, too."""
    fit = mc.glmm("y ~ x + (1 | g)", data(), dispersion="~ x + z")
    finding = mc.checks.Suite((Collinearity(),)).run(fit, seed=1, draws=19).findings[0]
    assert finding.subject["term"] in ("dispersion: x", "dispersion: z")
    assert finding.effect.value > 3


def test_wrong_arguments_are_answered():
    """A factor is at least one."""
    with pytest.raises(OptionError, match="threshold"):
        Collinearity(0.5)
