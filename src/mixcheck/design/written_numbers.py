"""Numbers and dates as they are written in text, and how they become numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from mixcheck.arguments.options import shown
from mixcheck.design.written_characters import BLANKS, CURRENCIES, plainly, unusual

__all__ = [
    "all_numbers",
    "are_amounts",
    "how_to_make_numbers",
    "is_number",
    "mostly_dates",
    "mostly_numbers",
    "which_are_numbers",
    "without_unit",
]

# So many levels may be meant, such as doses or versions, whatever they look like.
_FEW: Final = 10
# Of the levels of a column of numbers with slips, at least this part is numbers.
_MOST: Final = 0.9
_SHOWN: Final = 3
_DIGITS: Final = frozenset("0123456789")
_NUMBER: Final = re.compile(
    rf"""\s*[-+]?
    (?:[0-9]+ | [0-9]{{1,3}}(?:[{BLANKS}'’.,][0-9]{{3}})+)?
    (?:[.,][0-9]*)?
    (?:[eE][-+]?[0-9]+)?\s*""",
    re.VERBOSE,
)
_SIGNS: Final = "$¢£¤¥֏؋৲৳฿₠-⃀"
# Letters and signs, of which one may be over another.
_NUMBER_AND_UNIT: Final = re.compile(
    rf"(?:{_NUMBER.pattern})(?<=[0-9.,\s])"
    rf"(?P<unit>(?=[^\s\d.,])(?:[%‰°{_SIGNS}]?[^\W\d_]{{0,3}}(?:/[^\W\d_]{{1,3}})?"
    rf"[%‰°{_SIGNS}²³]?|{'|'.join(map(re.escape, CURRENCIES))}))\s*",
    re.VERBOSE,
)
# A currency, with a minus sign on either side; nothing else that stands in front is known from a
# code such as E11.9.
_UNIT_AND_NUMBER: Final = re.compile(
    rf"\s*(?P<sign>[-+]?)(?P<unit>[{_SIGNS}]|{'|'.join(map(re.escape, CURRENCIES))})"
    rf"(?P<number>{_NUMBER.pattern})",
    re.VERBOSE,
)
# Marks within numbers, and blanks that do not break.
_NO_CODE: Final = frozenset(BLANKS[1:] + ".,'’")
# Signs of amounts, and of no codes.
_AMOUNTS: Final = re.compile(rf"[%‰°{_SIGNS}]")
# A comma, or a point, that may stand between thousands or before a fraction.
_THOUSANDS_OR_FRACTION: Final = re.compile(r"[-+]?[1-9][0-9]{0,2}[.,][0-9]{3}")
# Four digits of a year, and the two others.
_DATE: Final = re.compile(
    r"\s*(?:\d{4}([-./])\d{1,2}\1\d{1,2}|\d{1,2}([-./])\d{1,2}\2\d{4})(?:[ T]\d{1,2}:\d{2}.*)?\s*"
)


def how_to_make_numbers(name: str, levels: Iterable[str]) -> str:
    """A sentence or two: how text becomes numbers, by what is in its way.

    Examples
    --------
    >>> how_to_make_numbers("x", ["1.5", "2"])
    "Make numbers of it, as data['x'] = pd.to_numeric(data['x'])."
    >>> how_to_make_numbers("x", ["1,5", "2"])[:41]
    "Read the table again with decimal=',' (pa"
    """
    found = list(levels)
    texts, unit, before = _without_unit(found)
    numbers = [text for text in texts if is_number(text)]
    if not numbers:
        return f"It holds {', '.join(map(shown, found[:_SHOWN]))}, which are no numbers."
    others = [one for one, text in zip(found, texts, strict=True) if not is_number(text)]
    marks = _Marks.of(list(map(plainly, numbers)))
    either = f" Where {marks.doubt}." if marks.doubt else ""
    options = [f"--unit {shown(unit)}"] if unit else []
    options += marks.options + list(map(_as_missing, others[:_SHOWN]))
    if len(others) > _SHOWN:
        options.append("and --missing for each other text that is no number")
    on_the_command_line = f"{' '.join(options)} on the command line"
    usual = unusual(one for one, text in zip(found, texts, strict=True) if is_number(text))
    if marks.read_by_pandas and not unit and not usual:
        again = " and ".join(marks.arguments)
        if others:
            again += f", and na_values=[{_listed(others)}]"
        return (
            f"Read the table again with {again} (pandas.read_csv; {on_the_command_line}).{either}"
        )
    column = f"data[{name!r}]"
    bare = f"{column}{_plainly(usual)}{_taking_off(unit, numbers, before)}{marks.replaced}"
    coerce = ", errors='coerce'" if others else ""
    made = f"{column} = pd.to_numeric({bare}{coerce})"
    start = f"Take {shown(unit)} off, as {made}" if unit else f"Make numbers of it, as {made}"
    if others:
        start += " with text as missing"
    if marks.mixed:
        return f"{start}: some have a comma before the fraction, and some a point."
    return f"{start} ({on_the_command_line}).{either}" if options else f"{start}.{either}"


def are_amounts(levels: Iterable[str]) -> bool:
    """Whether levels that are numbers are no codes: by a fraction, or by what codes have not.

    These are the sign of a currency, "%" or "°", a minus sign with a unit or that is no hyphen,
    digits of other scripts without a unit, and between thousands apostrophes, blanks that do not
    break, or others in some of the levels or in groups that differ.

    Examples
    --------
    >>> are_amounts(["1.5", "2"]), are_amounts(["$ 3"]), are_amounts(["1 200", "900"])
    (True, True, True)
    >>> are_amounts(["12", "13"]), are_amounts(["044 123", "044 124"])
    (False, False)
    """
    texts, unit = without_unit(levels)
    numbers = [text.strip() for text in texts if is_number(text)]
    plain = list(map(plainly, numbers))
    if not numbers or _AMOUNTS.search(unit):
        return bool(numbers)
    if any(set(text) & _NO_CODE for text in plain) or unusual(numbers):
        return True
    if unit and any(text.startswith("-") for text in plain):
        return True
    parts = [text.split() for text in plain]
    parted = [part for part in parts if len(part) > 1]
    widths = {len(part[0]) for part in parted}
    return bool(parted) and (len(parted) < len(parts) or len(widths) > 1)


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
    return len(levels) > _FEW and sum(map(is_number, levels)) >= _MOST * len(levels)


def all_numbers(levels: Iterable[str]) -> bool:
    """Whether each level is a number.

    Examples
    --------
    >>> all_numbers(["1", "2.5"])
    True
    """
    return all(map(is_number, levels))


def which_are_numbers(levels: Iterable[str]) -> str:
    """In words, with examples.

    Examples
    --------
    >>> which_are_numbers(["1", "2.5", "low"])
    "2 of them numbers, such as '2.5', and 1 not: 'low'"
    """
    found = list(levels)
    read = list(map(is_number, without_unit(found)[0]))
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


def is_number(text: str) -> bool:
    """Whether text is a number, in whatever country.

    Examples
    --------
    >>> [is_number(text) for text in ["1.234,5", "-2e3", "1:30", "E11.9"]]
    [True, True, False, False]
    """
    plain = plainly(text)
    return not _DIGITS.isdisjoint(plain) and _NUMBER.fullmatch(plain) is not None


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None


def _as_missing(text: str) -> str:
    """The option of the command that takes text as missing; a dash in front looks like another."""
    return f"--missing{'=' if text.startswith('-') else ' '}{shown(text)}"


def _listed(texts: Sequence[str]) -> str:
    more = ", .." if len(texts) > _SHOWN else ""
    return ", ".join(map(shown, texts[:_SHOWN])) + more


class _Bare(NamedTuple):
    """Levels without their unit, the unit, and whether it stands before the number."""

    texts: list[str]
    unit: str
    before: bool


def without_unit(levels: Iterable[str]) -> tuple[list[str], str]:
    """Levels without the unit that nine of ten of them have, and that unit, or none.

    Examples
    --------
    >>> without_unit(["12 %", "5%"])
    (['12 ', '5'], '%')
    >>> without_unit(["$16.50", "-$2"])
    (['16.50', '-2'], '$')
    """
    return _without_unit(levels)[:2]


def _without_unit(levels: Iterable[str]) -> _Bare:
    texts = list(levels)
    plain = list(map(plainly, texts))
    for pattern, before in ((_NUMBER_AND_UNIT, False), (_UNIT_AND_NUMBER, True)):
        matches = filter(None, map(pattern.fullmatch, plain))
        units = Counter(match["unit"] for match in matches)
        if not units:
            continue
        unit, times = units.most_common(1)[0]
        if times < _MOST * len(texts):
            continue
        if before:
            bare = [_without(text, unit, pattern.fullmatch(text)) for text in plain]
        else:
            bare = [text.rstrip().removesuffix(unit) for text in plain]
        return _Bare(bare, unit, before)
    return _Bare(texts, "", False)


def _without(text: str, unit: str, found: re.Match[str] | None) -> str:
    return text if found is None or found["unit"] != unit else found["sign"] + found["number"]


def _plainly(usual: Mapping[str, str]) -> str:
    """What makes the usual characters of others in a column of text."""
    if not usual:
        return ""
    return f".str.translate(str.maketrans({''.join(usual)!r}, {''.join(usual.values())!r}))"


def _taking_off(unit: str, numbers: Sequence[str], before: bool) -> str:
    """What takes a unit off a column of text, with the blanks beside it."""
    if not unit:
        return ""
    blanks = any(text != text.strip() for text in numbers)
    off = f".str.replace({unit!r}, '')" if before else f".str.removesuffix({unit!r})"
    return off + (".str.strip()" if blanks else "")


@dataclass(frozen=True)
class _Marks:
    """What stands within numbers.

    Attributes
    ----------
    decimal : str
        A point or a comma.
    thousands : tuple of str
    mixed : bool
        Whether both a point and a comma stand before a fraction.
    doubtful : bool
        Whether the one of them that there is always stands before three digits.
    """

    decimal: str
    thousands: tuple[str, ...]
    mixed: bool
    doubtful: bool

    @classmethod
    def of(cls, numbers: Sequence[str]) -> _Marks:
        """Of a point and a comma in one number the last is that of the fraction.

        One that stands twice in a number is between thousands.
        """
        texts = [text.strip() for text in numbers]
        commas, points = ([text for text in texts if mark in text] for mark in ",.")
        both = next((text for text in commas if "." in text), None)
        mixed = False
        if both is not None:
            decimal = max(",.", key=both.rindex)
        elif any(text.count(",") > 1 for text in commas):
            decimal = "."
        elif any(text.count(".") > 1 for text in points):
            decimal = ","
        else:
            decimal, mixed = "," if commas else ".", bool(commas and points)
        between = [_other(decimal)] if not mixed else []
        thousands = tuple(
            mark for mark in (*between, "'", "’", *BLANKS) if any(mark in text for text in texts)
        )
        told = commas or points
        doubtful = not (both or mixed or thousands) and all(
            _THOUSANDS_OR_FRACTION.fullmatch(text) for text in told
        )
        return cls(decimal, thousands, mixed, doubtful and bool(told))

    @property
    def arguments(self) -> list[str]:
        """Of pandas.read_csv."""
        # A thousands mark that is the usual one before a fraction needs the other there.
        named = ["decimal=','"] if self.decimal == "," else []
        return named + [f"thousands={mark!r}" for mark in self.thousands]

    @property
    def options(self) -> list[str]:
        """Of the command."""
        named = ["--decimal ','"] if self.decimal == "," else []
        # One blank stands for all kinds.
        marks = dict.fromkeys(" " if mark in BLANKS else mark for mark in self.thousands)
        return named + [f'--thousands "{mark}"' for mark in marks]

    @property
    def read_by_pandas(self) -> bool:
        """Whether `read_csv` can be told of them: there are some, one a part, and all of ASCII."""
        one = len(self.thousands) < 2 and "".join(self.thousands).isascii()
        return bool(self.arguments) and one and not self.mixed

    @property
    def replaced(self) -> str:
        """What takes them out of a column of text."""
        out = "".join(f".str.replace({mark!r}, '')" for mark in self.thousands)
        return out + (".str.replace(',', '.')" if self.decimal == "," else "")

    @property
    def doubt(self) -> str:
        """What else a mark may mean, or ""."""
        if not self.doubtful:
            return ""
        if self.decimal == ",":
            return (
                "the comma stands between thousands, write thousands=',' in place of decimal=',' "
                '(--thousands ",")'
            )
        return (
            "the point stands between thousands, read the table again with decimal=',' and "
            "thousands='.' (--decimal ',' --thousands \".\")"
        )


def _other(mark: str) -> str:
    return "." if mark == "," else ","
