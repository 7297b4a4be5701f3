"""Whether the residuals move with the fitted values, or with a predictor."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.against import FITTED, ask_against, require_against
from mixcheck.checks.check import Check
from mixcheck.checks.rank_basis import RankBasis, scaled_ranks
from mixcheck.checks.residual_plots import PICTURE_POINTS, quantile_lines, told_thinned
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    thinned,
)
from mixcheck.display.document import Picture, ResidualPlot
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding

__all__ = ["FITTED", "Trend"]

# Variance of a uniform number.
UNIFORM_VARIANCE = 1.0 / 12.0


@final
@dataclass(frozen=True, repr=False)
class Trend(Check):
    """Whether the residuals move with the fitted values, or with a predictor.

    Null hypothesis: the mean of the residuals is the same whatever the predictor. A number is
    replaced by its ranks, and the residuals regressed on Legendre polynomials of these, of
    degree 1 to min(4, distinct values - 1); the statistic is the regression sum of squares over
    the variance 1/12 of a uniform number. A factor (text, categories, booleans) gives the sum
    of squares between its levels. Effect: "largest deviation" of the fitted curve, or of a
    level, from the mean residual, with a simultaneous interval from the replicates; 0 under
    the model.

    Parameters
    ----------
    against : str
        "fitted" for the fitted values (random effects at zero), or the name of a column of the
        data, which need not be in the model.

    References
    ----------
    Lin, Wei & Ying (2002), Model-checking techniques based on cumulative residuals,
    Biometrics 58, 1-12, for the idea of calibrating residual patterns by simulation.
    """

    kind: ClassVar[str] = "trend"
    least_rows: ClassVar[int] = 3

    against: str = FITTED

    def __post_init__(self) -> None:
        require_against(self.against)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the rows where the predictor is known."""
        return ask_against(self, context)

    def of_numbers(self, x: FloatArray, basis: RankBasis, *, follows: bool) -> CheckStatistic:
        """The statistic of a curve."""
        return _CurveStatistic(self.name, self.kind, self.against, x, basis, follows)

    def of_levels(self, codes: IntArray, levels: tuple[str, ...]) -> CheckStatistic:
        """The statistic of a factor."""
        return _LevelsStatistic(self.name, self.kind, self.against, codes, levels)


@dataclass(frozen=True, eq=False)
class _TrendStatistic(CheckStatistic):
    """A regression sum of squares over 1/12, and the largest deviation of its fit."""

    against: str

    @abstractmethod
    def picture(self, observed: DataView) -> Picture:
        """The residuals against the predictor."""

    def finding(self, sample: NullSample) -> Finding:
        """What the numbers say."""
        largest, half = float(sample.numbers[1]), sample.quantile(0.95, 1)
        effect = Effect(
            "largest deviation", largest, max(0.0, largest - half), min(1.0, largest + half), 0.0
        )
        what = "the fitted values" if self.against == FITTED else self.against
        finding = self.found(
            sample,
            null=f"the mean residual does not depend on {what}",
            effect=effect,
            alternative="greater",
            n=sample.observed.residuals.size,
            references=("Lin, Wei & Ying (2002), Biometrics 58, 1-12",),
        )
        return replace(finding, picture=self.picture(sample.observed))


@final
@dataclass(frozen=True, eq=False)
class _CurveStatistic(_TrendStatistic):
    """Against a number; `follows` where each data set has fitted values of its own."""

    x: FloatArray
    basis: RankBasis
    follows: bool

    def numbers(self, data_view: DataView) -> FloatArray:
        basis: RankBasis | None = self.basis
        # Only refits move the fitted values, and only then is the basis made again.
        if self.follows and not np.array_equal(data_view.fitted, self.x):
            basis = RankBasis.of(data_view.fitted)
        if basis is None:
            return np.zeros(2)
        coefficients = (data_view.residuals - 0.5) @ basis.rows
        statistic = coefficients @ coefficients / UNIFORM_VARIANCE
        return np.array([statistic, np.max(np.abs(basis.curve @ coefficients))])

    def picture(self, observed: DataView) -> Picture:
        """Points and local quantiles against ranks."""
        x = observed.fitted if self.follows else self.x
        order = np.argsort(x, kind="stable")
        ranks = (scaled_ranks(x)[0][order] + 1.0) / 2.0
        residuals = observed.residuals[order]
        kept = thinned(x.size, PICTURE_POINTS)
        return ResidualPlot(
            ranks[kept],
            residuals[kept],
            lines=quantile_lines(ranks, residuals),
            title=f"Residuals against {self.against}" + told_thinned(kept.size, x.size),
            x_label=f"{self.against} (rank)",
        )


@final
@dataclass(frozen=True, eq=False)
class _LevelsStatistic(_TrendStatistic):
    """Against a factor: codes (n,) of its levels."""

    codes: IntArray
    levels: tuple[str, ...]

    def numbers(self, data_view: DataView) -> FloatArray:
        deviations = data_view.residuals - np.mean(data_view.residuals)
        counts = np.bincount(self.codes, minlength=len(self.levels))
        sums = np.bincount(self.codes, weights=deviations, minlength=len(self.levels))
        means = sums / counts
        return np.array([means @ sums / UNIFORM_VARIANCE, np.max(np.abs(means))])

    def picture(self, observed: DataView) -> Picture:
        """A box a level."""
        kept = thinned(self.codes.size, PICTURE_POINTS)
        return ResidualPlot(
            self.codes[kept].astype(np.float64),
            observed.residuals[kept],
            levels=self.levels,
            title=f"Residuals by {self.against}" + told_thinned(kept.size, self.codes.size),
            x_label=self.against,
        )
