"""Options on the text of a table that changed nothing in it: a sentence for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, Final

from mixcheck.arguments.options import shown
from mixcheck.command.text_format import Changes, TextFormat
from mixcheck.design.written_characters import plainly

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["is_plain", "unused_options"]

_SHOWN: Final = 3
# Of a column that an option nearly fits, so much of the text is as the option says.
_MOST: Final = 0.5
_BLOCK: Final = 1 << 20


def unused_options(
    written: TextFormat,
    changes: Changes,
    table: pd.DataFrame,
    *,
    as_text: Callable[[], pd.DataFrame],
) -> Iterator[str]:
    """Sentences on the options that were given and changed nothing, each with what was found.

    Parameters
    ----------
    written : TextFormat
        What was given.
    changes : Changes
        What text that became numbers or dates had of it.
    table : DataFrame
        As it was read.
    as_text : callable
        Reads the fields of the table again, as they are; it is called only where an option needs
        it.
    """
    missing = list(dict.fromkeys(written.missing))
    decimal = written.decimal not in (None, ".") and not changes.decimal
    fields = as_text() if missing or decimal else table
    for text in missing:
        if not any(_holds(fields.iloc[:, k], text) for k in range(fields.shape[1])):
            given = shown(text)
            yield f"--missing {given} changed nothing: no field of the table is {given}."
    if decimal and written.decimal is not None:
        number = re.compile(rf"{re.escape(written.decimal)}\d")
        if not any(_has(fields.iloc[:, k], number) for k in range(fields.shape[1])):
            yield (
                f"--decimal {shown(written.decimal)} changed nothing: no number of the table has "
                f"it before a fraction{_examples(table)}"
            )
    if written.thousands is not None and not changes.thousands:
        yield (
            f"--thousands {shown(written.thousands)} changed nothing: no column is numbers with "
            f"it between thousands{_near(table, written.thousands) or _examples(table)}"
        )
    for unit in dict.fromkeys(written.units):
        if plainly(unit) not in changes.units:
            yield (
                f"--unit {shown(unit)} changed nothing: no column is numbers with it"
                f"{_near(table, unit) or _examples(table)}"
            )
    if written.dates is not None and not changes.dates:
        yield (
            f"--dates {written.dates} changed nothing: no column is dates of that form"
            f"{_examples(table)}"
        )


def is_plain(stream: BinaryIO, encoding: str) -> bool:
    """Whether bytes are the same text in an encoding as in UTF-8, since all are of ASCII."""
    try:
        if "a1,".encode(encoding) != b"a1,":
            return False
    except LookupError:
        return False
    while block := stream.read(_BLOCK):
        if not block.isascii():
            return False
    return True


def _holds(column: pd.Series, text: str) -> bool:
    """Whether a column of fields has one, or the same number written otherwise."""
    import pandas as pd

    if (column == text).any():
        return True
    try:
        number = float(text)
    except ValueError:
        return False
    return bool((pd.to_numeric(column, errors="coerce") == number).any())


def _has(column: pd.Series, number: re.Pattern[str]) -> bool:
    return any(number.search(text) for text in column.dropna())


def _texts(table: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Names and values of the columns of text."""
    for position, name in enumerate(table.columns):
        column = table.iloc[:, position]
        if column.dtype.kind not in "biufM":
            present = column.dropna().astype(str)
            if not present.empty:
                yield str(name), present


def _near(table: pd.DataFrame, mark: str) -> str:
    """Of the first column of text that mostly has a mark beside digits: what there is else."""
    known = plainly(mark)
    for name, present in _texts(table):
        plain = present.map(plainly)
        having = plain.str.contains(known, regex=False) & plain.str.contains(r"\d")
        others = present[~having]
        if _MOST * present.size < having.sum() and not others.empty:
            example = shown(others.iloc[0])
            return (
                f"; {having.sum()} of the {present.size} values of `{name}` have it, and others "
                f"such as {example} not. Correct them, or write --missing {example}."
            )
    return ""


def _examples(table: pd.DataFrame) -> str:
    """What columns of text there are, each with a value."""
    found = [f"`{name}`, such as {shown(present.iloc[0])}" for name, present in _texts(table)]
    if not found:
        return "; no column is text."
    more = ", .." if len(found) > _SHOWN else ""
    return f"; columns of text are {', '.join(found[:_SHOWN])}{more}."
