"""Whether the effect of a predictor differs between groups more than the model says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arguments.options import require_text
from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.checks.check import Check
from mixcheck.checks.coding import Coded, Coding, ask_codings, coded_columns
from mixcheck.checks.columns import predictors_of
from mixcheck.checks.part_scores import RowScores, read_scores, scores_of_parts
from mixcheck.checks.score_terms import GroupTerm, ScoreTerm, TermStatistic
from mixcheck.checks.shared_terms import SharedTerms, groups_of_parts, means_of_parts
from mixcheck.checks.shares import join_sums
from mixcheck.checks.statistic import CheckContext, Outcome, column_of
from mixcheck.port import Checkable, Comparable, DataRows, DataView, Traceable
from mixcheck.report.finding import Skipped

__all__ = ["MissingSlope"]

# A predictor whose sum of squares within groups is less than this share is constant in them.
WITHIN = 1e-8
_PASSES = 2


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
    shared: ClassVar[bool] = True
    about_rows: ClassVar[bool] = False

    column: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        for name in ("column", "group"):
            if getattr(self, name) is not None:
                require_text(name, getattr(self, name), "age")

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of all predictors and groups together."""
        if context.in_parts:
            return (self._of_parts(context),)
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
        slopes = _slopes_of(context.model)
        terms = [
            term
            for group, codes in groups.items()
            for name in names
            if (term := _term(context, name, group, codes, slopes[group], scores))
        ]
        return (self._statistic(TermStatistic, scores, terms),)

    def _of_parts(self, context: CheckContext) -> Outcome:
        """The same of rows in parts, where each group has its rows in one of them."""
        scores, codings = scores_of_parts(context), ask_codings(context, self.column)
        for why in (scores, codings):
            if isinstance(why, str):
                return Skipped(self.name, self.kind, why)
        assert isinstance(scores, RowScores)
        assert isinstance(codings, dict)
        groups = context.ask(_groups_of, self.group)[0]
        if isinstance(groups, str):
            return Skipped(self.name, self.kind, groups)
        pairs = [(name, group) for group in groups for name in codings]
        within = _slopes_beside(context, [(codings[name], group) for name, group in pairs])
        asked = [
            (f"{name} | {group}", {"column": name, "group": group}, one)
            for (name, group), one in zip(pairs, within, strict=True)
            if one is not None
        ]
        return self._statistic(SharedTerms, scores, groups_of_parts(context, asked))

    def _statistic(
        self, made: type[TermStatistic], scores: RowScores, terms: Sequence[ScoreTerm]
    ) -> Outcome:
        if not terms:
            reason = (
                "No predictor varies within the levels of a grouping factor without having a "
                "slope there."
            )
            return Skipped(self.name, self.kind, reason)
        null = "no effect of a predictor differs between groups more than the model says"
        return made(self.name, self.kind, scores, terms, null, "slopes")


@dataclass(frozen=True, eq=False)
class _Slope:
    """What a predictor holds within groups beside their slopes, in the rows of a part.

    Attributes
    ----------
    coding : Coding
    group : str
    mean : (d,)
        Of its columns in all rows.
    held : (w, d)
        Coefficients of the slopes that the model has in these groups.
    kept : (d,) bool
    """

    coding: Coding
    group: str
    mean: FloatArray
    held: FloatArray
    kept: BoolArray

    def __call__(self, model: Checkable) -> tuple[IntArray, FloatArray]:
        """Codes of the groups, and columns (n, q)."""
        codes, _, _, left = self.parts(model)
        return codes, left[:, self.kept]

    def parts(self, model: Checkable) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
        """Codes, columns, slopes within the groups, and what these leave of the columns there."""
        assert isinstance(model, Traceable)
        codes = model.data_rows.groups[self.group]
        columns = np.nan_to_num(self.coding.columns(model.frame[self.coding.name]) - self.mean)
        slopes = [_within(np.column_stack([Z]), codes) for Z in _slopes_of(model)[self.group]]
        within = np.column_stack(slopes) if slopes else np.empty((codes.size, 0))
        left = _within(columns, codes)
        return codes, columns, within, left - within @ self.held if self.held.size else left


def _slopes_beside(
    context: CheckContext, asked: Sequence[tuple[Coding, str]]
) -> list[_Slope | None]:
    """What predictors vary within groups of rows in parts; None where they do not."""
    means = means_of_parts(context, [Coded(coding) for coding, _ in asked])
    slopes = [
        _Slope(coding, group, mean, np.empty((0, 0)), np.ones(mean.size, dtype=np.bool_))
        for (coding, group), mean in zip(asked, means, strict=True)
    ]
    found: list[_Slope | None] = []
    # By normal equations, and again of what they leave.
    for _ in range(_PASSES):
        told = zip(*context.ask(_sums_within, slopes), strict=True)
        sums = [[join_sums(part) for part in zip(*one, strict=True)] for one in told]
        for k, (square, product, _, _) in enumerate(sums):
            held = np.asarray(np.linalg.lstsq(square, product, rcond=None)[0], dtype=np.float64)
            before = slopes[k].held
            slopes[k] = replace(slopes[k], held=before + held if before.size else held)
    told = zip(*context.ask(_sums_within, slopes), strict=True)
    for slope, one in zip(slopes, told, strict=True):
        _, _, total, left = (join_sums(part) for part in zip(*one, strict=True))
        kept = left > WITHIN * total
        found.append(replace(slope, kept=kept) if kept.any() else None)
    return found


def _sums_within(
    model: Checkable, view: DataView, slopes: Sequence[_Slope]
) -> list[tuple[FloatArray, FloatArray, FloatArray, FloatArray]]:
    """``W'W`` and ``W'r`` of slopes W and what they leave r; squares of columns, and of r."""
    out = []
    for slope in slopes:
        _, columns, within, left = slope.parts(model)
        squares = (columns**2).sum(axis=0), (left**2).sum(axis=0)
        out.append((within.T @ within, within.T @ left, *squares))
    return out


def _groups_of(model: Checkable, view: DataView, group: str | None) -> tuple[str, ...] | str:
    """Names of the grouping factors in question, or why there are none."""
    if not isinstance(model, Traceable):
        return "It is not known which predictors and groups the model has."
    found = _asked_groups(group, model.data_rows)
    return found if isinstance(found, str) else tuple(found)


def _asked_groups(group: str | None, rows: DataRows) -> dict[str, IntArray] | str:
    """Levels of the grouping factors in question, or why there are none."""
    if not rows.groups:
        return "The model has no grouping factor."
    if group is None:
        return dict(rows.groups)
    if group not in rows.groups:
        return f"The model has no grouping factor {group}; it has {', '.join(rows.groups)}."
    return {group: rows.groups[group]}


def _slopes_of(model: Checkable) -> defaultdict[str, list[FloatArray]]:
    """Matrices of the random effects in the mean, by grouping factor."""
    out: defaultdict[str, list[FloatArray]] = defaultdict(list)
    if isinstance(model, Comparable):
        for name, (group, Z) in model.random_terms.items():
            if name.startswith("mean: "):
                out[group].append(Z)
    return out


def _term(
    context: CheckContext,
    name: str,
    group: str,
    codes: IntArray,
    slopes: Sequence[FloatArray],
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
