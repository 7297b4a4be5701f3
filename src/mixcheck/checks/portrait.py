"""Pictures of the model itself, beside those of the checks: its random effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.rank_basis import scaled_ranks
from mixcheck.checks.residual_plots import PICTURE_POINTS, quantile_lines, told_thinned
from mixcheck.checks.statistic import thinned
from mixcheck.display.document import Caterpillar, Figure, ResidualPlot
from mixcheck.port import Checkable, DataView, Grouped

__all__ = ["draw_portrait"]

# Levels in one picture: of more, the extreme ones are shown.
MOST_LEVELS = 40
_REACH = -float(ndtri(0.025))


def draw_portrait(model: Checkable, observed: DataView) -> tuple[Figure, ...]:
    """Residuals against fitted values, and a caterpillar of each random effect.

    Parameters
    ----------
    model : Checkable
        Without random effects of its own (a model known by draws) it has no caterpillars: those
        are conditional modes with 95 % intervals.
    observed : DataView
    """
    residuals = _residual_figure(observed)
    if not isinstance(model, Grouped):
        return residuals
    return residuals + tuple(
        _caterpillar(group, effect, modes[effect], model.random_effects_sd[group][effect])
        for group, modes in model.random_effects.items()
        for effect in modes.columns
    )


def _residual_figure(observed: DataView) -> tuple[Figure, ...]:
    """Quantile residuals against the ranks of the fitted values, where these differ."""
    ranks, distinct = scaled_ranks(observed.fitted)
    if distinct < 2:
        return ()
    order = np.argsort(ranks, kind="stable")
    x, y = (ranks[order] + 1.0) / 2.0, observed.residuals[order]
    kept = thinned(x.size, PICTURE_POINTS)
    title = "Quantile residuals against fitted values" + told_thinned(kept.size, x.size)
    picture = ResidualPlot(
        x[kept], y[kept], lines=quantile_lines(x, y), title=title, x_label="fitted (rank)"
    )
    caption = f"{title}: {picture.reading}"
    return (Figure(picture, caption, caption),)


def _caterpillar(
    group: str, effect: str, modes: pd.Series[float], deviations: pd.Series[float]
) -> Figure:
    values = np.asarray(modes, dtype=np.float64)
    order = _extremes(values)
    estimate = values[order]
    half = _REACH * np.asarray(deviations, dtype=np.float64)[order]
    picture = Caterpillar(
        tuple(str(modes.index[k]) for k in order),
        estimate,
        estimate - half,
        estimate + half,
        np.abs(estimate) > half,
        title=f"Random effects of {group}: {effect}",
        x_label="conditional mode and 95 % interval",
    )
    shown = ""
    if order.size < len(modes):
        shown = f" The {order.size} most extreme of {len(modes)} levels."
    caption = f"{group}, {effect}: levels by their mode; diamonds are away from zero.{shown}"
    return Figure(picture, caption, caption)


def _extremes(values: FloatArray) -> IntArray:
    """Positions in ascending order of value: all, or the lowest and the highest."""
    order = np.argsort(values, kind="stable")
    if order.size <= MOST_LEVELS:
        return order
    half = MOST_LEVELS // 2
    return np.concatenate([order[:half], order[-half:]])
