"""Draws around a fit as ArviZ takes them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.errors import OptionError

CHAINS, DRAWS = 2, 200
# Standard errors of a mean of as many draws that one of some dozen may be off.
MOST_ERRORS = 4.0


def _sleep():
    sleep = mc.datasets.load("sleepstudy")
    return mc.glmm("Reaction ~ Days + (Days | Subject)", sleep)


def _drawn(fit):
    return fit.to_inference_data(chains=CHAINS, draws=DRAWS, seed=1)


@pytest.fixture(scope="module")
def sleep():
    """A fit and draws around it."""
    fit = _sleep()
    return fit, _drawn(fit)


@pytest.mark.slow
def test_draws_are_around_the_estimates(sleep):
    """Means and deviations of coefficients and random effects are those of the fit."""
    fit, drawn = sleep
    posterior = drawn.posterior
    n = CHAINS * DRAWS
    for name, estimate in fit.params.items():
        values = posterior[name].to_numpy().ravel()
        error = fit.bse[name] / np.sqrt(n)
        assert abs(values.mean() - estimate) < MOST_ERRORS * error
        ratio = values.std(ddof=1) / fit.bse[name]
        assert abs(ratio - 1.0) < MOST_ERRORS / np.sqrt(2 * n)
    modes = fit.random_effects["Subject"]
    for effect, name in (("Intercept", "1|Subject"), ("Days", "Days|Subject")):
        effects = posterior[name]
        assert effects.dims == ("chain", "draw", "Subject__factor_dim")
        levels = effects["Subject__factor_dim"].to_numpy()
        np.testing.assert_array_equal(levels, modes.index)
        values = effects.to_numpy().reshape(n, -1)
        off = (values.mean(axis=0) - modes[effect]) / (values.std(axis=0) / np.sqrt(n))
        # At other variances the conditional means shrink otherwise, by a share of a deviation.
        assert np.abs(off).max() < MOST_ERRORS + 0.1 * np.sqrt(n)


@pytest.mark.slow
def test_log_densities_are_those_of_the_draws(sleep):
    """Of a Gaussian response they follow from coefficients, random effects and sigma."""
    fit, data = sleep
    part = {name: data.posterior[name].to_numpy()[1, 7] for name in data.posterior}
    days = fit.frame["Days"].to_numpy()
    level = data.posterior["Subject__factor_dim"].to_numpy()
    row = np.searchsorted(level, fit.frame["Subject"].to_numpy())
    mean = part["Intercept"] + part["1|Subject"][row]
    mean = mean + (part["Days"] + part["Days|Subject"][row]) * days
    z = (fit.frame["Reaction"].to_numpy() - mean) / part["sigma"]
    wanted = -0.5 * z**2 - np.log(part["sigma"]) - 0.5 * np.log(2 * np.pi)
    found = data.log_likelihood["Reaction"].to_numpy()[1, 7]
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


@pytest.mark.slow
def test_our_own_adapter_reads_it_back():
    """Observed data and draws are found by their names, and its checks see what refits see."""
    cbpp = mc.datasets.load("cbpp")
    fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    drawn = _drawn(fit)
    model = mc.port.port_of(drawn)
    assert model.posterior_draws == CHAINS * DRAWS
    np.testing.assert_array_equal(model.response, cbpp["incidence"])
    assert list(drawn.observed_data.data_vars) == ["incidence"]
    found = mc.check(drawn, mc.checks.Dispersion(), seed=1)["dispersion"]
    refitted = mc.check(fit, mc.checks.Dispersion(), seed=1)["dispersion"].effect
    assert refitted.low < found.effect.value < refitted.high


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "formula", "family", "distribution"),
    [
        ("cbpp", "incidence / size ~ period + (1 | herd)", "binomial", "binomial"),
        ("grouseticks", "TICKS ~ YEAR + (1 | BROOD)", "poisson", "poisson"),
        ("grouseticks", "TICKS ~ YEAR + (1 | BROOD)", "nbinom2", "negative binomial"),
        ("sleepstudy", "Reaction ~ Days + (1 | Subject)", "gaussian", "normal"),
        ("sleepstudy", "Reaction ~ Days + (1 | Subject)", "gamma", "gamma"),
        ("sleepstudy", "{Reaction / 1000} ~ Days + (1 | Subject)", "beta", "beta"),
    ],
)
def test_the_distribution_is_read_off_the_draws(data, formula, family, distribution):
    """Means and dispersions have the names that are looked for, and random effects are there."""
    fit = mc.glmm(formula, mc.datasets.load(data), family=family)
    model = mc.port.port_of(fit.to_inference_data(chains=1, draws=40, seed=1))
    assert model.distribution.name == distribution
    (group,) = fit.n_groups.index if hasattr(fit.n_groups, "index") else fit.n_groups
    assert list(model.effects) == [f"{group} [Intercept]"]


@pytest.mark.slow
def test_names_have_no_slash():
    """A DataTree takes none; a quotient that is no number of trials keeps both columns."""
    sleep = mc.datasets.load("sleepstudy")
    fit = mc.glmm("Reaction / 100 ~ I(Days / 2) + (1 + I(Days / 2) | Subject)", sleep)
    data = fit.to_inference_data(chains=1, draws=2, seed=1)
    assert list(data.observed_data.data_vars) == ["Reaction ÷ 100"]
    names = set(data.posterior.data_vars)
    assert {"I(Days ÷ 2)", "I(Days ÷ 2)|Subject", "I(Days ÷ 2)|Subject_sigma"} <= names


@pytest.mark.slow
def test_a_group_of_two_parts_has_deviations_of_both():
    """Those of the zero part are behind its name, as its effects are."""
    table = mc.datasets.load("Salamanders")
    formula = "count ~ mined + (1 | site)"
    fit = mc.glmm(formula, table, family="poisson", zi="~ 1 + (1 | site)")
    drawn = fit.to_inference_data(chains=1, draws=400, seed=3).posterior
    sds = fit.variance_components["sd"].tolist()
    for name, sd in zip(("1|site", "zi: Intercept|site"), sds, strict=True):
        values = drawn[f"{name}_sigma"].to_numpy()
        error = values.std() / np.sqrt(values.size)
        assert abs(np.median(values) - sd) < MOST_ERRORS * 1.2533 * error
        assert drawn[name].dims == ("chain", "draw", "site__factor_dim")


@pytest.mark.slow
def test_one_seed_gives_one_answer():
    """Draws follow from the seed."""
    fit = _sleep()
    one, other = (fit.to_inference_data(chains=1, draws=3, seed=2) for _ in range(2))
    np.testing.assert_array_equal(one.posterior["Days"], other.posterior["Days"])


def test_without_arviz_it_says_what_to_install(monkeypatch):
    """And not that a module is not found."""
    monkeypatch.setitem(sys.modules, "arviz", None)
    with pytest.raises(OptionError, match="pip install arviz"):
        _sleep().to_inference_data(chains=1, draws=1, seed=1)


@pytest.mark.parametrize("told", [{"draws": 10**30}, {"chains": 10**30}, {"draws": 10**8}])
def test_more_draws_than_can_be_made_are_refused_at_once(told) -> None:
    """Numbers without end, and vectors of rows that no memory holds."""
    fit = mc.glmm("Reaction ~ Days + (1 | Subject)", mc.datasets.load("sleepstudy"))
    with pytest.raises(mc.OptionError, match=r"must be a whole number|GB of memory"):
        fit.to_inference_data(**told)
