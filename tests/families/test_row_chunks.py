"""Derivatives in blocks of rows."""

import numpy as np
import pytest

from mixcheck.arrays import BLOCK_ROWS
from mixcheck.families import (
    BetaBinomial,
    Binomial,
    Gaussian,
    NegativeBinomial1,
    NegativeBinomial2,
    Poisson,
    ZeroInflated,
)


@pytest.mark.parametrize(
    "family",
    [
        Binomial(),
        Binomial("probit"),
        Poisson("sqrt"),
        Gaussian(),
        NegativeBinomial2(),
        BetaBinomial(),
        ZeroInflated(NegativeBinomial1()),
    ],
)
def test_blocks_give_what_the_rows_give(family):
    """A response longer than two blocks has the derivatives of its own last rows."""
    n = 2 * BLOCK_ROWS + 5
    rng = np.random.default_rng(3)
    eta = tuple(rng.uniform(0.5, 2.0, n) for _ in family.predictors)
    data = family.prepare(rng.integers(0, 2, n))
    tail = slice(n - 7, None)
    whole = family.derivatives(data, eta, 3)
    part = family.derivatives(family.prepare(data.y[tail]), tuple(e[tail] for e in eta), 3)
    np.testing.assert_allclose(whole.value[tail], part.value, rtol=1e-14)
    np.testing.assert_allclose([d[tail] for d in whole.first], part.first, rtol=1e-14)
    for found, expected in ((whole.second, part.second), (whole.third, part.third)):
        assert set(found) == set(expected)
        for key, values in expected.items():
            np.testing.assert_allclose(found[key][tail], values, rtol=1e-13)
    np.testing.assert_array_equal(family.log_density(data, eta), whole.value)


def test_an_empty_response_has_empty_derivatives():
    """No rows give arrays of no rows."""
    family = Binomial()
    found = family.derivatives(family.prepare([]), (np.empty(0),), 3)
    assert found.value.shape == found.third[0, 0, 0].shape == (0,)
