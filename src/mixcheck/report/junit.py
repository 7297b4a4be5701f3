"""Judgements as the JUnit XML that continuous integration reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from mixcheck.report.finding import Finding, Skipped
from mixcheck.report.policy import Judgement, Verdict, refuses

__all__ = ["to_junit"]

_SKIPPED = (Verdict.SKIPPED, Verdict.WAIVED, Verdict.UNDECIDED)
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(
    outcomes: Sequence[Finding | Skipped], judgements: Sequence[Judgement], *, name: str
) -> str:
    """One test case for each outcome; there is a failure exactly where a verdict is FAIL.

    A p-value that is UNDECIDED is an error. SKIPPED, WAIVED and what is UNDECIDED without a
    p-value are skipped test cases, with the verdict in the message: none of them fails a report,
    and none has been passed. WARN passes, its sentence being the output.

    Parameters
    ----------
    outcomes : sequence of Finding or Skipped
    judgements : sequence of Judgement
        In the same order.
    name : str
        Name of the test suite.
    """
    failures = sum(judgement.verdict is Verdict.FAIL for judgement in judgements)
    errors = sum(map(refuses, judgements)) - failures
    skipped = sum(judgement.verdict in _SKIPPED for judgement in judgements) - errors
    suite = ElementTree.Element(
        "testsuite",
        name=_clean(name),
        tests=str(len(judgements)),
        failures=str(failures),
        errors=str(errors),
        skipped=str(skipped),
    )
    for outcome, judgement in zip(outcomes, judgements, strict=True):
        _add_case(suite, outcome, judgement)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _clean(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)


def _add_case(suite: ElementTree.Element, outcome: Finding | Skipped, judgement: Judgement) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_clean(f"mixcheck.{outcome.kind}"),
        name=_clean(outcome.check),
        time="0",
    )
    words = _clean(judgement.sentence)
    if judgement.verdict is Verdict.FAIL:
        ElementTree.SubElement(case, "failure", message=words, type="FAIL").text = words
    elif refuses(judgement):
        ElementTree.SubElement(case, "error", message=words, type="UNDECIDED").text = words
    elif judgement.verdict in _SKIPPED:
        ElementTree.SubElement(case, "skipped", message=f"{judgement.verdict.value}: {words}")
    elif judgement.verdict is Verdict.WARN:
        ElementTree.SubElement(case, "system-out").text = f"WARN: {words}"
