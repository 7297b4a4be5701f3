"""Fits at the limit of a dispersion or of tails take few evaluations, and end at the limit."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import SeparationWarning
from mixcheck.fitting.estimation.estimate import evaluate_standardised
from mixcheck.fitting.estimation.tails import find_tails, is_limit
from mixcheck.fitting.likelihood.approximation import Approximation
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.quadrature import GaussHermite
from mixcheck.port import port_of

# Two searches of one problem end this close.
LLF = 1e-8
# A search that follows a part to its limit takes up to 80 from each of five starts.
FEW = 120


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Counts, successes and numbers that vary less than their families allow."""
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(10), 6), rng.normal(size=60)
    mean = np.exp(1.0 + 0.3 * x + rng.normal(0.0, 0.5, 10)[g])
    y = np.round(mean + 0.3 * rng.normal(size=60)).clip(0)
    return pd.DataFrame(
        {
            **{"y": y, "least": y + 1, "k": np.minimum(y, 9), "m": 12, "x": x, "g": g},
            "r": np.log(mean) + rng.uniform(-1.0, 1.0, 60),
        }
    )


@pytest.fixture
def evaluations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many there were, in its only entry."""
    count = [0]

    def counted(kind: type[Approximation]) -> Any:
        before = kind.evaluate

        def evaluate(self: Any, *args: Any, **kwargs: Any) -> Any:
            count[0] += 1
            return before(self, *args, **kwargs)

        return evaluate

    for kind in (Laplace, GaussHermite):
        monkeypatch.setattr(kind, "evaluate", counted(kind))
    return count


def fit_at_limit(formula: str, data: pd.DataFrame, **options: Any) -> mc.GLMM:
    """A fit of which a dispersion or tails have no finite estimate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparationWarning)
        return mc.glmm(formula, data, **options)


@pytest.mark.parametrize(
    ("formula", "options", "simpler"),
    [
        ("y ~ x + (1 | g)", {"family": "nbinom2"}, "poisson"),
        ("y ~ x + (1 | g)", {"family": "nbinom1"}, "poisson"),
        ("y ~ x + (1 | g)", {"family": "nbinom2", "zi": "~ 1"}, "poisson"),
        ("least ~ x + (1 | g)", {"family": "truncated_nbinom2", "reml": True}, "truncated_poisson"),
        ("k / m ~ x + (1 | g)", {"family": "betabinomial"}, "binomial"),
        ("r ~ x + (1 | g)", {"family": "t", "method": "agq"}, "gaussian"),
    ],
)
def test_few_evaluations_lead_to_the_simpler_family(
    table: pd.DataFrame,
    evaluations: list[int],
    formula: str,
    options: dict[str, Any],
    simpler: str,
) -> None:
    """The log-likelihood is that of the simpler family, which is fitted by itself."""
    fit = fit_at_limit(formula, table, **options)
    assert evaluations[0] < FEW
    assert fit.convergence.converged
    assert fit.convergence.limits
    rest = {k: v for k, v in options.items() if k in ("reml", "method")}
    if simpler == "gaussian":
        # Quadrature is exact for it, up to the nodes.
        alone = mc.glmm(formula, table, family=simpler)
        assert abs(fit.llf - alone.llf) < 1e-5
    else:
        alone = mc.glmm(formula, table, family=simpler, **rest)
        assert abs(fit.llf - alone.llf) < LLF


def test_a_refit_at_a_limit_is_a_fit(table: pd.DataFrame, evaluations: list[int]) -> None:
    """Few evaluations there too, to the same end."""
    fit = fit_at_limit("k / m ~ x + (1 | g)", table, family="betabinomial")
    drawn = fit.simulate(1, seed=1)[0]
    evaluations[0] = 0
    again = fit.refit(drawn)
    assert evaluations[0] < FEW
    anew = fit_at_limit("k / m ~ x + (1 | g)", table.assign(k=drawn), family="betabinomial")
    assert abs(again.llf - anew.llf) < LLF


def test_an_optimum_far_out_is_no_limit(evaluations: list[int]) -> None:
    """A size of 800 whose gain over Poisson is small is found, as fast as any other."""
    rng = np.random.default_rng([9, 0])
    g = np.repeat(np.arange(100), 30)
    mean = np.exp(3.5 + rng.normal(0.0, 0.3, 100)[g])
    size = 600.0
    data = pd.DataFrame({"y": rng.negative_binomial(size, size / (size + mean)), "g": g})
    fit = mc.glmm("y ~ 1 + (1 | g)", data, family="nbinom2")
    assert evaluations[0] < 40
    assert not fit.convergence.limits
    optimum = port_of(fit).optimum
    poisson = mc.glmm("y ~ 1 + (1 | g)", data, family="poisson")
    assert 0.1 < fit.llf - poisson.llf < 2.0
    # From the limit the deviance falls on the way back: the test of a limit says so.
    problem, method = port_of(fit).problem, port_of(fit).method
    tails = find_tails(problem)
    assert tails is not None
    psi = optimum.psi.copy()
    psi[1] = 10.0
    at = evaluate_standardised(problem, psi, optimum.scale, method)

    def evaluate(there: np.ndarray) -> Any:
        return evaluate_standardised(problem, there, optimum.scale, method)

    assert not is_limit(evaluate, tails, 1, psi, at, -2.0 * poisson.llf)


@pytest.mark.parametrize(
    ("family", "seed", "least"),
    [
        pytest.param("nbinom2", 0, 0.2, marks=pytest.mark.slow),
        ("nbinom2", 5, 0.02),
        pytest.param("nbinom1", 1, 0.005, marks=pytest.mark.slow),
        pytest.param("nbinom1", 5, 0.1, marks=pytest.mark.slow),
    ],
)
def test_a_small_gain_over_the_simpler_family_is_an_estimate(
    family: str, seed: int, least: float
) -> None:
    """What tells a limit is the log-likelihood above that of the limit, and no large size."""
    rng = np.random.default_rng(seed)
    g, x = np.arange(3000) % 30, rng.normal(size=3000)
    mean = np.exp(3.3 + 0.2 * x + rng.normal(0.0, 0.3, 30)[g])
    size = 1450.0 if family == "nbinom2" else mean / 0.02
    data = pd.DataFrame({"y": rng.poisson(rng.gamma(size, mean / size)), "x": x, "g": g})
    fit = mc.glmm("y ~ x + (1 | g)", data, family=family)
    simpler = mc.glmm("y ~ x + (1 | g)", data, family="poisson")
    assert fit.convergence.converged
    assert not fit.convergence.limits
    assert least < fit.llf - simpler.llf < 0.3
    port = port_of(fit)
    psi, scale = port.optimum.psi, port.optimum.scale
    place = port.problem.beta_slices[1].start
    around = []
    for shift in (-0.05, 0.0, 0.05):
        at = psi.copy()
        at[place] += shift
        around.append(evaluate_standardised(port.problem, at, scale, port.method))
    low, here, high = (at.deviance for at in around)
    assert min(low, high) > here
    # The other parameters hardly depend on the dispersion: its own curvature is its information.
    bend = (around[2].gradient[place] - around[0].gradient[place]) / 0.1
    np.testing.assert_allclose(port.covariance[place, place], 2.0 / bend, rtol=0.05)


def test_the_slope_tells_what_is_left(table: pd.DataFrame) -> None:
    """On a tail the deviance is above its limit by the slope, and the slope falls with x."""
    fit = fit_at_limit("y ~ x + (1 | g)", table, family="nbinom2")
    port = port_of(fit)
    tails = find_tails(port.problem)
    assert tails is not None
    scale, found = np.eye(port.optimum.psi.size), []
    for out in (8.0, 9.5):
        psi = port.optimum.psi.copy()
        psi[2] = out
        found.append(evaluate_standardised(port.problem, psi, port.optimum.scale, port.method))
    for at in found:
        left = at.deviance + 2.0 * fit.llf
        assert left == pytest.approx(-at.gradient[2], rel=0.01)
    assert tails.reached(found[0]) == [1]
    assert tails.holds(found[0], found[1], 1e-3 * scale)
    assert not tails.holds(found[1], found[0], 1e-3 * scale)


def test_parts_with_random_effects_or_priors_have_no_tail(table: pd.DataFrame) -> None:
    """They are searched to their end."""
    fit = fit_at_limit(
        "y ~ x + (1 | g)",
        table,
        family="nbinom2",
        priors={"dispersion: Intercept": mc.priors.normal(0, 1)},
    )
    assert find_tails(port_of(fit).problem) is None
    gaussian = mc.glmm("r ~ x + (1 | g)", table)
    assert find_tails(port_of(gaussian).problem) is None
