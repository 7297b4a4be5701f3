"""Lambda of a linear mixed model as triangular factors, with pivots where one is near zero.

A lower-triangular Lambda with ``S = Lambda Lambda'`` is unique where S is positive definite. Where
S is singular a pivoted Cholesky factor keeps the deviance smooth (Higham 2002, section 10.3).

References
----------
Higham (2002), Accuracy and Stability of Numerical Algorithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.design.covariances import Covariance
from mixcheck.fitting.likelihood.profiled_deviance import Entries
from mixcheck.fitting.likelihood.term import Term

__all__ = [
    "Chart",
    "above_diagonal",
    "diagonal_matrix",
    "entries_of",
    "is_correlated",
    "positive_root",
    "to_lower",
]

# A pivot of Lambda is this share of the largest one possible, at least.
_PIVOT = 0.1


@dataclass(frozen=True, eq=False)
class Chart:
    """Parameters for covariance matrices, chosen where they are needed.

    Where the first variance of a correlated term is zero, a lower-triangular Lambda has a
    circle of equal covariances, on which a search stalls. With the rows in the order of a
    pivoted Cholesky factor what goes to zero is the end of the diagonal, and the deviance is
    smooth there.
    """

    terms: tuple[Term, ...]

    def at(self, roots: list[FloatArray]) -> tuple[Entries, FloatArray]:
        """Entries, and theta with the covariances of any `roots`.

        Of a correlated term theta is L with ``P' S P = L L'``, where ``S = Lambda Lambda'`` and
        P brings its rows into the order of the pivots; where their own order is as good, they
        keep it.
        """
        if not any(root[above_diagonal(len(root))].any() for root in roots):
            plain = self.plain
            kept = plain.read(roots)
            if self.fits(kept):
                return plain, kept
        factors, rows, columns, theta = [], [], [], []
        for term in self.terms:
            before, root = term.columns.start, roots[term.factor][term.columns, term.columns]
            order, triangle = list(range(len(root))), root
            if is_correlated(term):
                pivots, triangle = _pivoted(root @ root.T)
                order = pivots.tolist()
            down, along = entries_of(term)
            factors += [term.factor] * len(down)
            rows += [before + order[row] for row in down.tolist()]
            columns += [before + column for column in along.tolist()]
            theta += triangle[down, along].tolist()
        places = (np.array(part, dtype=np.intp) for part in (factors, rows, columns))
        return Entries(*places), np.array(theta)

    def free_of_one(self, q: int) -> IntArray | None:
        """Entries of S of a single factor that some term has, None where these are all."""
        if q == 1 or (len(self.terms) == 1 and is_correlated(self.terms[0])):
            return None
        correlated = np.zeros((q, q), dtype=np.bool_)
        for term in self.terms:
            correlated[term.columns, term.columns] |= is_correlated(term) | np.eye(
                term.covariance.q, dtype=np.bool_
            )
        return None if correlated.all() else np.flatnonzero(correlated)

    @cached_property
    def plain(self) -> Entries:
        """Entries in the order of the effects."""
        return _plain_entries(
            tuple((term.factor, term.columns.start, term.covariance) for term in self.terms)
        )

    def fits(self, theta: FloatArray) -> bool:
        """Whether no row would be a far better pivot than the one that it stands behind."""
        for term in self.terms:
            if not is_correlated(term):
                continue
            q, squares = term.covariance.q, np.square(theta[term.theta]).tolist()
            # What the columns from c on give each row; theta has them one after another.
            left, at = [0.0] * q, len(squares)
            for c in reversed(range(q)):
                at -= q - c
                for row in range(c, q):
                    left[row] += squares[at + row - c]
                if left[c] < _PIVOT * max(left[c:]):
                    return False
        return True


@lru_cache(maxsize=64)
def _plain_entries(places: tuple[tuple[int, int, Covariance], ...]) -> Entries:
    """Entries of terms in the order of their effects, from the first column of each."""
    factors, rows, columns = [], [], []
    for factor, start, covariance in places:
        assert covariance.entries is not None
        down, along = covariance.entries
        factors.append(np.full(down.size, factor))
        rows.append(start + down)
        columns.append(start + along)
    if not factors:
        return Entries(*np.zeros((3, 0), dtype=np.intp))
    return Entries(*map(np.concatenate, (factors, rows, columns)))


def entries_of(term: Term) -> tuple[IntArray, IntArray]:
    """Row and column in Lambda of every parameter of a term."""
    entries = term.covariance.entries
    assert entries is not None  # a problem with another structure has no cross products
    return entries


def is_correlated(term: Term) -> bool:
    """Whether a term has several effects with correlations of their own."""
    return term.covariance.unrestricted and term.covariance.q > 1


def _pivoted(S: FloatArray) -> tuple[IntArray, FloatArray]:
    """Order of the rows, and lower-triangular L with ``L L' = S`` in that order.

    Of a matrix that is not positive it is a part that is.
    """
    lower, order, rank, _ = lapack.dpstrf(S, lower=1)
    lower[above_diagonal(len(S))] = 0.0
    lower[:, rank:] = 0.0
    return order - 1, lower


def positive_root(S: FloatArray, least: FloatArray) -> FloatArray:
    """R with ``R R' = S`` of a matrix that need not be positive.

    Where a pivot of the factorisation is below that of `least`, it takes its value. Rows and
    columns are in the order of those of S, so that blocks stay blocks.
    """
    lower, info = lapack.dpotrf(S, lower=1, clean=1)
    if info == 0 and (lower.diagonal() >= least).all():
        return np.asarray(lower)
    order, lower = _pivoted(S)
    lower.flat[:: len(S) + 1] = np.maximum(lower.diagonal(), least[order])
    root = np.empty_like(lower)
    root[order[:, None], order] = lower
    return root


@lru_cache(maxsize=32)
def above_diagonal(q: int) -> BoolArray:
    """Where a (q, q) matrix is above its diagonal."""
    out = ~np.tri(q, dtype=np.bool_)
    out.flags.writeable = False
    return out


def to_lower(root: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lower-triangular L and orthogonal O with ``M O = L``; the diagonal of L not negative."""
    if not root[above_diagonal(len(root))].any():
        signs = np.where(root.diagonal() < 0.0, -1.0, 1.0)
        return root * signs + 0.0, diagonal_matrix(signs)
    turned, upper = np.linalg.qr(root.T)
    signs = np.where(upper.diagonal() < 0.0, -1.0, 1.0)
    return np.tril((signs[:, None] * upper).T), turned * signs


def diagonal_matrix(entries: FloatArray) -> FloatArray:
    """The matrix with this diagonal and zeros beside it."""
    out = np.zeros((entries.size, entries.size))
    out.flat[:: entries.size + 1] = entries
    return out
