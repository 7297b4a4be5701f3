"""A judged report as a page: the summary first, then the facts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias

from mixcheck.codec.shapes import tagged
from mixcheck.codec.writing import plain
from mixcheck.display.document import (
    Badge,
    Block,
    Figure,
    Heading,
    Paragraph,
    PValue,
    Section,
    Table,
)
from mixcheck.display.numerals import format_number
from mixcheck.report.finding import Finding, Skipped
from mixcheck.report.policy import Judgement, Policy, Verdict
from mixcheck.report.sentences import interval_words, join_words, sentence

__all__ = [
    "Extra",
    "extra_section",
    "finding_sections",
    "is_decided",
    "overall_verdict",
    "provenance_section",
    "reference_section",
    "summary_paragraph",
    "summary_table",
]

Extra: TypeAlias = Annotated[Figure | Table, tagged("block", {"figure": Figure, "table": Table})]

_MOST_ROWS = 12
_MOST_NAMES = 8
_WORST_FIRST = (Verdict.FAIL, Verdict.UNDECIDED, Verdict.WARN, Verdict.PASS)

Outcomes = Sequence[Finding | Skipped]
Judgements = Sequence[Judgement]


def overall_verdict(judgements: Judgements) -> Verdict:
    """The worst of FAIL, UNDECIDED, WARN and PASS; SKIPPED where there is nothing else."""
    found = {judgement.verdict for judgement in judgements}
    return next((verdict for verdict in _WORST_FIRST if verdict in found), Verdict.SKIPPED)


def is_decided(judgements: Judgements) -> bool:
    """Whether any check with a p-value was decided, or any at all where none has one."""
    open_ = (Verdict.UNDECIDED, Verdict.SKIPPED)
    tested = [judgement for judgement in judgements if judgement.pvalue is not None]
    exact = [judgement for judgement in judgements if judgement.pvalue is None]
    if any(judgement.verdict is Verdict.FAIL for judgement in exact):
        return True
    skipped = any(judgement.verdict is Verdict.SKIPPED for judgement in exact)
    return any(j.verdict not in open_ for j in (tested if tested or skipped else exact))


def summary_paragraph(judgements: Judgements, policy: Policy) -> Paragraph:
    """The whole report in a sentence or two."""
    verdict = overall_verdict(judgements)
    return Paragraph(summary_words(judgements, policy), badge=Badge(verdict.value, verdict.tone))


def _named(judgements: Judgements, verdict: Verdict) -> list[str]:
    return [judgement.check for judgement in judgements if judgement.verdict is verdict]


def _checks(number: int) -> str:
    return "1 check" if number == 1 else f"{number} checks"


def summary_words(judgements: Judgements, policy: Policy) -> str:
    """What the checks say of the model, the failures by name, the rest by count."""
    if not judgements:
        return "No check was run, so nothing is known."
    failed = _named(judgements, Verdict.FAIL)
    open_ = _named(judgements, Verdict.UNDECIDED)
    judged = len(judgements) - len(_named(judgements, Verdict.SKIPPED))
    level = f"{format_number(100 * policy.alpha)} %"
    if policy.adjust != "none":
        level += " for all checks together"
    if failed:
        verb = "contradicts" if len(failed) == 1 else "contradict"
        lead = f"{len(failed)} of {_checks(judged)} {verb} the model: {join_words(failed)}."
    elif open_ and not is_decided(judgements):
        lead = (
            f"Nothing is decided: {len(open_)} of {_checks(judged)} {_is(open_)} undecided, "
            f"{_some(open_)}."
        )
    elif judged:
        lead = f"None of {_checks(judged)} contradicts the model, at a level of {level}."
    else:
        lead = "Every check was skipped, so nothing is known."
    return " ".join(
        [lead, *_other_words(judgements, with_open=bool(failed) or is_decided(judgements))]
    )


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _some(names: Sequence[str]) -> str:
    """Names in a sentence; many by the first of them."""
    if len(names) <= _MOST_NAMES:
        return join_words(names)
    return f"{', '.join(names[:_MOST_NAMES])} and {len(names) - _MOST_NAMES} more"


def _other_words(judgements: Judgements, *, with_open: bool) -> list[str]:
    """What else is to be known: cautions word by word, the rest by count and name."""
    words = [
        sentence(f"{judgement.check} warns: {judgement.caution}")
        for judgement in judgements
        if judgement.caution and judgement.verdict is not Verdict.WAIVED
    ]
    tested = [judgement for judgement in judgements if not judgement.caution]
    endings = {Verdict.WARN: "significant, but too small to matter"}
    endings |= {Verdict.UNDECIDED: "undecided"} if with_open else {}
    for verdict, ending in endings.items():
        names = _named(tested, verdict)
        if names:
            words.append(f"{_checks(len(names))} {_is(names)} {ending}: {_some(names)}.")
    for verdict, ending in {Verdict.WAIVED: "waived", Verdict.SKIPPED: "skipped"}.items():
        names = _named(judgements, verdict)
        if names:
            words.append(f"{_checks(len(names))} {_is(names)} {ending}: {_some(names)}.")
    return words


def summary_table(outcomes: Outcomes, judgements: Judgements) -> Table:
    """One row for each outcome: verdict, effect, p-values."""
    rows = tuple(
        (
            outcome.check,
            Badge(judgement.verdict.value, judgement.verdict.tone),
            interval_words(outcome.effect) if isinstance(outcome, Finding) else "",
            PValue(judgement.pvalue),
            PValue(judgement.adjusted_pvalue),
            outcome.n if isinstance(outcome, Finding) else None,
        )
        for outcome, judgement in zip(outcomes, judgements, strict=True)
    )
    columns = ("check", "verdict", "effect and 95 % interval", "p", "adjusted p", "n")
    return Table(columns, rows)


def finding_sections(
    outcomes: Outcomes, judgements: Judgements, *, figures: bool
) -> tuple[Section, ...]:
    """A section for each outcome, with its figure where asked for."""
    return tuple(
        _outcome_section(outcome, judgement, figures)
        for outcome, judgement in zip(outcomes, judgements, strict=True)
    )


def _outcome_section(outcome: Finding | Skipped, judgement: Judgement, figures: bool) -> Section:
    blocks: list[Block] = [Paragraph(judgement.sentence)]
    if isinstance(outcome, Finding):
        if figures and outcome.picture is not None:
            blocks.append(_figure(outcome, judgement))
        notes = _notes(outcome)
        if notes:
            blocks.append(Paragraph(notes, quiet=True))
    badge = Badge(judgement.verdict.value, judgement.verdict.tone)
    return Section(Heading(outcome.check, 3), tuple(blocks), badge)


def _figure(finding: Finding, judgement: Judgement) -> Figure:
    assert finding.picture is not None
    caption = " ".join(
        part for part in (sentence(finding.picture.title), finding.picture.reading) if part
    )
    alt = f"{finding.check}, {judgement.verdict.value}. {caption}"
    return Figure(finding.picture, caption, alt)


def _notes(finding: Finding) -> str:
    parts = []
    if finding.null:
        parts.append(f"Null hypothesis: {finding.null.rstrip('.')}.")
    if finding.detail:
        parts.append(sentence(finding.detail))
    if finding.rows.size:
        parts.append(_rows_words(finding))
    return " ".join(parts)


def _rows_words(finding: Finding) -> str:
    """The rows of a finding by the labels of their index; by position where there are none."""
    labels = finding.row_labels
    lead = "Rows, by their index" if labels else "Rows, from 0"
    first = labels[:_MOST_ROWS] or tuple(map(str, finding.rows[:_MOST_ROWS].tolist()))
    more = finding.rows.size - len(first)
    return f"{lead}: {', '.join(first)}{f' and {more:,} more' if more > 0 else ''}."


def extra_section(extra: Sequence[Extra]) -> Section:
    """The pictures and tables that belong to the model rather than to a check."""
    side_by_side = len(extra) > 1 and all(isinstance(item, Figure) for item in extra)
    return Section(Heading("The model", 2), tuple(extra), grid=side_by_side)


def reference_section(references: Sequence[str]) -> Section:
    """The sources of the checks."""
    paragraphs = tuple(Paragraph(reference, quiet=True) for reference in references)
    return Section(Heading("References", 2), paragraphs)


def provenance_section(provenance: Mapping[str, Any], policy: Policy) -> Section:
    """Where the numbers come from and by which policy they were judged."""
    rows = [(name, _value_words(value)) for name, value in provenance.items()]
    rows += [(f"policy: {name}", _value_words(value)) for name, value in policy.to_dict().items()]
    return Section(Heading("Provenance", 2), (Table(("item", "value"), tuple(rows)),))


def _value_words(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, Mapping | list | tuple) and not value):
        return "none"
    return json.dumps(plain(value), ensure_ascii=False)
