"""Nodes to values: the walk over an expression, in float64, with what it must remember."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from mixcheck.design import factors as _factors
from mixcheck.design.columns import Columns
from mixcheck.design.elementwise import Site, plain
from mixcheck.design.functions import FUNCTIONS, VALUES, call_function
from mixcheck.design.hints import HINTS
from mixcheck.design.nodes import (
    Binary,
    Braces,
    Call,
    Constant,
    Name,
    Node,
    Number,
    Text,
    Unary,
    Vector,
    render,
    walk,
)
from mixcheck.design.values import (
    Coded,
    Matrix,
    Value,
    as_logical,
    as_number,
    kind_of,
    require_defined,
    text_levels,
    value_of,
)
from mixcheck.errors import DataError, FormulaError, MixcheckError

__all__ = ["Environment", "evaluate", "names_of"]

_ARITHMETIC: Final = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "//": np.floor_divide,
    "%": np.mod,
    "%%": np.mod,
    "%/%": np.floor_divide,
    "**": np.power,
}
_COMPARISONS: Final = {
    "<": np.less,
    ">": np.greater,
    "<=": np.less_equal,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
_LONGEST_RANGE: Final = 10_000


@dataclass(frozen=True, eq=False)
class Environment:
    """What an expression is evaluated on.

    Attributes
    ----------
    data : mapping of columns
    n : int
        Number of rows.
    context : mapping
        The caller's own functions and values, by name.
    states : dict
        What each call remembers from the fit, by its text.
    """

    data: Columns
    n: int
    context: Mapping[str, Any]
    states: dict[str, dict[str, Any]]
    known: dict[str, Value] = field(default_factory=dict)


def names_of(node: Node) -> tuple[list[str], list[str]]:
    """Names of values and of functions in an expression, in the order written."""
    values, functions = [], []
    for part in walk(node):
        if isinstance(part, Name):
            values.append(part.name)
        elif isinstance(part, Call):
            functions.append(part.function)
    return values, functions


def evaluate(node: Node, environment: Environment) -> Value:
    """Value of an expression.

    Raises
    ------
    DataError, FormulaError
        If it has none on these data.
    """
    match node:
        case Number(text):
            return float(text)
        case Text(value):
            return value
        case Constant(name):
            return _constant(name)
        case Name(name):
            return _named(name, environment)
        case Braces(inner):
            return evaluate(inner, environment)
        case Vector(items):
            return tuple(evaluate(item, environment) for item in items)
        case Unary(operator, operand):
            return _unary(operator, operand, environment)
        case Binary():
            return _binary(node, environment)
        case Call():
            return _call(node, environment)


def _constant(name: str) -> Value:
    if name == "NA":
        raise FormulaError("NA has no value in a formula; rows with a missing value are left out.")
    known: dict[str, Value] = {
        "True": True,
        "False": False,
        "None": None,
        "Inf": float("inf"),
        "NaN": float("nan"),
    }
    return known[name]


def _named(name: str, environment: Environment) -> Value:
    if name in environment.known:
        return environment.known[name]
    if name in environment.data:
        value = value_of(environment.data[name], name)
    elif name in environment.context:
        given = environment.context[name]
        if isinstance(given, np.ndarray) and given.ndim == 2 and len(given) != environment.n:
            return tuple(map(tuple, given.tolist()))  # contrasts
        value = _from_outside(given, name, environment.n)
        if isinstance(value, np.ndarray | pd.Categorical | pd.Series | Matrix):
            # Rows are left out, and new data have others: only a column of the data follows.
            raise DataError(
                f"`{name}` of context= has one value a row, and nothing says of which row; make "
                "it a column of the data. Functions, constants and lists of them belong there."
            )
    elif name in VALUES:
        return VALUES[name]
    elif name in _factors.CONTRASTS:
        made: Value = _factors.contrast(name)
        return made
    else:
        raise FormulaError(f"`{name}` is a function; write `{name}(..)`.")
    environment.known[name] = value
    return value


def _unary(operator: str, operand: Node, environment: Environment) -> Value:
    value = evaluate(operand, environment)
    text = render(operand)
    if operator == "!":
        return plain(np.logical_not(as_logical(value, text)))
    number = as_number(value, text)
    return plain(-number if operator == "-" else number)


def _binary(node: Binary, environment: Environment) -> Value:
    operator = node.operator
    left, right = evaluate(node.left, environment), evaluate(node.right, environment)
    texts = render(node.left), render(node.right)
    if operator in _ARITHMETIC:
        return plain(_ARITHMETIC[operator](as_number(left, texts[0]), as_number(right, texts[1])))
    if operator == "%in%":
        return plain(_factors.matches(left, right, render(node)))
    if operator in ("&", "|"):
        function = np.logical_and if operator == "&" else np.logical_or
        return plain(function(as_logical(left, texts[0]), as_logical(right, texts[1])))
    if operator == ":":
        return _range(left, right, node)
    return _comparison(operator, left, right, texts, environment)


def _range(left: Value, right: Value, node: Binary) -> Value:
    ends = [value for value in (left, right) if isinstance(value, float) and value.is_integer()]
    if len(ends) < 2:
        raise FormulaError(
            f"`{render(node)}` within an expression is a range of whole numbers in R; for a "
            "product write `*` here, or `x:z` outside of I() and braces."
        )
    low, high = ends
    if abs(high - low) > _LONGEST_RANGE:
        raise FormulaError(f"`{render(node)}` is a range of more than {_LONGEST_RANGE} numbers.")
    step = 1 if high >= low else -1
    return tuple(float(i) for i in range(int(low), int(high) + step, step))


def _comparison(
    operator: str, left: Value, right: Value, texts: tuple[str, str], environment: Environment
) -> Value:
    function = _COMPARISONS[operator]
    if isinstance(left, Coded):
        left = left.categories
    if isinstance(right, Coded):
        right = right.categories
    if isinstance(left, pd.Categorical) or isinstance(right, pd.Categorical):
        return _compare_levels(operator, left, right, texts)
    if isinstance(left, pd.Series) or isinstance(right, pd.Series):
        try:
            if not all(isinstance(side, pd.Series | str) for side in (left, right)):
                raise TypeError
            sides: list[Any] = [
                pd.Timestamp(side) if isinstance(side, str) else side for side in (left, right)
            ]
            return np.asarray(function(*sides), dtype=np.bool_)
        except (TypeError, ValueError):
            raise DataError(
                f"`{texts[0]} {operator} {texts[1]}` compares {kind_of(left)} with "
                f"{kind_of(right)}; write a date in quotes, such as '2024-01-31'."
            ) from None
    sides = [
        require_defined(as_number(side, text), text)
        for side, text in zip((left, right), texts, strict=True)
    ]
    return plain(function(*sides))


def _compare_levels(operator: str, left: Value, right: Value, texts: tuple[str, str]) -> Value:
    """Levels compared with one of them, or with another factor."""
    if isinstance(right, pd.Categorical) and not isinstance(left, pd.Categorical):
        turned = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(operator, operator)
        return _compare_levels(turned, right, left, (texts[1], texts[0]))
    assert isinstance(left, pd.Categorical)
    shown = f"{texts[0]} {operator} {texts[1]}"
    if operator in ("==", "!="):
        if isinstance(right, pd.Categorical):
            same = np.asarray(left, dtype=object).astype(str) == np.asarray(
                right, dtype=object
            ).astype(str)
        elif isinstance(right, str | float | bool):
            same = np.asarray(_factors.matches(left, right, shown))
        else:
            raise DataError(f"`{shown}` compares levels with {kind_of(right)}.")
        return np.asarray(same if operator == "==" else ~same)
    known = [str(level) for level in left.categories]
    if not left.ordered or not isinstance(right, str | float) or _label(right) not in known:
        raise DataError(
            f"`{shown}` needs categories with an order (ordered=True in pandas) and one of their "
            "levels in quotes."
        )
    return np.asarray(_COMPARISONS[operator](left.codes, known.index(_label(right))))


def _label(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _call(node: Call, environment: Environment) -> Value:
    text = render(node)
    if text in environment.known:
        return environment.known[text]
    name = node.function
    outside = _outside_function(name, environment.context)
    if outside is None and name not in FUNCTIONS:
        raise FormulaError(f"`{name}` is no function of formulas; {HINTS[name]}.")
    arguments = [evaluate(argument, environment) for argument in node.arguments]
    named = {key: evaluate(value, environment) for key, value in node.keywords}
    state = environment.states.setdefault(text, {})
    if outside is None:
        value = call_function(name, Site(text, environment.n, state), arguments, named)
    else:
        value = _call_outside(outside, text, environment.n, state, arguments, named)
    environment.known[text] = value
    return value


# ---- what context= brings -------------------------------------------------------------------


def _outside_function(name: str, context: Mapping[str, Any]) -> Any:
    """The caller's function of a name; a dotted name is looked up within what was given."""
    if name in context:
        return context[name]
    first, _, rest = name.partition(".")
    if not rest or first not in context:
        return None
    found = context[first]
    for part in rest.split("."):
        if part.startswith("_") or not hasattr(found, part):
            raise FormulaError(f"`{name}`: `{first}` of context= has nothing called `{part}`.")
        found = getattr(found, part)
    return found


def _call_outside(
    function: Any,
    text: str,
    n: int,
    state: dict[str, Any],
    arguments: list[Value],
    named: dict[str, Value],
) -> Value:
    if not callable(function):
        raise FormulaError(f"`{text}`: context= has no function of that name, but a value.")
    options = {key: _to_outside(value) for key, value in named.items()}
    if getattr(function, "__is_stateful_transform__", False):
        options["_state"] = state
    try:
        result = function(*map(_to_outside, arguments), **options)
    except MixcheckError:
        raise
    except Exception as error:  # The caller's own code may raise anything.
        reason = str(error).split("\n")[0].rstrip(".")
        raise DataError(f"`{text}` failed: {type(error).__name__}: {reason}.") from error
    if isinstance(result, pd.Series | pd.DataFrame) and len(result) == n:
        _require_order(result.index, text)
    return _from_outside(result, text, n)


def _require_order(index: pd.Index[Any], text: str) -> None:
    """Refuse rows in another order: by position or by label, one of the two would be wrong."""
    rows = pd.RangeIndex(len(index))
    if index.dtype.kind in "iu" and not index.equals(rows) and index.sort_values().equals(rows):
        raise DataError(
            f"`{text}` gives the rows in another order than it was given them; let the function "
            "return them in the order of its argument, as a Series with the same index."
        )


def _to_outside(value: Value) -> Any:
    """Value as the caller's functions expect it: columns are pandas Series."""
    if isinstance(value, np.ndarray | pd.Categorical):
        return pd.Series(value)
    if isinstance(value, Matrix):
        return value.numbers
    return list(value) if isinstance(value, tuple) else value


def _from_outside(value: Any, text: str, n: int) -> Value:
    value = getattr(value, "__wrapped__", value)
    if value is None or isinstance(value, str | bool | tuple):
        return value
    if isinstance(value, pd.DataFrame):
        return Matrix(_numbers(value.to_numpy(), text), tuple(map(str, value.columns)))
    if isinstance(value, pd.Categorical) and len(value) == n:
        return value
    if isinstance(value, pd.Series) and len(value) == n:
        if isinstance(value.dtype, pd.CategoricalDtype):
            return pd.Categorical(value)
        if value.dtype.kind in "mM":
            return value.reset_index(drop=True)
        if pd.api.types.is_bool_dtype(value.dtype):
            return value.to_numpy(dtype=np.bool_)
    array = np.asarray(value)
    if array.ndim == 0 and array.dtype.kind in "iufb":
        return float(array)
    if array.dtype.kind in "OUS" and array.shape == (n,) and isinstance(array.flat[0], str):
        return text_levels(array.astype(object))
    if array.ndim == 1 and len(array) != n and array.dtype.kind in "iufbOU":
        return tuple(array.tolist())
    if array.ndim == 2 and len(array) == n:
        return Matrix(_numbers(array, text), tuple(str(i) for i in range(array.shape[1])))
    if array.ndim == 0:
        made: Value = value
        return made
    if array.ndim != 1 or len(array) != n:
        raise DataError(f"`{text}` has shape {array.shape}; it must have one value a row, ({n},).")
    return array if array.dtype.kind == "b" else _numbers(array, text)


def _numbers(array: Any, text: str) -> Any:
    if array.dtype.kind == "c":
        raise DataError(f"`{text}` gives complex numbers, which no model can use.")
    try:
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"`{text}` gives {array.dtype} values, not numbers.") from None
