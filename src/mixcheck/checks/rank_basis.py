"""Smooth functions of the ranks of a predictor: what a curve of residuals is made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from weakref import ref

import numpy as np
from numpy.polynomial import legendre

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.trial_values import binary_exponents

__all__ = ["CURVE_RANKS", "RankBasis", "scaled_ranks"]

DEGREES = 4
# Relative differences of a predictor below this are rounding, not information.
ROUNDING = 1e-12
# The fitted values that were followed last, and their basis.
_LATEST: dict[str, tuple[ref[FloatArray], RankBasis]] = {}
# The predictor whose ranks were followed last, and its ranking.
_LATEST_RANKING: dict[str, tuple[ref[FloatArray], _Ranking]] = {}
# Bits of a whole number in units of rounding, and of a 64-bit integer without its sign.
_DIGIT_BITS, _ALL_BITS = 41, 63
# As many values, evenly over the ranks, most often show already that ranks are others.
_LOOKED_AT = 256
# Steps of so many roundings are steps when they are rounded, whatever the unit of that.
_CLEARLY = 4.0
# Columns that add less than this, per row, to those before them are dropped.
RANK_TOLERANCE = 1e-5
# Ranks between which the fitted curve is read for its effect size: beyond them a polynomial
# rests on few rows.
CURVE_RANKS = np.linspace(-0.9, 0.9, 37)


@dataclass(frozen=True, eq=False)
class RankBasis:
    """Orthonormal functions of the ranks of a predictor, or of many.

    Attributes
    ----------
    rows : (.., n, d) array
        Their values in the rows: centred, with ``rows' rows = I``.
    curve : (.., g, d) array
        Their values along the curve from which the effect size is read.
    """

    rows: FloatArray
    curve: FloatArray

    @classmethod
    def of(cls, x: FloatArray) -> RankBasis | None:
        """The basis of a predictor (n,), or None if it is constant."""
        every = cls.of_each(x)
        kept = every.rows.any(axis=0)
        return cls(every.rows[:, kept], every.curve[:, kept]) if kept.any() else None

    @classmethod
    def of_each(cls, x: FloatArray) -> RankBasis:
        """The bases of predictors (.., n): four functions each, of which those not there are zero.

        There are as many as distinct values less one; less those that add nothing.
        """
        flat = x.reshape(-1, x.shape[-1])
        digits, constant = _digits(flat)
        order, ordered = _ascending(digits)
        # Column by column in memory: sums over the rows read one column at a time.
        rows = np.zeros((len(flat), DEGREES, flat.shape[1])).transpose(0, 2, 1)
        curve = np.zeros((len(flat), CURVE_RANKS.size, DEGREES))
        tied = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
        for k in np.flatnonzero(~tied & ~constant).tolist():
            # Ranks without ties are the same numbers in whatever order.
            known = _untied(x.shape[-1])
            rows[k, order[k]], curve[k] = known.rows, known.curve
        left = np.flatnonzero(tied & ~constant)
        ranks, distinct = _mean_ranks(order[left], ordered[left])
        degrees = np.minimum(DEGREES, distinct - 1)
        for degree in np.unique(degrees).tolist():
            some = degrees == degree
            chosen = left[some]
            rows[chosen], curve[chosen] = _orthonormalise(ranks[some], degree)
        before = x.shape[:-1]
        return cls(rows.reshape(*x.shape, DEGREES), curve.reshape(*before, *curve.shape[1:]))

    def following(self, x: FloatArray, fitted: FloatArray | None) -> RankBasis:
        """The bases of fitted values (.., n); this one, of x, where all are x, or there are none.

        Only refits move the fitted values, and only then is a basis made again: once for all
        that ask with the same array.
        """
        if fitted is None or bool((fitted == x).all()) or self._rank_of(x).is_of(fitted):
            return self
        latest = _LATEST.get("followed")
        if latest is None or latest[0]() is not fitted:
            latest = ref(fitted), self.of_each(fitted)
            _LATEST["followed"] = latest
        return latest[1]

    def _rank_of(self, x: FloatArray) -> _Ranking:
        """The ranking of a predictor, kept for the one that was asked for last."""
        known = _LATEST_RANKING.get("followed")
        if known is None or known[0]() is not x:
            known = ref(x), _Ranking.of(x)
            _LATEST_RANKING["followed"] = known
        return known[1]

    def regress(self, values: FloatArray) -> FloatArray:
        """Coefficients (.., d) of values (.., n)."""
        # Sums in the order of the rows, whatever stands beside: products of matrices are not.
        columns = [(values * self.rows[..., k]).sum(axis=-1) for k in range(self.rows.shape[-1])]
        return np.stack(columns, axis=-1)

    def read(self, coefficients: FloatArray) -> FloatArray:
        """The curves (.., g) of coefficients (.., d)."""
        curves: FloatArray = (self.curve * coefficients[..., None, :]).sum(axis=-1)
        return curves


@dataclass(frozen=True, eq=False)
class _Ranking:
    """Which of a predictor's values are larger than others, and which are the same.

    Attributes
    ----------
    order : (n,)
        Positions in ascending order.
    rises : (n - 1,)
        Where the next value is larger.
    """

    order: IntArray
    rises: BoolArray

    @classmethod
    def of(cls, x: FloatArray) -> _Ranking:
        """That of a predictor (n,)."""
        order, ordered = (part[0] for part in _ascending(_digits(x[None])[0]))
        return cls(order, ordered[1:] > ordered[:-1])

    def is_of(self, x: FloatArray) -> bool:
        """Whether all of the predictors (.., n) have this ranking: no sorting tells."""
        step = max(1, self.order.size // _LOOKED_AT)
        for one in x.reshape(-1, x.shape[-1]):
            if self._rises_clearly(one):
                continue
            digits, constant = _digits(one[None])
            some = digits[0][self.order[::step]]
            if constant[0] or (some[1:] < some[:-1]).any():
                return False
            ordered = digits[0][self.order]
            after, before = ordered[1:], ordered[:-1]
            if not np.array_equal(after > before, self.rises) or (after < before).any():
                return False
        return True

    def _rises_clearly(self, x: FloatArray) -> bool:
        """Whether values (n,) rise by more than their rounding wherever the ranking does.

        That is sooner seen than how they are rounded, and most often enough.
        """
        if not self.rises.all():
            return False
        ordered = np.take(x, self.order)
        size = max(abs(float(ordered[0])), abs(float(ordered[-1])))
        least = float(np.subtract(ordered[1:], ordered[:-1]).min(initial=np.inf))
        return _CLEARLY * ROUNDING * size < least < np.inf


@lru_cache(maxsize=2)
def _untied(n: int) -> RankBasis:
    """The basis of n different numbers in ascending order."""
    ranks = (2.0 * np.arange(n) + 1.0) / n - 1.0
    (rows,), (curve,) = _orthonormalise(ranks[None], min(DEGREES, n - 1))
    return RankBasis(rows, curve)


def _orthonormalise(ranks: FloatArray, degree: int) -> tuple[FloatArray, FloatArray]:
    """Rows (N, n, 4) and curves (N, g, 4) of the polynomials in ranks (N, n), up to a degree."""
    raw: FloatArray = np.asarray(legendre.legvander(ranks, degree), dtype=np.float64)[..., 1:]
    centre = raw.mean(axis=1, keepdims=True)
    raw -= centre
    # Column by column, so that it moves continuously where fitted values do, signs included.
    upper = _triangles(raw)
    kept = np.abs(_diagonals(upper)) > RANK_TOLERANCE * np.sqrt(ranks.shape[1])
    whiten = np.zeros((len(ranks), degree, DEGREES))
    for pattern in np.unique(kept, axis=0):
        chosen, columns = np.flatnonzero((kept == pattern).all(axis=1)), np.flatnonzero(pattern)
        root = upper[chosen]
        if not pattern.all():
            root = _triangles(raw[chosen][..., columns])
        root = root * np.sign(_diagonals(root))[..., None]
        whiten[np.ix_(chosen, columns, np.arange(columns.size))] = np.linalg.inv(root)
    points = np.clip(CURVE_RANKS, ranks.min(axis=1)[:, None], ranks.max(axis=1)[:, None])
    curve: FloatArray = legendre.legvander(points, degree)[..., 1:] - centre
    return raw @ whiten, curve @ whiten


def _triangles(matrices: FloatArray) -> FloatArray:
    """R of the QR decomposition of each matrix (N, n, d), (N, d, d)."""
    triangles: FloatArray = np.asarray(np.linalg.qr(matrices, mode="r"))
    return triangles


def _diagonals(matrices: FloatArray) -> FloatArray:
    diagonals: FloatArray = np.diagonal(matrices, axis1=-2, axis2=-1)
    return diagonals


def scaled_ranks(x: FloatArray) -> tuple[FloatArray, int]:
    """Mean ranks of a vector (n,), scaled to (-1, 1), and how many distinct values it has."""
    ranks, distinct = _rank_each(x[None])
    return ranks[0], int(distinct[0])


def _rank_each(x: FloatArray) -> tuple[FloatArray, IntArray]:
    """The same of each of many vectors (N, n): (N, n) and (N,)."""
    digits, constant = _digits(x)
    ranks, distinct = _mean_ranks(*_ascending(digits))
    ranks[constant] = 0.0
    return ranks, np.where(constant, 1, distinct)


def _ascending(digits: FloatArray) -> tuple[IntArray, FloatArray]:
    """Positions of whole numbers (N, n) in ascending order, equal ones in theirs; and the numbers.

    Each number is sorted with its position behind it as one integer, where there is room for both:
    integers are sorted in less than half the time that it takes to sort positions.
    """
    n = digits.shape[1]
    bits = max(1, (n - 1).bit_length())
    if _DIGIT_BITS + bits > _ALL_BITS:
        order = np.argsort(digits, axis=1, kind="stable")
        return order, np.take_along_axis(digits, order, axis=1)
    keys = digits.astype(np.int64) << bits
    keys |= np.arange(n)
    keys.sort(axis=1)
    order = keys & ((1 << bits) - 1)
    keys >>= bits
    return order, keys.astype(np.float64)


def _mean_ranks(order: IntArray, ordered: FloatArray) -> tuple[FloatArray, IntArray]:
    """Mean ranks (N, n), scaled to (-1, 1), and how many distinct values there are, (N,)."""
    rises = ordered[:, 1:] != ordered[:, :-1]
    places, n = np.arange(order.shape[1]), order.shape[1]
    first, last = np.zeros(order.shape, dtype=np.intp), np.full(order.shape, n - 1)
    first[:, 1:] = np.maximum.accumulate(np.where(rises, places[1:], 0), axis=1)
    ends = np.where(rises, places[:-1], n - 1)[:, ::-1]
    last[:, :-1] = np.minimum.accumulate(ends, axis=1)[:, ::-1]
    ranks = np.empty(order.shape)
    np.put_along_axis(ranks, order, 2.0 * (0.5 * (first + last + 1)) / n - 1.0, axis=1)
    return ranks, rises.sum(axis=1) + 1


def _digits(x: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Vectors (N, n) in units of their rounding, and which of them are constant (N,)."""
    # In units of a power of two, so that a rounding of numbers near zero does not underflow.
    x = np.ldexp(x, -binary_exponents(x, axis=1)[:, None])
    sizes = np.abs(x).max(axis=1)
    constant = (sizes == 0.0) | (np.ptp(x, axis=1) <= ROUNDING * sizes)
    units = np.where(constant, 1.0, ROUNDING * sizes)
    return np.rint(x / units[:, None]), constant
