"""Fits from scratch, and to a new response."""

from __future__ import annotations

import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import BoundaryWarning, ConvergenceError
from mixcheck.fitting.estimation.curvature import hessian_at
from mixcheck.fitting.estimation.estimate import estimate
from mixcheck.fitting.estimation.optimize import minimise
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.searches import Searches
from mixcheck.fitting.estimation.start import whiten
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.port import port_of

# What a refit must share with a fit from scratch.
LLF, PARAMETERS = 1e-6, 1e-4
RESPONSES = 50


def groups(seed: int = 1) -> pd.DataFrame:
    """Fifteen groups of four, crossed with six."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"g": np.repeat(np.arange(15), 4), "h": np.tile(np.arange(6), 10), "x": rng.normal(size=60)}
    )


def responses(family: str, sd: float, frame: pd.DataFrame, count: int) -> list[np.ndarray]:
    """Simulated responses with a random intercept of g."""
    rng, out = np.random.default_rng(2), []
    for _ in range(count):
        eta = 0.5 + 0.3 * frame["x"].to_numpy() + sd * rng.normal(size=15)[frame["g"]]
        if family == "poisson":
            out.append(rng.poisson(np.exp(eta)).astype(float))
        elif family == "binomial":
            out.append((rng.random(60) < 1.0 / (1.0 + np.exp(-eta))).astype(float))
        else:
            out.append(eta + rng.normal(size=60))
    return out


def quiet(formula: str, frame: pd.DataFrame, family: str) -> mc.GLMM:
    """A fit that may be singular."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        return mc.glmm(formula, frame, family=family)


CASES = [
    ("poisson", 0.5, "y ~ x + (1 | g)"),
    ("poisson", 0.0, "y ~ x + (1 | g)"),
    ("binomial", 0.4, "y ~ x + (1 | g)"),
    ("gaussian", 0.3, "y ~ x + (1 | g)"),
    ("poisson", 0.2, "y ~ x + (1 | g) + (1 | h)"),
]


@pytest.mark.slow
@pytest.mark.parametrize("singular", [False, True])
@pytest.mark.parametrize(("family", "sd", "formula"), CASES)
def test_refit(family: str, sd: float, formula: str, singular: bool) -> None:
    """A refit is the fit from scratch, from a fit with and without a variance of zero."""
    frame = groups()
    drawn = responses(family, sd, frame, RESPONSES)
    others = responses(family, 0.0 if singular else max(sd, 0.3), frame, 30)
    starts = (quiet(formula, frame.assign(y=y), family) for y in others)
    first = next(fit for fit in starts if bool(fit.convergence.singular) == singular)
    zeros = 0
    for y in drawn[: RESPONSES // 2 if singular or "h" in formula else RESPONSES]:
        one, other = first.refit(y), quiet(formula, frame.assign(y=y), family)
        zeros += bool(other.convergence.singular)
        assert one.llf == pytest.approx(other.llf, abs=LLF)
        assert one.convergence.converged
        assert one.convergence.singular == other.convergence.singular
        deviations = np.sqrt(np.diag(port_of(other).covariance))
        away = np.abs(port_of(one).optimum.psi - port_of(other).optimum.psi)
        assert np.all(away <= PARAMETERS * deviations)
        np.testing.assert_array_equal(port_of(one).observed, y)
    # Both kinds of fit are among them, so that zero is left and reached.
    assert zeros > 0 or sd >= 0.4


def test_refit_to_the_same(cbpp: mc.GLMM) -> None:
    """A refit to the fitted response is the fit, with the same standard errors."""
    again = cbpp.refit(port_of(cbpp).observed)
    assert again.llf == pytest.approx(cbpp.llf, abs=1e-9)
    np.testing.assert_allclose(again.params, cbpp.params, atol=PARAMETERS)
    np.testing.assert_allclose(again.bse, cbpp.bse, rtol=1e-3)


def test_refit_in_the_order_of_the_rows() -> None:
    """The new response is read in the caller's order, not in that of the fitter."""
    frame = groups().sample(frac=1.0, random_state=3)
    one, other = responses("poisson", 0.5, frame, 2)
    fit = quiet("y ~ x + (1 | g) + (1 | h)", frame.assign(y=one), "poisson")
    wanted = quiet("y ~ x + (1 | g) + (1 | h)", frame.assign(y=other), "poisson")
    found = fit.refit(other)
    assert found.llf == pytest.approx(wanted.llf, abs=LLF)
    np.testing.assert_allclose(found.params, wanted.params, atol=1e-6)
    np.testing.assert_allclose(found.fittedvalues, wanted.fittedvalues, rtol=PARAMETERS)


def test_face_is_left(cbpp: mc.GLMM) -> None:
    """A start on the face of no variance reaches the interior optimum."""
    problem = port_of(cbpp).problem
    psi = port_of(cbpp).optimum.psi.copy()
    psi[-1] = 0.0
    objective = objective_of(problem, Laplace())
    scale = whiten(problem, objective(port_of(cbpp).optimum.psi, None))
    assert abs(objective(psi, None).gradient[-1]) < 1e-10
    found = minimise(objective, psi, scale)
    assert found.evaluation.deviance == pytest.approx(-2.0 * cbpp.llf, abs=LLF)
    assert abs(found.psi[-1]) == pytest.approx(port_of(cbpp).optimum.psi[-1], rel=PARAMETERS)


def test_signs(cbpp: mc.GLMM, sleepstudy: mc.GLMM) -> None:
    """Every reported Lambda has a non-negative diagonal."""
    for fit in (cbpp, sleepstudy):
        for root in port_of(fit).problem.roots(
            port_of(fit).optimum.psi[port_of(fit).problem.n_beta :]
        ):
            assert (np.diag(root) >= 0.0).all()


def test_hessian_at(cbpp: mc.GLMM) -> None:
    """The Hessian of a refit is that of the fit."""
    found = hessian_at(port_of(cbpp).problem, port_of(cbpp).optimum, Laplace())
    assert port_of(cbpp).optimum.hessian is not None
    np.testing.assert_allclose(found, port_of(cbpp).optimum.hessian, rtol=1e-4, atol=1e-3)


def test_nowhere_finite(small: SimpleNamespace) -> None:
    """A likelihood that is finite nowhere is one clear error."""
    case = small.case("one", "poisson-identity", 4)
    problem = case.problem
    zero = tuple(np.zeros_like(x) for x in problem.X)
    bad = replace(problem, X=zero, offsets=(np.full(problem.n, -5.0),))
    with pytest.raises(ConvergenceError, match="not finite at the starting values"):
        estimate(bad, Laplace())


def test_a_search_that_ends_where_there_is_no_likelihood_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As with an identity link whose means leave their domain: one sentence, and no fit."""
    frame = groups()
    frame["y"] = responses("poisson", 0.8, frame, 1)[0]
    found = Searches.from_start

    def lost(self: Searches, start: np.ndarray) -> Optimum:
        optimum = found(self, start)
        nowhere = replace(optimum.evaluation, deviance=np.inf, mode=None)
        return replace(optimum, evaluation=nowhere)

    monkeypatch.setattr(Searches, "from_start", lost)
    monkeypatch.setattr(
        "mixcheck.fitting.estimation.estimate.canonical_optimum", lambda _, optimum, __: optimum
    )
    with pytest.raises(ConvergenceError, match="not finite where the search for its maximum ended"):
        mc.glmm("y ~ x + (1 | g)", frame, family="poisson")
