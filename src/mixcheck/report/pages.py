"""A judged report as a page: the summary first, then the facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias

from mixcheck.codec.shapes import tagged
from mixcheck.display.document import (
    Badge,
    Block,
    Cell,
    Facts,
    Figure,
    Heading,
    Paragraph,
    Places,
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
    "finding_sections",
    "is_decided",
    "model_sections",
    "overall_verdict",
    "provenance_section",
    "reference_section",
    "subject_facts",
    "summary_paragraph",
    "summary_table",
    "worst_first",
]

Extra: TypeAlias = Annotated[Figure | Table, tagged("block", {"figure": Figure, "table": Table})]

_MOST_ROWS = 12
# So many findings have a picture each; of more the worst few do, and all are in the table.
_MOST_FINDINGS = 60
_WORST_FEW = 12
_LIKELIHOOD_PLACES = 2
_FACT_NAMES = {"nobs": "observations"}
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
        lead = f"{len(failed)} of {_checks(judged)} {verb} the model: {_some(failed)}."
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


def worst_first(outcomes: Outcomes, judgements: Judgements) -> tuple[Outcomes, Judgements]:
    """Those that are shown one by one: all as they come, or of very many the worst few.

    The worst is a failure before what is undecided and what warns, and then the smaller p-value.
    """
    pairs = list(zip(outcomes, judgements, strict=True))
    if len(pairs) > _MOST_FINDINGS:
        pairs = sorted(pairs, key=lambda pair: _badness(pair[1]))[:_WORST_FEW]
    return [outcome for outcome, _ in pairs], [judgement for _, judgement in pairs]


def _badness(judgement: Judgement) -> tuple[int, float, float]:
    """A number that is smaller for what is worse."""
    rank = {verdict: place for place, verdict in enumerate(_WORST_FIRST)}
    adjusted, single = (
        1.0 if p is None else p for p in (judgement.adjusted_pvalue, judgement.pvalue)
    )
    return rank.get(judgement.verdict, len(rank)), adjusted, single


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


def model_sections(extra: Sequence[Extra]) -> tuple[tuple[Section, ...], tuple[Section, ...]]:
    """What belongs to the model rather than to a check: its tables, and its pictures."""
    tables = tuple(item for item in extra if isinstance(item, Table))
    figures = tuple(item for item in extra if isinstance(item, Figure))
    before = (Section(Heading("The model", 2), tables),) if tables else ()
    grid = len(figures) > 1
    after = (Section(Heading("Pictures of the model", 2), figures, grid=grid),) if figures else ()
    return before, after


def reference_section(references: Sequence[str]) -> Section:
    """The sources of the checks."""
    paragraphs = tuple(Paragraph(reference, quiet=True) for reference in references)
    return Section(Heading("References", 2), paragraphs)


def subject_facts(provenance: Mapping[str, Any]) -> tuple[Facts, ...]:
    """What was checked: the model as its port describes it, when, and by which version."""
    model = provenance.get("model")
    items = dict(model) if isinstance(model, Mapping) else {}
    link = items.pop("link", None)
    if link and isinstance(items.get("family"), str):
        items["family"] = f"{items['family']} ({link} link)"
    facts = [(_FACT_NAMES.get(name, name), _fact(value)) for name, value in items.items()]
    checked = [provenance.get("date"), _version_words(provenance)]
    told = ", ".join(part for part in checked if isinstance(part, str) and part)
    if told:
        facts.append(("checked", told))
    return (Facts(tuple(facts)),) if facts else ()


def _fact(value: Any) -> Cell:
    if isinstance(value, float):
        return Places(value, _LIKELIHOOD_PLACES)
    return value if isinstance(value, int) and not isinstance(value, bool) else _value_words(value)


def _version_words(provenance: Mapping[str, Any]) -> str:
    version = provenance.get("mixcheck")
    return f"mixcheck {version}" if isinstance(version, str) else ""


def provenance_section(provenance: Mapping[str, Any], policy: Policy) -> Section:
    """Where the numbers come from and by which policy they were judged."""
    told = {name: value for name, value in provenance.items() if name not in ("model", "left out")}
    rows = [(name, _value_words(value)) for name, value in told.items()]
    rows += [(f"policy: {name}", _value_words(value)) for name, value in policy.to_dict().items()]
    return Section(Heading("Provenance", 2), (Facts(tuple(rows)),))


def _value_words(value: Any) -> str:
    """A value of the provenance in words: lists by their items, mappings by name and value."""
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, Mapping | list | tuple) and not value):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(_value_words, value))
    kind = value.get("kind")
    rest = {name: item for name, item in value.items() if name != "kind"}
    words = ", ".join(f"{name} {_value_words(item)}" for name, item in rest.items())
    if kind is None:
        return words
    return f"{kind} ({words})" if words else str(kind)
