"""Derivatives in blocks of rows, so that temporaries stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from mixcheck.arrays import BLOCK_ROWS, BoolArray, FloatArray
from mixcheck.families.derivatives import Derivatives, Predictors, mask_derivatives
from mixcheck.families.responses import Observed

__all__ = ["Compute", "derive_in_blocks", "derive_inside"]

Compute: TypeAlias = Callable[[Observed, Predictors, int], Derivatives]


def derive_in_blocks(compute: Compute, data: Observed, eta: Predictors, order: int) -> Derivatives:
    """Call ``compute`` on blocks of rows and join what it returns.

    Parameters
    ----------
    compute : callable
        From data, predictors and order to `Derivatives`, row by row.
    data : Observed
    eta : tuple of K arrays (n,)
    order : int

    Returns
    -------
    Derivatives
        Of all n rows.
    """
    n = data.y.size
    if n <= BLOCK_ROWS:
        return compute(data, eta, order)
    joined: Derivatives | None = None
    for begin in range(0, n, BLOCK_ROWS):
        rows = slice(begin, begin + BLOCK_ROWS)
        part = compute(data.rows(rows), tuple(e[rows] for e in eta), order)
        if joined is None:
            joined = _allocate(part, n)
        for target, source in zip(_arrays(joined), _arrays(part), strict=True):
            target[rows] = source
    assert joined is not None, "there is at least one block"
    return joined


def derive_inside(
    compute: Compute, inside: BoolArray, data: Observed, eta: Predictors, order: int
) -> Derivatives:
    """Call ``compute`` with predictors of one in rows outside its domain, and mask those rows.

    Parameters
    ----------
    compute : callable
        As in `derive_in_blocks`; finite where every predictor is one.
    inside : (n,) bool array
    data : Observed
    eta : tuple of K arrays (n,)
    order : int

    Returns
    -------
    Derivatives
        Log density ``-inf`` and derivatives zero outside.
    """
    if inside.all():
        return compute(data, eta, order)
    harmless = tuple(np.where(inside, e, 1.0) for e in eta)
    return mask_derivatives(compute(data, harmless, order), inside)


def _allocate(part: Derivatives, n: int) -> Derivatives:
    """Uninitialised arrays of the pattern of ``part``, all in one piece of memory.

    One large piece is given back and taken again whole; many smaller ones make the C library
    return their pages to the system, and taking those again costs more than the arithmetic.
    """
    rows = iter(np.empty((len(_arrays(part)), n)))
    return Derivatives(
        next(rows),
        tuple(next(rows) for _ in part.first),
        {key: next(rows) for key in part.second},
        {key: next(rows) for key in part.third},
    )


def _arrays(result: Derivatives) -> list[FloatArray]:
    return [result.value, *result.first, *result.second.values(), *result.third.values()]
