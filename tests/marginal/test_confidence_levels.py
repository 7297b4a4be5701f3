"""A confidence level is a number of any kind."""

from __future__ import annotations

import numpy as np
import pytest

import mixcheck as mc


@pytest.mark.parametrize("level", [np.longdouble(0.5), np.float16(0.5)])
def test_a_level_of_another_float_is_that_number(level) -> None:
    """Quantiles of scipy know no long doubles."""
    fit = mc.glmm(
        "incidence / size ~ period + (1 | herd)", mc.datasets.load("cbpp"), family="binomial"
    )
    means = mc.emmeans(fit, "period", level=level)
    assert means.to_frame().equals(mc.emmeans(fit, "period", level=0.5).to_frame())
    for adjust in (None, "holm"):
        there, here = (mc.contrasts(means, adjust=adjust, level=x) for x in (0.5, level))
        assert here.to_frame().equals(there.to_frame())
    there, here = (mc.comparisons(fit, "period", level=x) for x in (0.5, level))
    assert here.to_frame().equals(there.to_frame())
