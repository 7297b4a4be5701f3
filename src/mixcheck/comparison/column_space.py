"""Column spaces of model matrices."""

from __future__ import annotations

import numpy as np

from mixcheck.arrays import FloatArray

__all__ = ["extra_rank", "spans"]

# Columns are scaled to length one. A column that lies in a space leaves a remainder of rounding
# errors, about 1e-15 times the condition number; one that does not leaves as much as it adds.
_REMAINDER = 1e-8


def spans(wide: FloatArray, narrow: FloatArray) -> bool:
    """Whether every column of `narrow`, (n, r), is a combination of those of `wide`, (n, p).

    Examples
    --------
    >>> x = np.arange(4.0)
    >>> wide = np.column_stack([np.ones(4), x])
    >>> spans(wide, (32.0 + 1.8 * x)[:, None]), spans(wide, (x**2)[:, None])
    (True, False)
    """
    return bool(np.all(_remainders(wide, narrow) <= _REMAINDER))


def extra_rank(wide: FloatArray, narrow: FloatArray) -> int:
    """How many dimensions the columns of `wide`, (n, p), add to those of `narrow`, (n, r)."""
    both = np.column_stack([_scaled(narrow), _scaled(wide)])
    return _rank(both) - _rank(_scaled(narrow))


def _rank(matrix: FloatArray) -> int:
    return int(np.linalg.matrix_rank(matrix)) if matrix.size else 0


def _scaled(matrix: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(matrix, axis=0)
    scaled: FloatArray = matrix[:, lengths > 0.0] / lengths[lengths > 0.0]
    return scaled


def _remainders(wide: FloatArray, narrow: FloatArray) -> FloatArray:
    """``|(I - Q Q') x_j|`` of each scaled column of `narrow`, Q a basis of `wide`."""
    target = _scaled(narrow)
    basis = _orthonormal(_scaled(wide))
    remainder = target - basis @ (basis.T @ target)
    lengths: FloatArray = np.linalg.norm(remainder, axis=0)
    return lengths


def _orthonormal(matrix: FloatArray) -> FloatArray:
    """Orthonormal basis of the columns, (n, rank)."""
    if not matrix.size:
        return matrix[:, :0]
    left, values, _ = np.linalg.svd(matrix, full_matrices=False)
    small = max(matrix.shape) * np.finfo(np.float64).eps * values[0]
    return left[:, values > small]
