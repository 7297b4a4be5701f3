"""The derivative of a transformed response in the column that it was made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.design.nodes import Binary, Braces, Call, Name, Node, Number, Unary, render
from mixcheck.design.syntax import parse_node
from mixcheck.errors import OptionError

__all__ = ["log_derivative"]

# A value and its derivative, row by row.
_Pair: TypeAlias = tuple[FloatArray, FloatArray]

# Derivatives of functions of one number.
_DERIVATIVES: Final[Mapping[str, tuple[Callable[..., FloatArray], Callable[..., FloatArray]]]] = {
    "log": (np.log, lambda x: 1.0 / x),
    "log2": (np.log2, lambda x: 1.0 / (x * np.log(2.0))),
    "log10": (np.log10, lambda x: 1.0 / (x * np.log(10.0))),
    "log1p": (np.log1p, lambda x: 1.0 / (1.0 + x)),
    "exp": (np.exp, np.exp),
    "expm1": (np.expm1, np.exp),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "I": (np.positive, np.ones_like),
}


def log_derivative(text: str, column: str, frame: pd.DataFrame) -> FloatArray:
    """``log |dg / dy|`` of a response g that is a function of the column y, (n,).

    Parameters
    ----------
    text : str
        The response as a formula has it.
    column : str
    frame : DataFrame, (n, ..)
        Other columns in the expression are constants.

    Raises
    ------
    OptionError
        If the expression does not depend on the column, has a function whose derivative is not
        known, or a derivative of zero.

    Examples
    --------
    >>> log_derivative("log(y)", "y", pd.DataFrame({"y": [1.0, np.e]})).tolist()
    [0.0, -1.0]
    """
    with np.errstate(all="ignore"):
        _, slope = _differentiate(parse_node(text), column, frame)
        found: FloatArray = np.log(np.abs(slope))
    if not np.isfinite(found).all():
        raise OptionError(
            f"`{text}` has no finite derivative in {column!r} other than zero in every row, so its "
            f"likelihood has none on the scale of {column!r}"
        )
    return found


def _differentiate(node: Node, column: str, frame: pd.DataFrame) -> _Pair:
    n = len(frame)
    match node:
        case Number(text):
            return np.full(n, float(text)), np.zeros(n)
        case Name(name) if name in frame.columns:
            values = frame[name].to_numpy(dtype=np.float64)
            return values, np.full(n, float(name == column))
        case Braces(inner):
            return _differentiate(inner, column, frame)
        case Unary(operator, operand) if operator in "+-":
            sign = -1.0 if operator == "-" else 1.0
            value, slope = _differentiate(operand, column, frame)
            return sign * value, sign * slope
        case Binary(operator, left, right) if operator in ("+", "-", "*", "/", "**"):
            one, two = (_differentiate(side, column, frame) for side in (left, right))
            return _combine(operator, one, two)
        case Call("log", (inner, base), ()):
            return _combine(
                "/", *(_differentiate(Call("log", (x,)), column, frame) for x in (inner, base))
            )
        case Call(function, (inner,), ()) if function in _DERIVATIVES:
            value, slope = _differentiate(inner, column, frame)
            apply, derive = _DERIVATIVES[function]
            return apply(value), derive(value) * slope
    raise OptionError(
        f"the derivative of `{render(node)}` in {column!r} is not known; those of "
        f"{', '.join(_DERIVATIVES)} and of arithmetic are"
    )


def _combine(operator: str, one: _Pair, two: _Pair) -> _Pair:
    (a, da), (b, db) = one, two
    if operator in "+-":
        sign = 1.0 if operator == "+" else -1.0
        return a + sign * b, da + sign * db
    if operator == "*":
        return a * b, da * b + a * db
    if operator == "/":
        return a / b, (da * b - a * db) / b**2
    value = a**b
    moving = np.where(db != 0.0, value * np.log(a) * db, 0.0)
    return value, b * a ** (b - 1.0) * da + moving
