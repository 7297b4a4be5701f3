"""What a figure shows: plot data as plain records, never a drawing.

Each record names the numbers of one kind of figure, its title and its axis labels.
`mixcheck.display.figures.draw` turns a record into a matplotlib drawing; a user of
another library reads the arrays.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, NamedTuple, TypeAlias, final

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.codec.shapes import (
    ADDED_LATER,
    NUMBER,
    Shape,
    WrappedFloat,
    shape_of,
    tagged,
    tuple_of,
    wrapped,
)
from mixcheck.errors import DataError

__all__ = [
    "Caterpillar",
    "CurvePlot",
    "NormalPlot",
    "NullPlot",
    "Picture",
    "QuantileBand",
    "QuantileLine",
    "QuantilePlot",
    "ResidualPlot",
]


def _empty() -> FloatArray:
    return np.empty(0)


def _no_marks() -> BoolArray:
    return np.empty(0, dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class Picture(ABC):
    """Plot data of one figure.

    Attributes
    ----------
    kind : str
        Stable short name of the kind, in JSON.
    reading : str
        How to read it, as a sentence.
    title, x_label, y_label : str
        Keyword arguments of every picture.
    """

    kind: ClassVar[str]
    reading: ClassVar[str] = ""
    _shape: ClassVar[Shape]

    title: str = field(default="", kw_only=True)
    x_label: str = field(default="", kw_only=True)
    y_label: str = field(default="", kw_only=True)


class QuantileLine(NamedTuple):
    """A fitted quantile curve: its level in (0, 1) and its points, each of shape (k,)."""

    level: float
    x: FloatArray
    y: FloatArray


class QuantileBand(NamedTuple):
    """Where a quantile curve should lie: its level, its points and both edges, each (k,)."""

    level: float
    x: FloatArray
    low: FloatArray
    high: FloatArray


_FLOATS = shape_of(FloatArray)
_LINE = tuple_of(wrapped("number", NUMBER), _FLOATS, _FLOATS, made=QuantileLine)
_Line: TypeAlias = Annotated[QuantileLine, wrapped("line", _LINE)]
_BAND = tuple_of(wrapped("number", NUMBER), _FLOATS, _FLOATS, _FLOATS, made=QuantileBand)
_Band: TypeAlias = Annotated[QuantileBand, wrapped("band", _BAND)]


def _as_vector(values: Any, dtype: Any) -> np.ndarray[Any, Any]:
    return np.atleast_1d(np.asarray(values, dtype=dtype))


def _set_vectors(picture: Picture, *names: str, optional: tuple[str, ...] = ()) -> None:
    """Store the named fields as float vectors of one length; the optional ones may be empty."""
    for name in names + optional:
        object.__setattr__(picture, name, _as_vector(getattr(picture, name), np.float64))
    lengths = {name: getattr(picture, name).shape for name in names}
    lengths |= {
        name: getattr(picture, name).shape for name in optional if getattr(picture, name).size
    }
    if len(set(lengths.values())) > 1 or any(len(shape) != 1 for shape in lengths.values()):
        raise DataError(
            f"{type(picture).__name__} needs vectors of one length, found shapes {lengths}"
        )


def _set_marks(picture: Picture, name: str, size: int) -> None:
    """Store a boolean vector of the given size; an empty one means no mark."""
    marks = _as_vector(getattr(picture, name), np.bool_)
    if marks.size not in (0, size):
        raise DataError(
            f"{type(picture).__name__}.{name} needs {size} booleans or none, found {marks.size}"
        )
    object.__setattr__(picture, name, marks)


@final
@dataclass(frozen=True, eq=False)
class QuantilePlot(Picture):
    """Sorted residuals against their expected quantiles, with a simultaneous band.

    Attributes
    ----------
    observed : (n,) array
        Sorted residuals.
    expected : (n,) array
        Their expected values under the model.
    band_low, band_high : (n,) array
        Simultaneous band, or empty.
    """

    kind: ClassVar[str] = "quantiles"
    reading: ClassVar[str] = (
        "Points should follow the dashed line; diamonds lie outside the simultaneous band."
    )

    observed: FloatArray
    expected: FloatArray
    band_low: FloatArray = field(default_factory=_empty)
    band_high: FloatArray = field(default_factory=_empty)
    x_label: str = field(default="expected quantile", kw_only=True)
    y_label: str = field(default="observed residual", kw_only=True)

    def __post_init__(self) -> None:
        _set_vectors(self, "observed", "expected", optional=("band_low", "band_high"))


@final
@dataclass(frozen=True, eq=False)
class ResidualPlot(Picture):
    """Residuals against a fitted value, a predictor, a time, or the levels of a factor.

    Attributes
    ----------
    x, y : (n,) array
        Where ``levels`` is given, ``x`` holds the codes 0, 1, .. of the levels.
    lines : tuple of QuantileLine
        Fitted quantile curves; a plain ``(level, x, y)`` will do.
    levels : tuple of str
        Names of the levels of a factor, drawn as boxes; empty for a number.
    marked : (n,) array of bool
        Points to stand out, or empty.
    references : tuple of float
        Heights of horizontal reference lines.
    bands : tuple of QuantileBand
        Where quantile curves should lie, or empty.
    """

    kind: ClassVar[str] = "residuals"
    reading: ClassVar[str] = (
        "Curves, or the edges and middles of boxes, should lie on the dashed lines."
    )

    x: FloatArray
    y: FloatArray
    lines: tuple[_Line, ...] = ()
    levels: tuple[str, ...] = ()
    marked: BoolArray = field(default_factory=_no_marks)
    references: tuple[WrappedFloat, ...] = (0.25, 0.5, 0.75)
    bands: tuple[_Band, ...] = field(default=(), metadata=ADDED_LATER)
    y_label: str = field(default="residual", kw_only=True)

    def __post_init__(self) -> None:
        _set_vectors(self, "x", "y")
        _set_marks(self, "marked", self.x.size)
        lines = tuple(
            QuantileLine(float(level), _as_vector(x, np.float64), _as_vector(y, np.float64))
            for level, x, y in self.lines
        )
        for _, x, y in lines:
            if x.ndim != 1 or x.shape != y.shape:
                raise DataError(
                    f"a quantile line needs vectors of one length, found shapes {x.shape} and "
                    f"{y.shape}"
                )
        object.__setattr__(self, "lines", lines)
        bands = tuple(
            QuantileBand(float(level), *(_as_vector(part, np.float64) for part in parts))
            for level, *parts in self.bands
        )
        for band in bands:
            if len({part.shape for part in band[1:]}) > 1 or band.x.ndim != 1:
                raise DataError("a quantile band needs vectors of one length")
        object.__setattr__(self, "bands", bands)
        object.__setattr__(self, "levels", tuple(str(level) for level in self.levels))
        if self.levels and not np.isin(self.x, np.arange(len(self.levels))).all():
            raise DataError(
                f"a picture of {len(self.levels)} levels needs x from 0 to {len(self.levels) - 1}"
            )
        object.__setattr__(self, "references", tuple(float(height) for height in self.references))


@final
@dataclass(frozen=True, eq=False)
class NullPlot(Picture):
    """The statistic in replicate data sets, and the observed one.

    Attributes
    ----------
    replicates : (B,) array
    observed : float
    """

    kind: ClassVar[str] = "null"
    reading: ClassVar[str] = "Bars are replicates under the model; the line is the data."

    replicates: FloatArray
    observed: WrappedFloat
    x_label: str = field(default="statistic", kw_only=True)
    y_label: str = field(default="replicate data sets", kw_only=True)

    def __post_init__(self) -> None:
        _set_vectors(self, "replicates")
        object.__setattr__(self, "observed", float(self.observed))


@final
@dataclass(frozen=True, eq=False)
class Caterpillar(Picture):
    """Estimates with intervals, one a label, such as the effects of groups.

    Attributes
    ----------
    labels : tuple of str, length m
    estimate, low, high : (m,) array
    highlighted : (m,) array of bool
        Labels to stand out, or empty.
    reference : float
        Value of the vertical line.
    """

    kind: ClassVar[str] = "caterpillar"
    reading: ClassVar[str] = "Lines are intervals; diamonds stand out."

    labels: tuple[str, ...]
    estimate: FloatArray
    low: FloatArray
    high: FloatArray
    highlighted: BoolArray = field(default_factory=_no_marks)
    reference: WrappedFloat = 0.0
    x_label: str = field(default="estimate and interval", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(str(label) for label in self.labels))
        _set_vectors(self, "estimate", "low", "high")
        _set_marks(self, "highlighted", self.estimate.size)
        if len(self.labels) != self.estimate.size:
            raise DataError(
                f"Caterpillar needs one label for each estimate, found {len(self.labels)} labels "
                f"for {self.estimate.size} estimates"
            )


@final
@dataclass(frozen=True, eq=False)
class NormalPlot(Picture):
    """Sorted standardised values against normal quantiles, with a band.

    Attributes
    ----------
    observed, expected : (m,) array
    band_low, band_high : (m,) array
        Band, or empty.
    labels : tuple of str
        Names of the values in their sorted order, or empty.
    highlighted : (m,) array of bool
        Values to stand out, or empty.
    """

    kind: ClassVar[str] = "normal"
    reading: ClassVar[str] = "Points should follow the dashed line; diamonds stand out."

    observed: FloatArray
    expected: FloatArray
    band_low: FloatArray = field(default_factory=_empty)
    band_high: FloatArray = field(default_factory=_empty)
    labels: tuple[str, ...] = ()
    highlighted: BoolArray = field(default_factory=_no_marks)
    x_label: str = field(default="normal quantile", kw_only=True)
    y_label: str = field(default="standardised random effect", kw_only=True)

    def __post_init__(self) -> None:
        _set_vectors(self, "observed", "expected", optional=("band_low", "band_high"))
        _set_marks(self, "highlighted", self.observed.size)
        object.__setattr__(self, "labels", tuple(str(label) for label in self.labels))
        if len(self.labels) not in (0, self.observed.size):
            raise DataError(
                f"NormalPlot needs one label for each value or none, found {len(self.labels)} "
                f"labels for {self.observed.size} values"
            )


@final
@dataclass(frozen=True, eq=False)
class CurvePlot(Picture):
    """A curve with a band and a reference: autocorrelation, variogram, calibration.

    Attributes
    ----------
    x, y : (k,) array
    band_low, band_high : (k,) array
        Where the curve should lie under the model, or empty.
    reference : (k,) array
        What is expected under the model, or empty.
    discrete : bool
        Whether the points stand for themselves (lags) rather than for a curve.
    """

    kind: ClassVar[str] = "curve"
    reading: ClassVar[str] = "The curve should stay within the band, where there is one."

    x: FloatArray
    y: FloatArray
    band_low: FloatArray = field(default_factory=_empty)
    band_high: FloatArray = field(default_factory=_empty)
    reference: FloatArray = field(default_factory=_empty)
    discrete: bool = False

    def __post_init__(self) -> None:
        _set_vectors(self, "x", "y", optional=("band_low", "band_high", "reference"))


_KINDS = (QuantilePlot, ResidualPlot, NullPlot, Caterpillar, NormalPlot, CurvePlot)
Picture._shape = tagged("kind", {cls.kind: cls for cls in _KINDS})
