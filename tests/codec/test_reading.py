"""JSON from anywhere: what is not as expected is named with its place."""

from __future__ import annotations

import math

import pytest

from mixcheck.codec.reading import Reader, parse_json
from mixcheck.errors import DataError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "this is no JSON, so no report can be read"),
        ("{", "this is no JSON"),
        ('{"a": NaN}', "NaN is no number in JSON"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ('{"b": {"a": 1, "c": 2, "a": 1}}', "'a' stands twice in one object; write it once"),
        ("1" * 5000, "this is no JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[" * 100 + "]" * 100, "nested too deeply"),
        ('{"a":' * 100 + "1" + "}" * 100, "nested too deeply"),
    ],
)
def test_no_json(text, message):
    """What is no JSON, or deeper than anything of ours, is one sentence."""
    with pytest.raises(DataError, match=message) as caught:
        parse_json(text, "report")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


WRONG = [
    (Reader.text, 1, "must be a text, found 1"),
    (Reader.flag, 1, "must be true or false, found 1"),
    (Reader.whole, True, "must be a whole number, found True"),
    (Reader.whole, 1.0, "must be a whole number, found 1.0"),
    (Reader.whole, -1, "must be a whole number from 0 to"),
    (Reader.whole, 10**30, "must be a whole number from 0 to"),
    (Reader.number, "nan", "must be a number"),
    (Reader.number, False, "must be a number"),
    (Reader.number, 10**400, "must be a number"),
    (lambda r: r.number(0.0, 1.0), 1.5, "must be a number from 0 to 1, found 1.5"),
    (lambda r: r.choice(("a", "b")), [], "must be one of 'a', 'b', found"),
    (Reader.items, {}, "must be a list, found"),
    (Reader.texts, ["a", None], r"\[1\] must be a text, found None"),
    (lambda r: r.at("x"), [], "must be an object, found"),
    (lambda r: r.at("x"), {"y": 1}, "has no item 'x'"),
    (lambda r: r.at("x").at("y").text(), {"x": {"y": 2}}, "x.y must be a text, found 2"),
]


@pytest.mark.parametrize(("read", "value", "message"), WRONG)
def test_wrong_values(read, value, message):
    """Each wrong value names its place and what is wanted there."""
    with pytest.raises(DataError, match=message):
        read(Reader(value, "", "report"))


@pytest.mark.parametrize(
    "encoded",
    [
        {"dtype": "U10000000", "values": []},
        {"dtype": "O", "values": [1.0]},
        {"dtype": "float64", "values": [[1.0]]},
        {"dtype": "float64", "values": 3.0},
        {"dtype": "float64", "values": [True]},
        {"dtype": ["float64"], "values": []},
        {"dtype": "float64"},
        [1.0],
        None,
    ],
)
def test_arrays_are_of_plain_types(encoded):
    """Other types than the one expected are refused before anything is made of them."""
    with pytest.raises(DataError, match="this report cannot be read"):
        Reader(encoded, "findings[0].replicates", "report").array("float64")


def test_numbers_of_json():
    """Null is NaN, the infinities are words, and whole numbers are numbers."""
    assert math.isnan(Reader(None, "", "report").number())
    assert Reader("-inf", "", "report").number() == -math.inf
    assert Reader(3, "", "report").number() == 3.0
