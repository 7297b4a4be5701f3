"""Terms to columns: which factors are coded in full, and which against their first level.

A factor spans the intercept and its contrasts. What a term spans is R's rule: a factor is coded
by contrasts if what is left of the term without it lies within an earlier term, and in full
otherwise (Chambers & Hastie 1992, Statistical Models in S, chapter 2). Each term is then written
with the fewest columns that span what earlier terms do not, so that a matrix has full rank by its
structure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import product
from math import prod
from typing import Any, Final

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.errors import DesignError

__all__ = ["Coding", "Piece", "pieces_of", "require_room", "require_time"]

# A matrix, its products and its factor must have room side by side.
_SHARE_OF_MEMORY: Final = 0.25
# Bytes for which the memory is not looked at.
_ALWAYS_ROOM: Final = 10_000_000
_MOST_FACTORS: Final = 10
_UNKNOWN_MEMORY: Final = 8 * 2**30
# Products of rows with the square of columns: one factorisation would take a minute.
_MOST_WORK: Final = 4e12


@dataclass(frozen=True, eq=False)
class Coding:
    """How one factor becomes columns.

    Attributes
    ----------
    label : str
        Name of the factor.
    parts : tuple of str or None
        Names of the columns of a factor that is numbers; ``("",)`` for one without a suffix.
    levels : Index or None
        Levels of a factor that is categories.
    contrasts : object or None
        Contrasts of formulaic; None for treatment contrasts against the first level.
    logical : bool
        Whether it is a comparison, whose one column keeps the name of the expression.
    scale : float or None
        Value of a factor that is a number.
    """

    label: str
    parts: tuple[str, ...] = ("",)
    levels: pd.Index[Any] | None = None
    contrasts: Any = None
    logical: bool = False
    scale: float | None = None

    @property
    def spans(self) -> bool:
        """Whether its columns add up to the intercept."""
        return self.levels is not None

    def width(self, *, reduced: bool) -> int:
        """Number of columns."""
        if self.levels is None:
            return len(self.parts)
        if self.contrasts is None:
            return len(self.levels) - reduced
        return len(self.labels(reduced=reduced))

    def labels(self, *, reduced: bool) -> list[str]:
        """Names of the columns."""
        if self.levels is None:
            return [f"{self.label}[{part}]" if part else self.label for part in self.parts]
        if self.logical and reduced:
            return [self.label]
        if self.contrasts is None:
            mark = "T." if reduced else ""
            return [
                f"{self.label}[{mark}{level}]" for level in self.levels.tolist()[int(reduced) :]
            ]
        levels = self.levels.tolist()
        names = self.contrasts.get_coding_column_names(levels, reduced_rank=reduced)
        shape = self.contrasts.get_factor_format(levels, reduced_rank=reduced)
        return [shape.format(name=self.label, field=name) for name in names]

    def columns(self, values: Any, *, reduced: bool) -> Iterator[FloatArray]:
        """Columns, (n,) each, of numbers (n, width) or codes (n,)."""
        if self.levels is None:
            yield from values.T
        elif self.contrasts is None:
            for k in range(int(reduced), len(self.levels)):
                yield (values == k).astype(np.float64)
        else:
            table = np.asarray(
                self.contrasts.get_coding_matrix(self.levels.tolist(), reduced_rank=reduced),
                dtype=np.float64,
            )
            for column in table.T:
                yield column[values]


@dataclass(frozen=True)
class Piece:
    """A product of coded factors: positions of the factors, and whether each is reduced."""

    factors: tuple[tuple[int, bool], ...]

    def width(self, codings: Sequence[Coding]) -> int:
        """Number of columns."""
        return prod(codings[i].width(reduced=reduced) for i, reduced in self.factors)

    def labels(self, codings: Sequence[Coding]) -> list[str]:
        """Names of the columns, the first factor varying fastest."""
        if not self.factors:
            return ["Intercept"]
        names = [codings[i].labels(reduced=reduced) for i, reduced in self.factors]
        return [":".join(reversed(chosen)) for chosen in product(*reversed(names))]

    def columns(self, codings: Sequence[Coding], values: Sequence[Any]) -> Iterator[Any]:
        """Columns, (n,) each, in the order of the labels."""
        made = [list(codings[i].columns(values[i], reduced=r)) for i, r in self.factors]
        for chosen in product(*reversed(made)):
            yield reduce(np.multiply, reversed(chosen)) if chosen else 1.0


def pieces_of(terms: Sequence[tuple[int, ...]], codings: Sequence[Coding]) -> list[Piece]:
    """Pieces of the terms, each a tuple of positions of factors, in the order of the columns.

    Examples
    --------
    >>> f = Coding("f", levels=pd.Index(["a", "b"]))
    >>> [piece.labels([f]) for piece in pieces_of([(), (0,)], [f])]
    [['Intercept'], ['f[T.b]']]
    >>> [piece.labels([f]) for piece in pieces_of([(0,)], [f])]
    [['f[a]', 'f[b]']]
    """
    spanned: set[tuple[tuple[int, ...], frozenset[int]]] = set()
    pieces: list[Piece] = []
    for term, reduced_in_r in zip(terms, _contrasts(terms, codings), strict=True):
        numbers = tuple(i for i in term if not codings[i].spans)
        levels = tuple(i for i in term if codings[i].spans)
        if len(levels) > _MOST_FACTORS:
            raise DesignError(
                f"A product of {len(levels)} factors has 2^{len(levels)} columns at least; up to "
                f"{_MOST_FACTORS} can be multiplied. Use interaction(..), which has the "
                "combinations that occur."
            )
        subsets = [
            tuple(i for i, taken in zip(levels, choice, strict=True) if taken)
            for choice in product((True, False), repeat=len(levels))
        ]
        subsets = [subset for subset in subsets if reduced_in_r <= set(subset)]
        mark = tuple(sorted(numbers))
        new = [subset for subset in subsets if (mark, frozenset(subset)) not in spanned]
        spanned.update((mark, frozenset(subset)) for subset in new)
        start = [frozenset((i, True) for i in subset) for subset in new]
        core = frozenset.intersection(*start) if start else frozenset()
        if len(start) == 2 ** (len(levels) - len(core)):
            # Every product with some factors reduced is the product with the others in full.
            whole = core | {(i, False) for i in levels if (i, True) not in core}
            merged_pieces = [whole]
        else:
            merged_pieces = _merged(start)
        for merged in merged_pieces:
            reduced = dict(merged)
            kept = tuple((i, reduced.get(i, False)) for i in term if i in reduced or i in numbers)
            pieces.append(Piece(kept))
    return pieces


def _contrasts(terms: Sequence[tuple[int, ...]], codings: Sequence[Coding]) -> list[set[int]]:
    """Factors of each term that R codes by contrasts."""
    found: list[set[int]] = []
    known = [frozenset(term) for term in terms]
    before: set[frozenset[int]] = set()
    first = () not in terms
    for k, term in enumerate(terms):
        factors = [i for i in term if codings[i].spans]
        coded = {
            i
            for i in factors
            if len(term) == 1
            or known[k] - {i} in before
            or any(known[k] - {i} <= earlier for earlier in known[:k])
        }
        before.add(known[k])
        if first and factors:
            # Without an intercept the first factor of all stands for it.
            coded.discard(factors[0])
            first = False
        found.append(coded)
    return found


_Scoped = frozenset[tuple[int, bool]]


def _merged(scoped: Sequence[_Scoped]) -> list[_Scoped]:
    """The fewest pieces: a part, and its product with contrasts, are one product in full."""
    terms: list[_Scoped] = []
    for piece in sorted(scoped, key=len):
        for existing in terms:
            more = piece - existing
            if len(piece) - 1 == len(existing) and len(more) == 1:
                ((i, reduced),) = more
                if reduced:
                    rest = [term for term in terms if term != existing]
                    terms = _merged([*rest, (piece - more) | {(i, False)}])
                    break
        else:
            terms.append(piece)
    return terms


def require_room(n: int, width: int, widest: str) -> None:
    """Refuse a matrix that the machine has no room for, before it is tried.

    Raises
    ------
    DesignError
        With its size, and where a factor with so many levels belongs.
    """
    if 8 * n * width > _ALWAYS_ROOM and 8 * n * width > _SHARE_OF_MEMORY * _memory():
        raise DesignError(_too_large(n, width, widest, "more than a quarter of the memory"))


def require_time(n: int, width: int, widest: str) -> None:
    """Refuse a fit whose least squares alone would take minutes.

    Raises
    ------
    DesignError
        As `require_room`.
    """
    if n * width**2 > _MOST_WORK:
        raise DesignError(_too_large(n, width, widest, "and hours for every fit"))


def _too_large(n: int, width: int, widest: str, reason: str) -> str:
    return (
        f"The model matrix has {width} columns for {n} rows and needs {8e-9 * n * width:.1f} GB, "
        f"{reason}; `{widest}` gives most of them. A column that identifies units belongs behind "
        f"a bar, as in (1 | {widest}); numbers read as text need pd.to_numeric."
    )


@lru_cache(maxsize=1)
def _physical() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN_MEMORY


def _memory() -> int:
    """Bytes of memory that this process may use."""
    try:
        import resource
    except ImportError:
        return _physical()
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return _physical() if limit == resource.RLIM_INFINITY else min(_physical(), limit)
