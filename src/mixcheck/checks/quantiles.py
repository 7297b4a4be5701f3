"""Whether the quartiles of the residuals stay level along the fitted values, or a predictor."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.checks.against import FITTED, ask_against, require_against
from mixcheck.checks.check import Check
from mixcheck.checks.pooled import pool_of, simultaneous_band, standardised, with_statistic
from mixcheck.checks.rank_basis import CURVE_RANKS, scaled_ranks
from mixcheck.checks.regressor import FactorLevels, RankCurve, Regressor
from mixcheck.checks.residual_plots import (
    PICTURE_POINTS,
    QUANTILE_LEVELS,
    told_thinned,
)
from mixcheck.checks.statistic import (
    RESIDUALS,
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    thinned,
)
from mixcheck.display.document import QuantileBand, QuantileLine, ResidualPlot
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding

__all__ = ["Quantiles"]

KOENKER = "Koenker & Bassett (1978), Econometrica 46, 33-50"
LEVELS = np.array(QUANTILE_LEVELS)
# Of the three quartiles.
_ASPECTS = ("location", "spread", "asymmetry")
_CONTRASTS = np.array([[1.0, 1.0, 1.0], [-1.0, 0.0, 1.0], [1.0, -2.0, 1.0]])


@final
@dataclass(frozen=True, repr=False)
class Quantiles(Check):
    """Whether the quartiles of the residuals stay level along the fitted values, or a predictor.

    Null hypothesis: the residuals have the same distribution whatever the predictor. Along a
    number, the indicators of residuals below 0.25, 0.5 and 0.75 are regressed on the polynomials in
    ranks of `Trend`; where more of them lie below a level than should, its quantile lies lower by
    as much (to first order, their density being one). In a factor, quartiles are those of the
    levels. Of the coefficients, or the levels, three aspects are taken: the sum of the quartiles
    (location), the third less the first (spread), and the first and third less twice the second
    (asymmetry). Each has the sum of squares of its numbers, less their means in the replicates and
    over their standard deviations there; the statistic is the largest of the three sums. Effect:
    "quartile deviation" at the place where a quartile is farthest off, with a simultaneous
    interval; 0 under the model. The picture has the band within which all quartiles lie in 95 % of
    the replicates.

    Parameters
    ----------
    against : str
        "fitted" for the fitted values (random effects at zero), or the name of a column of the
        data, which need not be in the model.

    References
    ----------
    Dunn & Smyth (1996), Randomized quantile residuals, J. Comput. Graph. Stat. 5, 236-244.
    Koenker & Bassett (1978), Regression quantiles, Econometrica 46, 33-50.
    """

    kind: ClassVar[str] = "quantiles"
    least_rows: ClassVar[int] = 20

    against: str = FITTED

    def __post_init__(self) -> None:
        require_against(self.against)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the rows where the predictor is known."""
        return ask_against(self, context)

    def along(self, regressor: Regressor) -> CheckStatistic:
        """The statistic of a number, or of a factor."""
        if isinstance(regressor, FactorLevels):
            return _LevelQuartiles(self.name, self.kind, regressor)
        assert isinstance(regressor, RankCurve)
        return _CurveQuartiles(self.name, self.kind, regressor)


@dataclass(frozen=True, eq=False)
class _QuartileStatistic(CheckStatistic):
    """Quartiles at several places: three rows, one after another."""

    stacks: ClassVar[bool] = True

    along: Regressor

    @abstractmethod
    def picture(
        self, observed: DataView, lines: FloatArray, low: FloatArray, high: FloatArray
    ) -> ResidualPlot:
        """The residuals with their quartiles and the band of these, (3, g) each."""

    def finding(self, sample: NullSample) -> Finding:
        """What the numbers say."""
        pool = pool_of(sample)
        size = len(QUANTILE_LEVELS) * self.along.points
        lines = pool[:, -size:]
        place = int(np.argmax(np.abs(standardised(lines)[0])))
        low, high = simultaneous_band(lines[1:])
        middle, half = float(low[place] + high[place]) / 2.0, float(high[place] - low[place]) / 2.0
        apart = abs(float(lines[0, place] - middle))
        aspects = _aspects(pool[:, :-size] if pool.shape[1] > size else lines)
        finding = self.found(
            with_statistic(sample, aspects.max(axis=1)),
            null=f"the distribution of the residuals does not depend on {self.along.words}",
            effect=Effect(
                "quartile deviation", apart, max(0.0, apart - half), min(1.0, apart + half), 0.0
            ),
            alternative="greater",
            n=sample.observed.residuals.size,
            references=(RESIDUALS, KOENKER),
        )
        parts = (part.reshape(len(QUANTILE_LEVELS), -1) for part in (lines[0], low, high))
        picture = self.picture(sample.observed, *parts)
        told = f"The quartiles differ most in {_ASPECTS[int(np.argmax(aspects[0]))]}."
        detail = f"{finding.detail} {told}".strip()
        return replace(finding, picture=picture, subject=self.along.subject, detail=detail)


def _aspects(pool: FloatArray) -> FloatArray:
    """Sums of squares of location, spread and asymmetry, in units of the pool, (N, 3).

    Those of three quartiles one after another, (N, 3 d).
    """
    mixed = np.einsum("aq,nqd->nad", _CONTRASTS, pool.reshape(len(pool), len(QUANTILE_LEVELS), -1))
    unit = standardised(mixed.reshape(len(pool), -1)).reshape(mixed.shape)
    sums: FloatArray = (unit**2).sum(axis=2)
    return sums


@final
@dataclass(frozen=True, eq=False)
class _CurveQuartiles(_QuartileStatistic):
    """Along the ranks of a number."""

    along: RankCurve

    def numbers(self, data_view: DataView) -> FloatArray:
        """Coefficients of the shares below, and curves of the quartiles along the ranks."""
        basis = self.along.at(data_view)
        coefficients, curves = [], []
        for level in LEVELS.tolist():
            below = (data_view.residuals < level).astype(np.float64)
            found = basis.regress(below)
            shares = below.mean(axis=-1, keepdims=True) + basis.read(found)
            coefficients.append(found[..., : self.along.dimension])
            curves.append(np.clip(2.0 * level - shares, 0.0, 1.0))
        return np.concatenate([*coefficients, *curves], axis=-1)

    def picture(
        self, observed: DataView, lines: FloatArray, low: FloatArray, high: FloatArray
    ) -> ResidualPlot:
        """Points and quartiles against ranks."""
        x, against = self.along.x, self.along.against
        order = np.argsort(x, kind="stable")
        ranks = (scaled_ranks(x)[0][order] + 1.0) / 2.0
        along = (CURVE_RANKS + 1.0) / 2.0
        kept = thinned(x.size, PICTURE_POINTS)
        edges = zip(QUANTILE_LEVELS, lines, low, high, strict=True)
        curves = [(QuantileLine(q, along, y), QuantileBand(q, along, a, b)) for q, y, a, b in edges]
        return ResidualPlot(
            ranks[kept],
            observed.residuals[order][kept],
            lines=tuple(line for line, _ in curves),
            bands=tuple(band for _, band in curves),
            title=f"Quartiles of the residuals against {against}" + told_thinned(kept.size, x.size),
            x_label=f"{against} (rank)",
        )


@final
@dataclass(frozen=True, eq=False)
class _LevelQuartiles(_QuartileStatistic):
    """By the levels of a factor."""

    along: FactorLevels

    def numbers(self, data_view: DataView) -> FloatArray:
        """Quartiles of each level."""
        order = np.argsort(self.along.codes, kind="stable")
        ordered = np.take(data_view.residuals, order, axis=-1)
        parts = np.split(ordered, np.cumsum(self.along.counts)[:-1], axis=-1)
        of_levels = [np.quantile(part, QUANTILE_LEVELS, axis=-1) for part in parts]
        return np.moveaxis(np.stack(of_levels, axis=1), (0, 1), (-2, -1)).reshape(
            *data_view.residuals.shape[:-1], -1
        )

    def picture(
        self, observed: DataView, lines: FloatArray, low: FloatArray, high: FloatArray
    ) -> ResidualPlot:
        """A box a level."""
        codes, against = self.along.codes, self.along.against
        kept = thinned(codes.size, PICTURE_POINTS)
        return ResidualPlot(
            codes[kept].astype(np.float64),
            observed.residuals[kept],
            levels=self.along.levels,
            title=f"Residuals by {against}" + told_thinned(kept.size, codes.size),
            x_label=against,
        )
