"""Adequacy of Laplace's approximation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, ndtr

import mixcheck as mc
from mixcheck.checks import LaplaceAdequacy, Suite
from mixcheck.errors import OptionError
from mixcheck.port import port_of
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


def mating(seed: int) -> dict[str, np.ndarray]:
    """Sixty females and males of two origins in six blocks, six matings each: as salamanders."""
    rng = np.random.default_rng(seed)
    block, i, j = (part.ravel() for part in np.meshgrid(range(6), range(10), range(10)))
    met = (i + j) % 5 < 3
    female, male = (10 * block + i)[met], (10 * block + j)[met]
    f, m = female % 2, male % 2
    eta = 1.0 - 2.9 * f - 0.7 * m + 3.6 * f * m
    eta = eta + 1.1 * rng.normal(size=60)[female] + 1.1 * rng.normal(size=60)[male]
    return {"y": rng.binomial(1, expit(eta)), "f": f, "m": m, "female": female, "male": male}


@pytest.fixture(scope="module")
def pairs() -> mc.GLMM:
    """Laplace's approximation with crossed females and males."""
    return mc.glmm("y ~ f * m + (1 | female) + (1 | male)", mating(1), family="binomial")


@pytest.mark.slow
def test_crossed_binary_pairs_move_as_a_fit_with_other_draws_says(pairs: mc.GLMM):
    """The standard deviations of animals are too small by a third of their standard error.

    The reference is a fit by twice as many other draws; its own error is about 0.004.
    """
    finding = Suite((LaplaceAdequacy(),)).run(pairs, seed=1, draws=1, calibration="plug-in")
    assert finding.verdicts["laplace adequacy"] is Verdict.FAIL
    effect = finding["laplace adequacy"].effect
    exact = mc.glmm(
        *(pairs.formula, pairs.frame), family="binomial", method="importance", draws=2**14, seed=8
    )
    units = np.sqrt(np.diag(port_of(pairs).covariance))
    shifts = np.abs(port_of(exact).optimum.psi - port_of(pairs).optimum.psi) / units
    assert effect.value == pytest.approx(shifts.max(), abs=0.012)
    assert 0.0 < effect.high - effect.low < 0.03
    assert "importance sampling" in finding["laplace adequacy"].detail


@pytest.mark.slow
def test_a_tolerance_within_the_monte_carlo_error_decides_nothing(pairs: mc.GLMM):
    """Whether the shift is above it is not known."""
    shift = pairs.approximation().shift
    suite = Suite((LaplaceAdequacy(tolerance=round(shift, 4)),))
    (judgement,) = suite.run(pairs, seed=1, draws=1, calibration="plug-in").judgements
    assert judgement.verdict is Verdict.UNDECIDED
    assert "within the Monte Carlo error of the shift" in judgement.sentence


@pytest.mark.slow
def test_a_log_likelihood_that_is_off_by_more_than_one_is_a_warning(pairs: mc.GLMM):
    """Small errors of many pairs add up, while those of the estimates stay: 0.6 of their unit."""
    tolerant = LaplaceAdequacy(tolerance=0.6)
    (judgement,) = mc.check(pairs, tolerant, draws=1, calibration="plug-in").judgements
    assert judgement.verdict is Verdict.WARN
    assert "the log-likelihood is off by +1.39 at the estimates" in judgement.caution


@pytest.fixture(scope="module")
def many() -> dict[str, np.ndarray]:
    """Hundreds of crossed effects: a few draws carry all weight."""
    rng = np.random.default_rng(2)
    f, g = rng.integers(200, size=800), rng.integers(200, size=800)
    eta = 2.0 * rng.normal(size=200)[f] + 2.0 * rng.normal(size=200)[g]
    return {"y": rng.binomial(1, expit(eta)), "f": f, "g": g}


def test_many_crossed_effects_are_judged_by_the_next_term(many):
    """With few 0/1 rows to each effect their deviation is far too small."""
    fit = mc.glmm("y ~ 1 + (1 | f) + (1 | g)", many, family="binomial")
    report = mc.check(fit, LaplaceAdequacy(), draws=1, calibration="plug-in")
    finding = report["laplace adequacy"]
    assert report.verdicts["laplace adequacy"] is Verdict.FAIL
    assert "the next term of Laplace's expansion" in finding.detail
    assert np.isnan(finding.effect.low)
    assert any("Shun & McCullagh" in reference for reference in finding.references)


def test_laplace_adequacy_says_why_it_does_not_apply(many):
    """Neither quadrature nor draws nor the expansion."""
    fit = mc.glmm("y ~ 1 + (1 | f) + (1 | g)", many, family="binomial", hessian="expected")
    report = Suite((LaplaceAdequacy(),)).run(fit, seed=1, draws=1, calibration="plug-in")
    assert isinstance(report.findings[0], Skipped)
    assert "one grouping factor" in report.findings[0].reason
    assert "the importance weights have degenerated" in report.findings[0].reason
    assert "with the observed information" in report.findings[0].reason


def test_laplace_adequacy_refuses_a_tolerance_of_zero():
    """No approximation would be good enough."""
    with pytest.raises(OptionError, match="tolerance must be a positive number"):
        LaplaceAdequacy(tolerance=0.0)
