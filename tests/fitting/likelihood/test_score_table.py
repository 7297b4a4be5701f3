"""A table of scores that all responses of one design share."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.fitting.estimation.one_step import step_from
from mixcheck.fitting.likelihood.mode import find_mode
from mixcheck.fitting.likelihood.score_table import tabulate_scores
from mixcheck.port import port_of

N, LEVELS = 10_000, 250
# Modes by cubics between 49 nodes, in units of the prior: their decrement is below 1e-6 in all.
CUBIC = 1e-4
# Of a step, in standard errors: the root of the decrement to which modes are known there.
STEP = 1e-3


def _data(seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g, x = rng.integers(0, LEVELS, N), rng.normal(size=N)
    slope = 0.5 + 0.3 * rng.normal(size=LEVELS)[g]
    eta = -0.4 + slope * x + 0.8 * rng.normal(size=LEVELS)[g]
    size = rng.integers(1, 9, N)
    return pd.DataFrame(
        {
            "x": x,
            "z": rng.uniform(0.5, 1.5, N),
            "g": g,
            "w": rng.uniform(0.5, 2.0, N),
            "size": size,
            "hit": (rng.random(N) < 1.0 / (1.0 + np.exp(-eta))).astype(int),
            "events": rng.binomial(size, 1.0 / (1.0 + np.exp(-eta))),
            "count": rng.poisson(np.exp(eta)),
            "caught": rng.poisson(np.exp(eta)) * (rng.random(N) < 0.7),
        }
    )


CASES = {
    "0/1": ("hit ~ x + (1 | g)", "binomial", None),
    "successes of trials": ("events / size ~ x + (1 | g)", "binomial", None),
    "counts, a slope alone": ("count ~ x + (0 + z | g)", "poisson", None),
    "weights": ("count ~ x + offset(log(z)) + (1 | g)", "poisson", "w"),
}


@pytest.mark.parametrize("case", CASES)
def test_modes_of_any_response_are_those_of_newtons_method(case):
    """Of responses that the table was not made with."""
    formula, family, weights = CASES[case]
    data = _data()
    fit = mc.glmm(formula, data, family=family, weights=None if weights is None else data[weights])
    port = port_of(fit)
    psi = port.optimum.psi
    table = tabulate_scores(port.problem, psi)
    assert table is not None
    for response in fit.simulate(2, seed=5, conditioning="marginal").to_numpy(dtype=float).T:
        problem = port.problem.with_response(response)
        roots = problem.roots(psi[problem.n_beta :])
        found = find_mode(problem, problem.fixed(psi), roots, problem.latent.zeros())
        np.testing.assert_allclose(table.modes(problem)[0], found.point.u[0], atol=CUBIC)


def test_levels_beyond_the_table_begin_at_its_end():
    """A response of ones alone has a mode far out, and the search goes there."""
    fit = mc.glmm("hit ~ x + (1 | g)", _data(), family="binomial")
    port = port_of(fit)
    psi = port.optimum.psi
    table = tabulate_scores(port.problem, psi)
    response = np.where(_data()["g"] == 3, 1e5, _data()["count"]).astype(float)
    counts = port_of(mc.glmm("count ~ x + (1 | g)", _data(), family="poisson"))
    high = tabulate_scores(counts.problem, counts.optimum.psi)
    problem = counts.problem.with_response(response)
    start = high.modes(problem)
    assert np.isfinite(start[0]).all()
    assert start[0][0, 3] == high.nodes[-1]
    hits = port.problem.with_response(np.ones(N))
    assert np.isfinite(table.modes(hits)[0]).all()


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("hit ~ x + (1 | g)", {"family": mc.families.Binomial("probit")}),
        ("caught ~ x + (1 | g)", {"family": "nbinom2"}),
        ("count ~ x + (1 + x | g)", {"family": "poisson"}),
        ("caught ~ x + (1 | g)", {"family": "poisson", "zi": "~ 1"}),
    ],
)
def test_none_where_one_sum_does_not_tell_a_score(formula, options):
    """Another link, a dispersion, two effects of a level, a zero part."""
    port = port_of(mc.glmm(formula, _data(), **options))
    assert tabulate_scores(port.problem, port.optimum.psi) is None


def test_none_of_few_rows():
    """A look at them costs less than the table saves."""
    port = port_of(mc.glmm("count ~ x + (1 | g)", _data()[:9_000], family="poisson"))
    assert tabulate_scores(port.problem, port.optimum.psi) is None


def test_step_does_not_depend_on_where_it_began():
    """With the table and without, to the error of the modes."""
    fit = mc.glmm("hit ~ x + (1 | g)", _data(), family="binomial")
    port = port_of(fit)
    psi = port.optimum.psi
    errors = np.sqrt(np.einsum("ij,ij->i", port._root, port._root))
    table = tabulate_scores(port.problem, psi)
    y = fit.simulate(1, seed=3, conditioning="marginal")[0].to_numpy()
    problem = port.problem.with_response(y)
    one = step_from(problem, psi, port._root, fit.method, table=table)
    other = step_from(problem, psi, port._root, fit.method)
    assert not np.array_equal(one.psi, psi)
    np.testing.assert_allclose((one.psi - other.psi) / errors, 0.0, atol=STEP)
