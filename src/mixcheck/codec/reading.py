"""JSON from anywhere: each value is what is expected in its place, or one sentence says where not.

Nothing of the text is trusted: neither that it is JSON, nor the types, nor the sizes. Arrays
are of three plain types and never longer than the text that holds them.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from mixcheck.arguments.options import shown
from mixcheck.errors import DataError

__all__ = ["DEEPEST", "Reader", "parse_json", "require_shallow"]

_WORDS = {"inf": math.inf, "-inf": -math.inf}
# Deeper than anything that is written here, and far from what Python's stack allows.
DEEPEST = 60


def parse_json(text: str, what: str) -> Reader:
    """The value of a JSON text, to be read as a report, a suite, ..

    Parameters
    ----------
    text : str
    what : str
        What it should be, for the messages.

    Raises
    ------
    DataError
        If it is not JSON, says something twice, or is nested too deeply to be anything of ours.

    Examples
    --------
    >>> parse_json('{"n": 3}', "report").at("n").whole()
    3
    """
    try:
        content = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_distinct)
    except RecursionError:
        raise DataError(f"this is no {what}: it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"this is no JSON, so no {what} can be read: it breaks in line {error.lineno}, column "
            f"{error.colno}"
        ) from None
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        reason = " ".join(str(error).split())
        raise DataError(f"this is no JSON, so no {what} can be read: {shown(reason)}") from None
    require_shallow(content, what)
    return Reader(content, "", what)


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number in JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = max(counts, key=lambda name: counts[name])
        raise DataError(f"{shown(twice)} stands twice in one object; write it once")
    return content


def require_shallow(content: Any, what: str) -> None:
    """Refuse what is nested more deeply than anything of ours.

    Raises
    ------
    DataError
    """
    level = [content]
    for _ in range(DEEPEST):
        level = [part for value in level for part in _parts(value)]
        if not level:
            return
    raise DataError(f"this is no {what}: it is nested too deeply")


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


@dataclass(frozen=True)
class Reader:
    """A value of JSON, and where it stands.

    Attributes
    ----------
    value : object
    place : str
        Such as "findings[2].effect"; "" for the whole.
    what : str
        What is read, such as "report".
    """

    value: Any
    place: str
    what: str

    def fail(self, wanted: str) -> NoReturn:
        """Say what is wanted here.

        Raises
        ------
        DataError
            Always.
        """
        subject = self.place or "it"
        raise DataError(
            f"this {self.what} cannot be read: {subject} must be {wanted}, "
            f"found {shown(self.value)}"
        )

    @property
    def is_null(self) -> bool:
        """Whether it is null."""
        return self.value is None

    def has(self, name: str) -> bool:
        """Whether it is an object with an item of that name."""
        return isinstance(self.value, dict) and name in self.value

    def at(self, name: str) -> Reader:
        """The item of an object."""
        if not isinstance(self.value, dict):
            self.fail("an object")
        if name not in self.value:
            raise DataError(
                f"this {self.what} cannot be read: {self.place or 'it'} has no item {name!r}"
            )
        return Reader(self.value[name], self._inside(name), self.what)

    def object(self) -> dict[str, Any]:
        """The items of an object."""
        if not isinstance(self.value, dict):
            self.fail("an object")
        return self.value

    def items(self) -> list[Reader]:
        """The items of a list."""
        if not isinstance(self.value, list):
            self.fail("a list")
        return [
            Reader(item, f"{self.place}[{index}]", self.what)
            for index, item in enumerate(self.value)
        ]

    def _inside(self, name: str) -> str:
        name = shown(name)[1:-1]
        return f"{self.place}.{name}" if self.place else name

    def text(self) -> str:
        """A text."""
        if not isinstance(self.value, str):
            self.fail("a text")
        return self.value

    def choice(self, words: Sequence[str]) -> str:
        """One of some words."""
        if not isinstance(self.value, str) or self.value not in words:
            self.fail(f"one of {', '.join(map(repr, words))}")
        return self.value

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            self.fail("true or false")
        return self.value

    def whole(self, least: int = 0, most: int = 2**63 - 1) -> int:
        """A whole number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            self.fail("a whole number")
        if not least <= self.value <= most:
            self.fail(f"a whole number from {least} to {most}")
        return self.value

    def number(self, low: float = -math.inf, high: float = math.inf) -> float:
        """A number as `number_to_json` writes it: null is NaN, the infinities are words."""
        value = _number(self.value)
        if value is None:
            self.fail('a number, null, "inf" or "-inf"')
        if value < low or value > high:
            self.fail(f"a number from {low:g} to {high:g}")
        return value

    def finite(self) -> float:
        """A finite number: neither null nor a word."""
        value = _number(self.value)
        if value is None or not math.isfinite(value):
            self.fail("a finite number")
        return value

    def texts(self) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(item.text() for item in self.items())

    def array(self, dtype: str) -> np.ndarray[Any, Any]:
        """A one-dimensional array of float64, int64 or bool, as `array_to_json` writes it."""
        self.at("dtype").choice((dtype,))
        items = self.at("values").items()
        if dtype == "float64":
            return np.array([item.number() for item in items], dtype=np.float64)
        if dtype == "bool":
            return np.array([item.flag() for item in items], dtype=np.bool_)
        return np.array([item.whole(least=-(2**63)) for item in items], dtype=np.int64)


def _number(value: Any) -> float | None:
    """The float that is meant; None where none is."""
    if value is None:
        return math.nan
    if isinstance(value, str):
        return _WORDS.get(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
