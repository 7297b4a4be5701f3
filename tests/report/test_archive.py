"""Reports from anywhere: read exactly, or refused in one sentence; what is read can be shown."""

from __future__ import annotations

import json
import os

import jsonschema
import numpy as np
import pytest

from mixcheck.codec.documents import json_schema
from mixcheck.display.document import (
    Badge,
    Caterpillar,
    CurvePlot,
    Figure,
    NormalPlot,
    NullPlot,
    Places,
    PValue,
    QuantileBand,
    QuantileLine,
    QuantilePlot,
    ResidualPlot,
    Table,
)
from mixcheck.errors import DataError, MixcheckError, OptionError
from mixcheck.report.finding import Effect, Finding, Skipped
from mixcheck.report.policy import Policy
from mixcheck.report.report import Report

from .mutations import mutations

# Thousands for a long run: MIXCHECK_MUTATIONS=5000 pytest tests/report/test_archive.py
NUMBER = int(os.environ.get("MIXCHECK_MUTATIONS", "250"))
# Pages with all their pictures take half a second each.
PAGES = NUMBER // 20


def _pictures():
    x = np.arange(6.0)
    return (
        QuantilePlot(x / 6, x / 6, x / 6 - 0.1, x / 6 + 0.1),
        ResidualPlot(
            x,
            x / 6,
            lines=(QuantileLine(0.5, x, x / 6),),
            bands=(QuantileBand(0.5, x, x / 7, x / 5),),
            marked=x > 3,
        ),
        ResidualPlot(np.array([0.0, 0.0, 1.0, 1.0]), x[:4] / 6, levels=("a", "b")),
        NullPlot(x, 3.3),
        Caterpillar(("a", "b"), x[:2], x[:2] - 1, x[:2] + 1, highlighted=np.array([True, False])),
        NormalPlot(x, x, x - 1, x + 1, labels=tuple("abcdef"), highlighted=x > 4),
        CurvePlot(x, x, x - 1, x + 1, x, discrete=True),
    )


@pytest.fixture(scope="module")
def text():
    """The JSON of a report with every kind of outcome, picture and cell."""
    rng = np.random.default_rng(0)
    found = tuple(
        Finding(
            f"check {number}",
            picture.kind,
            "the model is right",
            2.0,
            0.3,
            "greater",
            Effect("ratio", 1.2, 1.0, 1.4, 1.0),
            30,
            floor=0.01,
            replicates=rng.normal(size=9),
            rows=np.arange(3),
            row_labels=("a", "b", "c"),
            picture=picture,
            references=("Hartig (2024)",),
            detail="made to order",
        )
        for number, picture in enumerate(_pictures())
    )
    exact = Finding(
        "convergence", "convergence", "an optimum", 0.0, None, "greater",
        Effect("gradient", 0.0, np.nan, np.nan, 0.0), 3, holds=True,
    )  # fmt: skip
    cells = (("x", 1.5), (Badge("PASS", "good"), PValue(0.2)), ("y", None), ("z", 3))
    report = Report(
        (*found, exact, Skipped("spatial", "spatial", "no coordinates")),
        Policy(negligible={"ratio": 0.1}, waive={"convergence": "known"}),
        {"seed": 1, "suite": [{"kind": "zeros"}]},
        (Figure(_pictures()[4], "modes", "modes of groups"), Table(("a", "b"), cells)),
        "Title",
    )
    return report.to_json()


_SCHEMA = jsonschema.Draft202012Validator(json_schema(Report))


def _schema_errors(content):
    """What the schema says against the items that are read: the others are for human readers."""
    read = {name: content[name] for name in content if name not in ("ok", "judgements")}
    return _SCHEMA.iter_errors(read)


def _refused(text: str) -> str:
    with pytest.raises(MixcheckError) as caught:
        Report.from_json(text)
    assert isinstance(caught.value, DataError | OptionError)
    return str(caught.value)


@pytest.mark.slow
def test_mutated_reports_are_refused_or_shown(text):
    """Whatever was changed: one short sentence, or a report that is valid and shows itself."""
    pages, refusals = 0, []
    for mutant in mutations(text, NUMBER, seed=20):
        try:
            report = Report.from_json(mutant)
        except (DataError, OptionError) as error:
            refusals.append(str(error))
            continue
        assert not any(_schema_errors(json.loads(mutant)))
        for shown in (report.to_text(), report.to_markdown(), report.to_junit()):
            shown.encode()
        assert Report.from_json(report.to_json()).to_json() == report.to_json()
        if pages < PAGES:
            report.to_html().encode()
            pages += 1
    assert pages == PAGES
    assert len(refusals) > NUMBER / 2
    assert not any("\n" in refusal for refusal in refusals)
    assert max(len(refusal.encode()) for refusal in refusals) < 500


def test_a_report_of_the_former_version(text):
    """The rule of adjustment was stored as max-t, and is read as what it is: min-p."""
    old = text.replace('"min-p"', '"max-t"')
    assert old != text
    assert Report.from_json(old).to_json() == text


def test_the_report_itself_returns(text):
    """Without a mutation the JSON returns to the last character."""
    assert Report.from_json(text).to_json() == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": True}, "schema_version is True, and 1 is read"),
        ({"schema_version": 1.0}, "schema_version is 1.0, and 1 is read"),
        ({"schema_version": None}, "schema_version is None"),
        ({"findings": None}, "findings must be a list, found None"),
        ({"findings": [{"outcome": "skipped"}]}, r"findings\[0\] has no item 'check'"),
        ({"policy": []}, "policy must be an object, found"),
        ({"policy": {"alpha": 3}}, "alpha must be a number between 0 and 1"),
        ({"policy": {"beta": 3}}, "a policy has no 'beta'"),
        ({"title": 1}, "title must be a text, found 1"),
        ({"provenance": "x"}, "provenance must be an object"),
        ({"extra": [{"block": "song", "caption": ""}]}, "block must be one of 'figure', 'table'"),
    ],
)
def test_what_is_wrong_is_named(text, change, message):
    """The sentence names the place and what is wanted there."""
    with pytest.raises((DataError, OptionError), match=message):
        Report.from_json(json.dumps({**json.loads(text), **change}))


def test_only_the_version_is_no_report():
    """A report that holds nothing but its version says what it lacks."""
    assert "it has no item 'findings'" in _refused('{"schema_version": 1}')


def test_a_huge_type_is_refused_at_once(text):
    """A type of ten million characters takes neither time nor memory."""
    huge = text.replace('"dtype": "float64"', '"dtype": "U10000000"', 1)
    assert "dtype must be one of 'float64', found 'U10000000'" in _refused(huge)


@pytest.mark.parametrize("source", [b"{}", None, 3, [], {}, object()])
def test_neither_text_nor_path(source):
    """Bytes and other things are refused by what they are."""
    with pytest.raises(OptionError, match="read from the text of its JSON or from the path"):
        Report.from_json(source)


@pytest.mark.parametrize("source", ["no/such/file.json", "x" * 5000, "\ud800", "a\0b", "."])
def test_no_file(source):
    """A file that is not there, or cannot be, is one sentence."""
    said = _refused(source)
    assert "neither a report in JSON nor a file that can be read" in said
    assert "Error" not in said


def test_a_file_of_other_bytes(tmp_path):
    """A file that is no text is no report; one with a byte order mark is."""
    (tmp_path / "a").write_bytes(b"\xff\xfe\x00\x00")
    assert "holds no text" in _refused(tmp_path / "a")
    report = Report((), title="é")
    (tmp_path / "b").write_bytes(b"\xef\xbb\xbf" + report.to_json().encode())
    assert Report.from_json(tmp_path / "b").title == "é"


def test_lone_surrogates_survive():
    """A name that no file can hold returns from JSON, and every page shows that it is odd."""
    report = Report((Skipped("level \udc80", "zeros", "no zeros"),), title="\ud800")
    assert Report.from_json(report.to_json()).to_json() == report.to_json()
    for page in (report.to_html(), report.to_text(), report.to_markdown(), report.to_junit()):
        assert "level \N{REPLACEMENT CHARACTER}" in page
    assert report.to_frame()["check"].tolist() == ["level \N{REPLACEMENT CHARACTER}"]


def test_every_cell_of_a_table_returns():
    """Numbers with decimals, marks, p-values, texts and nothing: each is what it was."""
    cells = ("x", 3, 0.5, Places(0.25, 2), PValue(None), PValue(0.1), Badge("b", "bad"), None, True)
    table = Table(tuple("abcdefghi"), (cells,))
    again = Report.from_json(Report((), extra=(table,)).to_json()).extra[0]
    assert again == table
    assert [type(cell) for cell in again.rows[0]] == [type(cell) for cell in cells]
