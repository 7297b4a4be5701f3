"""Arithmetic on trial values: NumPy says nothing where it overflows.

A search tries parameters, steps and columns whose numbers may overflow or divide by zero, and
so does a prediction far from the data. What is kept of them is finite, or refused in a sentence.
"""

from __future__ import annotations

import numpy as np

from mixcheck.arrays import FloatArray, IntArray

__all__ = ["binary_exponents", "may_overflow"]


def may_overflow() -> np.errstate:
    """No warnings of NumPy in a ``with``, or in the function that it decorates.

    Each use has one of its own: an error state cannot be entered twice.

    Examples
    --------
    >>> with may_overflow():
    ...     print(np.exp(np.float64(1000.0)) - np.exp(np.float64(1000.0)))
    nan
    """
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


def binary_exponents(values: FloatArray, axis: int | None = None) -> IntArray:
    """Exponents e with ``max |v| < 2^e``: in units of ``2^e`` no square overflows.

    ``ldexp(v, -e)`` changes no digit of a normal number.

    Parameters
    ----------
    values : array
    axis : int, optional
        Along which numbers share a unit; all share one by default.

    Examples
    --------
    >>> binary_exponents(np.array([[3.0, 1e300], [-5.0, 0.0]]), axis=0).tolist()
    [3, 997]
    """
    exponents: IntArray = np.frexp(np.abs(values).max(axis=axis, initial=0.0))[1]
    return exponents
