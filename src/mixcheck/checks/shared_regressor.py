"""What residuals of rows in parts are regressed on: sums that give the coefficients of all rows.

No place sees the ranks of all rows. Each part tells how often its values of a predictor occur,
many of them gathered into knots; the mean ranks at the knots of all parts, joined by straight
lines, stand for the ranks. They are the ranks themselves where there are few distinct values, and
within ``1 / _KNOTS`` of them otherwise. A data set whose fitted values have moved is read on the
same lines.

With p the polynomials in these ranks, the sums of ``p``, ``p p'``, y and ``p y`` over all rows give
the coefficients of y on the centred and orthonormal p, ``R'^-1 (sum p y - n m_p m_y)``, where
``R'R = sum p p' - n m_p m_p'``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, final
from weakref import ref

import numpy as np
import pandas as pd
from numpy.polynomial import legendre

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.against import (
    Against,
    is_number,
    known_rows,
    numbers_of,
    remark_on_codes,
)
from mixcheck.checks.rank_basis import CURVE_RANKS, DEGREES, RANK_TOLERANCE, ROUNDING, RankBasis
from mixcheck.checks.regressor import FITTED, FactorLevels, RankCurve, Regressor
from mixcheck.checks.statistic import (
    CheckContext,
    NullSample,
    SharedStatistic,
    column_of,
    left_out,
)
from mixcheck.port import Checkable, DataView
from mixcheck.report.finding import Skipped

__all__ = ["AlongShared", "SharedRegressor", "ask_parts_against"]

# Knots that a part tells of, and that are kept of all parts.
_KNOTS = 4096
# The numbers that were followed last, along which curve, and its polynomials.
_LATEST: dict[str, tuple[ref[FloatArray], SharedCurve, FloatArray]] = {}


@dataclass(frozen=True, eq=False)
class SharedRegressor(ABC):
    """Fitted values, or a column, of rows in parts.

    Attributes
    ----------
    against : str
        The word "fitted", or the name of the column.
    rows : int
        Rows of all parts where it is known.
    """

    against: str
    rows: int

    @property
    @abstractmethod
    def regressor(self) -> Regressor:
        """What it is where all rows are in one place, without its rows: for words and pictures."""

    @abstractmethod
    def of_part(self, model: Checkable) -> Self:
        """The same, with the values of the rows of a part."""

    @abstractmethod
    def share(self, values: Sequence[FloatArray], data_view: DataView) -> FloatArray:
        """Sums over the rows of a part, (.., s), that `regress` needs of values (.., n)."""

    @abstractmethod
    def regress(self, total: FloatArray) -> tuple[list[FloatArray], FloatArray, list[FloatArray]]:
        """What sums over all parts (.., s) say.

        Returns
        -------
        coefficients : list of (.., d)
            Of each of the values, centred.
        fits : (.., g, d)
            By which coefficients are multiplied to be read, see `Regression`.
        means : list of (..,)
            Of the values.
        """


@final
@dataclass(frozen=True, eq=False)
class SharedCurve(SharedRegressor):
    """A number: its mean ranks at knots, and how many polynomials there are.

    Attributes
    ----------
    knots, ranks : (k,)
        Values in ascending order, and their mean ranks, scaled to (-1, 1).
    degree : int
    x : (n,) or None
        Values of a column in the rows of a part, NaN where it is not known; None of fitted values.
    """

    knots: FloatArray
    ranks: FloatArray
    degree: int
    x: FloatArray | None = None

    @property
    def regressor(self) -> RankCurve:
        """A curve in ranks."""
        none = RankBasis(np.empty((0, self.degree)), np.empty((CURVE_RANKS.size, self.degree)))
        return RankCurve(self.against, np.empty(0), none, follows=self.against == FITTED)

    def of_part(self, model: Checkable) -> Self:
        """With the numbers of its column."""
        if self.against == FITTED:
            return self
        return replace(self, x=_numbers_of(model.frame[self.against]))

    def share(self, values: Sequence[FloatArray], data_view: DataView) -> FloatArray:
        """``n``, sums of ``p`` and ``p p'``, and of y and ``p y`` for each of the values y."""
        x = data_view.fitted if self.x is None else self.x
        known = None if self.x is None else np.isfinite(self.x)
        if known is not None:
            x, values = x[known], [one[..., known] for one in values]
        p = self._polynomials(x)
        n: FloatArray = np.full(values[0].shape[:-1], float(x.shape[-1]))
        upper = np.triu_indices(self.degree)
        columns: list[FloatArray] = [p[..., k] for k in range(self.degree)]
        products = [columns[j] * columns[k] for j, k in zip(*upper, strict=True)]
        sums: list[FloatArray] = [n]
        sums += [np.broadcast_to(one.sum(axis=-1), n.shape) for one in (*columns, *products)]
        for one in values:
            sums += [one.sum(axis=-1), *((one * column).sum(axis=-1) for column in columns)]
        return np.stack(sums, axis=-1)

    def _polynomials(self, x: FloatArray) -> FloatArray:
        """Values (.., n, d); once for all that ask along the same numbers."""
        latest = _LATEST.get("followed")
        if latest is not None and latest[0]() is x and np.array_equal(latest[1].knots, self.knots):
            return latest[2]
        ranks = np.interp(x, self.knots, self.ranks)
        found = np.asarray(legendre.legvander(ranks, self.degree), dtype=np.float64)[..., 1:]
        _LATEST["followed"] = ref(x), self, found
        return found

    def regress(self, total: FloatArray) -> tuple[list[FloatArray], FloatArray, list[FloatArray]]:
        """``R'^-1 (sum p y - n m_p m_y)``."""
        d = self.degree
        n, sums = total[..., :1], total[..., 1 : 1 + d]
        squares, rest = np.split(total[..., 1 + d :], [d * (d + 1) // 2], axis=-1)
        centre = sums / n
        gram = np.empty((*n.shape[:-1], d, d))
        j, k = np.triu_indices(d)
        gram[..., j, k] = gram[..., k, j] = squares - n * centre[..., j] * centre[..., k]
        whiten = _whiten(gram, n[..., 0])
        coefficients, means = [], []
        for one in np.split(rest, rest.shape[-1] // (1 + d), axis=-1):
            mean = one[..., 0] / n[..., 0]
            left = one[..., 1:] - sums * mean[..., None]
            coefficients.append((whiten * left[..., None]).sum(axis=-2))
            means.append(mean)
        points = np.clip(CURVE_RANKS, self.ranks[0], self.ranks[-1])
        curve = legendre.legvander(points, d)[..., 1:] - centre[..., None, :]
        return coefficients, curve @ whiten, means


def _whiten(gram: FloatArray, n: FloatArray) -> FloatArray:
    """``R^-1`` of matrices ``R'R`` (.., d, d) of n rows; zero columns where p adds nothing.

    Column after column, as Gram and Schmidt do: what is left of one below the rounding of ranks
    is left out, and takes nothing from those after it.
    """
    d = gram.shape[-1]
    out = np.zeros_like(gram)
    for k in range(d):
        column = np.zeros(gram.shape[:-1])
        column[..., k] = 1.0
        # Twice, as the first pass leaves rounding where columns are alike.
        for _ in range(2):
            along = (out * (gram @ column[..., None])).sum(axis=-2)
            column = column - (out @ along[..., None])[..., 0]
        length = np.sqrt(np.maximum((column * (gram @ column[..., None])[..., 0]).sum(axis=-1), 0))
        kept = length > RANK_TOLERANCE * np.sqrt(n)
        out[..., k] = np.where(
            kept[..., None], column / np.where(kept, length, 1.0)[..., None], 0.0
        )
    return out


@final
@dataclass(frozen=True, eq=False)
class SharedLevels(SharedRegressor):
    """A factor: its levels in all parts, and how many rows each has.

    Attributes
    ----------
    levels : tuple
        As they are in the data, in the order of their categories, or sorted.
    counts : (k,)
    codes : (n,) or None
        Of the rows of a part; -1 where it is not known.
    """

    levels: tuple[object, ...]
    counts: IntArray
    codes: IntArray | None = None

    @property
    def regressor(self) -> FactorLevels:
        """Levels, without their rows."""
        return FactorLevels(self.against, np.empty(0, np.intp), tuple(map(str, self.levels)))

    def of_part(self, model: Checkable) -> Self:
        """With the codes of its column."""
        column = model.frame[self.against].astype(object)
        return replace(
            self, codes=pd.Index(self.levels, dtype=object).get_indexer(pd.Index(column))
        )

    def share(self, values: Sequence[FloatArray], data_view: DataView) -> FloatArray:
        """Sums of each level, for each of the values."""
        assert self.codes is not None
        known = self.codes >= 0
        codes, points = self.codes[known], self.counts.size
        out = []
        for one in values:
            flat = one[..., known].reshape(-1, codes.size)
            cells = codes + points * np.arange(len(flat))[:, None]
            sums = np.bincount(cells.ravel(), flat.ravel(), minlength=len(flat) * points)
            out.append(sums.reshape(*one.shape[:-1], points))
        return np.concatenate(out, axis=-1)

    def regress(self, total: FloatArray) -> tuple[list[FloatArray], FloatArray, list[FloatArray]]:
        """``(sum_k y - n_k m_y) / sqrt(n_k)`` of levels k."""
        root = np.sqrt(self.counts)
        coefficients, means = [], []
        for sums in np.split(total, total.shape[-1] // self.counts.size, axis=-1):
            mean = sums.sum(axis=-1) / self.rows
            coefficients.append((sums - self.counts * mean[..., None]) / root)
            means.append(mean)
        return coefficients, np.diag(1.0 / root), means


@dataclass(frozen=True, eq=False)
class AlongShared(SharedStatistic):
    """A statistic of rows in parts along a predictor: lines between knots of its ranks, or levels.

    Attributes
    ----------
    shared : SharedRegressor
    """

    shared: SharedRegressor

    def of_part(self, model: Checkable) -> Self:
        """The same, with the values of the rows of the part."""
        return replace(self, shared=self.shared.of_part(model))

    def rows_of(self, sample: NullSample) -> int:
        """Rows where the predictor is known."""
        return self.shared.rows


# ---- what the parts say of a predictor ---------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Numbers:
    """Distinct values, or knots, in ascending order, and how many rows each stands for."""

    numbers: FloatArray
    counts: IntArray
    whole: bool = False


@dataclass(frozen=True, eq=False)
class _Levels:
    """Levels, and how many rows each has; of categories all, in their order."""

    labels: pd.Series[Any]
    counts: IntArray
    categories: tuple[object, ...] = ()


def ask_parts_against(
    check: Against, context: CheckContext, *, factor: bool = False
) -> tuple[SharedRegressor, str] | Skipped:
    """The predictor of all parts with what is to be said of it, or why nothing can be asked."""
    told = context.ask(_tell, check.against, factor)
    found = _join(check.against, told)
    if isinstance(found, str):
        return Skipped(check.name, check.kind, found)
    remark = left_out(context.n - found.rows, check.against)
    if isinstance(found, SharedCurve) and all(getattr(one, "whole", True) for one in told):
        codes = remark_on_codes(check.against, found.knots.size, context.n)
        remark = f"{remark} {codes}".strip() if found.knots.size < _KNOTS else remark
    return found, remark


def _tell(model: Checkable, view: DataView, against: str, factor: bool) -> _Numbers | _Levels:
    """How often the values of a predictor occur in the rows of a part."""
    if against == FITTED:
        return _gather(view.fitted, whole=False)
    column = column_of(model.frame, against)
    if not factor and (is_number(column) or column.dtype.kind == "M"):
        x = _numbers_of(column)
        return _gather(x[np.isfinite(x)], whole=pd.api.types.is_integer_dtype(column.dtype))
    counts = column[known_rows(column)].astype(object).value_counts()
    labels = pd.Series(counts.index, dtype=object)
    categories: tuple[object, ...] = ()
    if isinstance(column.dtype, pd.CategoricalDtype) and not factor:
        categories = tuple(column.dtype.categories)
    return _Levels(labels, np.asarray(counts, dtype=np.intp), categories)


def _numbers_of(column: pd.Series[Any]) -> FloatArray:
    """Its numbers, (n,), dates as such too; NaN where it is not known."""
    if column.dtype.kind != "M":
        return numbers_of(column)
    # Parts may keep dates in other units.
    whole = column.dt.as_unit("us").astype("int64").to_numpy(dtype=np.float64)
    return np.where(known_rows(column), whole, np.nan)


def _gather(x: FloatArray, *, whole: bool) -> _Numbers:
    """Distinct values, or the means of blocks of values where these are many."""
    values, counts = np.unique(x, return_counts=True)
    if values.size <= _KNOTS:
        return _Numbers(values, counts, whole)
    return _Numbers(*_thin(values, counts), whole)


def _thin(values: FloatArray, counts: IntArray) -> tuple[FloatArray, IntArray]:
    """As many knots as are kept, each in the middle of as many rows."""
    ends = np.cumsum(counts)
    block = ((ends - 0.5 * counts) * (_KNOTS / ends[-1])).astype(np.intp)
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    total = np.add.reduceat(counts, starts)
    return np.add.reduceat(values * counts, starts) / total, total


def _join(against: str, told: Sequence[_Numbers | _Levels]) -> SharedRegressor | str:
    """The predictor of all parts by what each tells, or why nothing can be asked of it."""
    told = [one for one in told if one.counts.size] or list(told[:1])
    numbers = [one for one in told if isinstance(one, _Numbers)]
    levels = [one for one in told if isinstance(one, _Levels)]
    if numbers and levels:
        return f"The column {against} is numbers in some partitions, and levels in others."
    if not told[0].counts.size:
        return f"No row has a value of {against}."
    return _join_numbers(against, numbers) if numbers else _join_levels(against, levels)


def _join_numbers(against: str, told: Sequence[_Numbers]) -> SharedCurve | str:
    values = np.concatenate([one.numbers for one in told])
    counts = np.concatenate([one.counts for one in told])
    size = float(np.abs(values).max())
    if size == 0.0 or np.ptp(values) <= ROUNDING * size:
        what = "fitted values are" if against == FITTED else f"predictor {against} is"
        return f"The {what} the same in every row."
    # Values that rounding alone sets apart are one.
    digits, place = np.unique(np.rint(values / (ROUNDING * size)), return_inverse=True)
    counts = np.bincount(place, weights=counts).astype(np.intp)
    knots = digits * (ROUNDING * size)
    distinct = knots.size
    if distinct > _KNOTS:
        knots, counts = _thin(knots, counts)
    rows = int(counts.sum())
    ranks = (2.0 * np.cumsum(counts) - counts) / rows - 1.0
    return SharedCurve(against, rows, knots, ranks, min(DEGREES, distinct - 1))


def _join_levels(against: str, told: Sequence[_Levels]) -> SharedLevels | str:
    values = pd.concat([one.labels for one in told], ignore_index=True)
    orders = {one.categories for one in told}
    if len(orders) == 1 and orders != {()}:
        known = set(values)
        levels = pd.Index([one for one in orders.pop() if one in known], dtype=object)
        codes = levels.get_indexer(pd.Index(values))
    else:
        codes, levels = pd.factorize(values, sort=True)
    weights = np.concatenate([one.counts for one in told])
    counts = np.bincount(codes, weights=weights).astype(np.intp)
    rows = int(counts.sum())
    if not 1 < counts.size < rows:
        what = "only one level" if counts.size < 2 else "a level for each row"
        return f"The factor {against} has {what}."
    return SharedLevels(against, rows, tuple(levels), counts)
