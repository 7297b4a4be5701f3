"""Hashes of rows: of their labels, of what they hold, and of whole vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.port.comparing import DataRows

__all__ = [
    "Hashes",
    "coded",
    "combine",
    "digest",
    "digest_rows",
    "hash_column",
    "hash_labels",
    "hash_rows",
    "is_number",
    "mix",
]

Hashes: TypeAlias = NDArray[np.uint64]

# What is carried is multiplied by this before the next part is added: 2^64 over the golden ratio.
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MISSING = np.uint64(0x27D4EB2F165667C5)


def digest(*arrays: object) -> str:
    """Sixteen hexadecimal digits of all arrays together; None counts as something of its own."""
    whole = hashlib.sha256()
    for array in arrays:
        whole.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()[:16]


def digest_rows(data: DataRows, *more: FloatArray) -> dict[str, str]:
    """Digests of the rows, the response, the weights and the offset of the mean.

    They depend on the labels of the rows and not on their order. `more`, each (n,), is digested
    with the response.
    """
    labels = hash_labels(data.frame.index)
    order = np.argsort(labels, kind="stable")
    parts = {
        "response": (data.response, data.size, *more),
        "weights": (data.weights,),
        "offset": (data.offsets["mean"],),
    }
    digests = {
        name: digest(*(None if array is None else array[order] for array in arrays))
        for name, arrays in parts.items()
    }
    return {"rows": digest(labels[order]), **digests}


def hash_labels(index: pd.Index[Any]) -> Hashes:
    """A number for each label, (n,)."""
    try:
        hashes = pd.util.hash_pandas_object(index, index=False)
    except (TypeError, ValueError):  # labels of several kinds, tuples among them
        texts = pd.Index([repr(label) for label in index], dtype=object)
        hashes = pd.util.hash_pandas_object(texts, index=False)
    return np.asarray(hashes, dtype=np.uint64)


def hash_rows(frame: pd.DataFrame, names: Sequence[Any]) -> Hashes:
    """A number for what each row holds in some columns, (n,)."""
    rows = np.zeros(len(frame), dtype=np.uint64)
    for name in sorted(names, key=str):
        rows = combine(rows, hash_column(frame[name]))
    return rows


def hash_column(column: pd.Series[Any]) -> Hashes:
    """A number for each value; whole numbers are the same however they are stored."""
    if is_number(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0
        return np.where(np.isnan(values), _MISSING, mix(values.view(np.uint64)))
    codes, levels = coded(column)
    hashes = pd.util.hash_array(np.array(levels, dtype=object), categorize=False)
    return np.append(hashes, _MISSING)[codes]


def is_number(column: pd.Series[Any]) -> bool:
    """Whether a column holds numbers or truth values."""
    kind = getattr(column.dtype, "kind", "O")
    return pd.api.types.is_numeric_dtype(column.dtype) and kind in "iufb"


def coded(column: pd.Series[Any]) -> tuple[IntArray, list[str]]:
    """Codes, (n,), -1 where a value is missing, and the texts of the levels."""
    try:
        codes, levels = pd.factorize(column)
    except TypeError:
        # Values such as lists have no hash, and a text.
        texts = column.map(str, na_action="ignore")
        codes, levels = pd.factorize(texts)
    return codes, [str(level) for level in levels]


def mix(values: Hashes) -> Hashes:
    """A permutation of the 64-bit integers without pattern (the finaliser of splitmix64)."""
    x = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = x ^ (x >> np.uint64(31))
    return mixed


def combine(before: Hashes, after: Hashes) -> Hashes:
    """Hashes of pairs of hashes, (n,); their order counts."""
    return mix(before * _FACTOR + after)
