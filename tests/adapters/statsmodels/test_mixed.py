"""Linear mixed models of statsmodels, against the same models fitted here."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import mixcheck as mc
from mixcheck.port import port_of
from mixcheck.testing import check_model_port

# Two optimisers, each with its own tolerance.
SAME_OPTIMUM = 1e-4
SLEEP = mc.datasets.load("sleepstudy")
PASTES = mc.datasets.load("Pastes")
FITS = {
    "slopes": lambda: smf.mixedlm(
        "Reaction ~ Days", SLEEP, groups="Subject", re_formula="~ Days"
    ).fit(),
    "ML": lambda: smf.mixedlm("Reaction ~ Days", SLEEP, groups=SLEEP.Subject).fit(reml=False),
    "components": lambda: smf.mixedlm(
        "strength ~ 1", PASTES, groups="batch", vc_formula={"cask": "0 + C(cask)"}
    ).fit(),
}


@functools.cache
def _fit(name: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FITS[name]()


@pytest.mark.parametrize(
    "conditioning",
    ["posterior", *(pytest.param(how, marks=pytest.mark.slow) for how in ("marginal", "mode"))],
)
@pytest.mark.parametrize("name", FITS)
def test_the_laws_of_the_port_hold(name, conditioning):
    """Random intercepts, slopes and variance components, however they are conditioned on."""
    check_model_port(lambda: _fit.__wrapped__(name), conditioning=conditioning)


@pytest.mark.parametrize(
    ("name", "formula", "reml"),
    [
        ("slopes", "Reaction ~ Days + (Days | Subject)", True),
        ("ML", "Reaction ~ Days + (1 | Subject)", False),
    ],
)
def test_it_sees_what_our_own_fit_sees(name, formula, reml):
    """Means at the modes, marginal residuals, and where responses stand given the data."""
    port, own = port_of(_fit(name)), port_of(mc.glmm(formula, SLEEP, reml=reml))
    one, two = (m.observe("posterior", np.random.default_rng(1)) for m in (port, own))
    deviation = np.sqrt(two.mode_variance)
    np.testing.assert_allclose(one.mode_mean / deviation, two.mode_mean / deviation, atol=0.01)
    w, v = one.transform(), two.transform()
    np.testing.assert_allclose(w.weights @ w.below, v.weights @ v.below, atol=0.002)
    one, two = (m.observe("marginal", np.random.default_rng(1)) for m in (port, own))
    np.testing.assert_allclose(one.residuals, two.residuals, atol=0.002)
    if not reml:
        assert port.llf == pytest.approx(own.llf, abs=SAME_OPTIMUM)


def test_posterior_residuals_follow_from_the_definition():
    """Mean and variance of the drawn effects are those of the normal law given the data."""
    port = port_of(_fit("slopes"))
    L = np.linalg.cholesky(port.covariance)
    rows = port.members[3].rows
    Z = np.column_stack([np.ones(rows.size), SLEEP["Days"].to_numpy()[rows]])
    V = Z @ L @ L.T @ Z.T + port.scale * np.eye(rows.size)
    gain = L @ L.T @ Z.T @ np.linalg.inv(V)
    mode = gain @ (port.response - port.fixed)[rows]
    spread = L @ L.T - gain @ Z @ L @ L.T
    known = port.random_effects["Subject"].to_numpy()[3]
    np.testing.assert_allclose(known, mode, rtol=1e-8)
    errors = port.random_effects_sd["Subject"].to_numpy()[3]
    np.testing.assert_allclose(errors, np.sqrt(np.diag(spread)), rtol=1e-8)


@pytest.mark.slow
def test_a_slope_that_is_lacking_is_found():
    """Of the sleep study the slopes differ between subjects: one call on the result says so."""
    report = mc.check(_fit("ML"), mc.checks.MissingSlope(), seed=1, draws=39)
    assert report.verdicts["missing slope"] is mc.Verdict.FAIL
    assert port_of(_fit("ML")).data_rows.grouping == ("Subject",)


def test_variances_of_zero_are_told():
    """Groups without differences: the fit is singular, and the report warns."""
    rng = np.random.default_rng(5)
    d = pd.DataFrame({"g": np.repeat(np.arange(12), 10), "y": rng.normal(size=120)})
    d["y"] -= d.groupby("g")["y"].transform("mean")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = smf.mixedlm("y ~ 1", d, groups="g").fit()
    assert port_of(result).convergence.singular == ("g [Intercept]",)
    assert port_of(result).variance_components["variance"].iloc[0] == 0.0 < result.cov_re.iloc[0, 0]
