"""A report: what was found, by which policy it is judged, and where it comes from."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, cast

import pandas as pd

from mixcheck.arguments.calls import answer_methods
from mixcheck.arguments.options import listed, require_flag, require_text, require_whole, shown
from mixcheck.codec.documents import from_json, to_json
from mixcheck.codec.shapes import NOT_STORED
from mixcheck.codec.writing import plain
from mixcheck.display.document import (
    Block,
    Document,
    Figure,
    Heading,
    Paragraph,
    Picture,
    Section,
    Table,
)
from mixcheck.display.files import PathLike, write_file
from mixcheck.display.plotting import draw_grid
from mixcheck.display.render import to_fragment
from mixcheck.display.shown import Shown
from mixcheck.errors import ChecksFailed, DataError, OptionError, UnknownCheckError
from mixcheck.port import Checkable, Ported
from mixcheck.report.finding import AnyFinding, Finding, Skipped, require_findings
from mixcheck.report.junit import to_junit
from mixcheck.report.pages import (
    Extra,
    finding_sections,
    is_decided,
    model_sections,
    overall_verdict,
    provenance_section,
    reference_section,
    subject_facts,
    summary_paragraph,
    summary_table,
    worst_first,
)
from mixcheck.report.policy import Judgement, Policy, Verdict, refuses, require_policy

if TYPE_CHECKING:
    from mixcheck.display.figures import Axes

__all__ = ["Report"]

_STRICTLY_REFUSED = (Verdict.FAIL, Verdict.WARN, Verdict.UNDECIDED, Verdict.SKIPPED)


@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class Report(Shown):
    """Findings on one model, judged together by a policy.

    Everything that is shown follows from `judgements`: the table, `ok`, the pages, JSON and
    JUnit cannot disagree. Text, Markdown and LaTeX have the summary, the table and what did not
    pass; HTML has all. ``bool(report)`` raises ``TypeError``, since a report is more than
    a yes or no: read `ok`.

    Parameters
    ----------
    findings : tuple of Finding or Skipped
        With names that are unique.
    policy : Policy
    provenance : mapping of str to anything that JSON holds
        Such as version, seed, draws, calibration, model, data digest, suite; "null distribution"
        is a sentence that is shown under the table, and "left out" has reasons by check.
    extra : tuple of Figure or Table
        Pictures that belong to the model rather than to a check.
    title : str
    model : Checkable or None
        The model that was checked, for `mixcheck.suggest`; neither shown nor stored in JSON.

    Raises
    ------
    DataError
        If two findings have one name, or the provenance cannot be written as JSON.

    Examples
    --------
    >>> from mixcheck.report.finding import Effect, Finding
    >>> zeros = Finding("zeros", "zeros", "the zeros are as many as predicted", 12.0, 0.4,
    ...                 "two-sided", Effect("zeros ratio", 1.1, 0.8, 1.4, 1.0), n=50)
    >>> report = Report((zeros,))
    >>> report.ok, report.verdicts["zeros"].value
    (True, 'PASS')
    >>> report.judge(Policy(alpha=0.5)).ok
    False
    """

    findings: tuple[AnyFinding, ...]
    policy: Policy = field(default_factory=Policy)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    extra: tuple[Extra, ...] = ()
    title: str = "Model checks"
    model: Checkable | Ported | None = field(default=None, metadata=NOT_STORED)

    _computed: ClassVar = ("ok", "judgements")

    def __post_init__(self) -> None:
        object.__setattr__(self, "findings", require_findings(self.findings))
        object.__setattr__(self, "extra", _require_extra(self.extra))
        object.__setattr__(self, "title", require_text("title", self.title, "Model checks"))
        require_policy(self.policy)
        if not isinstance(self.provenance, Mapping):
            raise DataError(
                "provenance must be a mapping such as {'seed': 1}; found "
                f"{shown(self.provenance)}"
            )
        object.__setattr__(self, "provenance", plain(dict(self.provenance)))
        counts = Counter(finding.check for finding in self.findings)
        twice = [name for name, number in counts.items() if number > 1]
        if twice:
            raise DataError(
                f"the findings of a report have unique names; {', '.join(map(shown, twice[:5]))} "
                'occurs more than once: rename one with check.named("...")'
            )

    @cached_property
    def judgements(self) -> tuple[Judgement, ...]:
        """The verdicts with their sentences, in the order of the findings."""
        return self.policy.judge(self.findings)

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict of each check by its name."""
        return {judgement.check: judgement.verdict for judgement in self.judgements}

    @property
    def ok(self) -> bool:
        """Whether no verdict is FAIL, and no check with a p-value is UNDECIDED.

        See `decided` for whether anything was.
        """
        return not any(map(refuses, self.judgements))

    @property
    def verdict(self) -> Verdict:
        """The verdict on the whole: the worst of FAIL, UNDECIDED, WARN and PASS.

        SKIPPED where there is no other verdict.
        """
        return overall_verdict(self.judgements)

    @property
    def decided(self) -> bool:
        """Whether any check was decided: otherwise `ok` says no more than that nothing failed.

        False where all are UNDECIDED or SKIPPED. An exact fact, such as convergence, decides
        nothing where the checks with a p-value could not.
        """
        return is_decided(self.judgements)

    def judge(self, policy: Policy) -> Report:
        """The same findings under another policy; nothing is computed again."""
        return replace(self, policy=policy)

    def assert_ok(self, *, strict: bool = False) -> None:
        """Raise unless the report passes.

        Parameters
        ----------
        strict : bool
            Whether to refuse WARN and SKIPPED too, and what is UNDECIDED without a p-value.

        Raises
        ------
        ChecksFailed
            An ``AssertionError`` whose message is the table and the sentences.
        """
        refused = _STRICTLY_REFUSED if require_flag("strict", strict) else ()
        if not self.ok or any(judgement.verdict in refused for judgement in self.judgements):
            raise ChecksFailed(self.to_text())

    def __getitem__(self, check: str) -> Finding:
        """The finding of a check by its name.

        Raises
        ------
        UnknownCheckError
            A ``KeyError`` that lists near names; or the reason, if the check was skipped.
        """
        named = check if isinstance(check, str) else None
        found = next((outcome for outcome in self.findings if outcome.check == named), None)
        if isinstance(found, Finding):
            return found
        if found is not None:
            raise UnknownCheckError(f"the check {check!r} was skipped: {found.reason}")
        raise UnknownCheckError(_unknown(check, [outcome.check for outcome in self.findings]))

    def __iter__(self) -> NoReturn:
        raise TypeError("a report is not a sequence: iterate over report.findings")

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a report is more than a yes or no: read report.ok, or call report.assert_ok()"
        )

    def plot_data(self) -> dict[str, Picture]:
        """The pictures of the findings that have one, by the name of the check."""
        found = (one for one in self.findings if isinstance(one, Finding))
        return {one.check: one.picture for one in found if one.picture is not None}

    def plot(self, *, columns: int = 2) -> tuple[Axes, ...]:
        """Draw the pictures of all findings on a new figure, so many in a row.

        Raises
        ------
        OptionError
            If no finding has a picture.
        """
        wide = require_whole("columns", columns)
        named = self.plot_data().items()
        return draw_grid([replace(picture, title=check) for check, picture in named], wide)

    def to_frame(self) -> pd.DataFrame:
        """One row for each outcome.

        Returns
        -------
        DataFrame
            check, verdict, statistic, pvalue, adjusted_pvalue, effect, effect_low,
            effect_high, n, sentence. What does not apply is missing.
        """
        rows = [
            _frame_row(outcome, judgement)
            for outcome, judgement in zip(self.findings, self.judgements, strict=True)
        ]
        frame = pd.DataFrame(rows, columns=list(_FRAME_TYPES))
        return frame.astype(_FRAME_TYPES)

    def citations(self) -> tuple[str, ...]:
        """The sources of the checks, each once."""
        sources = (
            reference
            for outcome in self.findings
            if isinstance(outcome, Finding)
            for reference in outcome.references
        )
        return tuple(dict.fromkeys(sources))

    def document(self) -> Document:
        """The whole report as a page: what was checked, summary, estimates, each finding."""
        tables, pictures = model_sections(self.extra)
        blocks: list[Block] = [*subject_facts(self.provenance), *self._summary(), *tables]
        sections = finding_sections(*worst_first(self.findings, self.judgements), figures=True)
        if sections:
            blocks.append(_shown("Findings", sections, len(self.findings)))
        blocks += pictures
        if self.citations():
            blocks.append(reference_section(self.citations()))
        blocks.append(provenance_section(self.provenance, self.policy))
        return Document(self.title, tuple(blocks))

    def short_document(self, *, figures: bool = False) -> Document:
        """The summary, the table, and the outcomes that are not PASS."""
        require_flag("figures", figures)
        pairs = zip(self.findings, self.judgements, strict=True)
        notable = [pair for pair in pairs if pair[1].verdict is not Verdict.PASS]
        outcomes = [outcome for outcome, _ in notable]
        judgements = [judgement for _, judgement in notable]
        shown = worst_first(outcomes, judgements) if figures else (outcomes, judgements)
        sections = finding_sections(*shown, figures=figures)
        blocks: list[Block] = [*self._summary()]
        if sections and figures:
            blocks.append(_shown("Not passed", sections, len(notable)))
        else:
            blocks += [_line(section) for section in sections]
        return Document(self.title, tuple(blocks))

    def _summary(self) -> tuple[Block, ...]:
        idle = tuple(Paragraph(text, quiet=True) for text in self.policy.idle(self.findings))
        table = (summary_table(self.findings, self.judgements),) if self.findings else ()
        null = self.provenance.get("null distribution")
        rests = [null] if null and isinstance(null, str) else []
        left_out = self.provenance.get("left out")
        if left_out and isinstance(left_out, Mapping):
            rests.append(_left_out_words(left_out))
        below = (Paragraph(text, quiet=True) for text in rests)
        return (summary_paragraph(self.judgements, self.policy), *idle, *table, *below)

    def _brief(self) -> Document:
        return self.short_document()

    def to_json(self, path: PathLike | None = None) -> str:
        """The whole report as JSON, which `from_json` reads back exactly."""
        return write_file(to_json(self), path)

    @classmethod
    def from_json(cls, source: PathLike) -> Report:
        """The report that `to_json` wrote: its text, or the path of its file.

        Raises
        ------
        DataError
            If it is not JSON, of another schema, or anything in it is not what is written there;
            also if there is no such file.
        OptionError
            If `source` is neither text nor path, or its policy is outside its allowed values.
        """
        report = from_json(_text_of(source), cls, "report")
        # What cannot be judged is refused here, and not where it is shown.
        _ = report.judgements
        return report

    def to_junit(self, path: PathLike | None = None) -> str:
        """JUnit XML with one test case a check; a failure exactly where a verdict is FAIL.

        UNDECIDED with a p-value is an error. SKIPPED, WAIVED and descriptions are skipped test
        cases: as in `ok`, none of them fails a report. Call ``assert_ok(strict=True)`` where
        they should.
        """
        return write_file(to_junit(self.findings, self.judgements, name=self.title), path)

    def __repr__(self) -> str:
        counts = Counter(verdict.value for verdict in self.verdicts.values())
        words = ", ".join(f"{number} {name}" for name, number in counts.items())
        return f"<Report: {words or 'no checks'}>"

    def _repr_html_(self) -> str:
        return to_fragment(self.short_document(figures=True))


_FRAME_TYPES = {
    "check": "str",
    "verdict": "str",
    "statistic": "float64",
    "pvalue": "float64",
    "adjusted_pvalue": "float64",
    "effect": "float64",
    "effect_low": "float64",
    "effect_high": "float64",
    "n": "Int64",
    "sentence": "str",
}


def _frame_row(outcome: Finding | Skipped, judgement: Judgement) -> tuple[Any, ...]:
    numbers: tuple[Any, ...] = (None, None, None, None, None)
    if isinstance(outcome, Finding):
        effect = outcome.effect
        numbers = (outcome.statistic, effect.value, effect.low, effect.high, outcome.n)
    return (
        _as_text(judgement.check),
        judgement.verdict.value,
        numbers[0],
        judgement.pvalue,
        judgement.adjusted_pvalue,
        *numbers[1:],
        _as_text(judgement.sentence),
    )


def _as_text(name: str) -> str:
    """A name without lone surrogates, which no column of text can hold."""
    return name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _shown(title: str, sections: tuple[Section, ...], total: int) -> Section:
    """Findings one by one, with a heading that says so where they are not all."""
    if len(sections) < total:
        title = f"{title}: the {len(sections)} worst of {total:,}"
    return Section(Heading(title, 2), sections, grid=True)


def _line(section: Section) -> Paragraph:
    """A section as one line of text behind its badge."""
    first = cast(Paragraph, section.blocks[0])
    return Paragraph(f"{section.heading.text}: {first.text}", section.badge)


def _left_out_words(left_out: Mapping[str, str]) -> str:
    """Checks of the suite that were not asked, each with its reason."""
    told = [f"{name} ({str(reason).rstrip('.')})" for name, reason in left_out.items()]
    return f"Not asked: {'; '.join(told)}."


def _unknown(check: str, names: list[str]) -> str:
    near = difflib.get_close_matches(check, names, n=3) if isinstance(check, str) else []
    hint = f"did you mean {' or '.join(map(shown, near))}? " if near else ""
    return f"no check is called {shown(check)}; {hint}there are: {listed(names) or 'none'}"


def _require_extra(extra: object) -> tuple[Extra, ...]:
    given = tuple(extra) if isinstance(extra, list | tuple) else (extra,)
    for item in given:
        if not isinstance(item, Figure | Table):
            raise OptionError(f"extra must be a tuple of Figure or Table, found {shown(item)}")
    return given


def _text_of(source: PathLike) -> str:
    if not isinstance(source, str | os.PathLike):
        raise OptionError(
            "a report is read from the text of its JSON or from the path of its file; found "
            f"{shown(source)}"
        )
    return source if isinstance(source, str) and _is_json(source) else _file_text(source)


def _is_json(source: str) -> bool:
    return source.lstrip("\ufeff \t\r\n")[:1] in ("{", "[", '"', "") or "\n" in source


def _file_text(path: PathLike) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"the file {shown(path)} holds no text, so no report") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no file can have this name"
        raise DataError(
            f"{shown(path)} is neither a report in JSON nor a file that can be read: {reason}"
        ) from None
