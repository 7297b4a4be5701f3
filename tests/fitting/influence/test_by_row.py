"""The posterior of each row's predictor."""

from __future__ import annotations

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.errors import BoundaryWarning
from mixcheck.fitting.influence.by_row import find_row_posterior
from mixcheck.port import Rowwise, port_of


@pytest.fixture(scope="module")
def pastes() -> mc.GLMM:
    """Gaussian, one scalar factor."""
    return mc.glmm("strength ~ 1 + (1 | sample)", mc.datasets.load("Pastes"))


def test_gaussian_rows_left_out(pastes):
    """Variances held, taking a row's information out is best linear prediction from the others.

    With P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1 the errors are P y / diag(P) and their variances
    1 / diag(P).
    """
    group, residual = pastes.variance_components["variance"]
    codes = np.unique(pastes.frame["sample"], return_inverse=True)[1]
    n = codes.size
    inverse = np.linalg.inv(group * (codes[:, None] == codes) + residual * np.eye(n))
    weights = inverse.sum(axis=0)
    P = inverse - np.outer(weights, weights) / weights.sum()
    covariance = np.zeros_like(port_of(pastes).covariance)
    covariance[0, 0] = 1.0 / weights.sum()
    found = find_row_posterior(
        port_of(pastes).problem,
        port_of(pastes).optimum.psi,
        covariance,
        np.arange(n, dtype=np.intp),
    )
    wide = found.variance / (1.0 - found.information * found.variance)
    np.testing.assert_allclose(wide + residual, 1.0 / np.diag(P), rtol=1e-8)
    error = port_of(pastes).observed - (found.predictor - found.score * wide)
    expected = P @ port_of(pastes).observed / np.diag(P)
    np.testing.assert_allclose(error, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["cbpp", "epil", "sleepstudy", "grouseticks"])
def test_parameters_move_the_predictor(name, request):
    """The part of the variance through the estimates is that of refitted modes."""
    model: mc.GLMM = request.getfixturevalue(name)
    problem, psi = port_of(model).problem, port_of(model).optimum.psi
    none = np.zeros_like(port_of(model).covariance)
    ranks = np.arange(problem.n, dtype=np.intp)
    given = find_row_posterior(problem, psi, none, ranks)
    for j in range(psi.size):
        one = none.copy()
        one[j, j] = 1.0
        found = find_row_posterior(problem, psi, one, ranks).variance - given.variance
        step = np.zeros(psi.size)
        step[j] = 1e-4
        ahead, behind = (
            find_row_posterior(problem, psi + side * step, none, ranks).predictor
            for side in (1.0, -1.0)
        )
        slope = (ahead - behind) / 2e-4
        np.testing.assert_allclose(found, slope**2, rtol=1e-4, atol=1e-6 * np.max(slope**2))


def test_fixed_effects_only():
    """Without random effects the variance is that of the linear predictor."""
    model = mc.glmm("incidence / size ~ period", mc.datasets.load("cbpp"), family="binomial")
    X = port_of(model).fixed_matrices["mean"]
    expected = np.einsum("np,pq,nq->n", X, model.cov_params().to_numpy(), X)
    np.testing.assert_allclose(port_of(model).row_posterior().variance, expected, rtol=1e-8)


def test_law_is_that_of_the_rows(epil):
    """Density, distribution and moments are in the order of the data, at the modes."""
    found = port_of(epil).row_posterior()
    mean, variance = found.distribution.moments(found.predictor)
    np.testing.assert_allclose(mean, epil.fittedvalues, rtol=1e-6)
    np.testing.assert_allclose(mean, variance)
    below, upto = found.distribution.cdf(found.predictor)
    density = np.exp(found.distribution.log_density(found.predictor))
    np.testing.assert_allclose(upto - below, density, rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(found.response, port_of(epil).observed)
    zeros = found.distribution.probability(0.0, found.predictor)
    np.testing.assert_allclose(zeros, np.exp(-mean), rtol=1e-9)


def test_weights_count_rows():
    """A row of weight two has twice the information of one, and twice its log density."""
    data = mc.datasets.load("sleepstudy").assign(w=2.0)
    plain = mc.glmm("Reaction ~ Days + (1 | Subject)", data)
    double = mc.glmm("Reaction ~ Days + (1 | Subject)", data, weights="w")
    found, once = port_of(double).row_posterior(), port_of(plain).row_posterior()
    at = once.predictor
    ratio = np.exp(2.0 * (np.log(plain.dispersion) - np.log(double.dispersion)))
    np.testing.assert_allclose(found.information, 2.0 * ratio * once.information, rtol=1e-9)
    assert found.distribution.log_density(at).sum() < once.distribution.log_density(at).sum()


def test_another_response(cbpp):
    """Given another response, modes are those of a refit at the same estimates."""
    again = port_of(cbpp).row_posterior(port_of(cbpp).observed)
    np.testing.assert_allclose(again.predictor, port_of(cbpp).row_posterior().predictor, rtol=1e-10)
    other = port_of(cbpp).row_posterior(port_of(cbpp).observed[::-1] * 0.0)
    assert np.all(other.predictor < again.predictor)


def test_row_predicted_from_the_others(cbpp):
    """A row left out is predicted by a fit to the other rows."""
    data = mc.datasets.load("cbpp")
    rest = mc.glmm(cbpp.formula, data.drop(index=5), family="binomial")
    found = port_of(cbpp).predict_row(5)
    link = rest.predict(data.iloc[[5]], scale="link")
    assert found.predictor == pytest.approx(link.to_numpy(), abs=1e-5)
    assert found.response == pytest.approx(data["incidence"].to_numpy()[[5]])
    assert (found.score, found.information) == (0.0, 0.0)
    assert found.variance[0] > port_of(cbpp).row_posterior().variance[5]


def test_level_of_one_row():
    """A level that only the row left out has is predicted from its prior."""
    data = mc.datasets.load("cbpp")
    data["herd"] = data["herd"].astype(str)
    data.loc[0, "herd"] = "own"
    model = mc.glmm("incidence / size ~ period + (1 | herd)", data, family="binomial")
    found = port_of(model).predict_row(0)
    rest = mc.glmm(model.formula, data.drop(index=0), family="binomial")
    own = rest.predict(data.iloc[[0]], random_effects="zero", scale="link")
    assert found.predictor == pytest.approx(own.to_numpy(), abs=1e-5)
    assert found.variance[0] > rest.variance_components["variance"].iloc[0]


def test_it_meets_the_port(cbpp):
    """A fit knows its rows."""
    assert isinstance(port_of(cbpp), Rowwise)


def test_responses_of_another_magnitude():
    """A response of 1e300 under a lognormal fit: finite numbers, and no warning of NumPy."""
    rng = np.random.default_rng(0)
    data = {"y": np.exp(rng.normal(0, 0.5, 48)), "g": np.arange(48) % 6}
    with pytest.warns(BoundaryWarning):
        fit = mc.glmm("y ~ 1 + (1 | g)", data, family="lognormal")
    found = port_of(fit).row_posterior(np.full(48, 1e300))
    assert np.isfinite(found.predictor).all()
    assert np.isfinite(found.score).all()
