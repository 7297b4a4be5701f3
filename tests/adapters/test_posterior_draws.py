"""Bayesian models that are seen given a draw of their parameters."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.adapters.test_inference_data import _Variable

import mixcheck as mc
from mixcheck.adapters.draws import DrawsModel
from mixcheck.adapters.inference_data import from_inference_data
from mixcheck.adapters.posterior_draws import find_distribution, given_draw
from mixcheck.adapters.posterior_families import DISTRIBUTIONS
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


def _parameters(rng, one):
    """Such parameters as each distribution may have."""
    mu = np.exp(rng.normal(1.0, 0.3, (DRAWS, N)))
    p = 1 / (1 + np.exp(-rng.normal(0.0, 0.5, (DRAWS, N))))
    scalar = rng.uniform(1.5, 2.5, DRAWS)
    values = {
        "mu": mu,
        "p": p,
        "n": np.full((DRAWS, N), 7.0),
        "logit_p": np.log(p / (1 - p)),
        "psi": 0.25 * scalar,
        "alpha": scalar + 1.0,
        "beta": mu,
        "kappa": 2 * scalar,
        "nu": 2 * scalar,
        "sigma": scalar,
        "tau": scalar,
        "lam": mu,
        "b": scalar,
        "s": scalar,
        "categories": np.stack([p / 2, (1 - p) / 3, 1 - p / 2 - (1 - p) / 3], axis=2),
    }
    if "lognormal" in one.name:
        values |= {"sigma": 0.25 * scalar, "tau": 8.0 * scalar}
    if one.name == "half-normal":
        values["sigma"] = mu
    if one.name in ("beta", "beta-binomial"):
        values |= {"mu": p, "sigma": 0.1 * scalar}
    return {name: values[name] for name in one.parameters}


def _drawn(rng, one, parameters):
    given = (given_draw(one, parameters, k, N) for k in range(DRAWS))
    return np.array([each.rvs(size=N, random_state=rng) for each in given])


def _named(one):
    return f"{one.name} {one.parameters}"


@pytest.mark.parametrize("one", DISTRIBUTIONS, ids=_named)
def test_each_distribution_is_recognised(one):
    """By its draws and the names of its parameters, with the functions of one distribution."""
    parameters = _parameters(np.random.default_rng(5), one)
    draws = _drawn(np.random.default_rng(6), one, parameters)
    model = _model_of(one, parameters, draws)
    assert model.distribution is one
    given, y = model.given(3), draws[3]
    np.testing.assert_allclose(given.cdf(y) + given.sf(y), 1.0, rtol=1e-10)
    if one.kind == "whole":
        np.testing.assert_allclose(given.cdf(y) - given.cdf(y - 1.0), given.pmf(y), atol=1e-12)
    rng = np.random.default_rng(7)
    if one.name == "cauchy":
        return
    repeated = np.array([given.rvs(size=N, random_state=rng) for _ in range(200)])
    error = np.sqrt(given.var() / 200)
    assert np.abs((repeated.mean(axis=0) - given.mean()) / error).max() < 6.0


@pytest.mark.parametrize(
    "one",
    [one for one in DISTRIBUTIONS if one.name in ("t", "categorical") or "hurdle" in one.name],
    ids=_named,
)
def test_what_is_recognised_keeps_the_laws(one):
    """It is a model like any other, in another process too."""
    parameters = _parameters(np.random.default_rng(5), one)
    draws = _drawn(np.random.default_rng(6), one, parameters)
    check_model_port(lambda: _model_of(one, parameters, draws))


def _model_of(one, parameters, draws):
    known = dict(parameters)
    constant = {"n": known.pop("n")[0]} if "n" in known else {}
    if "categories" in known:
        known["p"] = known.pop("categories")
    idata = _inference(draws[17], known, draws, **constant)
    if "categories" in parameters:
        idata["posterior"].data_vars["p"].dims = ("chain", "draw", "obs", "category")
    return from_inference_data(idata)


@pytest.mark.parametrize("name", ["binomial", "beta-binomial", "zero-inflated binomial"])
def test_trials_are_a_column_of_the_frame(name):
    """Bambi keeps none of them: they are the column by which the draws are binomial."""
    one = next(one for one in DISTRIBUTIONS if one.name == name)
    rng = np.random.default_rng(5)
    parameters = _parameters(rng, one)
    trials = rng.integers(3, 12, N)
    draws = _drawn(rng, one, parameters | {"n": np.broadcast_to(trials.astype(float), (DRAWS, N))})
    del parameters["n"]
    idata = _inference(draws[3], parameters, draws)
    table = pd.DataFrame({"other": trials + 1, "id": 100 + np.arange(N), "trials": trials})
    model = from_inference_data(idata, frame=table)
    assert model.distribution.name == name
    np.testing.assert_array_equal(model.parameters["n"][0], trials)
    with pytest.warns(DataWarning, match="frame= with the column of trials"):
        from_inference_data(idata)
    with pytest.warns(DataWarning, match="frame= with the column of trials"):
        from_inference_data(idata, frame=table[["other", "id"]])


def test_a_distribution_without_moments_has_a_middle():
    """Of t with less than one degree of freedom: its median, and no finite variance."""
    rng = np.random.default_rng(1)
    mu, nu = rng.normal(size=(DRAWS, N)), rng.uniform(0.5, 0.9, DRAWS)
    draws = mu + rng.standard_t(nu[:, None], (DRAWS, N))
    model = from_inference_data(
        _inference(draws[-1], {"mu": mu, "sigma": np.ones(DRAWS), "nu": nu}, draws)
    )
    seen = model.observe("posterior", rng)
    np.testing.assert_allclose(seen.mean, mu[-1], atol=1e-12)
    assert np.isinf(seen.variance).all()
    assert mc.check(model, mc.checks.Uniformity(), seed=1).ok


@pytest.mark.parametrize("axes", [("chain", "draw", "mu_dim_0"), ("draw", "obs", "chain")])
def test_axes_of_parameters_need_no_names_in_common(axes):
    """PyMC gives each variable axes of its own, where none are named."""
    y, parameters, draws = _poisson_gamma(np.random.default_rng(3))
    idata = _inference(y, parameters, draws)
    values = parameters["mu"].reshape(2, DRAWS // 2, N)
    if axes[0] == "draw":
        values = values.transpose(1, 2, 0)
    idata["posterior"].data_vars["mu"] = _Variable(values, axes)
    assert from_inference_data(idata).distribution.name == "poisson"


def test_parameters_of_some_axes_are_those_of_all_rows():
    """A standard deviation for each group of a response with groups and times."""
    rng = np.random.default_rng(4)
    mu, sigma = rng.normal(size=(2, 100, 6, 20)), rng.uniform(1, 2, (2, 100, 6))
    draws = mu + sigma[..., None] * rng.standard_normal(mu.shape)
    axes = ("chain", "draw", "group", "time")
    groups = {
        "posterior": {"mu": _Variable(mu, axes), "sigma": _Variable(sigma, axes[:3])},
        "posterior_predictive": {"y": _Variable(draws, axes)},
        "observed_data": {"y": _Variable(draws[0, 0], axes[2:])},
    }
    idata = {name: SimpleNamespace(data_vars=one) for name, one in groups.items()}
    model = from_inference_data(idata)
    assert model.distribution.name == "normal"
    np.testing.assert_array_equal(model.parameters["sigma"][7], np.repeat(sigma[0, 7], 20))


def test_other_distributions_are_not_taken_for_it():
    """Counts that vary more than the parameters say are known by their draws alone."""
    rng = np.random.default_rng(2)
    y, parameters, draws = _poisson_gamma(rng)
    wide = rng.negative_binomial(2.0, 2.0 / (2.0 + parameters["mu"]))
    assert find_distribution(parameters, wide) is None
    assert find_distribution(parameters, draws[::-1]) is None
    with pytest.warns(DataWarning, match="is not known: with mu in the posterior"):
        assert isinstance(from_inference_data(_inference(y, parameters, wide)), DrawsModel)


def _beta_of(mean, deviation, rng):
    size = mean * (1.0 - mean) / deviation**2 - 1.0
    return rng.beta(mean * size, (1.0 - mean) * size)


@pytest.mark.parametrize("deviation", [0.03, pytest.param(0.01, marks=pytest.mark.slow)])
def test_one_distribution_is_not_taken_for_another_of_the_same_parameters(deviation):
    """A beta one is all but normal where its deviation is small; its likelihood is larger."""
    rng = np.random.default_rng(2)
    rate = np.clip(rng.normal(0.3, 0.1, (500, 500)), 0.15, 0.5)
    named = {"mu": rate, "sigma": np.full((500, 1), deviation)}
    assert find_distribution(named, _beta_of(rate, deviation, rng)).name == "beta"
    normal = rng.normal(rate, deviation)
    assert find_distribution(named, normal).name == "normal"
    shape = (rate / deviation) ** 2
    assert find_distribution(named, rng.gamma(shape, rate / shape)).name == "gamma"


def test_distributions_that_draws_cannot_tell_apart_are_both_named():
    """A beta distribution of hardly any deviation."""
    rng = np.random.default_rng(2)
    rate = np.clip(rng.normal(0.5, 0.1, (DRAWS, N)), 0.15, 0.85)
    deviation = 1e-5
    named = {"mu": rate, "sigma": np.full((DRAWS, 1), deviation)}
    found = find_distribution(named, _beta_of(rate, deviation, rng))
    assert set(found.name.split(" or ")) >= {"normal", "beta"}


def test_a_parameter_of_the_same_name_is_not_taken_for_a_dispersion():
    """An intercept near zero, called alpha as many are, makes no skew normal distribution."""
    rng = np.random.default_rng(2)
    mu = rng.normal(size=(400, 600))
    named = {"mu": mu, "sigma": np.ones((400, 1)), "alpha": rng.normal(0, 0.02, (400, 1))}
    assert find_distribution(named, rng.normal(mu)).name == "normal"


def test_of_many_rows_some_are_looked_at():
    """Neighbours among them, whose dependence is seen."""
    rng = np.random.default_rng(2)
    z = rng.normal(size=(30, 40_000))
    named = {"mu": np.zeros((30, 1)), "sigma": np.ones((30, 1))}
    assert find_distribution(named, z).name == "normal"
    assert find_distribution(named, (z + 0.3 * np.roll(z, 1, 1)) / np.sqrt(1.09)) is None


def _normal_parameters(rng):
    mu, sigma = rng.normal(size=(500, 500)), rng.uniform(0.5, 1.0, (500, 1))
    return {"mu": mu, "sigma": sigma}, rng.standard_normal(mu.shape)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("", lambda z, rng: z),
        ("truncated at three deviations", lambda z, rng: np.where(z < -3, 0.5 * z, z)),
        ("censored", lambda z, rng: np.minimum(z, 2.0)),
        ("a mixture", lambda z, rng: np.where(rng.random(z.shape) < 0.01, 2 * z, z)),
        ("correlated in rows", lambda z, rng: 0.98 * z + 0.199 * rng.normal(size=(len(z), 1))),
        ("correlated along rows", lambda z, rng: (z + 0.2 * np.roll(z, 1, 1)) / np.sqrt(1.04)),
        ("off in its means", lambda z, rng: 0.995 * z + 0.1 * rng.normal(size=z.shape[1])),
    ],
)
def test_what_is_nearly_normal_is_not_taken_for_it(what, change):
    """Truncated, mixed, or with rows that depend on each other; what is normal is."""
    rng = np.random.default_rng(8)
    parameters, z = _normal_parameters(rng)
    other = parameters["mu"] + parameters["sigma"] * change(z, rng)
    assert (find_distribution(parameters, other) is None) is bool(what)


def test_log_densities_that_the_program_wrote_decide():
    """They tell a gamma distribution from others, and that it is another one."""
    y, parameters, draws = _poisson_gamma(np.random.default_rng(3))
    written = np.array([stats.poisson(mu).logpmf(y) for mu in parameters["mu"]])
    idata = _inference(y, parameters, draws)

    def read(densities):
        drawn = _Variable(densities.reshape(2, DRAWS // 2, N), ("chain", "draw", "obs"))
        idata["log_likelihood"] = SimpleNamespace(data_vars={"y": drawn})
        return from_inference_data(idata)

    assert read(written).distribution.name == "poisson"
    assert read(written.astype(np.float32)).distribution.name == "poisson"
    with pytest.warns(DataWarning, match="log densities in the group log_likelihood and the draws"):
        assert isinstance(read(written - 0.01), DrawsModel)


@pytest.mark.slow
def test_right_distributions_are_hardly_ever_refused():
    """Of 400 sets of draws none, where each is refused once in some ten thousand."""
    for seed in range(400):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(5, 300))
        mu = rng.gamma(4.0, 1.0, (60, n))
        assert find_distribution({"mu": mu}, rng.poisson(mu)).name == "poisson"


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


def test_random_effects_of_several_responses_have_deviations_of_each():
    """As those of the categories of bambi: an axis that effects and deviations share."""
    rng = np.random.default_rng(4)
    y, parameters, draws = _poisson_gamma(rng)
    sigma = rng.uniform(0.5, 1.0, (2, DRAWS // 2, 3))
    unit = rng.standard_normal((2, DRAWS // 2, GROUPS, 3))
    idata = _inference(y, parameters, draws)
    axes = ("chain", "draw", "g", "category")
    posterior = idata["posterior"].data_vars
    posterior["1|g"] = _Variable(unit * sigma[:, :, None], axes)
    posterior["1|g_sigma"] = _Variable(sigma, ("chain", "draw", "category"))
    found = from_inference_data(idata).effects["g [Intercept]"]
    wanted = unit.reshape(DRAWS, GROUPS, 3).transpose(0, 2, 1).reshape(DRAWS, -1)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
