"""From the checks that fail to the changes of the model that answer them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby, zip_longest

from mixcheck.checks.check import Check, Suite, check_from_dict
from mixcheck.report.finding import Finding
from mixcheck.report.policy import Verdict
from mixcheck.report.report import Report
from mixcheck.selection.explanations import EXPLAINING, explained_by, surprise_of
from mixcheck.selection.rules import RULES
from mixcheck.selection.situation import Aspect, Question, Remedy, Situation, unwrapped
from mixcheck.selection.space import Model

__all__ = ["combine", "find_remedies"]

# Checks that fail for many reasons: what others say of the same model says more.
_VAGUE = ("uniformity", "outliers")
_RULES = {**RULES, **EXPLAINING}
_ASPECTS: tuple[Aspect, ...] = ("mean", "random", "part", "distribution")


def find_remedies(
    report: Report, situation: Situation, diagnosed: Report | None = None
) -> tuple[tuple[Remedy, ...], list[str]]:
    """The changes that answer the failing checks, each once, and notes on those left out.

    Parameters
    ----------
    report : Report
    situation : Situation
    diagnosed : Report, optional
        Of `explanations.diagnose`. What something in the data explains comes first, by how
        surprising the finding is, be it of this report or of the other.
    """
    asked = _suite_of(report)
    notes: list[str] = []
    usual: list[Remedy] = []
    explaining: list[tuple[float, list[Remedy]]] = []
    for answer in () if diagnosed is None else explained_by(diagnosed):
        explaining.append((surprise_of(answer), _answers(answer, (), situation, [])))
    for finding in sorted(report.findings, key=lambda finding: finding.kind in _VAGUE):
        failed = report.verdicts[finding.check] is Verdict.FAIL
        if not failed or not isinstance(finding, Finding):
            continue
        remedies = _answers(finding, asked, situation, notes)
        if not remedies:
            notes.append(f"No change of the model is known to answer {finding.check!r}.")
        usual += remedies
        explaining.append((surprise_of(finding), remedies))
    in_order = [
        *_by_turns([[r for r in remedies if r.explains] for _, remedies in _sorted(explaining)]),
        *(remedy for remedy in usual if not remedy.explains),
        *_by_turns([remedies for _, remedies in explaining]),
    ]
    merged: dict[Model, Remedy] = {}
    for remedy in in_order:
        merged.setdefault(remedy.apply(situation.model), remedy)
    merged.pop(situation.model, None)
    return tuple(merged.values()), list(dict.fromkeys(notes))


def _sorted(found: Sequence[tuple[float, list[Remedy]]]) -> list[tuple[float, list[Remedy]]]:
    """The most surprising first."""
    return sorted(found, key=lambda pair: pair[0], reverse=True)


def _by_turns(answers: Sequence[Sequence[Remedy]]) -> Iterator[Remedy]:
    """The first answer to each finding, then the second of each: none waits for all of another."""
    for turn in zip_longest(*answers):
        yield from (remedy for remedy in turn if remedy is not None)


def _answers(
    finding: Finding, asked: Sequence[Check], situation: Situation, notes: list[str]
) -> list[Remedy]:
    question = _question_of(finding, asked)
    rule = _RULES.get(finding.kind if question is None else question.check.kind)
    return [] if rule is None else list(rule(finding, question, situation, notes))


def combine(
    remedies: Sequence[Remedy], model: Model, most: int
) -> list[tuple[Model, tuple[Remedy, ...]]]:
    """Models with one change, then with two and three of different aspects, each once.

    Among as many changes, those that something in the data explains, and others, take turns.
    """
    sets: list[tuple[Remedy, ...]] = [()]
    for aspect in _ASPECTS:
        same = [remedy for remedy in remedies if remedy.aspect == aspect]
        sets += [(*chosen, remedy) for chosen in sets for remedy in same]
    models: dict[Model, tuple[Remedy, ...]] = {}
    for chosen in _in_turn(sets[1:]):
        changed = model
        for remedy in sorted(chosen, key=lambda r: (r.random is None, r.link is not None)):
            changed = remedy.apply(changed)
        models.setdefault(changed, chosen)
    return list(models.items())[:most]


def _in_turn(sets: Sequence[tuple[Remedy, ...]]) -> Iterator[tuple[Remedy, ...]]:
    """Sets by their size; what adds variation and what explains take turns."""
    for _, alike in groupby(sorted(sets, key=len), key=len):
        by_kind: dict[bool, list[tuple[Remedy, ...]]] = {False: [], True: []}
        for chosen in alike:
            by_kind[all(remedy.explains for remedy in chosen)].append(chosen)
        for pair in zip_longest(*by_kind.values()):
            yield from (chosen for chosen in pair if chosen is not None)


def _suite_of(report: Report) -> tuple[Check, ...]:
    """The checks that were run, as the report tells it."""
    stored = report.provenance.get("suite")
    return Suite.from_json(json.dumps({"checks": stored})).checks if stored else ()


def _question_of(finding: Finding, suite: Sequence[Check]) -> Question | None:
    """The check that found it: as the finding says, or the only one of its kind."""
    if finding.asked:
        return unwrapped(check_from_dict(finding.asked))
    alike = [asked for asked in map(unwrapped, suite) if asked.check.kind == finding.kind]
    return alike[0] if len(alike) == 1 else None
