"""The model itself, beside its checks: its estimates in tables, its random effects in pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.rank_basis import scaled_ranks
from mixcheck.checks.residual_plots import PICTURE_POINTS, quantile_lines, told_thinned
from mixcheck.checks.statistic import thinned
from mixcheck.display.document import Caterpillar, Cell, Figure, Places, ResidualPlot, Table
from mixcheck.display.numerals import decimals_of
from mixcheck.port import Checkable, DataView, Estimated, Grouped

__all__ = ["draw_portrait", "plot_modes", "tabulate_estimates"]

# Levels in one picture: of more, the extreme ones are shown.
MOST_LEVELS = 40
_REACH = -float(ndtri(0.025))


def tabulate_estimates(model: object) -> tuple[Table, ...]:
    """Coefficients with their 95 % intervals, and variances; none of a model known by draws."""
    if not isinstance(model, Estimated):
        return ()
    known = model.coefficient_table
    columns = [known[name] for name in ("estimate", "std_error", "low", "high")]
    fixed = Table(
        ("", "estimate", "std error", "low", "high"),
        _numbered(
            map(str, known.index),
            [np.asarray(column, dtype=np.float64) for column in columns],
            decimals_of(known["std_error"]),
        ),
        caption="Coefficients and 95 % intervals",
    )
    random = model.variance_components
    if not len(random):
        return (fixed,)
    named = zip(random["group"], random["name"], strict=True)
    labels = [", ".join(filter(None, map(str, pair))) for pair in named]
    shown = {"std deviation": "sd", "variance": "variance", "correlation": "corr"}
    if random["corr"].isna().all():
        del shown["correlation"]
    numbers = [np.asarray(random[column], dtype=np.float64) for column in shown.values()]
    rows = _numbered(labels, numbers, decimals_of(random["sd"]))
    return fixed, Table(("", *shown), rows, caption="Random effects")


def _numbered(
    labels: Iterable[str], columns: Sequence[FloatArray], places: int
) -> tuple[tuple[Cell, ...], ...]:
    """Rows of a table whose numbers all have as many decimals."""
    shown = [[Places(float(v), places) for v in column] for column in columns]
    return tuple((label, *row) for label, row in zip(labels, zip(*shown, strict=True), strict=True))


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
    picture = plot_modes(group, effect, modes, deviations)
    shown = ""
    if len(picture.labels) < len(modes):
        shown = f" The {len(picture.labels)} most extreme of {len(modes)} levels."
    caption = f"{group}, {effect}: levels by their mode; diamonds are away from zero.{shown}"
    return Figure(picture, caption, caption)


def plot_modes(
    group: str, effect: str, modes: pd.Series[float], deviations: pd.Series[float]
) -> Caterpillar:
    """Conditional modes with 95 % intervals, ``b_k -+ 1.96 s_k``, the most extreme of many levels.

    Parameters
    ----------
    group, effect : str
        Names of the grouping factor and of the effect.
    modes, deviations : Series, (m,)
        ``b`` and ``s``, by the labels of the levels.
    """
    values = np.asarray(modes, dtype=np.float64)
    order = _extremes(values)
    estimate = values[order]
    half = _REACH * np.asarray(deviations, dtype=np.float64)[order]
    return Caterpillar(
        tuple(str(modes.index[k]) for k in order),
        estimate,
        estimate - half,
        estimate + half,
        np.abs(estimate) > half,
        title=f"Random effects of {group}: {effect}",
        x_label="conditional mode and 95 % interval",
    )


def _extremes(values: FloatArray) -> IntArray:
    """Positions in ascending order of value: all, or the lowest and the highest."""
    order = np.argsort(values, kind="stable")
    if order.size <= MOST_LEVELS:
        return order
    half = MOST_LEVELS // 2
    return np.concatenate([order[:half], order[-half:]])
