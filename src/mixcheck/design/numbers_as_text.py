"""Columns of numbers that were read as text: refused where each number would be a level."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import pandas as pd

from mixcheck.arguments.options import shown
from mixcheck.design.columns import Columns, Picked, Texts
from mixcheck.design.nodes import Name, render
from mixcheck.design.plan import Plan
from mixcheck.errors import DataError

__all__ = [
    "all_numbers",
    "how_to_make_numbers",
    "mostly_numbers",
    "refuse_numbers_as_text",
    "which_are_numbers",
]

# So many levels may be meant, such as doses or versions, whatever they look like.
_FEW: Final = 10
# Of the levels of a column of numbers with slips, at least this part is numbers.
_MOST: Final = 0.9
_SHOWN: Final = 3
_NUMBER: Final = re.compile(
    r"""\s*[-+]?
    (?:\d+ | \d{1,3}(?:[ '.,\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]\d{3})+)?
    (?:[.,]\d*)?
    (?:[eE][-+]?\d+)?\s*""",
    re.VERBOSE,
)


def refuse_numbers_as_text(plan: Plan, picked: Mapping[str, Picked], columns: Columns) -> None:
    """Refuse text that stands alone in a predictor and is numbers, each of which would be a level.

    Text is taken for numbers where it has more than ten levels, nine of ten of them are numbers,
    and some of those have a fraction: whole numbers may be codes. Categories are taken at their
    word, and so is `factor(x)`.

    Parameters
    ----------
    plan : Plan
    picked : mapping of str to Series or array
        Columns as they are in the data.
    columns : mapping of str to array
        The same ones, read.

    Raises
    ------
    DataError
        If there is such a column.
    """
    lookups = dict.fromkeys(name for part in plan.predictors.values() for name in part.lookups)
    for name in lookups:
        read = columns.get(name)
        if not isinstance(read, pd.Categorical) or not _is_text(picked[name]):
            continue
        levels = [str(level) for level in read.categories]
        fractions = any(_is_number(level) and set(level) & set(".,") for level in levels)
        if fractions and mostly_numbers(levels):
            raise DataError(
                f"Column `{name}` is text with {len(levels)} levels, {which_are_numbers(levels)}. "
                f"{how_to_make_numbers(name, levels)} To give each its own effect write "
                f"factor({render(Name(name))})."
            )


def how_to_make_numbers(name: str, levels: Iterable[str]) -> str:
    """A sentence: how text becomes numbers, by what is in its way.

    Examples
    --------
    >>> how_to_make_numbers("x", ["1.5", "2"])
    "Make numbers of it, as data['x'] = pd.to_numeric(data['x'])."
    >>> how_to_make_numbers("x", ["1,5", "2"])[:41]
    "Read the table again with decimal=',' (pa"
    """
    texts = list(levels)
    column = f"data[{name!r}]"
    numbers = [text for text in texts if _is_number(text)]
    if not numbers:
        return f"It holds {', '.join(map(shown, texts[:_SHOWN]))}, which are no numbers."
    if any("," in text for text in numbers) and not any("." in text for text in numbers):
        others = "" if len(numbers) == len(texts) else ", and na_values= for what is missing"
        return (
            f"Read the table again with decimal=',' (pandas.read_csv; --decimal ',' on the command "
            f"line){others}."
        )
    if any(not text.strip().isascii() or set(text) & set(",' ") for text in numbers):
        return (
            "Read the table again with the marks of its numbers, decimal= and thousands= of "
            "pandas.read_csv."
        )
    if len(numbers) < len(texts):
        other = next(text for text in texts if text not in numbers)
        return (
            f"Make numbers of it, as {column} = pd.to_numeric({column}, errors='coerce') with text "
            f"as missing (--missing {shown(other)} on the command line)."
        )
    return f"Make numbers of it, as {column} = pd.to_numeric({column})."


def mostly_numbers(levels: Sequence[str]) -> bool:
    """Whether nine of ten of more than ten levels are numbers.

    Examples
    --------
    >>> mostly_numbers([str(n) for n in range(20)]), mostly_numbers(["1", "2"])
    (True, False)
    """
    return len(levels) > _FEW and sum(map(_is_number, levels)) >= _MOST * len(levels)


def all_numbers(levels: Iterable[str]) -> bool:
    """Whether each level is a number.

    Examples
    --------
    >>> all_numbers(["1", "2.5"])
    True
    """
    return all(map(_is_number, levels))


def which_are_numbers(levels: Iterable[str]) -> str:
    """In words, with examples.

    Examples
    --------
    >>> which_are_numbers(["1", "2.5", "low"])
    "2 of them numbers, such as '2.5', and 1 not: 'low'"
    """
    found = list(levels)
    numbers = [level for level in found if _is_number(level)]
    others = [level for level in found if not _is_number(level)]
    example = next((n for n in numbers if "," in n or "." in n), numbers[0])
    if not others:
        return f"all of them numbers, such as {shown(example)}"
    more = ", .." if len(others) > _SHOWN else ""
    return (
        f"{len(numbers)} of them numbers, such as {shown(example)}, and {len(others)} not: "
        f"{', '.join(map(shown, others[:_SHOWN]))}{more}"
    )


def _is_text(column: Picked) -> bool:
    return isinstance(column, Texts) or (
        isinstance(column, pd.Series) and not isinstance(column.dtype, pd.CategoricalDtype)
    )


def _is_number(text: str) -> bool:
    return any(map(str.isdigit, text)) and _NUMBER.fullmatch(text) is not None
