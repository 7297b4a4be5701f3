"""What it means that a term of a formula has no effect: hypotheses on the coefficients.

Of type III a term is compared with its absence beside all others, interactions with it included:
the effects of its factors are averaged over the levels of all other factors with equal weights. The
hypothesis is about the means of cells, and does not depend on how factors were coded.

Of type II a term is compared with its absence beside all terms that do not contain it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.design.coding import Coding, Piece
from mixcheck.design.recipes import Recipe, TermsRecipe
from mixcheck.design.shapes import WithoutIntercept
from mixcheck.errors import OptionError

__all__ = ["ModelTerm", "list_terms", "marginal_rows"]

# Cells of all factors of a term together.
_MOST_CELLS = 20_000


@dataclass(frozen=True, eq=False)
class ModelTerm:
    """A term of one linear predictor.

    Attributes
    ----------
    name : str
    part : str
        Its linear predictor.
    first : int
        Where the coefficients of this begin in `params`.
    factors : frozenset of str
    columns : (k,) int
        Its coefficients in `params`.
    containing : (r,) int
        Those of the terms that contain it.
    """

    name: str
    part: str
    first: int
    factors: frozenset[str]
    columns: IntArray
    containing: IntArray


def list_terms(terms: Sequence[tuple[str, ...]], part: str, first: int) -> list[ModelTerm]:
    """Terms of a predictor but for the intercept, in the order of their first columns.

    Parameters
    ----------
    terms : sequence of tuple of str, (p,)
        The factors that each column belongs to.
    part : str
        Name of the predictor.
    first : int
        Position of the first column in `params`.
    """
    prefix = "" if part == "mean" else f"{part}: "
    sets = [frozenset(term) for term in terms]
    names = {own: ":".join(term) for own, term in reversed(list(zip(sets, terms, strict=True)))}
    return [
        ModelTerm(
            prefix + names[own],
            part,
            first,
            own,
            first + np.flatnonzero([s == own for s in sets]),
            first + np.flatnonzero([s > own for s in sets]),
        )
        for own in dict.fromkeys(sets)
        if own
    ]


def marginal_rows(recipe: Recipe, kept: BoolArray, factors: frozenset[str]) -> FloatArray:
    """Hypothesis of type III of a term, (k, p) on the columns of a predictor that are kept.

    Rows may be combinations of each other.

    Raises
    ------
    OptionError
        If cells without data leave it undefined.
    """
    if isinstance(recipe, WithoutIntercept):
        # Effects are differences between cells, in which an intercept cancels.
        return marginal_rows(recipe.whole, np.append(True, kept), factors)[:, 1:]
    if not isinstance(recipe, TermsRecipe):
        own = np.array([frozenset(term) == factors for term in recipe.terms])
        alone: FloatArray = np.eye(own.size)[own][:, kept]
        return alone
    rows = _of_cells(recipe.pieces, recipe.codings, factors)
    if np.any(np.abs(rows[:, ~kept]) > 1e-12):
        raise OptionError(
            f"the type III hypothesis of {':'.join(sorted(factors))} needs all combinations of its "
            'factors, and some have no data or cannot be told apart; write type="II"'
        )
    return rows[:, kept]


def _of_cells(
    pieces: Sequence[Piece], codings: Sequence[Coding], factors: frozenset[str]
) -> FloatArray:
    """Effects of a term as combinations of the coefficients, through the means of cells."""
    labels = [coding.label for coding in codings]
    chosen = frozenset(i for i, label in enumerate(labels) if label in factors)
    numbers = frozenset(i for i in chosen if not codings[i].spans)
    mine = chosen - numbers
    beside = [frozenset(i for i, _ in piece.factors) for piece in pieces]
    group = [own for own in beside if frozenset(i for i in own if not codings[i].spans) == numbers]
    categories = sorted({i for own in group for i in own if codings[i].spans})
    sizes = {i: len(codings[i].levels) for i in categories}  # type: ignore[arg-type]
    if np.prod([1, *sizes.values()], dtype=float) > _MOST_CELLS:
        raise OptionError("type III hypotheses of so many combinations of levels are too many")
    # What has no term of its own, such as a mean without an intercept, belongs to this term.
    known = {own - numbers for own in group}
    subsets = [
        frozenset(i for i, taken in zip(sorted(mine), choice, strict=True) if taken)
        for choice in product((True, False), repeat=len(mine))
    ]
    effects = [subset for subset in subsets if subset == mine or subset not in known]
    weights = np.concatenate(
        [reduce(_kron, [_weigh(sizes[i], i in own) for i in categories], np.ones((1, 1)))
         for own in effects]
    )  # fmt: skip
    rows: FloatArray = weights @ _cells(pieces, codings, numbers, categories)
    return rows.reshape(-1, rows.shape[2])


def _kron(left: FloatArray, right: FloatArray) -> FloatArray:
    out: FloatArray = np.asarray(np.kron(left, right), dtype=np.float64)
    return out


def _weigh(levels: int, taken: bool) -> FloatArray:
    """Deviations from the mean of the levels, or the mean."""
    mean = np.full((1, levels), 1.0 / levels)
    return np.eye(levels) - mean if taken else mean


def _cells(
    pieces: Sequence[Piece],
    codings: Sequence[Coding],
    numbers: frozenset[int],
    categories: Sequence[int],
) -> FloatArray:
    """The function of the cells that multiplies some numbers, by its coefficients.

    Returns
    -------
    (copies, cells, p)
        Of numbers of several columns one function for each product of these.
    """
    tables = {
        (i, reduced): np.column_stack(
            list(codings[i].columns(np.arange(len(codings[i].levels)), reduced=reduced))  # type: ignore[arg-type]
        )
        for piece in pieces
        for i, reduced in piece.factors
        if codings[i].spans
    }
    columns: list[tuple[tuple[int, ...], FloatArray] | None] = []
    for piece in pieces:
        own = frozenset(i for i, _ in piece.factors if not codings[i].spans)
        widths = [range(codings[i].width(reduced=r)) for i, r in piece.factors]
        for reverse in product(*reversed(widths)):
            at = dict(zip([i for i, _ in piece.factors], reversed(reverse), strict=True))
            if own != numbers:
                columns.append(None)
                continue
            reduced = dict(piece.factors)
            parts = [
                tables[i, reduced[i]][:, at[i]] if i in at else np.ones(len(codings[i].levels))  # type: ignore[arg-type]
                for i in categories
            ]
            which = tuple(at[i] for i in sorted(numbers))
            columns.append((which, reduce(_kron, parts, np.ones(1))))
    copies = sorted({column[0] for column in columns if column is not None})
    size = next(len(column[1]) for column in columns if column is not None)
    out = np.zeros((len(copies), size, len(columns)))
    for j, column in enumerate(columns):
        if column is not None:
            out[copies.index(column[0]), :, j] = column[1]
    return out
