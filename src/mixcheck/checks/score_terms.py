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
from typing import ClassVar

import numpy as np
from scipy.special import chdtrc, chdtri, fdtrc, gammaln

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.part_scores import RowScores
from mixcheck.checks.pooled import distance_from_others, moments_of_others, pool_of, with_statistic
from mixcheck.checks.statistic import CheckStatistic, NullSample
from mixcheck.display.document import Caterpillar
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding

__all__ = [
    "ColumnTerm",
    "GroupTerm",
    "ScoreTerm",
    "TermStatistic",
    "remark_on",
    "slopes_by_levels",
]

# A probability below this is the underflow of one.
SMALLEST_PROBABILITY = 1e-300
CONFIDENCE = 0.95
# The data and two replicates, without which no variance is known.
LEAST_POOL = 3
# Terms in a picture: the most surprising ones.
MOST_TERMS = 30
# Terms named in a sentence beside the first.
MOST_NAMED = 4
RAO = "Rao (1948), Math. Proc. Camb. Philos. Soc. 44, 50-57"


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
        slopes = np.stack([slopes_by_levels(codes, x, rows) for x in covariates.T])
        return cls(label, subject, codes, covariates, slopes)

    @property
    def mean_square(self) -> float:
        """Mean over the rows of the sum of squares of the covariates."""
        return float(np.mean(self.covariates**2, axis=0).sum())

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
        square = self.mean_square
        totals = pool[0, 0] * np.array([1.0, df / chdtri(df, tail), df / chdtri(df, 1.0 - tail)])
        value, low, high = np.sqrt(np.maximum(2.0 * (totals - mean) / variance, 0.0) * square)
        return float(value), float(low), float(high)


def slopes_by_levels(codes: IntArray, x: FloatArray, rows: FloatArray) -> FloatArray:
    """Sums over the levels of ``x r`` of each column r of rows (n, P), (m, P)."""
    out = np.empty((int(codes.max()) + 1, rows.shape[1]))
    for p, row in enumerate(rows.T):
        out[:, p] = _sum_by(codes, x * row)
    return out


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
            n=sample.n,
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
