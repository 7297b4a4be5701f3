"""One coding of columns, of a table and of its parts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mixcheck.checks.coding import _join, _values, coded_columns

RNG = np.random.default_rng(4)
N = 90
DAYS = pd.Series(pd.Timestamp("2024-02-01") + pd.to_timedelta(RNG.integers(0, 9**9, N), unit="s"))
COLUMNS = {
    "numbers": pd.Series(1e5 * RNG.normal(size=N)).where(RNG.random(N) < 0.9),
    "whole": pd.Series(RNG.integers(0, 7, N)),
    "text": pd.Series(RNG.choice(["b", "a", "c", None], N)),
    "categories": pd.Series(pd.Categorical(RNG.choice(list("xyz"), N), list("zyxw"))),
    "flags": pd.Series(RNG.random(N) < 0.5),
    "days": DAYS.where(RNG.random(N) < 0.9),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_parts_have_the_columns_of_the_table(name):
    """To the last digit, wherever a level or the first date lies."""
    column = COLUMNS[name]
    whole = coded_columns(column)
    parts = [column[:20], column[20:21], column[21:]]
    coding = _join(name, [_values(part) for part in parts])
    np.testing.assert_array_equal(np.concatenate([coding.columns(part) for part in parts]), whole)


def test_what_no_part_can_say_is_told():
    """Of one value in each, and of levels that are too many only together."""
    parts = [pd.Series([2.0, np.nan]), pd.Series([2.0])]
    assert _join("x", [_values(part) for part in parts]) == "it has one value"
    parts = [pd.Series([f"{k}{j}" for j in range(7)]) for k in "ab"]
    assert "14 levels" in _join("x", [_values(part) for part in parts])
    mixed = [pd.Series([1.0, 2.0]), pd.Series(["a", "b"])]
    assert "neither" in _join("x", [_values(part) for part in mixed])
