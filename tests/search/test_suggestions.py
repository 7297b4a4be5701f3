"""The verb suggest: failing checks to models that pass."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.errors import OptionError

DRAWS = 99


@pytest.fixture(scope="module")
def data():
    """Overdispersed counts with a curved effect of x, and an effect of w."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(20), 10)
    x, w = rng.normal(size=(2, g.size))
    eta = 0.5 + 0.5 * x - 0.7 * x**2 + 0.8 * w + rng.normal(scale=0.4, size=20)[g]
    return {"y": rng.poisson(np.exp(eta)), "over": rng.poisson(np.exp(eta + rng.normal(size=200))),
            "x": x, "w": w, "g": g}  # fmt: skip


def checked(formula, data, suite, family="poisson", **options):
    """A report with few draws."""
    fit = mc.glmm(formula, data, family=family, **options)
    return mc.check(fit, suite, seed=1, draws=DRAWS)


@pytest.fixture(scope="module")
def over(data):
    """The report of a Poisson model of overdispersed counts."""
    return checked("over ~ x + I(x ** 2) + w + (1 | g)", data, mc.checks.Dispersion())


def test_overdispersion(over):
    """Other families and an effect of each observation are tried, checked and compared."""
    tried = mc.suggest(over)
    families = {m.description["family"] for m in tried.candidates}
    assert families == {"poisson", "nbinom1", "nbinom2"}
    assert any("(1 | observation)" in m.model for m in tried.candidates)
    assert tried.best is not None
    assert tried.best.admissible
    difference = tried.difference(tried.best)
    assert difference is not None
    assert difference < -10.0
    assert tried.best_fit is not None
    assert tried.best_fit.aic == tried.best.value
    assert "varies more" in tried.why[tried.best.model][0]


def test_the_check_is_the_same(over):
    """A candidate is asked what the report asked, with the same random streams."""
    tried = mc.suggest(over, most=1)
    assert tried.best is not None
    again = mc.check(tried.best_fit, mc.checks.Dispersion(), seed=1, draws=DRAWS)
    report = tried.reports[tried.best.model]
    assert report["dispersion"].pvalue == again["dispersion"].pvalue


def test_trend_of_a_predictor(data):
    """A predictor that the residuals move with gets a square and a spline; a missing one enters."""
    curved = checked("y ~ x + w + (1 | g)", data, mc.checks.Trend("x"))
    models = [m.model for m in mc.suggest(curved).candidates]
    assert "y ~ x + w + I(x ** 2) + (1 | g)" in models
    assert "y ~ bs(x, df=4) + w + (1 | g)" in models
    missing = checked("y ~ x + I(x ** 2) + (1 | g)", data, mc.checks.Trend("w"))
    best = mc.suggest(missing).best
    assert best is not None
    assert best.model.startswith("y ~ x + I(x ** 2) + w")


def test_several_failures_are_answered_together(data):
    """Where a distribution and a mean fail, models change both."""
    suite = mc.checks.Dispersion() & mc.checks.Trend("x")
    tried = mc.suggest(checked("over ~ x + w + (1 | g)", data, suite), most=7)
    both = [name for name, reasons in tried.why.items() if len(reasons) == 2]
    assert any("I(x ** 2)" in name and "nbinom2" in name for name in both)
    assert tried.best is not None


def test_trials(data):
    """Successes that vary too much: beta-binomial or an effect of each observation."""
    rng = np.random.default_rng(6)
    size = np.full(200, 12)
    effects = rng.normal(size=20)[data["g"]]
    p = 1.0 / (1.0 + np.exp(-(data["x"] + effects + 1.3 * rng.normal(size=200))))
    table = {**data, "k": rng.binomial(size, p), "n": size}
    report = checked("k / n ~ x + (1 | g)", table, mc.checks.Dispersion(), family="binomial")
    tried = mc.suggest(report)
    names = " ".join(m.model for m in tried.candidates)
    assert "(1 | observation)" in names
    assert "betabinomial" in names
    assert tried.best is not None


def test_nothing_fails(data):
    """A report that passes has no suggestions, and that is a value."""
    report = checked("y ~ x + I(x ** 2) + w + (1 | g)", data, mc.checks.Dispersion())
    tried = mc.suggest(report)
    assert tried.candidates == ()
    assert tried.best is None
    assert "No check fails." in tried.notes
    assert "No check fails." in tried.to_text()


def test_unknown_remedy(data):
    """A failing check without a known remedy is named."""
    suite = mc.checks.Count(3).named("threes") & mc.checks.Dispersion()
    report = checked("over ~ 1 + (1 | g)", data, suite).judge(mc.Policy(alpha=0.9, adjust="none"))
    notes = mc.suggest(report, most=1).notes
    if report.verdicts["threes"] is mc.Verdict.FAIL:
        assert any("'threes'" in note for note in notes)
    assert report.verdicts["dispersion"] is mc.Verdict.FAIL


def test_report_from_json_needs_the_fit(data, over):
    """A stored report does not hold the model; with the fit it gives the same suggestions."""
    stored = mc.Report.from_json(over.to_json())
    with pytest.raises(OptionError, match=r"write suggest\(report, fit\)"):
        mc.suggest(stored)
    same = mc.suggest(stored, over.model, most=1)
    assert same.to_json() == mc.suggest(over, most=1).to_json()
    other = mc.glmm("y ~ 1 + (1 | g)", data, family="poisson")
    with pytest.raises(OptionError, match="the report is of"):
        mc.suggest(over, other)


def test_pages(over):
    """Table, text, HTML and JSON name the same best."""
    tried = mc.suggest(over, most=2)
    assert tried.best is not None
    frame = tried.to_frame()
    assert frame["passes"].iloc[0]
    assert frame["why"].str.len().min() > 0
    for page in (tried.to_text(), tried.to_html(), str(tried.verdict)):
        assert tried.best.model in " ".join(page.split())
    assert json.loads(tried.to_json())["best"] == tried.best.model


def test_wrong_calls(over):
    """What is no report, and a number that is none, are refused."""
    with pytest.raises(OptionError, match="needs the report"):
        mc.suggest(over.model)
    with pytest.raises(OptionError, match="most must be"):
        mc.suggest(over, most=0)


def test_offsets_and_weights_of_the_call(data):
    """Arrays given to the fit reach the alternatives."""
    offset = 0.1 * data["w"]
    suite = mc.checks.Dispersion()
    report = checked("over ~ x + w + (1 | g)", data, suite, offset=offset)
    tried = mc.suggest(report, most=1)
    assert tried.best_fit is not None
    alone = mc.glmm("over ~ x + w + (1 | g)", data, family="nbinom2", offset=offset)
    assert tried.best_fit.llf == pytest.approx(alone.llf, abs=1e-6)
