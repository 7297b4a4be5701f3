"""Refits to many responses at once are those to each by itself."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.arrays import FloatArray
from mixcheck.errors import FamilyError
from mixcheck.fitting.likelihood.copies import join_responses
from mixcheck.fitting.results.port import GlmmPort
from mixcheck.port import port_of

# Two searches end where whitened gradients are below 1e-6: in standard errors, with the smallest
# curvature of these likelihoods above a tenth.
ESTIMATE = 2e-5
# Of a deviance of some hundreds; at an optimum it is of second order in the estimates.
DEVIANCE = 1e-7

GROUPS, ROWS = 15, 12


def draw_table(seed: int) -> pd.DataFrame:
    """Groups with intercepts and slopes, and responses of every family."""
    rng = np.random.default_rng(seed)
    g, n = np.repeat(np.arange(GROUPS), ROWS), GROUPS * ROWS
    x, far = rng.normal(size=n), 1000.0 + rng.normal(size=n)
    b = rng.normal(size=(GROUPS, 2)) * [0.6, 0.4]
    eta = 0.3 + 0.4 * x + b[g, 0] + b[g, 1] * x
    mean, share = np.exp(eta), 1.0 / (1.0 + np.exp(-eta))
    counts, overdispersed = rng.poisson(mean), rng.negative_binomial(2, 2.0 / (2.0 + mean))
    kept = rng.random(n) > 0.25
    positive = np.maximum(counts, 1)
    return pd.DataFrame(
        {
            "x": x,
            "far": far,
            "g": g,
            "c": np.tile(np.repeat(np.arange(4), 3), GROUPS),
            "count": counts,
            "nb1": rng.negative_binomial(mean, 0.5),
            "nb2": overdispersed,
            "zip": counts * kept,
            "zinb": overdispersed * kept,
            "positive": positive,
            "hurdle": positive * kept,
            "gamma": rng.gamma(3.0, mean / 3.0),
            "lognormal": np.exp(eta + 0.4 * rng.normal(size=n)),
            "real": eta + np.exp(0.3 * x) * rng.normal(size=n),
            "grade": 1 + np.digitize(eta + rng.logistic(size=n), [-1.0, 0.0, 1.5]),
            "heavy": eta + rng.standard_t(4.0, size=n),
            "beta": np.clip(rng.beta(5.0 * share, 5.0 * (1.0 - share)), 1e-4, 1.0 - 1e-4),
            "event": rng.binomial(1, share),
            "events": rng.binomial(8, share),
            "clumped": rng.binomial(8, rng.beta(5.0 * share, 5.0 * (1.0 - share))),
            "trials": 8,
        }
    )


MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "no random effect": ("poisson", "count ~ x", {}),
    "intercept": ("poisson", "count ~ x + (1 | g)", {}),
    "slope": ("poisson", "count ~ x + (1 + x | g)", {}),
    "independent slope": ("poisson", "count ~ x + (x || g)", {}),
    "compound symmetry": ("poisson", "count ~ x + cs(1 + x | g)", {}),
    "nested": ("poisson", "count ~ x + (1 | g / c)", {}),
    "columns far from zero": ("poisson", "count ~ far + (far | g)", {}),
    "expected information": ("gamma", "gamma ~ x + (1 | g)", {"hessian": "expected"}),
    "probit": ("binomial", "event ~ x + (1 | g)", {"link": "probit"}),
    "trials": ("binomial", "events / trials ~ x + (1 + x | g)", {}),
    "nbinom1": ("nbinom1", "nb1 ~ x + (1 | g)", {}),
    "nbinom2, dispersion": ("nbinom2", "nb2 ~ x + (1 | g)", {"dispersion": "~ x"}),
    "gamma, slope": ("gamma", "gamma ~ x + (1 + x | g)", {}),
    "gamma, random dispersion": (
        "gamma",
        "gamma ~ x + (1 | g)",
        {"dispersion": "~ x + (1 | g)"},
    ),
    "lognormal, dispersion": ("lognormal", "lognormal ~ x + (1 | g)", {"dispersion": "~ x"}),
    "Gaussian, dispersion": ("gaussian", "real ~ x + (1 | g)", {"dispersion": "~ x"}),
    "beta": ("beta", "beta ~ x + (1 | g)", {}),
    "betabinomial": ("betabinomial", "clumped / trials ~ x + (1 | g)", {}),
    "zero-inflated Poisson": ("poisson", "zip ~ x + (1 | g)", {"zi": "~ 1"}),
    "zero-inflated nbinom2": ("nbinom2", "zinb ~ x + (1 | g)", {"zi": "~ 1"}),
    "random zero part": ("poisson", "zip ~ x + (1 | g)", {"zi": "~ 1 + (1 | g)"}),
    "truncated": ("truncated_poisson", "positive ~ x + (1 | g)", {}),
    "ordinal": ("ordinal", "grade ~ x + (1 | g)", {}),
    "Student's t": ("t", "heavy ~ x + (1 | g)", {}),
    "hurdle": ("truncated_poisson", "hurdle ~ x + (1 | g)", {"zi": "~ x"}),
}
# Of the inner loop: each kind of parameter and of layout once.
FEW = (
    "no random effect",
    "slope",
    "compound symmetry",
    "nested",
    "expected information",
    "trials",
    "gamma, random dispersion",
    "zero-inflated nbinom2",
    "ordinal",
    "Student's t",
)


def fit_model(name: str, seed: int) -> GlmmPort:
    """The port of one of the models, fitted to its table."""
    family, formula, options = MODELS[name]
    chosen: Any = family
    if "link" in options:
        chosen = mc.families.Binomial(link=options["link"])
    others = {key: value for key, value in options.items() if key != "link"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        port: GlmmPort = port_of(mc.glmm(formula, draw_table(seed), family=chosen, **others))
    return port


def simulate(port: GlmmPort, count: int, seed: int) -> FloatArray:
    """Responses, (n, count)."""
    return port.simulate(count, seed=seed).to_numpy(copy=True)


def require_alike(port: GlmmPort, fits: Any, others: Any) -> None:
    """Estimates within the tolerance of the searches, and deviances of their second order."""
    errors = np.sqrt(np.maximum(np.diag(port.covariance), 1e-12))
    for one, other in zip(fits, others, strict=True):
        if isinstance(other, Exception):
            assert type(one) is type(other)
            continue
        assert np.abs((one.optimum.psi - other.optimum.psi) / errors).max() < ESTIMATE
        assert abs(one.llf - other.llf) < DEVIANCE
        assert one.convergence.converged == other.convergence.converged


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in FEW else [pytest.mark.slow]) for name in MODELS],
)
def test_stacked_refits_are_single_refits(name):
    """Fitted together or one by one, the estimates and the likelihood are the same."""
    port = fit_model(name, seed=4)
    responses = simulate(port, 4, seed=1)
    assert port._stacked is not None
    together = port.refit_many(responses)
    require_alike(port, together, [port._refit_or_say(y, False) for y in responses.T])


@pytest.mark.parametrize("name", ["slope", "nbinom1", "random zero part", "Gaussian, dispersion"])
def test_stacked_steps_are_single_steps(name):
    """One Newton step towards many responses is that towards each."""
    port = fit_model(name, seed=5)
    responses = simulate(port, 8, seed=1)
    together = port.refit_many(responses, one_step=True)
    require_alike(port, together, [port._refit_or_say(y, True) for y in responses.T])


@pytest.mark.parametrize("name", ["intercept", "gamma, slope"])
def test_no_refit_depends_on_those_beside_it(name):
    """The refits to some responses, in any order, are these refits among all."""
    port = fit_model(name, seed=6)
    responses = simulate(port, 12, seed=2)
    every = port.refit_many(responses)
    some = np.array([11, 3, 5, 0, 7])
    chosen = port.refit_many(responses[:, some])
    for one, k in zip(chosen, some, strict=True):
        np.testing.assert_allclose(one.optimum.psi, every[k].optimum.psi, rtol=0.0, atol=1e-9)


@pytest.mark.slow
def test_most_searches_end_together():
    """The stacked search gives up few copies, so that little is left to single refits."""
    for name in MODELS:
        port = fit_model(name, seed=7)
        stacked = port._stacked
        assert stacked is not None
        responses = simulate(port, 20, seed=3)
        data = [port._with_response(y).data for y in responses.T]
        ends = stacked.fit(join_responses(data), len(data))
        assert sum(end is None for end in ends) <= 4, name


def test_steps_that_overflow_are_shortened():
    """A first step that takes means beyond all numbers is halved, and no search is given up."""
    rng = np.random.default_rng(12)
    g, n = np.repeat(np.arange(20), 10), 200
    eta = -1.0 + 1.5 * rng.normal(size=20)[g] + 1.2 * rng.normal(size=n)
    frame = pd.DataFrame({"g": g, "row": np.arange(n), "y": rng.poisson(np.exp(eta))})
    port = port_of(mc.glmm("y ~ 1 + (1 | g) + (1 | row)", frame, family="poisson"))
    responses = simulate(port, 20, seed=1)
    assert responses.max() > 50.0
    assert port._stacked is not None
    data = join_responses([port._with_response(y).data for y in responses.T])
    assert all(end is not None for end in port._stacked.fit(data, 20))
    require_alike(port, port.refit_many(responses), [port.refit(y) for y in responses.T])


def test_boundary_estimates_are_those_of_single_refits():
    """Variances that are zero in some refits are zero in them, and not in the others."""
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(12), 5)
    frame = pd.DataFrame({"g": g, "y": rng.poisson(np.exp(0.5 + 0.15 * rng.normal(size=12)[g]))})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        port = port_of(mc.glmm("y ~ 1 + (1 | g)", frame, family="poisson"))
    responses = simulate(port, 40, seed=4)
    fits = port.refit_many(responses)
    zero = np.array([abs(fit.optimum.psi[-1]) < 1e-3 for fit in fits])
    assert 0 < zero.sum() < zero.size
    singles = [port.refit(y) for y in responses.T]
    for one, other in zip(fits, singles, strict=True):
        assert one.convergence.singular == other.convergence.singular
        assert abs(one.llf - other.llf) < DEVIANCE


def test_separated_responses_have_their_limits():
    """A response that a predictor separates has the limit that a single refit finds."""
    rng = np.random.default_rng(9)
    g, x = np.repeat(np.arange(10), 6), np.tile([0.0, 1.0], 30)
    frame = pd.DataFrame({"g": g, "x": x, "y": rng.binomial(1, 0.5, 60)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        port = port_of(mc.glmm("y ~ x + (1 | g)", frame, family="binomial"))
        responses = simulate(port, 4, seed=5)
        responses[x == 1.0, 2] = 1.0
        fits = port.refit_many(responses)
        alone = port.refit(responses[:, 2])
    assert fits[2].limits is not None
    assert fits[2].llf == pytest.approx(alone.llf, abs=DEVIANCE)
    assert all(fits[k].limits is None for k in (0, 1, 3))


def test_a_response_outside_the_support_is_one_failure():
    """What cannot be fitted is an error in its place, and changes no other."""
    port = fit_model("intercept", seed=4)
    responses = simulate(port, 3, seed=1)
    clean = port.refit_many(responses)
    responses[0, 1] = -1.0
    fits = port.refit_many(responses)
    assert isinstance(fits[1], FamilyError)
    for k in (0, 2):
        np.testing.assert_allclose(fits[k].optimum.psi, clean[k].optimum.psi, rtol=0.0, atol=1e-9)
    (lost,) = port.refit_many(responses[:, 1:2])
    assert isinstance(lost, FamilyError)
