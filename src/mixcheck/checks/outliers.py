"""Whether the tails hold more residuals, or fewer, than they should."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.goodness import clopper_pearson
from mixcheck.checks.statistic import (
    RESIDUALS,
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    null_plot,
)
from mixcheck.codec.shapes import Finite
from mixcheck.options import require_number
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding

__all__ = ["Outliers"]

# The outlier bound of 250 simulations: 1 / (250 + 1) in each tail.
OUTLIER_LEVEL = 1.0 / 251.0


@final
@dataclass(frozen=True, repr=False)
class Outliers(Check):
    """Whether the tails hold more residuals, or fewer, than they should.

    Null hypothesis: a residual lies within `level` of 0 or of 1 with probability
    ``2 level``. Effect: "outlier share" with a Clopper-Pearson interval. The finding names
    the rows.

    Parameters
    ----------
    level : float, optional
        Probability of one tail; 1 / 251 by default, the bound of 250 simulations.
    """

    kind: ClassVar[str] = "outliers"

    level: Finite | None = None

    def __post_init__(self) -> None:
        if self.level is not None:
            level = require_number("level", self.level, 0.0, 0.5, example=OUTLIER_LEVEL)
            object.__setattr__(self, "level", level)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the residuals."""
        level = OUTLIER_LEVEL if self.level is None else self.level
        return (_OutlierStatistic(self.name, self.kind, level),)


@final
@dataclass(frozen=True, eq=False)
class _OutlierStatistic(CheckStatistic):
    """One number: how many residuals lie in the tails."""

    level: float

    def _outside(self, data_view: DataView) -> BoolArray:
        residuals = data_view.residuals
        return (residuals < self.level) | (residuals > 1.0 - self.level)

    def numbers(self, data_view: DataView) -> FloatArray:
        return np.array([np.count_nonzero(self._outside(data_view))], dtype=np.float64)

    def finding(self, sample: NullSample) -> Finding:
        rows = np.flatnonzero(self._outside(sample.observed))
        n = sample.observed.residuals.size
        low, high = clopper_pearson(rows.size, n)
        finding = self.found(
            sample,
            null=f"a share of {2.0 * self.level:.3g} of the residuals lies in the tails",
            effect=Effect("outlier share", rows.size / n, low, high, 2.0 * self.level),
            alternative="two-sided",
            n=n,
            references=(RESIDUALS, "Clopper & Pearson (1934), Biometrika 26, 404-413"),
        )
        return replace(finding, rows=rows, picture=null_plot(self.name, sample))
