"""Convergence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.checks import Convergence, RandomEffects, Suite
from mixcheck.port import ConvergenceFacts
from mixcheck.report.policy import Verdict


@pytest.mark.parametrize("converged", [True, False])
def test_convergence_is_an_exact_fact(toy, converged):
    """It has no p-value; it holds or not, and says the optimiser's own sentences."""

    @dataclass(frozen=True, eq=False)
    class Ended(type(toy("gaussian", 1))):
        @property
        def convergence(self):
            return ConvergenceFacts(converged, 0.3, 1.0, 9, ("site",), ("Start elsewhere.",))

    base = toy("gaussian", 1)
    model = Ended(base.frame, base.eta, base.group, base.response)
    report = Suite((Convergence(),)).run(model, seed=1)
    finding = report["convergence"]
    assert finding.pvalue is None
    assert finding.holds is converged
    assert finding.effect.value == finding.statistic == 0.3
    assert finding.detail == "Start elsewhere. Singular terms: site."
    assert report.verdicts["convergence"] is (Verdict.WARN if converged else Verdict.FAIL)
    assert "the fit is singular in site" in _first_words(report)


@pytest.fixture(scope="module")
def flat():
    """Counts without any difference between twelve groups: their variance is zero."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 15)
    data = pd.DataFrame({"g": groups, "y": rng.poisson(2, 180), "x": rng.normal(size=180)})
    data["f"] = np.where((np.arange(180) % 3 == 0) & (data.y > 0), "p", "q")
    data["z"] = (data.y > 0).astype(int)
    return data


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
@pytest.mark.filterwarnings("ignore::mixcheck.errors.SeparationWarning")
def test_an_estimate_without_a_finite_value_is_told(flat):
    """A separated level is named, and the verdict on convergence is a warning."""
    fit = mc.glmm("z ~ f + (1 | g)", flat, family="binomial")
    report = (Convergence() & RandomEffects()).run(fit, seed=1, draws=40, calibration="plug-in")
    assert report.verdicts["convergence"] is Verdict.WARN
    assert "no finite estimate of Intercept and f[T.q]" in _first_words(report)


def test_a_regular_fit_has_no_caution(flat):
    """Where nothing is at a boundary, convergence passes without a word."""
    fit = mc.glmm("incidence / size ~ 1 + (1 | herd)", mc.datasets.load("cbpp"), family="binomial")
    report = Suite((Convergence(),)).run(fit, seed=1)
    assert report["convergence"].caution == ""
    assert report.verdict is Verdict.PASS


def _first_words(report):
    """The paragraph with the verdict, on one line."""
    return " ".join(report.to_text().split("\n\n")[1].split())
