"""The demonstration: a model that fails its checks, and the way to one that passes."""

from __future__ import annotations

import math
import textwrap
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from mixcheck.checks.verb import check
from mixcheck.comparison.compared import Comparison
from mixcheck.comparison.conditional import ConditionalAIC, caic
from mixcheck.comparison.table import compare
from mixcheck.datasets import load
from mixcheck.design.formula import parse_formula
from mixcheck.design.model_formula import PredictorFormula
from mixcheck.display.document import (
    Badge,
    Block,
    Cell,
    Document,
    Heading,
    Paragraph,
    Places,
    Section,
    Table,
    lower,
)
from mixcheck.display.files import write_file
from mixcheck.display.render import to_html, to_text
from mixcheck.errors import ConvergenceError
from mixcheck.execution.progress import Progress
from mixcheck.fitting.glmm import glmm
from mixcheck.fitting.results.glmm_fit import GLMM
from mixcheck.report.finding import Finding
from mixcheck.report.policy import Verdict
from mixcheck.report.report import Report
from mixcheck.report.sentences import interval_words, join_words
from mixcheck.selection.suggestions import Suggestions, suggest

__all__ = ["Chapter", "Story", "run_demo"]

# A negative binomial replicate of these data takes some ten milliseconds.
DRAWS = 400
# With 250 draws some checks of the alternatives could not fail, and are UNDECIDED.
QUICK_DRAWS = 400
MOST = 12
# The first two are the two negative binomials.
QUICK_MOST = 2

TITLE = "Salamanders below mountaintop mines"
STORY = (
    "Salamanders were counted at 23 streams, four visits each, in seven groups of species and "
    "life stages (Price et al. 2016, Journal of Applied Ecology 53, 459-468). Some of the "
    "streams run below mountaintop mines. How many more salamanders live where nobody mines? "
    "Streams differ for other reasons too, so each has a random effect."
)
FORMULA = "count ~ spp + mined + (1 | site)"
WRONG = "Poisson"
MINING = "mined[T.no]"
SPECIES = "spp["

SUGGESTIONS = "What might answer it"
COMPARED = "By how much it is better"
SIDE_BY_SIDE = "The failed checks, asked again"
CONSEQUENCES = "What it changes in the answer"

WHY_WRONG = "The usual first model: counts are Poisson, given species, mining and stream."
WHY_SUGGESTED = (
    "Each failing check has its usual remedies. They are fitted, and checked by the same suite "
    "with the same random streams."
)


@dataclass(frozen=True, eq=False)
class Chapter:
    """One model of the story.

    Attributes
    ----------
    name : str
    reason : str
        Why one would fit it.
    fit : GLMM
    report : Report
    """

    name: str
    reason: str
    fit: GLMM
    report: Report


@dataclass(frozen=True, eq=False)
class Story:
    """What the demonstration found.

    Attributes
    ----------
    wrong, better : Chapter
        The model that fails, and the suggestion with the same fixed effects that passes.
    suggestions : Suggestions
    comparison : Comparison
    conditional : tuple of ConditionalAIC
        Of the wrong model and of the better one.
    """

    wrong: Chapter
    better: Chapter
    suggestions: Suggestions
    comparison: Comparison
    conditional: tuple[ConditionalAIC, ConditionalAIC]


def run_demo(
    path: Path,
    *,
    seed: int = 1,
    quick: bool = False,
    progress: Progress = None,
    width: int = 100,
    color: bool = False,
) -> Story:
    """Tell the story on standard output and write its page.

    Parameters
    ----------
    path : Path
        Of the HTML file.
    seed : int
    quick : bool
        Whether to simulate fewer data sets, and to try only the first suggestions.
    progress, width, color
        As in `Suite.run` and `Report.to_text`.

    Returns
    -------
    Story

    Raises
    ------
    ConvergenceError
        If no suggested model could be fitted and passes its checks.
    """
    draws, most = (QUICK_DRAWS, QUICK_MOST) if quick else (DRAWS, MOST)
    show = partial(to_text, width=width, color=color)
    _say(f"{TITLE}\n{'=' * len(TITLE)}")
    _tell(STORY, width)
    wrong = _wrong_chapter(seed, draws, progress, width)
    _say(show(_outcome(wrong)).strip())
    suggestions = _suggested(wrong, most, progress, width)
    _say(show(Document("", suggestions.document().blocks)).strip())
    better = _better_chapter(wrong, suggestions)
    _head(better.name, better.reason, width)
    _say(show(_outcome(better)).strip())
    story = _compared(wrong, better, suggestions)
    for title, blocks in _endings(story):
        _say(show(Document(title, blocks)).strip())
    write_file(to_html(page_of(story)), path)
    _say(f"The whole report, with pictures: {path.resolve()}")
    return story


# ---- the steps ---------------------------------------------------------------------------


def _wrong_chapter(seed: int, draws: int, progress: Progress, width: int) -> Chapter:
    _head(WRONG, WHY_WRONG, width)
    started = time.perf_counter()
    fit = glmm(FORMULA, load("Salamanders"), family=WRONG.lower())
    fitted = time.perf_counter()
    print(f"  {FORMULA}\n  fitted in {fitted - started:.2f} s, log-likelihood {fit.llf:.2f}")
    print(f"  checking it against {draws:,} simulated data sets ..", flush=True)
    report = check(fit, seed=seed, draws=draws, calibration="plug-in", progress=progress)
    print(f"  checked in {time.perf_counter() - fitted:.1f} s\n")
    return Chapter(WRONG, WHY_WRONG, fit, report)


def _suggested(wrong: Chapter, most: int, progress: Progress, width: int) -> Suggestions:
    _head(SUGGESTIONS, WHY_SUGGESTED, width)
    started = time.perf_counter()
    print("  fitting and checking the alternatives; this takes most of the time ..", flush=True)
    suggestions = suggest(wrong.report, most=most, progress=progress)
    tried = len(suggestions.candidates)
    print(f"  {tried} alternatives in {time.perf_counter() - started:.1f} s\n")
    return suggestions


def _better_chapter(wrong: Chapter, suggestions: Suggestions) -> Chapter:
    """The suggestion with the same fixed effects that passes with the smallest criterion.

    With the same fixed effects, what both models say of mining is one number each.
    """
    first = _mean_of(wrong.fit.formula)
    alike = [
        model
        for model in suggestions.candidates
        if model.admissible and _mean_of(model.description["formula"]).fixed == first.fixed
    ]
    if not alike:
        raise ConvergenceError(f"{suggestions.verdict} Try another seed, or without --quick.")
    chosen = min(alike, key=lambda model: model.value)
    told = {k: v for k, v in chosen.description.items() if k in ("zi", "dispersion") and v}
    formula = chosen.description["formula"]
    fit = glmm(
        formula,
        wrong.fit.frame,
        family=chosen.description["family"].split(" ")[0],
        zi=told.get("zi"),
        dispersion=told.get("dispersion"),
    )
    added = [str(term) for term in _mean_of(formula).random if term not in first.random]
    name = ", ".join([fit.family.name, *added, *(f"{k} {v}" for k, v in told.items())])
    reason = f"Of those with the same fixed effects that pass, it has the smallest AIC: {name}."
    return Chapter(name, reason, fit, suggestions.reports[chosen.model])


def _mean_of(formula: str) -> PredictorFormula:
    """The predictor of the mean."""
    return dict(parse_formula(formula).predictors)["mean"]


def _compared(wrong: Chapter, better: Chapter, suggestions: Suggestions) -> Story:
    comparison = compare({wrong.name: wrong.fit, better.name: better.fit})
    conditional = (caic(wrong.fit), caic(better.fit))
    return Story(wrong, better, suggestions, comparison, conditional)


# ---- what is said of them ----------------------------------------------------------------


def _outcome(chapter: Chapter) -> Document:
    """Verdicts by name: what failed with its effect, what passed in one line."""
    page = chapter.report.short_document()
    lines = tuple(block for block in page.blocks if isinstance(block, Paragraph))
    passed = [name for name, verdict in chapter.report.verdicts.items() if verdict is Verdict.PASS]
    rest = Paragraph(f"{join_words(passed)}.", Badge(Verdict.PASS.value, Verdict.PASS.tone))
    return Document("", (*lines, rest) if passed else lines)


def _endings(story: Story) -> tuple[tuple[str, tuple[Block, ...]], ...]:
    """Titles and blocks of what both models are needed for."""
    return (
        (SIDE_BY_SIDE, (effects_table(story.wrong, story.better),)),
        (COMPARED, (*story.comparison.document().blocks, *_conditional_blocks(story))),
        (CONSEQUENCES, _consequences(story.wrong, story.better)),
    )


def effects_table(wrong: Chapter, better: Chapter) -> Table:
    """What failed in either model, with the effect and the verdict in both."""
    verdicts = (wrong.report.verdicts, better.report.verdicts)
    failed = [
        name
        for name in verdicts[0]
        if name in verdicts[1] and Verdict.FAIL in (verdicts[0][name], verdicts[1][name])
    ]
    rows = tuple(
        (name, *_cells(wrong.report, name), *_cells(better.report, name)) for name in failed
    )
    interval = "effect and 95 % interval"
    return Table(("check", wrong.name, interval, better.name, interval), rows)


def _cells(report: Report, check: str) -> tuple[Cell, Cell]:
    verdict = report.verdicts[check]
    finding = next(item for item in report.findings if item.check == check)
    words = interval_words(finding.effect) if isinstance(finding, Finding) else ""
    return Badge(verdict.value, verdict.tone), words


def _conditional_blocks(story: Story) -> tuple[Block, ...]:
    """The comparison as predictors of these streams."""
    before, after = story.conditional
    words = (
        "The AIC judges predictions for new streams, the conditional AIC those for the streams "
        f"of the data: there {story.better.name} is better by {before.value - after.value:.1f}."
    )
    rows = tuple(
        (name, Places(one.conditional_llf, 2), Places(one.df, 2), Places(one.value, 2))
        for name, one in ((story.better.name, after), (story.wrong.name, before))
    )
    columns = ("model", "conditional log-lik.", "effective df", "conditional AIC")
    return Paragraph(words), Table(columns, rows)


def _consequences(wrong: Chapter, better: Chapter) -> tuple[Block, ...]:
    """The effect of mining by both models, and how sure both are of the species."""
    before, after = (math.exp(float(chapter.fit.params[MINING])) for chapter in (wrong, better))
    errors = better.fit.bse / wrong.fit.bse
    species = errors[[str(name).startswith(SPECIES) for name in errors.index]]
    words = (
        f"Where nobody mines there are {after:.1f} times as many salamanders by {better.name}; "
        f"{wrong.name} had said {before:.1f} times. Mining is a matter of whole streams, whose "
        "differences both models take into account: the standard error of its effect is "
        f"{errors[MINING]:.2f} times what it was. Species are compared within streams, where "
        f"{wrong.name} overlooked variation: the standard errors of their "
        f"differences are {species.min():.2f} to {species.max():.2f} times as large."
    )
    rows = tuple(_mining_row(chapter) for chapter in (wrong, better))
    columns = ("no mining", "estimate (log)", "std error", "times as many", "95 % interval")
    return Paragraph(words), Table(columns, rows), _species_table(wrong, better)


def _mining_row(chapter: Chapter) -> tuple[Cell, ...]:
    fit = chapter.fit
    low, high = np.exp(fit.conf_int().loc[MINING].to_numpy(dtype=float))
    estimate, error = float(fit.params[MINING]), float(fit.bse[MINING])
    return (
        chapter.name,
        Places(estimate, 3),
        Places(error, 3),
        Places(math.exp(estimate), 2),
        f"{low:.2f} to {high:.2f}",
    )


def _species_table(wrong: Chapter, better: Chapter) -> Table:
    """Differences to the first species, with standard errors, by both models."""
    names = [str(name) for name in wrong.fit.params.index if str(name).startswith(SPECIES)]
    rows = tuple((name, *_estimate(wrong, name), *_estimate(better, name)) for name in names)
    first, second = wrong.name, better.name
    return Table(("species (log)", first, "std error", second, "std error"), rows)


def _estimate(chapter: Chapter, name: str) -> tuple[Cell, Cell]:
    params: pd.Series[float] = chapter.fit.params
    return Places(float(params[name]), 3), Places(float(chapter.fit.bse[name]), 3)


# ---- the page ----------------------------------------------------------------------------


def page_of(story: Story) -> Document:
    """The story as the terminal tells it, then the report of either model, as one page."""
    tried = (Paragraph(WHY_SUGGESTED), *story.suggestions.document().blocks)
    told = (
        (story.wrong.name, _told(story.wrong)),
        (SUGGESTIONS, tried),
        (story.better.name, _told(story.better)),
        *_endings(story),
        *(_whole(chapter) for chapter in (story.wrong, story.better)),
    )
    sections = tuple(Section(Heading(title, 2), blocks) for title, blocks in told)
    return Document(TITLE, (Paragraph(STORY), *sections))


def _told(chapter: Chapter) -> tuple[Block, ...]:
    formula = Paragraph(chapter.fit.formula, quiet=True)
    verdict, *others = chapter.report.short_document().blocks
    tables = (block for block in others if isinstance(block, Table))
    return (Paragraph(chapter.reason), formula, verdict, *tables)


def _whole(chapter: Chapter) -> tuple[str, tuple[Block, ...]]:
    """Title and blocks of a report that is part of a page."""
    blocks = tuple(map(lower, chapter.report.document().blocks))
    return f"{chapter.name}: the whole report", blocks


# ---- the voice ---------------------------------------------------------------------------


def _head(title: str, reason: str, width: int) -> None:
    _say(f"{title}\n{'-' * len(title)}")
    _tell(reason, width)


def _say(text: str) -> None:
    print(f"{text}\n", flush=True)


def _tell(text: str, width: int) -> None:
    _say(textwrap.fill(text, width))
