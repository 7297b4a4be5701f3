"""What a set of findings means: one judgement on all of them together."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, Literal, cast, get_args

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.calls import answer_methods
from mixcheck.codec.shapes import NOT_STORED, Finite, Shape, by_hand
from mixcheck.codec.written_files import read_written
from mixcheck.display.document import Document, Facts, Tone
from mixcheck.display.numerals import format_number
from mixcheck.display.render import to_fragment
from mixcheck.errors import DataError, OptionError
from mixcheck.options import require_choice, require_number, shown
from mixcheck.report.adjustment import (
    Pool,
    attainable,
    graded_pvalues,
    pool_pvalues,
    smallest_pvalue,
    step_down,
)
from mixcheck.report.finding import Effect, Finding, Skipped, require_findings
from mixcheck.report.sentences import effect_words, pvalue_words, sentence

__all__ = [
    "AdjustedTest",
    "Adjustment",
    "Judgement",
    "Policy",
    "Verdict",
    "adjust_pvalues",
    "departure",
    "refuses",
    "require_policy",
]

Adjustment = Literal["min-p", "holm", "none"]
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


def _is_tested(finding: Finding | Skipped) -> bool:
    """Whether it has a p-value that can be adjusted."""
    return (
        isinstance(finding, Finding)
        and finding.pvalue is not None
        and not math.isnan(finding.pvalue)
    )


@dataclass(frozen=True)
class AdjustedTest:
    """What the adjustment says of one finding.

    Attributes
    ----------
    adjusted : float
        Adjusted p-value.
    attainable : float
        The smallest that these draws could have given, the other findings being as they are.
    joint : bool
        Whether it was adjusted over replicates that it shares with others.
    own : float
        Its p-value; of what shares replicates that which tells its rank apart by a tail, see
        `mixcheck.report.adjustment.graded_pvalues`.
    enough : int or None
        Replicates with which the smallest would be alpha at most; None where there are none.
    """

    adjusted: float
    attainable: float
    joint: bool
    own: float
    enough: int | None = None


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
        return tuple(
            _judgement(self, finding, test)
            for finding, test in zip(findings, adjust_pvalues(findings, self), strict=True)
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


def adjust_pvalues(
    findings: Sequence[Finding | Skipped], policy: Policy
) -> list[AdjustedTest | None]:
    """What the adjustment says of each finding; None of those without a p-value."""
    positions = [row for row, finding in enumerate(findings) if _is_tested(finding)]
    tests = _adjusted([cast(Finding, findings[row]) for row in positions], policy)
    found: list[AdjustedTest | None] = [None] * len(findings)
    for row, test in zip(positions, tests, strict=True):
        found[row] = test
    return found


def _adjusted(findings: Sequence[Finding], policy: Policy) -> list[AdjustedTest]:
    """The adjusted p-value of each finding and the smallest one it could have had."""
    if not findings:
        return []
    pvalues = _raw_pvalues(findings)
    floors = np.array([finding.floor for finding in findings], dtype=np.float64)
    if policy.adjust == "none":
        least = np.minimum(floors, pvalues)
        alone = np.zeros(len(findings), dtype=np.bool_)
        return _tests(findings, policy, pvalues, least, alone, pvalues)
    pools = _pools(findings) if policy.adjust == "min-p" else []
    joint = np.zeros(len(findings), dtype=np.bool_)
    # A pooled test has its place by a graded p-value, which can be as small as one likes.
    places, least_places, least = pvalues.copy(), np.minimum(floors, pvalues), floors.copy()
    for pool in pools:
        joint[pool.members] = True
        for row, graded in zip(pool.members, pool.pvalues[:, 0], strict=True):
            finding = findings[row]
            own = _own_pvalue(finding)
            pvalues[row] = max(pvalues[row], own)
            places[row] = graded if pvalues[row] == own else pvalues[row]
            least_places[row] = 0.0
            least[row] = max(
                floors[row], smallest_pvalue(finding.replicates.size, finding.alternative)
            )
    adjusted = np.maximum(step_down(places, pools), pvalues)
    least_adjusted = np.maximum(
        attainable(places, least_places, pools, policy.alpha), np.minimum(least, pvalues)
    )
    return _tests(findings, policy, adjusted, least_adjusted, joint, places)


def _tests(
    findings: Sequence[Finding],
    policy: Policy,
    adjusted: FloatArray,
    least: FloatArray,
    joint: BoolArray,
    places: FloatArray,
) -> list[AdjustedTest]:
    numbers = (adjusted.tolist(), least.tolist(), joint.tolist(), places.tolist())
    return [
        AdjustedTest(pvalue, floor, shared, own, _enough(finding, floor, policy.alpha))
        for finding, pvalue, floor, shared, own in zip(findings, *numbers, strict=True)
    ]


def _enough(finding: Finding, attainable: float, alpha: float) -> int | None:
    """Replicates with which a test can fail: what is attainable goes down as their number."""
    draws = finding.replicates.size
    return math.ceil(attainable * (draws + 1) / alpha - 1e-9) - 1 if draws else None


def _raw_pvalues(findings: Sequence[Finding]) -> FloatArray:
    for finding in findings:
        if not 0.0 <= cast(float, finding.pvalue) <= 1.0:
            raise DataError(
                f"the finding {finding.check!r} has the p-value {finding.pvalue!r}; "
                "a p-value lies between 0 and 1"
            )
    return np.array([finding.pvalue for finding in findings], dtype=np.float64)


def _pools(findings: Sequence[Finding]) -> list[Pool]:
    """The findings with replicates, by the number of them: equal numbers are the same data sets."""
    groups: dict[int, list[int]] = defaultdict(list)
    for row, finding in enumerate(findings):
        if finding.replicates.size and not math.isnan(finding.statistic):
            groups[finding.replicates.size].append(row)
    return [
        Pool(
            np.array(rows, dtype=np.intp),
            np.stack(
                [
                    graded_pvalues(_data_sets(findings[row]), findings[row].alternative)
                    for row in rows
                ]
            ),
        )
        for rows in groups.values()
    ]


def _data_sets(finding: Finding) -> FloatArray:
    """The statistic of the data and of the replicates, (B + 1,)."""
    return np.concatenate([[finding.statistic], finding.replicates])


def _own_pvalue(finding: Finding) -> float:
    return float(pool_pvalues(_data_sets(finding), finding.alternative)[0])


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
    if test is not None and policy.adjust == "min-p" and not test.joint:
        words += " It has no shared replicates, so its p-value is adjusted by Holm's rule."
    if finding.check in policy.waive and verdict in (Verdict.PASS, Verdict.WARN) and not caution:
        words += f" Its waiver ({policy.waive[finding.check]}) is no longer needed."
    shown = None if test is None else test.adjusted
    return Judgement(finding.check, verdict, finding.pvalue, shown, words, caution)


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
