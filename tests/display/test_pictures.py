import json
from dataclasses import fields

import numpy as np
import pytest

from mixcheck.codec.reading import Reader
from mixcheck.codec.shapes import shape_of
from mixcheck.display.pictures import (
    Caterpillar,
    NormalPlot,
    Picture,
    QuantilePlot,
    ResidualPlot,
)
from mixcheck.errors import DataError

PICTURE = shape_of(Picture)


def test_round_trip(picture):
    """A picture returns from strict JSON: kind, labels and every array with its dtype."""
    encoded = PICTURE.write(picture)
    back = PICTURE.read(Reader(json.loads(json.dumps(encoded, allow_nan=False)), "", "picture"))
    assert type(back) is type(picture)
    assert PICTURE.write(back) == encoded
    for item in fields(picture):
        before, after = getattr(picture, item.name), getattr(back, item.name)
        if isinstance(before, np.ndarray):
            assert after.dtype == before.dtype
            np.testing.assert_array_equal(after, before)


def test_unknown_kind():
    """A kind that does not exist is refused with the list of those that do."""
    with pytest.raises(DataError, match=r"kind must be one of 'quantiles'.*found 'pie'"):
        PICTURE.read(Reader({"kind": "pie"}, "", "picture"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: QuantilePlot(np.arange(3.0), np.arange(4.0)),
        lambda: QuantilePlot(np.arange(3.0), np.arange(3.0), np.arange(2.0), np.arange(3.0)),
        lambda: ResidualPlot(np.ones((2, 2)), np.ones((2, 2))),
        lambda: ResidualPlot(np.ones(3), np.ones(3), marked=np.array([True])),
        lambda: ResidualPlot(
            np.ones(3), np.ones(3), bands=((0.5, np.ones(3), np.ones(2), np.ones(3)),)
        ),
        lambda: Caterpillar(("a",), np.ones(2), np.ones(2), np.ones(2)),
        lambda: NormalPlot(np.ones(2), np.ones(2), labels=("a",)),
    ],
)
def test_shapes_are_checked(make):
    """Vectors of different lengths are refused when the record is made."""
    with pytest.raises(DataError, match="needs"):
        make()
