"""Chains of positions: the profiled deviance is that of a dense multivariate normal density."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import block_diag

import mixcheck as mc
from mixcheck.design import build_design
from mixcheck.fitting.glmm import parse_parts
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.chains import Chains
from mixcheck.fitting.likelihood.cross_products import Moments, Products, take_moments
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.profiled_chains import (
    curvature_in_fixed,
    differentiate_chains,
    evaluate_chains,
)

GROUPS, TIMES = 12, 9
# Sums over rows in another order, and solutions of systems of 100 rows.
SAME = 1e-12
# Central differences with steps of 1e-5, of numbers of about 1e2.
SLOPE = 1e-6

ROWS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "complete": lambda f: f,
    "shuffled": lambda f: f.sample(frac=1.0, random_state=1),
    "missing": lambda f: f[f.luck < 0.8],
    "ended early": lambda f: f[f.t < 3 + 2 * (f.g % 4)],
    "a time that nobody has": lambda f: f[f.t != 4],
    "twice": lambda f: pd.concat([f, f[f.t == 2]]),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "precision": {"precision": "w"},
    "frequencies": {"weights": "k"},
}


def table() -> pd.DataFrame:
    """Noise of twelve groups at nine times."""
    rng = np.random.default_rng(5)
    g, t = np.repeat(np.arange(GROUPS), TIMES), np.tile(np.arange(TIMES), GROUPS)
    x, n = rng.normal(size=g.size), g.size
    y = 0.3 * x + 0.1 * t + rng.normal(size=GROUPS)[g] + rng.normal(size=n)
    return pd.DataFrame(
        {
            "y": y,
            "x": x,
            "g": g,
            "t": t,
            "luck": rng.uniform(size=n),
            "w": rng.uniform(0.5, 2.0, n),
            "k": rng.integers(1, 4, n),
        }
    )


def problem_of(formula: str, frame: pd.DataFrame, options: dict[str, Any]) -> Problem:
    """The problem without a fit: noise has none."""
    family = mc.families.Gaussian()
    parsed = parse_parts(formula, family, None, None, options.get("precision"), frame)
    design = build_design(parsed, frame, weights=options.get("weights"), ratio_is_trials=False)
    return arrange(design, family)


def chains_of(rows: str, options: str) -> tuple[Problem, Products, Moments, Chains]:
    """The problem of some rows, and what they add up to."""
    frame = ROWS[rows](table())
    problem = problem_of("y ~ x + t + ar1(0 + t | g)", frame, OPTIONS[options])
    return problem, *sums_of(problem)


def sums_of(problem: Problem) -> tuple[Products, Moments, Chains]:
    """Cross products of a problem, and its chains."""
    products = problem.products_in_order
    assert products is not None
    moments = take_moments(products, problem.X[0], problem.data.y)
    return products, moments, Chains.of(problem.terms[0], products, moments)


def dense_deviance(
    problem: Problem,
    products: Products,
    moments: Moments,
    at: np.ndarray[Any, Any],
    *,
    restricted: bool = False,
) -> float:
    """``log det V + log det W + N (1 + log(2 pi e'V^-1 e / N))`` by the whole matrix V."""
    p, (term,) = products.Q.shape[1], problem.terms
    weights = np.ones(problem.n) if products.weights.rows is None else products.weights.rows
    one = term.covariance.root(at[p:])
    K = block_diag(*[one @ one.T] * term.block.m)
    index = problem.latent.factors[0].sums.index
    V = np.diag(1.0 / weights) + K[np.ix_(index, index)]
    e = moments.residual - products.Q @ at[:p]
    square, total = float(e @ np.linalg.solve(V, e)), products.weights.total
    log_det = float(np.linalg.slogdet(V)[1] + np.log(weights).sum())
    if restricted:
        total -= p
        log_det += float(np.linalg.slogdet(products.Q.T @ np.linalg.solve(V, products.Q))[1])
    return log_det + total * (1.0 + math.log(2.0 * math.pi * square / total))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("rows", ROWS)
def test_deviance_is_that_of_the_dense_density(rows: str, options: str) -> None:
    """Value, gradient and Hessian, at a point that is no optimum."""
    problem, products, moments, chains = chains_of(rows, options)
    at = np.array([0.1, -0.2, 0.3, 0.9, -0.6])
    found = evaluate_chains(chains, at[:3], at[3:])
    assert found is not None
    assert np.array_equal(found.parameters, at)
    if options != "frequencies":
        expected = dense_deviance(problem, products, moments, at)
        assert abs(found.deviance - expected) < SAME * abs(expected)
        slopes = [
            (
                dense_deviance(problem, products, moments, at + step)
                - dense_deviance(problem, products, moments, at - step)
            )
            / 2e-5
            for step in 1e-5 * np.eye(5)
        ]
        assert np.abs(found.gradient - slopes).max() < SLOPE

    def gradient(at: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        there = evaluate_chains(chains, at[:3], at[3:])
        assert there is not None
        return there.gradient

    bends = [(gradient(at + step) - gradient(at - step)) / 2e-5 for step in 1e-5 * np.eye(5)]
    curvature = differentiate_chains(chains, found)
    assert np.abs(curvature.profiled - bends).max() < SLOPE
    assert np.abs(curvature_in_fixed(chains, found) - curvature.square[:3, :3]).max() < SAME


@pytest.mark.parametrize("rows", ["complete", "missing", "ended early"])
def test_restricted_deviance(rows: str) -> None:
    """With the fixed effects integrated out ``log det X'V^-1 X`` is added, with its derivatives."""
    problem, products, moments, alone = chains_of(rows, "plain")
    chains = replace(alone, restricted=True)
    at = np.array([0.1, -0.2, 0.3, 0.9, -0.6])

    def gradient(at: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        there = evaluate_chains(chains, at[:3], at[3:])
        assert there is not None
        return there.gradient

    def dense(at: np.ndarray[Any, Any]) -> float:
        return dense_deviance(problem, products, moments, at, restricted=True)

    found = evaluate_chains(chains, at[:3], at[3:])
    assert found is not None
    assert abs(found.deviance - dense(at)) < SAME * abs(dense(at))
    steps = 1e-5 * np.eye(5)
    slopes = [(dense(at + step) - dense(at - step)) / 2e-5 for step in steps]
    assert np.abs(found.gradient - slopes).max() < SLOPE
    bends = [(gradient(at + step) - gradient(at - step)) / 2e-5 for step in steps]
    assert np.abs(differentiate_chains(chains, found).profiled - bends).max() < SLOPE


def test_blocks_that_are_alike_are_one() -> None:
    """Complete blocks have one pattern, and those that end early one for each length."""
    assert len(chains_of("complete", "plain")[3].information) == 1
    assert sorted(chains_of("ended early", "plain")[3].counts) == [3.0] * 4
    assert len(chains_of("complete", "precision")[3].information) == GROUPS


def test_frequencies_are_rows_written_once() -> None:
    """The deviance with frequencies is that of the rows written so often."""
    whole = table()
    often = whole.loc[whole.index.repeat(whole.k)]
    deviances = []
    for frame, options in ((whole, OPTIONS["frequencies"]), (often, {})):
        chains = sums_of(problem_of("y ~ x + ar1(0 + t | g)", frame, options))[-1]
        found = evaluate_chains(chains, np.zeros(2), np.array([0.7, 0.4]))
        assert found is not None
        deviances.append(found.deviance)
    assert abs(deviances[0] - deviances[1]) < SAME * abs(deviances[0])


def test_nothing_left_over_is_not_evaluated() -> None:
    """Where a difference of sums would have lost digits there is no number."""
    chains = chains_of("complete", "plain")[3]
    assert evaluate_chains(chains, np.zeros(3), np.array([100.0, 0.0])) is None
    assert evaluate_chains(chains, np.zeros(3), np.array([np.nan, 0.0])) is None
