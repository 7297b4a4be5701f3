"""The best of several searches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.searches import Searches
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.port import port_of


@pytest.fixture(scope="module")
def problem() -> Problem:
    """Counts that vary as a negative binomial does."""
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(12), 8)
    mean = np.exp(1.0 + rng.normal(0.0, 0.5, 12)[g])
    data = pd.DataFrame({"y": rng.negative_binomial(2.0, 2.0 / (2.0 + mean)), "g": g})
    return port_of(mc.glmm("y ~ 1 + (1 | g)", data, family="nbinom2")).problem


@pytest.fixture(scope="module")
def inside(problem: Problem) -> Optimum:
    """The optimum of it, with a finite dispersion."""
    return Searches(problem, Laplace()).from_start(np.array([1.0, 0.5, 0.4]))


def on_tail(inside: Optimum, above: float) -> Optimum:
    """A search that has stopped so far above an optimum."""
    at = replace(inside.evaluation, deviance=inside.evaluation.deviance + above)
    return replace(inside, evaluation=at, on_tail=True, hessian=None)


def test_a_tail_beside_an_optimum(problem: Problem, inside: Optimum) -> None:
    """What is left on a tail is no more than 0.1; where that does not tell, it is followed."""
    searches = Searches(problem, Laplace(), tails=True)
    assert searches._better(on_tail(inside, 0.3), inside) == (inside, 0)
    low = on_tail(inside, -0.1)
    assert searches._better(inside, low) == (low, 0)
    # Followed from where it stands, this one ends at the optimum itself.
    best, used = searches._better(on_tail(inside, 0.05), inside)
    assert best is inside
    assert used >= 0
    stalled = replace(inside, gradient=1.0)
    high = on_tail(inside, 5.0)
    assert searches._better(stalled, high)[0] is high


def test_two_tails_are_one(problem: Problem, inside: Optimum) -> None:
    """The first stays where the other is no lower than what either has left."""
    searches = Searches(problem, Laplace(), tails=True)
    first = on_tail(inside, 0.05)
    assert searches._better(on_tail(inside, 0.0), first)[0] is first
    lower = on_tail(inside, -1.0)
    assert searches._better(lower, first)[0] is lower


def test_tails_are_for_those_who_ask(problem: Problem, inside: Optimum) -> None:
    """A search without them ends at an optimum with its curvature, and so does one with them."""
    asked = Searches(problem, Laplace(), tails=True).from_start(np.array([1.0, 0.5, 0.4]))
    assert not asked.on_tail
    assert asked.hessian is not None
    assert asked.evaluation.deviance == inside.evaluation.deviance


def test_search_follows_the_modes_where_there_are_several():
    """A density that is not concave in its mean; another end, at -537.94, is 3.6 lower."""
    rng = np.random.default_rng(143)
    g, x = rng.integers(0, 35, 470), rng.normal(size=470)
    slopes = 0.5 + 0.3 * rng.normal(size=35)
    log_mean = slopes[g] * x + 0.3 * rng.normal(size=35)[g]
    data = pd.DataFrame({"x": x, "g": g, "y": np.exp(log_mean + 0.5 * rng.normal(size=470))})
    fit = mc.glmm("y ~ x + (0 + x | g)", data, family="lognormal")
    assert fit.convergence.converged
    assert fit.llf > -534.31
