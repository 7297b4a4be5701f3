"""Numbers and arrays as JSON has them: NaN is null, the infinities are words.

JSON has neither NaN nor infinity. Finite floats are left to `json`, which writes
their shortest ``repr``, so a round trip returns the very same bits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["array_from_json", "array_to_json", "number_from_json", "number_to_json"]

_WORDS = {"inf": math.inf, "-inf": -math.inf}


def number_to_json(value: float) -> float | str | None:
    """A float as JSON can hold it.

    Examples
    --------
    >>> number_to_json(0.5), number_to_json(float("nan")), number_to_json(float("-inf"))
    (0.5, None, '-inf')
    """
    value = float(value)
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def number_from_json(value: float | str | None) -> float:
    """The float that `number_to_json` was given.

    Examples
    --------
    >>> number_from_json(None), number_from_json("-inf"), number_from_json(0.5)
    (nan, -inf, 0.5)
    """
    if value is None:
        return math.nan
    return _WORDS[value] if isinstance(value, str) else float(value)


def array_to_json(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """A one-dimensional array as ``{"dtype": ..., "values": [...]}``.

    Examples
    --------
    >>> array_to_json(np.array([1.0, np.nan]))
    {'dtype': 'float64', 'values': [1.0, None]}
    """
    if array.dtype.kind == "f":
        values: list[Any] = [number_to_json(value) for value in array.tolist()]
    else:
        values = array.tolist()
    return {"dtype": str(array.dtype), "values": values}


def array_from_json(encoded: dict[str, Any]) -> np.ndarray[Any, Any]:
    """The array that `array_to_json` was given, of the same dtype."""
    dtype = np.dtype(encoded["dtype"])
    values = encoded["values"]
    if dtype.kind == "f":
        values = [number_from_json(value) for value in values]
    return np.array(values, dtype=dtype)
