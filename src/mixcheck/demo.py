"""The demonstration: a model that fails its checks, a model that passes, and their comparison."""

from __future__ import annotations

import textwrap
import time
from dataclasses import dataclass, replace
from pathlib import Path

from mixcheck.checks.suite import run_checks
from mixcheck.comparison.table import Comparison, compare
from mixcheck.datasets import load
from mixcheck.display.document import (
    Badge,
    Block,
    Cell,
    Document,
    Heading,
    Paragraph,
    Section,
    Table,
)
from mixcheck.display.render import to_html, to_text
from mixcheck.fitting.fitted import GLMM
from mixcheck.fitting.glmm import glmm
from mixcheck.report.finding import Finding
from mixcheck.report.policy import Verdict
from mixcheck.report.report import Report
from mixcheck.report.sentences import interval_words, join_words
from mixcheck.simulation import DEFAULT_DRAWS, Progress

__all__ = ["Chapter", "run_demo"]

QUICK_DRAWS = 400

TITLE = "Ticks on red grouse chicks"
STORY = (
    "In three years 403 grouse chicks of 118 broods at 63 locations were caught and the ticks on "
    "their heads counted (Elston et al. 2001, Parasitology 122, 563-569). Chicks of one brood "
    "share a mother and a patch of heather, so broods and locations have random effects."
)
SIDE_BY_SIDE = "The two models side by side"
CONSEQUENCES = "What it changes"
PLAIN = "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)"
WITH_CHICK = f"{PLAIN} + (1 | INDEX)"


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
    fit_seconds, check_seconds : float
    """

    name: str
    reason: str
    fit: GLMM
    report: Report
    fit_seconds: float
    check_seconds: float


def run_demo(
    path: Path,
    *,
    seed: int = 1,
    quick: bool = False,
    progress: Progress = None,
    width: int = 100,
    colour: bool = False,
) -> tuple[Chapter, Chapter]:
    """Tell the story on standard output and write its page.

    Parameters
    ----------
    path : Path
        Of the HTML file.
    seed : int
    quick : bool
        Whether to simulate fewer data sets.
    progress, width, colour
        As in `Suite.run` and `Report.to_text`.

    Returns
    -------
    tuple of Chapter
        The model without and the model with an effect of each chick.
    """
    draws = QUICK_DRAWS if quick else DEFAULT_DRAWS
    _say(f"{TITLE}\n{'=' * len(TITLE)}")
    _tell(STORY, width)
    plain = _chapter(
        "Poisson",
        "The usual first model: counts are Poisson, given brood and location.",
        PLAIN,
        seed,
        draws,
        progress,
        width,
    )
    _say(_outcome_text(plain, width, colour))
    chick = _chapter(
        "Poisson + chick",
        "Chicks of one brood may differ too. An effect of each chick (INDEX) says so.",
        WITH_CHICK,
        seed,
        draws,
        progress,
        width,
    )
    _say(_outcome_text(chick, width, colour))
    table = compare({plain.name: plain.fit, chick.name: chick.fit})
    effects = effects_table(plain, chick)
    blocks = (effects, *table.document().blocks)
    _say(to_text(Document(SIDE_BY_SIDE, blocks), width=width, colour=colour))
    _say(to_text(Document(CONSEQUENCES, _consequences(plain, chick)), width=width, colour=colour))
    page = page_of(plain, chick, effects, table)
    path.write_text(to_html(page), encoding="utf-8")
    _say(f"The whole report, with pictures: {path.resolve()}")
    return plain, chick


def _chapter(
    name: str, reason: str, formula: str, seed: int, draws: int, progress: Progress, width: int
) -> Chapter:
    _say(f"{name}\n{'-' * len(name)}")
    _tell(reason, width)
    started = time.perf_counter()
    fit = glmm(formula, load("grouseticks"), family="poisson")
    fitted = time.perf_counter()
    print(f"  {formula}\n  fitted in {fitted - started:.2f} s, log-likelihood {fit.llf:.2f}")
    print(f"  checking it against {draws:,} simulated data sets ..", flush=True)
    report = run_checks(fit, seed=seed, draws=draws, progress=progress)
    checked = time.perf_counter()
    print(f"  checked in {checked - fitted:.1f} s\n")
    return Chapter(name, reason, fit, report, fitted - started, checked - fitted)


def _outcome_text(chapter: Chapter, width: int, colour: bool) -> str:
    """Verdicts by name: what failed with its effect, what passed in one line."""
    page = chapter.report.short_document()
    lines = tuple(block for block in page.blocks if isinstance(block, Paragraph))
    passed = [name for name, verdict in chapter.report.verdicts.items() if verdict is Verdict.PASS]
    rest = Paragraph(f"{join_words(passed)}.", Badge(Verdict.PASS.value, Verdict.PASS.tone))
    blocks = (*lines, rest) if passed else lines
    text = to_text(Document("", blocks), width=width, colour=colour)
    return text.strip()


def effects_table(plain: Chapter, chick: Chapter) -> Table:
    """What failed in either model, with the effect and the verdict in both."""
    failed = [
        finding.check
        for finding in plain.report.findings
        if finding.check in chick.report.verdicts and _fails(finding.check, plain, chick)
    ]
    rows = tuple(
        (name, *_cells(plain.report, name), *_cells(chick.report, name)) for name in failed
    )
    return Table(
        ("check", plain.name, "effect and 95 % interval", chick.name, "effect and 95 % interval"),
        rows,
    )


def _fails(check: str, *chapters: Chapter) -> bool:
    return any(chapter.report.verdicts[check] is Verdict.FAIL for chapter in chapters)


def _cells(report: Report, check: str) -> tuple[Cell, Cell]:
    verdict = report.verdicts[check]
    finding = next(item for item in report.findings if item.check == check)
    words = interval_words(finding.effect) if isinstance(finding, Finding) else ""
    return Badge(verdict.value, verdict.tone), words


def _consequences(plain: Chapter, chick: Chapter) -> tuple[Block, ...]:
    """Where the variation is said to be, and how far the fixed effects move."""
    before, after = _deviations(plain), _deviations(chick)
    shift = (chick.fit.params - plain.fit.params).abs() / plain.fit.bse
    words = (
        f"The fixed effects move by at most {shift.max():.1f} standard errors. What changes is "
        "where the ticks vary: the question of the study was how much of it is between locations, "
        "broods and chicks."
    )
    rows = tuple((name, before.get(name), value) for name, value in after.items())
    columns = ("standard deviation (log scale) between", plain.name, chick.name)
    return Paragraph(words), Table(columns, rows)


def _deviations(chapter: Chapter) -> dict[str, float]:
    """Standard deviation of each random effect, by grouping factor."""
    components = chapter.fit.variance_components
    return dict(zip(components["group"], components["sd"].astype(float), strict=True))


def page_of(plain: Chapter, chick: Chapter, effects: Table, table: Comparison) -> Document:
    """Both reports and the comparison as one page."""
    side_by_side = Section(Heading(SIDE_BY_SIDE, 2), (effects, *table.document().blocks))
    consequences = Section(Heading(CONSEQUENCES, 2), _consequences(plain, chick))
    models = (_model_section(plain), _model_section(chick))
    return Document(TITLE, (Paragraph(STORY), side_by_side, consequences, *models))


def _model_section(chapter: Chapter) -> Section:
    formula = Paragraph(chapter.fit.formula, quiet=True)
    blocks = tuple(_lowered(block) for block in chapter.report.document().blocks)
    return Section(Heading(chapter.name, 2), (Paragraph(chapter.reason), formula, *blocks))


def _lowered(block: Block) -> Block:
    """A block one level of headings deeper."""
    match block:
        case Heading(text=text, level=level):
            return Heading(text, min(level + 1, 4))
        case Section(heading=heading, blocks=blocks):
            deeper = Heading(heading.text, min(heading.level + 1, 4))
            return replace(block, heading=deeper, blocks=tuple(map(_lowered, blocks)))
        case _:
            return block


def _say(text: str) -> None:
    print(f"{text}\n", flush=True)


def _tell(text: str, width: int) -> None:
    _say(textwrap.fill(text, width))
