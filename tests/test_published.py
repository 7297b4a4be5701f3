"""Published numbers: the frame that judges them, and each row with shipped data as it is stored."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from validation.published import command, results  # noqa: E402
from validation.published.frame import (  # noqa: E402
    AGREES,
    ANOTHER,
    CONFIRMED,
    DISAGREES,
    NOT_AT_HAND,
    PUBLISHED_OFF,
    UNDECIDED,
    Case,
    Number,
    Source,
    Tables,
    judge,
    run,
)
from validation.published.systems import CASES  # noqa: E402

SHIPPED = [case for cases in CASES.values() for case in cases if case.data is None]
STORED = {row.key: row for row in results.load()}


def _id(case: Case) -> str:
    return f"{case.system}: {case.name}"


def _case(*numbers: Number, ours: dict[str, float], data: str | None = None) -> Case:
    def compute(tables: Tables) -> dict[str, float]:
        if data is not None:
            tables.external(data)
        return ours

    source = Source("a book", "page 1", "read")
    return Case("a system", "a case", "y ~ 1", "exact", source, numbers, compute, data=data)


@pytest.mark.parametrize(
    ("printed", "allowed"), [("81.44", 0.005), ("-0.8071", 5e-5), ("12", 0.5), ("1.20", 0.005)]
)
def test_half_a_unit_of_the_last_digit(printed, allowed):
    """The tolerance of a printed number is half a unit of its last digit."""
    assert Number("q", printed).allowed == pytest.approx(allowed)


def test_all_digits_need_a_tolerance():
    """A float has no last printed digit."""
    with pytest.raises(ValueError, match="needs a tolerance"):
        Number("q", 1.5)


@pytest.mark.parametrize(
    ("ours", "independent", "verdict"),
    [
        (1.2349, None, AGREES),
        (1.2251, None, AGREES),
        (1.2251, (1.2, 1e-3), DISAGREES),
        (1.24, None, DISAGREES),
        (1.24, (1.24, 1e-6), PUBLISHED_OFF),
        (1.24, (1.23, 1e-6), DISAGREES),
        (1.24, (1.237, 4e-3), UNDECIDED),
        (1.24, (1.242, 3e-3), PUBLISHED_OFF),
    ],
)
def test_verdicts(ours, independent, verdict):
    """An independent value decides where the digits differ, and condemns ours where it differs."""
    assert judge(Number("q", "1.23"), ours, independent) == verdict


def test_verdicts_without_published_digits():
    """Without published digits only an independent value can confirm ours."""
    assert judge(Number("q", None), 2.0, (2.0, 1e-9)) == CONFIRMED
    assert judge(Number("q", None), 2.0, (2.1, 1e-9)) == DISAGREES
    assert judge(Number("q", None), 2.0, None) == DISAGREES
    assert judge(Number("q", "5.0", another=True), 2.0, None) == ANOTHER


def test_data_that_are_not_at_hand(tmp_path):
    """A case whose table the reader lacks is not run, and says so."""
    case = _case(Number("q", "1.0"), ours={"q": 1.0}, data="theirs.csv")
    assert [row.verdict for row in run(case, Tables())] == [NOT_AT_HAND]
    assert [row.verdict for row in run(case, Tables(tmp_path))] == [NOT_AT_HAND]
    (tmp_path / "theirs.csv").write_text("x\n1\n")
    assert [row.verdict for row in run(case, Tables(tmp_path))] == [AGREES]


@pytest.mark.parametrize(("ours", "code"), [(1.0, 0), (2.0, 1)])
def test_exit_code(ours, code, monkeypatch, capsys):
    """The command ends with 1 where a row disagrees, and only there."""
    monkeypatch.setattr(command, "CASES", {"a": (_case(Number("q", "1.0"), ours={"q": ours}),)})
    monkeypatch.setattr(command, "SYSTEMS", ("a",))
    assert command.main(["--no-store"]) == code
    assert "1 numbers" in capsys.readouterr().out


def test_rows_that_could_not_run_stay_stored():
    """A run without the data of a row keeps what is stored of it."""
    key = next(iter(STORED))
    lost = replace(STORED[key], verdict=NOT_AT_HAND, ours=None)
    assert {row.key: row for row in results.merge(STORED.values(), [lost])}[key] == STORED[key]


def test_every_number_is_stored():
    """Each number of each case has its row, and no row is of another."""
    assert list(STORED) == results.order()


def test_no_stored_row_disagrees():
    """Nothing that disagrees is stored as if it were settled."""
    assert [key for key, row in STORED.items() if row.verdict == DISAGREES] == []


def test_the_page_has_the_stored_rows():
    """The tables of the page are those of the stored results."""
    text = results.PAGE.read_text(encoding="utf-8")
    between = text.partition(results.BEGIN)[2].partition(results.END)[0]
    assert between.strip() == results.table(results.load()).strip()


def _verdicts_now(case: Case) -> dict[tuple[str, str, str], str]:
    return {row.key: row.verdict for row in run(case, Tables())}


@pytest.mark.parametrize("case", [case for case in SHIPPED if not case.slow], ids=_id)
def test_verdicts_are_as_stored(case):
    """Run anew, the numbers of a case have the verdicts that are stored."""
    now = _verdicts_now(case)
    assert now == {key: STORED[key].verdict for key in now}


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in SHIPPED if case.slow], ids=_id)
def test_verdicts_are_as_stored_of_long_cases(case):
    """The same of cases that take seconds."""
    now = _verdicts_now(case)
    assert now == {key: STORED[key].verdict for key in now}
