"""Models of GPBoost: the same likelihood and the same parameters, or a refusal."""

from __future__ import annotations

from types import SimpleNamespace

import gpboost
import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.elsewhere.gpboost import LIKELIHOODS
from mixcheck.errors import DataError, OptionError
from mixcheck.families.registry import FAMILIES
from mixcheck.port import port_of
from mixcheck.testing import check_model_port

N, HERDS, YEARS = 600, 40, 12
# Both programs stop their search for the modes of the random effects near to these.
AT_A_POINT = 1e-5


def _data():
    rng = np.random.default_rng(1)
    herd, year = np.repeat(np.arange(HERDS), N // HERDS), rng.integers(0, YEARS, N)
    x = rng.normal(size=N)
    eta = 0.3 + 0.5 * x + rng.normal(0, 0.7, HERDS)[herd] + rng.normal(0, 0.5, YEARS)[year]
    eta += rng.normal(0, 0.4, HERDS)[herd] * x
    return rng, pd.DataFrame({"herd": herd, "year": year, "x": x}), eta


def _respond(likelihood, rng, eta, size):
    mu, p = np.exp(eta), 1.0 / (1.0 + np.exp(-eta))
    there = rng.random(N) < 0.7
    drawn = {
        "gaussian": lambda: eta + rng.normal(size=N),
        "bernoulli_logit": lambda: rng.random(N) < p,
        "binomial_logit": lambda: rng.binomial(size, p) / size,
        "beta_binomial": lambda: rng.binomial(size, rng.beta(5 * p, 5 - 5 * p)) / size,
        "beta": lambda: np.clip(rng.beta(5 * p, 5 - 5 * p), 1e-6, 1 - 1e-6),
        "poisson": lambda: rng.poisson(mu),
        "negative_binomial": lambda: rng.negative_binomial(2.0, 2.0 / (2.0 + mu)),
        "negative_binomial_1": lambda: rng.negative_binomial(mu, 0.5),
        "zero_inflated_poisson": lambda: rng.poisson(mu) * there,
        "zero_inflated_negative_binomial": lambda: rng.negative_binomial(2, 2 / (2 + mu)) * there,
        "zero_inflated_negative_binomial_1": lambda: rng.negative_binomial(mu, 0.5) * there,
        "gamma": lambda: rng.gamma(2.0, mu / 2.0),
        "hurdle_gamma": lambda: rng.gamma(2.0, mu / 2.0) * there,
    }
    return drawn[likelihood.replace("probit", "logit")]().astype(float)


def _fit(likelihood="poisson", *, response=None, weights=None, offset=None, params=None, **options):
    """A model after its fit, and options of GPBoost."""
    rng, data, eta = _data()
    size = rng.integers(3, 9, N)
    y = _respond(response or likelihood, rng, eta, size)
    if likelihood.startswith(("binomial", "beta_b")):
        weights = size
    model = _model(likelihood, data, weights, **options)
    model.fit(y=y, X=data[["x"]].assign(one=1.0), offset=offset, params=params)
    return model


def _own(likelihood):
    """The same model, written for `glmm`."""
    rng, data, eta = _data()
    size = rng.integers(3, 9, N)
    name, link, zeros = LIKELIHOODS[likelihood]
    trials = likelihood.startswith(("binomial", "beta_b"))
    fit = mc.glmm(
        "y ~ x + (1 | herd) + (1 | year) + (0 + x | herd)",
        data.assign(y=_respond(likelihood, rng, eta, size)),
        family=FAMILIES[name](link=link),
        zi="~ 1" if zeros else None,
        weights=size if trials else None,
    )
    return SimpleNamespace(fit=fit, trials=trials)


def _model(likelihood, data, weights, **options):
    """Crossed intercepts and a slope; each option takes the place of one of these."""
    given = {
        "group_data": data[["herd", "year"]],
        "group_rand_coef_data": data[["x"]],
        "ind_effect_group_rand_coef": [1],
        **options,
    }
    return gpboost.GPModel(
        likelihood=likelihood,
        weights=weights,
        matrix_inversion_method="cholesky",
        num_parallel_threads=1,
        **given,
    )


def _gpboost_likelihood_at(own, likelihood):
    """GPBoost's log-likelihood at the estimates of a fit here."""
    rng, data, eta = _data()
    size = rng.integers(3, 9, N)
    y = _respond(likelihood, rng, eta, size)
    model = _model(likelihood, data, size if own.trials else None)
    model.set_optim_params({"delta_conv_mode_finding": 1e-13})
    intercept, slope = own.fit.params.iloc[:2]
    parts = own.fit.variance_components.set_index(["group", "name"])["variance"]
    # GPBoost has no likelihood at a variance of zero.
    least = parts.clip(lower=1e-10)
    variances = [least["herd", "Intercept"], least["year", "Intercept"], least["herd", "x"]]
    shapes = []
    if likelihood == "gaussian":
        variances.insert(0, own.fit.dispersion**2)
    elif own.fit.dispersion is not None:
        shapes.append(own.fit.dispersion)
    if LIKELIHOODS[likelihood][2]:
        shapes.append(1.0 / (1.0 + np.exp(-own.fit.params.iloc[2])))
    predictor = intercept + slope * data["x"].to_numpy()
    aux = np.array(shapes) if shapes else None
    return -model.neg_log_likelihood(variances, y, fixed_effects=predictor, aux_pars=aux)


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_parameters_mean_the_same(likelihood):
    """At coefficients, variances and shapes of a fit here, GPBoost has the same likelihood."""
    own = _own(likelihood)
    assert _gpboost_likelihood_at(own, likelihood) == pytest.approx(own.fit.llf, abs=AT_A_POINT)


@pytest.mark.parametrize("likelihood", ["gaussian", "binomial_logit", "zero_inflated_poisson"])
def test_the_model_is_read(likelihood):
    """Terms, trials and zero part make the same model here."""
    assert port_of(_fit(likelihood)).llf == pytest.approx(_own(likelihood).fit.llf, abs=1e-6)


def test_random_vectors_are_no_other_model():
    """The default for crossed effects adds noise to the likelihood, which is taken without it."""
    rng, data, eta = _data()
    model = gpboost.GPModel(
        likelihood="poisson", group_data=data[["herd", "year"]], num_parallel_threads=1
    )
    model.fit(y=rng.poisson(np.exp(eta)), X=data[["x"]].assign(one=1.0))
    off = abs(port_of(model).llf + model.get_current_neg_log_likelihood())
    assert off > 0.02


def test_columns_have_the_names_they_had():
    """And matrices without names those of GPBoost; a slope of a column is no column more."""
    formula = port_of(_fit()).description["formula"]
    assert formula == "y ~ 1 + x + (1 | herd) + (1 | year) + (0 + x | herd)"
    rng, data, eta = _data()
    model = gpboost.GPModel(
        likelihood="gaussian", group_data=data["herd"].to_numpy(), num_parallel_threads=1
    )
    model.fit(y=eta + rng.normal(size=N))
    assert port_of(model).description["formula"] == "y ~ 0 + (1 | Group_1)"


@pytest.mark.parametrize("likelihood", ["gaussian", "poisson"])
def test_weights_and_offsets(likelihood):
    """Weights divide the variance of a Gaussian response, and multiply other likelihoods."""
    weights = np.random.default_rng(2).integers(1, 4, N)
    plain = port_of(_fit(likelihood)).llf
    port = port_of(_fit(likelihood, weights=weights, offset=np.linspace(0.0, 1.0, N)))
    assert abs(port.llf - plain) > 10.0


def test_a_dropped_intercept_is_no_term():
    """A grouping factor may have a slope alone."""
    port = port_of(_fit(drop_intercept_group_rand_effect=[True, False]))
    assert port.description["formula"] == "y ~ 1 + x + (1 | year) + (0 + x | herd)"


def test_the_laws_of_the_port_hold():
    """Checks, refits and comparisons have a model as any other."""
    _, data, _ = _data()
    options = {"group_data": data["herd"], "group_rand_coef_data": None}
    options["ind_effect_group_rand_coef"] = None
    check_model_port(lambda: _fit("negative_binomial", **options))


def test_a_wrong_model_is_found_out():
    """`check` takes the object as it is."""
    rng, data, eta = _data()
    model = gpboost.GPModel(likelihood="poisson", group_data=data["herd"], num_parallel_threads=1)
    y = rng.negative_binomial(1.0, 1.0 / (1.0 + np.exp(eta)))
    model.fit(y=y, X=data[["x"]].assign(one=1.0))
    report = mc.check(model, mc.checks.Dispersion(), seed=1, draws=99)
    assert report.verdicts["dispersion"] is mc.Verdict.FAIL


def test_a_saved_model_is_the_same(tmp_path):
    """GPBoost's file holds all that is asked for."""
    model = _fit()
    model.save_model(tmp_path / "model.json")
    loaded = gpboost.GPModel(model_file=tmp_path / "model.json")
    assert port_of(loaded).llf == port_of(model).llf


def _with_process(data):
    few = data.iloc[::10]
    places = few[["x", "year"]].to_numpy(float)
    model = gpboost.GPModel(gp_coords=places, group_data=few["herd"], num_parallel_threads=1)
    return model.fit(y=places[:, 0], params={"maxit": 1})


def test_what_cannot_be_read_is_refused():
    """With the reason, and what to write."""
    _, data, _ = _data()
    short = {"params": {"maxit": 1}}
    way = r"mixcheck\.from_draws\(observed, draws\)"
    cases = {
        "it is not fitted": gpboost.GPModel(group_data=data["herd"]),
        "its likelihood is 't'": _fit("t", response="gaussian", **short),
        "it has not kept its groups": _fit(free_raw_data=True, **short),
        "independent copies": _fit(cluster_ids=np.arange(N) % 2, **short),
        "were held": _fit(params={"estimate_cov_par_index": [1, 0, 1], "maxit": 1}),
        "raised to a power": _fit(likelihood_learning_rate=0.5, **short),
        "a Gaussian process": _with_process(data),
    }
    for reason, model in cases.items():
        with pytest.raises(OptionError, match=f"GPModel of gpboost is .*{reason}.*{way}"):
            mc.check(model)


def test_boosted_trees_are_refused():
    """A booster has no linear fixed effects."""
    rng, data, eta = _data()
    effects = gpboost.GPModel(group_data=data["herd"], num_parallel_threads=1)
    rows = gpboost.Dataset(data[["x"]].to_numpy(), eta + rng.normal(size=N))
    booster = gpboost.train({"verbose": -1, "num_threads": 1}, rows, 3, gp_model=effects)
    with pytest.raises(OptionError, match=r"Booster of gpboost .* not linear"):
        mc.check(booster)
    with pytest.raises(OptionError, match="GPModel of gpboost is not checked"):
        mc.check(effects)


def test_a_search_that_ended_early_is_refused():
    """Its likelihood is below the maximum."""
    rng, data, eta = _data()
    model = gpboost.GPModel(likelihood="poisson", group_data=data["herd"], num_parallel_threads=1)
    X = data[["x"]].assign(one=1.0)
    model.fit(y=rng.poisson(np.exp(eta)), X=X, params={"maxit": 1})
    with pytest.raises(DataError, match="max_num_restarts_lbfgs"):
        mc.check(model)
