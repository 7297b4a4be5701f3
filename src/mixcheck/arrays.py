"""Names of the array types, each written once, and how many rows are best taken together.

Shapes are given in docstrings with these letters: ``n`` observations, ``p`` fixed
effects, ``q`` random effects of one level, ``m`` levels of a grouping factor, ``K``
linear predictors, ``B`` replicate data sets.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK_ROWS", "BoolArray", "FloatArray", "IntArray"]

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.intp]
BoolArray: TypeAlias = NDArray[np.bool_]

BLOCK_ROWS = 16384
"""Rows of a block whose temporaries stay in the processor's cache: a column takes 128 kB."""
