"""Residuals against a number: local quartiles, and pictures of at most so many points."""

from __future__ import annotations

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.display.document import QuantileLine

__all__ = [
    "PICTURE_POINTS",
    "QUANTILE_LEVELS",
    "quantile_lines",
    "told_thinned",
]

QUANTILE_LEVELS = (0.25, 0.5, 0.75)
LINE_POINTS = 25
LEAST_WINDOW = 20
WINDOW_SHARE = 0.2
# Points of a picture; more are thinned evenly along the predictor.
PICTURE_POINTS = 5000


def told_thinned(kept: int, n: int) -> str:
    """What to say of a thinned picture."""
    return f" ({kept:,} of {n:,} rows shown)" if kept < n else ""


def quantile_lines(x: FloatArray, y: FloatArray) -> tuple[QuantileLine, ...]:
    """Quartiles of y among the nearest fifth of the rows, along sorted x, both (n,)."""
    n = x.size
    window = min(n, max(LEAST_WINDOW, int(WINDOW_SHARE * n)))
    starts = np.unique(np.linspace(0, n - window, LINE_POINTS).round().astype(np.intp))
    windows = starts[:, None] + np.arange(window)
    centres = np.median(x[windows], axis=1)
    quartiles = np.quantile(y[windows], QUANTILE_LEVELS, axis=1)
    return tuple(
        QuantileLine(level, centres, quartiles[k]) for k, level in enumerate(QUANTILE_LEVELS)
    )
