"""Rows that stand for several."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mixcheck.design import build_design, parse_formula, read_counts, repeat_rows
from mixcheck.errors import DataError

DATA = pd.DataFrame(
    {"y": [1.0, 2.0, 3.0, 4.0], "x": [0.0, 1.0, 2.0, 5.0], "g": list("abab"), "w": [2, 0, 1, 3]},
    index=list("pqrs"),
)


def design_of(formula="y ~ x + (x | g)", weights="w", data=DATA):
    """A design of the small table."""
    return build_design(parse_formula(formula), data, weights=weights, ratio_is_trials=False)


def test_the_repeated_design_is_that_of_the_long_table():
    """Every matrix, level and label is that of the table with each row written out."""
    design = design_of()
    counts = read_counts(design)
    assert counts.tolist() == [2, 0, 1, 3]
    rows = np.repeat(np.arange(4), counts)
    found, long = repeat_rows(design, rows), design_of(weights=None, data=DATA.iloc[rows])
    np.testing.assert_array_equal(found.response, long.response)
    assert found.weights is None
    assert found.frame.equals(long.frame)
    (mine,), (theirs,) = found.predictors, long.predictors
    np.testing.assert_array_equal(mine.X, theirs.X)
    np.testing.assert_array_equal(mine.offset, theirs.offset)
    np.testing.assert_array_equal(mine.random[0].Z, theirs.random[0].Z)
    np.testing.assert_array_equal(mine.random[0].codes, theirs.random[0].codes)


def test_weights_of_one_are_none():
    """Rows that count once are left as they are."""
    assert read_counts(design_of(weights=None)) is None
    assert read_counts(design_of(weights=np.ones(4))) is None


def test_half_a_row_is_refused():
    """A weight that is no whole number is named with its row, and with what to write."""
    with pytest.raises(DataError, match=r"there 0\.5 times \(row 'q' \(position 1\)\).*precision="):
        read_counts(design_of(weights=np.array([1.0, 0.5, 2.0, 1.0])))
