"""Two models on the same units: the difference of their scores, in pairs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_methods
from mixcheck.arguments.options import shown
from mixcheck.comparison.record import Record
from mixcheck.display.document import Document, Paragraph, Table
from mixcheck.display.numerals import format_number
from mixcheck.errors import ComparisonError, OptionError

__all__ = ["ScoreDifference", "require_scores", "subtract_scores"]

# Differences of log scores below this are too small for a normal approximation to hold
# (Sivula, Magnusson, Matamoros & Vehtari 2020, arXiv:2008.10296).
SMALL_DIFFERENCE = 4.0


@answer_methods
@dataclass(frozen=True)
class ScoreDifference(Record):
    """A paired difference of log scores.

    Attributes
    ----------
    first, second : str
        The models: formulas and families.
    units : str
        What was scored, in words.
    n : int
        Number of units.
    difference : float
        Score of the first minus that of the second; positive where the first predicts better.
    se : float
        Its standard error over units.
    """

    first: str
    second: str
    units: str
    n: int
    difference: float
    se: float

    _computed: ClassVar = ("verdict",)

    @property
    def verdict(self) -> str:
        """Which model predicts better and how surely, in a sentence."""
        if self.difference == 0.0:
            return "Both models predict equally well."
        better, other = (
            (self.first, self.second) if self.difference > 0.0 else (self.second, self.first)
        )
        size, se = format_number(abs(self.difference)), format_number(self.se)
        sentence = f"{better} predicts better than {other} by {size} (standard error {se})"
        if abs(self.difference) < SMALL_DIFFERENCE:
            return f"{sentence}; so small a difference decides nothing."
        if abs(self.difference) < 2.0 * self.se:
            return f"{sentence}, which is within two standard errors."
        return f"{sentence}."

    def document(self) -> Document:
        """The difference as a page."""
        table = Table(
            ("difference", "std error", self.units), ((self.difference, self.se, self.n),)
        )
        return Document("Difference of log scores", (Paragraph(self.verdict), table))

    def to_frame(self) -> pd.DataFrame:
        """One row: all fields."""
        return pd.DataFrame([asdict(self)])


def require_scores(kind: type, found: object, source: str) -> None:
    """Refuse what are not the scores of one function."""
    if not isinstance(found, kind):
        raise OptionError(f"scores of {source} are compared, found {shown(found)}")


def subtract_scores(
    first: tuple[str, pd.Series[float]], second: tuple[str, pd.Series[float]], units: str
) -> ScoreDifference:
    """Subtract the scores of the second model, unit by unit.

    Raises
    ------
    ComparisonError
        If they are of other units.
    """
    (name, left), (other, right) = first, second
    if left.index.name != right.index.name or not left.index.equals(right.index):
        raise ComparisonError(
            f"the scores of {name!r} are of {left.size} {left.index.name or 'rows'}, those of "
            f"{other!r} of {right.size} {right.index.name or 'rows'}, and they are not the same "
            "ones; score both models on the same units of the same data"
        )
    each = left.to_numpy() - right.to_numpy()
    return ScoreDifference(
        first=name,
        second=other,
        units=units,
        n=each.size,
        difference=float(each.sum()),
        se=math.sqrt(each.size * float(np.var(each, ddof=1))),
    )
