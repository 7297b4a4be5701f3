"""A table of effects: estimates of the same kind, each with its error, interval and test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_methods
from mixcheck.arguments.options import require_choice
from mixcheck.arrays import FloatArray
from mixcheck.display.document import Block, Document, Paragraph, Table
from mixcheck.display.pictures import Caterpillar
from mixcheck.display.shown import Shown

if TYPE_CHECKING:
    from mixcheck.display.figures import Axes

__all__ = ["Effects", "NamesOf"]

NamesOf: TypeAlias = Literal["mixcheck", "broom", "marginaleffects"]

_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "mixcheck": {},
    "broom": {
        "std_error": "std.error",
        "pvalue": "p.value",
        "low": "conf.low",
        "high": "conf.high",
    },
    "marginaleffects": {"pvalue": "p_value", "low": "conf_low", "high": "conf_high"},
}


@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class Effects(Shown):
    """Estimates with their errors, intervals and tests, a row each.

    Attributes
    ----------
    labels : DataFrame, (k, ..)
        What each row is of.
    estimate, std_error, df, low, high : (k,)
        NaN where the data do not tell an estimate.
    statistic, pvalue : (k,)
        Of the hypothesis that there is no effect.
    scale : str
        What the estimates are of.
    level : float
        The confidence.
    notes : tuple of str
        Sentences on how they were made.
    """

    labels: pd.DataFrame
    estimate: FloatArray
    std_error: FloatArray
    df: FloatArray
    low: FloatArray
    high: FloatArray
    statistic: FloatArray
    pvalue: FloatArray
    scale: str
    level: float
    notes: tuple[str, ...]

    def to_frame(self, *, names: NamesOf = "mixcheck") -> pd.DataFrame:
        """A row each: labels, ``estimate, std_error, df, low, high, statistic, pvalue``.

        Parameters
        ----------
        names : {"mixcheck", "broom", "marginaleffects"}
            Names of columns as here, as in R's broom (``std.error, p.value, conf.low,
            conf.high``), or as in marginaleffects (``p_value, conf_low, conf_high``).

        Raises
        ------
        OptionError
        """
        require_choice("names", names, tuple(_NAMES))
        numbers = {name: getattr(self, name) for name in self._columns}
        # A predictor may be called like a number.
        clash = {name: f"{name} (column)" for name in self.labels.columns if name in numbers}
        frame = pd.concat(
            [self.labels.rename(columns=clash), pd.DataFrame(numbers, self.labels.index)], axis=1
        )
        return frame.rename(columns=dict(_NAMES[names]))

    @property
    def _columns(self) -> tuple[str, ...]:
        return ("estimate", "std_error", "df", "low", "high", "statistic", "pvalue")

    def document(self) -> Document:
        """The table with its notes."""
        frame = self.to_frame()
        rows = tuple(tuple(_cell(v) for v in row) for row in frame.itertuples(index=False))
        table = Table(tuple(str(name) for name in frame.columns), rows)
        blocks: tuple[Block, ...] = (table, *(Paragraph(note) for note in self.notes))
        return Document(self._title, blocks)

    @property
    def _title(self) -> str:
        return f"{self.scale[:1].upper()}{self.scale[1:]}"

    def picture(self) -> Caterpillar:
        """Estimates with their intervals, as plot data."""
        words = [", ".join(map(str, row)) for row in self.labels.itertuples(index=False)]
        known = np.isfinite(self.estimate) & np.isfinite(self.low) & np.isfinite(self.high)
        some = np.flatnonzero(known)
        return Caterpillar(
            tuple(words[i] for i in some),
            self.estimate[some],
            self.low[some],
            self.high[some],
            reference=self._reference,
            title=self._title,
        )

    @property
    def _reference(self) -> float:
        return 1.0 if "ratio" in self.scale and "log" not in self.scale else 0.0

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw estimates and intervals on the given matplotlib axes, or on new ones."""
        from mixcheck.display.figures import draw

        return draw(self.picture(), ax)

    def __repr__(self) -> str:
        return self.to_text()


def _cell(value: object) -> str | float | int | None:
    if isinstance(value, float | np.floating):
        return float(value)
    return str(value)
