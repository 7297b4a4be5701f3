"""The predictors of each row given the other rows, against sums and integrals written out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.families.derivatives import Derivatives
from mixcheck.fitting.influence.leave_one_out import (
    Posterior,
    at_estimates,
    find_posterior,
    leave_out,
    normal_points,
)
from mixcheck.fitting.influence.sensitivity import differentiate_in_data
from mixcheck.port import port_of


def posterior_of(fit: mc.GLMM) -> Posterior:
    """Of a fit by Laplace."""
    evaluation = port_of(fit).optimum.evaluation
    response = differentiate_in_data(
        port_of(fit).problem, fit.method, evaluation, port_of(fit).optimum.scale, ()
    )
    return find_posterior(port_of(fit).problem, evaluation.mode, response)


def at_known_parameters(posterior: Posterior) -> Posterior:
    """Without what the estimates add to the covariance."""
    _, root = at_estimates(posterior)
    return Posterior(posterior.mode, root, posterior.skew_shift, posterior.leverages)


def counts(sd: float = 0.6) -> pd.DataFrame:
    """Twelve groups of three."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(12), 3)
    y = rng.poisson(np.exp(0.4 + sd * rng.normal(size=12)[g]))
    return pd.DataFrame({"g": g, "y": y.astype(float), "z": rng.normal(size=36) + 0.1 * g})


def test_normal_responses_have_the_exact_distribution():
    """Mean and variance of each row's predictor are those of the conditional normal law."""
    fit = mc.glmm("z ~ 1 + (1 | g)", counts())
    assert not fit.convergence.singular
    posterior = at_known_parameters(posterior_of(fit))
    centre, root = leave_out(posterior, port_of(fit).optimum.evaluation.mode.point.derivatives)
    mode = port_of(fit).optimum.evaluation.mode
    noise, spread = np.exp(2.0 * mode.point.eta[1][0]), mode.roots[0][0, 0] ** 2
    y, g = port_of(fit).problem.data.y, counts()["g"].to_numpy()[port_of(fit).problem.order]
    for i in range(y.size):
        others = (g == g[i]) & (np.arange(y.size) != i)
        precision = others.sum() / noise + 1.0 / spread
        mean = fit.params.iloc[0] + (y[others] - fit.params.iloc[0]).sum() / noise / precision
        assert root[i, 0] @ root[i, 0] == pytest.approx(1.0 / precision, rel=1e-6)
        # The dispersion is held at its mode here, so that only the mean's distribution is exact.
        assert centre[i, 0] == pytest.approx(mean, abs=1e-6)


def integrate(fit: mc.GLMM, row: int) -> tuple[float, float]:
    """Mean and variance of a row's predictor given the others, by a fine grid."""
    y, g = port_of(fit).problem.data.y, counts()["g"].to_numpy()[port_of(fit).problem.order]
    others = (g == g[row]) & (np.arange(y.size) != row)
    sd = float(abs(port_of(fit).optimum.evaluation.mode.roots[0][0, 0]))
    b = np.linspace(-8.0, 8.0, 4001) * sd
    eta = fit.params.iloc[0] + b
    log = y[others].sum() * eta - others.sum() * np.exp(eta) - 0.5 * (b / sd) ** 2
    mass = np.exp(log - log.max())
    mass /= mass.sum()
    mean = mass @ eta
    return float(mean), float(mass @ (eta - mean) ** 2)


def test_counts_have_the_mean_of_the_integral():
    """The lean brings the centre most of the way from the mode to the mean."""
    fit = mc.glmm("y ~ 1 + (1 | g)", counts(), family="poisson")
    posterior = at_known_parameters(posterior_of(fit))
    own = port_of(fit).optimum.evaluation.mode.point.derivatives
    centre, root = leave_out(posterior, own)
    upright = Posterior(
        posterior.mode, posterior.root, 0.0 * posterior.skew_shift, 0.0 * posterior.leverages
    )
    unmoved, _ = leave_out(upright, own)
    exact = np.array([integrate(fit, i) for i in range(36)])
    error = np.abs(centre[:, 0] - exact[:, 0]).mean()
    assert error < 0.4 * np.abs(unmoved[:, 0] - exact[:, 0]).mean()
    ratio = root[:, 0, 0] ** 2 / exact[:, 1]
    assert ratio.mean() == pytest.approx(1.0, abs=0.1)
    assert np.all((ratio > 0.5) & (ratio < 1.5))


def test_points_have_the_covariance_they_stand_for():
    """Weights sum to one; mean and covariance are exact, in one dimension and in three."""
    rng = np.random.default_rng(5)
    for K in (1, 3):
        centre, root = rng.normal(size=(4, K)), rng.normal(size=(4, K, K))
        weights, eta = normal_points(centre, root)
        assert weights.sum() == pytest.approx(1.0)
        assert pytest.approx(centre) == np.tensordot(weights, eta, axes=1).T
        away = eta - centre.T
        covariance = np.einsum("q,qan,qbn->nab", weights, away, away)
        assert covariance == pytest.approx(root @ np.swapaxes(root, 1, 2))


def test_a_row_that_knows_everything_is_bounded():
    """A row with nearly all information leaves a distribution of bounded width."""
    one = np.ones(1)
    posterior = Posterior(
        np.zeros((1, 1)), np.ones((1, 1, 1)), np.zeros((1, 1)), np.ones((1, 1, 1))
    )
    own = Derivatives(one, (one,), {(0, 0): -2.0 * one}, {})
    centre, root = leave_out(posterior, own)
    assert root[0, 0, 0] ** 2 == pytest.approx(1.0 / 0.3)
    assert np.isfinite(centre).all()
