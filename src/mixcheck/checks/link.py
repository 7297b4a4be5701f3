"""Whether the mean follows the linear predictor as the link says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.score_terms import RowScores, read_scores
from mixcheck.checks.statistic import CheckContext, CheckStatistic, NullSample, Outcome, null_plot
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["Link"]

PREGIBON = "Pregibon (1980), Appl. Statist. 29, 15-24"


@final
@dataclass(frozen=True, repr=False)
class Link(Check):
    """Whether the mean follows the linear predictor as the link says.

    Null hypothesis: the square of the linear predictor, at the conditional modes of the random
    effects, has no effect. The statistic is the score of its coefficient, less what estimation
    takes of it. Effect: "curvature", that coefficient by one step, in units of one standard
    deviation of the predictor; positive where the response rises more steeply than the link
    says, 0 under the model.

    References
    ----------
    Pregibon (1980), Goodness of link tests for generalized linear models, Appl. Statist. 29,
    15-24.
    """

    kind: ClassVar[str] = "link"
    about_rows: ClassVar[bool] = False
    least_rows: ClassVar[int] = 3

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of all rows."""
        if "mean" not in context.observed.predictors:
            reason = "The linear predictor is not known: the model gives its views none."
            return (Skipped(self.name, self.kind, reason),)
        scores = read_scores(context, "mean")
        if isinstance(scores, str):
            return (Skipped(self.name, self.kind, scores),)
        eta = context.observed.predictors["mean"]
        if not np.ptp(eta) > 0.0:
            return (Skipped(self.name, self.kind, "The predictor is the same in every row."),)
        if not scores.outside((eta[:, None] - eta.mean()) ** 2).size:
            reason = "The model holds the square of its predictor, as with a mean for each level."
            return (Skipped(self.name, self.kind, reason),)
        return (_LinkStatistic(self.name, self.kind, scores),)


@final
@dataclass(frozen=True, eq=False)
class _LinkStatistic(CheckStatistic):
    """The score of the squared predictor."""

    randomised: ClassVar[bool] = False

    scores: RowScores

    def numbers(self, data_view: DataView) -> FloatArray:
        eta = data_view.predictors["mean"]
        centred = eta - eta.mean()
        variance = float(np.mean(centred**2))
        if not variance > 0.0:
            return np.zeros(1)
        square = centred**2 / variance - 1.0
        taken = (square @ self.scores.slopes(eta.size)) @ self.scores.taken(data_view)
        return np.array([square @ self.scores.of(data_view) - taken])

    def finding(self, sample: NullSample) -> Finding:
        """One step of the coefficient."""
        variance = max(float(sample.statistics[1:].var()), 1e-300)
        value, low, high = (
            (float(sample.numbers[0]) - sample_at) / variance
            for sample_at in (sample.mean(), sample.quantile(0.975), sample.quantile(0.025))
        )
        finding = self.found(
            sample,
            null="the square of the linear predictor has no effect",
            effect=Effect("curvature", value, low, high, 0.0),
            alternative="two-sided",
            n=sample.observed.response.size,
            references=(PREGIBON,),
        )
        steps = replace(
            sample, numbers=sample.numbers / variance, replicates=sample.replicates / variance
        )
        picture = null_plot(self.name, steps, "curvature, by one step")
        return replace(finding, picture=picture, subject={"part": "mean"})
