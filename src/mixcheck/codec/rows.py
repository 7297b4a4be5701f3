"""Tables as JSON: a list of rows, or a line for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mixcheck.codec.writing import json_text, plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["rows_to_json", "rows_to_lines"]


def rows_to_json(tables: Mapping[str, pd.DataFrame]) -> str:
    """Tables by name, each a list of rows."""
    return json_text({name: _rows(table) for name, table in tables.items()})


def rows_to_lines(table: pd.DataFrame) -> str:
    r"""JSON lines: an object for each row, each on a line of its own.

    Examples
    --------
    >>> import pandas as pd
    >>> rows_to_lines(pd.DataFrame({"x": [1, 2], "y": ["a", None]}))
    '{"x": 1, "y": "a"}\n{"x": 2, "y": null}\n'
    """
    return "".join(f"{json_text(row, indent=None)}\n" for row in _rows(table))


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain data; what is missing is null."""
    import pandas as pd

    return [
        {str(name): None if _is_missing(value, pd) else plain(value) for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def _is_missing(value: Any, pd: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))
