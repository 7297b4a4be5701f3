"""Adequacy of Laplace's approximation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

import mixcheck as mc
from mixcheck.checks import LaplaceAdequacy, Suite
from mixcheck.errors import OptionError
from mixcheck.report.finding import Skipped
from mixcheck.report.policy import Verdict


@pytest.mark.filterwarnings("ignore::mixcheck.errors.DataWarning")
def test_laplace_is_adequate_for_herds_and_not_for_binary_fours():
    """The herds move by 0.03 standard errors; binary fours of large variance by half of one."""
    herds = mc.glmm(
        "incidence / size ~ period + (1 | herd)", mc.datasets.load("cbpp"), family="binomial"
    )
    rng = np.random.default_rng(5)
    site = np.repeat(np.arange(150), 4)
    data = {"y": rng.binomial(1, ndtr(1.0 + 1.5 * rng.normal(size=150)[site])), "site": site}
    fours = mc.glmm("y ~ 1 + (1 | site)", data, family="binomial")
    good = Suite((LaplaceAdequacy(),)).run(herds, seed=1, draws=1, calibration="plug-in")
    bad = Suite((LaplaceAdequacy(),)).run(fours, seed=1, draws=1, calibration="plug-in")
    assert good.verdicts["laplace adequacy"] is Verdict.PASS
    assert good["laplace adequacy"].effect.value < 0.05
    assert bad.verdicts["laplace adequacy"] is Verdict.FAIL
    assert "quadrature" in bad["laplace adequacy"].detail


def test_laplace_adequacy_says_why_it_does_not_apply():
    """Several grouping factors have no product of integrals."""
    ticks = mc.datasets.load("grouseticks")
    fit = mc.glmm("TICKS ~ YEAR + (1 | BROOD) + (1 | LOCATION)", ticks, family="poisson")
    report = Suite((LaplaceAdequacy(),)).run(fit, seed=1, draws=1, calibration="plug-in")
    assert isinstance(report.findings[0], Skipped)
    assert "one grouping factor" in report.findings[0].reason


def test_laplace_adequacy_refuses_a_tolerance_of_zero():
    """No approximation would be good enough."""
    with pytest.raises(OptionError, match="tolerance must be a positive number"):
        LaplaceAdequacy(tolerance=0.0)
