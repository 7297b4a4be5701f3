"""Whether the residuals move with the fitted values, or with a predictor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.checks.against import FITTED, ask_against, remark_on, require_against
from mixcheck.checks.check import Check
from mixcheck.checks.pearson import (
    cut,
    mean_residuals,
    score_residuals,
    uncut_residuals,
    unless_held,
    unscaled_scores,
)
from mixcheck.checks.pooled import pool_of, with_statistic
from mixcheck.checks.regressor import Regressor
from mixcheck.checks.shared_regressor import AlongShared, ask_parts_against
from mixcheck.checks.shares import join_sums
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    RowStatistic,
)
from mixcheck.port import Checkable, DataView, Tailed
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["FITTED", "Trend"]

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
    row makes a trend; `Outliers` is for these. Of a t response, whose standard deviation is that of
    its tails, the scores of the mean are taken, in their own standard deviations. Where the
    estimates hold the sum of the residuals at zero, as in the levels of a factor of a Gaussian
    model, there is no evidence either way.

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
    shared: ClassVar[bool] = True
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
        heavy = any(context.ask(_is_heavy))
        if context.in_parts:
            found = ask_parts_against(self, context, factor=self.factor)
            if isinstance(found, Skipped):
                return (found,)
            shared, remark = found
            along = shared.regressor
            made = _SharedTrend(self.name, self.kind, along, shared, remark=remark, heavy=heavy)
            return (made,)
        outcomes = ask_against(self, context, factor=self.factor)
        remark = "" if self.factor else remark_on(self.against, context)
        return tuple(_told(outcome, remark, heavy=heavy) for outcome in outcomes)

    def along(self, regressor: Regressor) -> CheckStatistic:
        """The statistic of a curve, or of levels."""
        return _TrendStatistic(self.name, self.kind, regressor)


def _is_heavy(model: Checkable, view: DataView) -> bool:
    return isinstance(model, Tailed) and model.heavy_tailed


def _told(outcome: Outcome, remark: str, *, heavy: bool) -> Outcome:
    """The statistic that knows what to say of its predictor, and of the tails of the response."""
    if isinstance(outcome, RowStatistic):
        inner = outcome.inner
        assert isinstance(inner, _TrendStatistic)
        told = f"{outcome.remark} {remark}".strip()
        return replace(outcome, remark=told, inner=replace(inner, heavy=heavy))
    if isinstance(outcome, _TrendStatistic):
        return replace(outcome, remark=remark, heavy=heavy)
    return outcome


@dataclass(frozen=True, eq=False)
class _TrendStatistic(CheckStatistic):
    """Coefficients of mean residuals, and their fit where deviations are read."""

    stacks: ClassVar[bool] = True
    randomised: ClassVar[bool] = False

    along: Regressor
    remark: str = field(default="", kw_only=True)
    heavy: bool = field(default=False, kw_only=True)

    def numbers(self, data_view: DataView) -> FloatArray:
        regression = self.along.at(data_view)
        whole = (score_residuals if self.heavy else uncut_residuals)(data_view)
        within = whole if self.heavy else cut(whole, data_view)
        uncut = regression.regress(whole - np.mean(whole, axis=-1, keepdims=True))
        found = uncut
        if within is not whole:
            found = regression.regress(within - np.mean(within, axis=-1, keepdims=True))
        found = unless_held(found, uncut)
        return np.concatenate([found[..., : self.along.dimension], regression.read(found)], axis=-1)

    def rows_of(self, sample: NullSample) -> int:
        """Rows that are looked at."""
        return sample.n

    def finding(self, sample: NullSample) -> Finding:
        """What the numbers say."""
        coefficients, fits = self.along.split(pool_of(sample))
        squares = ((coefficients - coefficients.mean(axis=0)) ** 2).sum(axis=1)
        mean = fits[1:].mean(axis=0)
        largest = np.abs(fits - mean).max(axis=1)
        value, half = float(largest[0]), float(np.quantile(largest[1:], BAND))
        words = self.along.words
        finding = self.found(
            with_statistic(sample, squares),
            null=f"the mean residual given the modes follows {words} as in data of the model",
            effect=Effect("largest deviation", value, max(0.0, value - half), value + half, 0.0),
            alternative="greater",
            n=self.rows_of(sample),
            references=("Lin, Wei & Ying (2002), Biometrics 58, 1-12",),
        )
        picture = self.along.picture(
            fits[0],
            mean - half,
            mean + half,
            mean,
            null=0.0,
            title="Mean residual",
            unit="mean residual, in standard deviations",
        )
        detail = f"{finding.detail} {self.remark}".strip()
        return replace(finding, picture=picture, detail=detail)


@final
@dataclass(frozen=True, eq=False)
class _SharedTrend(AlongShared, _TrendStatistic):
    """The same of rows in parts."""

    def share(self, data_view: DataView, told: Sequence[FloatArray]) -> FloatArray:
        """Sums of residuals, cut and not, or of scores and their squares."""
        if self.heavy:
            scores = unscaled_scores(data_view)
            return self.shared.share([scores, scores**2], data_view)
        return self.shared.share([mean_residuals(data_view), uncut_residuals(data_view)], data_view)

    def join(self, shares: Sequence[FloatArray], told: Sequence[FloatArray]) -> FloatArray:
        """Coefficients, and their fit."""
        (within, uncut), fits, means = self.shared.regress(join_sums(shares))
        if self.heavy:
            size = np.sqrt(means[1])[..., None]
            within = uncut = within / np.where(size > 0.0, size, 1.0)
        found = unless_held(within, uncut)
        return np.concatenate([found, (fits @ found[..., None])[..., 0]], axis=-1)
