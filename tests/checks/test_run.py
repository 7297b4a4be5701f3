"""The algebra of suites, and one pass over the replicates."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck import datasets, from_draws, glmm
from mixcheck.checks import (
    Convergence,
    Count,
    Dispersion,
    Groups,
    HurdleZeros,
    MissingPredictor,
    Outliers,
    Quantiles,
    RandomEffects,
    Spread,
    Statistic,
    Suite,
    Trend,
    Uniformity,
    Zeros,
)
from mixcheck.checks.check import check_from_dict
from mixcheck.checks.verb import check
from mixcheck.errors import ConvergenceError, DataError, OptionError
from mixcheck.execution import parallel as workers
from mixcheck.quantile_residuals import residuals
from mixcheck.report.adjustment import pool_pvalues
from mixcheck.report.finding import Finding
from mixcheck.report.policy import Policy, Verdict
from mixcheck.report.report import Report

LAWS = settings(deadline=None, derandomize=True, max_examples=60)

CHECKS = st.sampled_from(
    [
        Uniformity(),
        Uniformity("ad"),
        Dispersion(),
        Zeros(),
        Zeros().by("site"),
        Zeros().where("x", 1),
        Trend("x").named("slope"),
        Count(2),
        Statistic(np.mean),
    ]
)
SUITES = st.lists(CHECKS, max_size=6).map(lambda checks: Suite(tuple(checks)))


@LAWS
@given(SUITES, SUITES, SUITES)
def test_and_is_associative(a, b, c):
    """(a & b) & c = a & (b & c), in order."""
    assert (a & b) & c == a & (b & c)


@LAWS
@given(SUITES)
def test_and_is_idempotent_with_identity(a):
    """With itself or the empty suite a suite is itself: a & a = a = a & Suite() = Suite() & a."""
    assert a & a == a == a & Suite() == Suite() & a


@LAWS
@given(CHECKS, SUITES)
def test_a_check_is_a_suite_of_one(check, suite):
    """A check stands for the suite that holds it, on either side."""
    assert check & suite == Suite((check,)) & suite
    assert suite & check == suite & Suite((check,))
    assert check in check & suite


@LAWS
@given(SUITES)
def test_json_keeps_a_suite(suite):
    """A suite comes back from its JSON, in order."""
    assert Suite.from_json(suite.to_json()) == suite


@LAWS
@given(SUITES)
def test_wrapping_maps_over_a_suite(suite):
    """Every check is wrapped, and none lost."""
    assert list(suite.by("g")) == [check.by("g") for check in suite]
    assert list(suite.where("g", 1)) == [check.where("g", 1) for check in suite]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"checks": [{"kind": "none"}]}', '{"checks": 3}']
)
def test_json_of_something_else_is_refused(text):
    """What is no suite is one error."""
    with pytest.raises(OptionError):
        Suite.from_json(text)


def test_only_checks_go_in():
    """A class instead of a check is refused, with what to write."""
    with pytest.raises(OptionError, match="write Suite"):
        Suite((Zeros,))
    with pytest.raises(OptionError, match="suite must be a Suite or a Check"):
        check(None, suite="standard")


def test_the_standard_suite(toy):
    """The standard suite is what the documentation lists, and repr rebuilds it."""
    standard = Suite.standard()
    assert repr(standard) == (
        "Uniformity() & Dispersion() & Outliers() & Zeros() & Trend() & RandomEffects() "
        "& Convergence()"
    )
    assert Suite.from_json(standard.to_json()) == standard


def test_one_pass_serves_all_checks(toy):
    """A check finds the same alone, in a suite, and in another order."""
    seen = residuals(toy("poisson", 3), seed=5, draws=30)
    whole = Suite.standard().run(seen)
    for one in Suite.standard():
        alone = Suite((one,)).run(seen).findings[0]
        together = next(f for f in whole.findings if f.check == alone.check)
        assert alone.statistic == together.statistic
        np.testing.assert_array_equal(alone.replicates, together.replicates)
    backwards = Suite(tuple(reversed(Suite.standard().checks))).run(seen)
    assert backwards["trend"].pvalue == whole["trend"].pvalue


def test_residuals_bring_their_own_seed(toy):
    """A run of residuals equals a run of the model with their seed; other arguments are refused."""
    model = toy("poisson", 3)
    seen = residuals(model, seed=5, draws=30)
    report = check(seen, Zeros())
    again = check(model, Zeros(), seed=5, draws=30)
    assert report["zeros"].pvalue == again["zeros"].pvalue
    with pytest.raises(OptionError, match=r"write residuals\(model, seed=1\)"):
        check(seen, Zeros(), seed=1)


def test_findings_follow_their_definitions(toy):
    """The p-value is (b + 1)/(B + 1) of the stored replicates, and floor the least it could be."""
    report = check(toy("poisson", 3), seed=5, draws=99)
    tested = [f for f in report.findings if f.pvalue is not None]
    assert {"uniformity", "dispersion", "trend", "spread"} < {f.check for f in tested}
    for finding in tested:
        statistics = np.concatenate([[finding.statistic], finding.replicates])
        assert finding.pvalue == pool_pvalues(statistics, finding.alternative)[0]
        assert finding.floor == (0.02 if finding.alternative == "two-sided" else 0.01)
        assert finding.pvalue >= finding.floor
        assert finding.effect.low <= finding.effect.value <= finding.effect.high
        assert finding.null
        assert finding.picture is not None
        assert "99 replicate data sets" in finding.detail


def test_names_are_unique_before_work_starts(toy):
    """Two checks of one name are refused, with the remedy, before any replicate."""

    def never(done, total):
        raise AssertionError("replicates were made")

    with pytest.raises(OptionError, match=r"check\.named"):
        (Zeros() & Outliers().named("zeros")).run(toy("poisson", 3), seed=1, progress=never)


def test_exact_facts_need_no_replicates(toy):
    """A suite of facts alone draws nothing."""
    report = check(toy("poisson", 3), Convergence(), seed=1, progress=lambda d, t: 1 / 0)
    finding = report["convergence"]
    assert finding.holds is True
    assert finding.pvalue is None
    assert report.provenance["replicates used"] == 0


def test_an_empty_suite_gives_an_empty_report(toy):
    """No check, no finding."""
    assert Suite().run(toy("poisson", 3), seed=1).findings == ()


def test_provenance_says_how_to_repeat_it(toy):
    """Seed, draws, model, digest and suite are in the report, and survive JSON."""
    report = check(toy("poisson", 3), Zeros(), draws=20)
    told = report.provenance
    assert Suite.from_json(json.dumps({"checks": told["suite"]})) == Suite((Zeros(),))
    again = check(toy("poisson", 3), Zeros(), draws=20, seed=told["seed"])
    assert again["zeros"].pvalue == report["zeros"].pvalue
    assert again.provenance["response digest"] == told["response digest"]
    other = check(toy("poisson", 4), Zeros(), draws=20)
    assert other.provenance["response digest"] != told["response digest"]
    assert told["model"]["model"] == "Poisson"
    assert Report.from_json(report.to_json()).to_json() == report.to_json()


def test_findings_say_who_asked_and_of_what(toy):
    """Each outcome holds its check, and the term or the rows that it is about; JSON keeps both."""
    asked = Zeros() & Zeros().by("half").named("dispersion") & RandomEffects() & Dispersion()
    report = asked.run(toy("poisson", 3), seed=1, draws=19)
    told = [(check_from_dict(found.asked), dict(found.subject)) for found in report.findings]
    halves = [{"column": "half", "level": level} for level in ("a", "b")]
    checks = list(asked)
    terms = [subject for check, subject in told if check == RandomEffects()]
    assert [subject for check, subject in told if check == checks[1]] == halves
    assert all(set(subject) == {"term", "effect"} for subject in terms)
    assert {check for check, _ in told} == set(checks)
    again = Report.from_json(report.to_json())
    assert [(found.asked, found.subject) for found in again.findings] == [
        (found.asked, found.subject) for found in report.findings
    ]


def test_the_whole_report_survives_json(toy):
    """Findings, pictures and verdicts of the standard suite come back exactly."""
    report = check(toy("poisson", 3), Suite.standard() & Trend("half"), seed=1, draws=30)
    assert Report.from_json(report.to_json()).to_json() == report.to_json()


def test_threads_change_nothing(toy, monkeypatch):
    """The report of two threads is that of one process, to the last character."""
    model = toy("poisson", 3)
    alone = check(model, seed=2, draws=60).to_json()
    monkeypatch.setattr(workers, "TRIAL_SECONDS", 0.0)
    monkeypatch.setattr(workers, "START_SECONDS", -1.0)
    with joblib.parallel_config(backend="threading"):
        assert check(model, seed=2, draws=60, n_jobs=2).to_json() == alone


@dataclass(frozen=True, eq=False)
class Stubborn:
    """A model whose refits fail when the response starts with a zero."""

    inner: object

    def __getattr__(self, name):
        return getattr(self.__dict__["inner"], name)

    @property
    def frame(self):
        """The data."""
        return self.inner.frame

    @property
    def discrete(self):
        """Counts."""
        return True

    @property
    def description(self):
        """What it is."""
        return self.inner.description

    def observe(self, conditioning, rng):
        """See the data."""
        return self.inner.observe(conditioning, rng)

    def replicate(self, conditioning, rng):
        """See new data."""
        return self.inner.replicate(conditioning, rng)

    def respond(self, rng):
        """New data."""
        return self.inner.replicate("posterior", rng).response

    def refit(self, response):
        """The same parameters, where the first count is not zero."""
        if response[0] == 0:
            raise ConvergenceError("it starts with zero")
        return Stubborn(replace(self.inner, response=response))


def test_failed_refits_are_reported(toy):
    """Refits kept out are counted in every finding and in the provenance."""
    report = check(
        Stubborn(toy("poisson", 3)), Zeros() & Uniformity(), seed=1, calibration="refit", draws=60
    )
    kept = report.provenance["replicates used"]
    assert 0 < kept < 60
    assert report.provenance["refits kept out"] == {
        "ConvergenceError: it starts with zero": 60 - kept
    }
    for finding in report.findings:
        assert finding.replicates.size == kept
        assert f"{60 - kept} of 60 refits were kept out" in finding.detail
        assert "fitted again" in finding.detail


# -- calibration -------------------------------------------------------------------------------

DATA_SETS = 400
# The smallest two-sided p-value is then 0.1, the level of the test.
REPLICATES = 19
CALIBRATED = (
    Suite.standard()
    & Uniformity("ad")
    & Uniformity("cvm")
    & Dispersion("variance")
    & Outliers(0.1)
    & Count(1)
    & Statistic(np.mean)
    & Trend("x")
    & Trend("site")
    & RandomEffects("ks")
)
# Statistics with few distinct values: ties make their p-values conservative.
TIED = {"outliers", "outliers [0.1]"}
# Binomial(400, 0.1): mean 0.1, standard deviation 0.015; bounds at four of them, so that a right
# library passes all of the ~30 comparisons with probability 0.998.
LOW, HIGH = 0.04, 0.16


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
def test_false_alarms_are_at_their_level(toy, kind):
    """At 10 % every check flags 10 % of correct models: neither more nor, if continuous, fewer.

    The observed data are seen through a draw of the random effects given the data, and the
    replicates with the effects that made them, so that this fails if either is not exact.
    """
    pvalues: dict[str, list[float]] = {}
    for k in range(DATA_SETS):
        report = CALIBRATED.run(toy(kind, 1000 + k), seed=k, draws=REPLICATES)
        for finding in report.findings:
            if isinstance(finding, Finding) and finding.pvalue is not None:
                pvalues.setdefault(finding.check, []).append(finding.pvalue)
    assert len(pvalues) == (15 if kind == "poisson" else 13)
    rates = {check: float(np.mean(np.array(p) <= 0.1)) for check, p in pvalues.items()}
    assert {check: rate for check, rate in rates.items() if rate > HIGH} == {}
    low = {check: rate for check, rate in rates.items() if rate < LOW and check not in TIED}
    assert low == {}


@pytest.mark.slow
def test_the_family_of_all_checks_is_at_its_level(toy):
    """Max-T over the standard suite raises a false alarm in 5 % of correct models, no other rate.

    With known parameters replicates are new data sets of the model, so each of 600 takes its turn
    as the data against 1,400 others.
    """
    turns, others = 600, 1400
    report = check(toy("poisson", 9), seed=9, draws=turns + others)
    findings = [f for f in report.findings if f.pvalue is not None]
    alarms = single = 0
    for k in range(turns):
        taken = [_take_turn(finding, k, turns) for finding in findings]
        verdicts = [judgement.verdict for judgement in Policy().judge(taken)]
        alarms += Verdict.FAIL in verdicts
        single += any(finding.pvalue <= 0.05 for finding in taken)
    # Binomial sd 0.009, and 0.006 from the shared replicates: four of their root sum of squares.
    assert 0.007 <= alarms / turns <= 0.093
    # Without adjustment the same checks raise far more: the adjustment is what does it.
    assert single / turns > 0.12


def _take_turn(finding: Finding, k: int, turns: int) -> Finding:
    rest = finding.replicates[turns:]
    pool = np.concatenate([finding.replicates[k : k + 1], rest])
    pvalue = float(pool_pvalues(pool, finding.alternative)[0])
    return replace(finding, statistic=pool[0], replicates=rest, pvalue=pvalue)


# -- power -------------------------------------------------------------------------------------


def _overdispersed(eta, frame, rng):
    return eta + 0.9 * rng.standard_normal(eta.size)


def _inflated(eta, frame, rng):
    return np.where(rng.random(eta.size) < 0.4, -30.0, eta)


def _curved(eta, frame, rng):
    return eta + 1.0 * (frame["x"].to_numpy() ** 2 - 1.0)


def _split(eta, frame, rng):
    return eta + np.where(frame["half"] == "a", 0.8, -0.8)


def _two_clusters(eta, frame, rng):
    return eta + 2.5 * np.where(frame["site"].cat.codes % 2 == 0, 1.0, -1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "change", "suite"),
    [
        (
            "poisson",
            _overdispersed,
            Uniformity() & Dispersion() & Outliers() & Dispersion("variance"),
        ),
        ("poisson", _inflated, Zeros() & Zeros().by("half")),
        ("gaussian", _curved, Trend("fitted") & Trend("x")),
        ("gaussian", _split, Trend("half") & Statistic(np.var)),
        ("gaussian", _two_clusters, RandomEffects() & RandomEffects("ks")),
    ],
    ids=["overdispersion", "zero inflation", "curvature", "missing factor", "two clusters"],
)
def test_wrong_models_are_found(toy, kind, change, suite):
    """Each check sees, at 5 % in at least 9 of 10 data sets, the fault that it is made for."""
    found: dict[str, int] = {}
    for seed in range(10):
        model = toy(kind, 50 + seed, levels=30, per_level=8, change=change)
        for finding in suite.run(model, seed=seed, draws=99).findings:
            found[finding.check] = found.get(finding.check, 0) + (finding.pvalue <= 0.05)
    assert {check: count for check, count in found.items() if count < 9} == {}


@pytest.mark.parametrize(
    "checks", [np.array("x"), np.array(1.0), np.array(None), np.float64(1.0), 3, "x", b"x", [1]]
)
def test_no_collection_of_checks(checks) -> None:
    """What cannot be gone through, as an array without axes, is one thing that is no check."""
    with pytest.raises(OptionError, match="a suite holds checks, found"):
        Suite(checks)


# -- what a default call rests on --------------------------------------------------------------


def words(report: Report) -> str:
    """The text of a report on one line."""
    return " ".join(str(report).split())


@pytest.mark.slow
def test_a_default_call_is_decided(toy):
    """Without draws every check is decided, with fewer draws than the most for a right model."""
    report = check(toy("poisson", 3), seed=1)
    assert Verdict.UNDECIDED not in report.verdicts.values()
    assert 39 <= report.provenance["replicates used"] < 999
    again = check(toy("poisson", 3), seed=1, draws=report.provenance["replicates used"])
    assert again["uniformity"].pvalue == report["uniformity"].pvalue


@pytest.mark.slow
def test_many_levels_fail_together_where_each_is_far_out(toy):
    """Of 60 levels with twice the variance some fail by default, and the report is not ok."""
    model = toy("poisson", 5, levels=60, per_level=12, change=_overdispersed)
    report = Suite((Dispersion().by("site"),)).run(model, seed=1)
    assert Verdict.UNDECIDED not in report.verdicts.values()
    assert not report.ok


def test_few_draws_are_not_ok_and_say_how_many_are_needed(toy):
    """Nineteen draws decide no two-sided check: not ok, by an error in JUnit, and a number."""
    report = check(toy("poisson", 3), Zeros() & Dispersion(), seed=1, draws=19)
    assert set(report.verdicts.values()) == {Verdict.UNDECIDED}
    assert not report.ok
    assert "write draws=39 or more" in report.judgements[0].sentence
    assert 'errors="2"' in report.to_junit()
    enough = check(toy("poisson", 3), Zeros() & Dispersion(), seed=1, draws=39)
    assert enough.ok


def test_a_report_says_what_its_pvalues_rest_on(toy):
    """A sentence under the table, and the provenance: calibration, its reason, randomisations."""
    drawn = Quantiles("fitted")
    report = check(Stubborn(toy("poisson", 3)), drawn, seed=1, draws=39)
    told = report.provenance
    assert (told["calibration"], told["randomisations"]) == ("refit", 5)
    assert "to each of which the model was fitted again, since Stubborn can be" in words(report)
    assert "means over 5 randomisations" in words(report)
    steady = check(Stubborn(toy("poisson", 3)), Uniformity(), seed=1, draws=39)
    assert steady.provenance["randomisations"] == 1
    assert "randomisations" not in words(steady)
    plain = check(toy("poisson", 3), Uniformity(), seed=1, draws=39)
    assert "seen by the estimates of the model, since Poisson cannot be fitted" in words(plain)


def test_single_randomisations_are_told():
    """The p-value of each randomisation is in the finding, and their span in the sentence."""
    rng = np.random.default_rng(1)
    model = from_draws(rng.poisson(2.0, 40), rng.poisson(2.0, (100, 40)))
    report = check(model, Uniformity(), seed=1)
    found = report["uniformity"]
    assert len(found.single_pvalues) == 5
    assert "by each of 5 randomisations" in report.judgements[0].sentence
    assert Report.from_json(report.to_json())["uniformity"].single_pvalues == found.single_pvalues


@dataclass(frozen=True, eq=False)
class Hopeless(Stubborn):
    """A model that no data set can be fitted to."""

    def refit(self, response):
        """Never."""
        raise ConvergenceError("it never ends")


def test_refits_that_all_fail_fall_back(toy):
    """By default the estimates are the truth then, which is said; asked for, it raises."""
    report = check(Hopeless(toy("poisson", 3)), Uniformity(), seed=1)
    assert report.provenance["calibration"] == "plug-in"
    assert "since no data set of the model could be fitted again" in words(report)
    with pytest.raises(ConvergenceError, match="none of 9 refits was usable"):
        check(Hopeless(toy("poisson", 3)), Uniformity(), seed=1, calibration="refit", draws=9)


@pytest.mark.parametrize(
    ("name", "value"), [("residuals", np.nan), ("mean", np.nan), ("residuals", 1.0)]
)
def test_views_without_a_number_are_refused(toy, name, value):
    """A model of somebody else that says nothing of a row is told which, and of what."""

    class Silent:
        def __init__(self, inner):
            self.inner = inner

        def __getattr__(self, asked):
            return getattr(self.inner, asked)

        def observe(self, conditioning, rng):
            seen = self.inner.observe(conditioning, rng)
            values = np.array(getattr(seen, name))
            values[3] = value
            return replace(seen, **{name: values})

    model = Silent(toy("poisson", 3))
    with pytest.raises(DataError, match=rf"the {name} of Silent must be .* row 3 has"):
        check(model, Uniformity(), seed=1, draws=19)


@pytest.mark.parametrize(
    "asked",
    [Trend("w"), Spread("w"), Quantiles("w"), Groups("w"), Dispersion().by("w"), HurdleZeros("w")],
    ids=repr,
)
def test_complex_columns_are_refused(asked):
    """No check casts complex numbers to real ones; those that look by themselves pass them by."""
    data = datasets.load("grouseticks")
    data["w"] = data["cHEIGHT"].to_numpy() + 0j
    fit = glmm("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", data, family="poisson")
    with pytest.raises(DataError, match="column 'w' holds complex numbers"):
        check(fit, asked, seed=1, draws=19, calibration="plug-in")
    report = check(fit, MissingPredictor(), seed=1, draws=19, calibration="plug-in")
    assert "w (its values are neither numbers nor names)" in report.findings[0].reason
