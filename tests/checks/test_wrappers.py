"""Checks of a column's levels."""

from __future__ import annotations

import numpy as np
import pytest

import mixcheck as mc


@pytest.mark.parametrize("column", [np.timedelta64(1, "D"), True, 1.5, None])
def test_what_names_no_column(column):
    """A time difference of NumPy is stored as a whole number, and is none."""
    with pytest.raises(mc.OptionError, match="column must be a text or a whole number"):
        mc.checks.Zeros().by(column)
