"""The verb suggest: failing checks to models that pass."""

from __future__ import annotations

import functools
import json

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import OptionError
from mixcheck.selection import fits

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
    return mc.check(fit, suite, seed=1, draws=DRAWS, calibration="plug-in")


@pytest.fixture(scope="module")
def over(data):
    """The report of a Poisson model of overdispersed counts."""
    return checked("over ~ x + I(x ** 2) + w + (1 | g)", data, mc.checks.Dispersion())


@pytest.fixture(scope="module")
def tried(over):
    """What is suggested for it."""
    return mc.suggest(over)


def test_overdispersion(tried):
    """Other families and an effect of each observation are tried, checked and compared."""
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


@pytest.mark.slow
def test_each_candidate_is_fitted_once(over, monkeypatch):
    """Its criterion, its checks and the fit that is given back are of one fit."""
    fitted, glmm = [], fits.glmm

    @functools.wraps(glmm)
    def counted(formula, data, **options):
        fitted.append((formula, repr(options)))
        return glmm(formula, data, **options)

    monkeypatch.setattr(fits, "glmm", counted)
    tried = mc.suggest(over, n_jobs=1)
    assert len(fitted) == len(set(fitted)) == len(tried.candidates) + 1


def test_the_check_is_the_same(tried):
    """A candidate is asked what the report asked, with the same random streams."""
    assert tried.best is not None
    again = mc.check(
        tried.best_fit, mc.checks.Dispersion(), seed=1, draws=DRAWS, calibration="plug-in"
    )
    report = tried.reports[tried.best.model]
    assert report["dispersion"].pvalue == again["dispersion"].pvalue


@pytest.mark.slow
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


@pytest.mark.slow
def test_several_failures_are_answered_together(data):
    """Where a distribution and a mean fail, models change both."""
    suite = mc.checks.Dispersion() & mc.checks.Trend("x")
    tried = mc.suggest(checked("over ~ x + w + (1 | g)", data, suite), most=16)
    both = [name for name, reasons in tried.why.items() if len(reasons) == 2]
    assert any("I(x ** 2)" in name and "nbinom2" in name for name in both)
    assert tried.best is not None


@pytest.mark.slow
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
    assert tried.verdict == f"No check of {tried.current} fails."
    assert tried.verdict in " ".join(tried.to_text().split())


def test_undecided_is_no_pass(data):
    """With too few draws nothing fails and nothing passes: the verdict says so and names them."""
    fit = mc.glmm("over ~ x + I(x ** 2) + w + (1 | g)", data, family="poisson")
    suite = mc.checks.Dispersion() & mc.checks.Convergence()
    tried = mc.suggest(mc.check(fit, suite, seed=1, draws=5, calibration="plug-in"))
    assert tried.undecided == ("dispersion",)
    assert "undecided is no pass (dispersion)" in tried.verdict
    assert "fails" not in tried.verdict


@pytest.mark.slow
def test_unknown_remedy(data):
    """A failing check without a known remedy is named."""
    suite = mc.checks.Count(3).named("threes")
    report = checked("over ~ 1 + (1 | g)", data, suite).judge(mc.Policy(alpha=0.9, adjust="none"))
    assert report.verdicts["threes"] is mc.Verdict.FAIL
    assert any("'threes'" in note for note in mc.suggest(report, most=1).notes)


@pytest.mark.slow
def test_report_from_json_needs_the_fit(data, over, tried):
    """A stored report does not hold the model; with the fit it gives the same suggestions."""
    stored = mc.Report.from_json(over.to_json())
    with pytest.raises(OptionError, match=r"write suggest\(report, fit\)"):
        mc.suggest(stored)
    assert mc.suggest(stored, over.model).to_json() == tried.to_json()
    other = mc.glmm("y ~ 1 + (1 | g)", data, family="poisson")
    with pytest.raises(OptionError, match="the report is of"):
        mc.suggest(over, other)


def test_pages(tried):
    """Table, text, HTML and JSON name the same best."""
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


@pytest.mark.slow
def test_offsets_and_weights_of_the_call(data):
    """Arrays given to the fit reach the alternatives."""
    # The other response says much of this one, and is no predictor.
    data = {name: values for name, values in data.items() if name != "y"}
    offset = 0.1 * data["w"]
    suite = mc.checks.Dispersion()
    report = checked("over ~ x + w + (1 | g)", data, suite, offset=offset)
    tried = mc.suggest(report, most=1)
    assert tried.best_fit is not None
    assert tried.best is not None
    told = tried.best.description
    alone = mc.glmm(told["formula"], data, family=told["family"], offset=offset)
    assert tried.best_fit.llf == pytest.approx(alone.llf, abs=1e-6)


SPREAD = mc.checks.Dispersion()
ORDERS = {
    "plain first": SPREAD & SPREAD.by("f"),
    "levels first": SPREAD.by("f") & SPREAD,
    "one level under a name": SPREAD.where("f", "a").named("dispersion of a") & SPREAD,
    "levels under a name": SPREAD & SPREAD.by("f").named("dispersion [again]"),
}


@pytest.mark.parametrize(
    "suite",
    [
        pytest.param(suite, id=name, marks=[] if name == "levels first" else [pytest.mark.slow])
        for name, suite in ORDERS.items()
    ],
)
def test_a_check_is_known_by_itself(suite):
    """Names of checks play no part: a spread that differs by f is answered in every order."""
    rng = np.random.default_rng(0)
    g, f = np.repeat(np.arange(25), 10), np.tile(["a", "b"], 125)
    x, u = rng.uniform(-2.0, 2.0, 250), rng.normal(0.0, 0.5, 25)
    y = 1.0 + 0.5 * x + u[g] + rng.normal(size=250) * np.where(f == "a", 0.5, 1.5)
    report = checked("y ~ x + (1 | g)", {"y": y, "x": x, "f": f, "g": g}, suite, "gaussian")
    for tried in (
        mc.suggest(report),
        mc.suggest(mc.Report.from_json(report.to_json()), report.model),
    ):
        assert tried.best is not None
        assert tried.best.description["dispersion"] == "~ f"
        difference = tried.difference(tried.best)
        assert difference is not None
        assert difference < -90.0


NOTATIONS = {"k / n": {}, "cbind(k, f)": {}, "p": {"weights": "n"}}


@pytest.mark.slow
@pytest.mark.parametrize("left", NOTATIONS)
def test_zeros_of_trials(left):
    """More zeros than a binomial has: zero inflation, with the trials, in every notation.

    The best AIC, 1629.316, is that of glmmTMB 1.1.5.
    """
    rng = np.random.default_rng(0)
    g, n = np.arange(400) % 20, rng.integers(5, 20, 400)
    zero = rng.random(400) < 0.3
    mean = 1.0 / (1.0 + np.exp(-0.3 - rng.normal(0.0, 0.5, 20)[g]))
    k = np.where(zero, 0, rng.binomial(n, mean))
    table = {"k": k, "n": n, "f": n - k, "p": k / n, "g": g}
    formula = f"{left} ~ 1 + (1 | g)"
    report = checked(formula, table, mc.checks.Zeros(), "binomial", **NOTATIONS[left])
    tried = mc.suggest(report, most=4)
    assert tried.best is not None
    assert tried.best.description["zi"] == "~ 1"
    assert tried.best.value == pytest.approx(1629.316, abs=2e-3)


@pytest.mark.slow
def test_suggested_fits_are_of_the_same_data(data):
    """After a missing value the fit and its suggestion are compared, tested and scored."""
    table = pd.DataFrame(data).set_axis([f"row {k}" for k in range(200)])
    table["over"] = table["over"].astype(float)
    table.loc["row 0", "over"] = np.nan
    with pytest.warns(mc.errors.DataWarning):
        fit = mc.glmm("over ~ x + I(x ** 2) + w + (1 | g)", table, family="poisson")
    better = mc.suggest(
        mc.check(fit, mc.checks.Dispersion(), seed=1, draws=DRAWS, calibration="plug-in"), most=1
    ).best_fit
    assert better is not None
    assert mc.compare({"a": fit, "b": better}).best.model == "b"
    with pytest.raises(mc.ComparisonError, match="a limit of"):
        mc.vuong(fit, better)
