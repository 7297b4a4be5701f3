"""Arithmetic on trial values: NumPy says nothing where it overflows.

A search tries parameters, steps and columns whose numbers may overflow or divide by zero, and
so does a prediction far from the data. What is kept of them is finite, or refused in a sentence.
"""

from __future__ import annotations

import numpy as np

__all__ = ["may_overflow"]


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
