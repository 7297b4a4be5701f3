"""Correlation of residuals in space: do places near each other resemble each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, TypeAlias, final, get_args

import numpy as np
import pandas as pd

from mixcheck.arguments.options import shown
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.check import Check
from mixcheck.checks.dependence import BandedStatistic, Bands, Places, cut_into_bands
from mixcheck.checks.statistic import (
    CheckContext,
    Outcome,
    RowStatistic,
    column_of,
    left_out,
    require_choice,
    thinned,
)
from mixcheck.errors import OptionError
from mixcheck.report.finding import Skipped
from mixcheck.trial_values import binary_exponents

__all__ = ["Spatial"]

Metric: TypeAlias = Literal["euclidean", "great-circle"]
# Pairs looked at: all of them up to here; of more places the near ones, and far ones of a few.
_MOST_PAIRS = 100_000
_LEAST_NEIGHBOURS = 4
_FAR_PLACES = 350
_LEAST_PLACES = 10
# Mean radius of the earth in kilometres (IUGG).
_EARTH = 6371.0088


@final
@dataclass(frozen=True, repr=False)
class Spatial(Check):
    """Whether residuals of places near each other resemble each other.

    Null hypothesis: Pearson residuals given the modes are as correlated in space as in data of
    the model. Rows of the same coordinates are one place. Pairs of places are sorted by their
    distance, up to half the largest one, and cut into bands, the first of which has about two
    pairs a place and each next one twice as many; in each band Moran's coefficient is taken.
    The statistic is the largest deviation, over bands, from the mean of the replicates in
    their standard deviations. Effect: "residual correlation" in that band in excess of that
    mean; 0 under the model.

    Parameters
    ----------
    x, y : str
        Columns of the coordinates; longitude and latitude in degrees for great circles.
    metric : {"euclidean", "great-circle"}
        The latter measures kilometres along the surface of the earth.

    Notes
    -----
    Of more than about 450 places the pairs are those of nearest neighbours, 20 a place of
    10,000, and for long distances those of an even selection of places: time and memory grow
    with the number of places and not with its square.

    References
    ----------
    Moran (1950), Notes on continuous stochastic phenomena, Biometrika 37, 17-23.
    """

    kind: ClassVar[str] = "spatial"
    least_rows: ClassVar[int] = _LEAST_PLACES

    x: str
    y: str
    metric: Metric = "euclidean"

    def __post_init__(self) -> None:
        for argument, value in (("x", self.x), ("y", self.y)):
            if not isinstance(value, str):
                raise OptionError(f"{argument} must be the name of a column, found {shown(value)}")
        require_choice("metric", self.metric, get_args(Metric))

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the rows with coordinates."""
        columns = [column_of(context.frame, name) for name in (self.x, self.y)]
        at = np.column_stack([_coordinates(column) for column in columns])
        if self.metric == "great-circle":
            _require_degrees(at)
        known = np.flatnonzero(np.isfinite(at).all(axis=1))
        places, codes = np.unique(at[known], axis=0, return_inverse=True)
        bands = _near(self._points(places)) if len(places) >= _LEAST_PLACES else None
        if bands is None:
            reason = f"There are {len(places)} places; at least {_LEAST_PLACES} are needed."
            return (Skipped(self.name, self.kind, reason),)
        bands = self._in_kilometres(bands)
        inner = BandedStatistic(
            self.name,
            self.kind,
            Places.of(codes.reshape(-1)),
            bands,
            null="residuals are as correlated in space as in data of the model",
            apart="distance in km" if self.metric == "great-circle" else "distance",
            subject={"x": self.x, "y": self.y},
            references=("Moran (1950), Biometrika 37, 17-23",),
        )
        if known.size == context.n:
            return (inner,)
        remark = left_out(context.n - known.size, f"{self.x} or {self.y}")
        return (RowStatistic(self.name, self.kind, inner, known, remark),)

    def _points(self, places: FloatArray) -> FloatArray:
        """Points of a space whose straight lines order the pairs as their distances do."""
        if self.metric == "euclidean":
            return places
        longitude, latitude = np.radians(places.T)
        return np.column_stack(
            [
                np.cos(latitude) * np.cos(longitude),
                np.cos(latitude) * np.sin(longitude),
                np.sin(latitude),
            ]
        )

    def _in_kilometres(self, bands: Bands) -> Bands:
        """Chords ``c`` of the unit sphere as arcs ``2 r asin(c / 2)``."""
        if self.metric == "euclidean":
            return bands
        arcs = 2.0 * _EARTH * np.arcsin(np.minimum(0.5 * bands.distances, 1.0))
        return Bands(bands.first, bands.second, bands.starts, arcs)


def _coordinates(column: pd.Series[Any]) -> FloatArray:
    if not pd.api.types.is_numeric_dtype(column.dtype) or column.dtype.kind in "bc":
        raise OptionError(
            f"coordinates must be numbers, and {shown(column.name)} holds {column.dtype}"
        )
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _require_degrees(at: FloatArray) -> None:
    """Refuse what cannot be longitude and latitude."""
    largest = np.nanmax(np.abs(at), axis=0, initial=0.0)
    if largest[0] > 360.0 or largest[1] > 90.0:
        raise OptionError(
            "great-circle distances need x as longitude up to 360 and y as latitude from -90 to "
            f"90 degrees; found values up to {largest[0]:g} and {largest[1]:g}"
        )


def _near(points: FloatArray) -> Bands | None:
    """Bands of the pairs of points, (m, d), up to half the largest distance."""
    m = len(points)
    # In units of a power of two, so that no square of a difference overflows.
    exponent = binary_exponents(points) + 1
    points = np.ldexp(points, -exponent)
    reach = 0.5 * float(np.linalg.norm(np.ptp(points, axis=0)))
    if m * (m - 1) // 2 <= _MOST_PAIRS:
        first, second = np.triu_indices(m, 1)
        near = _lengths(points, first, second)
    else:
        first, second, near = _sparse_pairs(points)
    kept = near <= reach
    bands = cut_into_bands(first[kept], second[kept], near[kept], m)
    return bands and replace(bands, distances=np.ldexp(bands.distances, exponent))


def _lengths(points: FloatArray, first: IntArray, second: IntArray) -> FloatArray:
    lengths: FloatArray = np.linalg.norm(points[first] - points[second], axis=1)
    return lengths


def _sparse_pairs(points: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Pairs of nearest neighbours, and beyond the farthest of these those of a few places."""
    from scipy.spatial import cKDTree

    m = len(points)
    neighbours = max(_LEAST_NEIGHBOURS, 2 * _MOST_PAIRS // m)
    near = np.asarray(cKDTree(points).query(points, k=neighbours + 1)[1])
    own = np.repeat(np.arange(m), neighbours)
    other = near[:, 1:].reshape(-1)
    pairs = np.unique(np.sort(np.column_stack([own, other]), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    lengths = _lengths(points, pairs[:, 0], pairs[:, 1])
    few = thinned(m, _FAR_PLACES)
    far_first, far_second = (few[rows] for rows in np.triu_indices(few.size, 1))
    far = _lengths(points, far_first, far_second)
    beyond = far > lengths.max()
    return (
        np.concatenate([pairs[:, 0], far_first[beyond]]),
        np.concatenate([pairs[:, 1], far_second[beyond]]),
        np.concatenate([lengths, far[beyond]]),
    )
