"""How numbers and dates are written in a table of text, and the columns that they are made of."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mixcheck.arguments.options import shown
from mixcheck.design.written_characters import plainly
from mixcheck.errors import DataError, DataWarning
from mixcheck.notices import warn

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["USUAL", "Changes", "TextFormat", "read_numbers", "with_numbers"]

# Of a column of dates with slips at most this part is none.
_FEW: Final = 0.1


@dataclass(frozen=True)
class TextFormat:
    """How fields, numbers and dates are written in a table of text.

    Attributes
    ----------
    separator : str, optional
        Between fields; by default that of the ending.
    decimal : str, optional
        Between a number and its fraction; a point by default.
    missing : tuple of str
        What stands for a missing value, beside an empty field, NA, NaN, null and their kind.
    thousands : str, optional
        Between the thousands of a number; nothing by default.
    units : tuple of str
        What may follow each number of a column, such as "%".
    dates : str, optional
        The form of dates, such as "%d.%m.%Y".
    encoding : str, optional
        Of the characters; UTF-8 by default.
    """

    separator: str | None = None
    decimal: str | None = None
    missing: tuple[str, ...] = ()
    thousands: str | None = None
    units: tuple[str, ...] = ()
    dates: str | None = None
    encoding: str | None = None


USUAL = TextFormat()


@dataclass
class Changes:
    """What was found of a format in text that became numbers or dates.

    Attributes
    ----------
    units : set of str
    thousands, decimal, dates : bool
        Whether a number or date was so written.
    """

    units: set[str] = field(default_factory=set)
    thousands: bool = False
    decimal: bool = False
    dates: bool = False


def with_numbers(table: pd.DataFrame, written: TextFormat) -> pd.DataFrame:
    """The table with numbers for text whose thousands or units are told, and dates for dates.

    A column changes as a whole, where each of its values is such a number or date. Thousands come
    in groups of three: a date such as 22.08.2023 is no number, whatever mark stands in it. Digits
    of any script and the minus signs of Unicode are read without an option.

    Parameters
    ----------
    table : DataFrame
    written : TextFormat

    Raises
    ------
    DataError
        If a thousands mark is also that of decimals, or the form of dates is none.

    Examples
    --------
    >>> import pandas as pd
    >>> text = pd.DataFrame({"height": ["1.695,4", "942,3"], "cover": ["56 %", "3 %"]})
    >>> form = TextFormat(decimal=",", thousands=".", units=("%",))
    >>> with_numbers(text, form).to_dict("list")
    {'height': [1695.4, 942.3], 'cover': [56.0, 3.0]}
    """
    return read_numbers(table, written)[0]


def read_numbers(table: pd.DataFrame, written: TextFormat) -> tuple[pd.DataFrame, Changes]:
    """The same, and what of the format was found."""
    decimal = written.decimal or "."
    if written.thousands == decimal:
        raise DataError(
            f"{shown(decimal)} cannot stand both between thousands and before the fraction; give "
            "another --thousands or --decimal"
        )
    if written.dates is not None and "%" not in written.dates:
        raise DataError(_no_form(written.dates))
    number = _number(decimal, written.thousands, written.units)
    columns, changes = [], Changes()
    # What pandas does not read as numbers without an option has characters beyond ASCII.
    told = bool(written.thousands or written.units or written.decimal)
    for position in range(table.shape[1]):
        column = table.iloc[:, position]
        if column.dtype.kind not in "biufM" and (told or not _is_ascii(column)):
            column = _as_numbers(column, number, decimal, changes)
        if written.dates is not None and column.dtype.kind not in "biufM":
            column = _as_dates(column, str(table.columns[position]), written.dates, changes)
        columns.append(column)
    changed = table.copy()
    for position, column in enumerate(columns):
        changed.isetitem(position, column.array)
    return changed, changes


def _number(decimal: str, thousands: str | None, units: tuple[str, ...]) -> re.Pattern[str]:
    """What a number looks like: whole part, fraction and exponent are groups."""
    whole = r"\d+"
    if thousands is not None:
        # Blanks between thousands are of several kinds.
        mark = r"[\s\u00a0\u202f]" if thousands.isspace() else re.escape(thousands)
        whole = rf"\d{{1,3}}(?:{mark}\d{{3}})+|\d+"
    unit = "|".join(map(re.escape, sorted(map(plainly, units), key=len, reverse=True)))
    before = rf"(?:(?P<before>{unit})\s*)?" if unit else ""
    after = rf"(?P<after>{unit})?" if unit else ""
    return re.compile(
        rf"\s*(?P<sign>[-+]?){before}(?P<whole>[-+]?(?:{whole}))"
        rf"(?:{re.escape(decimal)}(?P<part>\d*))?(?P<power>[eE][-+]?\d+)?\s*{after}\s*"
    )


def _as_numbers(
    column: pd.Series, number: re.Pattern[str], decimal: str, changes: Changes
) -> pd.Series:
    """The column as numbers if each value is one, else as it is."""
    import pandas as pd

    present = column.dropna()
    values, found = [], Changes()
    for text in present:
        match = number.fullmatch(plainly(str(text)))
        if match is None:
            return column
        whole = match["sign"] + re.sub(r"[^-+\d]", "", match["whole"])
        if whole[1:2] in ("-", "+"):
            return column
        parts = match.groupdict()
        found.units |= {unit for part in ("before", "after") if (unit := parts.get(part))}
        found.thousands |= len(whole) != len(match["sign"] + match["whole"])
        found.decimal |= match["part"] is not None
        values.append(float(f"{whole}.{match['part'] or '0'}{match['power'] or ''}"))
    if not values:
        return column
    changes.units |= found.units
    changes.thousands |= found.thousands
    changes.decimal |= found.decimal
    numbers = pd.Series(values, index=present.index, dtype="float64")
    return numbers.reindex(column.index)


def _is_ascii(column: pd.Series) -> bool:
    return all(str(value).isascii() for value in column.dropna())


def _no_form(form: str) -> str:
    return (
        f"--dates is the form of a date, found {shown(form)}; write --dates %Y-%m-%d, or "
        "--dates %d.%m.%Y"
    )


def _as_dates(column: pd.Series, name: str, form: str, changes: Changes) -> pd.Series:
    """The column as dates if each value is one of that form, else as it is.

    Where nine of ten are, the others are told.
    """
    import pandas as pd

    present = column.dropna().astype(str).str.strip()
    if present.empty:
        return column
    try:
        dates = pd.to_datetime(present, format=form, errors="coerce")
    except (ValueError, re.error) as error:
        raise DataError(_no_form(form)) from error
    others = present[dates.isna()]
    if others.empty:
        changes.dates = True
        return dates.reindex(column.index)
    if others.size <= _FEW * present.size:
        # It is told here, and nothing else on dates.
        changes.dates = True
        warn(
            f"Column `{name}` stays text: {others.size} of its {present.size} values are no dates "
            f"written {form}, such as {shown(others.iloc[0])}. Correct them, or write --missing "
            f"{shown(others.iloc[0])}.",
            DataWarning,
        )
    return column
