"""Variances and covariances with their sampling covariance."""

from __future__ import annotations

import numpy as np
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
