"""Which columns say when and where a row was observed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mixcheck.checks.time_and_place import coordinates_of, series_of, time_of, why_without_order
from mixcheck.port import DataRows

N = 24
RNG = np.random.default_rng(3)
NUMBERS = {"a": RNG.normal(size=N), "b": RNG.normal(size=N), "c": RNG.normal(size=N)}
PLAIN = {"x": NUMBERS["a"], "dose": np.tile([0.0, 1.0, 2.0], 8)}


def _rows(columns, groups=None, grouping=()):
    frame = pd.DataFrame(columns)
    response = np.random.default_rng(5).normal(size=N)
    return DataRows(frame, response, None, None, {}, groups or {}, (), grouping)


@pytest.mark.parametrize(
    "name", ["week", "Days", "visit_date", "sampleYear", "t", "DOY", "time.point", "Trial"]
)
def test_numbers_by_their_name(name):
    """A word for a time in a name of numbers makes a time."""
    assert time_of(_rows(PLAIN | {name: np.tile(np.arange(6), 4)})) == name


@pytest.mark.parametrize("name", ["sometimes", "treatment", "yearling", "today", "tt", "daylight"])
def test_parts_of_words(name):
    """A part of a word does not."""
    assert time_of(_rows(PLAIN | {name: np.tile(np.arange(6), 4)})) is None


def test_dates_come_first():
    """A date is a time under any name, before numbers called so."""
    dates = pd.date_range("2024-03-01", periods=N)
    rows = _rows({"week": np.tile(np.arange(6), 4), "sampled": dates})
    assert time_of(rows) == "sampled"
    assert time_of(_rows({"seen": pd.period_range("2024-03", periods=N, freq="M")})) == "seen"


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(np.tile([1.0, 2.0], 12)),  # before and after
        pd.Series(np.where(np.arange(N) == 3, np.nan, np.arange(N))),
        pd.Series(pd.Categorical(np.tile(list("abc"), 8))),  # no order
        pd.Series([f"day {k}" for k in range(N)]),
        pd.Series(np.random.default_rng(5).normal(size=N) * 2.0 + 1.0),  # the response
    ],
)
def test_what_is_no_time(column):
    """Two values, missing ones, names without an order and the response are no times."""
    assert time_of(_rows({"time": column})) is None


def test_ordered_factors_and_groups():
    """An ordered factor is a time; a grouping factor of the model is none."""
    season = pd.Categorical(np.tile(["spring", "summer", "autumn"], 8), ordered=True)
    assert time_of(_rows({"season": season})) == "season"
    assert time_of(_rows({"season": season}, grouping=("season",))) is None


def test_series_are_the_finest_groups_with_rows():
    """The factor of most levels among those with three rows a level."""
    pairs, fours, two = np.arange(N) // 2, np.arange(N) // 4, np.arange(N) // 12
    rows = _rows({"pair": pairs, "plot": fours, "site": two}, {"pair": pairs, "plot": fours})
    assert series_of(rows) == "plot"
    assert series_of(_rows({"pair": pairs}, {"pair": pairs})) is None
    assert series_of(_rows({"plot": fours}, {"site:plot": fours})) is None


def test_order_of_rows():
    """Rows that are mixed, or sorted by the response, have no order in time."""
    codes = np.arange(60) // 6
    y = np.random.default_rng(1).normal(size=60)
    assert why_without_order(codes, y) == ""
    assert (
        why_without_order(np.arange(60) % 10, y) == "Rows of one series do not follow each other."
    )
    falling = -np.sort(-y.reshape(10, 6), axis=1).ravel()
    for within in (np.sort(y), falling):
        assert why_without_order(codes, within) == "The rows are sorted by the response."
    assert why_without_order(codes[:12], np.sort(y)[:12]) == ""


@pytest.mark.parametrize(
    ("names", "metric"),
    [
        (("Longitude", "Latitude"), "great-circle"),
        (("lon", "lat"), "great-circle"),
        (("easting", "northing"), None),
        (("x_coord", "y_coord"), None),
        (("x", "y"), None),
    ],
)
def test_coordinates_by_their_names(names, metric):
    """Two columns of numbers with names of coordinates; degrees go along great circles."""
    columns = dict(zip(names, (NUMBERS["b"], NUMBERS["c"]), strict=True)) | {"z": NUMBERS["a"]}
    expected = dict(zip(("x", "y"), names, strict=True))
    found = coordinates_of(_rows(columns))
    assert found == (expected if metric is None else expected | {"metric": metric})


def test_degrees_that_are_none():
    """Longitudes of more than 180 are taken as they are; one coordinate alone is none."""
    columns = {"lon": 1e5 + NUMBERS["b"], "lat": NUMBERS["c"]}
    assert coordinates_of(_rows(columns)) == {"x": "lon", "y": "lat"}
    assert coordinates_of(_rows({"lon": NUMBERS["b"]})) is None
    assert (
        coordinates_of(_rows({"lon": [str(v) for v in NUMBERS["b"]], "lat": NUMBERS["c"]})) is None
    )
