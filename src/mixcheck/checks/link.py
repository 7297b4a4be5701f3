"""Whether the mean follows the linear predictor as the link says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self, final

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.part_scores import SPAN_TOLERANCE, RowScores, join_projections, sum_columns
from mixcheck.checks.shares import join_moments, join_sums, moments
from mixcheck.checks.statistic import (
    CheckContext,
    NullSample,
    Outcome,
    SharedStatistic,
    null_plot,
)
from mixcheck.errors import ConvergenceError
from mixcheck.port import Checkable, DataView, Scored, ScoreProjection
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["Link"]

PREGIBON = "Pregibon (1980), Appl. Statist. 29, 15-24"
MEAN = "mean"
# A predictor whose variance times the information of a row is below the square of this is the same
# in every row: what random effects without variance leave of one is rounding.
_FLAT = 1e-5
# Regressions on what others have left, until nothing but rounding is.
_PASSES = 2


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
    shared: ClassVar[bool] = True
    about_rows: ClassVar[bool] = False
    least_rows: ClassVar[int] = 3

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of all rows."""
        told = context.ask(_tell)
        reasons = [one for one in told if isinstance(one, str)]
        if reasons:
            return (Skipped(self.name, self.kind, reasons[0]),)
        known = [one for one in told if not isinstance(one, str)]
        mean, variance = _moments_of([one.moments for one in known])
        if not variance > 0.0 or min(one.low for one in known) == max(one.high for one in known):
            return (Skipped(self.name, self.kind, "The predictor is the same in every row."),)
        projection = join_projections([one.projection for one in known])
        if _is_held(context, float(mean)):
            reason = "The model holds the square of its predictor, as with a mean for each level."
            return (Skipped(self.name, self.kind, reason),)
        return (_LinkStatistic(self.name, self.kind, RowScores(MEAN, projection)),)


@dataclass(frozen=True, eq=False)
class _Told:
    """What is known of the predictor in some rows: moments, its range, and the projection."""

    moments: FloatArray
    low: float
    high: float
    projection: ScoreProjection | None


def _tell(model: Checkable, view: DataView) -> _Told | str:
    """What some rows tell, or why nothing can be asked of them."""
    if MEAN not in view.predictors:
        return "The linear predictor is not known: the model gives its views none."
    projection = None
    if MEAN in view.scores and isinstance(model, Scored):
        try:
            projection = model.project_scores()
        except ConvergenceError as error:
            return f"{error}."
    eta = view.predictors[MEAN]
    told = _moments(view, RowScores(MEAN, projection))
    return _Told(told, float(eta.min()), float(eta.max()), projection)


def _moments(view: DataView, scores: RowScores) -> FloatArray:
    """Moments of the predictor, and of its scores, (.., 6)."""
    each = moments(view.predictors[MEAN]), moments(scores.of(view))
    return np.concatenate(each, axis=-1)


def _moments_of(parts: Sequence[FloatArray]) -> FloatArray:
    """Mean and variance (2, ..) of the predictor of all parts; no variance where it is flat."""
    count, mean, squares = np.moveaxis(join_moments([part[..., :3] for part in parts]), -1, 0)
    scores = join_moments([part[..., 3:] for part in parts])[..., 2]
    variance = squares / count
    flat = variance * scores / count < _FLAT**2
    return np.stack([mean, np.where(flat, 0.0, variance)])


def _is_held(context: CheckContext, mean: float) -> bool:
    """Whether the model matrix holds the squared predictor: what it leaves is but rounding.

    By normal equations, and again of what they leave.
    """
    _, centre, squares = join_moments(context.ask(_square, mean))
    coefficients = None
    for _ in range(_PASSES):
        told = context.ask(_regress, mean, float(centre), coefficients)
        grams, products, _ = zip(*told, strict=True)
        step = np.linalg.lstsq(join_sums(grams), join_sums(products), rcond=None)[0]
        coefficients = step if coefficients is None else coefficients + step
    left = sum(rest for *_, rest in context.ask(_regress, mean, float(centre), coefficients))
    return bool(left <= SPAN_TOLERANCE**2 * squares)


def _square(model: Checkable, view: DataView, mean: float) -> FloatArray:
    return moments((view.predictors[MEAN] - mean) ** 2)


def _regress(
    model: Checkable, view: DataView, mean: float, centre: float, coefficients: FloatArray | None
) -> tuple[FloatArray, FloatArray, float]:
    """``X'X``, ``X'r`` and ``r'r`` of what coefficients leave of the centred square."""
    left = (view.predictors[MEAN] - mean) ** 2 - centre
    X = np.empty((left.size, 0))
    if MEAN in view.scores and isinstance(model, Scored):
        X = model.project_scores().matrices.get(MEAN, X)
    if coefficients is not None:
        left = left - X @ coefficients
    return X.T @ X, X.T @ left, float(left @ left)


@final
@dataclass(frozen=True, eq=False)
class _LinkStatistic(SharedStatistic):
    """The score of the squared predictor, ``z's - (z'V X) (X'V X)^- X's``."""

    stacks: ClassVar[bool] = True
    randomised: ClassVar[bool] = False
    rounds: ClassVar[int] = 2

    scores: RowScores

    def of_part(self, model: Checkable) -> Self:
        """The same, with the rows of the part."""
        return replace(self, scores=self.scores.of_part(model))

    def share(self, data_view: DataView, told: Sequence[FloatArray]) -> FloatArray:
        """Moments of the predictor and of scores; then ``z's``, ``z'V X (X'V X)^-`` and ``X's``."""
        eta = data_view.predictors[MEAN]
        if not told:
            return _moments(data_view, self.scores)
        mean, variance = np.moveaxis(told[0], -1, 0)[..., None]
        varies = variance > 0.0
        square = np.where(varies, (eta - mean) ** 2 / np.where(varies, variance, 1.0) - 1.0, 0.0)
        score = (square * self.scores.of(data_view)).sum(axis=-1, keepdims=True)
        slopes = sum_columns(square, self.scores.slopes(eta.shape[-1]))
        return np.concatenate([score, slopes, self.scores.taken(data_view)], axis=-1)

    def join(self, shares: Sequence[FloatArray], told: Sequence[FloatArray]) -> FloatArray:
        """Mean and variance of the predictor, zero where it is flat; then the score."""
        if not told:
            return np.moveaxis(_moments_of(shares), 0, -1)
        total = join_sums(shares)
        width = (total.shape[-1] - 1) // 2
        score, slopes, taken = total[..., :1], total[..., 1 : 1 + width], total[..., 1 + width :]
        out: FloatArray = score - (slopes * taken).sum(axis=-1, keepdims=True)
        return out

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
            n=sample.n,
            references=(PREGIBON,),
        )
        steps = replace(
            sample, numbers=sample.numbers / variance, replicates=sample.replicates / variance
        )
        picture = null_plot(self.name, steps, "curvature, by one step")
        return replace(finding, picture=picture, subject={"part": MEAN})
