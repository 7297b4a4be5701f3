"""Bayesian models that are seen given a draw of their parameters."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tests.adapters.test_inference_data import _Variable

import mixcheck as mc
from mixcheck.adapters.draws import DrawsModel
from mixcheck.adapters.inference_data import from_inference_data
from mixcheck.adapters.posterior_draws import DISTRIBUTIONS, PosteriorModel, find_distribution
from mixcheck.errors import DataError, DataWarning
from mixcheck.testing import check_model_port

GROUPS, EACH, DRAWS = 60, 2, 200
SHAPE, RATE = 4.0, 1.0
N = GROUPS * EACH
GROUP = np.repeat(np.arange(GROUPS), EACH)


def _poisson_gamma(rng, over=None):
    """A response and draws from its exact posterior: counts of gamma means in small groups."""
    means = rng.gamma(SHAPE, 1.0 / RATE, GROUPS)
    y = rng.poisson(means[GROUP] * (1.0 if over is None else rng.gamma(over, 1 / over, N)))
    sums = np.bincount(GROUP, y)
    mu = rng.gamma(SHAPE + sums, 1.0 / (RATE + EACH), (DRAWS, GROUPS))[:, GROUP]
    return y, {"mu": mu}, rng.poisson(mu)


def _inference(y, parameters, draws, **constant):
    axes = ("chain", "draw", "obs")

    def drawn(values):
        shape = (2, DRAWS // 2)
        values = np.asarray(values)
        return _Variable(values.reshape(*shape, *values.shape[1:]), axes[: 1 + values.ndim])

    groups = {
        "posterior": {name: drawn(values) for name, values in parameters.items()},
        "posterior_predictive": {"y": drawn(draws)},
        "observed_data": {"y": _Variable(y, ("obs",))},
        "constant_data": {name: _Variable(values, ("obs",)) for name, values in constant.items()},
    }
    return {name: SimpleNamespace(data_vars=one) for name, one in groups.items()}


def _parameters(rng, kind):
    mu = np.exp(rng.normal(1.0, 0.3, (DRAWS, N)))
    p = 1 / (1 + np.exp(-rng.normal(0.0, 0.5, (DRAWS, N))))
    scalar = rng.uniform(1.5, 2.5, DRAWS)
    return {
        "bernoulli": {"p": p},
        "binomial": {"p": p, "n": np.full((DRAWS, N), 7.0)},
        "poisson": {"mu": mu},
        "negative binomial": {"mu": mu, "alpha": scalar},
        "normal": {"mu": mu, "sigma": scalar},
        "t": {"mu": mu, "sigma": scalar, "nu": 2 * scalar},
        "gamma": {"mu": mu, "alpha": scalar},
        "beta": {"mu": p, "kappa": 3 * scalar},
    }[kind]


def _drawn(rng, one, parameters):
    rows = [np.atleast_2d(parameters[name].T).T for name in one.parameters]
    return one.make(*(np.broadcast_to(part, (DRAWS, N)) for part in rows)).rvs(random_state=rng)


@pytest.mark.parametrize("one", DISTRIBUTIONS, ids=lambda one: one.name)
def test_each_distribution_is_recognised_and_keeps_the_laws(one):
    """By its draws and the names of its parameters; then it is a model like any other."""
    parameters = _parameters(np.random.default_rng(5), one.name)
    draws = _drawn(np.random.default_rng(6), one, parameters)
    y = draws[17]
    constant = {"n": parameters.pop("n")[0]} if "n" in parameters else {}

    def make_model():
        return from_inference_data(_inference(y, parameters, draws, **constant))

    model = make_model()
    assert isinstance(model, PosteriorModel)
    assert model.distribution is one
    check_model_port(make_model)


def test_other_distributions_are_not_taken_for_it():
    """Counts that vary more than the parameters say are known by their draws alone."""
    rng = np.random.default_rng(2)
    y, parameters, draws = _poisson_gamma(rng)
    wide = rng.negative_binomial(2.0, 2.0 / (2.0 + parameters["mu"]))
    assert find_distribution(parameters, wide) is None
    assert find_distribution(parameters, draws[:, ::-1] * 0 + draws[::-1]) is None
    assert isinstance(from_inference_data(_inference(y, parameters, wide)), DrawsModel)
    rate = np.clip(rng.normal(0.3, 0.1, (DRAWS, N)), 0.1, 0.5)
    size = rate * (1.0 - rate) / 0.12**2 - 1.0
    shares = rng.beta(rate * size, (1.0 - rate) * size)
    named = {"mu": rate, "sigma": np.full(DRAWS, 0.12)}
    assert find_distribution(named, shares) is None


@pytest.mark.slow
def test_a_right_model_fails_as_often_as_it_should():
    """By draws that keep the random effects it fails nearly always: the data made these."""
    pvalues, naive = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        y, parameters, draws = _poisson_gamma(rng)
        how = {"seed": seed, "draws": 199}
        dispersion = mc.checks.Dispersion()
        seen = from_inference_data(_inference(y, parameters, draws))
        pvalues.append(mc.check(seen, dispersion, **how).findings[0].pvalue)
        naive.append(mc.check(mc.from_draws(y, draws), dispersion, **how).findings[0].pvalue)
    below = np.mean(np.array(pvalues) <= 0.2)
    assert abs(below - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 60)
    assert np.mean(np.array(naive) <= 0.05) > 0.8


def test_a_wrong_model_fails():
    """Counts that vary more within their groups than a Poisson distribution says."""
    y, parameters, draws = _poisson_gamma(np.random.default_rng(3), over=1.0)
    report = mc.check(from_inference_data(_inference(y, parameters, draws)), seed=1)
    assert report.verdicts["dispersion"] is mc.Verdict.FAIL
    assert report["dispersion"].effect.value > 1.2
    assert "each seen by one draw from the posterior" in str(report)


def test_random_effects_are_standardised():
    """Those of bambi's names are seen in the draw that the data are seen by."""
    rng = np.random.default_rng(4)
    sigma = rng.uniform(0.5, 1.0, DRAWS)
    effects = sigma[:, None] * rng.standard_normal((DRAWS, GROUPS))
    mu = np.exp(1.0 + effects[:, GROUP])
    parameters = {"mu": mu, "1|g": effects, "1|g_sigma": sigma}
    idata = _inference(rng.poisson(mu[0]), parameters, rng.poisson(mu))
    idata["posterior"].data_vars["1|g"].dims = ("chain", "draw", "g")
    model = from_inference_data(idata)
    seen = model.observe("posterior", np.random.default_rng(1)).effects["g [Intercept]"]
    assert np.min(np.abs(effects / sigma[:, None] - seen[:, 0]).max(axis=1)) < 1e-12
    report = mc.check(model, mc.checks.RandomEffects(), seed=1, draws=99)
    assert report.findings[0].pvalue is not None


def test_a_table_beside_the_draws():
    """Its columns are those of checks; another number of rows is refused."""
    y, parameters, draws = _poisson_gamma(np.random.default_rng(3))
    table = pd.DataFrame({"x": np.arange(N) / N, "g": GROUP}, index=np.arange(N) + 7)
    model = from_inference_data(_inference(y, parameters, draws), frame=table, name="mine")
    assert mc.check(model, mc.checks.Trend("x"), seed=1, draws=99).findings[0].n == N
    assert model.description["model"] == "mine"
    with pytest.raises(DataError, match=f"one row an observation, {N}; found {N - 1}"):
        from_inference_data(_inference(y, parameters, draws), frame=table.iloc[1:])


def test_draws_that_keep_random_effects_are_warned_of():
    """Where the parameters of responses are not there, the checks would mislead."""
    y, parameters, draws = _poisson_gamma(np.random.default_rng(3))
    effects = {"1|g": parameters["mu"], "1|g_sigma": np.ones(DRAWS)}
    with pytest.warns(DataWarning, match="kind='response_params'"):
        assert isinstance(from_inference_data(_inference(y, effects, draws)), DrawsModel)


def test_draws_along_other_axes_are_no_parameters():
    """Of a response whose chains were stacked, or of one of them, its draws alone are known."""
    y, parameters, draws = _poisson_gamma(np.random.default_rng(3))
    effects = {"1|g": parameters["mu"], "1|g_sigma": np.ones(DRAWS)}
    idata = _inference(y, parameters | effects, draws)
    stacked = _Variable(draws, ("draw", "obs"))
    idata["posterior_predictive"] = SimpleNamespace(data_vars={"y": stacked})
    with pytest.warns(DataWarning, match="kind='response_params'"):
        assert isinstance(from_inference_data(idata), DrawsModel)
