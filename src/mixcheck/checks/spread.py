"""Whether the residuals spread as the model says along the fitted values, or a predictor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.checks.against import FITTED, ask_against, require_against
from mixcheck.checks.check import Check
from mixcheck.checks.pearson import pearson_residuals
from mixcheck.checks.pooled import pool_of, simultaneous_band, standardised, with_statistic
from mixcheck.checks.regressor import Regressor
from mixcheck.checks.shared_regressor import AlongShared, ask_parts_against
from mixcheck.checks.shares import join_sums
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
)
from mixcheck.port import Checkable, DataView
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["Spread"]

# A fitted curve of spreads below this share of the mean spread is read as this share.
SMALLEST_SHARE = 0.05
GLEJSER = "Glejser (1969), J. Am. Stat. Assoc. 64, 316-323"


@final
@dataclass(frozen=True, repr=False)
class Spread(Check):
    """Whether the residuals spread as the model says along the fitted values, or a predictor.

    Null hypothesis: the absolute Pearson residuals given the conditional modes of the random
    effects depend on the predictor as in data of the model. In units of their mean they are
    regressed on the polynomials in ranks of `Trend`, or on the levels of a factor; the statistic
    is the sum of squares of the coefficients, each less its mean in the replicates and over its
    standard deviation there. A spread that is too large everywhere is left to `Dispersion`.
    Effect: "spread ratio" of the widest to the narrowest place of the fitted curve (between the
    5 % and the 95 % quantile of the predictor), or of the levels, both relative to the replicates;
    1 under the model. Skipped for a response of two values, whose spread its mean prescribes.

    Along what the dispersion itself depends on, the estimates fix the squares of the residuals, not
    their absolute values: the mean of these still falls where tails are heavier than the family's.
    A few rows far out in one level make it fail then, and no formula of the dispersion mends it.

    Parameters
    ----------
    against : str
        "fitted" for the fitted values (random effects at zero), or the name of a column of the
        data, which need not be in the model.

    References
    ----------
    Glejser (1969), A new test for heteroskedasticity, J. Am. Stat. Assoc. 64, 316-323.
    """

    kind: ClassVar[str] = "spread"
    shared: ClassVar[bool] = True
    least_rows: ClassVar[int] = 3

    against: str = FITTED

    def __post_init__(self) -> None:
        require_against(self.against)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the rows where the predictor is known."""
        few = np.unique(np.concatenate(context.ask(_first_values)))
        if context.model.discrete and few.size <= 2:
            reason = "A response of two values spreads as its mean prescribes."
            return (Skipped(self.name, self.kind, reason),)
        if context.in_parts:
            found = ask_parts_against(self, context)
            if isinstance(found, Skipped):
                return (found,)
            shared, _ = found
            return (_SharedSpread(self.name, self.kind, shared.regressor, shared),)
        return ask_against(self, context)

    def along(self, regressor: Regressor) -> CheckStatistic:
        """The statistic of a curve, or of levels."""
        return _SpreadStatistic(self.name, self.kind, regressor)


def _first_values(model: Checkable, view: DataView) -> FloatArray:
    """Some distinct values of the response: three, if there are as many."""
    values: FloatArray = np.unique(view.response)[:3]
    return values


@dataclass(frozen=True, eq=False)
class _SpreadStatistic(CheckStatistic):
    """Coefficients of absolute residuals, and the spreads that they give."""

    stacks: ClassVar[bool] = True
    randomised: ClassVar[bool] = False

    along: Regressor

    def numbers(self, data_view: DataView) -> FloatArray:
        sizes = np.abs(pearson_residuals(data_view))
        mean = np.mean(sizes, axis=-1, keepdims=True)
        # Without any residual there is no spread, and none to differ.
        sizes = np.where(mean > 0.0, sizes / np.where(mean > 0.0, mean, 1.0) - 1.0, 0.0)
        coefficients, fit = self.along.fit(sizes, data_view)
        return np.concatenate([coefficients, np.maximum(1.0 + fit, SMALLEST_SHARE)], axis=-1)

    def rows_of(self, sample: NullSample) -> int:
        """Rows that are looked at."""
        return sample.n

    def finding(self, sample: NullSample) -> Finding:
        """What the numbers say."""
        coefficients, curves = self.along.split(pool_of(sample))
        squares = (standardised(coefficients) ** 2).sum(axis=1)
        curves = curves / curves[1:].mean(axis=0)
        ratios = curves.max(axis=1) / curves.min(axis=1)
        ratio, noise = float(ratios[0]), float(np.quantile(ratios[1:], 0.95))
        finding = self.found(
            with_statistic(sample, squares),
            null=f"the residuals spread along {self.along.words} as in data of the model",
            effect=Effect("spread ratio", ratio, max(1.0, ratio / noise), ratio * noise, 1.0),
            alternative="greater",
            n=self.rows_of(sample),
            references=(GLEJSER,),
        )
        picture = self.along.picture(
            curves[0],
            *simultaneous_band(curves[1:]),
            np.ones(self.along.points),
            null=1.0,
            title="Spread of the residuals",
            unit="spread, relative to the model",
        )
        return replace(finding, picture=picture, subject=self.along.subject)


@final
@dataclass(frozen=True, eq=False)
class _SharedSpread(AlongShared, _SpreadStatistic):
    """The same of rows in parts."""

    def share(self, data_view: DataView, told: Sequence[FloatArray]) -> FloatArray:
        """Sums of absolute residuals."""
        return self.shared.share([np.abs(pearson_residuals(data_view))], data_view)

    def join(self, shares: Sequence[FloatArray], told: Sequence[FloatArray]) -> FloatArray:
        """Coefficients in units of the mean, and the spreads that they give."""
        (found,), fits, (mean,) = self.shared.regress(join_sums(shares))
        coefficients = found / np.where(mean > 0.0, mean, 1.0)[..., None]
        curve = 1.0 + (fits @ coefficients[..., None])[..., 0]
        return np.concatenate([coefficients, np.maximum(curve, SMALLEST_SHARE)], axis=-1)
