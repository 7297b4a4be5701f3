"""Nesting by matrices."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.comparison.nesting import (
    added_fixed,
    added_random,
    covariance_parameters,
    why_not_nested,
)

from .conftest import Known, N, X


def _with(columns: int, effects: int) -> Known:
    """A model with the first powers of x, fixed and (correlated) random."""
    powers = np.vander(np.linspace(-1.0, 1.0, N), 6, increasing=True)
    covariance = effects * (effects + 1) // 2
    return Known(
        n_parameters=columns + covariance,
        fixed_matrices={"mean": powers[:, :columns]},
        random_terms={"t": ("g", powers[:, :effects])} if effects else {},
    )


SIZES = st.tuples(st.integers(1, 4), st.integers(0, 3))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(SIZES, SIZES)
def test_nested_where_both_parts_are(small, large):
    """Powers of x are nested exactly where neither part is smaller and one is larger."""
    nested = not why_not_nested(_with(*small), _with(*large))
    assert nested == (small != large and small[0] <= large[0] and small[1] <= large[1])


@settings(deadline=None, derandomize=True, max_examples=60)
@given(SIZES, SIZES, SIZES)
def test_nesting_is_transitive(one, two, three):
    """A model nested in a nested model is nested."""
    a, b, c = (_with(*sizes) for sizes in (one, two, three))
    if not why_not_nested(a, b) and not why_not_nested(b, c):
        assert not why_not_nested(a, c)


def test_what_is_added():
    """The fixed effects, random terms and covariance parameters that are new are counted."""
    small, large = _with(1, 1), _with(3, 2)
    assert added_fixed(small, large) == 2
    assert added_random(small, large) == ("t",)
    assert (covariance_parameters(small), covariance_parameters(large)) == (1, 3)


def test_correlating_adds_no_effect():
    """A term that joins the effects of two terms of one group is not new."""
    apart = Known(random_terms={"a": ("g", X[:, :1]), "b": ("g", X[:, 1:])})
    together = Known(random_terms={"c": ("g", X)})
    assert added_random(apart, together) == ()
