"""What leaving out one row does to the coefficients, by one step."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.influence.row_removal import remove_rows
from mixcheck.port import port_of

ROUNDING = 1e-9
# Of estimates by two searches.
SEARCH = 1e-4


@pytest.mark.parametrize("formula", ["y ~ x + (1 | f) + (1 | g)", "y ~ x + (x || f)", "y ~ x"])
def test_it_is_exact_for_known_variances(formula: str) -> None:
    """The joint least squares of coefficients and random effects, solved without each row."""
    rng = np.random.default_rng(3)
    f, g, x = np.repeat(np.arange(6), 5), np.tile(np.arange(5), 6), rng.normal(size=30)
    y = x + 1.5 * rng.normal(size=6)[f] * (1.0 + x) + rng.normal(size=5)[g] + rng.normal(size=30)
    fit = mc.glmm(formula, pd.DataFrame({"y": y, "x": x, "f": f, "g": g}))
    port = port_of(fit)
    X = np.column_stack([np.ones(30), x])
    columns = {"f": np.eye(6)[f], "g": np.eye(5)[g]}
    blocks, precisions = [X], [np.zeros(2)]
    components = fit.variance_components
    for group, name, variance in zip(
        *(components["group"], components["name"], components["variance"]), strict=True
    ):
        if variance > 0.0 and group in columns:
            Z = columns[group] * (1.0 if name == "Intercept" else x[:, None])
            blocks.append(Z)
            precisions.append(np.full(Z.shape[1], 1.0 / variance))
    A, prior = np.hstack(blocks), np.diag(np.concatenate(precisions))
    sigma2 = float(port.observe("mode", np.random.default_rng(0)).mode_variance[0])

    def solve(kept: np.ndarray) -> np.ndarray:
        return np.linalg.solve(A[kept].T @ A[kept] / sigma2 + prior, A[kept].T @ y[kept] / sigma2)

    whole = solve(np.ones(30, dtype=bool))
    scores = (y - A @ whole) / sigma2
    inverse = np.linalg.inv(A.T @ A / sigma2 + prior)[:2, :2]
    problem, eta = port.problem, port.mode.point.eta
    roots = problem.roots(port.optimum.psi[problem.n_beta :])
    (taken, _) = remove_rows(problem, roots, eta, {0: inverse, 1: np.zeros((1, 1))})
    told = -(problem.to_design(taken[0]) * scores[:, None]) @ inverse
    wanted = np.stack([(solve(np.arange(30) != i) - whole)[:2] for i in range(30)])
    np.testing.assert_allclose(told, wanted, atol=ROUNDING)


def test_the_port_gives_it_by_part_in_the_order_of_the_data() -> None:
    """Zeros of their own: what the scores of each part move in the coefficients of both."""
    rng = np.random.default_rng(4)
    f, x = rng.permutation(np.repeat(np.arange(10), 6)), rng.normal(size=60)
    y = rng.poisson(np.exp(1.0 + 0.5 * rng.normal(size=10)[f])) * rng.binomial(1, 0.7, size=60)
    frame = pd.DataFrame({"y": y, "x": x, "f": f})
    fit = mc.glmm("y ~ x + (1 | f)", frame, family="poisson", zi="~ 1")
    other = mc.glmm("y ~ x + (1 | f)", frame[::-1], family="poisson", zi="~ 1")
    found, turned = port_of(fit).row_removals(), port_of(other).row_removals()
    assert found["mean"]["zi"].shape == (60, 2)
    assert found["zi"]["mean"].shape == (60, 1)
    for part in ("mean", "zi"):
        for of in ("mean", "zi"):
            np.testing.assert_allclose(found[part][of], turned[part][of][::-1], atol=SEARCH)
