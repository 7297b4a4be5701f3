"""What parts of the rows say, joined: sums and moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixcheck.arrays import FloatArray

__all__ = ["join_moments", "join_sums", "moments"]


def join_sums(parts: Sequence[FloatArray]) -> FloatArray:
    """Sums (..,) of those of parts."""
    total: FloatArray = np.sum(parts, axis=0)
    return total


def moments(values: FloatArray) -> FloatArray:
    """Number, mean and sum of squares about it, (.., 3), of values (.., n)."""
    mean = values.mean(axis=-1)
    squares = ((values - mean[..., None]) ** 2).sum(axis=-1)
    count = np.full(mean.shape, float(values.shape[-1]))
    return np.stack([count, mean, squares], axis=-1)


def join_moments(parts: Sequence[FloatArray]) -> FloatArray:
    """The moments (.., 3) of all values of parts.

    ``m = sum n_k m_k / n`` and ``sum (s_k + n_k (m_k - m)^2)``.

    References
    ----------
    Chan, Golub & LeVeque (1983), Algorithms for computing the sample variance, Am. Stat. 37,
    242-247.

    Examples
    --------
    >>> import numpy as np
    >>> join_moments([moments(np.array([1.0, 2.0])), moments(np.array([6.0]))]).tolist()
    [3.0, 3.0, 14.0]
    """
    if len(parts) == 1:
        return parts[0]
    counts, means, squares = np.moveaxis(np.stack(parts), -1, 0)
    count = counts.sum(axis=0)
    mean = (counts * means).sum(axis=0) / count
    total = (squares + counts * (means - mean) ** 2).sum(axis=0)
    return np.stack([count, mean, total], axis=-1)
