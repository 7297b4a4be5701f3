"""Degrees of freedom by term, against the dense joint hat matrix."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.influence.effective_df import joint_degrees, split_degrees
from mixcheck.port import port_of

FORMULAS = [
    "y ~ x + (1 | g)",
    "y ~ x + (1 + x | g)",
    "y ~ x + (1 | g / part)",
    "y ~ x + (1 | g) + (1 | h)",
    "y ~ 0 + (1 | g)",
    "y ~ x + ar1(0 + t | g)",
    "y ~ x + (1 | h) + ar1(0 + t | g)",
]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Ten groups of six, two parts each; three crossed levels."""
    rng = np.random.default_rng(6)
    g, h = np.repeat(np.arange(10), 6), np.tile(np.arange(3), 20)
    x = rng.normal(size=60)
    eta = 0.8 + 0.4 * x + rng.normal(size=10)[g] * (0.8 + 0.6 * x) + rng.normal(size=3)[h] * 0.5
    part = np.tile([0, 0, 0, 1, 1, 1], 10)
    eta = eta + np.tile([1.0, -1.0, -1.0, 1.0], 5)[2 * g + part]
    t = np.tile(np.arange(6), 10)
    return pd.DataFrame(
        {"g": g, "h": h, "part": part, "t": t, "x": x, "y": rng.poisson(np.exp(eta))}
    )


def dense_degrees(fit: mc.GLMM) -> list[float]:
    """Traces of the diagonal blocks of ``J^-1 C'WC``: fixed effects, then each term."""
    theta, columns, sizes = port_of(fit).theta.to_numpy(), [port_of(fit).design.predictors[0].X], []
    for term in port_of(fit).problem.terms:
        block = term.block
        root = term.covariance.root(theta[term.theta])
        whole = np.zeros((fit.nobs, len(block.levels), root.shape[0]))
        Z = block.Z if block.positions is None else np.eye(len(root))[block.positions]
        whole[np.arange(fit.nobs), block.codes] = Z @ root
        columns.append(whole.reshape(fit.nobs, -1))
        sizes.append(columns[-1].shape[1])
    C = np.column_stack(columns)
    information = C.T @ (fit.fittedvalues.to_numpy()[:, None] * C)
    prior = np.concatenate([np.zeros(columns[0].shape[1]), np.ones(sum(sizes))])
    traces = np.diag(np.linalg.solve(information + np.diag(prior), information))
    return [
        float(part.sum()) for part in np.split(traces, np.cumsum([columns[0].shape[1], *sizes]))
    ]


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
@pytest.mark.parametrize("formula", FORMULAS)
def test_traces_are_those_of_the_dense_matrix(formula, table):
    """Fixed effects and each random term, in the order of the model."""
    fit = mc.glmm(formula, table, family="poisson")
    found = list(joint_degrees(port_of(fit).problem, port_of(fit).mode).values())
    assert found == pytest.approx(dense_degrees(fit)[: len(found)], abs=1e-7)


def test_what_is_left_is_of_the_variances(table):
    """Parts sum to the whole, and the dispersion has what it adds."""
    fit = mc.glmm("y ~ x + (1 | g)", table)
    seen: list[int] = []

    def slope(free: np.ndarray) -> float:
        seen.append(free.size)
        return 10.0 + free.size

    parts = split_degrees(port_of(fit).problem, port_of(fit).mode, slope)
    assert sum(parts.values()) == pytest.approx(14.0)
    assert parts["dispersion"] == 1.0
    assert sorted(seen) == [2, 3, 4]
