"""Values as JSON has them: NaN is null, the infinities are words.

JSON has neither NaN nor infinity. Finite floats are left to `json`, which writes
their shortest ``repr``, so a round trip returns the very same bits.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from mixcheck.errors import DataError

__all__ = ["array_to_json", "json_text", "number_to_json", "plain"]

_STORED_TYPES = {"f": "float64", "b": "bool"}
_SURROGATES = re.compile("[\ud800-\udfff]")


def json_text(content: Any, *, indent: int | None = 1) -> str:
    r"""JSON that can be written to any file: a lone surrogate is escaped, and read back as it was.

    Parameters
    ----------
    content : plain data
    indent : int or None
        Of each level; None for a single line.

    Examples
    --------
    >>> json_text({"label": "é"})
    '{\n "label": "é"\n}'
    """
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, indent=indent)
    return _SURROGATES.sub(lambda mark: f"\\u{ord(mark.group()):04x}", text)


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


def array_to_json(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """A one-dimensional array of float64, int64 or bool, as ``{"dtype": ..., "values": [...]}``.

    Examples
    --------
    >>> array_to_json(np.array([1.0, np.nan]))
    {'dtype': 'float64', 'values': [1.0, None]}
    """
    stored = array.astype(_STORED_TYPES.get(array.dtype.kind, "int64"), copy=False)
    values: list[Any] = stored.tolist()
    if stored.dtype.kind == "f":
        values = [number_to_json(value) for value in values]
    return {"dtype": str(stored.dtype), "values": values}


def plain(value: Any) -> Any:
    """A value of no declared type, such as one of the provenance, as JSON holds it.

    Raises
    ------
    DataError
        If it is none of text, number, truth value, None, list, tuple, array or mapping.

    Examples
    --------
    >>> plain({"seed": np.int64(1), "levels": (0.5, float("nan"))})
    {'seed': 1, 'levels': [0.5, None]}
    """
    if isinstance(value, np.floating):
        value = float(value)
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return number_to_json(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise DataError(
        f"the provenance of a report holds text, numbers, lists and mappings, "
        f"found {type(value).__name__}"
    )
