"""Linear hypotheses in text, such as ``x1 - 2 * x2 = 0.5``.

The language is an allow-list: the names of the coefficients, numbers, ``+ - * /``, parentheses,
``=`` and commas between hypotheses. A name may hold signs of its own, ``period[T.2]`` or ``x:z``:
at each place the longest name is read. Nothing is handed to an interpreter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from mixcheck.arguments.options import as_items, listed, shown
from mixcheck.arrays import FloatArray
from mixcheck.errors import OptionError

__all__ = ["Hypotheses", "read_hypotheses"]

_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_DEEPEST = 50
_MOST = 10_000


@dataclass(frozen=True, eq=False)
class Hypotheses:
    """Hypotheses ``L b = value`` on coefficients b.

    Attributes
    ----------
    names : tuple of str, (k,)
        As they were written.
    L : (k, p)
    value : (k,)
    """

    names: tuple[str, ...]
    L: FloatArray
    value: FloatArray


def read_hypotheses(given: object, coefficients: Sequence[str]) -> Hypotheses:
    """Hypotheses from a text, several texts, or a matrix with a row for each.

    Parameters
    ----------
    given : str, sequence of str, or (k, p) array
        A text without ``=`` is a combination that is compared with zero. Rows of a matrix are
        too, and a frame has its names in its index.
    coefficients : sequence of str, (p,)

    Raises
    ------
    OptionError
        With the place of what is not understood.

    Examples
    --------
    >>> found = read_hypotheses("x = 2 * z + 1, a:b", ["x", "z", "a:b"])
    >>> found.L.tolist(), found.value.tolist()
    ([[1.0, -2.0, 0.0], [0.0, 0.0, 1.0]], [1.0, 0.0])
    >>> read_hypotheses("x = y", ["x", "z"])
    Traceback (most recent call last):
    ...
    mixcheck.errors.OptionError: in 'x = y' at 'y': no coefficient begins here; write one of x, z
    """
    texts = (given,) if isinstance(given, str) else as_items(given)
    if texts and all(isinstance(text, str) for text in texts):
        parts = [part for text in texts for part in _Reader(text, coefficients).read()]
        if len(parts) > _MOST:
            raise OptionError(f"{len(parts)} hypotheses are more than the {_MOST} that are allowed")
        names, rows = [name for name, _ in parts], np.array([row for _, row in parts])
        return Hypotheses(tuple(names), rows[:, :-1] + 0.0, 0.0 - rows[:, -1])
    return _read_matrix(given, coefficients)


def _read_matrix(given: object, coefficients: Sequence[str]) -> Hypotheses:
    example = f'"{coefficients[0]} = 0"' if coefficients else '"x = 0"'
    try:
        L = np.atleast_2d(np.asarray(given, dtype=np.float64))
    except (TypeError, ValueError):
        raise OptionError(
            f"hypotheses must be a text such as {example}, texts, or a matrix with a column for "
            f"each coefficient, not {shown(given)}"
        ) from None
    if L.ndim != 2 or L.shape[1] != len(coefficients) or not L.size:
        raise OptionError(
            f"hypotheses have shape {np.shape(L)}; write a column for each of the "
            f"{len(coefficients)} coefficients, in the order of params"
        )
    if not np.isfinite(L).all():
        raise OptionError("hypotheses must hold finite numbers")
    index = getattr(given, "index", None)
    labels = list(index) if index is not None and not callable(index) else []
    names = [str(label) for label in labels] if len(labels) == len(L) else []
    return Hypotheses(
        tuple(names or [_render(row, coefficients) for row in L]), L, np.zeros(len(L))
    )


def _render(row: FloatArray, coefficients: Sequence[str]) -> str:
    """A combination as text."""
    parts = [
        f"{'-' if v < 0 else '+'} {'' if abs(v) == 1.0 else f'{abs(v):g} * '}{name}"
        for v, name in zip(row.tolist(), coefficients, strict=True)
        if v != 0.0
    ]
    text = " ".join(parts)
    return text.removeprefix("+ ") if parts else "0"


class _Reader:
    """Recursive descent over one text; values are coefficients, the last entry a number."""

    def __init__(self, text: str, coefficients: Sequence[str]) -> None:
        self._text, self._at, self._depth = text, 0, 0
        self._coefficients = coefficients
        self._by_length = sorted(range(len(coefficients)), key=lambda j: -len(coefficients[j]))

    def read(self) -> list[tuple[str, FloatArray]]:
        """Name and row of each hypothesis, which is ``row[:-1] b + row[-1] = 0``."""
        out = []
        while True:
            self._skip()
            start = self._at
            row = self._sum()
            if self._take("="):
                row = row - self._sum()
            if not row[:-1].any():
                self._fail("this hypothesis is about no coefficient", start)
            out.append((" ".join(self._text[start : self._at].split()), row))
            if self._take(","):
                continue
            if self._at < len(self._text):
                self._fail("a sign + - * / = or a comma is wanted here")
            return out

    def _sum(self) -> FloatArray:
        total = self._product()
        while True:
            if self._take("+"):
                total = total + self._product()
            elif self._take("-"):
                total = total - self._product()
            else:
                return total

    def _product(self) -> FloatArray:
        total = self._signed()
        while True:
            self._skip()
            start = self._at
            if self._take("*"):
                other = self._signed()
                if total[:-1].any() and other[:-1].any():
                    self._fail("a product of coefficients is not linear", start)
                total = total * other[-1] if total[:-1].any() else total[-1] * other
            elif self._take("/"):
                other = self._signed()
                if other[:-1].any() or other[-1] == 0.0:
                    self._fail("only a number that is not zero divides", start)
                total = total / other[-1]
            else:
                return total

    def _signed(self) -> FloatArray:
        sign = 1.0
        while True:
            if self._take("-"):
                sign = -sign
            elif not self._take("+"):
                return sign * self._atom()

    def _atom(self) -> FloatArray:
        self._skip()
        start = self._at
        # A name may begin with a parenthesis of its own, such as (Intercept) does.
        j = self._name()
        if j is not None:
            row = np.zeros(len(self._coefficients) + 1)
            row[j] = 1.0
            return row
        if self._take("("):
            self._depth += 1
            if self._depth > _DEEPEST:
                self._fail("too many parentheses", start)
            inner = self._sum()
            if not self._take(")"):
                self._fail("a closing parenthesis is wanted here")
            self._depth -= 1
            return inner
        number = _NUMBER.match(self._text, self._at)
        if number is None:
            known = listed(list(self._coefficients))
            self._fail(f"no coefficient begins here; write one of {known}", start)
        self._at = number.end()
        value = float(number.group())
        if math.isinf(value):
            self._fail("this number is too large", start)
        row = np.zeros(len(self._coefficients) + 1)
        row[-1] = value
        return row

    def _name(self) -> int | None:
        """Position of the longest coefficient at this place, bare or in back-ticks."""
        for j in self._by_length:
            name = self._coefficients[j]
            for spelling in (name, f"`{name}`"):
                end = self._at + len(spelling)
                if self._text.startswith(spelling, self._at) and self._ends(spelling, end):
                    self._at = end
                    return j
        return None

    def _ends(self, name: str, end: int) -> bool:
        """Whether a name that ends there is not the beginning of another word."""
        after = self._text[end : end + 1]
        word = after.isalnum() or after in ("_", ".", "[", ":") if after else False
        return not (word and (name[-1].isalnum() or name[-1] in "_."))

    def _take(self, sign: str) -> bool:
        self._skip()
        found = self._text.startswith(sign, self._at)
        self._at += found
        return found

    def _skip(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _fail(self, message: str, at: int | None = None) -> NoReturn:
        place = self._at if at is None else at
        line, rest = self._text, self._text[place:].strip()
        where = f" at {shown(rest)}" if rest and rest != line.strip() else ""
        raise OptionError(f"in {shown(line)}{where}: {message}")
