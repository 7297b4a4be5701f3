"""The names that a formula may use beside those of columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mixcheck.design.factors import CONTRASTS
from mixcheck.design.frames import unknown_name
from mixcheck.design.functions import FUNCTIONS, VALUES
from mixcheck.design.hints import HINTS
from mixcheck.errors import FormulaError, OptionError, UnknownColumnError

__all__ = ["known_functions", "known_values", "require_functions"]

_FUNCTIONS = frozenset(FUNCTIONS)
_VALUES = frozenset(VALUES) | frozenset(CONTRASTS)


def known_functions(context: Mapping[str, Any] | None) -> frozenset[str]:
    """Names that a formula may call.

    Raises
    ------
    OptionError
        If the context is not a mapping of names.
    """
    if context is not None and not (
        isinstance(context, Mapping) and all(isinstance(name, str) for name in context)
    ):
        raise OptionError(
            f"context must be a dict of functions by name, not {type(context).__name__}; write "
            "context={'f': f}."
        )
    return _FUNCTIONS | frozenset(context) if context else _FUNCTIONS


def known_values(context: Mapping[str, Any] | None) -> frozenset[str]:
    """Names that have a value without a column of that name."""
    return _VALUES | frozenset(context) if context else _VALUES


def require_functions(
    names: Sequence[str], known: frozenset[str], columns: Collection[object]
) -> None:
    """Fail for a function that is not among the known ones, nor within what context= brings.

    Raises
    ------
    UnknownColumnError, FormulaError
        With what to write instead.
    """
    for name in names:
        first, _, last = name.rpartition(".")
        if name in known or (first and first.partition(".")[0] in known - _FUNCTIONS):
            continue
        if name in set(columns):
            raise FormulaError(
                f"`{name}` is a column and no function; for a product write `{name} * (..)`."
            )
        if name in HINTS:
            raise UnknownColumnError(
                f"`{name}` is no column of the data, nor a known function: {HINTS[name]}."
            )
        if first == "np":
            raise FormulaError(
                f"`{name}` is not among the functions of formulas, which are elementwise, such as "
                "np.log; give others by name in context=, or make a column of it in the data."
            )
        if first in set(columns):
            raise FormulaError(
                f"`{name}` cannot be read: methods of a column are not called in a formula; write "
                f"{last}({first}) if there is that function, or make a column of it in the data."
            )
        raise UnknownColumnError(
            f"{unknown_name(name, list(columns), known)} A function of your own is given by name, "
            f"context={{'{name}': ..}}, and what looks at other rows is a column of the data."
        )
