"""How a model sees data: residuals, moments, simulated responses."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import gammaincc, ndtr
from scipy.stats import kstest

import mixcheck as mc
from mixcheck.design import build_design, parse_formula
from mixcheck.errors import OptionError
from mixcheck.families import Family
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.mode import Mode, find_mode
from mixcheck.fitting.predictive.data_view import Viewpoint, observe, respond
from mixcheck.fitting.predictive.replicates import replicate
from mixcheck.port import port_of
from mixcheck.predictive import MarginalDistribution

# With fixed seeds: p-values of right residuals below this are one in ten thousand.
UNLIKELY = 1e-4
# 31 Gauss-Hermite nodes and a deviation of one on the log scale.
QUADRATURE = 1e-6
# A distribution function of counts is steep in the predictor where the count is large.
CDF = 1e-4
ROUNDING = 1e-10
# Of a difference quotient, whose error is of the order of its square.
STEP = 1e-5

FAMILIES: dict[str, tuple[Family, np.ndarray]] = {
    "gaussian": (mc.families.Gaussian(), np.array([0.3, 0.5, -0.2])),
    "binomial": (mc.families.Binomial(), np.array([0.3, 0.5])),
    "poisson": (mc.families.Poisson(), np.array([0.3, 0.5])),
}
TERMS = {"(1 | g)": np.array([1.5]), "(1 + x | g)": np.array([1.0, 0.4, 0.6])}


def make_view(kind: str, term: str, groups: int = 300, rows: int = 2, seed: int = 0) -> Viewpoint:
    """A model with known parameters and small groups; the response is a placeholder."""
    family, beta = FAMILIES[kind]
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"g": np.repeat(np.arange(groups), rows)})
    frame["x"] = rng.normal(size=len(frame))
    frame["y"] = 1.0
    dispersion = "~ 1" if kind == "gaussian" else None
    design = build_design(
        parse_formula(f"y ~ x + {term}", dispersion=dispersion),
        frame,
        ratio_is_trials=kind == "binomial",
    )
    return Viewpoint(arrange(design, family), np.concatenate([beta, TERMS[term]]))


def mode_of(view: Viewpoint) -> Mode:
    """Conditional modes."""
    mode = find_mode(view.problem, view.base, view.roots, view.problem.latent.zeros())
    assert mode is not None
    return mode


def simulated(view: Viewpoint, seed: int) -> Viewpoint:
    """The same model with a response drawn from it."""
    rng = np.random.default_rng(seed)
    y = respond(view, view.new_effects(rng), rng)
    return Viewpoint(view.problem.with_rows(y), view.psi)


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("kind", FAMILIES)
def test_replicates_are_uniform(kind: str, term: str) -> None:
    """Residuals and effects of replicate data are uniform and normal, without any fit."""
    seen = replicate(make_view(kind, term), "posterior", np.random.default_rng(1))
    assert kstest(seen.residuals, "uniform").pvalue > UNLIKELY
    (effects,) = seen.effects.values()
    assert effects.shape == (300, TERMS[term].size if TERMS[term].size == 1 else 2)
    assert kstest(effects.ravel(), "norm").pvalue > UNLIKELY
    assert np.all((seen.residuals > 0.0) & (seen.residuals < 1.0))


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("kind", FAMILIES)
def test_observed_are_uniform(kind: str, term: str) -> None:
    """With the true parameters, posterior residuals and effects of data are exact too."""
    view = make_view(kind, term)
    residuals, effects, pvalues = [], [], []
    for seed in range(8):
        held = simulated(view, seed)
        rng = np.random.default_rng(100 + seed)
        seen = observe(held, mode_of(held), "posterior", rng)
        residuals.append(seen.residuals)
        effects.extend(part.ravel() for part in seen.effects.values())
        pvalues.append(kstest(seen.residuals, "uniform").pvalue)
    assert kstest(np.concatenate(residuals), "uniform").pvalue > UNLIKELY
    assert kstest(np.concatenate(effects), "norm").pvalue > UNLIKELY
    assert kstest(pvalues, "uniform").pvalue > UNLIKELY


def test_modes_are_not_uniform() -> None:
    """Residuals at the modes shrink, and the test of uniformity can tell."""
    view = make_view("gaussian", "(1 | g)")
    pooled = []
    for seed in range(8):
        held = simulated(view, seed)
        seen = observe(held, mode_of(held), "mode", np.random.default_rng(seed))
        pooled.append(seen.residuals)
    assert kstest(np.concatenate(pooled), "uniform").pvalue < UNLIKELY


def quadrature(view: Viewpoint, values: Any) -> np.ndarray:
    """Average of ``values(eta)`` over the normal predictor of each row, by a fine sum."""
    z = np.linspace(-9.0, 9.0, 2001)
    weight = np.exp(-0.5 * z**2)
    weight /= weight.sum()
    Z = np.column_stack([np.ones(view.problem.n), view.problem.X[0][:, 1]])
    root = view.roots[0]
    spread = np.linalg.norm(Z[:, : root.shape[0]] @ root, axis=1)
    total = np.zeros(view.problem.n)
    for at, w in zip(z, weight, strict=True):
        total += w * values((view.base[0] + at * spread, *view.base[1:]))
    return total


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("kind", ["binomial", pytest.param("poisson", marks=pytest.mark.slow)])
def test_marginal_law(kind: str, term: str) -> None:
    """Mean, variance, probabilities and residuals with the random effects integrated out."""
    view = simulated(make_view(kind, term, groups=20), 3)
    view = Viewpoint(view.problem, np.concatenate([view.psi[:2], 0.6 * TERMS[term]]))
    problem, family = view.problem, view.problem.family
    seen = observe(view, mode_of(view), "marginal", np.random.default_rng(1))
    to = problem.to_design
    mean = quadrature(view, family.mean)
    square = quadrature(view, lambda eta: family.variance(eta) + family.mean(eta) ** 2)
    np.testing.assert_allclose(seen.mean, to(mean), rtol=QUADRATURE)
    np.testing.assert_allclose(seen.variance, to(square - mean**2), rtol=1e2 * QUADRATURE)
    assert seen.probability is not None
    y = problem.data.y
    for k in (0.0, 1.0):
        wanted = quadrature(view, lambda eta, k=k: family.probability(np.full(y.size, k), eta))
        np.testing.assert_allclose(seen.probability(k), to(wanted), atol=QUADRATURE)
    below = to(quadrature(view, lambda eta: family.cdf(y, eta)[0]))
    upto = to(quadrature(view, lambda eta: family.cdf(y, eta)[1]))
    assert np.all((seen.residuals > below - CDF) & (seen.residuals < upto + CDF))
    inside = np.clip((seen.residuals - below) / (upto - below), 0.0, 1.0)
    assert kstest(inside, "uniform").pvalue > UNLIKELY
    assert seen.effects == {}


def test_marginal_gaussian() -> None:
    """For the normal distribution the marginal residual is closed."""
    view = simulated(make_view("gaussian", "(1 + x | g)", groups=20), 3)
    seen = observe(view, mode_of(view), "marginal", np.random.default_rng(1))
    to = view.problem.to_design
    Z = view.problem.X[0]
    variance = np.exp(-0.4) + np.sum((Z @ view.roots[0]) ** 2, axis=1)
    z = (view.problem.data.y - view.base[0]) / np.sqrt(variance)
    np.testing.assert_allclose(seen.residuals, to(ndtr(z)), atol=ROUNDING)
    np.testing.assert_allclose(seen.variance, to(variance), rtol=ROUNDING)
    assert seen.probability is None


def test_moments() -> None:
    """Fitted, conditional and modal moments are the family's at the right predictors."""
    view = simulated(make_view("poisson", "(1 + x | g)", groups=10), 3)
    mode, to = mode_of(view), view.problem.to_design
    seen = observe(view, mode, "posterior", np.random.default_rng(1))
    (effects,) = seen.effects.values()
    b = effects @ view.roots[0].T
    g, Z = view.problem.latent.factors[0].sums.index, view.problem.X[0]
    mean = np.exp(view.base[0] + np.sum(Z * b[g], axis=1))
    np.testing.assert_allclose(seen.mean, to(mean), rtol=ROUNDING)
    np.testing.assert_allclose(seen.variance, to(mean), rtol=ROUNDING)
    np.testing.assert_allclose(seen.fitted, to(np.exp(view.base[0])), rtol=ROUNDING)
    np.testing.assert_allclose(seen.mode_mean, to(np.exp(mode.point.eta[0])), rtol=ROUNDING)
    np.testing.assert_allclose(seen.mode_variance, seen.mode_mean, rtol=ROUNDING)
    np.testing.assert_array_equal(seen.response, to(view.problem.data.y))


@pytest.mark.parametrize("conditioning", ["posterior", "marginal", "mode"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_row_order(kind: str, conditioning: Any) -> None:
    """The same seed gives every row its residual and its simulated value, in any order."""
    family, beta = FAMILIES[kind]
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"g": rng.integers(0, 12, 40), "x": rng.normal(size=40)})
    frame["y"] = rng.poisson(1.0, 40) if kind != "binomial" else rng.integers(0, 2, 40)
    order = rng.permutation(40)
    seen = []
    for rows in (frame, frame.iloc[order]):
        design = build_design(
            parse_formula("y ~ x + (1 | g)", dispersion="~ 1" if kind == "gaussian" else None),
            rows,
            ratio_is_trials=kind == "binomial",
        )
        view = Viewpoint(arrange(design, family), np.concatenate([beta, [0.8]]))
        looked = observe(view, mode_of(view), conditioning, np.random.default_rng(5))
        drawn = replicate(view, conditioning, np.random.default_rng(6))
        seen.append((looked.residuals, drawn.response, drawn.residuals))
    for one, other in zip(*seen, strict=True):
        np.testing.assert_allclose(one[order], other, atol=ROUNDING)


def test_effects_of_two_predictors(small: SimpleNamespace) -> None:
    """A term in the mean and the same term in the dispersion are told apart."""
    case = small.case("two_predictors_crossed", "gaussian-identity", 2)
    view = Viewpoint(case.problem, case.psi)
    seen = replicate(view, "posterior", np.random.default_rng(0))
    assert {name: part.shape for name, part in seen.effects.items()} == {
        "g [Intercept]": (6, 1),
        "h [Intercept]": (4, 1),
        "h [x]": (4, 1),
        "dispersion: h [Intercept]": (4, 1),
        "dispersion: k [Intercept]": (3, 1),
    }


def test_options(small: SimpleNamespace) -> None:
    """Unknown conditioning, and marginal residuals with effects in the dispersion."""
    view = make_view("poisson", "(1 | g)", groups=5)
    rng = np.random.default_rng(0)
    with pytest.raises(
        OptionError,
        match="'modes' is unknown; write 'posterior', 'm",
    ):
        observe(view, mode_of(view), "modes", rng)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="conditioning='x' is unknown"):
        replicate(view, "x", rng)  # type: ignore[arg-type]
    case = small.case("two_predictors", "gaussian-identity", 2)
    view = Viewpoint(case.problem, case.psi)
    with pytest.raises(OptionError, match="random effects in the mean only"):
        observe(view, mode_of(view), "marginal", rng)


def test_marginal_mean() -> None:
    """Of a log link it is the log-normal mean."""
    eta, variance = np.array([0.0, 1.0]), np.array([0.5, 2.0])
    found = MarginalDistribution(mc.families.Poisson(), (eta,), variance, None).mean()
    np.testing.assert_allclose(found, np.exp(eta + 0.5 * variance), rtol=QUADRATURE)


@pytest.mark.parametrize(("sd", "level"), [(0.3, 4.0), (0.9, 2.0), (1.5, 2.0), (2.5, 0.0)])
def test_marginal_law_of_steep_counts(sd: float, level: float) -> None:
    """Large counts tell their predictor sharply: 40,001 nodes say the same to 1e-5."""
    rng = np.random.default_rng(1)
    base = np.full(50, level)
    y = rng.poisson(np.exp(level + sd * rng.normal(size=50))).astype(np.float64)
    distribution = MarginalDistribution(mc.families.Poisson(), (base,), np.full(50, sd**2), None)
    z = np.linspace(-9.0, 9.0, 40_001)
    weight = np.exp(-0.5 * z**2) / np.exp(-0.5 * z**2).sum()
    exact = [float(weight @ gammaincc(k + 1.0, np.exp(level + sd * z))) for k in y]
    np.testing.assert_allclose(distribution.cdf(y)[1], exact, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x + (1 | g) + (1 | h)"])
def test_effects_stay_in_the_domain_of_the_link(formula):
    """With an identity link no simulated mean is negative, and the check is decided.

    One replicate in ten of independent normal effects has a negative predictor here.
    """
    rng = np.random.default_rng(3)
    groups, x = np.repeat(np.arange(30), 10), rng.uniform(-1, 1, 300)
    eta = 7.0 + 0.8 * x + np.clip(rng.normal(0, 2.5, 30), -5.0, 6.0)[groups]
    data = pd.DataFrame({"x": x, "g": groups, "h": rng.integers(0, 8, 300)})
    eta += rng.uniform(-0.9, 0.9, 8)[data["h"]]
    data["y"] = rng.poisson(np.maximum(eta, 0.05))
    fit = mc.glmm(formula, data, family=mc.families.Poisson(link="identity"))
    free = Viewpoint(port_of(fit).problem, port_of(fit).optimum.psi)
    outside = 0
    for k in range(60):
        rng = np.random.default_rng(k)
        normal = [rng.standard_normal(f.shape) for f in port_of(fit).problem.latent.factors]
        outside += bool((free.eta(normal)[0] < 0).any())
        assert (free.eta(free.new_effects(np.random.default_rng(k)))[0] > 0).all()
        drawn = port_of(fit).observe("posterior", np.random.default_rng(k))
        assert np.isfinite(drawn.residuals).all()
    assert outside > 2
    report = mc.check(
        fit,
        mc.checks.Uniformity() & mc.checks.RandomEffects(),
        seed=1,
        draws=99,
        calibration="plug-in",
    )
    assert report.ok
    # Those of which a group is all zero have their conditional mode at the edge of the domain.
    assert "99 replicate data sets." in report["uniformity"].detail


@pytest.mark.slow
@pytest.mark.parametrize("rest", ["(1 | k)", "(1 | h)"])
def test_the_law_of_effects_inside_the_domain(rest: str) -> None:
    """Nested and crossed effects are normal ones given that all are inside: moments to 4 errors."""
    data = pd.DataFrame({"y": 1.0, "g": [0, 0, 1, 1], "h": [0, 1, 0, 1], "k": [0, 1, 2, 3]})
    design = build_design(parse_formula(f"y ~ 1 + (1 | g) + {rest}"), data, ratio_is_trials=False)
    problem = arrange(design, mc.families.Poisson(link="identity"))
    view, rng, count = Viewpoint(problem, np.array([1.5, 1.0, 1.0])), np.random.default_rng(1), 4000
    shapes = [f.shape for f in problem.latent.factors]
    drawn = [np.concatenate([part.ravel() for part in view.new_effects(rng)]) for _ in range(count)]
    normal = [rng.standard_normal((20 * count, *shape)) for shape in shapes]
    inside = np.ones(20 * count, dtype=np.bool_)
    for row in range(4):
        at = [f.sums.index[row] for f in problem.latent.factors]
        inside &= 1.5 + sum(part[:, 0, j] for part, j in zip(normal, at, strict=True)) > 0.0
    exact = np.concatenate([part[inside].reshape(inside.sum(), -1) for part in normal], axis=1)
    for power in (1, 2):
        one, other = np.array(drawn) ** power, exact**power
        error = np.sqrt(one.var(axis=0) / len(one) + other.var(axis=0) / len(other))
        assert (np.abs(one.mean(axis=0) - other.mean(axis=0)) < 4.0 * error).all()


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
def test_a_domain_that_no_effect_reaches():
    """Where some row stays outside whatever is drawn, the error names the link."""
    data = pd.DataFrame({"y": [1, 2, 3, 4] * 5, "g": np.repeat(np.arange(5), 4)})
    fit = mc.glmm("y ~ 1 + (1 | g)", data, family=mc.families.Poisson(link="identity"))
    psi = port_of(fit).optimum.psi.copy()
    psi[0] = -50.0
    with pytest.raises(mc.ConvergenceError, match="domain of the identity link"):
        Viewpoint(port_of(fit).problem, psi).new_effects(np.random.default_rng(1))


def test_scores_are_derivatives_at_the_modes(small: SimpleNamespace) -> None:
    """By differences of the log density in each predictor; of some rows, those of the whole."""
    case = small.case("two_predictors_crossed", "gaussian-identity", 2)
    view = Viewpoint(case.problem, case.psi)
    mode, problem = mode_of(view), case.problem
    seen = observe(view, mode, "posterior", np.random.default_rng(0))
    assert list(seen.scores) == list(seen.predictors) == ["mean", "dispersion"]
    for k, part in enumerate(seen.scores):
        np.testing.assert_array_equal(seen.predictors[part], problem.to_design(mode.point.eta[k]))
        moved = [
            problem.family.log_density(
                problem.data, tuple(eta + step * (j == k) for j, eta in enumerate(mode.point.eta))
            )
            for step in (-STEP, STEP)
        ]
        differences = problem.to_design((moved[1] - moved[0]) / (2.0 * STEP))
        np.testing.assert_allclose(seen.scores[part], differences, rtol=STEP, atol=STEP)
        some = seen.rows(np.array([3, 1]))
        np.testing.assert_array_equal(some.scores[part], seen.scores[part][[3, 1]])
    assert "zi" not in seen.scores
    assert len(some.scores) == 2
    again = pickle.loads(pickle.dumps(some))
    np.testing.assert_array_equal(again.scores["mean"], seen.scores["mean"][[3, 1]])


@pytest.mark.filterwarnings("ignore::mixcheck.errors.ConvergenceWarning")
@pytest.mark.parametrize("family", ["poisson", "gamma"])
def test_nodes_outside_the_domain_of_a_link_are_held_inside(family: str) -> None:
    """Under the identity link means may not be negative, and those of nodes would be."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(30), 6)
    mu = np.clip(2.0 + 1.2 * rng.normal(size=30)[g], 0.05, None)
    y = rng.poisson(mu) if family == "poisson" else mu * rng.gamma(3.0, 1.0 / 3.0, 180)
    kind = mc.families.Poisson if family == "poisson" else mc.families.Gamma
    data = pd.DataFrame({"y": y, "g": g})
    fit = mc.glmm("y ~ 1 + (1 | g)", data, family=kind(link="identity"))
    transform = mc.residuals(fit, seed=1).observed.transform()
    for values in (transform.below, transform.mass, transform.scores):
        assert np.isfinite(values).all()
    assert (np.diff(transform.below, axis=0) < 0.0).any()
