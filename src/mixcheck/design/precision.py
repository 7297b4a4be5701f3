"""Precision weights: the dispersion of each row divided by a column of the data."""

from __future__ import annotations

import numpy as np

from mixcheck.design.formula import with_offset
from mixcheck.design.frames import as_frame, read_vector, require_columns, row_label
from mixcheck.design.model_formula import ModelFormula
from mixcheck.design.nodes import Binary, Call, Name, Number, Unary
from mixcheck.errors import DataError, OptionError

__all__ = ["divide_dispersion"]


def divide_dispersion(
    formula: ModelFormula, precision: str, power: float, data: object
) -> ModelFormula:
    """Formula whose dispersion has the offset that a column of precisions stands for.

    Parameters
    ----------
    formula : ModelFormula
        With a dispersion.
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
    >>> from mixcheck.design.formula import parse_formula
    >>> formula = parse_formula("y ~ x", dispersion="~ 1")
    >>> divide_dispersion(formula, "n", -0.5, {"n": [2.0, 4.0]}).others
    ('dispersion ~ 1 + offset(-0.5 * log(n))',)
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
    factor = Number(f"{abs(power):g}")
    scale = Unary("-", factor) if power < 0 else factor
    return with_offset(formula, "dispersion", Binary("*", scale, Call("log", (Name(precision),))))
