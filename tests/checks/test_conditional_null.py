"""Null distributions given the estimates of the data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

import mixcheck as mc
from mixcheck.checks.conditional_null import given_estimates
from mixcheck.report.adjustment import pool_pvalues

# Of 600 data sets a share of 0.2 has a standard error of 0.016.
DATASETS, REPLICATES, ROWS = 600, 99, 15
FOUR_ERRORS = 4.0 * np.sqrt(0.2 * 0.8 / DATASETS)


@pytest.fixture(scope="module")
def pvalues() -> dict[str, np.ndarray]:
    """P-values of the mean of exp(y/2), normal data of known deviation and estimated mean."""
    rng = np.random.default_rng(11)
    found: dict[str, list[float]] = {"plain": [], "given": []}
    for _ in range(DATASETS):
        data = rng.normal(size=ROWS)
        made = data.mean() + rng.normal(size=(REPLICATES, ROWS))
        whole = np.vstack([data, made])
        statistics, estimates = np.exp(whole / 2.0).mean(axis=1), whole.mean(axis=1)[:, None]
        found["plain"].append(pool_pvalues(statistics, "greater")[0])
        found["given"].append(pool_pvalues(given_estimates(statistics, estimates), "greater")[0])
    return {name: np.array(values) for name, values in found.items()}


def test_the_level_is_right_where_the_plain_null_is_too_wide(
    pvalues: dict[str, np.ndarray],
) -> None:
    """Compared as they are, statistics that follow the estimates hardly ever reject."""
    assert np.mean(pvalues["plain"] <= 0.2) < 0.02
    assert np.mean(pvalues["given"] <= 0.2) == pytest.approx(0.2, abs=FOUR_ERRORS)
    assert np.mean(pvalues["given"] <= 0.5) == pytest.approx(0.5, abs=4.0 * 0.5 / DATASETS**0.5)


def test_squares_are_taken_off() -> None:
    """A distance from what the data were computed with is larger for all others."""
    rng = np.random.default_rng(3)
    x = ndtri((np.arange(201) + 0.5) / 201)
    x, noise = np.concatenate([[0.0], x[x != 0.0]]), rng.normal(size=201)
    moved = given_estimates(x**2 + noise, x[:, None])
    assert moved[0] == noise[0]
    # Scores of the statistic are no parabola of those of x, but nearly.
    assert abs(np.corrcoef(moved, x**2)[0, 1]) < 0.05
    assert np.corrcoef(moved, noise)[0, 1] > 0.9
    assert moved.std() == pytest.approx(noise.std(), rel=0.1)


def test_scales_of_the_statistic_say_nothing() -> None:
    """A variance is skewed, its logarithm is not, and the same data sets are more extreme."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(100, 2))
    T = x @ [2.0, -1.0] + rng.normal(size=100)
    given, skewed = given_estimates(T, x), given_estimates(np.exp(T), x)
    assert skewed[0] == np.exp(T[0])
    assert np.array_equal(np.argsort(skewed), np.argsort(given))
    assert not np.array_equal(np.argsort(given), np.argsort(T))


def test_scales_of_the_estimates_say_nothing() -> None:
    """Only ranks do, so that an estimate that runs to its limit does no harm."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(100, 2))
    T = x @ [1.0, -1.0] + rng.normal(size=100)
    wild = np.column_stack([np.exp(9.0 * x[:, 0]), x[:, 1]])
    assert given_estimates(T, wild) == pytest.approx(given_estimates(T, x), abs=1e-12)


@pytest.mark.parametrize("case", ["same", "none", "few", "function", "undefined"])
def test_left_as_they_are(case: str) -> None:
    """Estimates that say nothing or all, too few data sets, a statistic that is none."""
    rng = np.random.default_rng(6)
    x, T = rng.normal(size=(60, 1)), rng.normal(size=60)
    if case == "same":
        x = np.full((60, 1), 0.3)
    elif case == "none":
        x = np.empty((60, 0))
    elif case == "few":
        x, T = x[:15], T[:15]
    elif case == "function":
        T = 3.0 + ndtri((np.argsort(np.argsort(x[:, 0])) + 0.5) / 60) + 0.05 * T
    else:
        T = np.concatenate([[np.nan], T[1:]])
    assert np.array_equal(given_estimates(T, x), T, equal_nan=True)


def test_statistics_without_a_value_stay() -> None:
    """An infinite statistic of a replicate is as extreme as before, and moves no other."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(80, 1))
    T = x[:, 0] + rng.normal(size=80)
    T[5] = np.inf
    moved = given_estimates(T, x)
    assert moved[5] == np.inf
    rest = np.delete(np.arange(80), 5)
    assert np.array_equal(moved[rest], given_estimates(T[rest], x[rest]))


def test_variances_that_are_none_have_no_order():
    """What a search leaves of a variance of zero is zero in every data set."""
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(np.arange(10), 12), "x": rng.normal(size=120)})
    data["y"] = (rng.random(120) < 0.4).astype(int)
    with pytest.warns(mc.errors.BoundaryWarning):
        fit = mc.glmm("y ~ x + (1 | g)", data, family="binomial")
    assert 0.0 < float(mc.port.port_of(fit).theta.iloc[0]) < 1e-4
    replicates = mc.replicate(fit, seed=1, draws=40, calibration="refit")
    seen = [replicates.observe(), *(replicates.replicate(k) for k in range(40))]
    variances = np.array([view.estimates[-1] for view in seen])
    assert variances[0] == 0.0
    assert 10 < (variances == 0.0).sum() < 40
    assert variances[variances > 0.0].min() > 1e-8


def test_the_order_of_what_is_rounding_says_nothing() -> None:
    """Statistics that are none but for 1e-30, as of random effects in data sets without any."""
    rng = np.random.default_rng(3)
    statistics, estimates = rng.exponential(size=60), rng.normal(size=(60, 2))
    none = rng.permutation(60)[:25]
    one, other = statistics.copy(), statistics.copy()
    one[none], other[none] = 1e-30 * rng.random((2, 25))
    found = given_estimates(one, estimates), given_estimates(other, estimates)
    np.testing.assert_allclose(*found, atol=1e-12)
