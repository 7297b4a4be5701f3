"""Whether the residuals move with the fitted values, or with a predictor."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.against import FITTED, ask_against, remark_on, require_against
from mixcheck.checks.check import Check
from mixcheck.checks.pearson import mean_residuals, uncut_residuals, unless_held
from mixcheck.checks.pooled import pool_of, with_statistic
from mixcheck.checks.rank_basis import CURVE_RANKS, RankBasis
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    RowStatistic,
)
from mixcheck.display.document import Caterpillar, CurvePlot, Picture
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding

__all__ = ["FITTED", "Trend"]

# Levels in a picture; of more, those that are furthest off are shown.
MOST_LEVELS = 40
# What a picture shows as its band: all of so many correct data sets stay in it everywhere.
BAND = 0.95


@final
@dataclass(frozen=True, repr=False)
class Trend(Check):
    """Whether the residuals move with the fitted values, or with a predictor.

    Null hypothesis: the mean of the Pearson residuals, given the conditional modes of the random
    effects, depends on the predictor as in data of the model. A number is replaced by its ranks,
    and the residuals regressed on Legendre polynomials of these, of degree 1 to min(4, distinct
    values - 1); the statistic is the sum of squares of the coefficients, each less its mean in the
    replicates. A factor (text, categories, booleans) gives the sum of squares between its levels.
    Effect: "largest deviation" of the fitted curve, or of a level, from the replicates, in
    standard deviations of a residual, with a simultaneous interval; 0 under the model.

    Modes leave in the residuals what a predictor of whole groups explains; a draw of the random
    effects would take it away. Residuals of a continuous response are cut at 3, so that no single
    row makes a trend; `Outliers` is for these. Where the estimates hold the sum of the residuals at
    zero, as in the levels of a factor of a Gaussian model, there is no evidence either way.

    Parameters
    ----------
    against : str
        "fitted" for the fitted values (random effects at zero), or the name of a column of the
        data, which need not be in the model.
    factor : bool
        Whether a column of numbers holds codes of levels, such as numbers of plots.

    References
    ----------
    Lin, Wei & Ying (2002), Model-checking techniques based on cumulative residuals,
    Biometrics 58, 1-12, for the idea of calibrating residual patterns by simulation.
    """

    kind: ClassVar[str] = "trend"
    least_rows: ClassVar[int] = 3

    against: str = FITTED
    factor: bool = False

    def __post_init__(self) -> None:
        require_against(self.against, self.factor)

    @property
    def name(self) -> str:
        """Name of its finding, with the column."""
        if self.against == FITTED:
            return self.kind
        return f"{self.kind} [{self.against}{' as factor' if self.factor else ''}]"

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the rows where the predictor is known."""
        outcomes = ask_against(self, context, factor=self.factor)
        remark = "" if self.factor else remark_on(self.against, context)
        return tuple(_remarked(outcome, remark) for outcome in outcomes)

    def of_numbers(self, x: FloatArray, basis: RankBasis, *, follows: bool) -> CheckStatistic:
        """The statistic of a curve."""
        return _CurveStatistic(self.name, self.kind, self.against, x, basis, follows)

    def of_levels(self, codes: IntArray, levels: tuple[str, ...]) -> CheckStatistic:
        """The statistic of a factor."""
        return _LevelsStatistic(self.name, self.kind, self.against, codes, levels)


def _remarked(outcome: Outcome, remark: str) -> Outcome:
    if isinstance(outcome, RowStatistic):
        return replace(outcome, remark=f"{outcome.remark} {remark}".strip())
    return replace(outcome, remark=remark) if isinstance(outcome, _TrendStatistic) else outcome


@dataclass(frozen=True, eq=False)
class _TrendStatistic(CheckStatistic):
    """Coefficients of mean residuals, and their fit where deviations are read."""

    against: str
    remark: str = field(default="", kw_only=True)

    @property
    @abstractmethod
    def points(self) -> int:
        """At how many places the fit is read."""

    @abstractmethod
    def picture(self, fit: FloatArray, mean: FloatArray, half: float) -> Picture:
        """The fit, (g,), its mean under the model, and half the width of its band."""

    def finding(self, sample: NullSample) -> Finding:
        """What the numbers say."""
        pool = pool_of(sample)
        coefficients, fits = pool[:, : -self.points], pool[:, -self.points :]
        squares = ((coefficients - coefficients.mean(axis=0)) ** 2).sum(axis=1)
        mean = fits[1:].mean(axis=0)
        largest = np.abs(fits - mean).max(axis=1)
        value, half = float(largest[0]), float(np.quantile(largest[1:], BAND))
        what = "the fitted values" if self.against == FITTED else self.against
        finding = self.found(
            with_statistic(sample, squares),
            null=f"the mean residual given the modes follows {what} as in data of the model",
            effect=Effect("largest deviation", value, max(0.0, value - half), value + half, 0.0),
            alternative="greater",
            n=sample.observed.residuals.size,
            references=("Lin, Wei & Ying (2002), Biometrics 58, 1-12",),
        )
        detail = f"{finding.detail} {self.remark}".strip()
        return replace(finding, picture=self.picture(fits[0], mean, half), detail=detail)


@final
@dataclass(frozen=True, eq=False)
class _CurveStatistic(_TrendStatistic):
    """Against a number; `follows` where each data set has fitted values of its own."""

    stacks: ClassVar[bool] = True

    x: FloatArray
    basis: RankBasis
    follows: bool

    @property
    def points(self) -> int:
        """Ranks at which the curve is read."""
        return CURVE_RANKS.size

    def numbers(self, data_view: DataView) -> FloatArray:
        basis = self.basis.following(self.x, data_view.fitted if self.follows else None)
        uncut, cut = uncut_residuals(data_view), mean_residuals(data_view)
        found = unless_held(basis.regress(cut), basis.regress(uncut))
        coefficients = found[..., : self.basis.rows.shape[1]]
        return np.concatenate([coefficients, basis.read(found)], axis=-1)

    def picture(self, fit: FloatArray, mean: FloatArray, half: float) -> Picture:
        """The curve with its band."""
        return CurvePlot(
            (CURVE_RANKS + 1.0) / 2.0,
            fit,
            mean - half,
            mean + half,
            mean,
            title=f"Mean residual against {self.against}",
            x_label=f"{self.against} (rank)",
            y_label="mean residual, in standard deviations",
        )


@final
@dataclass(frozen=True, eq=False)
class _LevelsStatistic(_TrendStatistic):
    """Against a factor: codes (n,) of its levels."""

    codes: IntArray
    levels: tuple[str, ...]

    @property
    def points(self) -> int:
        """Levels."""
        return len(self.levels)

    def numbers(self, data_view: DataView) -> FloatArray:
        roots = np.sqrt(np.bincount(self.codes, minlength=self.points))
        found, uncut = (
            np.bincount(self.codes, weights=one - np.mean(one), minlength=self.points) / roots
            for one in (mean_residuals(data_view), uncut_residuals(data_view))
        )
        found = unless_held(found, uncut)
        return np.concatenate([found, found / roots])

    def picture(self, fit: FloatArray, mean: FloatArray, half: float) -> Picture:
        """The mean of each level less that of the replicates, with its band."""
        deviation = fit - mean
        kept = np.sort(np.argsort(-np.abs(deviation), kind="stable")[:MOST_LEVELS])
        more = f" ({kept.size} of {self.points} levels)" if kept.size < self.points else ""
        return Caterpillar(
            tuple(self.levels[k] for k in kept),
            deviation[kept],
            deviation[kept] - half,
            deviation[kept] + half,
            np.abs(deviation[kept]) > half,
            title=f"Mean residual by {self.against}{more}",
            x_label="mean residual, in standard deviations",
        )
