import json
import pickle
import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.display.document import (
    Badge,
    Caterpillar,
    Figure,
    NullPlot,
    PValue,
    QuantilePlot,
    Table,
)
from mixcheck.errors import ChecksFailed, DataError, OptionError, UnknownCheckError
from mixcheck.report.finding import Effect, Finding, Skipped
from mixcheck.report.policy import Policy, Verdict
from mixcheck.report.report import Report

laws = settings(deadline=None, derandomize=True, max_examples=50)
HOSTILE = '<script>alert("x")</script>\x00|\x1b[31m'
COLUMNS = [
    "check",
    "verdict",
    "statistic",
    "pvalue",
    "adjusted_pvalue",
    "effect",
    "effect_low",
    "effect_high",
    "n",
    "sentence",
]


@pytest.fixture
def report(finding):
    """A report in which every verdict occurs."""
    rng = np.random.default_rng(5)
    nulls, small = rng.normal(size=(2, 999))
    found = (
        finding(
            "dispersion",
            replicates=nulls,
            statistic=9.0,
            picture=NullPlot(nulls, 9.0),
            rows=np.arange(30),
            references=("Hartig (2024)",),
            detail="pearson statistic",
        ),
        finding("zeros", replicates=-nulls, statistic=0.1),
        finding("slope", replicates=small, statistic=8.0, effect=Effect("slope", 0.01, 0, 0.02, 0)),
        finding("outliers", replicates=small**3, statistic=99.0),
        finding("influence", pvalue=0.2, floor=0.09),
        finding("convergence", pvalue=None, holds=True),
        Skipped("spatial", "spatial", "there are no coordinates"),
    )
    return Report(
        found,
        Policy(negligible={"slope": 0.1}, waive={"outliers": "two logger faults"}),
        provenance={"version": "0.1.0", "seed": 7, "suite": {"checks": ["zeros"]}, "nan": np.nan},
        extra=(
            Figure(Caterpillar(("a",), np.ones(1), np.zeros(1), np.ones(1)), "modes"),
            Table(("x", "y"), (("a", 0.5), (Badge("PASS", "good"), PValue(None)))),
        ),
        title="Salamanders",
    )


EXPECTED = {
    "dispersion": Verdict.FAIL,
    "zeros": Verdict.PASS,
    "slope": Verdict.WARN,
    "outliers": Verdict.WAIVED,
    "influence": Verdict.UNDECIDED,
    "convergence": Verdict.PASS,
    "spatial": Verdict.SKIPPED,
}


def test_every_verdict(report):
    """The sample holds every verdict."""
    assert report.verdicts == EXPECTED
    assert set(EXPECTED.values()) == set(Verdict)


def test_one_property_drives_every_output(report):
    """Frame, JSON, JUnit, HTML and ok say the same under any policy."""
    for judged in (report, report.judge(Policy(alpha=1e-6))):
        verdicts = [verdict.value for verdict in judged.verdicts.values()]
        failures = verdicts.count("FAIL")
        undecided = verdicts.count("UNDECIDED")
        assert judged.ok == (failures + undecided == 0)
        content = json.loads(judged.to_json())
        assert [item["verdict"] for item in content["judgements"]] == verdicts
        assert content["ok"] is judged.ok
        assert judged.to_frame()["verdict"].tolist() == verdicts
        suite = ElementTree.fromstring(judged.to_junit()).find("testsuite")
        assert suite.attrib["failures"] == str(failures) == str(len(suite.findall(".//failure")))
        assert suite.attrib["errors"] == str(undecided) == str(len(suite.findall(".//error")))
        assert judged.to_html().count("</span>FAIL</span>") == (2 * failures + (failures > 0))


def test_judging_again_computes_nothing(report):
    """Another policy gives other verdicts on the very same findings, and back."""
    stricter = report.judge(Policy())
    assert stricter.findings is report.findings
    assert stricter.verdicts["slope"] is Verdict.FAIL
    assert stricter.judge(report.policy).judgements == report.judgements


def test_frame(report):
    """The frame has the promised columns, and missing values where nothing applies."""
    frame = report.to_frame()
    assert list(frame.columns) == COLUMNS
    row = frame.set_index("check").loc["spatial"]
    assert row[["statistic", "pvalue", "effect", "n"]].isna().all()
    assert frame["n"].dtype == "Int64"
    assert list(Report(()).to_frame().columns) == COLUMNS


def test_lookup(report):
    """A finding is found by name; otherwise the error lists near names or the reason."""
    assert report["dispersion"].statistic == 9.0
    with pytest.raises(
        UnknownCheckError, match=r"did you mean 'dispersion'.*there are: dispersion"
    ):
        report["dispersoin"]
    with pytest.raises(KeyError, match="was skipped: there are no coordinates"):
        report["spatial"]


def test_assert_ok(report):
    """The assertion fails with the table as its message, and strictly for weaker verdicts."""
    with pytest.raises(ChecksFailed, match=r"dispersion +FAIL") as raised:
        report.assert_ok()
    assert str(raised.value) == report.to_text()
    for name in ("slope", "spatial"):
        weak = Report(tuple(item for item in report.findings if item.check == name), report.policy)
        weak.assert_ok()
        with pytest.raises(AssertionError):
            weak.assert_ok(strict=True)
    open_ = Report(tuple(item for item in report.findings if item.check == "influence"))
    with pytest.raises(ChecksFailed, match="could not have failed the model"):
        open_.assert_ok()
    for name in ("zeros", "convergence", "outliers"):
        sound = Report(tuple(item for item in report.findings if item.check == name), report.policy)
        sound.assert_ok(strict=True)


def test_not_a_truth_value(report):
    """A report refuses to be a truth value or a sequence, and says what to read."""
    with pytest.raises(TypeError, match=r"report\.ok"):
        bool(report)
    with pytest.raises(TypeError, match=r"report\.findings"):
        list(report)


def test_json_round_trip(report):
    """JSON is strict and gives back the report, its extras and its judgements."""
    text = report.to_json()
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    back = Report.from_json(text)
    assert back.to_json() == text
    assert back.judgements == report.judgements
    assert back.to_html() == report.to_html()


finite_or_not = st.floats()
outcomes = st.builds(
    Finding,
    check=st.just("a"),
    kind=st.text(max_size=5),
    null=st.text(max_size=9),
    statistic=finite_or_not,
    pvalue=st.none() | st.floats(0.0, 1.0) | st.just(float("nan")),
    alternative=st.sampled_from(["two-sided", "greater", "less"]),
    effect=st.builds(Effect, st.text(max_size=5), *[finite_or_not] * 4),
    n=st.integers(0, 10**6),
    floor=st.floats(0.0, 1.0),
    replicates=st.lists(finite_or_not, max_size=4).map(lambda x: np.array(x, dtype=float)),
    holds=st.none() | st.booleans(),
    rows=st.lists(st.integers(0, 99), max_size=3).map(lambda x: np.array(x, dtype=np.intp)),
    picture=st.none() | finite_or_not.map(lambda x: QuantilePlot(np.array([x]), np.array([0.5]))),
    detail=st.text(max_size=9),
)


@laws
@given(outcomes)
def test_json_round_trip_of_any_finding(outcome):
    """Any finding returns from JSON to the same JSON, verdict and page."""
    report = Report((outcome, Skipped("b", "b", "no")))
    back = Report.from_json(report.to_json())
    assert back.to_json() == report.to_json()
    assert back.verdicts == report.verdicts
    assert back.to_text() == report.to_text()


def test_files(report, tmp_path):
    """Each format is written to the path given, and JSON is read from one."""
    for write in (report.to_html, report.to_json, report.to_junit):
        path = tmp_path / write.__name__
        assert write(path) == path.read_text(encoding="utf-8")
    assert Report.from_json(tmp_path / "to_json").verdicts == report.verdicts


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "no JSON"), ('{"schema_version": 99}', "schema_version is 99"), ("{}", "is None")],
)
def test_unreadable_json(text, message):
    """What is no report, or of another schema, is refused by name."""
    with pytest.raises(DataError, match=message):
        Report.from_json(text)


def test_names_are_unique(finding):
    """Two findings of one name are refused, with the remedy."""
    with pytest.raises(DataError, match=r"'dispersion' occurs more than once: .*named"):
        Report((finding(), finding()))


def test_provenance_is_plain(finding):
    """A provenance that JSON cannot hold is refused at once."""
    with pytest.raises(DataError, match="found object"):
        Report((), provenance={"model": object()})


def test_pickle(report):
    """A report travels to another process and back."""
    assert pickle.loads(pickle.dumps(report)).to_json() == report.to_json()


def test_junit(report):
    """WARN passes with its output; SKIPPED and WAIVED are skipped, and UNDECIDED is an error."""
    suite = ElementTree.fromstring(report.to_junit()).find("testsuite")
    cases = {case.attrib["name"]: case for case in suite}
    assert suite.attrib["tests"] == "7"
    assert (suite.attrib["skipped"], suite.attrib["errors"]) == ("2", "1")
    assert cases["slope"].find("system-out").text.startswith("WARN: ")
    assert cases["influence"].find("error").attrib["type"] == "UNDECIDED"
    assert list(cases["zeros"]) == []


def test_hostile_names(finding):
    """Markup and control characters in names reach neither page, XML nor terminal."""
    report = Report((finding(HOSTILE, pvalue=1e-9, picture=NullPlot(np.arange(9.0), 12.0)),))
    for page in (report.to_html(), report._repr_html_()):
        assert "<script" not in page
    ElementTree.fromstring(report.to_junit())
    assert "\x1b" not in report.to_text()
    assert "\x00" not in report.to_markdown()
    assert Report.from_json(report.to_json()).findings[0].check == HOSTILE


def test_text_shows_the_summary_first(report):
    """The text begins with the verdict on the whole and names what failed."""
    lines = str(report).splitlines()
    assert lines[3].startswith("FAIL  1 of 6 checks contradicts the model: dispersion.")
    assert repr(report) == ("<Report: 1 FAIL, 2 PASS, 1 WARN, 1 WAIVED, 1 UNDECIDED, 1 SKIPPED>")


@pytest.mark.parametrize("names", [("zeros", "convergence"), ("spatial",), ()])
def test_summary_of_other_reports(report, names):
    """Reports without a failure, without a judgement and without a check say so."""
    some = Report(tuple(item for item in report.findings if item.check in names))
    expected = {
        2: "None of 2 checks contradicts the model, at a level of 5 % for all checks together.",
        1: "Every check was skipped, so nothing is known.",
        0: "No check was run, so nothing is known.",
    }
    assert expected[len(names)] in some.to_text().replace("\n      ", " ").replace(
        "\n         ", " "
    )
    assert some.ok
    assert "Provenance" in some.to_html()


def test_page_holds_everything(report):
    """The page has each finding, its figure, the extras, the references and the provenance."""
    page = report.to_html()
    assert page.count("<svg") == 2
    for words in ("Null hypothesis", "Pearson statistic.", "and 18 more", "Hartig (2024)", "seed"):
        assert words in page
    assert report.citations() == ("Hartig (2024)",)


def test_finding_plots_itself(report):
    """A finding draws its picture, or says that it has none."""
    from matplotlib.figure import Figure as Canvas

    ax = Canvas().subplots()
    assert report["dispersion"].plot(ax) is ax
    with pytest.raises(DataError, match="'zeros' has no picture"):
        report["zeros"].plot()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"findings": (1,)}, "findings must be a tuple of Finding or Skipped"),
        ({"findings": None}, "findings must be a tuple of Finding or Skipped"),
        ({"findings": (), "policy": 0.05}, r"policy must be a Policy, found 0\.05"),
        ({"findings": (), "extra": (1,)}, "extra must be a tuple of Figure or Table"),
        ({"findings": (), "title": 3}, "title must be a text"),
    ],
)
def test_reports_are_made_of_findings(arguments: dict[str, Any], message: str) -> None:
    """What is no finding, policy, picture or title is refused when the report is made."""
    with pytest.raises(OptionError, match=message):
        Report(**arguments)


@pytest.mark.parametrize("policy", [None, 0.05, Policy, [Policy()]])
def test_judged_by_a_policy_alone(policy: Any) -> None:
    """A report is judged by a policy, and by nothing that is none."""
    with pytest.raises(OptionError, match="policy must be a Policy"):
        Report(()).judge(policy)


def test_a_finding_in_a_line(finding):
    """A finding shows its effect and p-value, and neither replicates nor picture."""
    told = repr(finding("zeros", replicates=np.arange(1000.0), statistic=99.0))
    assert told.startswith("<Finding zeros: ")
    assert "p < 0.001" in told or "p = " in told
    assert len(told) < 120


def test_a_page_begins_with_what_was_checked(finding):
    """The model as its port describes it, the day and the version; then the verdict."""
    model = {"formula": "y ~ x", "family": "poisson", "link": "log", "nobs": 40, "deviance": -12.5}
    provenance = {"date": "2026-01-02", "mixcheck": "0.1.0", "model": model, "seed": 3}
    page = Report((finding("zeros"),), provenance=provenance).to_html()
    facts = re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", page[: page.index('class="verdict')])
    assert facts == [
        ("formula", "y ~ x"),
        ("family", "poisson (log link)"),
        ("observations", "40"),
        ("deviance", "\N{MINUS SIGN}12.50"),
        ("checked", "2026-01-02, mixcheck 0.1.0"),
    ]
    assert "<dt>" not in Report((finding("zeros"),)).to_html().partition('class="verdict')[0]


def test_provenance_is_told_in_words(finding):
    """No JSON: suites by the names of their checks, nothing as none."""
    provenance = {
        "seed": None,
        "suite": [{"kind": "zeros"}, {"kind": "trend", "along": "x", "levels": [1, 0.5]}],
        "refits kept out": {},
        "flags": {"strict": True},
    }
    page = Report((finding("zeros"),), provenance=provenance).to_html()
    told = dict(re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", page))
    assert told["seed"] == told["refits kept out"] == "none"
    assert told["suite"] == "zeros, trend (along x, levels 1, 0.5)"
    assert told["flags"] == "strict yes"


@pytest.mark.slow
def test_of_very_many_findings_the_worst_have_pictures(finding):
    """All are in the table; the page stays small, and says how many it shows one by one."""
    nulls = np.random.default_rng(5).normal(size=99)
    found = tuple(
        finding(f"zeros [k={k}]", replicates=nulls, statistic=9.0 if k in (700, 800) else 0.0)
        for k in range(1000)
    )
    drawn = tuple(replace(one, picture=NullPlot(nulls, one.statistic)) for one in found)
    page = Report(drawn, Policy(adjust="none"), title="Many").to_html()
    assert page.count("<svg") == 12
    assert "Findings: the 12 worst of 1,000" in page
    assert page.count('<th scope="row"') == 1000
    assert page.index("<h3 id") < page.index("zeros [k=700]</h3>") < page.index("[k=800]</h3>")
    assert len(page) < 2_000_000


def test_a_corner_of_a_table_is_no_heading(report):
    """A heading without text would be read out."""
    table = Table(("", "estimate"), (("x", 0.5),))
    page = Report(report.findings, Policy(), extra=(table,)).to_html()
    assert "<td></td>" in page
    assert not re.search(r"<th[^>]*></th>", page)
