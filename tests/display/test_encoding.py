import json
import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.display.encoding import (
    array_from_json,
    array_to_json,
    number_from_json,
    number_to_json,
)

laws = settings(deadline=None, derandomize=True, max_examples=200)


def same(a: float, b: float) -> bool:
    """Whether two floats have the same bits, or both are NaN."""
    return (a != a and b != b) or struct.pack("d", a) == struct.pack("d", b)


@laws
@given(st.floats())
def test_numbers_return_bit_for_bit(value):
    """Any float returns from strict JSON with its bits, NaN as null."""
    text = json.dumps(number_to_json(value), allow_nan=False)
    assert same(number_from_json(json.loads(text)), value)


@laws
@given(st.lists(st.floats()))
def test_arrays_return(values):
    """A float array returns from strict JSON with its bits and dtype."""
    encoded = json.loads(json.dumps(array_to_json(np.array(values)), allow_nan=False))
    back = array_from_json(encoded)
    assert back.dtype == np.float64
    assert all(same(a, b) for a, b in zip(back.tolist(), values, strict=True))


def test_other_dtypes_return():
    """Integers and truth values keep their dtype, also when empty."""
    for array in (np.array([1, 2], dtype=np.intp), np.array([True]), np.empty(0, dtype=bool)):
        back = array_from_json(array_to_json(array))
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)
