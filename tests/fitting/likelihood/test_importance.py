"""Importance sampling around the conditional modes."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import expit, logsumexp

import mixcheck as mc
from mixcheck.design import build_design, parse_formula
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.importance import Importance, _tail_shape
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.quadrature import GaussHermite
from mixcheck.port import port_of

# Newton's method leaves an error of its decrement in the mode, its root in log det H.
DEVIANCE = 1e-8
# Fourth-order differences with this step: rounding 1e-9 / step.
STEP, GRADIENT = 1e-3, 2e-6
LAYOUTS = ("one", "vector", "nested_vector", "crossed_vector", "nested_two_crossed")
SEVERAL = ("two_predictors", "two_predictors_crossed")
# A seed decides how many standard errors an estimate is off; more than this has odds of 1e-4.
ERRORS = 4.0


@pytest.fixture(scope="module")
def crossed() -> pd.DataFrame:
    """Binary responses with two crossed factors."""
    rng = np.random.default_rng(1)
    g, h, x = rng.integers(0, 12, 300), rng.integers(0, 10, 300), rng.normal(size=300)
    eta = -0.3 + 0.5 * x + 0.7 * rng.normal(size=12)[g] + 0.7 * rng.normal(size=10)[h]
    y = (rng.random(300) < expit(eta)).astype(int)
    return pd.DataFrame({"y": y, "x": x, "g": g, "h": h})


@pytest.fixture(scope="module")
def fit(crossed: pd.DataFrame) -> mc.GLMM:
    """A model of them."""
    formula = "y ~ x + (1 | g) + (1 | h)"
    return mc.glmm(formula, crossed, family="binomial", method="importance", draws=256)


def require_gradient(case: SimpleNamespace, method: Importance) -> None:
    """The gradient is that of differences."""
    objective = objective_of(case.problem, method)
    found = objective(case.psi, None)

    def at(psi: np.ndarray) -> float:
        return objective(psi, found).deviance

    for j, e in enumerate(STEP * np.eye(case.psi.size)):
        near, far = at(case.psi + e) - at(case.psi - e), at(case.psi + 2 * e) - at(case.psi - 2 * e)
        limit = GRADIENT * max(1.0, np.abs(found.gradient).max())
        assert found.gradient[j] == pytest.approx((8.0 * near - far) / (12.0 * STEP), abs=limit)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradient(small: SimpleNamespace, layout: str) -> None:
    """With every layout the gradient is exact for the points."""
    case = small.case(layout, "poisson-log", 4, n=48, weighted=True, shifted=True)
    require_gradient(case, Importance(64))


@pytest.mark.parametrize("layout", SEVERAL)
def test_gradient_of_several(small: SimpleNamespace, layout: str) -> None:
    """So it is with random effects of the dispersion."""
    require_gradient(small.case(layout, "gaussian-log", 6, n=60), Importance(64))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_exact_for_a_normal_response(small: SimpleNamespace, layout: str) -> None:
    """There each weight is one, and the deviance Laplace's."""
    case = small.case(layout, "gaussian-identity", 2)
    zeros = case.problem.latent.zeros()
    found, laplace = (
        method.evaluate(case.problem, case.psi, zeros) for method in (Importance(64), Laplace())
    )
    assert found.deviance == pytest.approx(laplace.deviance, abs=DEVIANCE)
    np.testing.assert_allclose(found.gradient, laplace.gradient, atol=1e-6)


@pytest.mark.slow
def test_tensor_quadrature() -> None:
    """Crossed random effects, four of them: the likelihood by a product rule."""
    rng = np.random.default_rng(5)
    g, h = np.repeat([0, 1], 10), np.tile([0, 1], 10)
    data = pd.DataFrame({"y": rng.integers(0, 2, 20), "g": g, "h": h})
    design = build_design(parse_formula("y ~ 1 + (1 | g) + (1 | h)"), data, ratio_is_trials=True)
    problem = arrange(design, mc.families.Binomial())
    psi = np.array([0.2, 0.9, 1.3])
    z, w = hermegauss(25)
    nodes = np.array(list(product(z, repeat=4)))
    weights = np.log(np.array(list(product(w, repeat=4)))).sum(axis=1) - 2.0 * np.log(2 * np.pi)
    eta = 0.2 + 0.9 * nodes[:, g] + 1.3 * nodes[:, 2 + h]
    sign = 2.0 * data["y"].to_numpy() - 1.0
    wanted = logsumexp(-np.logaddexp(0.0, -sign * eta).sum(axis=1) + weights)
    method = Importance(4096)
    at = objective_of(problem, method)(psi, None)
    facts = method.facts(problem, at)
    error = facts["Monte Carlo standard error of the log-likelihood"]
    assert error < 2e-3
    assert abs(-0.5 * at.deviance - wanted) < ERRORS * error
    laplace = objective_of(problem, Laplace())(psi, None)
    assert abs(-0.5 * laplace.deviance - wanted) > 10.0 * error


def test_quadrature(cbpp: mc.GLMM) -> None:
    """With one factor it is quadrature up to the Monte Carlo error that it tells."""
    psi, method = port_of(cbpp).optimum.psi, Importance(4096)
    at = objective_of(port_of(cbpp).problem, method)(psi, None)
    error = method.facts(port_of(cbpp).problem, at)[
        "Monte Carlo standard error of the log-likelihood"
    ]
    wanted = objective_of(port_of(cbpp).problem, GaussHermite(51))(psi, None).deviance
    assert 0.0 < error < 2e-3
    assert abs(at.deviance - wanted) < 2.0 * ERRORS * error


def test_error_of_scramblings(cbpp: mc.GLMM) -> None:
    """The Monte Carlo error told is the spread of estimates with other seeds."""
    psi, method = port_of(cbpp).optimum.psi, Importance(64)
    at = objective_of(port_of(cbpp).problem, method)(psi, None)
    told = method.facts(port_of(cbpp).problem, at)[
        "Monte Carlo standard error of the log-likelihood"
    ]
    others = [
        -0.5 * objective_of(port_of(cbpp).problem, replace(method, seed=seed))(psi, at).deviance
        for seed in range(100, 140)
    ]
    # Deviations of 8 and of 40 numbers: their ratio leaves these limits with odds of 1e-4.
    assert 0.3 < told / np.std(others, ddof=1) < 2.2


def test_fit(fit: mc.GLMM, crossed: pd.DataFrame) -> None:
    """The search ends at an optimum, and says how good its integrals are."""
    facts = fit.convergence
    assert facts.converged
    assert 200.0 < facts.integration["smallest effective number of draws"] <= 256.0
    assert facts.integration["largest Pareto shape of the weights"] < 0.7
    text = str(fit.summary())
    assert "importance sampling, 256 draws" in text
    assert "smallest effective number of draws" in text
    again = mc.glmm(fit.formula, crossed.sample(frac=1.0, random_state=0), family="binomial",
                    method="importance", draws=256)  # fmt: skip
    assert again.llf == pytest.approx(fit.llf, abs=1e-8)
    other = mc.glmm(fit.formula, crossed, family="binomial", method="importance", draws=256, seed=7)
    assert other.llf != fit.llf
    error = facts.integration["Monte Carlo standard error of the log-likelihood"]
    assert abs(other.llf - fit.llf) < 2.0 * ERRORS * error


def test_what_works_with_other_methods(fit: mc.GLMM, crossed: pd.DataFrame) -> None:
    """Refits, tests, comparisons, predictions, residuals and the conditional AIC."""
    smaller = mc.glmm(
        "y ~ 1 + (1 | g) + (1 | h)", crossed, family="binomial", method="importance", draws=256
    )
    test = mc.lrt(smaller, fit)
    assert test.statistic == pytest.approx(2.0 * (fit.llf - smaller.llf))
    assert len(mc.compare([smaller, fit]).to_frame()) == 2
    assert fit.refit(port_of(fit).observed).llf == pytest.approx(fit.llf, abs=1e-8)
    assert fit.refit(fit.simulate(seed=1)[0]).converged
    assert fit.predict(crossed.head(3)).between(0.0, 1.0).all()
    assert np.isfinite(mc.residuals(fit, seed=1).values).all()
    laplace = mc.glmm(fit.formula, crossed, family="binomial")
    assert mc.caic(fit).df == pytest.approx(mc.caic(laplace).df, abs=0.3)


def test_groups(grouseticks: mc.GLMM) -> None:
    """The deviance is a sum over groups, and so is its gradient."""
    problem, codes = (
        port_of(grouseticks).problem,
        port_of(grouseticks).problem.latent.factors[-1].sums.index,
    )
    method, psi = Importance(64), port_of(grouseticks).optimum.psi
    at = method.evaluate_groups(problem, psi, codes)
    assert at is not None
    assert at.deviance.sum() == pytest.approx(at.whole.deviance, rel=1e-12)
    np.testing.assert_allclose(at.gradient.sum(axis=0), at.whole.gradient, atol=1e-8)
    step = 1e-5 * np.arange(1, psi.size + 1)
    ends = [method.evaluate_groups(problem, psi + side * step, codes) for side in (1, -1)]
    ahead, behind = (end.deviance for end in ends if end is not None)
    wanted = 0.5 * (ahead - behind) / 1e-5
    np.testing.assert_allclose(
        at.gradient @ np.arange(1.0, psi.size + 1), wanted, rtol=1e-6, atol=1e-4
    )


def test_tail_shape() -> None:
    """The shape of a generalised Pareto distribution is found."""
    rng = np.random.default_rng(3)
    for shape in (0.2, 0.5, 1.0):
        found = [_tail_shape(rng.random(4096) ** -shape) for _ in range(50)]
        assert np.mean(found) == pytest.approx(shape, abs=0.1)
    assert _tail_shape(np.ones(64)) == 0.0


def test_degenerate_weights() -> None:
    """Weights of which one counts for all are refused, with what to do."""
    rng = np.random.default_rng(1)
    g, h = rng.integers(0, 60, 500), rng.integers(0, 60, 500)
    eta = 2.0 * rng.normal(size=60)[g] + 2.0 * rng.normal(size=60)[h]
    data = pd.DataFrame({"y": (rng.random(500) < expit(eta)).astype(int), "g": g, "h": h})
    formula = "y ~ 1 + (1 | g) + (1 | h)"
    with pytest.raises(mc.ConvergenceError, match="importance weights have degenerated"):
        mc.glmm(formula, data, family="binomial", method="importance", draws=64)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"draws": 1000, "method": "importance"}, "draws=1000 must be a power of two"),
        ({"draws": 1024}, "draws=1024 needs importance sampling"),
        ({"seed": 3}, "seed=3 needs importance sampling"),
        ({"reml": True, "method": "importance"}, "which importance sampling of the random"),
        ({"hessian": "expected", "method": "importance"}, "belongs to the Laplace approximation"),
    ],
)
def test_options(crossed: pd.DataFrame, options: dict[str, object], sentence: str) -> None:
    """Each wrong option is one sentence."""
    with pytest.raises(mc.OptionError, match=sentence):
        mc.glmm("y ~ x + (1 | g)", crossed, family="binomial", **options)


def test_too_many_effects_that_meet() -> None:
    """Matrices that are too large are refused before anything is computed."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.integers(0, 3, 6000), "g": np.arange(6000) % 1500})
    data["h"] = rng.permutation(6000) % 1501
    with pytest.raises(mc.OptionError, match="at most 2,000"):
        mc.glmm("y ~ 1 + (1 | g) + (1 | h)", data, family="poisson", method="importance")


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
@pytest.mark.parametrize("rest", ["", " + (1 | h)"])
@pytest.mark.parametrize("seed", [0, 2, 3])
def test_variance_of_zero(seed: int, rest: str) -> None:
    """At a variance of zero the fit converges, and is that without the term."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": np.tile(np.arange(10), 20), "h": rng.integers(0, 8, 200)})
    # As many ones in each group: less variation between them than chance gives.
    data["y"] = ((np.arange(200) // 10 + 7 * data["g"]) % 20 < 9).astype(int)
    swap = rng.random(200) < 0.05 + 0.3 * expit(0.8 * rng.normal(size=8)[data["h"]])
    data["y"] = np.where(swap, 1 - data["y"], data["y"])
    options = {"family": "binomial", "method": "importance", "draws": 256}
    fit = mc.glmm(f"y ~ 1 + (1 | g){rest}", data, **options)
    assert fit.converged
    assert "(1 | g)" in fit.convergence.singular
    held = port_of(fit).covariance_parameters()
    assert held["estimate"].iloc[0] < 1e-3
    without = mc.glmm(f"y ~ 1{rest}", data, **(options if rest else {"family": "binomial"}))
    error = fit.convergence.integration["Monte Carlo standard error of the log-likelihood"]
    assert abs(fit.llf - without.llf) < 2.0 * ERRORS * error + 1e-8
