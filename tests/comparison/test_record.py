"""What results of the comparison have in common."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

import mixcheck as mc
from mixcheck.comparison.record import Record


@pytest.fixture
def test_of_days(days) -> Record:
    """A likelihood-ratio test."""
    return mc.lrt(days["intercept"], days["slope"])


def test_files(test_of_days, tmp_path):
    """Pages and JSON are returned and, where a path is given, written."""
    page, content = tmp_path / "test.html", tmp_path / "test.json"
    assert test_of_days.to_html(page) == page.read_text(encoding="utf-8")
    assert test_of_days.to_json(content) == content.read_text(encoding="utf-8")
    assert json.loads(content.read_text(encoding="utf-8"))["schema_version"] == 1


def test_text(test_of_days):
    """The text is the page, in any width."""
    assert str(test_of_days) == test_of_days.to_text()
    assert max(map(len, test_of_days.to_text(width=60).splitlines())) <= 90


def test_lrt_frame(test_of_days):
    """The likelihood-ratio test is one row of a table."""
    frame = test_of_days.to_frame()
    assert frame.loc[0, "df"] == 2
    assert bool(frame.loc[0, "boundary"])


def test_former_name_of_color(test_of_days):
    """`colour=` of the version before is read, with a warning that says what to write."""
    with pytest.warns(FutureWarning, match="colour= is called color= now.*; write color="):
        told = test_of_days.to_text(colour=True)
    assert told == test_of_days.to_text(color=True)
    with pytest.raises(mc.UnknownArgumentError, match="colour="):
        test_of_days.to_text(colour=True, color=True)


def test_a_record_says_what_it_holds():
    """Without page, table and content there is no record."""
    with pytest.raises(TypeError, match="abstract"):
        Record()


def test_numbers_that_json_has_not(test_of_days):
    """An infinite statistic is a word, and one that is not a number is null."""
    wild = replace(test_of_days, statistic=math.inf, pvalue=math.nan)
    content = json.loads(wild.to_json())
    assert content["statistic"] == "inf"
    assert content["pvalue"] is None
