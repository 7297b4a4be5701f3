"""Which level of one model is which level of another: the one that holds the same rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mixcheck.arrays import IntArray
from mixcheck.comparison.row_matching import same_levels
from mixcheck.comparison.same_data import order_of
from mixcheck.port import Comparable, Groupwise, Traceable

__all__ = ["level_places"]


def level_places(first: Groupwise, second: Groupwise, names: tuple[str, str]) -> IntArray | None:
    """Place among the levels of the second model of each level of the first, (G,).

    None where the two factors do not divide the rows alike.
    """
    codes = [_codes(model, name) for model, name in zip((first, second), names, strict=True)]
    if codes[0] is None or codes[1] is None:
        size = len(first.group_levels(names[0]))
        return np.arange(size) if size == len(second.group_levels(names[1])) else None
    assert isinstance(first, Comparable)
    assert isinstance(second, Comparable)
    order = order_of(first, second)
    other = codes[1] if order is None else codes[1][order]
    if not same_levels(codes[0], other):
        return None
    places = np.zeros(int(codes[0].max(initial=-1)) + 1, dtype=np.intp)
    places[codes[0]] = other
    return places


def _codes(model: Groupwise, name: str) -> IntArray | None:
    """Level of each row, as `Groupwise.group_levels` numbers them; None where it is not known."""
    if not isinstance(model, Traceable):
        return None
    rows = model.data_rows
    if name in rows.groups:
        return rows.groups[name]
    codes: IntArray = model.group_levels(name).get_indexer(pd.Index(rows.frame[name]))
    return codes
