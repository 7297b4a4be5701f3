"""Characters of numbers as other keyboards and programs write them, and the usual ones for them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

__all__ = ["BLANKS", "CURRENCIES", "MINUS", "plainly", "unusual"]

BLANKS: Final = (
    " \N{NO-BREAK SPACE}\N{FIGURE SPACE}\N{PUNCTUATION SPACE}\N{THIN SPACE}\N{HAIR SPACE}"
    "\N{NARROW NO-BREAK SPACE}"
)
"""That stand between thousands, or between a number and its unit."""

MINUS: Final = "-\N{MINUS SIGN}\N{EN DASH}\N{SMALL HYPHEN-MINUS}\N{FULLWIDTH HYPHEN-MINUS}"
"""That stand before a negative number."""

CURRENCIES: Final = (
    "US$", "A$", "C$", "NZ$", "HK$", "R$", "USD", "EUR", "GBP", "CHF", "JPY", "CNY", "RMB", "AUD",
    "CAD", "NZD", "SEK", "NOK", "DKK", "ISK", "PLN", "CZK", "HUF", "INR", "BRL", "MXN", "ZAR",
    "KRW", "SGD", "HKD", "TRY", "Fr.", "SFr.", "Rs.", "Rs", "kr.", "kr", "zł", "Kč", "Ft",
)  # fmt: skip
"""Written with letters; those of one sign are known to Unicode."""

_FULL_WIDTH: Final = {chr(0xFEE0 + code): chr(code) for code in range(0x21, 0x7F)}
_USUAL: Final[Mapping[str, str]] = {
    **_FULL_WIDTH,
    **dict.fromkeys(MINUS, "-"),
    "\N{IDEOGRAPHIC SPACE}": " ",
    "\N{FULLWIDTH POUND SIGN}": "£",
    "\N{FULLWIDTH YEN SIGN}": "¥",
    "\N{ARABIC DECIMAL SEPARATOR}": ".",
    "\N{ARABIC THOUSANDS SEPARATOR}": ",",
    "\N{ARABIC PERCENT SIGN}": "%",
}


def plainly(text: str) -> str:
    """The same with the digits, signs and marks of ASCII, as far as numbers have them.

    Examples
    --------
    >>> plainly("−１２.５"), plainly("٣٫٥"), plainly("3 m²")
    ('-12.5', '3.5', '3 m²')
    """
    return text if text.isascii() else "".join(map(_usual, text))


def unusual(texts: Iterable[str]) -> dict[str, str]:
    """Characters of texts that are not written plainly, and the usual ones.

    Examples
    --------
    >>> unusual(["−1", "2"])
    {'−': '-'}
    """
    found = sorted({character for text in texts if not text.isascii() for character in text})
    return {one: _usual(one) for one in found if _usual(one) != one}


@cache
def _usual(character: str) -> str:
    if not character.isascii() and character.isdecimal():
        return str(unicodedata.decimal(character))
    return _USUAL.get(character, character)
