"""Whether the effect of a predictor depends on another one, or on itself."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.columns import coded_columns, predictors_of
from mixcheck.checks.part_scores import read_scores
from mixcheck.checks.score_terms import ColumnTerm, TermStatistic, remark_on
from mixcheck.checks.statistic import CheckContext, Outcome
from mixcheck.port import Scored, Traceable
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
    needs: ClassVar[type] = Scored
    about_rows: ClassVar[bool] = False

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of all pairs together."""
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
            label = f"{one}^2" if one == other else f"{one}:{other}"
            if products.shape[1] > MOST_COEFFICIENTS:
                reasons.append(f"{label} (it has {products.shape[1]} coefficients)")
                continue
            subject = {"column": one} | ({} if one == other else {"other": other})
            term = ColumnTerm.of(label, subject, products, scores)
            if term is not None:
                terms.append(term)
        if not terms:
            reason = f"There is no product of predictors to ask about. {remark_on(reasons)}".strip()
            return (Skipped(self.name, self.kind, reason),)
        null = "no effect of a predictor depends on another predictor, or on itself"
        remark = remark_on(reasons)
        return (TermStatistic(self.name, self.kind, scores, terms, null, "pairs", remark),)


def _products(one: FloatArray, other: FloatArray) -> FloatArray:
    """``(a_j - mean a_j) (b_k - mean b_k)`` of all columns of each, (n, d e)."""
    left, right = (np.asarray(c - np.nanmean(c, axis=0)) for c in (one, other))
    products: FloatArray = (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)
    return products
