"""Whether zeros are where the model expects them: along the fitted values, or a predictor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.checks.against import FITTED, ask_against, require_against
from mixcheck.checks.check import Check
from mixcheck.checks.pearson import unless_held
from mixcheck.checks.pooled import pool_of, simultaneous_band, standardised, with_statistic
from mixcheck.checks.regressor import Regressor
from mixcheck.checks.statistic import CheckContext, CheckStatistic, NullSample, Outcome
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["HurdleZeros"]


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

    def along(self, regressor: Regressor) -> CheckStatistic:
        """The statistic of a curve, or of levels."""
        return _ZerosStatistic(self.name, self.kind, regressor)


@final
@dataclass(frozen=True, eq=False)
class _ZerosStatistic(CheckStatistic):
    """Coefficients of zeros less their probabilities, and the curve that they give."""

    stacks: ClassVar[bool] = True

    along: Regressor

    def numbers(self, data_view: DataView) -> FloatArray:
        """Coefficients and curve."""
        assert data_view.probability is not None
        excess = (data_view.response == 0.0) - data_view.probability(0.0)
        centred = excess - np.mean(excess, axis=-1, keepdims=True)
        found, fit = self.along.fit(centred, data_view)
        return np.concatenate([unless_held(found, found), fit], axis=-1)

    def finding(self, sample: NullSample) -> Finding:
        """What the numbers say."""
        coefficients, curves = self.along.split(pool_of(sample))
        squares = (standardised(coefficients) ** 2).sum(axis=1)
        low, high = simultaneous_band(curves[1:])
        centre = curves[1:].mean(axis=0)
        beyond = curves[0] - centre
        worst = int(np.argmax(np.abs(beyond)))
        finding = self.found(
            with_statistic(sample, squares),
            null=f"zeros lie along {self.along.words} as in data of the model",
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
        picture = self.along.picture(
            curves[0],
            low,
            high,
            centre,
            null=0.0,
            title="Zeros in excess of the model",
            unit="share of zeros less its expectation, centred",
        )
        return replace(finding, picture=picture, subject={"part": "zi"} | self.along.subject)
