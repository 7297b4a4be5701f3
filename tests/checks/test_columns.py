"""What a column could be in a model."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mixcheck.checks.coding import coded_columns
from mixcheck.checks.columns import (
    composes_response,
    follows_response,
    is_identifier,
    level_codes,
    predictors_of,
    same_partition,
)


def test_numbers_are_one_column_and_factors_one_for_each_level_but_the_first():
    """Missing values stay missing, and dates are numbers."""
    number = coded_columns(pd.Series([1.0, np.inf, 3.0]))
    np.testing.assert_array_equal(number, [[0.25], [np.nan], [0.75]])
    factor = coded_columns(pd.Series(["b", "a", None, "c"]))
    np.testing.assert_array_equal(factor, [[0.0, 0.0], [1.0, 0.0], [np.nan, np.nan], [0.0, 1.0]])
    days = coded_columns(pd.Series([pd.NaT, *pd.date_range("2024-01-01", periods=3)]))
    assert np.isnan(days[0, 0])
    assert np.ptp(np.diff(days[1:, 0])) == 0.0
    assert coded_columns(pd.Series([True, False, True])).shape == (3, 1)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([2.0, 2.0, np.nan], "one value"),
        (["a", "a"], "one level"),
        ([str(k) for k in range(20)], "20 levels"),
        ([[1, 2], [1, 2]], "neither numbers nor names"),
        ([1j, 2j], "neither numbers nor names"),
    ],
)
def test_columns_that_say_nothing_are_told(values, reason):
    """One value, one level, or too many."""
    assert reason in coded_columns(pd.Series(values))


def test_whole_numbers_and_texts_are_levels():
    """Fractions, dates and true and false are none; what is missing has the code -1."""
    assert level_codes(pd.Series([3, 1, 3])).tolist() == [0, 1, 0]
    assert level_codes(pd.Series(["x", None])).tolist() == [0, -1]
    assert level_codes(pd.Series([1.0, np.nan, 2.0])).tolist() == [0, -1, 1]
    for values in ([0.5, 1.0], [True, False], pd.date_range("2024-01-01", periods=2)):
        assert level_codes(pd.Series(values)) is None


def test_names_of_rows_are_known():
    """A text for each row, or whole numbers one after the other in any order."""
    assert is_identifier(pd.Series(["a", "b"]))
    assert is_identifier(pd.Series([7, 5, 6]))
    for values in (["a", "a"], [7, 5, 9], [0.5, 1.5], pd.date_range("2024-01-01", periods=2)):
        assert not is_identifier(pd.Series(values))


def test_other_forms_of_the_response_are_known():
    """By their ranks, or by how they part the rows."""
    y = np.array([0.0, 3.0, 1.0, 7.0, 2.0])
    assert follows_response(pd.Series(np.log1p(y)), y)
    assert follows_response(pd.Series(-y), y)
    assert not follows_response(pd.Series([1.0, 5.0, 2.0, 0.0, 3.0]), y)
    assert not follows_response(pd.Series([1.0, 1.0, 1.0, 1.0, 1.0]), y)
    sick = np.array([0.0, 1.0, 1.0, 0.0])
    assert follows_response(pd.Series(["no", "yes", "yes", "no"]), sick)
    assert not follows_response(pd.Series(["no", "no", "yes", "no"]), sick)
    assert not follows_response(pd.Series(["a", "b", "c", "d", "e"]), y)
    assert not same_partition(np.array([0, 0, 1]), np.array([0, 1, 2]))


def test_predictors_are_neither_groups_nor_the_response_nor_trials():
    """What is left of the columns that a formula names."""
    frame = pd.DataFrame(
        {"k": [1, 4, 2], "n": [5, 5, 4], "x": [0.0, 0.5, 0.1], "g": [1, 1, 2], "other": 0}
    )
    rows = SimpleNamespace(
        frame=frame,
        response=np.array([1.0, 4.0, 2.0]),
        size=np.array([5.0, 5.0, 4.0]),
        used=("k", "n", "x", "g", "unknown"),
        grouping=("g",),
    )
    assert list(predictors_of(rows)) == []
    rows.frame["x"] = [0.5, 0.1, 0.2]
    assert list(predictors_of(rows)) == []
    rows.frame["x"] = [0.1, 0.2, 0.5]
    assert list(predictors_of(rows)) == ["x"]


def test_columns_that_give_the_response_together_are_no_predictors():
    """Trials and failures, a share and its trials; not a column of its own."""
    k, n = np.array([1.0, 0.0, 3.0, 2.0, 5.0]), np.array([4.0, 6.0, 5.0, 9.0, 5.0])
    frame = pd.DataFrame({"n": n, "f": n - k, "p": k / n, "x": [0.3, 0.1, 0.7, 0.2, 0.9], "one": 1})
    assert composes_response("f", frame, k)
    assert composes_response("n", frame, k)
    assert composes_response("p", frame, k)
    assert not composes_response("x", frame, k)
    assert not composes_response("one", frame, k)
