"""Pictures drawn by matplotlib on axes.

This module and `svg` import matplotlib; import them where they are needed, not at the top.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import singledispatch
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from mixcheck.arguments.options import shown as quoted
from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.display.document import (
    Caterpillar,
    CurvePlot,
    NormalPlot,
    NullPlot,
    Picture,
    QuantileBand,
    QuantileLine,
    QuantilePlot,
    ResidualPlot,
)
from mixcheck.errors import OptionError

__all__ = ["Axes", "draw", "draw_many", "height_of"]

# Contrast above 3:1 on white and on #16181d, and told apart by the colour-blind.
BLUE = "#2B8CC4"
VERMILION = "#D55E00"

RASTERISE_ABOVE = 1_500
# Numbers beyond this, or below its inverse, are more than the arithmetic of axes can hold.
HUGE = 1e100
MOST_POINTS = 5_000
MOST_LABELS = 60
MOST_TICKS = 24

# Characters in a line of the title of one picture among several.
_GRID_TITLE = 52


def draw(picture: Picture, ax: Axes | None = None) -> Axes:
    """Draw a picture on the given axes, or on new ones.

    Parameters
    ----------
    picture : Picture
    ax : matplotlib Axes, optional
        New ones are made with pyplot, so that a notebook shows them.

    Returns
    -------
    Axes

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from mixcheck.display.document import NullPlot
    >>> ax = draw(NullPlot(np.arange(10.0), 12.0, x_label="zeros"), Figure().subplots())
    >>> ax.get_ylabel()
    'replicate data sets'
    """
    if ax is None:
        ax = _new_axes()
    if not isinstance(ax, Axes):
        raise OptionError(f"ax must be axes of matplotlib; found {quoted(ax)}")
    note = _paint(_drawable(picture), ax)
    ax.set_title(_plain(picture.title), loc="left", fontsize="medium")
    ax.set_xlabel(_plain("\n".join(part for part in (picture.x_label, note) if part)))
    ax.set_ylabel(_plain(picture.y_label))
    return ax


def _drawable(picture: Picture) -> Picture:
    """The picture with numbers that axes can hold: huge ones are not finite, tiny ones are 0."""
    values = {item.name: getattr(picture, item.name) for item in fields(picture) if item.init}
    return replace(picture, **{name: _bounded(value) for name, value in values.items()})


def _bounded(value: Any) -> Any:
    if isinstance(value, QuantileLine | QuantileBand):
        return type(value)(*map(_bounded, value))
    if isinstance(value, tuple):
        return tuple(map(_bounded, value))
    if isinstance(value, bool) or not isinstance(value, float | np.ndarray):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind != "f":
        return value
    size = np.abs(value)
    bounded = np.where(size > HUGE, np.nan, np.where(size < 1.0 / HUGE, 0.0, value))
    return bounded if isinstance(value, np.ndarray) else float(bounded)


def height_of(picture: Picture) -> float:
    """Inches that a picture is high where nobody says otherwise."""
    if isinstance(picture, Caterpillar):
        return float(np.clip(0.8 + 0.18 * len(picture.labels), 2.2, 9.0))
    return 3.1


class Panels(tuple["Axes", ...]):
    """The axes of several pictures; as the last line of a notebook they say how many they are."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} picture{'' if len(self) == 1 else 's'}>"


def draw_many(pictures: Sequence[Picture], columns: int = 2) -> tuple[Axes, ...]:
    """Draw pictures beside and below each other on a new figure.

    Parameters
    ----------
    pictures : sequence of Picture
        At least one.
    columns : int

    Returns
    -------
    tuple of Axes
    """
    import matplotlib.pyplot as plt

    if not pictures:
        raise OptionError("there is no picture to draw")
    wide = min(max(1, int(columns)), len(pictures))
    rows = -(-len(pictures) // wide)
    heights = [
        max(height_of(one) for one in pictures[k * wide : (k + 1) * wide]) for k in range(rows)
    ]
    _, grid = plt.subplots(
        rows,
        wide,
        figsize=(4.8 * wide, 1.1 * sum(heights)),
        layout="constrained",
        squeeze=False,
        gridspec_kw={"height_ratios": heights},
    )
    axes = tuple(grid.ravel())
    for spare in axes[len(pictures) :]:
        spare.set_axis_off()
    wrapped = (replace(one, title=textwrap.fill(one.title, _GRID_TITLE)) for one in pictures)
    return Panels(draw(one, ax) for one, ax in zip(wrapped, axes, strict=False))


def _new_axes() -> Axes:
    import matplotlib.pyplot as plt

    axes: Axes = plt.subplots(layout="constrained")[1]
    return axes


def _plain(text: str) -> str:
    """Text in which a dollar is a dollar, not the start of a formula, and all can be encoded."""
    text = re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)
    return text.replace("$", r"\$")


@dataclass(frozen=True)
class _Sample:
    """Which points are drawn, and the sentence that says so where some are not."""

    rows: IntArray
    note: str


def _note(drawn: int, total: int, undefined: int) -> str:
    parts = [f"{drawn:,} of {total:,} points drawn"] if drawn < total - undefined else []
    if undefined:
        parts.append(f"{undefined:,} not finite")
    return f"({'; '.join(parts)})" if parts else ""


def _finite(*arrays: FloatArray) -> BoolArray:
    keep: BoolArray = np.logical_and.reduce([np.isfinite(array) for array in arrays])
    return keep


def _spread(*arrays: FloatArray) -> _Sample:
    """Evenly spaced rows of sorted points, both ends among them."""
    rows = np.flatnonzero(_finite(*arrays))
    kept = rows
    if rows.size > MOST_POINTS:
        kept = rows[np.linspace(0, rows.size - 1, MOST_POINTS).astype(np.intp)]
    return _Sample(kept, _note(kept.size, arrays[0].size, arrays[0].size - rows.size))


def _scatter_rows(x: FloatArray, y: FloatArray, marked: BoolArray) -> _Sample:
    """A random, repeatable subset of the points, every marked one among them."""
    rows = np.flatnonzero(_finite(x, y))
    kept = rows
    if rows.size > MOST_POINTS:
        first = rows[marked[rows]][:MOST_POINTS]
        others = np.setdiff1d(rows, first)
        chosen = np.random.default_rng(0).choice(others, MOST_POINTS - first.size, replace=False)
        kept = np.sort(np.concatenate([first, chosen]))
    return _Sample(kept, _note(kept.size, x.size, x.size - rows.size))


def _points(ax: Axes, x: FloatArray, y: FloatArray, marked: BoolArray, size: float = 9.0) -> None:
    """Circles, and diamonds of another colour where marked."""
    raster = x.size > RASTERISE_ABOVE
    plain = ~marked
    ax.scatter(x[plain], y[plain], s=size, color=BLUE, linewidths=0, rasterized=raster, zorder=2)
    if marked.any():
        ax.scatter(
            x[marked],
            y[marked],
            s=2.2 * size,
            color=VERMILION,
            marker="D",
            linewidths=0,
            rasterized=raster,
            zorder=3,
        )


def _foreground() -> Any:
    return matplotlib.rcParams["text.color"]


def _guide(ax: Axes, x: FloatArray, y: FloatArray) -> None:
    ax.plot(x, y, color=_foreground(), linewidth=0.9, linestyle=(0, (4, 3)), zorder=1.5)


def _band(ax: Axes, x: FloatArray, low: FloatArray, high: FloatArray) -> None:
    ax.fill_between(x, low, high, color=_foreground(), alpha=0.14, linewidth=0, zorder=1)


def _marks(marks: BoolArray, size: int) -> BoolArray:
    return marks if marks.size else np.zeros(size, dtype=np.bool_)


def _outside(observed: FloatArray, low: FloatArray, high: FloatArray) -> BoolArray:
    if not low.size or not high.size:
        return np.zeros(observed.size, dtype=np.bool_)
    return (observed < low) | (observed > high)


def _nothing(ax: Axes) -> str:
    ax.text(0.5, 0.5, "nothing to draw", ha="center", va="center", transform=ax.transAxes)
    ax.set_xticks([])
    ax.set_yticks([])
    return ""


@singledispatch
def _paint(picture: Picture, ax: Axes) -> str:
    """Paint the marks of one kind of picture; return the note that goes below the axis."""
    raise OptionError(f"no drawing is known for {type(picture).__name__}")


@_paint.register
def _(picture: QuantilePlot, ax: Axes) -> str:
    sample = _spread(picture.expected, picture.observed)
    if not sample.rows.size:
        return _nothing(ax)
    marked = _outside(picture.observed, picture.band_low, picture.band_high)
    _quantiles(ax, picture, sample.rows, marked[sample.rows])
    return sample.note


@_paint.register
def _(picture: NormalPlot, ax: Axes) -> str:
    sample = _spread(picture.expected, picture.observed)
    if not sample.rows.size:
        return _nothing(ax)
    marked = _marks(picture.highlighted, picture.observed.size)
    _quantiles(ax, picture, sample.rows, marked[sample.rows])
    if picture.labels:
        for row in np.flatnonzero(marked)[:MOST_TICKS]:
            ax.annotate(
                _plain(picture.labels[row]),
                (picture.expected[row], picture.observed[row]),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize="small",
            )
    return sample.note


def _quantiles(
    ax: Axes, picture: QuantilePlot | NormalPlot, rows: IntArray, marked: BoolArray
) -> None:
    x, y = picture.expected[rows], picture.observed[rows]
    if picture.band_low.size and picture.band_high.size:
        _band(ax, x, picture.band_low[rows], picture.band_high[rows])
    ends = np.array([x.min(), x.max()])
    _guide(ax, ends, ends)
    _points(ax, x, y, marked)


@_paint.register
def _(picture: ResidualPlot, ax: Axes) -> str:
    marked = _marks(picture.marked, picture.x.size)
    sample = _scatter_rows(picture.x, picture.y, marked)
    if not sample.rows.size:
        return _nothing(ax)
    for height in picture.references:
        ax.axhline(height, color=_foreground(), linewidth=0.7, linestyle=(0, (4, 3)), zorder=1.5)
    if picture.levels:
        _boxes(ax, picture)
        return _note(picture.x.size, picture.x.size, int((~_finite(picture.x, picture.y)).sum()))
    _points(ax, picture.x[sample.rows], picture.y[sample.rows], marked[sample.rows])
    for band in picture.bands:
        _band(ax, band.x, band.low, band.high)
    for line in picture.lines:
        _quantile_line(ax, line.level, line.x, line.y)
    return sample.note


def _quantile_line(ax: Axes, level: float, x: FloatArray, y: FloatArray) -> None:
    ax.plot(x, y, color=VERMILION, linewidth=2.0, zorder=4)
    if x.size:
        ax.annotate(
            f"{level:g}",
            (x[-1], y[-1]),
            xytext=(3, 2),
            textcoords="offset points",
            va="bottom",
            fontsize="small",
            annotation_clip=False,
        )


def _boxes(ax: Axes, picture: ResidualPlot) -> None:
    keep = _finite(picture.x, picture.y)
    codes = picture.x[keep].astype(np.intp)
    groups = {code: picture.y[keep][codes == code] for code in np.unique(codes).tolist()}
    line = {"color": _foreground(), "linewidth": 0.9}
    ax.boxplot(
        list(groups.values()),
        positions=list(groups),
        widths=0.55,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": BLUE, "edgecolor": _foreground(), "linewidth": 0.9},
        medianprops={"color": _foreground(), "linewidth": 1.8},
        whiskerprops=line,
        capprops=line,
        flierprops={"marker": "o", "markersize": 2.5, "markerfacecolor": BLUE},
    )
    _level_ticks(ax, picture.levels)


def _level_ticks(ax: Axes, levels: tuple[str, ...]) -> None:
    step = -(-len(levels) // MOST_TICKS)
    shown = range(0, len(levels), step)
    crowded = sum(len(levels[code]) + 2 for code in shown) > 48
    ax.set_xticks(
        list(shown),
        [_plain(levels[code]) for code in shown],
        rotation=90 if crowded else 0,
        fontsize="small" if crowded else None,
    )
    ax.set_xlim(-0.6, len(levels) - 0.4)


@_paint.register
def _(picture: NullPlot, ax: Axes) -> str:
    values = picture.replicates[np.isfinite(picture.replicates)]
    if not values.size:
        return _nothing(ax)
    ax.hist(values, bins=_bins(values).tolist(), color=BLUE, linewidth=0, rwidth=0.92, align="mid")
    if np.isfinite(picture.observed):
        _observed_line(ax, picture.observed)
    missing = picture.replicates.size - values.size
    return f"({missing:,} replicates not finite)" if missing else ""


def _bins(values: FloatArray) -> FloatArray:
    """Edges of the histogram; whole numbers get a bar each where they are few."""
    low, high = float(values.min()), float(values.max())
    if high - low <= 40 and np.array_equal(values, np.round(values)):
        return np.arange(low - 0.5, high + 1.0)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        return np.linspace(low - 0.5, high + 0.5, 12)
    return np.linspace(low, high, int(np.clip(1.5 * np.sqrt(values.size), 10, 45)) + 1)


def _observed_line(ax: Axes, observed: float) -> None:
    ax.axvline(observed, color=VERMILION, linewidth=2.2, zorder=3)
    low, high = ax.get_xlim()
    pad = 0.04 * (high - low)
    ax.set_xlim(min(low, observed - pad), max(high, observed + pad))
    low, high = ax.get_xlim()
    left = observed > (low + high) / 2
    ax.annotate(
        f"observed {observed:.4g}",
        (observed, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if left else 4, -2),
        textcoords="offset points",
        ha="right" if left else "left",
        va="bottom",
        fontsize="small",
        annotation_clip=False,
    )


@_paint.register
def _(picture: Caterpillar, ax: Axes) -> str:
    rows = np.flatnonzero(_finite(picture.estimate))
    if not rows.size:
        return _nothing(ax)
    marked = _marks(picture.highlighted, picture.estimate.size)
    heights = np.arange(picture.estimate.size, dtype=np.float64)
    ax.axvline(picture.reference, color=_foreground(), linewidth=0.9, linestyle=(0, (4, 3)))
    for chosen, colour in ((~marked, BLUE), (marked, VERMILION)):
        ax.hlines(
            heights[chosen], picture.low[chosen], picture.high[chosen], color=colour, linewidth=1.4
        )
    _points(ax, picture.estimate[rows], heights[rows], marked[rows], size=16.0)
    _label_ticks(ax, picture.labels, marked)
    undefined = picture.estimate.size - rows.size
    return _note(rows.size, picture.estimate.size, undefined)


def _label_ticks(ax: Axes, labels: tuple[str, ...], marked: BoolArray) -> None:
    """Every label where there is room, else those of the highlighted rows."""
    shown = np.arange(len(labels))
    if len(labels) > MOST_LABELS:
        shown = np.flatnonzero(marked)[:MOST_TICKS]
    ax.set_yticks(shown.tolist(), [_plain(labels[row]) for row in shown], fontsize="small")
    ax.set_ylim(-0.7, len(labels) - 0.3)


@_paint.register
def _(picture: CurvePlot, ax: Axes) -> str:
    rows = np.flatnonzero(_finite(picture.x, picture.y))
    if not rows.size:
        return _nothing(ax)
    if picture.band_low.size and picture.band_high.size:
        _band(ax, picture.x, picture.band_low, picture.band_high)
    if picture.reference.size:
        _guide(ax, picture.x, picture.reference)
    x, y = picture.x[rows], picture.y[rows]
    if picture.discrete:
        ax.vlines(x, np.minimum(y, 0.0), np.maximum(y, 0.0), color=BLUE, linewidth=1.4)
        if np.array_equal(x, np.round(x)):
            # Lags, numbers and places have no halves.
            ax.locator_params(axis="x", integer=True)
    else:
        ax.plot(x, y, color=BLUE, linewidth=1.6, zorder=2)
    if rows.size <= MOST_LABELS:
        _points(ax, x, y, _outside(picture.y, picture.band_low, picture.band_high)[rows], size=16.0)
    return _note(rows.size, picture.x.size, picture.x.size - rows.size)
