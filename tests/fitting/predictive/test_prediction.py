"""Predictions from predictors on new data."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from mixcheck.design import apply_design
from mixcheck.fitting.predictive.prediction import (
    fixed_predictors,
    random_contribution,
    random_variance,
)

ROUNDING = 1e-12


def test_fixed(small: SimpleNamespace) -> None:
    """Offset and fixed part of each predictor."""
    case = small.case("two_predictors", "gaussian-identity", 3, shifted=True)
    mean, dispersion = case.design.predictors
    betas = [np.array([1.0, 2.0]), np.array([0.5, -0.5])]
    found = fixed_predictors(case.design.predictors, betas)
    np.testing.assert_allclose(found[0], mean.offset + mean.X @ betas[0], atol=ROUNDING)
    np.testing.assert_allclose(found[1], dispersion.X @ betas[1], atol=ROUNDING)


def test_random(small: SimpleNamespace) -> None:
    """The sum of z'b over terms, zero for a level never seen."""
    case = small.case("crossed_vector", "poisson-log", 3)
    rng = np.random.default_rng(0)
    effects = {"(1 + x | g)": rng.normal(size=(6, 2)), "(1 + w | h)": rng.normal(size=(4, 2))}
    frame = small.table(8, 1).assign(g=[0, 1, 2, 3, 4, 5, 99, 0], h=[0, 1, 2, 3, 0, 1, 99, 99])
    (part,) = apply_design(case.design, frame, unseen="zero")
    found = random_contribution(part, effects, {})
    for i, row in enumerate(frame.itertuples()):
        wanted = 0.0
        if row.g != 99:
            wanted += effects["(1 + x | g)"][row.g] @ [1.0, row.x]
        if row.h != 99:
            wanted += effects["(1 + w | h)"][row.h] @ [1.0, row.w]
        assert abs(found[i] - wanted) < ROUNDING


def test_variance(small: SimpleNamespace) -> None:
    """The sum of z' Sigma z over terms, also for a level never seen."""
    case = small.case("crossed_vector", "poisson-log", 3)
    one, other = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([[1.0, -0.3], [-0.3, 0.7]])
    frame = small.table(8, 1).assign(g=99)
    (part,) = apply_design(case.design, frame, unseen="zero")
    found = random_variance(part, {"(1 + x | g)": one, "(1 + w | h)": other})
    for i, row in enumerate(frame.itertuples()):
        z, v = np.array([1.0, row.x]), np.array([1.0, row.w])
        assert abs(found[i] - z @ one @ z - v @ other @ v) < ROUNDING
