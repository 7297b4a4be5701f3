"""Variances and covariances with their sampling covariance."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.results.covariances import _interval
from mixcheck.port import Covarying, port_of


def test_values(sleepstudy):
    """The entries are the variance components, each named by term and effects."""
    found = port_of(sleepstudy).covariance_estimates
    term = "mean: (1 + Days | Subject)"
    assert found.entries == ((term, 0, 0), (term, 1, 0), (term, 1, 1))
    expected = sleepstudy.variance_components["variance"].to_numpy()[[0, 2, 1]]
    np.testing.assert_allclose(found.values, expected, rtol=1e-12)


def test_names_are_those_of_the_terms(sleepstudy):
    """Terms are named as in the matrices of random effects."""
    assert {term for term, _, _ in port_of(sleepstudy).covariance_estimates.entries} == set(
        port_of(sleepstudy).random_terms
    )
    assert isinstance(port_of(sleepstudy), Covarying)


def test_delta_method(sleepstudy):
    """The sampling covariance is that of simulated covariance parameters, to their spread."""
    found = port_of(sleepstudy).covariance_estimates
    held = slice(port_of(sleepstudy).problem.n_beta, None)
    small = 1e-6 * port_of(sleepstudy).covariance[held, held]
    theta = np.random.default_rng(1).multivariate_normal(
        port_of(sleepstudy).theta.to_numpy(), small, 40_000
    )
    a, b, c = theta.T
    drawn = np.cov(np.stack([a**2, a * b, b**2 + c**2]))
    scale = np.sqrt(np.diag(drawn))
    np.testing.assert_allclose(
        1e6 * drawn / np.outer(scale, scale),
        found.covariance / np.outer(scale, scale),
        rtol=0.03,
        atol=0.03 * 1e6,
    )


def test_uncorrelated_effects():
    """Covariances that the model sets to zero are not among the estimates."""
    model = mc.glmm("Reaction ~ Days + (Days || Subject)", mc.datasets.load("sleepstudy"))
    assert all(i == j for _, i, j in port_of(model).covariance_estimates.entries)


def test_no_random_effects():
    """Without random effects there is nothing."""
    found = port_of(mc.glmm("Reaction ~ Days", mc.datasets.load("sleepstudy"))).covariance_estimates
    assert found.entries == ()
    assert found.covariance.shape == (0, 0)


def test_the_confidence_is_read_without_random_effects(sleepstudy):
    """A level of confidence that is none is refused also where there is nothing to tell."""
    fit = mc.glmm("Reaction ~ Days", port_of(sleepstudy).frame)
    assert port_of(fit).covariance_parameters().empty
    with pytest.raises(mc.OptionError, match="level"):
        port_of(fit).covariance_parameters(level=" ")


def test_an_interval_without_an_end():
    """Where a deviation is all but unknown its interval goes to infinity, without a warning."""
    assert _interval("sd", 1e-3, 10.0, 0.5) == (0.0, np.inf)


NONE = [
    "(1 | g)",
    "(1 + x | g)",
    "(1 + x || g)",
    "cs(1 + x | g)",
    "homcs(1 + x | g)",
    "ar1(0 + t | g)",
]


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
@pytest.mark.filterwarnings("ignore:No finite estimate. 'dispersion")
@pytest.mark.parametrize("family", ["poisson", "binomial", "gaussian"])
@pytest.mark.parametrize("term", NONE)
def test_a_variance_that_is_none_is_zero(term, family):
    """What a search leaves of it is rounding, which no table shows."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        table = pd.DataFrame({"g": np.repeat(np.arange(15), 6), "x": rng.normal(size=90)})
        table["t"] = pd.Categorical(np.tile(np.arange(6), 15), ordered=True)
        responses = {"poisson": rng.poisson(3, 90), "gaussian": rng.normal(size=90)}
        table["y"] = responses.get(family, rng.integers(0, 2, 90))
        fit = mc.glmm(f"y ~ x + {term}", table, family=family)
        port, parts = port_of(fit), fit.variance_components
        left = parts["variance"][parts["group"] == "g"]
        assert not ((left != 0.0) & (left.abs() < 1e-12)).any()
        if (left == 0.0).any():
            assert fit.convergence.singular
        assert "e-" not in re.sub(r"p\b.*", "", str(fit.summary())).split("Fixed effects")[0]
        told = port.covariance_parameters()
        none = (told["kind"] == "sd") & (told["estimate"] == 0.0)
        assert told.loc[none, ["std_error", "low", "high"]].isna().all(axis=None)
        sds = parts["sd"][parts["group"] == "g"].dropna()
        np.testing.assert_array_equal(told.loc[told["kind"] == "sd", "estimate"], sds)
        entries = np.abs(vars(port.covariance_estimates)["values"])
        assert not ((entries != 0.0) & (entries < 1e-12)).any()


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
def test_only_what_is_none_changes():
    """Another effect keeps its last digit, and a small variance that is seen is kept."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"g": np.repeat(np.arange(15), 6), "x": rng.normal(size=90)})
    table["y"] = rng.integers(0, 2, 90)
    fit = mc.glmm("y ~ x + (1 + x || g)", table, family="binomial")
    theta = port_of(fit).theta.to_numpy()
    assert 0.0 < theta[0] < 1e-6
    assert fit.variance_components["sd"].tolist() == [0.0, abs(theta[1])]
    small = 1e-5 * rng.normal(size=15)
    table["z"] = small[table["g"]] + 1e-6 * rng.normal(size=90)
    seen = mc.glmm("z ~ x + (1 | g)", table).variance_components
    assert 0.5e-10 < seen["variance"].iloc[0] < 2e-10


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
def test_over_partitions_too():
    """By the levels of all parts."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"g": np.repeat(np.arange(16), 6), "x": rng.normal(size=96)})
    table["y"] = rng.poisson(3, 96)
    parts = [table[:48], table[48:]]
    fit = mc.glmm_partitions("y ~ x + (1 | g)", parts, family="poisson")
    whole = mc.glmm("y ~ x + (1 | g)", table, family="poisson")
    for one in (fit, whole):
        assert one.variance_components["variance"].iloc[0] == 0.0
