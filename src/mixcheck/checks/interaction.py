"""Whether the effect of a predictor depends on another one, or on itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.coding import Coded, Coding, ask_codings, coded_columns
from mixcheck.checks.columns import predictors_of
from mixcheck.checks.part_scores import RowScores, read_scores, scores_of_parts
from mixcheck.checks.score_terms import ColumnTerm, ScoreTerm, TermStatistic, remark_on
from mixcheck.checks.shared_terms import SharedTerms, columns_of_parts, means_of_parts
from mixcheck.checks.statistic import CheckContext, Outcome
from mixcheck.port import Checkable, Scored, Traceable
from mixcheck.report.finding import Skipped

__all__ = ["Interaction"]

# Coefficients of an interaction between two factors; of more no replicates tell the covariance.
MOST_COEFFICIENTS = 12


@final
@dataclass(frozen=True, repr=False)
class Interaction(Check):
    """Whether the effect of a predictor depends on another one, or on itself.

    Null hypothesis: no product of two predictors of the model, and no square of one, has an effect
    that the model lacks. For each pair the scores of the products are taken as by
    `MissingPredictor`: of two numbers their product, of factors an indicator of each level but the
    first. The statistic is that of the most surprising pair, against the most surprising one of
    each replicate. Effect: "added standard deviation", as there. What the model has already is
    left out.

    References
    ----------
    Rao (1948), Math. Proc. Camb. Philos. Soc. 44, 50-57.
    """

    kind: ClassVar[str] = "interaction"
    shared: ClassVar[bool] = True
    needs: ClassVar[type] = Scored
    about_rows: ClassVar[bool] = False

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of all pairs together."""
        if context.in_parts:
            return (self._of_parts(context),)
        scores = read_scores(context, "mean")
        if isinstance(scores, str):
            return (Skipped(self.name, self.kind, scores),)
        if not isinstance(context.model, Traceable):
            return (Skipped(self.name, self.kind, "The predictors of the model are not known."),)
        coded = {
            name: columns
            for name in predictors_of(context.model.data_rows)
            if not isinstance(columns := coded_columns(context.frame[name]), str)
        }
        terms, reasons = [], []
        squares = [(name, name) for name, columns in coded.items() if columns.shape[1] == 1]
        for one, other in (*squares, *combinations(coded, 2)):
            products = _products(coded[one], coded[other])
            label, subject = _named(one, other)
            if products.shape[1] > MOST_COEFFICIENTS:
                reasons.append(_too_wide(label, products.shape[1]))
                continue
            term = ColumnTerm.of(label, subject, products, scores)
            if term is not None:
                terms.append(term)
        return (self._statistic(TermStatistic, scores, terms, remark_on(reasons)),)

    def _of_parts(self, context: CheckContext) -> Outcome:
        """The same of rows in parts."""
        scores, codings = scores_of_parts(context), ask_codings(context)
        for why in (scores, codings):
            if isinstance(why, str):
                return Skipped(self.name, self.kind, why)
        assert isinstance(scores, RowScores)
        assert isinstance(codings, dict)
        coded = [Coded(one) for one in codings.values()]
        means = dict(zip(codings, means_of_parts(context, coded), strict=True))
        asked, reasons = [], []
        squares = [(name, name) for name, one in codings.items() if one.width == 1]
        for one, other in (*squares, *combinations(codings, 2)):
            label, subject = _named(one, other)
            width = codings[one].width * codings[other].width
            if width > MOST_COEFFICIENTS:
                reasons.append(_too_wide(label, width))
                continue
            product = _Product(codings[one], codings[other], means[one], means[other])
            asked.append((label, subject, product))
        terms = columns_of_parts(context, scores, asked)
        return self._statistic(SharedTerms, scores, terms, remark_on(reasons))

    def _statistic(
        self,
        made: type[TermStatistic],
        scores: RowScores,
        terms: Sequence[ScoreTerm],
        remark: str,
    ) -> Outcome:
        if not terms:
            reason = f"There is no product of predictors to ask about. {remark}".strip()
            return Skipped(self.name, self.kind, reason)
        null = "no effect of a predictor depends on another predictor, or on itself"
        return made(self.name, self.kind, scores, terms, null, "pairs", remark)


def _named(one: str, other: str) -> tuple[str, dict[str, str]]:
    """What a pair is called, and its subject."""
    if one == other:
        return f"{one}^2", {"column": one}
    return f"{one}:{other}", {"column": one, "other": other}


def _too_wide(label: str, width: int) -> str:
    return f"{label} (it has {width} coefficients)"


@dataclass(frozen=True, eq=False)
class _Product:
    """Products of two codings, each less its means over all rows."""

    one: Coding
    other: Coding
    mean: FloatArray
    other_mean: FloatArray

    def __call__(self, model: Checkable) -> FloatArray:
        """In the rows of a part, (n, d e)."""
        left = self.one.columns(model.frame[self.one.name]) - self.mean
        right = self.other.columns(model.frame[self.other.name]) - self.other_mean
        return _pairs(left, right)


def _products(one: FloatArray, other: FloatArray) -> FloatArray:
    """``(a_j - mean a_j) (b_k - mean b_k)`` of all columns of each, (n, d e)."""
    return _pairs(*(np.asarray(c - np.nanmean(c, axis=0)) for c in (one, other)))


def _pairs(left: FloatArray, right: FloatArray) -> FloatArray:
    """``a_j b_k`` of all columns of each, (n, d e)."""
    products: FloatArray = (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)
    return products
