"""Randomised ranks: where a number stands among draws of its own distribution."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.errors import DataError

__all__ = ["randomised_rank", "rank_residuals"]

AnyArray: TypeAlias = NDArray[Any]

# Comparisons are summed in bytes, so a chunk holds at most 255 draws.
CHUNK_DRAWS = 255
# Columns of a chunk: its comparisons then stay in the cache.
CHUNK_ROWS = 8192


def rank_residuals(
    observed: ArrayLike,
    draws: AnyArray | Iterable[ArrayLike],
    rng: np.random.Generator,
) -> FloatArray:
    """Randomised rank of each observation among draws of its own distribution.

    ``r = (#less + U (#equal + 1)) / (m + 1)`` with U uniform: never 0 or 1, and exactly uniform
    at any number m of draws where observation and draws are exchangeable.

    Parameters
    ----------
    observed : (n,) array
    draws : (m, n) array, or iterable of arrays (n,) or (k, n)
        An iterable is read once; nothing of it is kept but two counters a row.
    rng : numpy.random.Generator

    Returns
    -------
    (n,) array, strictly between 0 and 1

    Raises
    ------
    DataError
        If a draw has another length than `observed`, there is none, or something is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> ranks = rank_residuals(np.zeros(4), rng.normal(size=(99, 4)), rng)
    >>> bool(np.all((ranks > 0.3) & (ranks < 0.7)))
    True
    """
    y = np.asarray(observed)
    y = y if y.dtype.kind in "iu" else y.astype(np.float64)
    if y.ndim != 1 or np.isnan(y).any():
        raise DataError(f"observed must be one vector without NaN, found shape {y.shape}")
    less = np.zeros(y.size, dtype=np.intp)
    at_most = np.zeros(y.size, dtype=np.intp)
    m = 0
    for chunk in _chunks(draws, y.size):
        _count(chunk, y, less, at_most)
        m += len(chunk)
    if m == 0:
        raise DataError("at least one draw is needed, found none")
    return randomised_rank(less, at_most - less, m, rng)


def randomised_rank(
    less: AnyArray, equal: AnyArray | int, m: int, rng: np.random.Generator
) -> FloatArray:
    """(#less + U (#equal + 1)) / (m + 1) with U in the open unit interval."""
    u = rng.random(less.size)
    # random() may return 0, of which the rank would inherit an exact 0.
    np.maximum(u, np.finfo(np.float64).tiny, out=u)
    ranks: FloatArray = (less + u * (equal + 1)) / (m + 1)
    return np.minimum(ranks, np.nextafter(1.0, 0.0))


def _chunks(draws: AnyArray | Iterable[ArrayLike], n: int) -> Iterator[AnyArray]:
    """Pieces (k, n) of the draws, k at most `CHUNK_DRAWS`, each checked for its shape."""
    pieces = (draws,) if isinstance(draws, np.ndarray) else draws
    for piece in pieces:
        rows = np.atleast_2d(np.asarray(piece))
        if rows.ndim != 2 or rows.shape[1] != n:
            raise DataError(
                f"draws must be of shape (m, {n}), one draw a row, found {np.shape(piece)}"
            )
        for start in range(0, len(rows), CHUNK_DRAWS):
            yield rows[start : start + CHUNK_DRAWS]


def _count(chunk: AnyArray, y: AnyArray, less: IntArray, at_most: IntArray) -> None:
    """Add to `less` and `at_most` how many of the (k, n) draws lie below, or not above, y."""
    # The minimum is NaN where any number is, at the price of one more pass.
    if chunk.dtype.kind == "f" and np.isnan(np.min(chunk)):
        raise DataError("draws hold NaN; give complete draws of the rows that were observed")
    for start in range(0, y.size, CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        block = chunk[:, rows]
        less[rows] += _column_sums(block < y[rows])
        at_most[rows] += _column_sums(block <= y[rows])


def _column_sums(flags: BoolArray) -> IntArray:
    sums: NDArray[np.uint8] = np.add.reduce(flags.view(np.uint8), axis=0, dtype=np.uint8)
    return sums.astype(np.intp)
