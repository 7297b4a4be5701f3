"""What a check is: its arguments, its name, its JSON, its rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from mixcheck.checks import (
    Autocorrelation,
    Calibration,
    Check,
    Collinearity,
    Convergence,
    Count,
    Dispersion,
    Groups,
    Heaping,
    HurdleZeros,
    Influence,
    Interaction,
    LaplaceAdequacy,
    Link,
    MissingGroup,
    MissingPredictor,
    MissingSlope,
    Outliers,
    OutlyingGroups,
    Phylogenetic,
    Quantiles,
    RandomEffects,
    Rootogram,
    Separation,
    Singularity,
    Spatial,
    Spread,
    Statistic,
    Suite,
    Trend,
    Uniformity,
    Zeros,
    check_from_dict,
    known_kinds,
)
from mixcheck.checks import check as module
from mixcheck.checks.statistic import CheckContext, CheckStatistic, ratio
from mixcheck.errors import OptionError, UnknownColumnError
from mixcheck.quantile_residuals import residuals
from mixcheck.report.finding import Skipped

EXAMPLES = [
    Uniformity(),
    Uniformity("ad"),
    Dispersion(),
    Dispersion("variance", "greater"),
    Outliers(),
    Outliers(0.01),
    Zeros(),
    Count(3),
    Statistic(np.mean),
    Statistic(np.std, "less"),
    Trend(),
    Trend("x"),
    RandomEffects("ks"),
    Convergence(),
    LaplaceAdequacy(tolerance=0.2),
    Autocorrelation("t", "site", lags=2),
    Spatial("x", "y", metric="great-circle"),
    Phylogenetic("site", "((a:1,b:1):1,c:2);"),
    Groups("site", aspect="spread"),
    Spread("x"),
    Quantiles("x"),
    Calibration(bins=4),
    Heaping(5),
    HurdleZeros("x"),
    Rootogram(3),
    Influence("site"),
    Influence("site", method="refit", tolerance=0.5),
    OutlyingGroups(),
    Interaction(),
    Link(),
    MissingGroup(),
    MissingPredictor(),
    MissingSlope(),
    Collinearity(5.0),
    Separation(),
    Singularity(),
    Zeros().by("site"),
    Zeros().where("site", "s1").named("zeros at home"),
]


def scene_of(model) -> CheckContext:
    """The context of the observed data."""
    return CheckContext(model, residuals(model, seed=1).observed, model.frame)


@pytest.mark.parametrize("check", EXAMPLES, ids=repr)
def test_a_check_is_its_arguments(check):
    """Copies are equal, hash alike, and come back from their dictionary."""
    again = check_from_dict(check.to_dict())
    assert again == check
    assert hash(again) == hash(check)
    assert repr(again) == repr(check)


def test_all_examples_differ():
    """No two checks with different arguments are equal, or share a name."""
    assert len(set(EXAMPLES)) == len(EXAMPLES)
    assert len({repr(check) for check in EXAMPLES}) == len(EXAMPLES)


def test_the_examples_cover_every_kind_of_the_library():
    """A new kind of check must join the laws of this file."""
    library = {
        kind
        for kind in known_kinds()
        if module.KINDS.classes[kind].__module__.startswith("mixcheck.")
    }
    assert {check.kind for check in EXAMPLES} | {"where"} == library


def test_repr_shows_what_differs_from_defaults():
    """The repr is the call that makes the check."""
    assert repr(Dispersion()) == "Dispersion()"
    assert repr(Dispersion(alternative="greater")) == "Dispersion(alternative='greater')"
    assert repr(Statistic(np.mean)) == "Statistic(mean)"
    assert repr(Zeros().by("site").named("z")) == "Zeros().by('site').named('z')"


def test_names_tell_kind_and_arguments():
    """The name of a finding is short, and tells checks of one kind apart."""
    assert Zeros().name == "zeros"
    assert Count(3).name == "count [3]"
    assert Trend("x").name == "trend [x]"
    assert Statistic(np.mean).name == "statistic [mean]"
    assert RandomEffects().name == "random effects"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Uniformity("lilliefors"), "'ks', 'ad', 'cvm'"),
        (lambda: Dispersion(alternative="more"), "'two-sided', 'greater', 'less'"),
        (lambda: Outliers(0.7), "between 0 and 0.5"),
        (lambda: Count(float("nan")), "finite number"),
        (lambda: Trend(3), "name of a column"),
        (lambda: Statistic(lambda y: y.mean()), "imported by its name"),
        (lambda: Statistic("numpy:no_such"), "imported by its name"),
        (lambda: check_from_dict({"kind": "zero"}), "no check is of kind 'zero'"),
        (
            lambda: check_from_dict({"kind": "zeros", "k": 1}),
            "the arguments of a check of kind 'zeros' are none; found 'k'",
        ),
        (lambda: Zeros() & 3, "unsupported operand"),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    """A wrong argument raises where the check is made, with what is allowed."""
    with pytest.raises((OptionError, TypeError), match=message):
        make()


def test_a_kind_belongs_to_one_class():
    """A second class cannot take the kind of another."""
    with pytest.raises(OptionError, match="taken by Zeros"):

        class Noughts(Check):
            kind = "zeros"


class Oracle:
    """A model that knows the truth.

    No model of ours is one.
    """


@dataclass(frozen=True, repr=False)
class Impossible(Check):
    """Needs what no model has."""

    kind: ClassVar[str] = "test-impossible"
    needs: ClassVar[type] = Oracle

    def measures(self, context):
        """Never asked."""
        raise AssertionError("the needs were not looked at")


def test_a_model_without_the_protocol_is_skipped(toy):
    """What a check needs and a model has not gives a reason, not an error."""
    (outcome,) = Impossible().plan(scene_of(toy("gaussian", 1)))
    assert isinstance(outcome, Skipped)
    assert outcome.reason == (
        "This check needs a model that knows the truth, which Gaussian is not."
    )


def test_by_gives_each_level_its_own_rows(toy):
    """One finding a level, with the level's own n, rows, and the numbers of that data alone."""
    model = toy("poisson", 3)
    seen = residuals(model, seed=1, draws=40)
    report = (Zeros().by("half") & Outliers(0.2).by("half")).run(seen)
    for level in "ab":
        rows = np.flatnonzero(model.frame["half"] == level)
        finding = report[f"zeros [half={level}]"]
        assert finding.n == rows.size == 20
        observed = seen.observed
        excess = (observed.response[rows] == 0).sum() - observed.mode_probability(0)[rows].sum()
        assert finding.statistic == pytest.approx(excess)
        outliers = report[f"outliers [0.2] [half={level}]"].rows
        assert set(outliers) <= set(rows)
        r = observed.residuals
        assert set(outliers) == set(rows[(r[rows] < 0.2) | (r[rows] > 0.8)])


def test_where_is_one_level_of_by(toy):
    """`where` gives the finding that `by` gives for its level."""
    seen = residuals(toy("poisson", 3), seed=1, draws=40)
    by = Dispersion().by("half").named("d").where("site", "s2")
    one = (Dispersion().where("half", "a") & Dispersion().by("half").named("level")).run(seen)
    left, right = one["dispersion [half=a]"], one["level [half=a]"]
    assert left.statistic == right.statistic
    np.testing.assert_array_equal(left.replicates, right.replicates)
    nested = Suite((by,)).run(seen)
    assert nested["d [half=a] [site=s2]"].n == 2


def test_rows_without_a_value_are_left_out_and_counted(toy):
    """A missing level is no level; the finding says how many rows that cost."""
    model = toy("poisson", 3)
    half = model.frame["half"].where(np.arange(40) % 4 != 0)
    model = replace(model, frame=model.frame.assign(half=half))
    report = Zeros().by("half").named("z").__and__(Zeros()).run(model, seed=1, draws=20)
    assert [report[f"z [half={level}]"].n for level in "ab"] == [10, 20]
    assert "10 rows without a value of half are left out." in report["z [half=a]"].detail
    assert "left out" not in report["zeros"].detail


def test_unknown_columns_and_levels_are_errors(toy):
    """A misspelt column lists near names; a level that no row has lists the levels."""
    seen = residuals(toy("poisson", 3), seed=1, draws=5)
    with pytest.raises(UnknownColumnError, match="did you mean 'site'"):
        Suite((Zeros().by("sites"),)).run(seen)
    with pytest.raises(OptionError, match="its values are 'a', 'b'"):
        Suite((Zeros().where("half", "c"),)).run(seen)
    with pytest.raises(UnknownColumnError, match="no column is called 'zzz'"):
        Suite((Trend("zzz"),)).run(seen)


def test_checks_of_the_whole_model_are_skipped_for_rows(toy):
    """Convergence by site is no question: it is skipped once, with its reason."""
    report = Suite((Convergence().by("site"), RandomEffects().where("site", "s1"))).run(
        toy("poisson", 3), seed=1, draws=5
    )
    assert len(report.findings) == 2
    assert all("about the whole model" in finding.reason for finding in report.findings)


def test_too_few_rows_are_skipped(toy):
    """A level too small for a check says so."""
    model = toy("poisson", 3)
    lone = pd.Series(["one"] + ["rest"] * 39, index=model.frame.index)
    model = replace(model, frame=model.frame.assign(lone=lone))
    (first, second) = Dispersion().by("lone").plan(scene_of(model))
    assert isinstance(first, Skipped)
    assert first.check == "dispersion [lone=one]"
    assert "There are 1 rows" in first.reason
    assert isinstance(second, CheckStatistic)


def test_named_keeps_what_tells_findings_apart(toy):
    """A name replaces the check's own and keeps level or term."""
    report = (RandomEffects().named("effects") & Zeros().named("z").by("half")).run(
        toy("poisson", 3), seed=1, draws=5
    )
    assert [f.check for f in report.findings] == ["effects [site]", "z [half=a]", "z [half=b]"]


def test_ratio_has_no_nan():
    """0 / 0 is 1, x / 0 infinite."""
    assert (ratio(3.0, 2.0), ratio(0.0, 0.0), ratio(1.0, 0.0)) == (1.5, 1.0, float("inf"))


@pytest.mark.parametrize(
    "level",
    [
        np.float64("nan"),
        float("nan"),
        np.inf,
        -np.inf,
        np.float32("nan"),
        np.float16("inf"),
        10**400,
    ],
)
def test_levels_that_no_table_has(level) -> None:
    """What JSON cannot hold is no level, of a check, of a suite, or of a description."""
    for asked in (Zeros(), Zeros() & Dispersion()):
        with pytest.raises(OptionError, match="level must be"):
            asked.where("f", level)
    content = {"kind": "where", "check": {"kind": "zeros"}, "column": "f", "level": level}
    with pytest.raises(OptionError, match=r"level.* must be"):
        check_from_dict(content)


@pytest.mark.parametrize("number", [np.int64(3), np.uint8(3), np.intp(0)])
def test_whole_numbers_of_numpy_name_columns(number) -> None:
    """Numbered columns of pandas are such numbers: they are stored as those of Python."""
    for made, same in (
        (Zeros().by(number), Zeros().by(int(number))),
        (Zeros().where(number, np.int64(2)), Zeros().where(int(number), 2)),
    ):
        assert made == same
        assert hash(made) == hash(same)
        assert type(made.column) is int
        assert check_from_dict(json.loads(json.dumps(made.to_dict()))) == made
    for column in (10**400, np.float64(1.0), True, np.bool_(True), None):
        with pytest.raises(OptionError, match="column must be"):
            Zeros().by(column)


def test_a_value_for_each_row_is_no_level(toy):
    """A continuous column is one error that says what to write; many levels of two rows are not."""
    model = toy("gaussian", 1)
    with pytest.raises(OptionError, match=r"40 different values in 40 rows.*Trend\('x'\)"):
        Suite((Zeros().by("x"),)).run(model, seed=1, draws=5)
    pairs = replace(model, frame=model.frame.assign(pair=np.repeat(np.arange(20), 2)))
    assert len(Suite((Uniformity().by("pair"),)).run(pairs, seed=1, draws=5).findings) == 20


def test_levels_are_quoted_as_they_are_written(toy):
    """A message lists 1 and 2, not numbers of NumPy."""
    model = toy("gaussian", 1)
    coded = replace(model, frame=model.frame.assign(code=np.tile([1, 2], 20)))
    with pytest.raises(OptionError, match=r"equal to '1'; its values are 1, 2$"):
        Suite((Zeros().where("code", "1"),)).run(coded, seed=1, draws=5)


NOTATIONS = {
    "suite.json": '{"checks": [{"kind": "zeros"}, {"kind": "trend", "against": "Days"}]}',
    "suite.toml": '[[checks]]\nkind = "zeros"\n[[checks]]\nkind = "trend"\nagainst = "Days"\n',
    "suite.yaml": "checks:\n- kind: zeros\n- {kind: trend, against: Days}\n",
}


@pytest.mark.parametrize("name", NOTATIONS)
def test_a_suite_of_a_file(tmp_path, name) -> None:
    """The same suite is read from each notation."""
    (tmp_path / name).write_text(NOTATIONS[name], encoding="utf-8")
    assert Suite.from_file(tmp_path / name) == Zeros() & Trend("Days")


def test_what_is_written_is_read_from_a_file(tmp_path) -> None:
    """Every check that brings no code goes through a file."""
    plain = Suite(tuple(check for check in EXAMPLES if not isinstance(check, Statistic)))
    (tmp_path / "suite.json").write_text(plain.to_json(), encoding="utf-8")
    assert len(plain) > 20
    assert Suite.from_file(tmp_path / "suite.json") == plain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"checks": [{"kind": "zeross"}]}', "no check is of kind 'zeross'; there are "),
        ('{"checks": [{"kind": "zeros", "n": 1}]}', "arguments of a check of kind 'zeros'"),
        ('{"check": [{"kind": "zeros"}]}', "a suite has no 'check'; it is a mapping such as"),
        ('{"checks": {"kind": "zeros"}}', "checks must be a list"),
        ('{"checks": ["zeros"]}', r"checks\[0\] must be an object, found 'zeros'"),
        ("[]", "it must be an object"),
        ("{}", "has no item 'checks'"),
        ('{"checks": [], "schema_version": 9}', "schema_version is 9, and 1 is read"),
    ],
)
def test_what_is_no_suite_in_a_file(tmp_path, text, message) -> None:
    """One sentence names the file and what is wrong in it."""
    (tmp_path / "suite.json").write_text(text, encoding="utf-8")
    with pytest.raises(OptionError, match=message) as caught:
        Suite.from_file(tmp_path / "suite.json")
    assert str(caught.value).count("suite.json") == 1
    assert "\n" not in str(caught.value)


def test_a_file_holds_no_code(tmp_path) -> None:
    """A function is refused at any depth, and its module is not imported."""
    (tmp_path / "gone_module.py").write_text("raise SystemExit", encoding="utf-8")
    asked = {"kind": "statistic", "function": "gone_module:f"}
    for check in (asked, {"kind": "by", "column": "g", "check": asked}):
        (tmp_path / "suite.json").write_text(json.dumps({"checks": [check]}), encoding="utf-8")
        with pytest.raises(OptionError, match="names a function, and files hold no code"):
            Suite.from_file(tmp_path / "suite.json")


def test_cases_are_named_checks() -> None:
    """Each case is a check, and has the attribute by which pytest calls a parameter."""
    suite = Zeros() & Zeros().by("site") & Trend("Days") & Zeros().named("empty nests")
    suite &= Zeros().where("site", "a")
    assert suite.cases() == suite.checks
    names = ["zeros", "zeros by site", "trend [Days]", "empty nests", "zeros where site = a"]
    assert [case.__name__ for case in suite.cases()] == names
    assert Zeros.__name__ == "Zeros"


@pytest.mark.parametrize("case", (Zeros().by("site") & Trend("Days")).cases())
def test_pytest_calls_a_case_by_its_name(case, request) -> None:
    """The id of a parameter is the name of its check."""
    assert request.node.name.endswith(f"[{case.__name__}]")
