"""Is a group unlike the others? Level and spread of residuals in each level of a factor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeAlias, final, get_args

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mixcheck.arguments.options import shown
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.check import Check
from mixcheck.checks.dependence import pearson_residuals
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    RowStatistic,
    column_of,
    left_out,
    require_choice,
)
from mixcheck.display.document import Caterpillar
from mixcheck.errors import OptionError
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["Groups"]

Aspect: TypeAlias = Literal["level", "spread"]
MOST_SHOWN = 40
_CONFIDENCE = 0.95


@final
@dataclass(frozen=True, repr=False)
class Groups(Check):
    """Whether some group of rows lies off the model, or scatters more or less than the others.

    One finding for the level and one for the spread. Null hypothesis: residuals in each level
    of the column are as in data of the model. For the level, ``z_k = sum_i r_i / sqrt(n_k)``
    of the Pearson residuals given the modes; for the spread, the mean square ``s_k`` of the
    normal quantile residuals, brought to a standard normal number by the cube root of Wilson
    and Hilferty. The statistic is the largest of them in absolute value. Effects: "mean
    residual" (in standard deviations; 0 under the model) and "variance ratio" (1) of the group
    that is farthest off.

    Parameters
    ----------
    column : str
        A factor, in the model or not.
    aspect : {"level", "spread"}, optional
        Only one of the two.

    References
    ----------
    Wilson & Hilferty (1931), The distribution of chi-square, Proc. Natl. Acad. Sci. 17,
    684-688.
    """

    kind: ClassVar[str] = "groups"
    least_rows: ClassVar[int] = 4

    column: str
    aspect: Aspect | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.column, str):
            raise OptionError(f"column must be the name of a column, found {shown(self.column)}")
        if self.aspect is not None:
            require_choice("aspect", self.aspect, get_args(Aspect))

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """A statistic for each aspect, of the rows that belong to a group."""
        codes, levels = pd.factorize(column_of(context.frame, self.column), sort=True)
        known = np.flatnonzero(codes >= 0)
        name = f"groups [{self.column}]"
        if not 1 < len(levels) < known.size:
            what = "fewer than two levels" if len(levels) < 2 else "a level for each row"
            return (Skipped(name, self.kind, f"The factor {self.column} has {what}."),)
        names = tuple(str(level) for level in levels)
        asked = get_args(Aspect) if self.aspect is None else (self.aspect,)
        statistics = (
            _GroupStatistic(
                f"groups [{self.column}, {aspect}]",
                self.kind,
                self.column,
                aspect,
                codes[known],
                np.bincount(codes[known]).astype(np.float64),
                names,
            )
            for aspect in asked
        )
        if known.size == context.n:
            return tuple(statistics)
        remark = left_out(context.n - known.size, self.column)
        return tuple(
            RowStatistic(inner.name, self.kind, inner, known, remark) for inner in statistics
        )


@final
@dataclass(frozen=True, eq=False)
class _GroupStatistic(CheckStatistic):
    """The group that is farthest off: codes (n,) and counts (m,) of rows."""

    column: str
    aspect: Aspect
    codes: IntArray
    counts: FloatArray
    levels: tuple[str, ...]

    def numbers(self, data_view: DataView) -> FloatArray:
        deviations = self._standardise(self._summarise(data_view))
        return np.array([np.max(np.abs(deviations))])

    def _summarise(self, data_view: DataView) -> FloatArray:
        """``sum r_i / n_k``, or ``sum z_i^2 / n_k`` of normal residuals, of each group, (m,)."""
        values = (
            pearson_residuals(data_view)
            if self.aspect == "level"
            else ndtri(data_view.residuals) ** 2
        )
        sums = np.bincount(self.codes, weights=values, minlength=self.counts.size)
        means: FloatArray = sums / self.counts
        return means

    def _standardise(self, summaries: FloatArray) -> FloatArray:
        """``z = m sqrt(n)``, or ``z = (s^(1/3) - 1 + c) / sqrt(c)`` with ``c = 2 / (9 n)``."""
        if self.aspect == "level":
            return summaries * np.sqrt(self.counts)
        c = 2.0 / (9.0 * self.counts)
        standardised: FloatArray = (np.cbrt(summaries) - 1.0 + c) / np.sqrt(c)
        return standardised

    def _summary(self, standardised: FloatArray) -> FloatArray:
        """The summary (m,) of which `_standardise` makes these numbers z.

        ``z / sqrt(n)``, or ``(1 - c + z sqrt(c))^3`` with ``c = 2 / 9 n`` (Wilson and Hilferty).
        """
        if self.aspect == "level":
            return standardised / np.sqrt(self.counts)
        c = 2.0 / (9.0 * self.counts)
        return np.maximum(1.0 - c + standardised * np.sqrt(c), 0.0) ** 3

    def finding(self, sample: NullSample) -> Finding:
        summaries = self._summarise(sample.observed)
        deviations = self._standardise(summaries)
        worst = int(np.argmax(np.abs(deviations)))
        reach = float(np.quantile(sample.statistics[1:], _CONFIDENCE))
        low, high = self._summary(deviations - reach), self._summary(deviations + reach)
        null, name = (0.0, "mean residual") if self.aspect == "level" else (1.0, "variance ratio")
        finding = self.found(
            sample,
            null=f"residuals have the same {self.aspect} in every group of {self.column}",
            effect=Effect(
                name, float(summaries[worst]), float(low[worst]), float(high[worst]), null
            ),
            alternative="greater",
            n=self.codes.size,
            references=(
                ()
                if self.aspect == "level"
                else ("Wilson & Hilferty (1931), Proc. Natl. Acad. Sci. 17, 684-688",)
            ),
        )
        what = f"{self.levels[worst]} of {self.column} is farthest off"
        off = np.flatnonzero(np.abs(deviations) > reach)
        rows = np.flatnonzero(np.isin(self.codes, off))
        return replace(
            finding,
            rows=rows,
            detail=f"{finding.detail} {what}.".strip(),
            picture=self._picture(summaries, low, high, deviations, reach, null, name),
            subject={"column": self.column, "aspect": self.aspect, "worst": self.levels[worst]},
        )

    def _picture(
        self,
        summaries: FloatArray,
        low: FloatArray,
        high: FloatArray,
        deviations: FloatArray,
        reach: float,
        null: float,
        name: str,
    ) -> Caterpillar:
        """The groups farthest off, with simultaneous intervals: outside the line is outside all."""
        farthest = np.argsort(-np.abs(deviations), kind="stable")[:MOST_SHOWN]
        order = farthest[np.argsort(summaries[farthest], kind="stable")]
        left = f" ({order.size} of {summaries.size} levels)" if order.size < summaries.size else ""
        return Caterpillar(
            tuple(self.levels[k] for k in order),
            summaries[order],
            low[order],
            high[order],
            np.abs(deviations[order]) > reach,
            null,
            title=f"{name.capitalize()} by {self.column}{left}",
            x_label=f"{name} and simultaneous 95 % interval",
        )
