"""The demonstration."""

from __future__ import annotations

import itertools
import re

import pytest

from mixcheck.cli import main
from mixcheck.demo import run_demo
from mixcheck.report.policy import Verdict


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The demo, run once."""
    path = tmp_path_factory.mktemp("demo") / "demo.html"
    return path, run_demo(path, seed=1, quick=True)


def test_the_first_model_fails_and_the_second_passes(told):
    """Dispersion and outliers contradict the Poisson model, and nothing the one with chicks."""
    _, (plain, chick) = told
    for name in ("dispersion", "outliers"):
        assert plain.report.verdicts[name] is Verdict.FAIL
        assert chick.report.verdicts[name] is Verdict.PASS
    assert chick.report.ok
    assert set(chick.report.verdicts.values()) == {Verdict.PASS}


@pytest.mark.parametrize("seed", range(2, 6))
def test_the_story_does_not_hang_on_the_seed(tmp_path, seed):
    """Other random numbers tell the same story."""
    plain, chick = run_demo(tmp_path / "demo.html", seed=seed, quick=True)
    assert not plain.report.ok
    assert chick.report.ok


def test_variances_as_published(told):
    """The standard deviations of the second model are those of lme4's example of these data."""
    _, (_, chick) = told
    found = chick.fit.variance_components.set_index("group")["variance"].to_dict()
    # help(grouseticks) in lme4 1.1-31; glmer stops at about three digits.
    assert found == pytest.approx({"BROOD": 0.5625, "LOCATION": 0.2796, "INDEX": 0.2932}, abs=2e-3)


def test_one_page_with_everything(told):
    """The page holds both reports, the comparison and pictures, and fetches nothing."""
    path, (plain, chick) = told
    page = path.read_text(encoding="utf-8")
    for title in ("The two models side by side", "What it changes", plain.name, chick.name):
        assert f">{title}</h2>" in page
    for report in (plain.report, chick.report):
        for name in report.verdicts:
            assert name in page
    assert page.count("<html") == 1
    assert page.count("<svg") >= 10
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)


def test_headings_step_by_one(told):
    """The headings of the page form a tree without gaps."""
    page = told[0].read_text(encoding="utf-8")
    levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
    assert levels[0] == 1
    assert max(b - a for a, b in itertools.pairwise(levels)) == 1


def test_the_command(tmp_path, capsys):
    """The command tells the failures by name, the passes, the comparison and the path."""
    path = tmp_path / "ticks.html"
    assert main(["demo", "--quick", "--seed", "3", "--report", str(path)]) == 0
    out = capsys.readouterr().out
    for words in (
        "FAIL  dispersion: ",
        "None of 9 checks contradicts the model",
        "Poisson + chick has the lowest AIC",
        str(path),
    ):
        assert words in out
    assert path.exists()
