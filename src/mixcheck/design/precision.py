"""Precision weights: the dispersion of each row divided by a column of the data."""

from __future__ import annotations

import numpy as np

from mixcheck.design.frames import as_frame, read_vector, require_columns, row_label
from mixcheck.errors import DataError, OptionError

__all__ = ["divide_dispersion"]


def divide_dispersion(dispersion: str, precision: str, power: float, data: object) -> str:
    """Formula of a dispersion with the offset that a column of precisions stands for.

    Parameters
    ----------
    dispersion : str
        Such as ``"~ 1"``.
    precision : str
        Column of positive numbers; rows where it is missing are left out with the others.
    power : float
        What its logarithm is multiplied by in the predictor.
    data : table

    Raises
    ------
    OptionError, UnknownColumnError, DataError

    Examples
    --------
    >>> divide_dispersion("~ 1", "n", -0.5, {"n": [2.0, 4.0]})
    '~ 1 + offset(-0.5 * log(`n`))'
    """
    if not isinstance(precision, str):
        raise OptionError(
            f"precision must be the name of a column, not {type(precision).__name__}: predictions "
            'need it too. Put the numbers into the data and write precision="column"'
        )
    frame = as_frame(data)
    require_columns(frame, [precision], ())
    values = read_vector(precision, frame, "precision")
    assert values is not None
    wrong = np.flatnonzero(~np.isnan(values) & ~((values > 0.0) & np.isfinite(values)))
    if wrong.size:
        i = int(wrong[0])
        raise DataError(
            f"precision must be positive and finite, but {precision!r} is {values[i]} in "
            f"{row_label(frame, i)}. Leave such rows out, or write weights= for rows that count "
            "nothing."
        )
    return f"{dispersion} + offset({power:g} * log(`{precision}`))"
