import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixcheck.display.document import Badge, PValue
from mixcheck.display.numerals import format_cell, format_number, format_pvalue


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "infinite"),
        (3, "3"),
        (1e6, "1,000,000"),
        (0.0, "0"),
    ],
)
def test_numbers(value, shown):
    """Missing numbers are a dash and whole ones keep all their digits."""
    assert format_number(value) == shown


@given(st.floats(0.0, 1.0))
def test_pvalue_keeps_its_side_of_a_threshold(pvalue):
    """A p-value is shown on its own side of 0.001, 0.01, 0.05 and 0.1."""
    shown = format_pvalue(pvalue)
    if shown == "< 0.001":
        assert pvalue < 0.001
        return
    for threshold in (0.001, 0.01, 0.05, 0.1):
        assert (float(shown) < threshold) == (pvalue < threshold)


def test_cells():
    """Every kind of cell has a text."""
    cells = ["a", 2, 0.5, None, Badge("FAIL", "bad"), PValue(1e-9)]
    assert [format_cell(cell) for cell in cells] == ["a", "2", "0.5", "–", "FAIL", "< 0.001"]
