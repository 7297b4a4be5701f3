"""A log density with its derivatives in the linear predictors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray

__all__ = ["Derivatives", "Expected", "Information", "Predictors", "mask_derivatives"]

Predictors: TypeAlias = tuple[FloatArray, ...]
"""K linear predictors, each ``(n,)``."""

Information: TypeAlias = Mapping[tuple[int, int], FloatArray]
"""Information by pair (a, b), a <= b; absent means zero."""

Expected: TypeAlias = tuple[Information, Mapping[tuple[tuple[int, int], int], FloatArray]]
"""Expected information by pair, and its derivatives by pair and predictor."""


@dataclass(frozen=True, eq=False)
class Derivatives:
    """The log density and its derivatives in the linear predictors.

    Attributes
    ----------
    value : (n,) array
        Log density with every constant.
    first : tuple of K arrays (n,)
        Derivative in each predictor.
    second : mapping from (a, b), a <= b, to (n,) arrays
        A pair that is absent is identically zero.
    third : mapping from (a, b, c), a <= b <= c, to (n,) arrays
        A triple that is absent is identically zero; empty unless order 3 was asked for.
    """

    value: FloatArray
    first: tuple[FloatArray, ...]
    second: Mapping[tuple[int, int], FloatArray]
    third: Mapping[tuple[int, int, int], FloatArray]

    def rows(self, some: slice) -> Derivatives:
        """Those of some rows."""
        return Derivatives(
            self.value[some],
            tuple(d[some] for d in self.first),
            {key: d[some] for key, d in self.second.items()},
            {key: d[some] for key, d in self.third.items()},
        )


def mask_derivatives(result: Derivatives, inside: BoolArray) -> Derivatives:
    """Log density ``-inf`` and derivatives zero in the rows that are not inside."""
    return Derivatives(
        np.where(inside, result.value, -np.inf),
        tuple(np.where(inside, d, 0.0) for d in result.first),
        {key: np.where(inside, d, 0.0) for key, d in result.second.items()},
        {key: np.where(inside, d, 0.0) for key, d in result.third.items()},
    )
