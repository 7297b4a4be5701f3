"""Fits on the boundary of their covariance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.report.policy import Verdict


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
def test_a_singular_fit_warns_and_names_the_term():
    """Groups that do not differ at all."""
    rng = np.random.default_rng(1)
    y = np.tile(rng.normal(size=10), 20) + np.repeat(np.tile([0.0, 1e-3], 10), 10)
    flat = pd.DataFrame({"y": y, "g": np.repeat(np.arange(20), 10)})
    suite = mc.checks.Suite((mc.checks.Singularity(),))
    report = suite.run(mc.glmm("y ~ 1 + (1 | g)", flat), seed=1, draws=19)
    assert report.verdicts == {"singularity": Verdict.WARN}
    assert "(1 | g)" in report.findings[0].caution


def test_a_fit_inside_its_boundary_passes():
    """Sleep study, with correlated slopes."""
    fit = mc.glmm("Reaction ~ Days + (Days | Subject)", mc.datasets.load("sleepstudy"))
    report = mc.checks.Suite((mc.checks.Singularity(),)).run(fit, seed=1, draws=19)
    assert report.verdicts == {"singularity": Verdict.PASS}
