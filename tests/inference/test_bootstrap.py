"""Intervals from estimates of simulated data sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mixcheck.errors import OptionError
from mixcheck.inference.bootstrap import (
    basic_intervals,
    bca_intervals,
    find_acceleration,
    least_draws,
    percentile_intervals,
)


def test_order_statistics() -> None:
    """The ends are the order statistics (R + 1) p, and linear between two of them."""
    rng = np.random.default_rng(1)
    draws = rng.permutation(np.arange(1.0, 1000.0))[:, None]
    np.testing.assert_allclose(percentile_intervals(draws, 0.95), [[25.0, 975.0]])
    between = percentile_intervals(np.append(draws, [[1000.0]], axis=0), 0.95)
    np.testing.assert_allclose(between, np.quantile(np.arange(1.0, 1001.0), [0.025, 0.975],
                                                    method="weibull")[None])  # fmt: skip


def test_a_monotone_function_has_the_ends_of_its_argument() -> None:
    """Percentile intervals do not depend on the scale where the ends are order statistics."""
    draws = np.random.default_rng(2).normal(size=(199, 3))
    np.testing.assert_array_equal(
        percentile_intervals(np.exp(draws), 0.9), np.exp(percentile_intervals(draws, 0.9))
    )


def test_infinite_and_undefined_draws() -> None:
    """Infinite draws are draws, and those that are not defined are none."""
    draws = np.append(np.arange(1.0, 90.0), np.repeat(np.inf, 10))[:, None]
    np.testing.assert_allclose(percentile_intervals(draws, 0.9), [[5.0, np.inf]])
    more = np.append(draws, [[np.nan]] * 7, axis=0)
    np.testing.assert_allclose(percentile_intervals(more, 0.9), [[5.0, np.inf]])


def test_basic_intervals_are_mirrored_and_cut() -> None:
    """2 estimate - q, within the range of the parameter."""
    draws = np.arange(1.0, 100.0)[:, None]
    estimate = np.array([40.0])
    np.testing.assert_allclose(basic_intervals(draws, estimate, 0.9), [[-15.0, 75.0]])
    cut = basic_intervals(draws, estimate, 0.9, np.zeros(1), np.full(1, 70.0))
    np.testing.assert_allclose(cut, [[0.0, 70.0]])


def test_too_few_draws() -> None:
    """An end beyond all draws is refused, with the number to write."""
    assert [least_draws(level) for level in (0.5, 0.9, 0.95, 0.99)] == [3, 19, 39, 199]
    assert percentile_intervals(np.arange(39.0)[:, None], 0.95).tolist() == [[0.0, 38.0]]
    with pytest.raises(OptionError, match=r"38 draws are too few for level=0.95.*draws=39"):
        percentile_intervals(np.zeros((38, 1)), 0.95)


BCA = json.loads((Path(__file__).parents[1] / "data" / "bca.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", [0, 1, 2])
def test_bca_is_that_of_boot(case: int) -> None:
    """Ranks among the draws to their last digit; boot takes other averages between two draws."""
    draws, t0 = np.array(BCA["draws"][case]), BCA["estimate"][case]
    a = find_acceleration(np.array(BCA["influence"][case])[:, None])
    # Draws by their ranks, and the estimate between those beside it: an end is then its rank.
    ranks = np.argsort(np.argsort(draws)) + 1.0
    place = np.array([np.sum(draws < t0) + 0.5])
    for row, level in enumerate((0.8, 0.95)):
        known = BCA["found"][case]
        found = bca_intervals(ranks[:, None], place, a, level)[0]
        np.testing.assert_allclose(found, known["ranks"][row], atol=0.006)
        ends = bca_intervals(draws[:, None], np.array([t0]), a, level)[0]
        np.testing.assert_allclose(ends, known["ends"][row], rtol=2e-3)


def test_bca_at_the_edge_of_the_draws() -> None:
    """An estimate below all draws, draws that are equal, and no influence of any group."""
    draws = np.arange(1.0, 100.0)[:, None]
    below = bca_intervals(draws, np.zeros(1), np.zeros(1), 0.9)[0]
    assert below[0] == 1.0
    assert 1.0 <= below[1] < 10.0
    equal = bca_intervals(np.zeros((99, 1)), np.zeros(1), np.zeros(1), 0.9)[0]
    assert equal.tolist() == [0.0, 0.0]
    assert find_acceleration(np.zeros((5, 2))).tolist() == [0.0, 0.0]
