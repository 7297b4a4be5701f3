"""One report of rows in parts: that of all rows in one place."""

from __future__ import annotations

import os
import signal
import warnings

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck import checks
from mixcheck.fitting.partitions import views

# Estimates of both fits agree to 1e-8.
SAME = 1e-6
# Statistics that are less their means in the replicates, along ranks of fitted values that move.
RANKED = ("trend", "spread")
IN_UNITS = ("random-effects", "interaction", "missing-slope")
# p-values from other replicates differ by no more than so many of their standard errors.
ERRORS = 4.0


@pytest.fixture(scope="module")
def table():
    """Rows of 60 groups, with responses of several kinds."""
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(60), 8)
    n = group.size
    x, u, v = rng.normal(size=n), rng.normal(0.0, 0.7, 60), rng.normal(0.0, 0.4, 60)
    eta = 0.4 + 0.5 * x + u[group] + v[group] * x
    mean = np.exp(eta)
    counts = rng.negative_binomial(2.0, 2.0 / (2.0 + mean))
    return pd.DataFrame(
        {
            "group": group,
            "x": x,
            "size": (size := rng.integers(1, 8, n)),
            "times": rng.integers(1, 4, n),
            "normal": eta + rng.normal(size=n),
            "count": rng.poisson(mean),
            "spread": counts,
            "zeros": np.where(rng.uniform(size=n) < 0.3, 0, counts),
            "hits": rng.binomial(size, 1.0 / (1.0 + np.exp(-eta))),
            "length": rng.gamma(3.0, mean / 3.0),
        }
    )


def _divide(table, number=5):
    """Partitions of whole groups, of different sizes."""
    return [rows for _, rows in table.groupby(np.minimum(table.group % (number + 1), number - 1))]


MODELS = {
    "poisson": ("count ~ x + (1 + x | group)", {"family": "poisson"}),
    "poisson weights": ("count ~ x + (1 | group)", {"family": "poisson", "weights": "times"}),
    "overdispersed": ("spread ~ x + (1 | group)", {"family": "poisson"}),
    "zero inflated": ("zeros ~ x + (1 | group)", {"family": "nbinom2", "zi": "~ 1"}),
    "binomial": ("hits / size ~ x + (1 | group)", {"family": "binomial"}),
    "gamma": ("length ~ x + (1 | group)", {"family": mc.families.Gamma(link="log")}),
}


def _same(one, other, *, pvalues=True):
    """Findings of one name and one statistic, and of one p-value."""
    assert [finding.check for finding in one.findings] == [f.check for f in other.findings]
    for a, b in zip(one.findings, other.findings, strict=True):
        assert type(a) is type(b)
        if hasattr(a, "reason"):
            assert a.reason == b.reason
            continue
        assert a.n == b.n
        assert a.null == b.null
        if a.kind in IN_UNITS and not pvalues:
            # Their units are those of the replicates.
            assert a.statistic == pytest.approx(b.statistic, rel=0.3)
        elif a.kind in RANKED:
            # Spreads are relative to those of the replicates.
            atol = 1e-5 if a.kind == "trend" else 0.05
            assert np.allclose(a.picture.y, b.picture.y, atol=atol)
        elif a.kind != "convergence":
            assert a.statistic == pytest.approx(b.statistic, rel=SAME, abs=SAME)
        if pvalues and a.kind in RANKED:
            # Replicates whose fitted values have moved are ranked along lines between knots.
            assert a.pvalue == pytest.approx(b.pvalue, abs=0.05)
        elif pvalues:
            assert a.pvalue == b.pvalue


@pytest.mark.parametrize("calibration", ["plug-in", "one-step"])
@pytest.mark.parametrize("name", MODELS)
def test_one_partition_is_one_table(table, name, calibration):
    """Its replicates have the streams of a model in one piece, and give its p-values."""
    formula, options = MODELS[name]
    whole = mc.glmm(formula, table, **options)
    fit = mc.glmm_partitions(formula, [table], **options)
    asked = {"seed": 1, "draws": 39, "calibration": calibration}
    suite = mc.Suite.standard(fit)
    _same(mc.check(fit, **asked), mc.check(whole, suite, **asked))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_statistics_are_those_of_one_table(table, name):
    """Of several partitions; p-values differ by their Monte Carlo errors."""
    formula, options = MODELS[name]
    whole = mc.glmm(formula, table, **options)
    fit = mc.glmm_partitions(formula, _divide(table), **options)
    draws = 399
    asked = {"seed": 1, "draws": draws, "calibration": "one-step"}
    report = mc.check(fit, **asked)
    wanted = mc.check(whole, mc.Suite.standard(fit), **asked)
    _same(report, wanted, pvalues=False)
    for a, b in zip(report.findings, wanted.findings, strict=True):
        if getattr(a, "pvalue", None) is not None:
            # Two sides double the share of replicates, and its error.
            sides = 2.0 if a.alternative == "two-sided" else 1.0
            share = 0.5 * (a.pvalue + b.pvalue) / sides
            error = sides * np.sqrt(2.0 * max(share * (1.0 - share), 1.0 / draws) / draws)
            # Units of effects, and what their estimates say of them, are those of replicates too.
            wide = 2.0 if a.kind == "random-effects" else 1.0
            assert abs(a.pvalue - b.pvalue) < wide * ERRORS * error
            assert a.effect.value == pytest.approx(b.effect.value, rel=0.2, abs=0.02)


def test_a_gaussian_model_is_asked_of_its_effects(table):
    """What the estimates hold is skipped with its reason, as in one table."""
    formula = "normal ~ x + (1 + x | group)"
    whole, fit = mc.glmm(formula, table), mc.glmm_partitions(formula, _divide(table))
    asked = {"seed": 1, "draws": 39, "calibration": "plug-in"}
    report = mc.check(fit, **asked)
    _same(report, mc.check(whole, mc.Suite.standard(fit), **asked), pvalues=False)
    assert [report.verdicts[name].value for name in ("dispersion", "zeros")] == ["SKIPPED"] * 2
    assert report["random effects [group [Intercept, x], effect 2]"].n == 60


@pytest.fixture(scope="module")
def columns():
    """Rows with columns of every kind, all of them in the model."""
    rng = np.random.default_rng(6)
    n = 900
    group = np.repeat(np.arange(90), 10)
    table = pd.DataFrame(
        {
            "group": group,
            "x": rng.normal(size=n),
            "few": rng.integers(0, 9, n),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 300, n), "D"),
            "site": rng.choice(["b", "a", "c", "d"], n),
            "wet": rng.random(n) < 0.4,
        }
    )
    eta = 0.3 + 0.4 * table.x + 0.3 * table.x**2 + 0.5 * rng.normal(size=90)[group]
    table["y"] = rng.poisson(np.exp(eta))
    table["t"] = eta + rng.standard_t(4.0, n)
    return table


FORMULA = "~ x + few + days(day) + site + wet + (1 | group)"
ALONG = (
    checks.Trend()
    & checks.Spread()
    & checks.Trend("x")
    & checks.Trend("few")
    & checks.Trend("few", factor=True)
    & checks.Trend("day")
    & checks.Trend("site")
    & checks.Trend("wet")
    & checks.Spread("day")
    & checks.Spread("site")
    & checks.Interaction()
    & checks.MissingSlope()
)


@pytest.mark.slow
@pytest.mark.parametrize("calibration", ["plug-in", "one-step"])
def test_curves_and_levels_of_one_partition_are_those_of_one_table(columns, calibration):
    """Along columns to the last digits, in every replicate; dates are far from zero."""
    whole = mc.glmm(f"y {FORMULA}", columns, family="poisson")
    fit = mc.glmm_partitions(f"y {FORMULA}", [columns], family="poisson")
    asked = {"seed": 1, "draws": 39, "calibration": calibration}
    report, wanted = (mc.check(one, ALONG, **asked) for one in (fit, whole))
    for a, b in zip(report.findings, wanted.findings, strict=True):
        moves = a.check in RANKED and calibration == "one-step"
        assert a.statistic == pytest.approx(b.statistic, rel=0.02 if moves else SAME)
        assert (a.pvalue, a.n, a.detail) == (b.pvalue, b.n, b.detail)


@pytest.mark.slow
@pytest.mark.parametrize(("response", "family"), [("y", "poisson"), ("t", "t")])
def test_curves_and_levels_of_several_partitions(columns, response, family):
    """The curve and the levels of the data are those of one table, less what replicates say."""
    whole = mc.glmm(f"{response} {FORMULA}", columns, family=family)
    fit = mc.glmm_partitions(f"{response} {FORMULA}", _divide(columns), family=family)
    asked = {"seed": 1, "draws": 199, "calibration": "plug-in"}
    report, wanted = (mc.check(one, ALONG, **asked) for one in (fit, whole))
    for a, b in zip(report.findings, wanted.findings, strict=True):
        assert (a.n, a.null) == (b.n, b.null)
        if a.kind in ("interaction", "missing-slope"):
            assert a.subject == b.subject
            assert a.effect.value == pytest.approx(b.effect.value, rel=0.35)
            assert sorted(a.picture.labels) == sorted(b.picture.labels)
            continue
        assert a.detail[-50:] == b.detail[-50:]
        own, other = (
            one.picture.y if hasattr(one.picture, "y") else one.picture.estimate for one in (a, b)
        )
        # Spreads, and levels, are relative to those of the replicates.
        noise = 0.05 if a.kind == "spread" or not hasattr(a.picture, "y") else 1e-6
        assert np.allclose(own, other, atol=noise)


@pytest.mark.slow
def test_terms_over_partitions_are_those_that_the_model_lacks(columns):
    """A slope that it has, a square that its levels hold, a factor of two levels in all parts."""
    parts = [*_divide(columns), columns.iloc[:0]]
    asked = {"seed": 1, "draws": 39, "calibration": "plug-in"}
    for right in (
        "x + site + (1 + x | group)",
        "factor(few) + x + (1 | group)",
        "wet:x + few + (1 | group)",
    ):
        formula = f"y ~ {right}"
        whole = mc.glmm(formula, columns, family="poisson")
        fit = mc.glmm_partitions(formula, parts, family="poisson")
        for check in (checks.Interaction(), checks.MissingSlope(), checks.MissingSlope("x")):
            (a,), (b,) = (mc.check(one, check, **asked).findings for one in (fit, whole))
            assert type(a) is type(b)
            if hasattr(b, "reason"):
                assert a.reason == b.reason
            else:
                assert sorted(a.picture.labels) == sorted(b.picture.labels)
    with pytest.raises(mc.errors.UnknownColumnError, match="no column is called 'nowhere'"):
        mc.check(fit, checks.MissingSlope("nowhere"), seed=1, draws=19)
    (skipped,) = mc.check(fit, checks.MissingSlope(group="nowhere"), seed=1, draws=19).findings
    assert "no grouping factor" in skipped.reason


def test_knots_stand_for_the_ranks_of_many_values():
    """Of more distinct values than there are knots; a curve is that of the ranks."""
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"group": np.arange(12_000) // 40, "x": rng.normal(size=12_000)})
    table["y"] = rng.poisson(np.exp(0.2 * table.x + 0.3 * table.x**2))
    whole = mc.glmm("y ~ x + (1 | group)", table, family="poisson")
    fit = mc.glmm_partitions("y ~ x + (1 | group)", _divide(table), family="poisson")
    asked = {"seed": 1, "draws": 19, "calibration": "plug-in"}
    suite = checks.Trend() & checks.Trend("x")
    report, wanted = (mc.check(one, suite, **asked) for one in (fit, whole))
    for a, b in zip(report.findings, wanted.findings, strict=True):
        assert np.allclose(a.picture.y, b.picture.y, atol=1e-4 * np.abs(b.picture.y).max())
        assert np.abs(b.picture.y).max() > 0.3


@pytest.mark.parametrize("calibration", ["plug-in", "one-step"])
def test_the_observed_data_are_seen_in_each_run(table, calibration):
    """What a part holds of the replicates of one run is not what it says in the next."""
    fit = mc.glmm_partitions("count ~ x + (1 | group)", _divide(table), family="poisson")
    asked = {"seed": 1, "draws": 39, "calibration": calibration}
    suite = checks.Trend("x") & checks.Dispersion() & checks.Zeros() & checks.RandomEffects()
    first, second = (mc.check(fit, suite, **asked) for _ in range(2))
    one = mc.check(fit, checks.Trend("x"), **asked)
    assert second.to_frame().equals(first.to_frame())
    np.testing.assert_array_equal(one.findings[0].picture.y, first.findings[0].picture.y)
    whole = mc.check(mc.glmm("count ~ x + (1 | group)", table, family="poisson"), suite, **asked)
    assert np.allclose(second.findings[0].picture.y, whole.findings[0].picture.y, atol=1e-5)


@pytest.mark.filterwarnings("ignore:44 of 480 rows:mixcheck.errors.DataWarning")
def test_dates_in_other_units_are_the_same_days(table):
    """As tables of different files keep them; and where some are missing."""
    days = pd.Timestamp("2021-03-01") + pd.to_timedelta(np.arange(len(table)) * 7 % 90, "D")
    dated = table.assign(day=pd.Series(days).where(np.arange(len(table)) % 11 > 0))
    formula = "count ~ x + days(day) + (1 | group)"
    whole = mc.glmm(formula, dated, family="poisson")
    units = ["s", "ms", "us", "ns", "s"]
    parts = [
        part.assign(day=part["day"].astype(f"datetime64[{unit}]"))
        for part, unit in zip(_divide(dated), units, strict=True)
    ]
    fit = mc.glmm_partitions(formula, parts, family="poisson")
    asked = {"seed": 1, "draws": 39, "calibration": "plug-in"}
    a, b = (mc.check(one, checks.Trend("day"), **asked).findings[0] for one in (fit, whole))
    assert a.n == b.n == whole.nobs
    assert np.allclose(a.picture.y, b.picture.y, atol=1e-6)


def test_levels_stand_in_the_order_of_their_categories(table):
    """As of one table; where the order is not that of the alphabet, and one level has no row."""
    names = ["low", "mid", "high", "never"]
    levels = pd.Categorical.from_codes(table["times"] - 1, names, ordered=True)
    ordered = table.assign(level=levels)
    formula = "count ~ level + (1 | group)"
    whole = mc.glmm(formula, ordered, family="poisson")
    fit = mc.glmm_partitions(formula, _divide(ordered), family="poisson")
    asked = {"seed": 1, "draws": 39, "calibration": "plug-in"}
    a, b = (
        mc.check(one, checks.Trend("level"), **asked).findings[0].picture for one in (fit, whole)
    )
    assert a.labels == b.labels == ("low", "mid", "high")


def test_along_what_nothing_can_be_asked_over_partitions(table):
    """One value, one level, a column that is not there, numbers here and text there."""
    table = table.assign(one=1.0, name=[f"row {k}" for k in range(len(table))])
    fit = mc.glmm_partitions("count ~ 1 + offset(one) + (1 | group)", _divide(table))
    found = mc.check(fit, checks.Trend() & checks.Spread("one"), seed=1, draws=19).findings
    assert ["same in every row" in one.reason for one in found] == [True, True]
    with pytest.raises(mc.errors.UnknownColumnError, match="no column is called 'x'"):
        mc.check(fit, checks.Trend("x"), seed=1, draws=19)


@pytest.mark.slow
def test_many_levels_are_joined_as_moments():
    """Of more than 1,000 levels the distribution function is a sum over those of all parts."""
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(1200), 3)
    rate = np.exp(0.8 + 0.8 * rng.normal(size=1200)[group])
    table = pd.DataFrame({"group": group, "y": rng.poisson(rate)})
    formula = "y ~ 1 + (1 | group)"
    whole = mc.glmm(formula, table, family="poisson")
    fit = mc.glmm_partitions(formula, _divide(table), family="poisson")
    asked = {"seed": 1, "draws": 19, "calibration": "plug-in"}
    ask = checks.RandomEffects()
    wanted, found = (mc.check(one, ask, **asked).findings[0] for one in (whole, fit))
    assert found.statistic == pytest.approx(wanted.statistic, rel=SAME)
    assert found.effect.value == pytest.approx(wanted.effect.value, rel=SAME)
    assert np.allclose(found.picture.observed, wanted.picture.observed, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["poisson", "zero inflated", "gamma"])
def test_replicates_of_a_part_are_evaluated_together(table, name, monkeypatch):
    """With the numbers of each by itself."""
    formula, options = MODELS[name]
    fit = mc.glmm_partitions(formula, _divide(table), **options)
    asked = {"seed": 2, "draws": 19, "calibration": "one-step"}
    found = mc.check(fit, **asked)
    monkeypatch.setattr(views, "_stacked", lambda part, asked: None)
    for a, b in zip(found.findings, mc.check(fit, **asked).findings, strict=True):
        assert getattr(a, "pvalue", None) == getattr(b, "pvalue", None)
        if getattr(a, "replicates", None) is not None:
            np.testing.assert_allclose(a.replicates, b.replicates, rtol=1e-6, atol=1e-7)


def test_a_square_that_the_model_holds_is_held_over_partitions(table):
    """A mean for each level of a factor, and a predictor that does not vary."""
    split = table.assign(level=pd.Categorical(table.x > 0.0))
    for right, reason in (("level", "holds the square"), ("1", "same in every row")):
        formula = f"count ~ {right}"
        fit = mc.glmm_partitions(formula, _divide(split), family="poisson")
        (found,) = mc.check(fit, checks.Link(), seed=1, draws=19).findings
        assert reason in found.reason


@pytest.mark.slow
def test_a_report_says_what_it_is_of(table):
    """Faults are found; checks that are no sums are named with their reason; tables are there."""
    fit = mc.glmm_partitions(
        "spread ~ x + (1 | group)", [*_divide(table), table.iloc[:0]], family="poisson"
    )
    report = mc.check(fit, seed=1)
    assert report.verdicts["dispersion"].value == "FAIL"
    assert report.provenance["calibration"] == "one-step"
    assert "6, each of which" in report.provenance["partitions"]
    assert set(report.provenance["left out"]) >= {"missing predictor", "missing group"}
    assert report.verdicts["spread"].value == "FAIL"
    assert report["missing slope"].n == report["interaction"].n == len(table)
    assert report["link"].n == len(table)
    assert "fit.part(k)" in report.provenance["left out"]["missing group"]
    assert report.provenance["model"]["nobs"] == len(table)
    assert "Coefficients and 95 % intervals" in report.to_html()
    asked = mc.check(fit, checks.Quantiles("x") & checks.Zeros().by("group"), seed=1)
    assert {one.reason for one in asked.findings} == {
        report.provenance["left out"]["missing group"]
    }
    again = mc.Report.from_json(report.to_json())
    assert again.verdicts == report.verdicts


def test_what_is_not_there_is_refused(table):
    """Refits, workers beside those of the partitions, and what looks at single rows."""
    fit = mc.glmm_partitions("count ~ x + (1 | group)", _divide(table), family="poisson")
    with pytest.raises(mc.OptionError, match='"one-step", one Newton step by sums'):
        mc.check(fit, calibration="refit")
    with pytest.raises(mc.OptionError, match=r"n_jobs= or client= to mc\.glmm_partitions"):
        mc.check(fit, n_jobs=2)
    with pytest.raises(mc.OptionError, match=r"mc\.check\(fit\) makes one report"):
        mc.residuals(fit)
    with pytest.raises(mc.OptionError, match="makes one report"):
        mc.Suite.full(fit)
    with pytest.raises(mc.OptionError, match="conditioning='none' is unknown"):
        mc.check(fit, conditioning="none")


def test_limits_are_taken_for_the_truth(table):
    """No step leads from an estimate that is not finite."""
    split = table.assign(z=(table["count"] > 4) * 1.0, yes=(table["count"] > 1) * 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        fit = mc.glmm_partitions("yes ~ z + (1 | group)", _divide(split), family="binomial")
    report = mc.check(fit, checks.RandomEffects() & checks.Convergence(), seed=1, draws=19)
    assert report.provenance["calibration"] == "plug-in"
    with pytest.raises(mc.OptionError, match="have no finite estimate"):
        mc.check(fit, calibration="one-step")


@pytest.mark.slow
def test_workers_give_the_numbers_of_one_process(table):
    """Also where one is lost on the way: it makes its data sets again."""
    formula, parts = "count ~ x + (1 | group)", _divide(table)
    alone = mc.glmm_partitions(formula, parts, family="poisson")
    asked = {"seed": 1, "draws": 59}
    wanted = mc.check(alone, **asked)
    lost = []
    with mc.glmm_partitions(formula, parts, family="poisson", n_jobs=2) as fit:

        def lose(done, total):
            if not lost:
                lost.append(fit._fit.parts.crew.ask(_process)[0])
                os.kill(lost[0], signal.SIGKILL)

        report = mc.check(fit, progress=lose, **asked)
        assert lost[0] not in fit._fit.parts.crew.ask(_process)
    for a, b in zip(report.findings, wanted.findings, strict=True):
        assert a.pvalue == b.pvalue
        assert a.statistic == b.statistic


def _process(part):
    return os.getpid()
