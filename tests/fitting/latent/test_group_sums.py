"""Which indices there are."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.fitting.latent.group_sums import Summation, distinct


@pytest.mark.parametrize("size", [0, 1, 2, 1000])
def test_distinct_values_are_those_of_the_set(size: int) -> None:
    """Each value once, ascending, whatever the order and the number of repetitions."""
    keys = np.random.default_rng(size).integers(0, size // 2 + 1, size) * 7919
    assert distinct(keys).tolist() == sorted(set(keys.tolist()))


@pytest.mark.parametrize("index", [[0, 0, 0, 1, 1, 1, 1, 2], [0, 0, 1], [2, 0, 1, 1, 0]])
def test_each_row_is_given_the_value_of_its_index(index):
    """By long runs, by short ones, and in any order."""
    sums = Summation(np.array(index), 1 + max(index))
    values = np.array([0.5, -1.0, 2.0])[: sums.size]
    np.testing.assert_array_equal(sums.spread(values), values[index])
