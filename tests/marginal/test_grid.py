"""Values at which means are asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc


@pytest.mark.parametrize("value", [np.timedelta64(1, "D"), pd.NA, True, "3"])
def test_values_of_a_number_are_numbers(value):
    """Time differences, missing values and truth values are none."""
    fit = mc.glmm("Reaction ~ Days + (1 | Subject)", mc.datasets.load("sleepstudy"))
    with pytest.raises(mc.OptionError, match="must hold numbers"):
        mc.emmeans(fit, "Days", at={"Days": [value]})


def test_a_missing_level_is_none():
    """NA is equal to nothing, and no level."""
    cbpp = mc.datasets.load("cbpp")
    fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    with pytest.raises(mc.OptionError, match="is no level of period"):
        mc.emmeans(fit, "period", at={"period": [pd.NA]})
