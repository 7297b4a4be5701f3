"""Several starts: models whose parts compete for the same zeros and the same variation."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import SeparationWarning
from mixcheck.families import get_family
from mixcheck.families.zero_part import add_zeros
from mixcheck.fitting.estimation.estimate import re_estimate
from mixcheck.fitting.estimation.other_starts import (
    distant_covariances,
    drawn_starts,
    has_many_maxima,
    has_several_parts,
    is_optimum,
    other_starts,
    without_zero_part,
)
from mixcheck.fitting.estimation.quasi_newton import POLE
from mixcheck.fitting.estimation.searches import Searches
from mixcheck.fitting.estimation.start import find_start, fit_without_random_effects, whiten
from mixcheck.fitting.glmm import _design
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.port import port_of

# glmmTMB ends at a gradient of 5e-4, and its log-likelihoods are given to four digits.
GLMMTMB = 2e-4

SALAMANDERS = {
    ("count ~ mined + (1 | site)", "~ 1 + (1 | site)"): -866.1261,
    ("count ~ spp * mined + (1 | site)", "~ 1 + (1 | site)"): -812.6168,
    ("count ~ spp + mined + (1 | site)", "~ spp + (1 | site)"): -813.4874,
    ("count ~ spp * mined + (1 | site)", "~ spp + (1 | site)"): -802.0623,
}


@pytest.mark.slow
@pytest.mark.parametrize(("model", "llf"), SALAMANDERS.items())
def test_zero_parts_with_random_effects_reach_the_optimum(
    model: tuple[str, str], llf: float
) -> None:
    """Salamanders, zero-inflated nbinom2: log-likelihoods of glmmTMB 1.1.5."""
    formula, zi = model
    fit = mc.glmm(formula, mc.datasets.load("Salamanders"), family="nbinom2", zi=zi)
    assert fit.converged
    assert not fit.convergence.runaway
    assert fit.llf == pytest.approx(llf, abs=GLMMTMB)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "zero_intercept"),
    [({}, -6.0), ({}, 4.0), ({"method": "profiled"}, -6.0), ({"reml": True}, 4.0)],
)
def test_a_search_from_far_away_ends_at_the_optimum(
    options: dict[str, Any], zero_intercept: float
) -> None:
    """A re-estimate that runs to a pole of Laplace's approximation is begun anew."""
    fit = mc.glmm(
        "count ~ mined + (1 | site)",
        mc.datasets.load("Salamanders"),
        family="nbinom2",
        zi="~ 1 + (1 | site)",
        **options,
    )
    far = port_of(fit).optimum.psi.copy()
    far[port_of(fit).problem.beta_slices[2]] += zero_intercept
    again = re_estimate(port_of(fit).problem, far, port_of(fit)._root, fit.method)
    assert -0.5 * again.evaluation.deviance == pytest.approx(fit.llf, abs=1e-6)
    assert again.gradient < 1e-6


@pytest.mark.slow
def test_quadrature_reaches_the_optimum_too() -> None:
    """Salamanders: the log-likelihood tends to the exact -864.05 (41 x 41 nodes) with the nodes."""
    fit = mc.glmm(
        "count ~ mined + (1 | site)",
        mc.datasets.load("Salamanders"),
        family="nbinom2",
        zi="~ 1 + (1 | site)",
        method="agq",
        nodes=5,
    )
    assert fit.converged
    assert -866.12 < fit.llf < -864.05
    assert port_of(fit).optimum.psi[-1] == pytest.approx(1.9, abs=0.4)


def three_parts(seed: int, n: int = 3000, groups: int = 100) -> pd.DataFrame:
    """Zero-inflated nbinom2 with random effects in mean, dispersion and zero part."""
    rng = np.random.default_rng(seed)
    g = np.arange(n) % groups
    x, z = rng.normal(0, 1, n), rng.integers(0, 2, n).astype(float)
    u, v, w = (rng.normal(0, sd, groups)[g] for sd in (0.6, 0.6, 0.9))
    mu, theta = np.exp(1 + 0.3 * x + u), np.exp(0.8 + 0.4 * z + v)
    y = rng.poisson(mu * rng.gamma(theta, 1 / theta))
    zero = rng.random(n) < 1 / (1 + np.exp(1 - w))
    return pd.DataFrame({"x": x, "z": z, "g": g, "y": np.where(zero, 0, y)})


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "llf"), [(9, -5604.5429), (6, -5424.0359)])
def test_local_maxima_are_not_returned(seed: int, llf: float) -> None:
    """Three parts: the better of two maxima, found before by a refit from another start."""
    fit = mc.glmm(
        "y ~ x + (1 | g)",
        three_parts(seed),
        family="nbinom2",
        dispersion="~ z + (1 | g)",
        zi="~ 1 + (1 | g)",
    )
    assert fit.converged
    assert fit.llf == pytest.approx(llf, abs=1e-3)


@pytest.mark.slow
def test_drawn_starts_bring_a_search_to_rest() -> None:
    """Every fixed start runs to a pole of Laplace's approximation.

    Groups do not differ in the zero part: glmmTMB 1.1.5 without their random effect there
    has -346.7552171, and with it comes to no end.
    """
    rng = np.random.default_rng(29)
    n = 200
    g = np.arange(n) % 20
    x, z = rng.normal(size=n), rng.integers(0, 2, n).astype(float)
    eta = 1 + 0.3 * x + rng.normal(0, 0.6, 20)[g]
    theta = np.exp(0.5 + 0.4 * z + rng.normal(0, 0.6, 20)[g])
    y = rng.poisson(rng.gamma(theta, np.exp(eta) / theta))
    y[rng.random(n) < 1 / (1 + np.exp(1 - z - rng.normal(0, 0.9, 20)[g]))] = 0
    data = pd.DataFrame({"y": y, "x": x, "z": z, "g": g})
    with pytest.warns(mc.errors.BoundaryWarning):
        fit = mc.glmm("y ~ x + (1 | g)", data, family="nbinom2", zi="~ z + (1 | g)")
    assert fit.converged
    assert fit.llf == pytest.approx(-346.7552171, abs=1e-6)


@pytest.mark.slow
def test_a_way_around_poles() -> None:
    """Searches from all starts run to poles, but for one from where the expected information led.

    There is no random variation in the zero part, and the value is that of the model without it:
    glmmTMB 1.1.5 has no random effects of a dispersion.
    """
    case = scenarios().draw("three", 26)
    options = {"family": case.family, "dispersion": case.dispersion}
    with pytest.warns(mc.errors.BoundaryWarning):
        fit = mc.glmm(case.formula, case.data, zi=case.zi, **options)
    assert fit.converged
    simpler = mc.glmm(case.formula, case.data, zi="~ z", **options)
    assert simpler.converged
    assert fit.llf == pytest.approx(simpler.llf, abs=1e-5)


def scenarios() -> Any:
    """The data sets of the study of models with several parts."""
    path = Path(__file__).parents[3] / "validation" / "fitting" / "scenarios.py"
    spec = importlib.util.spec_from_file_location("scenarios", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["scenarios"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("number", "limit"), [(83, True), pytest.param(21, False, marks=pytest.mark.slow)]
)
def test_a_zero_part_next_to_nothing_is_no_end_by_itself(number: int, limit: bool) -> None:
    """No slope is left there: whether the deviance rises on the way back tells.

    With the zero part held at a logit of -8, the log-likelihood of the first data set rises
    towards that of the model without it, and that of the second falls by .007.
    """
    case = scenarios().draw("zinb", number)
    family = add_zeros(get_family(case.family))
    design = _design(case.formula, case.data, family, case.zi, None, None, None, None, None)
    problem = arrange(design, family)
    searches = Searches(problem, Laplace())
    psi = find_start(problem, fit_without_random_effects(problem))
    psi[problem.beta_slices[2]], psi[-1] = (-21.0, 0.0), 0.5
    first = objective_of(problem, Laplace())(psi, None)
    end = searches.minimise(psi, whiten(problem, first), first=first, hessian=False)
    assert is_optimum(end)
    assert problem.fixed(end.psi)[2].max() < -15.0
    after = searches.come_back(end)
    assert (after is end) is limit
    if not limit:
        assert problem.fixed(after.psi)[2].max() > -15.0


def test_correlations_of_either_sign_are_tried() -> None:
    """The better of two maxima of compound symmetry: the other, -175.5283, has a correlation < 0.

    The better one is the best end of eight searches with deviations and correlations of all sizes.
    """
    rng = np.random.default_rng([7, 5])
    q, m, r = int(rng.integers(2, 5)), int(rng.integers(12, 40)), int(rng.integers(1, 4))
    g, v = np.repeat(np.arange(m), q * r), np.tile(np.repeat(np.arange(q), r), m)
    sd = rng.uniform(0, 1, q) * rng.integers(0, 2, q)
    rho = rng.uniform(-1 / (q - 1), 1)
    values, vectors = np.linalg.eigh((1 - rho) * np.eye(q) + rho)
    effects = rng.normal(size=(m, q)) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T * sd
    y = rng.poisson(np.exp(0.5 + effects[g, v]))
    data = pd.DataFrame({"y": y, "v": pd.Categorical(v.astype(str)), "g": g})
    with pytest.warns(mc.errors.BoundaryWarning):
        fit = mc.glmm("y ~ v + cs(0 + v | g)", data, family="poisson")
    assert fit.converged
    assert fit.llf == pytest.approx(-175.42244, abs=1e-4)
    problem = port_of(fit).problem
    start = port_of(fit).optimum.psi
    signs = {
        np.sign(problem.terms[0].covariance.natural(psi[problem.n_beta :])[-1])
        for psi in distant_covariances(problem, start)
    }
    assert signs == {-1.0, 1.0}


def test_hardly_any_zeros_are_a_start() -> None:
    """The likelihood there is all but that without a zero part, for inflation only."""
    data = three_parts(1, 400, 20)
    for name in ("nbinom2", "truncated_nbinom2"):
        family = add_zeros(get_family(name))
        design = _design("y ~ x + (1 | g)", data, family, "~ z", None, None, None, None, None)
        problem = arrange(design, family)
        start = find_start(problem, fit_without_random_effects(problem))
        found = list(without_zero_part(problem, start))
        assert len(found) == (name == "nbinom2")
        for psi in found:
            zero = problem.fixed(psi)[family.predictors.index("zi")]
            np.testing.assert_allclose(zero, -8.0)


def test_starts_differ_and_have_a_finite_likelihood() -> None:
    """Every start lies in the domain, away from poles, and none is another."""
    family = add_zeros(get_family("nbinom2"))
    data = three_parts(1, 400, 20)
    design = _design(
        "y ~ x + (1 | g)", data, family, "~ 1 + (1 | g)", "~ z", None, None, None, None
    )
    problem = arrange(design, family)
    start = find_start(problem, fit_without_random_effects(problem))
    others = list(other_starts(problem, start))
    assert has_several_parts(problem)
    assert len({tuple(np.round(psi, 6)) for psi in [start, *others]}) == len(others) + 1
    objective = objective_of(problem, Laplace())
    for psi in others:
        evaluation = objective(psi, None)
        assert np.isfinite(evaluation.deviance)
        assert evaluation.spread < POLE


@pytest.mark.slow
def test_local_maxima_of_a_dispersion_model() -> None:
    """A dispersion model competes with random effects: no end below the best of our own starts.

    From the first start alone the searches end 0.03 and 0.19 lower.
    """
    for seed, llf in ((0, -165.30379), (1, -163.60788)):
        rng = np.random.default_rng(seed)
        n = 90
        group, level = np.arange(n) % 9, np.array(list("abc"))[np.arange(n) // 30]
        x = rng.normal(size=n)
        eta = 0.5 + 0.4 * x + rng.normal(0.0, 0.5, 9)[group] + rng.normal(0.0, 0.5, n)
        y = rng.poisson(rng.gamma(np.exp(eta), 1.0))
        data = pd.DataFrame({"y": y, "x": x, "f": level, "g": group, "row": np.arange(n)})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SeparationWarning)
            fit = mc.glmm("y ~ x + (1 | g) + (1 | row)", data, family="nbinom1", dispersion="~ f")
        assert fit.converged
        assert fit.llf > llf - 1e-4


def few_rows(seed: int) -> pd.DataFrame:
    """Twenty-four gamma responses: six groups that differ in a slope, three levels of a shape."""
    rng = np.random.default_rng([sum(map(ord, "gamma")), seed])
    n, m = 24, 6
    g, x = np.arange(n) % m, rng.normal(size=n)
    rng.normal(size=n)
    f = np.array(list("abc"))[rng.integers(0, 3, n)]
    f[:3] = list("abc")
    u = rng.normal(0, 0.6, (2, m))
    u[1] += rng.uniform(-1, 1) * u[0]
    rng.integers(0, 5, n)
    eta = 0.7 + 0.4 * x + u[0][g] + u[1][g] * x * rng.choice([0, 0.5, 1])
    shape = np.exp(rng.uniform(0, 2, 3))[np.unique(f, return_inverse=True)[1]]
    return pd.DataFrame(
        {"y": rng.gamma(shape, np.exp(1.5 * eta + 5) / shape), "x": x, "f": f, "g": g}
    )


@pytest.mark.slow
def test_one_level_of_a_dispersion_far_from_the_others() -> None:
    """The best of ten random starts is -159.2639; the fixed starts end at -160.6601 or there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.errors.BoundaryWarning)
        fit = mc.glmm("y ~ x + (1 + x | g)", few_rows(13), family="gamma", dispersion="~ f")
    assert fit.converged
    assert fit.llf == pytest.approx(-159.2639, abs=1e-4)


def test_drawn_starts_are_the_same_in_every_run() -> None:
    """Drawn starts lie around the first one, and a second call draws the same."""
    family = get_family("gamma")
    design = _design(
        "y ~ x + (1 + x | g)", few_rows(0), family, None, "~ f", None, None, None, None
    )
    problem = arrange(design, family)
    assert has_many_maxima(problem, problem.n)
    start = find_start(problem, fit_without_random_effects(problem))
    one, two = list(drawn_starts(problem, start)), list(drawn_starts(problem, start))
    np.testing.assert_array_equal(one, two)
    assert len({tuple(psi) for psi in one}) == len(one)
    assert all(psi[-2] != 0.0 for psi in one)
