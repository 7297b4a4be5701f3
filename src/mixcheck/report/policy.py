"""What a set of findings means: one judgement on all of them together."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, get_args

from mixcheck.arguments.calls import answer_methods
from mixcheck.arguments.options import require_choice, require_number, shown
from mixcheck.codec.shapes import NOT_STORED, Finite, Shape, by_hand
from mixcheck.codec.written_files import read_written
from mixcheck.display.document import Document, Facts, Tone
from mixcheck.display.numerals import format_number
from mixcheck.display.render import to_fragment
from mixcheck.errors import OptionError
from mixcheck.report.adjusted_tests import AdjustedTest, Adjustment, adjust_pvalues
from mixcheck.report.finding import Effect, Finding, Skipped, require_findings
from mixcheck.report.sentences import effect_words, pvalue_words, sentence

__all__ = [
    "Adjustment",
    "Judgement",
    "Policy",
    "Verdict",
    "departure",
    "refuses",
    "require_policy",
]

# More replicates than this are not asked for.
_MANY = 99_999
# Older reports and calls have the name of the rule in one unit, which was never computed.
_FORMER = {"max-t": "min-p"}


class Verdict(Enum):
    """What a finding means under a policy.

    ``PASS``: the data do not contradict the model. ``WARN``: they do, but by less than what
    matters; or an exact fact holds, with something to be known beside it. ``FAIL``: they do.
    ``UNDECIDED``: these draws, fixed by ``draws=``, could not have failed it. ``SKIPPED``: the
    check does not apply. ``WAIVED``: it fails, for a reason known before.
    """

    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"
    UNDECIDED = "UNDECIDED"
    SKIPPED = "SKIPPED"
    WAIVED = "WAIVED"

    @property
    def tone(self) -> Tone:
        """The tone of its badge."""
        return _TONES[self]


_TONES: dict[Verdict, Tone] = {
    Verdict.PASS: "good",
    Verdict.WARN: "caution",
    Verdict.FAIL: "bad",
    Verdict.UNDECIDED: "unclear",
    Verdict.SKIPPED: "muted",
    Verdict.WAIVED: "muted",
}


@dataclass(frozen=True)
class Judgement:
    """The verdict on one finding, and the sentence that says why.

    Attributes
    ----------
    check : str
    verdict : Verdict
    pvalue : float or None
        As found; None for exact facts and for skipped checks.
    adjusted_pvalue : float or None
        Over all findings of the report; at least the p-value.
    sentence : str
    caution : str
        Of an exact fact that holds, what makes it a warning.
    """

    check: str
    verdict: Verdict
    pvalue: Finite | None
    adjusted_pvalue: Finite | None
    sentence: str
    caution: str = field(default="", metadata=NOT_STORED)


def refuses(judgement: Judgement) -> bool:
    """Whether a verdict keeps a report from being ok: FAIL, or a p-value that decides nothing."""
    undecided = judgement.verdict is Verdict.UNDECIDED and judgement.pvalue is not None
    return undecided or judgement.verdict is Verdict.FAIL


def departure(effect: Effect) -> float:
    """How far an effect is from its value under the model, in the unit of `Policy.negligible`.

    The absolute difference; but for an effect whose null is 1, taken as a ratio, it is
    ``max(v, 1 / v) - 1``, so that a half is as far as a double.

    Examples
    --------
    >>> departure(Effect("variance ratio", 0.5, 0.4, 0.7, 1.0))
    1.0
    >>> departure(Effect("slope", -0.2, -0.3, -0.1, 0.0))
    0.2
    """
    value, null = effect.value, effect.null
    if null == 1.0:
        return max(value, 1.0 / value) - 1.0 if value > 0.0 else math.inf
    return abs(value - null)


@answer_methods
@dataclass(frozen=True)
class Policy:
    """What is acceptable. It judges all findings of a report together.

    Parameters
    ----------
    alpha : float
        Level of the whole family of checks, in (0, 1).
    adjust : {"min-p", "holm", "none"}
        "min-p" is the step-down rule of Westfall and Young over the p-values that the
        findings have in the same replicate data sets; findings without replicates join by
        Holm's rule. "none" raises a false alarm in one true model of five with seven checks.
    negligible : mapping of str to float
        For the name of an effect, the departure (see `departure`) below which a significant
        finding only warns. For an effect whose null is 1, a size of 0.1 means 10 % up, or the
        same ratio down.
    waive : mapping of str to str
        For the name of a check, the reason why its failure is accepted.

    Raises
    ------
    OptionError
        If a value is outside its allowed ones.

    Examples
    --------
    >>> policy = Policy(alpha=0.01, negligible={"variance ratio": 0.1})
    >>> policy == Policy.from_dict(policy.to_dict())
    True
    """

    alpha: Finite = 0.05
    adjust: Adjustment = "min-p"
    negligible: Mapping[str, Finite] = field(default_factory=dict)
    waive: Mapping[str, str] = field(default_factory=dict)

    _shape: ClassVar[Shape]

    def __post_init__(self) -> None:
        _check_alpha(self.alpha)
        adjust = require_choice("adjust", self.adjust, get_args(Adjustment), former=_FORMER)
        object.__setattr__(self, "adjust", adjust)
        object.__setattr__(self, "alpha", float(self.alpha))
        object.__setattr__(self, "negligible", MappingProxyType(_sizes(self.negligible)))
        object.__setattr__(self, "waive", MappingProxyType(_reasons(self.waive)))

    def __hash__(self) -> int:
        return hash(
            (
                self.alpha,
                self.adjust,
                frozenset(self.negligible.items()),
                frozenset(self.waive.items()),
            )
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (Policy.from_dict, (self.to_dict(),))

    def _repr_html_(self) -> str:
        sizes = [(f"negligible {name}", size) for name, size in self.negligible.items()]
        waived = [(f"waived: {check}", reason) for check, reason in self.waive.items()]
        facts = [("level", self.alpha), ("adjustment", self.adjust), *sizes, *waived]
        return to_fragment(Document("Policy", (Facts(tuple(facts)),)))

    def to_dict(self) -> dict[str, Any]:
        """The policy as a dictionary that JSON can hold."""
        content: dict[str, Any] = self._shape.write(self)
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Policy:
        """The policy that `to_dict` was called on; what is left out takes its default."""
        if not isinstance(content, Mapping):
            raise OptionError(
                f"a policy is read from a mapping such as policy.to_dict() gives; "
                f"found {shown(content)}"
            )
        unknown = set(content) - {"alpha", "adjust", "negligible", "waive"}
        if unknown:
            raise OptionError(
                f"a policy has no {', '.join(sorted(map(shown, unknown))[:3])}; "
                "it has alpha, adjust, negligible and waive"
            )
        adjust = content.get("adjust")
        if isinstance(adjust, str) and adjust in _FORMER:
            content = {**content, "adjust": _FORMER[adjust]}
        return cls(**content)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Policy:
        """The policy that a file holds; what is left out takes its default.

        Parameters
        ----------
        path : path
            A file of JSON, TOML or YAML, by its ending, with the items alpha, adjust, negligible
            and waive. YAML needs PyYAML.

        Raises
        ------
        OptionError
            If there is no such file, or it holds no policy.
        """
        policy: Policy = read_written(path, "policy", lambda reader: cls.from_dict(reader.value))
        return policy

    def judge(self, findings: Sequence[Finding | Skipped]) -> tuple[Judgement, ...]:
        """Judge all findings of a report together.

        Parameters
        ----------
        findings : sequence of Finding or Skipped

        Returns
        -------
        tuple of Judgement
            In the same order.

        Raises
        ------
        DataError
            If a p-value is outside [0, 1].
        """
        findings = require_findings(findings)
        tests = adjust_pvalues(findings, self.adjust, self.alpha)
        return tuple(
            _judgement(self, finding, test) for finding, test in zip(findings, tests, strict=True)
        )

    def idle(self, findings: Sequence[Finding | Skipped]) -> tuple[str, ...]:
        """Sentences on the waivers and sizes that name nothing among the findings."""
        findings = require_findings(findings)
        checks = {finding.check for finding in findings}
        effects = {finding.effect.name for finding in findings if isinstance(finding, Finding)}
        return tuple(
            f"The policy waives {name!r}, which is no check of this report."
            for name in self.waive
            if name not in checks
        ) + tuple(
            f"The policy has a size for {name!r}, which is no effect of this report."
            for name in self.negligible
            if name not in effects
        )


Policy._shape = by_hand(Policy, Policy.from_dict)


def require_policy(policy: object) -> Policy:
    """The policy, if it is one.

    Raises
    ------
    OptionError
    """
    if isinstance(policy, Policy):
        return policy
    raise OptionError(f"policy must be a Policy, found {shown(policy)}; write Policy(alpha=0.05)")


def _check_alpha(alpha: object) -> None:
    require_number("alpha", alpha, 0.0, 1.0, example=0.05)


def _sizes(negligible: Mapping[str, float]) -> dict[str, float]:
    if not isinstance(negligible, Mapping):
        raise OptionError(
            "negligible must map the name of an effect to a size, such as "
            f'negligible={{"variance ratio": 0.1}}; found {shown(negligible)}'
        )
    sizes = {}
    for name, size in negligible.items():
        label = f"negligible[{shown(name)}]"
        if not isinstance(name, str):
            raise OptionError(f"{label} must be the name of an effect, such as 'variance ratio'")
        sizes[name] = require_number(label, size, 0.0, example=0.1)
    return sizes


def _reasons(waive: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(waive, Mapping):
        raise OptionError(
            f"waive must map the name of a check to the reason, found {shown(waive)}; "
            'write waive={"outliers": "two logger faults"}'
        )
    for name, reason in waive.items():
        if not isinstance(name, str):
            raise OptionError(f"waive[{shown(name)}] must be the name of a check")
        if not isinstance(reason, str) or not reason.strip():
            raise OptionError(
                f"waive[{shown(name)}] must be the reason, in words; found {shown(reason)}"
            )
    return dict(waive)


def _judgement(policy: Policy, finding: Finding | Skipped, test: AdjustedTest | None) -> Judgement:
    if isinstance(finding, Skipped):
        words = sentence(finding.reason)
        return Judgement(finding.check, Verdict.SKIPPED, None, None, words)
    verdict, lead = _exact_verdict(finding) if test is None else _tested_verdict(policy, test)
    if verdict is Verdict.FAIL:
        verdict, lead = _softened(policy, finding, lead)
    caution = finding.caution if test is None else ""
    if caution and verdict is Verdict.PASS:
        verdict, lead = _cautious(policy, finding)
    elif caution:
        lead = f"{lead}, and {caution}"
    adjusted = test.adjusted if test is not None and policy.adjust != "none" else None
    numbers = [
        effect_words(finding.effect),
        pvalue_words(finding.pvalue, adjusted, finding.single_pvalues),
    ]
    words = f"{lead}: {', '.join(part for part in numbers if part)}."
    if test is not None and verdict in (Verdict.PASS, Verdict.FAIL):
        words += _near_the_level(policy, finding, test)
    if test is not None and policy.adjust == "min-p" and not test.joint:
        words += " It has no shared replicates, so its p-value is adjusted by Holm's rule."
    if finding.check in policy.waive and verdict in (Verdict.PASS, Verdict.WARN) and not caution:
        words += f" Its waiver ({policy.waive[finding.check]}) is no longer needed."
    shown = None if test is None else test.adjusted
    return Judgement(finding.check, verdict, finding.pvalue, shown, words, caution)


def _near_the_level(policy: Policy, finding: Finding, test: AdjustedTest) -> str:
    """What is to be known of a p-value that is two standard errors from the level or less."""
    away = abs(test.adjusted - policy.alpha)
    if not away <= 2.0 * test.error or test.error == 0.0:
        return ""
    draws = finding.replicates.size
    which = "the p-value" if policy.adjust == "none" else "the adjusted p-value"
    words = (
        f" With {draws:,} replicates {which} has a standard error of "
        f"{format_number(test.error)}, so that another seed may give the other verdict"
    )
    needed = draws * (2.0 * test.error / max(away, policy.alpha / 100.0)) ** 2
    digit = 10 ** math.floor(math.log10(needed + 1.0))
    settling = math.ceil((needed + 1.0) / digit) * digit - 1
    return f"{words}; draws={settling} would settle it." if settling <= _MANY else f"{words}."


def _exact_verdict(finding: Finding) -> tuple[Verdict, str]:
    if finding.pvalue is not None:
        return Verdict.UNDECIDED, "The p-value is not a number, so nothing is decided"
    if finding.holds is None and finding.caution:
        return Verdict.UNDECIDED, "Nothing is decided"
    if finding.holds is None:
        return Verdict.UNDECIDED, "This is a description, with neither a test nor a yes or no"
    if finding.holds:
        return Verdict.PASS, "This holds"
    return Verdict.FAIL, "This does not hold"


def _tested_verdict(policy: Policy, test: AdjustedTest) -> tuple[Verdict, str]:
    if test.adjusted <= policy.alpha:
        return Verdict.FAIL, "The data contradict the model"
    if test.attainable > policy.alpha:
        least, alpha = format_number(test.attainable), format_number(policy.alpha)
        more = "use more draws" if test.enough is None else f"write draws={test.enough} or more"
        return Verdict.UNDECIDED, (
            f"These draws could not have failed the model, since their smallest attainable "
            f"p-value is {least} where {alpha} is needed; {more}"
        )
    return Verdict.PASS, "The data do not contradict the model"


def _cautious(policy: Policy, finding: Finding) -> tuple[Verdict, str]:
    """An exact fact that holds, with what should be known all the same."""
    lead = f"This holds, but {finding.caution}"
    if finding.check in policy.waive:
        return Verdict.WAIVED, f"{lead}, which is waived ({_reason(policy, finding)})"
    return Verdict.WARN, lead


def _reason(policy: Policy, finding: Finding) -> str:
    return policy.waive[finding.check].rstrip(".")


def _softened(policy: Policy, finding: Finding, lead: str) -> tuple[Verdict, str]:
    """A failure, unless it is too small to matter or waived."""
    size = policy.negligible.get(finding.effect.name)
    if size is not None and departure(finding.effect) < size:
        matters = format_number(size)
        return Verdict.WARN, f"{lead}, but by less than the {matters} that matters"
    if finding.check in policy.waive:
        return Verdict.WAIVED, f"{lead}, which is waived ({_reason(policy, finding)})"
    return Verdict.FAIL, lead
