"""What a notebook shows of each public object."""

from __future__ import annotations

import re

import pytest

import mixcheck as mc


@pytest.fixture(scope="module")
def fit() -> mc.GLMM:
    """Herds of cattle."""
    cbpp = mc.datasets.load("cbpp")
    return mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")


@pytest.fixture(scope="module")
def report(fit) -> mc.Report:
    """Three checks, one with a picture of its own kind."""
    suite = mc.checks.Dispersion() & mc.checks.Convergence() & mc.checks.Uniformity()
    return mc.check(fit, suite, seed=1, draws=39)


def facts_of(page: str) -> dict[str, str]:
    """Names and values of its lists of facts."""
    return dict(re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", page))


def test_a_fit_is_its_summary(fit):
    """The same words as `summary`, as HTML."""
    page = fit._repr_html_()
    assert page == fit.summary()._repr_html_()
    assert facts_of(page)["observations"] == "56"
    assert "<svg" not in page


def test_a_finding_shows_what_was_measured(report):
    """Its null hypothesis, effect, p-value and picture, and no verdict."""
    finding = report["dispersion"]
    page = finding._repr_html_()
    facts = facts_of(page)
    assert facts["null hypothesis"] == finding.null
    assert facts["variance ratio"].startswith(f"{finding.effect.value:.3g} [")
    assert facts["p-value"] == f"{finding.pvalue:.3f}"
    assert page.count("<svg") == 1
    assert not any(verdict.value in page for verdict in mc.Verdict)


def test_a_fact_without_a_p_value_holds_or_does_not(report):
    """As convergence, which has no interval and no picture either."""
    facts = facts_of(report["convergence"]._repr_html_())
    assert facts["holds"] == "yes"
    assert "[" not in facts["scaled gradient"]


def test_policies_and_suites_are_lists(fit):
    """Of what they hold, and of what a suite left out."""
    policy = mc.Policy(alpha=0.01, negligible={"variance ratio": 0.1}, waive={"zeros": "why"})
    facts = facts_of(policy._repr_html_())
    assert facts == {
        "level": "0.01",
        "adjustment": "min-p",
        "negligible variance ratio": "0.1",
        "waived: zeros": "why",
    }
    page = mc.Suite.standard(fit)._repr_html_()
    assert "Whether the quantile residuals are uniform." in page
    assert "There are no columns of coordinates" in page
