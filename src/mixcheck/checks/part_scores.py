"""Scores of the rows in a part of the model, less what estimation takes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, final, get_args

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.checks.pearson import SMALLEST_VARIANCE
from mixcheck.checks.statistic import CheckContext, ratio
from mixcheck.errors import ConvergenceError
from mixcheck.port import Checkable, DataView, Scored, ScoreProjection

__all__ = [
    "PARTS",
    "SMALLEST_SHARE",
    "SPAN_TOLERANCE",
    "InflationScores",
    "PartName",
    "RowScores",
    "join_projections",
    "read_scores",
    "scores_of_parts",
    "sum_columns",
]

PartName: TypeAlias = Literal["mean", "zi", "dispersion"]
PARTS: tuple[PartName, ...] = get_args(PartName)

# Directions of columns that the model matrix leaves less of than this share are in the model.
SPAN_TOLERANCE = 1e-7
# Zeros rarer than this are taken for as rare, where their score is one over it.
SMALLEST_SHARE = 0.02


@dataclass(frozen=True, eq=False)
class RowScores:
    """How the scores of one part of the model are taken from a data set.

    Attributes
    ----------
    part : str
    projection : ScoreProjection or None
        None where the model does not know it: the scores are then left as they are.
    """

    part: str
    projection: ScoreProjection | None

    def of(self, data_view: DataView) -> FloatArray:
        """Scores of the rows, (n,); Pearson residuals where only draws are known."""
        if self.part in data_view.scores:
            return data_view.scores[self.part]
        variance = np.maximum(data_view.mode_variance, SMALLEST_VARIANCE)
        out: FloatArray = (data_view.response - data_view.mode_mean) / np.sqrt(variance)
        return out

    def taken(self, data_view: DataView) -> FloatArray:
        """``X's`` of all parts, (.., P): what the estimates of a data set would make zero."""
        if self.projection is None:
            return np.empty((*data_view.response.shape[:-1], 0))
        parts = self.projection.matrices.items()
        found = [sum_columns(data_view.scores[name], X) for name, X in parts]
        return np.concatenate(found, axis=-1)

    def of_part(self, model: Checkable) -> RowScores:
        """The same of the rows of a part: its ``X`` and ``V X``, with ``X'V X`` of all rows."""
        if self.projection is None or self.projection.information is None:
            return self
        assert isinstance(model, Scored)
        own = model.project_scores()
        assert own.covariances is not None
        information = self.projection.information
        return replace(
            self, projection=ScoreProjection.of(own.matrices, own.covariances, information)
        )

    def centre(self, columns: FloatArray) -> FloatArray:
        """Columns, (n, d), without what an intercept holds; missing values are means."""
        centred: FloatArray = np.nan_to_num(columns - np.nanmean(columns, axis=0))
        return centred

    def slopes(self, n: int) -> FloatArray:
        """What estimation takes of each row, (n, P)."""
        return np.empty((n, 0)) if self.projection is None else self.projection.slopes[self.part]

    def outside(self, columns: FloatArray) -> FloatArray:
        """What of columns Z, (n, d), the model matrix does not hold: (n, r), orthogonal.

        An orthogonal basis of ``(I - X X^+) Z``, whose mean squares are one. A missing value is
        taken for the mean of its column.
        """
        columns = self.centre(columns)
        scale = np.sqrt(np.mean(columns**2, axis=0))
        columns = columns[:, scale > 0.0] / scale[scale > 0.0]
        if self.projection is not None and columns.size and self.part in self.projection.matrices:
            X = self.projection.matrices[self.part]
            columns = columns - X @ np.linalg.lstsq(X, columns, rcond=None)[0]
        if not columns.size:
            return np.empty((len(columns), 0))
        left, values, _ = np.linalg.svd(columns, full_matrices=False)
        kept = values > SPAN_TOLERANCE * np.sqrt(len(columns))
        out: FloatArray = left[:, kept] * np.sqrt(len(columns))
        return out


@final
@dataclass(frozen=True, eq=False)
class InflationScores(RowScores):
    """Scores of zeros that a model without a part for them lacks.

    A share pi of zeros added to a response with the probability p of a zero changes the log
    density by ``log(1 + pi (1/p - 1))`` for a zero and ``log(1 - pi)`` otherwise, so that the
    score at ``pi = 0`` is ``1(y = 0) / p - 1``, of mean zero and variance ``(1 - p) / p``. A
    single zero where there can be none would decide everything: below `SMALLEST_SHARE` of zeros
    the score is divided by that instead of p. Where zeros are added everywhere, all scores vary
    more than in data of the model, and chance differences along a column with them: scores are
    divided by the root of their sum of squares over its expectation where that is above one.

    Attributes
    ----------
    zeros : (n,)
        Probability of a zero at the modes, in the observed data.
    """

    zeros: FloatArray

    def of(self, data_view: DataView) -> FloatArray:
        """``(1(y = 0) - p) / max(p, c)``, in units of their spread."""
        scores, unit = self._spread(data_view)
        return scores / unit

    def taken(self, data_view: DataView) -> FloatArray:
        """``X's`` of all parts, in the same units, (P,)."""
        _, unit = self._spread(data_view)
        return RowScores.taken(self, data_view) / unit

    def _spread(self, data_view: DataView) -> tuple[FloatArray, float]:
        """``(1{y_i = 0} - p_i) / max(p_i, 0.02)``, (n,), and by how much too much they vary."""
        assert data_view.mode_probability is not None
        p = data_view.mode_probability(0.0)
        base = np.maximum(p, SMALLEST_SHARE)
        scores: FloatArray = ((data_view.response == 0.0) - p) / base
        expected = float(np.sum(p * (1.0 - p) / base**2))
        return scores, float(np.sqrt(max(1.0, ratio(float(scores @ scores), expected))))

    def centre(self, columns: FloatArray) -> FloatArray:
        """Columns less their means by ``(1 - p) / max(p, c)``: what zeros added everywhere give."""
        weight = (1.0 - self.zeros) / np.maximum(self.zeros, SMALLEST_SHARE)
        known = ~np.isnan(columns)
        total = np.sum(np.where(known, weight[:, None], 0.0), axis=0)
        mean = np.nansum(columns * weight[:, None], axis=0) / np.where(total > 0.0, total, 1.0)
        centred: FloatArray = np.nan_to_num(columns - mean)
        return centred

    def slopes(self, n: int) -> FloatArray:
        """What estimation takes of each row, (n, P)."""
        assert self.projection is not None
        assert self.projection.inflation is not None
        share = np.minimum(1.0, self.zeros / SMALLEST_SHARE)
        slopes: FloatArray = self.projection.inflation * share[:, None]
        return slopes


def read_scores(context: CheckContext, part: str) -> RowScores | str:
    """How to take the scores of a part, or why there are none, as a sentence."""
    known = context.observed.scores
    if part == "zi" and part not in known and isinstance(context.model, Scored):
        return _read_inflation(context)
    if part not in known and (known or part != "mean"):
        return f"The model has no part called {part}."
    if part not in known or not isinstance(context.model, Scored):
        return RowScores(part, None)
    try:
        return RowScores(part, context.model.project_scores())
    except ConvergenceError as error:
        return f"{error}."


def scores_of_parts(context: CheckContext) -> RowScores | str:
    """How to take the scores of the mean of rows in parts, or why there are none."""
    told = context.ask(_project)
    reasons = [one for one in told if isinstance(one, str)]
    if reasons:
        return reasons[0]
    return RowScores("mean", join_projections([one for one in told if not isinstance(one, str)]))


def _project(model: Checkable, view: DataView) -> ScoreProjection | str | None:
    """What estimation takes of the scores in the rows of a part, if they have any."""
    if "mean" not in view.scores or not isinstance(model, Scored):
        return None
    try:
        return model.project_scores()
    except ConvergenceError as error:
        return f"{error}."


def join_projections(parts: Sequence[ScoreProjection | None]) -> ScoreProjection | None:
    """The one of all rows; of rows in several parts, with the sum of ``X'V X`` alone."""
    first, *others = parts
    if first is None or not others:
        return first
    information = sum(part.information for part in parts if part and part.information is not None)
    return ScoreProjection({}, {}, information=np.asarray(information))


def _read_inflation(context: CheckContext) -> RowScores | str:
    """Scores of zeros that the model lacks, or why there are none, as a sentence."""
    observed = context.observed
    assert isinstance(context.model, Scored)
    try:
        projection = context.model.project_scores()
    except ConvergenceError as error:
        return f"{error}."
    if projection.inflation is None or observed.mode_probability is None:
        return "The model has no part called zi, and none can be added to its family."
    if np.unique(observed.response).size <= 2:
        return "Of a response of two values zeros tell no more than the mean does."
    return InflationScores("zi", projection, observed.mode_probability(0.0))


def sum_columns(values: FloatArray, columns: FloatArray) -> FloatArray:
    """``X'v``, (.., p), of values (.., n) and columns (n, p); of each alone, in one way."""
    flat = values.reshape(-1, values.shape[-1])
    found: FloatArray = np.stack([columns.T @ row for row in flat])
    return found.reshape(*values.shape[:-1], columns.shape[1])
