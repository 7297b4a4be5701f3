"""What estimation takes of scores, against matrices written out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import ConvergenceError
from mixcheck.execution.streams import stream
from mixcheck.fitting.predictive.score_projection import ScoreCovariance, project_scores
from mixcheck.port import Scored, port_of

ROUNDING = 1e-9


@pytest.fixture(scope="module")
def data():
    """Grouped rows in no order of theirs."""
    rng = np.random.default_rng(4)
    g = rng.permutation(np.repeat(np.arange(8), 5))
    x = rng.normal(size=40)
    h = rng.integers(0, 6, 40)
    eta = 1.2 + 0.4 * x + 0.5 * rng.normal(size=8)[g]
    # Effects that no estimate of their variance takes to zero.
    v = eta + np.arange(8.0)[g] + np.arange(6.0)[h] + rng.normal(size=40)
    y = rng.poisson(np.exp(eta)) * (rng.random(40) > 0.3)
    return pd.DataFrame(
        {
            "x": x,
            "g": g,
            "h": h,
            "v": v,
            "y": y,
        }
    )


def written_out(fit):
    """V of all parts, (K n, K n), and X, (K n, P), with Woodbury's formula turned round."""
    port = port_of(fit)
    problem, view, mode = port.problem, port._view, port.mode
    count, n = len(problem.X), problem.n
    second = problem.expected(mode.point.eta).second
    W = np.zeros((count * n, count * n))
    for (a, b), held in second.items():
        for c, d in {(a, b), (b, a)}:
            W[c * n : (c + 1) * n, d * n : (d + 1) * n] = np.diag(held)
    Z = []
    for factor, root in zip(problem.latent.factors, view.roots, strict=True):
        for level in range(factor.m):
            for unit in root.T:
                effects = [np.zeros(f.shape) for f in problem.latent.factors]
                effects[problem.latent.factors.index(factor)][:, level] = unit
                parts = problem.latent.gather(effects, count)
                Z.append(np.concatenate([np.zeros(n) if p is None else p for p in parts]))
    Z = np.array(Z).T
    middle = np.linalg.inv(np.eye(Z.shape[1]) + Z.T @ W @ Z)
    V = W - W @ Z @ middle @ Z.T @ W
    X = np.zeros((count * n, sum(x.shape[1] for x in problem.X)))
    for k, (x, where) in enumerate(zip(problem.X, problem.beta_slices, strict=True)):
        X[k * n : (k + 1) * n, where] = x
    return V, X


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("v ~ x + (1 | g) + (1 | h)", {"family": "gaussian"}),
        ("y ~ x + (1 | g)", {"family": "poisson"}),
        ("y ~ x + (1 | g)", {"family": "poisson", "zi": "~ x"}),
    ],
)
def test_the_slopes_are_those_of_matrices_written_out(data, formula, options):
    """``V X (X'V X)^-1``, of all parts together."""
    port = port_of(mc.glmm(formula, data, **options))
    V, X = written_out(port)
    expected = V @ X @ np.linalg.inv(X.T @ V @ X)
    projection, n = port.project_scores(), len(data)
    for k, name in enumerate(port.family.predictors):
        rows = port.problem.to_design(expected[k * n : (k + 1) * n])
        np.testing.assert_allclose(projection.slopes[name], rows, atol=ROUNDING)
        np.testing.assert_array_equal(projection.matrices[name], port.fixed_matrices[name])


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
@pytest.mark.parametrize("family", ["poisson", "nbinom1"])
def test_zeros_that_a_model_lacks_have_a_covariance_with_its_scores(data, family):
    """``E (1(y = 0) / p - 1) s(y)``, a sum over all counts, times what the predictor moves by."""
    port = port_of(mc.glmm("y ~ x + (1 | g)", data, family=family))
    projection, problem = port.project_scores(), port.problem
    order, eta = problem.to_design, port.mode.point.eta
    zero = problem.family.probability(np.zeros(problem.n), tuple(eta), problem.data.size)
    total = np.zeros((len(problem.X), problem.n))
    for count in range(400):
        y = np.full(problem.n, float(count))
        mass = problem.family.probability(y, tuple(eta), problem.data.size)
        scores = np.stack(problem.with_rows(y).derivatives(tuple(eta), 1).first)
        total += mass * ((count == 0) / zero - 1.0) * scores
    given = ScoreCovariance.at(problem, port._view.roots, eta)
    columns = [(k, column) for k, X in enumerate(problem.X) for column in X.T]
    moved = np.stack([given.follow(k, column) for k, column in columns], axis=-1)
    weighed = np.stack([given.times(k, column) for k, column in columns], axis=-1)
    inner = np.stack([other @ weighed[a] for a, other in columns])
    expected = order(np.einsum("an,anp->np", total, moved) @ np.linalg.inv(inner))
    np.testing.assert_allclose(projection.inflation, expected, atol=1e-7)


def test_zeros_have_no_such_scores_where_they_have_a_part(data):
    """Nor where none can be added."""
    inflated = mc.glmm("y ~ x + (1 | g)", data, family="poisson", zi="~ 1")
    assert port_of(inflated).project_scores().inflation is None
    assert port_of(mc.glmm("v ~ x + (1 | g)", data)).project_scores().inflation is None


def test_in_a_gaussian_model_they_lead_to_the_scores_at_the_estimates(data):
    """Fixed effects moved by their generalised least squares: exact with variances held."""
    port = port_of(mc.glmm("v ~ x + (1 | g)", data))
    assert isinstance(port, Scored)
    (seen,) = port.replicate_many("posterior", [stream(1, 1, 0)])
    projection = port.project_scores()
    total = {name: X.T @ seen.scores[name] for name, X in projection.matrices.items()}
    moved = seen.scores["mean"] - projection.slopes["mean"] @ np.concatenate(list(total.values()))
    V, X = written_out(port)
    n = len(data)
    V, X = V[:n, :n], X[:n, :2]
    rows = port.problem.order
    centred = (seen.response - port.fixed_matrices["mean"] @ port.params.to_numpy())[rows]
    held = V - V @ X @ np.linalg.inv(X.T @ V @ X) @ X.T @ V
    np.testing.assert_allclose(moved, port.problem.to_design(held @ centred), atol=ROUNDING)


def test_an_information_without_a_value_is_told(data):
    """Predictors that are no numbers have no information to project by."""
    port = port_of(mc.glmm("y ~ x + (1 | g)", data, family="poisson"))
    far = [np.full(40, np.nan)]
    with pytest.raises(ConvergenceError, match="information of the rows is not finite"):
        project_scores(port.problem, port._view.roots, far)
