"""Normality of the random effects."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixcheck as mc
from mixcheck.checks import Convergence, RandomEffects, Suite
from mixcheck.quantile_residuals import residuals
from mixcheck.report.finding import Skipped
from mixcheck.report.policy import Verdict


def test_the_statistic_is_a_distance_from_normal(toy):
    """KS of the drawn effects against the standard normal distribution, over the groups."""
    seen = residuals(toy("poisson", 2, levels=12), seed=1, draws=19)
    finding = Suite((RandomEffects(),)).run(seen)["random effects [site]"]
    drawn = seen.observed.effects["site"][:, 0]
    assert finding.statistic == pytest.approx(stats.kstest(drawn, "norm").statistic, rel=1e-10)
    assert finding.n == 12
    assert finding.effect.name == "distance from normal"
    np.testing.assert_array_equal(finding.picture.observed, np.sort(drawn))
    assert np.isfinite(finding.picture.band_low).all()
    assert np.isfinite(finding.picture.band_high).all()


def test_each_effect_of_each_term_has_its_finding(toy):
    """Two terms, one with two effects and one too small: three outcomes with names of their own."""

    @dataclass(frozen=True, eq=False)
    class TwoTerms(type(toy("gaussian", 1))):
        def see(self, y, u, rng):
            seen = super().see(y, u, rng)
            effects = {"1 + x | site": np.column_stack([u, u**2]), "1 | year": u[:4, None]}
            return replace(seen, effects=effects)

    base = toy("gaussian", 1)
    model = TwoTerms(base.frame, base.eta, base.group, base.response)
    report = Suite((RandomEffects(),)).run(model, seed=1, draws=19)
    names = [finding.check for finding in report.findings]
    assert names == [
        "random effects [1 + x | site, effect 1]",
        "random effects [1 + x | site, effect 2]",
        "random effects [1 | year]",
    ]
    assert isinstance(report.findings[2], Skipped)
    assert "has 4 levels; at least 5" in report.findings[2].reason


def test_no_effects_are_skipped(toy):
    """A model without random effects has none to look at."""

    @dataclass(frozen=True, eq=False)
    class Fixed(type(toy("gaussian", 1))):
        def see(self, y, u, rng):
            return replace(super().see(y, u, rng), effects={})

    base = toy("gaussian", 1)
    outcome = (
        Suite((RandomEffects(),))
        .run(Fixed(base.frame, base.eta, base.group, base.response), seed=1, draws=3)
        .findings[0]
    )
    assert "no random effects to look at" in outcome.reason


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
@pytest.mark.parametrize(
    ("formula", "skipped"),
    [
        ("y ~ 1 + (1 | g)", ["g [Intercept]"]),
        ("y ~ 1 + (x || g)", ["g [Intercept]", "g [x]"]),
        ("y ~ 1 + (x | g)", ["g [Intercept, x], effect 1", "g [Intercept, x], effect 2"]),
    ],
)
def test_a_singular_fit_is_told(flat, formula, skipped):
    """Normality of a term without variance is skipped, and the first line says singular."""
    fit = mc.glmm(formula, flat, family="poisson")
    report = (RandomEffects() & Convergence()).run(fit, seed=1, draws=40, calibration="plug-in")
    reasons = {outcome.check: outcome.reason for outcome in report.findings[:-1]}
    assert list(reasons) == [f"random effects [{name}]" for name in skipped]
    assert all("its variance is zero" in reason for reason in reasons.values())
    assert report.verdicts["convergence"] is Verdict.WARN
    assert "convergence warns: the fit is singular in" in _first_words(report).lower()
    assert (report.ok, report.verdict) == (True, Verdict.WARN)
    with pytest.raises(mc.ChecksFailed, match="singular"):
        report.assert_ok(strict=True)
    waived = report.judge(mc.Policy(waive={"convergence": "groups are equal by design"}))
    assert waived.verdicts["convergence"] is Verdict.WAIVED


def _first_words(report):
    """The paragraph with the verdict, on one line."""
    return " ".join(report.to_text().split("\n\n")[1].split())
