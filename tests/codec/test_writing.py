import json
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mixcheck.codec.reading import Reader, parse_json
from mixcheck.codec.writing import array_to_json, json_text, number_to_json


def same(a: float, b: float) -> bool:
    """Whether two floats have the same bits, or both are NaN."""
    return (a != a and b != b) or struct.pack("d", a) == struct.pack("d", b)


@given(st.floats())
def test_numbers_return_bit_for_bit(value):
    """Any float returns from strict JSON with its bits, NaN as null."""
    text = json.dumps(number_to_json(value), allow_nan=False)
    assert same(parse_json(text, "number").number(), value)


@given(st.lists(st.floats()))
def test_arrays_return(values):
    """A float array returns from strict JSON with its bits and dtype."""
    encoded = json.dumps(array_to_json(np.array(values)), allow_nan=False)
    back = parse_json(encoded, "array").array("float64")
    assert back.dtype == np.float64
    assert all(same(a, b) for a, b in zip(back.tolist(), values, strict=True))


def test_other_types_return():
    """Integers and truth values keep their type, also when empty; narrow types are widened."""
    pairs = [
        (np.array([1, 2], dtype=np.intp), "int64"),
        (np.array([3], dtype=np.int8), "int64"),
        (np.array([0.5], dtype=np.float32), "float64"),
        (np.array([True]), "bool"),
        (np.empty(0, dtype=bool), "bool"),
    ]
    for array, dtype in pairs:
        back = Reader(array_to_json(array), "", "array").array(dtype)
        assert back.dtype == dtype
        np.testing.assert_array_equal(back, array)


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_returns_and_can_be_encoded(text):
    """Any text, lone surrogates too, makes JSON that every file can hold, and returns from it."""
    written = json_text({"label": text})
    written.encode("utf-8")
    assert json.loads(written) == {"label": text}
