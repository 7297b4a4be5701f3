"""Profile likelihoods against closed forms, and against searches written out."""

from __future__ import annotations

import math
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import OptionError
from mixcheck.fitting.estimation.chart import Chart
from mixcheck.fitting.estimation.estimate import estimate_held
from mixcheck.fitting.estimation.profile import _Path, _Within
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.results.parameters import list_parameters
from mixcheck.port import port_of

Z = 1.959963984540054
# Of ends that are solved for, in standard errors.
CLOSE = 1e-6


def test_a_linear_model_has_the_ends_of_t() -> None:
    """``D(v) - D(v^) = n log(1 + t^2 / (n - p))``, and for the deviation that of normal numbers."""
    data = mc.datasets.load("sleepstudy")
    fit = mc.glmm("Reaction ~ Days", data)
    ends = fit.conf_int(method="profile", parameters="all")
    X, n = np.column_stack([np.ones(180), data["Days"]]), 180
    beta, rss = np.linalg.lstsq(X, data["Reaction"], rcond=None)[:2]
    error = np.sqrt(rss[0] / (n - 2) * np.diag(np.linalg.inv(X.T @ X)))
    t = math.sqrt((n - 2) * math.expm1(Z * Z / n))
    expected = np.column_stack([beta - t * error, beta + t * error])
    np.testing.assert_allclose(ends.iloc[:2], expected, rtol=0, atol=CLOSE * error.min())
    square = (ends.loc["dispersion"].to_numpy() / math.sqrt(rss[0] / n)) ** 2
    np.testing.assert_allclose(n * (np.log(square) + 1.0 / square - 1.0), Z * Z, rtol=CLOSE)


@pytest.fixture(scope="module")
def slopes() -> mc.GLMM:
    """Counts with three correlated effects in each of 30 groups."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(240, 2)), columns=["x", "w"])
    frame["g"] = np.repeat(np.arange(30), 8)
    root = np.array([[0.8, 0.3, 0.1], [0.0, 0.5, 0.2], [0.0, 0.0, 0.4]])
    b = (rng.normal(size=(30, 3)) @ root)[frame["g"]]
    eta = 0.5 + 0.3 * frame["x"] + b[:, 0] + b[:, 1] * frame["x"] + b[:, 2] * frame["w"]
    frame["y"] = rng.poisson(np.exp(eta))
    return mc.glmm("y ~ x + (1 + x + w | g)", frame, family="poisson")


def test_a_chart_holds_the_function_and_its_gradient_is_exact(slopes: mc.GLMM) -> None:
    """Of a correlation of the second and third effect, against differences."""
    port = port_of(slopes)
    likelihood = port.profile_likelihood(of_means=True)
    parameter = next(p for p in list_parameters(port) if p.name == "cor(g, x, w)")
    path = _Path(likelihood, _Within(parameter.feature, port.optimum.psi, np.arange(8)))
    start = path._start(0.2)
    chart = Chart(path.feature, 0.2, start, likelihood.scale)
    deviance = chart.objective(objective_of(port.problem, port.method), likelihood._best)
    z = np.array([0.3, -0.2, 0.4, 0.1, -0.3, 0.2, 0.5])
    at = deviance(z, None)
    assert parameter.of(at.psi) == pytest.approx(math.tanh(0.2), rel=1e-11)
    step = 1e-4
    slope = [
        (deviance(z + e, at).deviance - deviance(z - e, at).deviance) / (2 * step)
        for e in step * np.eye(7)
    ]
    np.testing.assert_allclose(at.gradient, slope, atol=2e-6)


@pytest.mark.slow
def test_ends_have_the_likelihood_that_they_should(slopes: mc.GLMM) -> None:
    """Where the parameter is one of the search, the search over the others tells it."""
    port = port_of(slopes)
    ends = slopes.conf_int(method="profile", parameters="all")
    for name, j in (("x", 1), ("sd(g, Intercept)", 2)):
        for end in ends.loc[name]:
            psi, free = port.optimum.psi.copy(), np.ones(8, dtype=bool)
            psi[j], free[j] = end, False
            held = estimate_held(port.problem, psi, port._root, port.method, free)
            assert 2.0 * (slopes.llf - held.evaluation.llf) == pytest.approx(Z * Z, abs=1e-6)


@pytest.mark.slow
def test_the_order_of_effects_does_not_matter(slopes: mc.GLMM) -> None:
    """A deviation in the first row of Lambda is a parameter, in the last a length."""
    other = mc.glmm("y ~ x + (0 + w + x + one | g)", slopes.frame.assign(one=1.0), family="poisson")
    ours = slopes.conf_int(method="profile", parameters="random", level=0.9)
    theirs = other.conf_int(method="profile", parameters="random", level=0.9)
    np.testing.assert_allclose(ours.loc["sd(g, Intercept)"], theirs.loc["sd(g, one)"], rtol=1e-6)
    np.testing.assert_allclose(ours.loc["sd(g, w)"], theirs.loc["sd(g, w)"], rtol=1e-6)
    np.testing.assert_allclose(ours.loc["cor(g, x, w)"], theirs.loc["cor(g, w, x)"], rtol=1e-5)


@pytest.mark.slow
def test_the_restricted_likelihood_has_no_profile_of_the_mean(sleepstudy: mc.GLMM) -> None:
    """It is refused with what to write; deviations are profiled over the rest."""
    fit = mc.glmm("Reaction ~ Days + (Days | Subject)", sleepstudy.frame, reml=True)
    with pytest.raises(OptionError, match='write parameters="random"'):
        fit.conf_int(method="profile")
    restricted = fit.conf_int(method="profile", parameters="random")
    usual = sleepstudy.conf_int(method="profile", parameters="random")
    assert (restricted["high"][:2] > usual["high"][:2]).all()


def test_a_pseudo_likelihood_has_no_profile(cbpp: mc.GLMM) -> None:
    """It is refused with what to write."""
    fit = mc.glmm(cbpp.formula, cbpp.frame, family="binomial", method="pql")
    with pytest.raises(OptionError, match=r'no profile likelihood.*method="bootstrap"'):
        fit.conf_int(method="profile")


def test_a_worker_finds_the_same_end(cbpp: mc.GLMM) -> None:
    """What is sent to it is the model, without what was computed of it here."""
    port = port_of(cbpp)
    likelihood = port.profile_likelihood(of_means=True)
    feature = list_parameters(port)[-1].feature
    end = likelihood.find_end(feature, Z)
    assert pickle.loads(pickle.dumps(likelihood)).find_end(feature, Z) == end
    assert end == cbpp.conf_int(method="profile", parameters="random").loc[:, "high"].item()


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_a_correlation_that_is_not_told_apart_from_none(family: str) -> None:
    """Without a slope every correlation is as likely: where that is not rejected all are in."""
    inside = 0
    for k in range(6):
        rng = np.random.default_rng([2, k])
        data = pd.DataFrame({"g": np.repeat(np.arange(12), 8), "x": rng.normal(size=96)})
        b = rng.normal(size=(12, 2)) * [0.8, 0.6 * (k % 2)]
        eta = 0.5 + 0.3 * data["x"] + b[data["g"], 0] + b[data["g"], 1] * data["x"]
        poisson = family == "poisson"
        data["y"] = rng.poisson(np.exp(eta)) if poisson else eta + rng.normal(size=96)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mc.BoundaryWarning)
            fit = mc.glmm("y ~ x + (x | g)", data, family=family)
            without = [mc.glmm(f"y ~ x + ({e} | g)", data, family=family) for e in ("1", "0 + x")]
        # The profile ends without a warning that an end was not found.
        ends = fit.conf_int(method="profile", parameters="random").loc["cor(g, Intercept, x)"]
        assert -1.0 <= ends["low"] < ends["high"] <= 1.0
        bound = min(2.0 * (fit.llf - small.llf) for small in without)
        assert (ends.tolist() == [-1.0, 1.0]) == (bound < Z * Z)
        inside += bound > Z * Z
    assert 1 <= inside <= 5


@pytest.mark.slow
def test_a_correlation_profile_that_reaches_the_edge(slopes: mc.GLMM) -> None:
    """Held near one the likelihood is that of one effect for both, however the search begins."""
    port = port_of(slopes)
    likelihood = port.profile_likelihood(of_means=True)
    parameter = next(p for p in list_parameters(port) if p.name == "cor(g, Intercept, x)")
    path = _Path(likelihood, _Within(parameter.feature, port.optimum.psi, np.arange(8)))
    far, near = path.root(parameter.feature.ends[1]).zeta, _Path(likelihood, path.feature)
    for value in (1.0, 2.0, 4.0, 6.0):
        step = near.root(value).zeta
    assert step <= far + 1e-6
    assert far == pytest.approx(near.root(parameter.feature.ends[1]).zeta, abs=1e-4)
    assert far < path.highest


@pytest.mark.slow
def test_a_correlation_beside_no_deviation() -> None:
    """It is not defined, and anything."""
    frame = pd.DataFrame({"y": [1.0, 2.0, 3.0, 4.0] * 6, "g": np.repeat(np.arange(6), 4)})
    frame["x"] = np.sin(np.arange(24.0))
    with pytest.warns(mc.BoundaryWarning):
        fit = mc.glmm("y ~ x + (x | g)", frame)
    ends = fit.conf_int(method="profile", parameters="random")
    assert ends.loc["cor(g, Intercept, x)"].tolist() == [-1.0, 1.0]
