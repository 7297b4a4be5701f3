"""Degrees of freedom of linear mixed models, against refits, closed forms and published values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.influence.gaussian_derivatives import (
    Response,
    differentiate_fitted,
    is_linear_mixed,
)
from mixcheck.port import port_of

DATA = Path(__file__).parents[2] / "data"
# The gradient at the estimates is below 1e-7 standard errors.
ESTIMATED = 2e-7
# Differences of refits over steps of a hundredth of the residual deviation.
REFITTED = 1e-5


def respond(fit: mc.GLMM) -> Response:
    """Derivatives of the fitted values of a fit."""
    errors = np.sqrt((port_of(fit).optimum.scale ** 2).sum(axis=1))[port_of(fit).problem.n_beta :]
    theta = port_of(fit).theta.to_numpy()
    return differentiate_fitted(
        port_of(fit).problem, theta, fit.dispersion, errors, restricted=fit.method.restricted
    )


def degrees(fit: mc.GLMM) -> float:
    """All degrees of freedom but that of the residual variance."""
    found = respond(fit)
    return float(found.held.sum() + found.estimated.sum())


def balanced(seed: int = 2) -> pd.DataFrame:
    """Eight groups of five."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(8), 5)
    return pd.DataFrame({"g": g, "x": np.tile(np.arange(5.0), 8)}).assign(
        y=rng.normal(size=40) + rng.normal(size=8)[g]
    )


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("formula", ["y ~ 1 + (1 | g)", "y ~ x + (1 | g)"])
def test_balanced_random_intercept_has_a_closed_form(formula, reml):
    """``p + (m - 1) lambda + 2 (1 - lambda)``, lambda the shrinkage, by ML and by REML."""
    fit = mc.glmm(formula, balanced(), reml=reml)
    sd = fit.variance_components["sd"].to_numpy()
    shrinkage = 5.0 * sd[0] ** 2 / (5.0 * sd[0] ** 2 + sd[1] ** 2)
    p = len(fit.params)
    assert degrees(fit) == pytest.approx(p + 7 * shrinkage + 2 * (1 - shrinkage), abs=1e-8)


# Greven & Kneib's degrees of freedom without that of the residual variance, from estimates by an
# independent optimiser with gradient below 1e-10; to as many digits as that gave.
SLEEP = {
    ("Reaction ~ Days + (1 | Subject)", False): (17.971652459, ESTIMATED),
    ("Reaction ~ Days + (Days | Subject)", False): (29.915436302, ESTIMATED),
    ("Reaction ~ Days + (1 | Subject)", True): (18.02275048, ESTIMATED),
    ("Reaction ~ Days + (Days || Subject)", True): (30.02410, 2e-5),
    ("Reaction ~ 1 + (1 | Days) + (1 | Subject)", True): (25.62086673, 1e-6),
}


@pytest.mark.parametrize(("formula", "reml"), SLEEP)
def test_sleepstudy_as_computed_elsewhere(formula, reml):
    """Intercepts, slopes, crossed factors; ML and REML."""
    wanted, tolerance = SLEEP[formula, reml]
    fit = mc.glmm(formula, mc.datasets.load("sleepstudy"), reml=reml)
    assert degrees(fit) == pytest.approx(wanted, abs=tolerance)


def test_nested_factors_as_computed_elsewhere():
    """Pastes, REML: 29.13178088 at estimates by lme4, which are good to 1e-5."""
    pastes = mc.datasets.load("Pastes")
    fit = mc.glmm("strength ~ 1 + (1 | sample) + (1 | batch)", pastes, reml=True)
    assert degrees(fit) == pytest.approx(29.13178088, abs=1e-5)


@pytest.fixture(scope="module")
def perfect() -> pd.DataFrame:
    """Twelve simulated groups of six (`corr1.csv`) whose slopes follow from their intercepts."""
    return pd.read_csv(DATA / "corr1.csv", dtype={"g": str})


def test_a_correlation_of_one_is_held(perfect):
    """13.54286, where the affine parametrisation of cAIC4 gives 15.949 (REML)."""
    with pytest.warns(mc.BoundaryWarning):
        fit = mc.glmm("y ~ x + (x | g)", perfect, reml=True)
    assert fit.llf == pytest.approx(-87.919182749, abs=1e-7)
    assert degrees(fit) == pytest.approx(13.54286, abs=1e-5)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize(
    "formula", ["y ~ x + (x | g)", "y ~ x + (1 | g) + (1 | h)", "y ~ x + (1 | g / part)"]
)
def test_brute_force_refits_agree(formula, reml):
    """Each fitted value follows its own response as it does in refits."""
    rng = np.random.default_rng(8)
    g, h = np.repeat(np.arange(10), 4), np.tile(np.arange(4), 10)
    x = rng.normal(size=40)
    y = x + rng.normal(size=10)[g] * (1.5 + x) + rng.normal(size=4)[h] + rng.normal(size=40) * 0.7
    fit = mc.glmm(
        formula,
        pd.DataFrame({"g": g, "h": h, "part": h // 2, "x": x, "y": y}),
        reml=reml,
        weights=np.tile([1.0, 2.0], 20),
    )
    found = respond(fit)
    step = 0.05 * fit.dispersion
    total = port_of(fit).problem.to_design(found.held + found.estimated)
    for row in (0, 17, 38):
        ends = []
        for side in (1.0, -1.0):
            changed = y.copy()
            changed[row] += side * step
            again = fit.refit(changed)
            ends.append(again.fittedvalues.to_numpy()[row])
        assert total[row] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=20 * REFITTED)


def test_the_response_is_the_sum_of_copies():
    """A weight of two is two rows, one of which moves the fit by half."""
    data = balanced()
    weights = np.tile([1.0, 2.0, 1.0, 3.0, 1.0], 8)
    copies = data.loc[data.index.repeat(weights.astype(int))]
    weighted, repeated = (
        mc.glmm("y ~ x + (1 | g)", data, weights=weights),
        mc.glmm("y ~ x + (1 | g)", copies),
    )
    assert degrees(weighted) == pytest.approx(degrees(repeated), abs=1e-8)


def test_what_is_a_linear_mixed_model():
    """A Gaussian response with the identity link and one residual variance."""
    data = balanced().assign(k=1.0)
    data.loc[::2, "k"] = 0.0
    assert is_linear_mixed(port_of(mc.glmm("y ~ x + (1 | g)", data)).problem)
    assert not is_linear_mixed(port_of(mc.glmm("y ~ x + (1 | g)", data, dispersion="~ x")).problem)
    assert not is_linear_mixed(port_of(mc.glmm("y ~ x", data)).problem)
    with pytest.warns(mc.BoundaryWarning):
        other = mc.glmm("k ~ 1 + (1 | g)", data, family="binomial")
    assert not is_linear_mixed(port_of(other).problem)
