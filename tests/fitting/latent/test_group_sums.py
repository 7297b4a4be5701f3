"""Which indices there are."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.fitting.latent.group_sums import distinct


@pytest.mark.parametrize("size", [0, 1, 2, 1000])
def test_distinct_values_are_those_of_the_set(size: int) -> None:
    """Each value once, ascending, whatever the order and the number of repetitions."""
    keys = np.random.default_rng(size).integers(0, size // 2 + 1, size) * 7919
    assert distinct(keys).tolist() == sorted(set(keys.tolist()))
