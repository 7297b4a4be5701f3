"""Whether predicted probabilities are right: shares of successes in bins of prediction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arguments.options import require_whole
from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.pearson import unless_held
from mixcheck.checks.pooled import pool_of, quadratic_form, simultaneous_band, with_statistic
from mixcheck.checks.rank_basis import scaled_ranks
from mixcheck.checks.statistic import CheckContext, CheckStatistic, NullSample, Outcome
from mixcheck.display.document import CurvePlot
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["Calibration"]

_MOST_BINS = 10
_ROWS_A_BIN = 20
HOSMER = "Hosmer & Lemeshow (1980), Commun. Stat. Theory Methods 9, 1043-1069"


@final
@dataclass(frozen=True, repr=False)
class Calibration(Check):
    """Whether predicted probabilities of a response of 0 and 1 are right.

    Null hypothesis: in each bin of predictions, responses deviate from their probability as in
    data of the model. Bins hold equally many rows by rank of the probability at random effects
    of zero, ties together; the deviation is the mean response less the mean probability given
    the modes, and the statistic is the quadratic form of all deviations in the inverse of their
    covariance over data sets. (Bins by the probability given the modes see less: shrinkage
    sorts the rows by their own response.) Effect: "largest deviation" of a bin from its mean in
    the replicates, a difference of probabilities; 0 under the model.

    Parameters
    ----------
    bins : int, optional
        How many, at least 2; by default one for 20 rows, from 2 to 10.

    References
    ----------
    Hosmer & Lemeshow (1980), Goodness of fit tests for the multiple logistic regression model,
    Commun. Stat. Theory Methods 9, 1043-1069, for the bins; their chi-square does not hold with
    random effects, and is not used.
    """

    kind: ClassVar[str] = "calibration"
    least_rows: ClassVar[int] = 2 * _ROWS_A_BIN

    bins: int | None = None

    def __post_init__(self) -> None:
        if self.bins is not None:
            object.__setattr__(self, "bins", require_whole("bins", self.bins, 2))

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of a response of two values."""
        if not np.isin(context.observed.response, (0.0, 1.0)).all():
            reason = "The response is not of 0 and 1; for counts there is Rootogram."
            return (Skipped(self.name, self.kind, reason),)
        bins = self.bins or min(_MOST_BINS, max(2, context.n // _ROWS_A_BIN))
        if 2 * bins > context.n:
            reason = f"There are {context.n} rows, too few for {bins} bins."
            return (Skipped(self.name, self.kind, reason),)
        if scaled_ranks(context.observed.fitted)[1] == 1:
            reason = "The predicted probability is the same in every row."
            return (Skipped(self.name, self.kind, reason),)
        return (_BinStatistic(self.name, self.kind, bins),)


@final
@dataclass(frozen=True, eq=False)
class _BinStatistic(CheckStatistic):
    """Deviation and mean prediction of each bin, (2 b,)."""

    randomised: ClassVar[bool] = False

    bins: int

    def numbers(self, data_view: DataView) -> FloatArray:
        deviations, predicted = self._by_bin(data_view)
        return np.concatenate([deviations, predicted])

    def _by_bin(self, data_view: DataView) -> tuple[FloatArray, FloatArray]:
        """``sum (y_i - p_i) / n_b`` and ``sum p_i / n_b`` over the rows of each bin, (b,)."""
        ranks, _ = scaled_ranks(data_view.fitted)
        codes = (0.5 * (ranks + 1.0) * self.bins).astype(np.intp)
        counts, observed, predicted = (
            np.bincount(codes, weights=weights, minlength=self.bins)
            for weights in (None, data_view.response, data_view.mode_mean)
        )
        # Tied predictions stay together, so that a bin may be empty: it deviates by nothing.
        rows = np.maximum(counts, 1)
        deviations = (observed - predicted) / np.sqrt(rows)
        return unless_held(deviations, deviations) / np.sqrt(rows), predicted / rows

    def finding(self, sample: NullSample) -> Finding:
        """The quadratic form, and the curve of shares with its band."""
        deviations = pool_of(sample)[:, : self.bins]
        statistics, _ = quadratic_form(deviations)
        low, high = simultaneous_band(deviations[1:])
        centre = deviations[1:].mean(axis=0)
        excess = deviations[0] - centre
        worst = int(np.argmax(np.abs(excess)))
        effect = Effect(
            "largest deviation",
            float(excess[worst]),
            float(deviations[0, worst] - high[worst]),
            float(deviations[0, worst] - low[worst]),
            0.0,
        )
        finding = self.found(
            with_statistic(sample, statistics),
            null="predicted probabilities are as right as in data of the model",
            effect=effect,
            alternative="greater",
            n=sample.observed.response.size,
            references=(HOSMER,),
        )
        filled = sample.numbers[self.bins :] > 0.0
        predicted = sample.numbers[self.bins :][filled]
        picture = CurvePlot(
            predicted,
            predicted + deviations[0][filled],
            predicted + low[filled],
            predicted + high[filled],
            predicted + centre[filled],
            title="Share of successes against predicted probability",
            x_label="predicted probability, given the modes",
            y_label="share of successes",
        )
        return replace(finding, picture=picture)
