"""Fits without each row, or group of rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks.deletion import leave_out
from mixcheck.port import port_of

# Searches end at a gradient of 1e-6 in units of standard errors.
STANDARD_ERRORS = 2e-5


@pytest.fixture(scope="module")
def counts() -> mc.GLMM:
    """Counts with zeros of their own and crossed factors."""
    rng = np.random.default_rng(2)
    f, g, x = np.repeat(np.arange(12), 10), np.tile(np.arange(10), 12), rng.normal(size=120)
    mean = np.exp(1.2 + 0.3 * x + 0.5 * rng.normal(size=12)[f] + 0.5 * rng.normal(size=10)[g])
    y = rng.poisson(mean) * rng.binomial(1, 0.7, size=120)
    frame = pd.DataFrame({"y": y, "x": x, "f": f, "g": g})
    return mc.glmm("y ~ x + (1 | f) + (1 | g)", frame, family="poisson", zi="~ x")


def test_shifts_are_those_of_fits_to_the_other_rows(counts: mc.GLMM) -> None:
    """Of both parts, in standard errors, and Cook's distance of them."""
    codes = np.where(counts.frame["f"] < 3, counts.frame["f"], -1)
    found = leave_out(port_of(counts), codes, 3)
    assert found.names == ("Intercept", "x", "zi: Intercept", "zi: x")
    for k in range(3):
        rest = counts.frame[counts.frame["f"] != k]
        fit = mc.glmm("y ~ x + (1 | f) + (1 | g)", rest, family="poisson", zi="~ x")
        moved = fit.params.to_numpy() - counts.params.to_numpy()
        np.testing.assert_allclose(
            found.shifts[k], moved / counts.bse.to_numpy(), atol=STANDARD_ERRORS
        )
        V = counts.cov_params().to_numpy()
        blocks = [moved[w] @ np.linalg.solve(V[w, w], moved[w]) for w in (slice(2), slice(2, 4))]
        assert found.distances[k] == pytest.approx(sum(blocks) / 4.0, rel=1e-3)
    assert not found.failures


def test_workers_change_nothing(counts: mc.GLMM) -> None:
    """Refits are the same wherever they are made."""
    codes = counts.frame["g"].to_numpy()
    alone = leave_out(port_of(counts), codes, 10, n_jobs=1)
    shared = leave_out(port_of(counts), codes, 10, n_jobs=2)
    np.testing.assert_array_equal(alone.shifts, shared.shifts)
