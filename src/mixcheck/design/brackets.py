"""A text with its brackets and quotes matched, for parsers that mark positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NoReturn

from mixcheck.errors import FormulaError

__all__ = ["Source", "brief", "scan"]

_OPEN: Final = {"(": ")", "[": "]", "{": "}"}
_CLOSE: Final = frozenset(_OPEN.values())
_QUOTES: Final = frozenset("'\"`")
_LONGEST: Final = 100_000
_DEEPEST: Final = 60
_SHOWN: Final = 200
_QUOTED: Final = 80


@dataclass(frozen=True)
class Source:
    """A formula with its brackets matched.

    ``depth[i]`` counts the brackets around character i (a bracket itself counts as outside),
    ``code[i]`` is False inside quotes, ``partner`` maps an opening bracket to its end.
    """

    text: str
    depth: tuple[int, ...]
    code: tuple[bool, ...]
    partner: dict[int, int]

    def fail(self, position: int, message: str) -> NoReturn:
        """Raise a FormulaError with a caret under `position`."""
        _fail(self.text, position, message)

    def find(self, start: int, end: int, characters: str) -> list[int]:
        """Positions of `characters` in the span, outside its brackets and quotes."""
        base = self.depth[start] if start < end else 0
        return [
            i
            for i in range(start, end)
            if self.text[i] in characters and self.code[i] and self.depth[i] == base
        ]

    def strip(self, start: int, end: int) -> tuple[int, int]:
        """Span without the blanks at its ends."""
        while start < end and self.text[start].isspace():
            start += 1
        while end > start and self.text[end - 1].isspace():
            end -= 1
        return start, end

    def peel(self, start: int, end: int) -> tuple[int, int]:
        """Span without blanks and without parentheses around the whole."""
        start, end = self.strip(start, end)
        while start < end and self.text[start] == "(" and self.partner.get(start) == end - 1:
            start, end = self.strip(start + 1, end - 1)
        return start, end

    def part(self, start: int, end: int) -> str:
        """Text of the span."""
        return self.text[start:end].strip()


def _fail(text: str, position: int, message: str) -> NoReturn:
    # A long formula is shown around the place alone.
    first = max(0, min(position - _SHOWN // 2, len(text) - _SHOWN))
    part = text[first : first + _SHOWN]
    shown = "".join(c if c.isprintable() else " " for c in part)
    before, after = "..." * (first > 0), "..." * (first + _SHOWN < len(text))
    caret = " " * (len(before) + position - first) + "^"
    told = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
    raise FormulaError(f"{told}\n  {before}{shown}{after}\n  {caret}") from None


def brief(text: str) -> str:
    """A text short enough to be quoted in a sentence."""
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}.."


def scan(text: str) -> Source:
    """Match brackets and quotes."""
    depth, code = [], []
    partner: dict[int, int] = {}
    opened: list[int] = []
    quote: tuple[str, int] | None = None
    escaped = False
    if len(text) > _LONGEST:
        raise FormulaError(
            f"The formula has {len(text)} characters; up to {_LONGEST} are read. Make columns of "
            "long expressions in the data."
        )
    for i, character in enumerate(text):
        if quote is not None:
            code.append(False)
            depth.append(len(opened))
            quote = None if character == quote[0] and not escaped else quote
            escaped = character == "\\" and not escaped
            continue
        if character in _CLOSE:
            if not opened or _OPEN[text[opened[-1]]] != character:
                _fail(text, i, f"Unbalanced brackets: nothing is open for this `{character}`.")
            partner[opened.pop()] = i
        code.append(character not in _QUOTES)
        depth.append(len(opened))
        if character in _OPEN:
            opened.append(i)
            if len(opened) > _DEEPEST:
                _fail(text, i, f"Brackets more than {_DEEPEST} deep; write fewer.")
        elif character in _QUOTES:
            quote = (character, i)
    if quote is not None:
        _fail(text, quote[1], f"This quote is never closed; add {quote[0]} at its end.")
    if opened:
        closing = _OPEN[text[opened[-1]]]
        _fail(text, opened[-1], f"Unbalanced brackets: this one is never closed; add `{closing}`.")
    return Source(text, tuple(depth), tuple(code), partner)
