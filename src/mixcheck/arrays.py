"""Names of the array types, each written once.

Shapes are given in docstrings with these letters: ``n`` observations, ``p`` fixed
effects, ``q`` random effects of one level, ``m`` levels of a grouping factor, ``K``
linear predictors, ``B`` replicate data sets.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["BoolArray", "FloatArray", "IntArray"]

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.intp]
BoolArray: TypeAlias = NDArray[np.bool_]
