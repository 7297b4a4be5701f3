"""A declaration is all that a record needs: written, read with care, described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
import pytest

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.codec.documents import from_json, to_json
from mixcheck.codec.reading import Reader
from mixcheck.codec.shapes import (
    ADDED_LATER,
    NOT_STORED,
    NUMBER,
    Count,
    Finite,
    list_of,
    shape_of,
    stored_as,
    tagged,
)
from mixcheck.errors import DataError


class Colour(Enum):
    """One of two."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Cat:
    """A cat."""

    lives: Count


@dataclass(frozen=True)
class Dog:
    """A dog."""

    weight: float | None
    bark: str = field(default="woof", metadata=ADDED_LATER)


Pet = Annotated[Cat | Dog, tagged("pet", {"cat": Cat, "dog": Dog})]


@dataclass(frozen=True, eq=False)
class House:
    """A record of every kind of field."""

    name: str
    colour: Colour
    side: Literal["left", "right"]
    rooms: tuple[float, ...]
    size: tuple[int, float]
    pets: tuple[Pet, ...]
    rent: Mapping[str, Finite]
    open: bool | None
    heights: FloatArray
    marks: BoolArray
    series: pd.Series[float] = field(metadata=stored_as(list_of(NUMBER)))
    secret: object = field(default=None, metadata=NOT_STORED)
    anything: Any = None

    _computed: ClassVar = ("area",)

    @property
    def area(self) -> float:
        """Told, and not read."""
        return 3.0


HOUSE = House(
    "h",
    Colour.BLUE,
    "left",
    (1.0, np.nan, np.inf),
    (-2, 0.5),
    (Cat(9), Dog(None), Dog(np.nan, "wuff")),
    {"may": 1.5},
    None,
    np.array([1.0, -np.inf]),
    np.array([True]),
    pd.Series([2.0], index=["a"]),
    secret=object(),
    anything={"deep": [1, None]},
)

CONTENT = {
    "area": 3.0,
    "name": "h",
    "colour": "blue",
    "side": "left",
    "rooms": [1.0, None, "inf"],
    "size": [-2, 0.5],
    "pets": [
        {"pet": "cat", "lives": 9},
        {"pet": "dog", "weight": None, "bark": "woof"},
        {"pet": "dog", "weight": {"number": None}, "bark": "wuff"},
    ],
    "rent": {"may": 1.5},
    "open": None,
    "heights": {"dtype": "float64", "values": [1.0, "-inf"]},
    "marks": {"dtype": "bool", "values": [True]},
    "series": [2.0],
    "anything": {"deep": [1, None]},
}


def test_a_record_is_written_by_its_declaration():
    """Each type has one form; what is not stored is not there, what is computed is."""
    assert shape_of(House).write(HOUSE) == CONTENT


def test_a_record_returns():
    """Reading gives the record again, NaN and None apart."""
    back = from_json(to_json(HOUSE), House, "house")
    assert shape_of(House).write(back) == CONTENT
    assert back.colour is Colour.BLUE
    assert back.secret is None
    assert back.pets[1].weight is None
    assert np.isnan(back.pets[2].weight)
    np.testing.assert_array_equal(back.heights, HOUSE.heights)


def test_a_later_field_may_be_absent():
    """Older files lack it and take the default; another field they must have."""
    dog = shape_of(Dog)
    assert dog.read(Reader({"weight": None}, "", "dog")) == Dog(None)
    with pytest.raises(DataError, match="this dog cannot be read: it has no item 'weight'"):
        dog.read(Reader({"bark": "x"}, "", "dog"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "green"}, "colour must be one of 'red', 'blue', found 'green'"),
        ({"side": None}, "side must be one of 'left', 'right', found None"),
        ({"rooms": [1.0, True]}, r"rooms\[1\] must be a number.*found True"),
        ({"size": [1]}, "size must be a list of 2, found"),
        ({"size": [1.5, 1.5]}, r"size\[0\] must be a whole number, found 1.5"),
        ({"pets": [{"pet": "cow"}]}, r"pets\[0\].pet must be one of 'cat', 'dog', found 'cow'"),
        ({"pets": [{"pet": "cat", "lives": -1}]}, r"pets\[0\].lives must be a whole number from 0"),
        ({"pets": [{"pet": "dog", "weight": 3.0}]}, r"pets\[0\].weight must be an object"),
        ({"rent": {"may": "inf"}}, "rent.may must be a finite number, found 'inf'"),
        ({"open": 0}, "open must be true or false, found 0"),
        ({"marks": {"dtype": "O", "values": []}}, "marks.dtype must be one of 'bool', found 'O'"),
    ],
)
def test_what_is_wrong_is_named(change, message):
    """One sentence with the place, what is wanted and what was found."""
    with pytest.raises(DataError, match=message):
        shape_of(House).read(Reader(CONTENT | change, "", "house"))


def test_types_that_are_not_stored():
    """A field of another type is a fault of the declaration, found at once."""
    with pytest.raises(TypeError, match="has no shape in JSON"):
        shape_of(complex)
    with pytest.raises(TypeError, match="has no shape in JSON"):
        shape_of(Cat | Dog)
