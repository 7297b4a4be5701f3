"""Parameters without a finite estimate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.report.policy import Verdict


@pytest.mark.filterwarnings("ignore::mixcheck.errors.SeparationWarning")
def test_a_separated_level_fails_and_is_named():
    """All of one treatment are successes."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(15), 8)
    t = np.tile(list("abcd"), 30)
    p = 1 / (1 + np.exp(-rng.normal(size=15)[g]))
    y = np.where(t == "d", 1, rng.binomial(1, p))
    fit = mc.glmm("y ~ t + (1 | g)", pd.DataFrame({"y": y, "t": t, "g": g}), family="binomial")
    report = mc.checks.Suite((mc.checks.Separation(),)).run(fit, seed=1, draws=19)
    assert report.verdicts == {"separation": Verdict.FAIL}
    assert report.findings[0].detail == "t[T.d] has none: predictors tell some responses exactly."
    assert report.findings[0].subject == {"parameter": "t[T.d]"}


def test_finite_estimates_pass():
    """Contagious bovine pleuropneumonia."""
    fit = mc.glmm(
        "incidence / size ~ period + (1 | herd)", mc.datasets.load("cbpp"), family="binomial"
    )
    report = mc.checks.Suite((mc.checks.Separation(),)).run(fit, seed=1, draws=19)
    assert report.verdicts == {"separation": Verdict.PASS}
