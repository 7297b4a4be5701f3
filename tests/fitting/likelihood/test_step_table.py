"""The deviance of every response of a design, from a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.estimation.one_step import step_from
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.step_table import StepTable, tabulate_step
from mixcheck.port import port_of

ROWS = 12_000


def fitted(family: str, slope: bool, weighted: bool, sd: float = 0.7) -> Any:
    """The port of a fit to many rows, with an intercept or a slope of each level."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(ROWS, 3)), columns=["a", "b", "z"])
    data["g"] = rng.integers(0, 60, ROWS)
    effect = sd * rng.normal(size=60)[data["g"]] * (data["z"] if slope else 1.0)
    eta = -0.5 + 0.4 * data["a"] - 0.2 * data["b"] + effect
    data["w"] = rng.integers(1, 4, ROWS)
    data["size"] = rng.integers(1, 6, ROWS)
    if family == "poisson":
        data["y"] = rng.poisson(np.exp(eta))
        formula = "y ~ a + b"
    else:
        data["y"] = rng.binomial(data["size"], 1.0 / (1.0 + np.exp(-eta)))
        formula = "y / size ~ a + b"
    term = "(0 + z | g)" if slope else "(1 | g)"
    weights = {"weights": "w"} if weighted else {}
    return port_of(mc.glmm(f"{formula} + {term}", data, family=family, **weights))


def table_of(port: Any) -> StepTable:
    """The table at its estimates, which must be there."""
    table = tabulate_step(port.problem, port.optimum.evaluation, port._root)
    assert table is not None
    return table


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("slope", [False, True])
@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_deviance_gradient_and_modes_are_those_of_the_rows(
    family: str, slope: bool, weighted: bool
) -> None:
    """Of other responses than that of the fit; the modes at the end of a step to second order."""
    port = fitted(family, slope, weighted)
    table, psi = table_of(port), port.optimum.psi
    for k in range(3):
        problem = port.problem.with_response(port.respond(np.random.default_rng(k)))
        start, known = table.at(problem), objective_of(problem, port.method)(psi, None)
        assert start.deviance == pytest.approx(known.deviance, abs=1e-3)
        np.testing.assert_allclose(
            port._root.T @ start.gradient, port._root.T @ known.gradient, atol=1e-4
        )
        np.testing.assert_allclose(start.modes(psi)[0], known.mode.point.u[0], atol=1e-6)
        step = -port._root @ (port._root.T @ known.gradient)
        errors = []
        for share in (1.0, 0.1):
            end = psi + share * step
            found = objective_of(problem, port.method)(end, known).mode.point.u[0]
            errors.append(np.abs(start.modes(end)[0] - found).max())
        assert errors[1] < 0.02 * errors[0] + 1e-6


def test_steps_are_those_of_rows() -> None:
    """To a thousandth of a standard error, and no deviance beyond what modes leave."""
    port = fitted("binomial", slope=False, weighted=False)
    table, method = table_of(port), port.method
    for k in range(3):
        problem = port.problem.with_response(port.respond(np.random.default_rng(k)))
        args = problem, port.optimum.psi, port._root, method
        one, other = step_from(*args), step_from(*args, table=table)
        moved = np.linalg.solve(port._root, one.psi - other.psi)
        assert np.abs(moved).max() < 1e-3
        assert one.evaluation.deviance == pytest.approx(other.evaluation.deviance, abs=1e-3)


def test_no_table() -> None:
    """Where a table is not that of the likelihood, would be larger than the rows, or not close."""
    port = fitted("poisson", slope=False, weighted=False)
    at = port.optimum.evaluation
    assert tabulate_step(port.problem, replace(at, deviance=at.deviance + 0.01), port._root) is None
    steep = fitted("poisson", slope=True, weighted=False)
    psi = at.psi.copy()
    psi[-1] = 50.0
    assert (
        tabulate_step(steep.problem, replace(steep.optimum.evaluation, psi=psi), steep._root)
        is None
    )
    few = port_of(mc.glmm("y ~ a + (1 | g)", port.frame.iloc[:5_000], family="poisson"))
    assert tabulate_step(few.problem, few.optimum.evaluation, few._root) is None
