"""Whether rows of a level of some other factor go together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import pandas as pd

from mixcheck.arguments.options import require_text
from mixcheck.arrays import IntArray
from mixcheck.checks.check import Check
from mixcheck.checks.columns import (
    composes_response,
    follows_response,
    is_size,
    level_codes,
    same_partition,
)
from mixcheck.checks.part_scores import read_scores
from mixcheck.checks.score_terms import GroupTerm, TermStatistic
from mixcheck.checks.statistic import CheckContext, Outcome, column_of
from mixcheck.port import DataRows, Traceable
from mixcheck.report.finding import Skipped

__all__ = ["MissingGroup"]

LEAST_LEVELS = 3
# Rows a level, on average, below which levels are all but rows.
LEAST_ROWS = 2.0


@final
@dataclass(frozen=True, repr=False)
class MissingGroup(Check):
    """Whether rows of a level of some other factor go together.

    Null hypothesis: no factor of the data has random effects that the model lacks. For each factor
    the score of the variance of such effects is taken: the sum over levels of the squared sum of
    the derivatives s of the rows' log density at the conditional modes. The statistic is that of
    the most surprising factor, in units of the replicates, against the most surprising one of each
    replicate. Effect: "added standard deviation" of the effects, by one step; 0 under the model.

    Texts, categories and whole numbers are factors, with at least 3 levels and 2 rows a level;
    asked are those that are not grouping factors of the model yet, nor its weights or trials,
    and within each grouping factor of the model the levels that they have there, as ``g:h``.

    Parameters
    ----------
    column : str, optional
        A column of the data, without its levels within others; all by default.

    References
    ----------
    Lin (1997), Variance component testing in generalised linear models with random effects,
    Biometrika 84, 309-326.
    """

    kind: ClassVar[str] = "missing-group"
    about_rows: ClassVar[bool] = False

    column: str | None = None

    def __post_init__(self) -> None:
        if self.column is not None:
            require_text("column", self.column, "site")

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of all factors together."""
        scores = read_scores(context, "mean")
        if isinstance(scores, str):
            return (Skipped(self.name, self.kind, scores),)
        factors = _asked(self.column, context)
        if isinstance(factors, str):
            return (Skipped(self.name, self.kind, factors),)
        rows = context.model.data_rows if isinstance(context.model, Traceable) else None
        held = [] if rows is None else list(rows.groups.values())
        chosen: dict[str, IntArray] = {}
        for name, codes in factors:
            # A factor that another name stands for already is asked once.
            if _is_group(codes) and not any(
                same_partition(codes, other) for other in (*held, *chosen.values())
            ):
                chosen[name] = codes
        found = (
            GroupTerm.of(name, {"group": name}, codes, (codes >= 0).astype(float)[:, None], scores)
            for name, codes in chosen.items()
        )
        terms = [term for term in found if term is not None]
        if not terms:
            reason = "There is no factor beside those of the model, with 3 levels and rows to each."
            return (Skipped(self.name, self.kind, reason),)
        null = "no factor of the data has random effects that the model lacks"
        return (TermStatistic(self.name, self.kind, scores, terms, null, "factors"),)


def _is_group(codes: IntArray) -> bool:
    known = codes[codes >= 0]
    levels = np.unique(known).size
    return LEAST_LEVELS <= levels <= known.size / LEAST_ROWS


def _asked(column: str | None, context: CheckContext) -> list[tuple[str, IntArray]] | str:
    """Names and codes of the factors in question, or why they are not known."""
    if column is not None:
        codes = level_codes(column_of(context.frame, column))
        return (
            f"The column {column} is no factor: it has fractions."
            if codes is None
            else [(column, codes)]
        )
    if not isinstance(context.model, Traceable):
        return 'It is not known which groups the model has; name a factor: MissingGroup("site").'
    return list(_factors(context.model.data_rows, context))


def _factors(rows: DataRows, context: CheckContext) -> Iterator[tuple[str, IntArray]]:
    alone = []
    for name, column in context.frame.items():
        codes = level_codes(column)
        response = context.observed.response
        if name == rows.weighing or is_size(column, rows):
            continue
        if codes is None or follows_response(column, response):
            continue
        if name not in rows.grouping and composes_response(str(name), context.frame, response):
            continue
        alone.append((str(name), codes))
    yield from ((name, codes) for name, codes in alone if name not in rows.grouping)
    for group, levels in rows.groups.items():
        for name, codes in alone:
            if name not in group.split(":"):
                yield f"{group}:{name}", _crossed(levels, codes)
    names = list(rows.groups)
    for k, one in enumerate(names):
        for other in names[k + 1 :]:
            yield f"{one}:{other}", _crossed(rows.groups[one], rows.groups[other])


def _crossed(one: IntArray, other: IntArray) -> IntArray:
    """Codes of the pairs of levels that occur; -1 where either is missing."""
    pairs, _ = pd.factorize(one.astype(np.int64) * (int(other.max()) + 1) + other)
    return np.where((one < 0) | (other < 0), -1, pairs).astype(np.intp)
