"""Facts in words."""

from __future__ import annotations

from mixcheck.report.finding import Effect


def test_an_interval_has_digits_that_part_its_ends():
    """Of many rows a ratio is close to one; whole numbers and single values stay as they are."""
    close = Effect("zero ratio", 0.99999, 0.99988, 1.00006, 1.0)
    assert str(close) == "zero ratio 1 [0.9999, 1]"
    assert str(Effect("zero ratio", 1.25, 1.2, 1.31, 1.0)) == "zero ratio 1.25 [1.2, 1.31]"
    assert str(Effect("lag", 2.0, 2.0, 2.0, 0.0)) == "lag 2 [2, 2]"
    nothing = float("nan")
    assert str(Effect("gradient", 1.23456, nothing, nothing, 0.0)) == "gradient 1.23"
