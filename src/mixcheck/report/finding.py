"""What a check found: a fact, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeAlias

import numpy as np

from mixcheck.arguments.calls import answer_methods
from mixcheck.arguments.options import shown
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.codec.shapes import ADDED_LATER, Count, Probability, tagged
from mixcheck.display.document import Cell, Document, Facts, Figure, Paragraph, Picture, PValue
from mixcheck.display.numerals import format_number, format_pvalue
from mixcheck.display.render import to_fragment
from mixcheck.errors import DataError, OptionError

if TYPE_CHECKING:
    from mixcheck.display.figures import Axes

__all__ = ["Alternative", "AnyFinding", "Effect", "Finding", "Skipped", "require_findings"]

Alternative = Literal["two-sided", "greater", "less"]

_MOST_DIGITS = 7


@dataclass(frozen=True)
class Effect:
    """How large a departure is, in a unit that has a meaning.

    Attributes
    ----------
    name : str
        What is measured, such as "variance ratio".
    value, low, high : float
        Estimate and 95 % interval.
    null : float
        Its value under the model.
    of : str
        Whose effect it is, where the data chose among several; else "".
    """

    name: str
    value: float
    low: float
    high: float
    null: float
    of: str = field(default="", metadata=ADDED_LATER)

    def __str__(self) -> str:
        return f"{self.label} {self.interval}"

    @property
    def interval(self) -> str:
        """The estimate, with its interval where it has one, in words of a table."""
        value, low, high = self.words
        bare = math.isnan(self.low) and math.isnan(self.high)
        return value if bare else f"{value} [{low}, {high}]"

    @property
    def words(self) -> tuple[str, str, str]:
        """Estimate and ends of the interval in digits: three, or as many as part the ends.

        Examples
        --------
        >>> Effect("zero ratio", 1.00001, 0.99988, 1.00006, 1.0).words
        ('1', '0.9999', '1')
        """
        digits, ends = 3, (self.low, self.high)
        while self.low < self.high and digits < _MOST_DIGITS:
            if len({format_number(end, digits) for end in ends}) > 1:
                break
            digits += 1
        value, low, high = (format_number(part, digits) for part in (self.value, *ends))
        return value, low, high

    @property
    def label(self) -> str:
        """What is measured, and of what."""
        return f"{self.name} of {self.of}" if self.of else self.name


@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class Finding:
    """A fact about a model. It holds no verdict: a policy judges it.

    Attributes
    ----------
    check : str
        Unique name within a report, such as "dispersion" or "zeros [site=A]".
    kind : str
        Stable short name of the kind of check.
    null : str
        The null hypothesis, in words.
    statistic : float
        Observed test statistic.
    pvalue : float or None
        ``(b + 1) / (B + 1)``; None where the question has an exact answer, see `holds`.
    alternative : str
        "two-sided", "greater" or "less".
    effect : Effect
        Size of the departure.
    n : int
        Number of observations (or groups) that it rests on.
    floor : float
        The smallest p-value that these draws could have given.
    replicates : (B,) array
        The statistic in the replicate data sets, in their order; empty where none were used.
    holds : bool or None
        For exact facts (convergence, singularity): whether the null holds; None where it is not
        known.
    single_pvalues : tuple of float
        The p-value of each randomisation of the data alone (draws of the random effects, jitter
        of counts), where the statistic is a mean over several.
    rows : array of int
        Positions of observations implicated, in the data of the model.
    row_labels : tuple of str
        What the index of these data calls them, in the same order.
    picture : Picture or None
        Plot data, never a figure.
    references : tuple of str
    detail : str
        One sentence on what was done, for the report.
    caution : str
        For an exact fact that holds: what should be known all the same, as words that follow
        "but"; it makes the verdict WARN. For one that is not decided: why, after "and".
    asked : mapping
        The check of the suite that asked, as its `to_dict` writes it.
    subject : mapping of str to str
        What of the model it is about: a ``"term"`` of random effects; the ``"level"`` of a
        ``"column"`` whose rows were looked at.
    """

    check: str
    kind: str
    null: str
    statistic: float
    pvalue: Probability | None
    alternative: Alternative
    effect: Effect
    n: Count
    floor: Probability = 0.0
    replicates: FloatArray = field(default_factory=lambda: np.empty(0))
    holds: bool | None = None
    rows: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    row_labels: tuple[str, ...] = field(default=(), metadata=ADDED_LATER)
    picture: Picture | None = None
    references: tuple[str, ...] = ()
    detail: str = ""
    caution: str = field(default="", metadata=ADDED_LATER)
    asked: Mapping[str, Any] = field(default_factory=dict, metadata=ADDED_LATER)
    subject: Mapping[str, str] = field(default_factory=dict, metadata=ADDED_LATER)
    single_pvalues: tuple[Probability, ...] = field(default=(), metadata=ADDED_LATER)

    def __repr__(self) -> str:
        told = f"{self.effect.label} {format_number(self.effect.value)}"
        if self.pvalue is not None:
            told += f", p = {format_pvalue(self.pvalue)}".replace("= <", "<")
        elif self.holds is not None:
            told += ", holds" if self.holds else ", does not hold"
        return f"<Finding {self.check}: {told}, n = {self.n:,}>"

    def __bool__(self) -> NoReturn:
        """A finding is a measurement, not a verdict."""
        raise TypeError(
            f"the finding {self.check!r} is a measurement, not a verdict: "
            "judge a report with a Policy and read report.ok or report.verdicts"
        )

    def document(self) -> Document:
        """What was measured, as a page of its own: no verdict, since that is a policy's."""
        effect = self.effect
        facts: list[tuple[str, Cell]] = [
            ("null hypothesis", self.null),
            (effect.label, effect.interval),
            ("under the null hypothesis", float(effect.null)),
        ]
        if self.pvalue is not None:
            facts.append(("p-value", PValue(self.pvalue)))
        elif self.holds is not None:
            facts.append(("holds", "yes" if self.holds else "no"))
        facts.append(("n", self.n))
        picture, told = self.picture, (self.detail, self.caution)
        figures = () if picture is None else (Figure(picture, picture.title, self.check),)
        remarks = (Paragraph(words, quiet=True) for words in told if words)
        return Document(self.check, (Facts(tuple(facts)), *figures, *remarks))

    def _repr_html_(self) -> str:
        return to_fragment(self.document())

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw its picture on the given matplotlib axes, or on new ones.

        Raises
        ------
        DataError
            If it has no picture.
        """
        if self.picture is None:
            raise DataError(f"the finding {self.check!r} has no picture; its detail: {self.detail}")
        from mixcheck.display.figures import draw

        return draw(self.picture, ax)


@dataclass(frozen=True)
class Skipped:
    """A check that does not apply, with its reason as a sentence; fields as of `Finding`."""

    check: str
    kind: str
    reason: str
    asked: Mapping[str, Any] = field(default_factory=dict, compare=False, metadata=ADDED_LATER)
    subject: Mapping[str, str] = field(default_factory=dict, compare=False, metadata=ADDED_LATER)


AnyFinding: TypeAlias = Annotated[
    Finding | Skipped, tagged("outcome", {"finding": Finding, "skipped": Skipped})
]


def require_findings(findings: object) -> tuple[Finding | Skipped, ...]:
    """The findings, if they are findings.

    Raises
    ------
    OptionError
    """
    given = tuple(findings) if isinstance(findings, list | tuple) else (findings,)
    for item in given:
        if not isinstance(item, Finding | Skipped):
            raise OptionError(
                f"findings must be a tuple of Finding or Skipped, such as report.findings; found "
                f"{shown(item)}"
            )
    return given
