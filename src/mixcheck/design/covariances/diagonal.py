"""Independent effects of a level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.design.covariances.covariance import EntriesOfRoot, Quantity

__all__ = ["Diagonal"]


@final
class Diagonal(EntriesOfRoot):
    """Independent effects: theta is the diagonal of Lambda, the standard deviations.

    Examples
    --------
    >>> Diagonal(2).root(np.array([2.0, 1.0]))
    array([[2., 0.],
           [0., 1.]])
    """

    __slots__ = ()
    name: ClassVar[str] = "diag"

    @staticmethod
    def _entries(q: int) -> tuple[IntArray, IntArray]:
        return np.arange(q), np.arange(q)

    def nearest(self, covariance: FloatArray) -> FloatArray:
        """Theta of the variances alone."""
        return np.sqrt(np.maximum(np.diag(covariance), 0.0))

    def natural(self, theta: FloatArray) -> FloatArray:
        """Standard deviations, (q,)."""
        return np.abs(theta)

    def of_natural(self, natural: FloatArray) -> FloatArray:
        """Theta itself."""
        return natural.copy()

    def quantities(self, effects: Sequence[str]) -> tuple[Quantity, ...]:
        """A standard deviation for each effect."""
        return tuple(Quantity("sd", effect, (k,)) for k, effect in enumerate(effects))

    @property
    def correlated(self) -> BoolArray:
        """No pair."""
        return np.eye(self.q, dtype=np.bool_)
