"""Columns of numbers that were read as text: refused where each number would be a level."""

from __future__ import annotations

import re
from collections import Counter
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
    "mostly_dates",
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
_NUMBER_AND_UNIT: Final = re.compile(
    rf"(?:{_NUMBER.pattern})(?<=[\d.,\s])(?P<unit>[^\W\d]{{1,3}}|[%‰°])\s*", re.VERBOSE
)
_BLANKS: Final = "' \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
_SIGNS: Final = frozenset("%‰°")
# Four digits of a year, and the two others.
_DATE: Final = re.compile(
    r"\s*(?:\d{4}([-./])\d{1,2}\1\d{1,2}|\d{1,2}([-./])\d{1,2}\2\d{4})(?:[ T]\d{1,2}:\d{2}.*)?\s*"
)


def refuse_numbers_as_text(plan: Plan, picked: Mapping[str, Picked], columns: Columns) -> None:
    """Refuse text that stands alone in a predictor and is numbers, each of which would be a level.

    Text is taken for numbers where it has more than ten levels, nine of ten of them are numbers,
    and some of those have a fraction: whole numbers may be codes. A unit that follows all of them
    is no matter, and after whole numbers "%" says that they are no codes. Categories are taken at
    their word, and so is `factor(x)`.

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
        bare, unit = _without_unit(levels)
        fractions = any(_is_number(level) and set(level) & set(".,") for level in bare)
        if (fractions or unit.strip() in _SIGNS) and mostly_numbers(bare):
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
    texts, unit = _without_unit(levels)
    column = f"data[{name!r}]"
    numbers = [text for text in texts if _is_number(text)]
    if not numbers:
        return f"It holds {', '.join(map(shown, texts[:_SHOWN]))}, which are no numbers."
    marks, options = _marks(numbers)
    if unit:
        bare = f"{column}.str.removesuffix({unit!r})"
        for mark, point in marks.items():
            bare += f".str.replace({mark!r}, {point!r})"
        words = " ".join([f"--unit {shown(unit.strip())}", *options.values()])
        return (
            f"Take {shown(unit)} off, as {column} = pd.to_numeric({bare}) ({words} on the command "
            "line)."
        )
    if marks:
        others = "" if len(numbers) == len(texts) else ", and na_values= for what is missing"
        return (
            f"Read the table again with {' and '.join(options)} (pandas.read_csv; "
            f"{' '.join(options.values())} on the command line){others}."
        )
    if len(numbers) < len(texts):
        other = next(text for text in texts if text not in numbers)
        return (
            f"Make numbers of it, as {column} = pd.to_numeric({column}, errors='coerce') with text "
            f"as missing (--missing {shown(other)} on the command line)."
        )
    return f"Make numbers of it, as {column} = pd.to_numeric({column})."


def mostly_dates(levels: Sequence[str]) -> bool:
    """Whether nine of ten of more than ten levels are dates.

    Examples
    --------
    >>> mostly_dates([f"{day}.5.2023" for day in range(1, 20)])
    True
    """
    return len(levels) > _FEW and sum(map(_is_date, levels)) >= _MOST * len(levels)


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
    read = list(map(_is_number, _without_unit(found)[0]))
    numbers = [level for level, number in zip(found, read, strict=True) if number]
    others = [level for level, number in zip(found, read, strict=True) if not number]
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


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None


def _without_unit(levels: Iterable[str]) -> tuple[list[str], str]:
    """Levels without the unit that follows nine of ten of them, and that unit, or none."""
    texts = list(levels)
    matches = filter(None, map(_NUMBER_AND_UNIT.fullmatch, texts))
    units = Counter(match.string[match.start("unit") :] for match in matches)
    if not units:
        return texts, ""
    unit, times = units.most_common(1)[0]
    if times < _MOST * len(texts):
        return texts, ""
    bare = [text.removesuffix(unit) for text in texts]
    blank = all(text[-1:].isspace() for text in bare if _is_number(text))
    return bare, f" {unit}" if blank else unit


def _marks(numbers: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Marks within numbers that are not those of Python, with what takes their place.

    And the arguments of pandas.read_csv that name them, with the options of the command. Of a point
    and a comma the one that stands last in a number is that of its fraction.
    """
    texts = [text.strip() for text in numbers]
    both = [text for text in texts if "," in text and "." in text]
    commas = any("," in text for text in texts)
    comma_last = both[0].rindex(",") > both[0].rindex(".") if both else commas
    marks, options = {}, {}
    for mark in [".", ",", "'", " ", "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"]:
        decimal = "," if comma_last else "."
        if (
            mark != decimal
            and any(mark in text for text in texts)
            and not (mark == "." and not both)
        ):
            marks[mark] = ""
            options[f"thousands={mark!r}"] = f'--thousands "{mark}"'
    if comma_last:
        marks[","] = "."
        options = {"decimal=','": "--decimal ','", **options}
    return marks, options
