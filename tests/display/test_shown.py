"""What all results show of themselves."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

import mixcheck as mc
from mixcheck.display.shown import Shown


@pytest.fixture(scope="module")
def results() -> dict[str, Shown]:
    """A report, a comparison and a table of estimates."""
    sleep = mc.datasets.load("sleepstudy")
    small, large = (
        mc.glmm(f"Reaction ~ Days + ({effects} | Subject)", sleep) for effects in ("1", "1 + Days")
    )
    return {
        "report": mc.check(large, mc.checks.Uniformity(), seed=1, draws=19, calibration="plug-in"),
        "comparison": mc.compare({"small": small, "large": large}),
        "summary": large.summary(),
        "slopes": mc.slopes(large, "Days"),
    }


def test_results_share_a_page(results, tmp_path):
    """One heading of the first level, those of others below it, none left out and none skipped."""
    report, *others = results.values()
    page = report.to_html(tmp_path / "all.html", also=others)
    assert (tmp_path / "all.html").read_text(encoding="utf-8") == page
    assert re.findall(r"<h1>(.*?)</h1>", page) == ["Model checks"]
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    for one in others:
        assert one.document().title in titles
    levels = [int(level) for level in re.findall(r"<h(\d)", page)]
    assert all(below <= above + 1 for above, below in pairwise(levels))
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("also", "message"),
    [
        ([3], "also takes results with pages, .* and holds 3"),
        ("report", "also takes results with pages"),
        (None, "also must be a list of results"),
    ],
)
def test_what_has_no_page_is_refused(results, also, message):
    """With what has one."""
    with pytest.raises(mc.OptionError, match=message):
        results["comparison"].to_html(also=also)


def test_one_result_is_not_a_list(results):
    """It is told so."""
    with pytest.raises(mc.OptionError, match="also must be a list of results with pages"):
        results["comparison"].to_html(also=results["report"])


@pytest.mark.parametrize("name", ["report", "comparison", "summary", "slopes"])
def test_every_format_is_of_the_page(results, name):
    """Each is there, and is what is printed."""
    one = results[name]
    assert one.to_text(width=60 if name != "summary" else 88)
    assert one.to_markdown().startswith("# ")
    assert "\\begin{tabular}" in one.to_latex()
    assert one._repr_html_().startswith('<div class="mixcheck')
