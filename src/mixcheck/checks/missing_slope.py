"""Whether the effect of a predictor differs between groups more than the model says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from mixcheck.arguments.options import require_text
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.check import Check
from mixcheck.checks.columns import coded_columns, predictors_of
from mixcheck.checks.part_scores import RowScores, read_scores
from mixcheck.checks.score_terms import GroupTerm, TermStatistic
from mixcheck.checks.statistic import CheckContext, Outcome, column_of
from mixcheck.port import Comparable, DataRows, Traceable
from mixcheck.report.finding import Skipped

__all__ = ["MissingSlope"]

# A predictor whose sum of squares within groups is less than this share is constant in them.
WITHIN = 1e-8


@final
@dataclass(frozen=True, repr=False)
class MissingSlope(Check):
    """Whether the effect of a predictor differs between groups more than the model says.

    Null hypothesis: no predictor of the model has a random slope that the model lacks. For each
    predictor that varies within the levels of a grouping factor, and has no slope there yet, the
    score of the variance of such slopes is taken: the sum over groups of ``(sum of x s)^2``, with
    x less its mean in the group and the derivative s of the row's log density at the conditional
    modes. The statistic is that of the most surprising predictor and group, in units of the
    replicates, against the most surprising one of each replicate. Effect: "added standard
    deviation", the standard deviation of the slopes, by one step, times that of x within groups; 0
    under the model.

    Parameters
    ----------
    column : str, optional
        A column of the data; each predictor of the model by default.
    group : str, optional
        A grouping factor of the model; each by default.

    References
    ----------
    Rao (1948), Math. Proc. Camb. Philos. Soc. 44, 50-57.
    Lin (1997), Variance component testing in generalised linear models with random effects,
    Biometrika 84, 309-326.
    """

    kind: ClassVar[str] = "missing-slope"
    about_rows: ClassVar[bool] = False

    column: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        for name in ("column", "group"):
            if getattr(self, name) is not None:
                require_text(name, getattr(self, name), "age")

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of all predictors and groups together."""
        scores = read_scores(context, "mean")
        if isinstance(scores, str):
            return (Skipped(self.name, self.kind, scores),)
        if not isinstance(context.model, Traceable):
            reason = "It is not known which predictors and groups the model has."
            return (Skipped(self.name, self.kind, reason),)
        rows = context.model.data_rows
        groups = _asked_groups(self.group, rows)
        if isinstance(groups, str):
            return (Skipped(self.name, self.kind, groups),)
        names = list(predictors_of(rows)) if self.column is None else [self.column]
        if self.column is not None:
            column_of(context.frame, self.column)
        slopes = _slopes_of(context)
        terms = [
            term
            for group, codes in groups.items()
            for name in names
            if (term := _term(context, name, group, codes, slopes.get(group, ()), scores))
        ]
        if not terms:
            reason = (
                "No predictor varies within the levels of a grouping factor without having a "
                "slope there."
            )
            return (Skipped(self.name, self.kind, reason),)
        null = "no effect of a predictor differs between groups more than the model says"
        return (TermStatistic(self.name, self.kind, scores, terms, null, "slopes"),)


def _asked_groups(group: str | None, rows: DataRows) -> dict[str, IntArray] | str:
    """Levels of the grouping factors in question, or why there are none."""
    if not rows.groups:
        return "The model has no grouping factor."
    if group is None:
        return dict(rows.groups)
    if group not in rows.groups:
        return f"The model has no grouping factor {group}; it has {', '.join(rows.groups)}."
    return {group: rows.groups[group]}


def _slopes_of(context: CheckContext) -> dict[str, list[FloatArray]]:
    """Matrices of the random effects in the mean, by grouping factor."""
    out: dict[str, list[FloatArray]] = {}
    if isinstance(context.model, Comparable):
        for name, (group, Z) in context.model.random_terms.items():
            if name.startswith("mean: "):
                out.setdefault(group, []).append(Z)
    return out


def _term(
    context: CheckContext,
    name: str,
    group: str,
    codes: IntArray,
    slopes: tuple[FloatArray, ...] | list[FloatArray],
    scores: RowScores,
) -> GroupTerm | None:
    """The term of a predictor in a group; None where it is constant there or has its slope."""
    columns = coded_columns(context.frame[name])
    if isinstance(columns, str):
        return None
    columns = np.nan_to_num(columns - np.nanmean(columns, axis=0))
    total = (columns**2).sum(axis=0)
    held = [_within(np.column_stack([Z]), codes) for Z in slopes]
    within = _within(columns, codes)
    for Z in held:
        within = within - Z @ np.linalg.lstsq(Z, within, rcond=None)[0]
    kept = (within**2).sum(axis=0) > WITHIN * total
    if not kept.any():
        return None
    label, subject = f"{name} | {group}", {"column": name, "group": group}
    return GroupTerm.of(label, subject, codes, within[:, kept], scores)


def _within(columns: FloatArray, codes: IntArray) -> FloatArray:
    """Columns (n, d) less their means in the groups."""
    counts = np.maximum(np.bincount(codes), 1)
    out = np.empty_like(columns)
    for target, column in zip(out.T, columns.T, strict=True):
        target[:] = column - (np.bincount(codes, weights=column) / counts)[codes]
    return out
