"""Which approximation of the likelihood, and how many nodes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import ConvergenceError, SeparationWarning
from mixcheck.fitting.likelihood import quadrature
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.objective import Objective
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.quadrature import GaussHermite
from mixcheck.port import port_of

# The Newton decrement at the mode is below 1e-16; log det H is off by its root.
DEVIANCE = 1e-8


@pytest.mark.parametrize("size", [1e-5, 1e-3, 0.05, 0.5])
@pytest.mark.parametrize("layout", ["one", "vector", "nested", "nested_two_crossed"])
def test_warm_start(small: SimpleNamespace, layout: str, size: float) -> None:
    """An evaluation does not depend on the one before it, near or far."""
    case, rng = small.case(layout, "poisson-log", 8), np.random.default_rng(0)
    objective = objective_of(case.problem, Laplace())
    before = objective(case.psi, None)
    for _ in range(4):
        psi = case.psi + size * rng.normal(size=case.psi.size)
        cold, warm = objective(psi, None), objective(psi, before)
        assert warm.deviance == pytest.approx(cold.deviance, abs=DEVIANCE)
        np.testing.assert_allclose(warm.gradient, cold.gradient, atol=1e2 * DEVIANCE)
        before = warm


def test_nodes_settle(cbpp: mc.GLMM) -> None:
    """The nodes chosen differ from many more by less than is asked."""
    evaluation = objective_of(port_of(cbpp).problem, Laplace())(port_of(cbpp).optimum.psi, None)
    chosen = GaussHermite(settled=False).refine(port_of(cbpp).problem, evaluation)
    assert chosen.nodes > 1
    many = [
        objective_of(port_of(cbpp).problem, GaussHermite(k))(
            port_of(cbpp).optimum.psi, evaluation
        ).deviance
        for k in (chosen.nodes, 101)
    ]
    assert abs(many[0] - many[1]) < 2.0 * quadrature._AGREEMENT


def test_nodes_do_not_settle(cbpp: mc.GLMM, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tolerance that no rule reaches is one clear error."""
    monkeypatch.setattr(quadrature, "_AGREEMENT", 0.0)
    evaluation = objective_of(port_of(cbpp).problem, Laplace())(port_of(cbpp).optimum.psi, None)
    with pytest.raises(ConvergenceError, match="found no number of nodes up to 201 at which"):
        GaussHermite(settled=False).refine(port_of(cbpp).problem, evaluation)


def test_the_most_nodes_tried_in_two_dimensions_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two effects of a level the error names the last number tried, and no other."""
    rng = np.random.default_rng(2)
    g, x = np.repeat(np.arange(6), 5), rng.normal(size=30)
    y = rng.poisson(np.exp(1.0 + rng.normal(size=6)[g] + rng.normal(scale=0.5, size=6)[g] * x))
    fit = mc.glmm("y ~ x + (x || g)", {"y": y, "x": x, "g": g}, family="poisson")
    problem = port_of(fit).problem
    tried: list[int] = []

    def noted(problem: Problem, method: GaussHermite) -> Objective:
        tried.append(method.nodes)
        return objective_of(problem, method)

    psi = np.array([1.0, 0.0, 1.0, 0.5])
    evaluation = objective_of(problem, Laplace())(psi, None)
    monkeypatch.setattr(quadrature, "_AGREEMENT", 0.0)
    monkeypatch.setattr(quadrature, "objective_of", noted)
    with pytest.raises(ConvergenceError, match=r"up to 51 at which .* nodes=41 and nodes=51"):
        GaussHermite(settled=False).refine(problem, evaluation)
    assert max(tried) == 51


def test_words() -> None:
    """A method says what it is."""
    assert str(Laplace()) == "Laplace, observed information"
    assert str(GaussHermite(7)) == "adaptive quadrature, 7 nodes"


@pytest.mark.parametrize(
    "family", ["gamma", "lognormal", pytest.param("beta", marks=pytest.mark.slow)]
)
def test_unbounded_likelihood(family: str) -> None:
    """Responses that one level, or every group, reproduces exactly end in one sentence at once."""
    rng = np.random.default_rng(3)
    n = 160
    group, level = np.arange(n) % 16, np.repeat(["a", "b", "c", "d"], 40)
    data = pd.DataFrame({"g": group, "f": level, "x": rng.normal(size=n)})
    data["level"] = np.where(level == "b", 0.3, rng.uniform(0.1, 0.9, n))
    data["group"] = 0.1 + group / 20
    with pytest.raises(ConvergenceError, match="constant, also within some level"):
        mc.glmm("level ~ f + (1 | g)", data, family=family, dispersion="~ f")
    with pytest.raises(ConvergenceError, match=r"within the levels of \(1 \| g\)"):
        mc.glmm("group ~ x + (1 | g)", data, family=family)


@pytest.mark.slow
def test_dispersion_that_vanishes() -> None:
    """A dispersion beside a random effect of each row vanishes at a finite likelihood."""
    rng = np.random.default_rng(4)
    n = 80
    data = pd.DataFrame({"y": rng.lognormal(0.0, 0.3, n), "row": np.arange(n)})
    with pytest.warns(SeparationWarning, match="dispersion: Intercept"):
        fit = mc.glmm("y ~ 1 + (1 | row)", data, family="gamma")
    assert np.isfinite(fit.llf)
