"""Precision weights as an offset of the dispersion."""

from __future__ import annotations

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.design import divide_dispersion, parse_formula

MODEL = parse_formula("y ~ 1", dispersion="~ x")


def test_the_offset_is_written_out():
    """The part keeps what it had; a name with a space is quoted."""
    data = {"n of": [2.0, np.nan, 4.0]}
    divided = divide_dispersion(MODEL, "n of", 1.0, data)
    assert divided.others == ("dispersion ~ 1 + x + offset(1 * log(`n of`))",)


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf])
def test_precisions_are_positive(value):
    """The row is named."""
    with pytest.raises(mc.DataError, match=r"positive and finite.* in row 1"):
        divide_dispersion(MODEL, "w", -0.5, {"w": [1.0, value]})


def test_precisions_are_a_column():
    """An array has no name that predictions could use, and an unknown name is named."""
    with pytest.raises(mc.OptionError, match="not ndarray"):
        divide_dispersion(MODEL, np.ones(2), -0.5, {"w": [1.0, 2.0]})
    with pytest.raises(mc.UnknownColumnError, match="`v` is no column"):
        divide_dispersion(MODEL, "v", -0.5, {"w": [1.0, 2.0]})
