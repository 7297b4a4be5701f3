"""Whether zeros are where the model expects them: along the fitted values, or a predictor."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.against import FITTED, ask_against, require_against
from mixcheck.checks.check import Check
from mixcheck.checks.pearson import unless_held
from mixcheck.checks.pooled import pool_of, simultaneous_band, standardised, with_statistic
from mixcheck.checks.rank_basis import CURVE_RANKS, RankBasis, regress_on_ranks
from mixcheck.checks.statistic import CheckContext, CheckStatistic, NullSample, Outcome, thinned
from mixcheck.display.document import Caterpillar, CurvePlot, Picture
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["HurdleZeros"]

_MOST_LEVELS = 60


@final
@dataclass(frozen=True, repr=False)
class HurdleZeros(Check):
    """Whether zeros are where the model expects them, along a predictor.

    Null hypothesis: the indicator of a zero less its probability given the random effects does
    not depend on the predictor more than in data of the model. The differences are regressed on
    the polynomials in ranks of `Trend`, or on the levels of a factor; the statistic is the sum of
    squares of the coefficients, each less its mean in the replicates and over its standard
    deviation there. Zeros that are too many everywhere are left to `Zeros`. Effect: "largest
    excess" of the fitted curve, or of a level, over the replicates, a difference of
    probabilities; 0 under the model.

    Parameters
    ----------
    against : str
        "fitted" for the fitted values (random effects at zero), or the name of a column of the
        data, which need not be in the model.

    References
    ----------
    Mullahy (1986), Specification and testing of some modified count data models,
    J. Econometrics 33, 341-365, on zeros with predictors of their own.
    """

    kind: ClassVar[str] = "hurdle-zeros"
    least_rows: ClassVar[int] = 10

    against: str = FITTED

    def __post_init__(self) -> None:
        require_against(self.against)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of counts some of which are zero."""
        observed = context.observed
        if observed.probability is None:
            reason = "The response has no probability of a zero that is known."
            return (Skipped(self.name, self.kind, reason),)
        if not np.any(observed.response == 0.0) or np.unique(observed.response).size <= 2:
            reason = "There are no zeros, or only two values, of which Trend tells as much."
            return (Skipped(self.name, self.kind, reason),)
        return ask_against(self, context)

    def of_numbers(self, x: FloatArray, basis: RankBasis, *, follows: bool) -> CheckStatistic:
        """The statistic of a curve."""
        return _CurveZeros(self.name, self.kind, self.against, x, basis, follows)

    def of_levels(self, codes: IntArray, levels: tuple[str, ...]) -> CheckStatistic:
        """The statistic of a factor."""
        return _LevelZeros(self.name, self.kind, self.against, codes, levels)


@dataclass(frozen=True, eq=False)
class _ZerosStatistic(CheckStatistic):
    """Coefficients of zeros less their probabilities, and the curve that they give."""

    against: str

    @property
    @abstractmethod
    def points(self) -> int:
        """At how many places the excess is read."""

    @abstractmethod
    def regress(self, excess: FloatArray, data_view: DataView) -> tuple[FloatArray, FloatArray]:
        """Coefficients of the centred excess, (d,), and its fit where it is read, (g,)."""

    @abstractmethod
    def picture(self, excess: FloatArray, null: FloatArray) -> Picture:
        """The excess, (g,), and that of the replicates, (B, g)."""

    def numbers(self, data_view: DataView) -> FloatArray:
        """Coefficients and curve."""
        assert data_view.probability is not None
        excess = (data_view.response == 0.0) - data_view.probability(0.0)
        found, fit = self.regress(excess - np.mean(excess, axis=-1, keepdims=True), data_view)
        return np.concatenate([unless_held(found, found), fit], axis=-1)

    def finding(self, sample: NullSample) -> Finding:
        """What the numbers say."""
        pool = pool_of(sample)
        squares = (standardised(pool[:, : -self.points]) ** 2).sum(axis=1)
        curves = pool[:, -self.points :]
        low, high = simultaneous_band(curves[1:])
        beyond = curves[0] - curves[1:].mean(axis=0)
        worst = int(np.argmax(np.abs(beyond)))
        what = "the fitted values" if self.against == FITTED else self.against
        finding = self.found(
            with_statistic(sample, squares),
            null=f"zeros lie along {what} as in data of the model",
            effect=Effect(
                "largest excess",
                float(beyond[worst]),
                float(curves[0, worst] - high[worst]),
                float(curves[0, worst] - low[worst]),
                0.0,
            ),
            alternative="greater",
            n=sample.observed.response.size,
            references=("Mullahy (1986), J. Econometrics 33, 341-365",),
        )
        subject = {"part": "zi"} | ({} if self.against == FITTED else {"column": self.against})
        return replace(finding, picture=self.picture(curves[0], curves[1:]), subject=subject)


@final
@dataclass(frozen=True, eq=False)
class _CurveZeros(_ZerosStatistic):
    """Against a number; `follows` where each data set has fitted values of its own."""

    stacks: ClassVar[bool] = True

    x: FloatArray
    basis: RankBasis
    follows: bool

    @property
    def points(self) -> int:
        """Ranks at which the curve is read."""
        return CURVE_RANKS.size

    def regress(self, excess: FloatArray, data_view: DataView) -> tuple[FloatArray, FloatArray]:
        """Polynomials in ranks."""
        fitted = data_view.fitted if self.follows else None
        return regress_on_ranks(excess, self.basis, self.x, fitted)

    def picture(self, excess: FloatArray, null: FloatArray) -> CurvePlot:
        """The curve with a simultaneous band."""
        low, high = simultaneous_band(null)
        return CurvePlot(
            (CURVE_RANKS + 1.0) / 2.0,
            excess,
            low,
            high,
            null.mean(axis=0),
            title=f"Zeros in excess of the model against {self.against}",
            x_label=f"{self.against} (rank)",
            y_label="share of zeros less its expectation, centred",
        )


@final
@dataclass(frozen=True, eq=False)
class _LevelZeros(_ZerosStatistic):
    """Against a factor: codes (n,) of its levels."""

    codes: IntArray
    levels: tuple[str, ...]

    @property
    def points(self) -> int:
        """Levels."""
        return len(self.levels)

    def regress(self, excess: FloatArray, data_view: DataView) -> tuple[FloatArray, FloatArray]:
        """Levels, the coefficients with the variance of a row."""
        sums = np.bincount(self.codes, weights=excess, minlength=self.points)
        counts = np.bincount(self.codes, minlength=self.points)
        return sums / np.sqrt(counts), sums / counts

    def picture(self, excess: FloatArray, null: FloatArray) -> Caterpillar:
        """Excess of each level, with how far it may be off."""
        low, high = simultaneous_band(null)
        kept = thinned(self.points, _MOST_LEVELS)
        return Caterpillar(
            tuple(self.levels[k] for k in kept),
            excess[kept],
            (excess - high)[kept],
            (excess - low)[kept],
            ((excess < low) | (excess > high))[kept],
            0.0,
            title=f"Zeros in excess of the model by {self.against}",
            x_label="share of zeros less its expectation, centred",
        )
