"""The order of models."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mixcheck.comparison.ranking import TIE, Standing, rank_order

STANDINGS = st.lists(
    st.builds(
        Standing,
        st.floats(-1e3, 1e3),
        st.integers(1, 6),
        st.floats(-1e3, 0.0),
        st.booleans(),
    ),
    min_size=1,
    max_size=7,
)


@given(STANDINGS)
def test_the_order_is_that_of_the_criterion_but_for_ties(standings):
    """Every model is there once, and none stands behind one that is worse by more than a tie."""
    order = rank_order(standings)
    assert sorted(order) == list(range(len(standings)))
    values = [standings[k].value for k in order if not standings[k].limited]
    assert all(later >= earlier - TIE for earlier, later in pairwise(values))


def test_ties_go_to_fewer_parameters():
    """Within a hundredth the smaller model comes first, and beyond it the better one."""
    assert rank_order([Standing(10.0, 4, -2.0), Standing(10.009, 3, -3.0)]) == [1, 0]
    assert rank_order([Standing(10.0, 4, -2.0), Standing(10.011, 3, -3.0)]) == [0, 1]


def test_a_model_at_its_limit_comes_after_it():
    """However much better a criterion says it is: both are one distribution."""
    limit, simpler = Standing(9.0, 4, -20.0, limited=True), Standing(10.0, 3, -20.00001)
    assert rank_order([limit, simpler]) == [1, 0]
    other = Standing(10.0, 3, -21.0)
    assert rank_order([limit, other]) == [0, 1]


def test_a_criterion_of_another_scale():
    """A smaller tie keeps small differences apart."""
    scores = [Standing(0.205, 4, -2.0), Standing(0.201, 5, -2.0)]
    assert rank_order(scores) == [0, 1]
    assert rank_order(scores, 1e-5) == [1, 0]
    assert np.isfinite(TIE)
