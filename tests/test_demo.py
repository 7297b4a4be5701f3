"""The demonstration."""

from __future__ import annotations

import itertools
import math
import re

import pytest

from mixcheck.command import main
from mixcheck.demo import run_demo
from mixcheck.port import port_of
from mixcheck.report.policy import Verdict

pytestmark = pytest.mark.slow

FAILING = (
    *("uniformity", "dispersion", "outliers", "zeros", "spread"),
    *("missing slope", "missing group", "interaction"),
)
CHOSEN = "nbinom2, (1 | site:spp)"
# glmmTMB prints criteria to one decimal; optimizers agree to far more than this.
CRITERION_ATOL = 0.02


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The demo, run once."""
    path = tmp_path_factory.mktemp("demo") / "demo.html"
    return path, run_demo(path, seed=1, quick=True)


def _require_the_story(story):
    verdicts = story.wrong.report.verdicts
    assert [name for name in verdicts if verdicts[name] is Verdict.FAIL] == list(FAILING)
    better = story.better.report.verdicts
    assert {name for name in better if better[name] is not Verdict.PASS} <= {
        "missing slope",
        "interaction",
    }
    assert story.better.report.ok
    assert story.better.name == CHOSEN


def test_the_first_model_fails_and_the_chosen_one_passes(told):
    """Eight checks contradict the Poisson model; those of the chosen one can fail, and pass."""
    _require_the_story(told[1])


def test_the_same_questions(told):
    """The chosen model was asked by the suite, policy, draws and seed of the first one."""
    first, second = (chapter.report for chapter in (told[1].wrong, told[1].better))
    for fact in ("suite", "draws", "seed", "conditioning"):
        assert first.provenance[fact] == second.provenance[fact]
    assert first.policy == second.policy


def test_criteria(told):
    """Both criteria are those of the fits, and both prefer the negative binomial."""
    story = told[1]
    found = {row.model: row.aic for row in story.comparison.models}
    expected = {CHOSEN: 1648.14, "Poisson": 1962.81}
    assert found == pytest.approx(expected, abs=CRITERION_ATOL)
    assert story.comparison.best.model == CHOSEN
    before, after = story.conditional
    assert before.conditional_llf == port_of(story.wrong.fit).conditional_llf
    assert after.conditional_llf == port_of(story.better.fit).conditional_llf
    assert after.value < before.value


def test_the_effect_of_mining_as_told(told):
    """The ratios and standard errors on the page are those of the two fits."""
    path, story = told
    page = path.read_text(encoding="utf-8")
    for chapter in (story.wrong, story.better):
        fit = chapter.fit
        assert f"{math.exp(fit.params['mined[T.no]']):.1f} times" in page
        assert f">{fit.params['mined[T.no]']:.3f}<" in page
        assert f">{fit.bse['mined[T.no]']:.3f}<" in page
    ratios = story.better.fit.bse / story.wrong.fit.bse
    assert f"{ratios.filter(like='spp').max():.2f} times as large" in page


def test_one_page_with_everything(told):
    """The page holds each step in turn, both reports and pictures, and fetches nothing."""
    path, story = told
    page = path.read_text(encoding="utf-8")
    titles = (
        story.wrong.name,
        "What might answer it",
        story.better.name,
        "The failed checks, asked again",
        "By how much it is better",
        "What it changes in the answer",
        f"{story.wrong.name}: the whole report",
        f"{story.better.name}: the whole report",
    )
    assert re.findall(r">([^<]*)</h2>", page) == list(titles)
    for name in (*story.wrong.report.verdicts, *story.better.report.verdicts):
        assert name in page
    for candidate in story.suggestions.candidates:
        assert candidate.model in page
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
    """The command tells each step, and with other random numbers the same story."""
    path = tmp_path / "salamanders.html"
    assert main(["demo", "--quick", "--seed", "4", "--report", str(path)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for words in (
        *(f"FAIL {name}: " for name in FAILING),
        "nbinom2 passes, with AIC",
        "checks contradicts the model",
        f"{CHOSEN} has the lowest AIC",
        "conditional AIC",
        "".join(str(path).split()),
    ):
        assert words in out
    assert path.exists()
