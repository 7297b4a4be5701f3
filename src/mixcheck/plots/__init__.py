"""Pictures of models: functions that draw on axes, and give the axes back.

Each takes ``ax=``, axes of matplotlib, or makes new ones. What it draws are numbers of a record
that :mod:`mixcheck.plots.data` makes, under the same name and with the same arguments, for those
who draw with another library. ``fit.plot()``, ``residuals.plot()`` and ``report.plot()`` draw
several beside each other.
"""

from __future__ import annotations

from mixcheck.plots import data

# Imported for the pictures that fits and residuals have by then.
from mixcheck.plots import of_results as _of_results
from mixcheck.plots.drawing import drawn

__all__ = [
    "autocorrelation",
    "binned",
    "caterpillar",
    "data",
    "half_normal",
    "qq",
    "random_effects",
    "residuals",
    "rootogram",
    "selection_path",
    "spatial",
    "spread",
    "trend",
]

qq = drawn(data.qq)
residuals = drawn(data.residuals)
spread = drawn(data.spread)
trend = drawn(data.trend)
half_normal = drawn(data.half_normal)
rootogram = drawn(data.rootogram)
binned = drawn(data.binned)
random_effects = drawn(data.random_effects)
caterpillar = drawn(data.caterpillar)
autocorrelation = drawn(data.autocorrelation)
spatial = drawn(data.spatial)
selection_path = drawn(data.selection_path)

del _of_results, drawn
