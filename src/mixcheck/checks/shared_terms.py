"""Terms that a model could have, of rows in parts: sums over rows, and over levels of each part.

A column z outside the model matrix, less what that holds of it, is ``z - m - X b``: m and b are
those of all rows, by normal equations and again of what they leave, so that what the matrix holds
vanishes to rounding. Then ``z's`` and what estimation takes of it are sums over parts. Of effects
of groups, whose rows are in one part, ``(sum of x s)^2`` is a sum over groups once it is known
what estimation takes, ``X's`` of all rows: that is a second round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self, TypeAlias, final

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.part_scores import SPAN_TOLERANCE, RowScores
from mixcheck.checks.score_terms import ColumnTerm, GroupTerm, TermStatistic, slopes_by_levels
from mixcheck.checks.shares import join_sums
from mixcheck.checks.statistic import CheckContext, SharedStatistic
from mixcheck.port import Checkable, DataView, Scored

__all__ = [
    "Makes",
    "Residual",
    "SharedColumns",
    "SharedGroups",
    "SharedTerms",
    "columns_of_parts",
    "groups_of_parts",
    "means_of_parts",
    "residuals_of_parts",
]

MEAN = "mean"
# Normal equations, and once more of what they leave.
_PASSES = 3

Makes: TypeAlias = Callable[[Checkable], FloatArray]
"""Columns (n, d) of the rows of the part that a model is of; it pickles."""


# ---- what columns hold beside others -----------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Residual:
    """Columns less their means and what the model matrix holds of them, made orthogonal.

    ``((z - m) / u - X b) T``: orthogonal over all rows, with mean squares of one.

    Attributes
    ----------
    makes : callable
    mean, unit : (d,)
    slopes : (p, d)
    turn : (d, r)
    """

    makes: Makes
    mean: FloatArray
    unit: FloatArray
    slopes: FloatArray
    turn: FloatArray

    @property
    def width(self) -> int:
        """Columns that are left, r."""
        return int(self.turn.shape[1])

    def columns(self, model: Checkable) -> FloatArray:
        """The columns of the rows of a part, (n, r)."""
        return self.left(model) @ self.turn

    def left(self, model: Checkable) -> FloatArray:
        """What the model matrix leaves, (n, d)."""
        centred = np.nan_to_num((self.makes(model) - self.mean) / self.unit)
        return centred - _matrix(model) @ self.slopes


def _matrix(model: Checkable) -> FloatArray:
    """Model matrix of the mean in the rows of a part."""
    X = model.project_scores().matrices.get(MEAN) if isinstance(model, Scored) else None
    return np.empty((len(model.frame), 0)) if X is None else X


def means_of_parts(context: CheckContext, every: Sequence[Makes]) -> list[FloatArray]:
    """Means of columns over all rows of all parts, (d,) of each maker."""
    told = [join_sums(one) for one in zip(*context.ask(_moments, every), strict=True)]
    return [sums / np.maximum(count, 1.0) for count, sums in told]


def residuals_of_parts(context: CheckContext, every: Sequence[Makes]) -> list[Residual]:
    """What each of some columns is beside the model matrix, over all rows of all parts."""
    found = [
        Residual(makes, mean, np.ones_like(mean), np.zeros((0, mean.size)), np.eye(mean.size))
        for makes, mean in zip(every, means_of_parts(context, every), strict=True)
    ]
    n = context.n
    spreads = [join_sums(one) for one in zip(*context.ask(_spreads, found), strict=True)]
    for k, squares in enumerate(spreads):
        unit = np.sqrt(squares / n)
        kept = np.eye(unit.size)[:, unit > 0.0]
        found[k] = replace(found[k], unit=np.where(unit > 0.0, unit, 1.0), turn=kept)
    found = _without_matrix(context, found)
    grams = [join_sums(one) for one in zip(*context.ask(_grams, found), strict=True)]
    return [_orthogonal(one, gram, n) for one, gram in zip(found, grams, strict=True)]


def _without_matrix(context: CheckContext, found: list[Residual]) -> list[Residual]:
    """With the coefficients of the model matrix."""
    square = join_sums(context.ask(_square))
    size = np.sqrt(np.maximum(square.diagonal(), 0.0))
    size = np.where(size > 0.0, size, 1.0)
    width = len(size)
    found = [replace(one, slopes=np.zeros((width, one.mean.size))) for one in found]
    for _ in range(_PASSES):
        products = [join_sums(one) for one in zip(*context.ask(_products, found), strict=True)]
        for k, product in enumerate(products):
            step = np.linalg.lstsq(square / np.outer(size, size), product / size[:, None], None)[0]
            found[k] = replace(found[k], slopes=found[k].slopes + step / size[:, None])
    return found


def _orthogonal(one: Residual, gram: FloatArray, n: int) -> Residual:
    """Turned by the eigenvectors of what is left."""
    if not one.width:
        return one
    values, vectors = np.linalg.eigh(one.turn.T @ gram @ one.turn)
    kept = values > SPAN_TOLERANCE**2 * n
    turn = vectors[:, kept] / np.sqrt(values[kept] / n)
    return replace(one, turn=one.turn @ turn[:, ::-1])


def _moments(model: Checkable, view: DataView, every: Sequence[Makes]) -> list[FloatArray]:
    """How many values there are, and their sums, (2, d) of each maker."""
    columns = [makes(model) for makes in every]
    return [np.stack([(~np.isnan(z)).sum(axis=0), np.nansum(z, axis=0)]) for z in columns]


def _spreads(model: Checkable, view: DataView, found: Sequence[Residual]) -> list[FloatArray]:
    centred = [np.nan_to_num(one.makes(model) - one.mean) for one in found]
    return [(z**2).sum(axis=0) for z in centred]


def _square(model: Checkable, view: DataView) -> FloatArray:
    X = _matrix(model)
    return X.T @ X


def _products(model: Checkable, view: DataView, found: Sequence[Residual]) -> list[FloatArray]:
    X = _matrix(model)
    return [X.T @ one.left(model) for one in found]


def _grams(model: Checkable, view: DataView, found: Sequence[Residual]) -> list[FloatArray]:
    left = [one.left(model) for one in found]
    return [z.T @ z for z in left]


# ---- terms -------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, eq=False)
class SharedColumns(ColumnTerm):
    """Columns beside the model matrix; those of no row but in a part."""

    residual: Residual

    def of_part(self, model: Checkable) -> Self:
        """With the columns of the rows of the part."""
        return replace(self, columns=self.residual.columns(model))

    def share(self, scores: FloatArray) -> FloatArray:
        """``z's``, (.., r)."""
        return _products_of_each(scores, self.columns)

    def joined(self, products: FloatArray, taken: FloatArray) -> FloatArray:
        """The scores that estimation leaves, (.., r)."""
        out: FloatArray = products - (self.slopes @ taken[..., None])[..., 0]
        return out


def columns_of_parts(
    context: CheckContext,
    scores: RowScores,
    asked: Sequence[tuple[str, Mapping[str, str], Makes]],
) -> list[SharedColumns]:
    """Terms of columns by their labels, subjects and makers; of those that the model lacks."""
    left = residuals_of_parts(context, [makes for *_, makes in asked])
    pairs = [(one, residual) for one, residual in zip(asked, left, strict=True) if residual.width]
    slopes = context.ask(_slopes_of_columns, scores, [residual for _, residual in pairs])
    return [
        SharedColumns(label, subject, np.empty((0, residual.width)), join_sums(of_term), residual)
        for ((label, subject, _), residual), of_term in zip(
            pairs, zip(*slopes, strict=True), strict=True
        )
    ]


def _slopes_of_columns(
    model: Checkable, view: DataView, scores: RowScores, every: Sequence[Residual]
) -> list[FloatArray]:
    rows = scores.of_part(model).slopes(view.response.shape[-1])
    return [one.columns(model).T @ rows for one in every]


Grouped: TypeAlias = Callable[[Checkable], tuple[IntArray, FloatArray]]
"""Codes (n,) of the groups of the rows of a part, and covariates (n, q); it pickles."""


@final
@dataclass(frozen=True, eq=False)
class SharedGroups(GroupTerm):
    """Effects of groups whose rows lie in one part each; without rows but in a part.

    Attributes
    ----------
    makes : callable
    square : float
        Mean over all rows of the sum of squares of the covariates.
    """

    makes: Grouped
    square: float

    @property
    def mean_square(self) -> float:
        """That of all rows."""
        return self.square

    def of_part(self, model: Checkable, rows: FloatArray) -> Self:
        """With the groups of a part, and what estimation takes of them by rows (n, P)."""
        codes, covariates = self.makes(model)
        slopes = np.stack([slopes_by_levels(codes, x, rows) for x in covariates.T])
        return replace(self, codes=codes, covariates=covariates, slopes=slopes)

    def share(self, scores: FloatArray, taken: FloatArray) -> FloatArray:
        """Sum over groups and covariates of ``(sum of x s)^2``, (.., 1), of scores (.., n)."""
        flat, given = scores.reshape(-1, scores.shape[-1]), taken.reshape(-1, taken.shape[-1])
        found = [self.numbers(*pair) for pair in zip(flat, given, strict=True)]
        return np.reshape(found, (*scores.shape[:-1], 1))


@dataclass(frozen=True, eq=False)
class _Generic:
    """A combination of the effects of groups: of a model that holds them all it is held too."""

    makes: Grouped

    def __call__(self, model: Checkable) -> FloatArray:
        """One column of each covariate, (n, q)."""
        codes, covariates = self.makes(model)
        out: FloatArray = np.cos(1.0 + codes)[:, None] * covariates
        return out


@dataclass(frozen=True, eq=False)
class _Some:
    """Some of the covariates."""

    makes: Grouped
    kept: list[int]

    def __call__(self, model: Checkable) -> tuple[IntArray, FloatArray]:
        """Codes, and the covariates."""
        codes, covariates = self.makes(model)
        return codes, covariates[:, self.kept]


@dataclass(frozen=True, eq=False)
class _Single:
    """One of several columns."""

    makes: Makes
    place: int

    def __call__(self, model: Checkable) -> FloatArray:
        """It alone, (n, 1)."""
        return self.makes(model)[:, [self.place]]


def groups_of_parts(
    context: CheckContext, asked: Sequence[tuple[str, Mapping[str, str], Grouped]]
) -> list[SharedGroups]:
    """Terms of effects of groups by their labels, subjects and makers; of those not held."""
    squares = context.ask(_squares, [makes for *_, makes in asked])
    totals = [join_sums(one) for one in zip(*squares, strict=True)]
    singles = [
        _Single(_Generic(makes), place)
        for (*_, makes), total in zip(asked, totals, strict=True)
        for place in range(total.size)
    ]
    left = iter(residuals_of_parts(context, singles))
    found = []
    for (label, subject, makes), total in zip(asked, totals, strict=True):
        kept = [place for place in range(total.size) if next(left).width]
        if kept:
            none, square = np.empty((0, len(kept))), float(total[kept].sum()) / context.n
            codes, slopes = np.empty(0, dtype=np.intp), np.empty((len(kept), 0, 0))
            found.append(
                SharedGroups(label, subject, codes, none, slopes, _Some(makes, kept), square)
            )
    return found


def _squares(model: Checkable, view: DataView, every: Sequence[Grouped]) -> list[FloatArray]:
    covariates = [makes(model)[1] for makes in every]
    return [(x**2).sum(axis=0) for x in covariates]


def _products_of_each(values: FloatArray, columns: FloatArray) -> FloatArray:
    flat = values.reshape(-1, values.shape[-1])
    found: FloatArray = np.stack([row @ columns for row in flat])
    return found.reshape(*values.shape[:-1], columns.shape[1])


@final
@dataclass(frozen=True, eq=False)
class SharedTerms(TermStatistic, SharedStatistic):
    """The most surprising of several terms, of rows in parts."""

    rounds: ClassVar[int] = 2
    stacks: ClassVar[bool] = True

    def of_part(self, model: Checkable) -> Self:
        """The same, with the rows of the part."""
        scores = self.scores.of_part(model)
        rows = scores.slopes(len(model.frame))
        terms = [
            term.of_part(model, rows) if isinstance(term, SharedGroups) else _columns(term, model)
            for term in self.terms
        ]
        return replace(self, scores=scores, terms=terms)

    def share(self, data_view: DataView, told: Sequence[FloatArray]) -> FloatArray:
        """``X's``, and ``z's`` of columns; then the sums of squares of groups."""
        scores = self.scores.of(data_view)
        if not told:
            taken = self.scores.taken(data_view)
            products = [
                term.share(scores) for term in self.terms if isinstance(term, SharedColumns)
            ]
            return np.concatenate([taken, *products], axis=-1)
        taken = told[0][..., : self._width(told[0])]
        squares = [
            term.share(scores, np.broadcast_to(taken, (*scores.shape[:-1], taken.shape[-1])))
            for term in self.terms
            if isinstance(term, SharedGroups)
        ]
        return np.concatenate([np.empty((*scores.shape[:-1], 0)), *squares], axis=-1)

    def _width(self, total: FloatArray) -> int:
        """Numbers of ``X's`` among those of the first round."""
        columns = sum(term.count for term in self.terms if isinstance(term, SharedColumns))
        return int(total.shape[-1] - columns)

    def join(self, shares: Sequence[FloatArray], told: Sequence[FloatArray]) -> FloatArray:
        """The numbers of all terms, one after another, once both rounds are told."""
        total = join_sums(shares)
        if not told:
            return total
        first, squares = told[0], iter(np.split(total, max(total.shape[-1], 1), axis=-1))
        taken, place = first[..., : self._width(first)], self._width(first)
        found = []
        for term in self.terms:
            if isinstance(term, SharedGroups):
                found.append(next(squares))
                continue
            assert isinstance(term, SharedColumns)
            found.append(term.joined(first[..., place : place + term.count], taken))
            place += term.count
        return np.concatenate(found, axis=-1)


def _columns(term: object, model: Checkable) -> SharedColumns:
    assert isinstance(term, SharedColumns)
    return term.of_part(model)
