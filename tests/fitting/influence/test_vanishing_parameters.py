"""Steps towards an end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.families import add_zeros, get_family
from mixcheck.fitting.influence.vanishing_parameters import bend, straighten

NAMES = ("poisson", "binomial", "nbinom1", "nbinom2", "betabinomial", "truncated_nbinom1",
         "truncated_nbinom2")  # fmt: skip
INFLATED = NAMES[:5]
FAMILIES = [*map(get_family, NAMES), *(add_zeros(get_family(name)) for name in INFLATED)]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.floats(-6.0, 6.0), st.sampled_from([-1, 1]))
def test_there_and_back(change, end):
    """Bending undoes straightening, and both are the identity where nothing ends."""
    both = np.array([[change], [change]])
    straight = straighten(both, (0, end))
    assert straight[0, 0] == change
    np.testing.assert_allclose(bend(straight, (0, end)), both, atol=1e-9)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.floats(-50.0, 50.0), st.sampled_from([-1, 1]))
def test_no_step_goes_beyond_the_end(step, end):
    """Away from the end a step of any length moves by its logarithm, towards it to a bound."""
    moved = bend(np.array([[step]]), (end,))[0, 0]
    assert abs(moved) <= np.log(1e4) + 1e-9
    assert moved * end * step <= 0.0


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_ends_of_families(family):
    """With its last predictor at the end a family has the density of one of its limits."""
    assert len(family.ends) == len(family.predictors)
    if not family.ends[-1]:
        assert family.name in ("poisson", "binomial")
        return
    size = np.full(3, 8.0) if family.takes_trials else None
    y = np.array([1.0, 3.0, 8.0])
    eta = [np.full(3, 0.3) for _ in family.predictors]
    eta[-1] = np.full(3, 40.0 * family.ends[-1])
    held = family.log_density(family.prepare(y, size), tuple(eta))
    simpler = [get_family(name) for name in family.limits if "inflated" not in name]
    matches = [
        np.abs(
            held - one.log_density(one.prepare(y, size), tuple(eta[: len(one.predictors)]))
        ).max()
        for one in simpler
    ]
    assert min(matches) < 1e-8
