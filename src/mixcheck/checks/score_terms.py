"""Scores of what a model could have beside what it has: columns, and effects of groups.

The derivative of the marginal log-likelihood in the coefficient of a column z that is not in the
model is ``z's``, with the scores s of the rows at the conditional modes (Fisher's identity, to
Laplace order), whether z varies within groups or between them. That in the variance of effects of
groups is half of the sum of ``(sum of x s)^2`` over groups, less its mean. Both are taken of the
scores that estimation leaves (`mixcheck.port.ScoreProjection`), and their means and covariances
from the replicates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeAlias, final, get_args

import numpy as np
from scipy.special import chdtrc, chdtri, fdtrc, gammaln

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.pooled import (
    distance_from_others,
    moments_of_others,
    pool_of,
    with_statistic,
)
from mixcheck.checks.statistic import CheckContext, CheckStatistic, NullSample, ratio
from mixcheck.display.document import Caterpillar
from mixcheck.errors import ConvergenceError
from mixcheck.port import Checkable, DataView, Scored, ScoreProjection
from mixcheck.report.finding import Effect, Finding

__all__ = [
    "PARTS",
    "ColumnTerm",
    "GroupTerm",
    "InflationScores",
    "PartName",
    "RowScores",
    "ScoreTerm",
    "TermStatistic",
    "read_scores",
    "remark_on",
    "sum_columns",
]

PartName: TypeAlias = Literal["mean", "zi", "dispersion"]
PARTS: tuple[PartName, ...] = get_args(PartName)

# Directions of columns that the model matrix leaves less of than this share are in the model.
SPAN_TOLERANCE = 1e-7
# A variance below this is the underflow of one.
SMALLEST_VARIANCE = 1e-300
SMALLEST_PROBABILITY = 1e-300
# Zeros rarer than this are taken for as rare, where their score is one over it.
SMALLEST_SHARE = 0.02
CONFIDENCE = 0.95
# The data and two replicates, without which no variance is known.
LEAST_POOL = 3
# Terms in a picture: the most surprising ones.
MOST_TERMS = 30
# Terms named in a sentence beside the first.
MOST_NAMED = 4
RAO = "Rao (1948), Math. Proc. Camb. Philos. Soc. 44, 50-57"


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


@dataclass(frozen=True, eq=False)
class ScoreTerm(ABC):
    """Something that the model could have.

    Attributes
    ----------
    label : str
    subject : mapping of str to str
        What it is, as in `Finding`.
    """

    label: str
    subject: Mapping[str, str]

    @property
    @abstractmethod
    def count(self) -> int:
        """How many numbers it takes of a data set."""

    @abstractmethod
    def numbers(self, scores: FloatArray, taken: FloatArray) -> FloatArray:
        """Numbers of a data set with scores (n,), of which estimation takes (P,)."""

    @abstractmethod
    def surprise(self, pool: FloatArray) -> FloatArray:
        """Minus the common logarithm of an approximate p-value of each data set of a pool, (N,)."""

    @abstractmethod
    def size(self, pool: FloatArray) -> tuple[float, float, float]:
        """Standard deviation it would add to the linear predictor: estimate and 95 % interval.

        NaN where there are fewer than two replicates.
        """


@final
@dataclass(frozen=True, eq=False)
class ColumnTerm(ScoreTerm):
    """Columns, (n, d), outside the model matrix, and what estimation takes of their scores, (d, P).

    Without estimation the numbers are the scores ``z's`` themselves.
    """

    columns: FloatArray
    slopes: FloatArray

    @classmethod
    def of(
        cls, label: str, subject: Mapping[str, str], columns: FloatArray, scores: RowScores
    ) -> ColumnTerm | None:
        """The term of columns (n, d), or None where the model holds them."""
        outside = scores.outside(columns)
        if not outside.shape[1]:
            return None
        return cls(label, subject, outside, outside.T @ scores.slopes(len(outside)))

    @property
    def count(self) -> int:
        """Columns."""
        return int(self.columns.shape[1])

    def numbers(self, scores: FloatArray, taken: FloatArray) -> FloatArray:
        """Scores of the coefficients."""
        out: FloatArray = scores @ self.columns - self.slopes @ taken
        return out

    def surprise(self, pool: FloatArray) -> FloatArray:
        """Of Hotelling's T squared: ``d (N - 1 - r) / (N r)`` as an F of r and ``N - 1 - r``."""
        distances, rank = distance_from_others(pool)
        rest = len(pool) - 1 - rank
        if not rank or rest < 1:
            return np.zeros(len(pool))
        tail = fdtrc(rank, rest, distances * rest / (len(pool) * rank))
        out: FloatArray = -np.log10(np.maximum(tail, SMALLEST_PROBABILITY))
        return out

    def size(self, pool: FloatArray) -> tuple[float, float, float]:
        """Length of one step ``I^-1 U`` of the coefficients, and Scheffe's interval."""
        if len(pool) < LEAST_POOL:
            return np.nan, np.nan, np.nan
        moved = pool[0] - pool[1:].mean(axis=0)
        information = np.atleast_2d(np.cov(pool[1:], rowvar=False))
        step = np.linalg.pinv(information, hermitian=True) @ moved
        length, distance = float(np.linalg.norm(step)), float(np.sqrt(max(moved @ step, 0.0)))
        if distance == 0.0:
            return 0.0, 0.0, 0.0
        reach = float(np.sqrt(chdtri(self.count, 1.0 - CONFIDENCE))) / distance
        return length, length * max(0.0, 1.0 - reach), length * (1.0 + reach)


@final
@dataclass(frozen=True, eq=False)
class GroupTerm(ScoreTerm):
    """Effects of groups: codes (n,) of their levels, and covariates (n, q) that they multiply.

    Rows of a negative code belong to no group. `slopes` are what estimation takes of the sums of
    groups, (q, m, P).
    """

    codes: IntArray
    covariates: FloatArray
    slopes: FloatArray

    @classmethod
    def of(
        cls,
        label: str,
        subject: Mapping[str, str],
        codes: IntArray,
        covariates: FloatArray,
        scores: RowScores,
    ) -> GroupTerm | None:
        """The term of effects of groups, or None where the model matrix holds them all."""
        # If any combination of levels is in the model matrix, so is this one, and hardly else.
        generic = np.cos(1.0 + codes)[:, None] * covariates
        kept = [k for k, x in enumerate(generic.T) if scores.outside(x[:, None]).size]
        if not kept:
            return None
        covariates, rows = covariates[:, kept], scores.slopes(codes.size)
        slopes = np.empty((len(kept), int(codes.max()) + 1, rows.shape[1]))
        for held, x in zip(slopes, covariates.T, strict=True):
            for p, row in enumerate(rows.T):
                held[:, p] = _sum_by(codes, x * row)
        return cls(label, subject, codes, covariates, slopes)

    @property
    def count(self) -> int:
        """One: the sum of squares."""
        return 1

    def numbers(self, scores: FloatArray, taken: FloatArray) -> FloatArray:
        """Sum over groups and covariates of ``(sum of x s)^2``."""
        total = 0.0
        for x, slopes in zip(self.covariates.T, self.slopes, strict=True):
            sums = _sum_by(self.codes, x * scores) - slopes @ taken
            total += float(sums @ sums)
        return np.array([total])

    def surprise(self, pool: FloatArray) -> FloatArray:
        """Of ``c chi^2_d`` with mean m and variance v of all other data sets: ``d = 2 m^2 / v``."""
        values = pool[:, 0]
        mean, variance = moments_of_others(values)
        known = variance > 0.0
        df = 2.0 * mean**2 / np.where(known, variance, 1.0)
        return np.where(known, -_log10_tail(df, df * values / np.where(mean > 0.0, mean, 1.0)), 0.0)

    def size(self, pool: FloatArray) -> tuple[float, float, float]:
        """One step of the variance, ``(T - E T) / (var T / 2)``, times the mean square of x."""
        if len(pool) < LEAST_POOL:
            return np.nan, np.nan, np.nan
        mean, variance = float(pool[1:, 0].mean()), float(pool[1:, 0].var())
        if not variance > 0.0:
            return 0.0, 0.0, 0.0
        df, tail = 2.0 * mean**2 / variance, 0.5 * (1.0 - CONFIDENCE)
        square = float(np.mean(self.covariates**2, axis=0).sum())
        totals = pool[0, 0] * np.array([1.0, df / chdtri(df, tail), df / chdtri(df, 1.0 - tail)])
        value, low, high = np.sqrt(np.maximum(2.0 * (totals - mean) / variance, 0.0) * square)
        return float(value), float(low), float(high)


def sum_columns(values: FloatArray, columns: FloatArray) -> FloatArray:
    """``X'v``, (.., p), of values (.., n) and columns (n, p); of each alone, in one way."""
    flat = values.reshape(-1, values.shape[-1])
    found: FloatArray = np.stack([columns.T @ row for row in flat])
    return found.reshape(*values.shape[:-1], columns.shape[1])


def _sum_by(codes: IntArray, values: FloatArray) -> FloatArray:
    """Sums over the levels; rows of a negative code are left out."""
    sums = np.bincount(codes + 1, weights=values)[1:]
    return np.asarray(sums, dtype=np.float64)


def _log10_tail(df: FloatArray, squares: FloatArray) -> FloatArray:
    """Common logarithm of the probability beyond `squares` of a chi-square.

    Where that underflows, ``Q(a, x) = x^(a - 1) e^-x / Gamma(a) / (1 - (a - 1) / x)`` with
    ``a = df / 2`` and ``x = squares / 2``, the first terms of its expansion for large x.
    """
    a, x = 0.5 * df, 0.5 * np.maximum(squares, np.finfo(np.float64).tiny)
    tail = chdtrc(df, squares)
    far = (a - 1.0) * np.log(x) - x - gammaln(a) - np.log1p(-np.minimum((a - 1.0) / x, 0.5))
    known = tail > SMALLEST_PROBABILITY
    out: FloatArray = np.where(known, np.log(np.where(known, tail, 1.0)), far) / np.log(10.0)
    return out


@final
@dataclass(frozen=True, eq=False)
class TermStatistic(CheckStatistic):
    """The most surprising of several terms, against the most surprising of each replicate.

    Attributes
    ----------
    scores : RowScores
    terms : tuple of ScoreTerm
    null : str
    what : str
        What the terms are, in the plural, for the picture.
    remark : str
        A sentence on what was left out, or "".
    """

    randomised: ClassVar[bool] = False

    scores: RowScores
    terms: Sequence[ScoreTerm]
    null: str
    what: str
    remark: str = ""

    def numbers(self, data_view: DataView) -> FloatArray:
        """The numbers of all terms, one after another."""
        scores, taken = self.scores.of(data_view), self.scores.taken(data_view)
        return np.concatenate([term.numbers(scores, taken) for term in self.terms])

    def finding(self, sample: NullSample) -> Finding:
        """The most surprising term, and the others beside it."""
        ends = np.cumsum([term.count for term in self.terms])[:-1]
        pools = np.split(pool_of(sample), ends, axis=1)
        pairs = list(zip(self.terms, pools, strict=True))
        surprises = np.stack([term.surprise(pool) for term, pool in pairs])
        largest = surprises.max(axis=0)
        order = np.argsort(-surprises[:, 0], kind="stable")[:MOST_TERMS]
        sizes = np.array([pairs[k][0].size(pairs[k][1]) for k in order])
        # Each term against the most surprising one of each replicate.
        simultaneous = np.array([np.mean(largest >= surprises[k, 0]) for k in order])
        first = self.terms[order[0]]
        value, low, high = map(float, sizes[0])
        finding = self.found(
            with_statistic(sample, largest),
            null=self.null,
            effect=Effect("added standard deviation", value, low, high, 0.0, first.label),
            alternative="greater",
            n=sample.observed.response.size,
            references=(RAO,),
        )
        return replace(
            finding,
            subject={**first.subject, "part": self.scores.part},
            detail=" ".join(
                part
                for part in (finding.detail, self._told(order, simultaneous), self.remark)
                if part
            ),
            picture=self._picture(order, sizes, simultaneous),
        )

    def _told(self, order: IntArray, simultaneous: FloatArray) -> str:
        first, *others = (self.terms[k].label for k in order)
        if not others:
            return f"It is {first}."
        rest = zip(others, simultaneous[1:], strict=True)
        named = ", ".join(f"{label} ({p:.3g})" for label, p in list(rest)[:MOST_NAMED])
        return (
            f"Of {len(self.terms)} {self.what} {first} is the most surprising; next, with p-values "
            f"among all of them: {named}."
        )

    def _picture(self, order: IntArray, sizes: FloatArray, simultaneous: FloatArray) -> Caterpillar:
        return Caterpillar(
            tuple(self.terms[k].label for k in order),
            sizes[:, 0],
            sizes[:, 1],
            sizes[:, 2],
            simultaneous <= 1.0 - CONFIDENCE,
            title=f"{self.name}: {self.what}, by one step",
            x_label="standard deviation added to the linear predictor",
        )


def remark_on(reasons: Sequence[str]) -> str:
    """A sentence on terms that were left out, each with its reason, or ""."""
    return f"Left out: {', '.join(reasons)}." if reasons else ""
