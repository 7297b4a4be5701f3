"""What a row gains by fitting its own response, where it is known in closed form."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.influence.covariance_penalties import chen_stein, grid_excess, grid_weights
from mixcheck.fitting.predictive.response_distribution import ResponseDistribution
from mixcheck.port import port_of

# Beyond the outer nodes squares are continued by lines: a thousandth, more in a wide distribution.
TAILS, WIDE_TAILS = 2e-3, 1e-2


@pytest.fixture(scope="module")
def fit() -> mc.GLMM:
    """Normal responses whose spread depends on a predictor."""
    rng = np.random.default_rng(6)
    g, x = np.repeat(np.arange(10), 5), rng.normal(size=50)
    z = rng.normal(size=10)[g] + np.exp(0.3 * x) * rng.normal(size=50)
    return mc.glmm("z ~ 1 + (1 | g)", pd.DataFrame({"g": g, "x": x, "z": z}), dispersion="~ x")


def test_a_linear_response_gains_its_leverage(fit):
    """Where the mean follows the response by h and the spread is known, the gain is h."""
    plan = port_of(fit).perturb("one-step")
    perturbed, nodes = plan.perturbed, plan.trials.nodes
    problem, eta = perturbed.problem, np.stack(perturbed.mode.point.eta)
    h = np.linspace(0.05, 0.6, problem.n)
    changes = np.zeros((len(nodes.y), 2, problem.n))
    changes[:, 0] = h * (nodes.y - problem.data.y)
    fitted = ResponseDistribution(problem.family, np.ones(1), eta[None], None)
    assert grid_excess(perturbed, fitted, nodes, changes) == pytest.approx(h, rel=TAILS)
    weights = grid_weights(perturbed, fitted, nodes)
    first_order = np.einsum("tkn,tkn->n", weights, changes)
    assert first_order == pytest.approx(h, rel=1e-6)


def test_components_count_by_their_variance(fit):
    """Of two laws, one of them twice as wide, each has its own gain, wherever they lie."""
    plan = port_of(fit).perturb("one-step")
    perturbed, nodes = plan.perturbed, plan.trials.nodes
    problem, eta = perturbed.problem, np.stack(perturbed.mode.point.eta)
    changes = np.zeros((len(nodes.y), 2, problem.n))
    changes[:, 0] = 0.2 * (nodes.y - problem.data.y)
    wide = eta + np.array([0.5, np.log(2.0)])[:, None]
    distribution = ResponseDistribution(
        problem.family, np.array([0.75, 0.25]), np.stack([eta, wide]), None
    )
    expected = np.full(problem.n, 0.2 * (0.75 + 0.25 * 4.0))
    assert grid_excess(perturbed, distribution, nodes, changes) == pytest.approx(
        expected, rel=WIDE_TAILS
    )


def test_counts_gain_by_one_count_less():
    """``y (eta(y) - eta(y - 1))``, and nothing where there is no count."""
    y = np.array([0.0, 1.0, 4.0])
    problem = mc.glmm("y ~ 1 + (1 | g)", {"y": [*y, 2.0], "g": [1, 1, 2, 2]}, family="poisson")
    held = port_of(problem).problem
    eta = np.zeros((1, 4))
    changes = np.full((1, 4), -0.3)
    assert chen_stein(held, eta, changes) == pytest.approx(0.3 * held.data.y)
