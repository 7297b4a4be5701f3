"""Newton's method for one scalar effect: it ends where the general search ends, or nowhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.families.template import Template
from mixcheck.fitting.estimation import searches
from mixcheck.fitting.estimation.scalar_search import ScalarEnd, search_scalar
from mixcheck.fitting.estimation.start import find_start, fit_without_random_effects
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.laplace_hessian import differentiate_twice
from mixcheck.fitting.likelihood.scalar_laplace import scalar_rows
from mixcheck.port import port_of

# Both searches end at a gradient of 1e-6 of a standard error, or less.
LIKELIHOOD = 1e-9
ESTIMATES = 2e-6
# Standard errors of the Hessian at the end, relative.
ERRORS = 1e-6


def draw(seed: int) -> tuple[str, pd.DataFrame, dict[str, Any]]:
    """A random model of the class with effects that may vary much, little or not at all."""
    rng = np.random.default_rng([9, seed])
    n, levels = int(rng.integers(30, 400)), int(rng.integers(4, 40))
    g = rng.choice(levels, n, p=rng.dirichlet(np.full(levels, 2.0)))
    frame = pd.DataFrame({"g": g, "x": rng.normal(size=n), "m": rng.integers(2, 20, n)})
    slope, counts = rng.random() < 0.3, rng.random() < 0.5
    effect = float(rng.choice([0.0, 0.3, 0.8, 3.0])) * rng.normal(size=levels)[g]
    eta = rng.normal() + 0.5 * frame.x + effect * (frame.x if slope else 1.0)
    if counts:
        frame["y"] = rng.poisson(np.exp(np.clip(eta, -9.0, 9.0)))
    else:
        frame["y"] = rng.binomial(frame.m, 1.0 / (1.0 + np.exp(-eta)))
    if rng.random() < 0.3:  # another unit
        frame["x"] *= 1e4
    left = "y" if counts else "y / m"
    family = "poisson" if counts else "binomial"
    return f"{left} ~ x + ({'0 + x' if slope else '1'} | g)", frame, {"family": family}


def fitted(formula: str, frame: pd.DataFrame, **options: Any) -> tuple[mc.GLMM, list[ScalarEnd]]:
    """A fit, and where the searches by Newton's method have ended on its way."""
    ends: list[ScalarEnd] = []

    def watch(*given: Any) -> ScalarEnd | None:
        found = search_scalar(*given)
        ends.extend([] if found is None else [found])
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searches, "search_scalar", watch)
        return mc.glmm(formula, frame, **options), ends


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.filterwarnings("ignore::mixcheck.MixcheckWarning")
def test_it_ends_where_the_general_search_ends(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Likelihood, estimates, standard errors, and what is said of them."""
    formula, frame, options = draw(seed)
    fit, ends = fitted(formula, frame, **options)
    with monkeypatch.context() as without:
        without.setattr(Laplace, "scalar", lambda self, problem: None)
        other = mc.glmm(formula, frame, **options)
    assert fit.llf == pytest.approx(other.llf, abs=LIKELIHOOD * (1.0 + abs(other.llf)))
    moved = np.abs(fit.params - other.params) / other.bse
    assert moved.max() < ESTIMATES
    np.testing.assert_allclose(fit.bse, other.bse, rtol=2e-5)
    assert fit.convergence.messages == other.convergence.messages
    assert fit.convergence.converged
    if ends:
        assert not fit.convergence.singular
        optimum = port_of(fit).optimum
        exact = np.linalg.inv(differentiate_twice(port_of(fit).problem, optimum.evaluation))
        found = np.linalg.inv(optimum.hessian)
        np.testing.assert_allclose(np.diag(found) / np.diag(exact), 1.0, atol=2.0 * ERRORS)


@pytest.mark.filterwarnings("ignore::mixcheck.MixcheckWarning")
def test_it_finds_nearly_all_optima_in_the_interior_in_few_steps() -> None:
    """Of the fits above; the others have a variance of zero."""
    steps, missed = [], 0
    for seed in range(40):
        formula, frame, options = draw(seed)
        fit, ends = fitted(formula, frame, **options)
        missed += not ends and not fit.convergence.singular
        steps += [end.evaluations for end in ends]
    assert missed <= 3
    assert len(steps) > 20
    assert np.median(steps) <= 4
    assert max(steps) <= 12


def test_a_common_model_takes_three_evaluations() -> None:
    """500 counts in 50 groups."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"g": np.repeat(np.arange(50), 10), "x": rng.normal(size=500)})
    eta = 0.5 + 0.4 * frame.x + 0.5 * rng.normal(size=50)[frame.g]
    frame["y"] = rng.poisson(np.exp(eta))
    fit, (end,) = fitted("y ~ x + (1 | g)", frame, family="poisson")
    assert end.evaluations <= 4
    # One more is that of the general modules where it ends.
    assert fit.convergence.evaluations <= end.evaluations + 1
    mode = port_of(fit).optimum.evaluation.mode
    np.testing.assert_allclose(mode.point.u[0][0], end.u, atol=1e-6)


def test_coefficients_that_begin_far_away() -> None:
    """With large counts coefficients and effects are first sought together."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"g": np.repeat(np.arange(12), 6), "x": rng.normal(size=72)})
    frame["y"] = rng.poisson(np.exp(6.0 + 0.3 * frame.x + 1.5 * rng.normal(size=12)[frame.g]))
    fit, ends = fitted("y ~ x + (1 | g)", frame, family="poisson")
    assert len(ends) == 1
    assert fit.convergence.converged


@pytest.mark.parametrize("wrong", ["zero", "negative", "least", "nan"])
def test_where_it_does_not_begin(wrong: str) -> None:
    """Without a positive deviation, at the least moment estimate, or where nothing is finite."""
    formula, frame, options = draw(4)
    problem = port_of(mc.glmm(formula, frame, **options)).problem
    rows = scalar_rows(problem)
    assert rows is not None
    start = find_start(problem, fit_without_random_effects(problem))
    assert search_scalar(rows, start) is not None
    if wrong == "nan":
        start[0] = np.nan
    else:
        start[-1] *= {"zero": 0.0, "negative": -1.0, "least": 1e-4}[wrong]
    assert search_scalar(rows, start) is None


def test_a_variance_of_zero_is_left_to_the_general_search() -> None:
    """It is at the boundary of what there is."""
    frame = pd.DataFrame({"g": np.tile(np.arange(10), 6), "y": np.tile([3, 4, 5], 20)})
    with pytest.warns(mc.BoundaryWarning):
        fit, ends = fitted("y ~ 1 + (1 | g)", frame, family="poisson")
    assert ends == []
    assert fit.variance_components["sd"].iloc[0] == 0.0


def test_a_family_without_fourth_derivatives() -> None:
    """One that somebody wrote may have the canonical link and no more than three."""
    plain = type("Counts", (mc.families.Poisson,), {"fourth": Template.fourth})
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": rng.integers(0, 20, 200), "x": rng.normal(size=200)})
    effects = 0.5 * rng.normal(size=20)
    data["y"] = rng.poisson(np.exp(0.3 * data["x"] + effects[data["g"]]))
    known = mc.glmm("y ~ x + (1 | g)", data, family="poisson")
    found = mc.glmm("y ~ x + (1 | g)", data, family=plain())
    assert found.llf == pytest.approx(known.llf, abs=1e-8)
    np.testing.assert_allclose(found.bse, known.bse, rtol=1e-4)
