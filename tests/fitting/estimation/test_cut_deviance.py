"""The deviance with a cut determinant, and what it is good for in a search."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.estimation import cut_deviance, searches
from mixcheck.fitting.estimation.cut_deviance import (
    cut_hessian,
    cut_objective,
    find_remainder,
    has_cut,
)
from mixcheck.fitting.estimation.estimate import estimate
from mixcheck.fitting.estimation.optimize import differentiate_gradient
from mixcheck.fitting.estimation.searches import Searches
from mixcheck.fitting.estimation.start import find_start, fit_without_random_effects
from mixcheck.fitting.latent import iterated_elimination
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.laplace import Laplace, Profiled
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.results.port import GlmmPort
from mixcheck.port import port_of

# Of a log-likelihood, and of a search in standard errors.
SAME_LLF = 1e-7
SAME_PLACE = 1e-5
# Of standard errors without the second derivatives of the remainder in fixed effects.
SAME_ERRORS = 1e-4


def made(family: str, *, alike: bool = False) -> GlmmPort:
    """A fit of 60 levels crossed with 40, of which each may be dealt the same responses."""
    rng = np.random.default_rng([5, *family.encode()])
    g, h = rng.integers(0, 60, 1500), rng.integers(0, 40, 1500)
    x = rng.normal(size=g.size)
    eta = 0.3 + 0.4 * x + 0.6 * rng.normal(size=60)[g] + 0.5 * rng.normal(size=40)[h]
    mean = np.exp(eta)
    y = {
        "poisson": lambda: rng.poisson(mean),
        "binomial": lambda: rng.binomial(1, mean / (1.0 + mean)),
        "nbinom2": lambda: rng.poisson(mean * rng.gamma(2.0, 0.5, g.size)),
    }[family]()
    if alike:
        h[np.argsort(y)] = np.arange(y.size) % 40
    fit = mc.glmm(
        "y ~ x + (1 | g) + (1 | h)", pd.DataFrame({"x": x, "g": g, "h": h, "y": y}), family=family
    )
    found: GlmmPort = port_of(fit)
    return found


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there are many crossed effects is not asked."""
    monkeypatch.setattr(cut_deviance, "_LEAST_EFFECTS", 1)
    monkeypatch.setattr(searches, "_MANY_EFFECTS", 1)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Evaluations of the whole deviance and of the cut one."""
    counts: Counter[str] = Counter()
    evaluate = Laplace.evaluate

    def counted(self: Laplace, problem: Problem, *args: Any, **options: Any) -> Any:
        counts["cut" if problem.latent.iterative else "whole"] += 1
        return evaluate(self, problem, *args, **options)

    monkeypatch.setattr(Laplace, "evaluate", counted)
    return counts


@pytest.mark.usefixtures("small")
def test_remainder_is_that_of_the_fit() -> None:
    """Where it was taken, the deviance and its gradient are those that they stand for."""
    port = made("poisson")
    at = port.optimum.evaluation
    remainder = find_remainder(port.problem, at, port.method)
    assert remainder is not None
    again = cut_objective(port.problem, port.method)(at.psi, at).plus(remainder)
    assert again.deviance == pytest.approx(at.deviance, rel=1e-10)
    np.testing.assert_allclose(port._root.T @ again.gradient, 0.0, atol=1e-4)


@pytest.mark.usefixtures("small")
def test_no_remainder_where_nothing_is_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Systems that neither iterations nor a matrix solve leave the whole deviance alone."""
    port = made("poisson")
    monkeypatch.setattr(iterated_elimination, "_MOST_FORMED", 1)
    monkeypatch.setattr(iterated_elimination, "_MOST_STEPS", 1)
    assert find_remainder(port.problem, port.optimum.evaluation, port.method) is None
    start = find_start(port.problem, fit_without_random_effects(port.problem))
    assert Searches(port.problem, port.method).near_cut(start) is None


def test_hessian_is_that_of_the_deviance() -> None:
    """To more digits than that of the cut deviance, with a whole gradient for each theta alone."""
    for family in ("poisson", "binomial"):
        port = made(family)
        problem, at, scale = port.problem, port.optimum.evaluation, port._root
        wanted = differentiate_gradient(objective_of(problem, port.method), at.psi, scale, at)
        cut = cut_objective(problem, port.method)
        rough = differentiate_gradient(cut, at.psi, scale, cut(at.psi, at))
        found = cut_hessian(problem, port.method, scale, at)
        np.testing.assert_allclose(found, found.T, rtol=1e-10)

        def errors(hessian: np.ndarray) -> np.ndarray:
            return np.sqrt(np.diag(np.linalg.inv(hessian)))

        off = np.abs(errors(found) / errors(wanted) - 1.0)
        assert off.max() < SAME_ERRORS
        assert off[-2:].max() < 0.1 * np.abs(errors(rough) / errors(wanted) - 1.0)[-2:].max()


@pytest.mark.parametrize("family", ["poisson", "binomial", "nbinom2"])
@pytest.mark.usefixtures("small")
def test_search_ends_at_the_same_optimum(family: str, looks: Counter[str], monkeypatch) -> None:
    """That of the whole deviance, which is looked at a few times only."""
    port = made(family)
    looks.clear()
    found = estimate(port.problem, port.method)
    assert looks["cut"] > looks["whole"] > 0
    began, _ = looks["whole"], looks.clear()
    monkeypatch.setattr(searches, "_MANY_EFFECTS", 10_000)
    whole = estimate(port.problem, port.method)
    assert looks["cut"] == 0
    assert began < 0.5 * looks["whole"]
    assert found.evaluation.llf == pytest.approx(whole.evaluation.llf, abs=SAME_LLF)
    errors = [np.sqrt(2.0 * np.diag(np.linalg.inv(end.hessian))) for end in (found, whole)]
    np.testing.assert_allclose(errors[0], errors[1], rtol=2.0 * SAME_ERRORS)
    assert (np.abs(found.psi - whole.psi) / errors[1]).max() < SAME_PLACE


@pytest.mark.usefixtures("small")
def test_where_nothing_is_cut(cbpp) -> None:
    """Not for nested factors, nor for a likelihood maximised otherwise."""
    nested, crossed = port_of(cbpp), made("poisson")
    assert not has_cut(nested.problem, nested.method)
    assert not has_cut(crossed.problem, Profiled())
    for port, cut in ((nested, False), (crossed, True)):
        start = find_start(port.problem, fit_without_random_effects(port.problem))
        assert (Searches(port.problem, port.method).near_cut(start) is not None) == cut


@pytest.mark.usefixtures("small")
def test_a_variance_of_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is zero, it is by both ways."""
    with pytest.warns(mc.BoundaryWarning):
        edge = made("poisson", alike=True)
    monkeypatch.setattr(searches, "_MANY_EFFECTS", 10_000)
    whole = estimate(edge.problem, edge.method)
    assert edge.optimum.psi[-1] == pytest.approx(0.0, abs=1e-4)
    assert edge.optimum.evaluation.llf == pytest.approx(whole.evaluation.llf, abs=SAME_LLF)
