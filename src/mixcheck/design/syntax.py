"""The language of formulas: text to a tree of a few kinds of node.

Operators, and how tightly they bind, are those of R. Nothing of a formula is ever handed to an
interpreter.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NoReturn

from mixcheck.design.brackets import Source, scan
from mixcheck.design.nodes import (
    BINDING,
    COMPARE,
    CONSTANTS,
    NAME,
    NOT,
    POWER,
    QUOTED,
    SIGN,
    Binary,
    Braces,
    Call,
    Constant,
    Name,
    Node,
    Number,
    Text,
    Unary,
    Vector,
    unescaped,
)

__all__ = ["parse_node", "read_node"]

_TOKEN: Final = re.compile(
    rf"""
    (?P<number>(?:0[xX][0-9a-fA-F]+|(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)L?)
  | (?P<name>{NAME.pattern})
  | (?P<quoted>{QUOTED.pattern})
  | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
  | (?P<operator>%[\w*/|:.<>=]*%|\*\*|//|<<-|->>|<=|>=|==|!=|<-|->|:::|::|:=|&&|\|\||\|>
      |[-+*/^:<>=!&|~%(),\[\]{{}}$@?;\\.])
""",
    re.VERBOSE | re.DOTALL,
)
_DEEPEST: Final = 200
_SAY: Final = {
    "$": "A formula names columns alone; write `x` where you have `data$x`.",
    "@": "`@` has no meaning in a formula.",
    "[": "Subscripts are not read in a formula; make a column of it in the data.",
    "::": "Write the function without its package: `bs(x, df=4)`.",
    ":::": "Write the function without its package: `bs(x, df=4)`.",
    "&&": "`&&` is no operator on columns; write `&`.",
    "||": "`||` is no operator on columns; write `|`, or a random term `(x || g)` by itself.",
    "|>": "Pipes are not read in a formula; write `f(x)`.",
    "=": "`=` names an argument inside a call, as in `bs(x, df=4)`; to compare, write `==`.",
    ":=": "Nothing can be assigned in a formula.",
    "<-": "Nothing can be assigned in a formula; for less than a negative number, write `x < -1`.",
    "->": "Nothing can be assigned in a formula.",
    "<<-": "Nothing can be assigned in a formula.",
    "->>": "Nothing can be assigned in a formula.",
    "~": "A `~` stands between response and predictors alone.",
    ".": "`.` (all other columns) is not offered; write the columns.",
    "?": "`?` has no meaning in a formula.",
    ";": "`;` has no meaning in a formula; it is one sum.",
    "\\": "`\\` has no meaning in a formula; functions are given by name in context=.",
}
# What printed pages and other keyboards have for the signs of a formula.
_LOOK_ALIKE: Final = {
    "\u2212": "-", "\u2013": "-", "\u2010": "-", "\u00d7": "*", "\u2217": "*", "\uff0b": "+",
    "\uff0d": "-", "\uff0a": "*", "\u2236": ":", "\uff1a": ":", "\u2223": "|", "\uff5c": "|",
    "\uff08": "(", "\uff09": ")", "\uff0c": ",", "\u2264": "<=", "\u2265": ">=", "\u2260": "!=",
    "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2018": "'", "\u2019": "'", "\u223c": "~",
    "\uff5e": "~", "\u02dc": "~", "\u2044": "/", "\u00f7": "/",
}  # fmt: skip
_WORDS: Final = {
    "in": "write `%in%`",
    "and": "write `&`",
    "or": "write `|`",
    "is": "write `==`",
    "if": "write `ifelse(condition, yes, no)`",
    "while": "make a column of it in the data",
    "for": "make a column of it in the data",
    "not": "write `!`",
    "lambda": "functions are given by name in context=",
    "function": "functions are given by name in context=",
}


# ---- text to nodes --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


@dataclass
class _Reader:
    """Tokens of a span, and how far they are read."""

    source: Source
    tokens: list[_Token]
    end: int
    terms: bool = False
    at: int = 0
    depth: int = 0

    def peek(self) -> _Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def next(self) -> _Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def sees(self, text: str) -> bool:
        token = self.peek()
        return token is not None and token.kind == "operator" and token.text == text

    def fail(self, message: str, token: _Token | None = None) -> NoReturn:
        self.source.fail(self.end if token is None else token.position, message)


def read_node(source: Source, start: int, end: int, *, terms: bool = False) -> Node:
    """Node of a span of a formula, which holds an expression or `terms`.

    Raises
    ------
    FormulaError
        With a caret at the first thing that cannot be read.
    """
    reader = _Reader(source, list(_tokens(source, start, end)), end, terms)
    node, _ = _read(reader, 0)
    rest = reader.peek()
    if rest is not None:
        _complain(reader, rest)
    return node


@lru_cache(maxsize=2048)
def parse_node(text: str) -> Node:
    """Node of a whole text.

    Examples
    --------
    >>> from mixcheck.design.nodes import render
    >>> render(parse_node("I(-x^2)"))
    'I(-x ** 2)'
    """
    return read_node(scan(text), 0, len(text))


def _tokens(source: Source, start: int, end: int) -> Iterator[_Token]:
    at = start
    while at < end:
        if source.text[at].isspace():
            at += 1
            continue
        match = _TOKEN.match(source.text, at, end)
        if match is None:
            meant = _LOOK_ALIKE.get(source.text[at])
            sign = f"for the sign of a formula write `{meant}`, and " if meant else ""
            source.fail(
                at,
                f"`{source.text[at]}` has no meaning in a formula; {sign}if it belongs to the name "
                "of a column, write the name in back-ticks.",
            )
        assert match.lastgroup is not None
        yield _Token(match.lastgroup, match.group(), at)
        at = match.end()


def _complain(reader: _Reader, token: _Token) -> NoReturn:
    """Say why a token cannot follow what was read."""
    if token.kind == "operator":
        reader.fail(_SAY.get(token.text, f"`{token.text}` cannot stand here."), token)
    before = reader.tokens[reader.at - 1] if reader.at else None
    if token.kind == "name" and token.text.startswith(".") and before and before.text in ")]":
        reader.fail(
            f"Attributes such as `{token.text}` are not read in a formula; write a function, such "
            "as mean(x) or days(date), or make a column of it in the data.",
            token,
        )
    for word in (token, before):
        if word is not None and word.kind == "name" and word.text in _WORDS:
            reader.fail(f"`{word.text}` is no operator here; {_WORDS[word.text]}.", word)
    shown = f" between `{before.text}` and `{token.text}`" if before else ""
    reader.fail(
        f"Missing operator{shown}; a name with blanks or signs is written in back-ticks.", token
    )


def _read(reader: _Reader, least: int) -> tuple[Node, int]:
    """Node and its depth, of operators that bind at least so tightly."""
    reader.depth += 1
    if reader.depth > _DEEPEST:
        reader.fail(_too_deep(), reader.peek())
    left, depth = _prefix(reader)
    while True:
        token = reader.peek()
        if token is None or token.kind != "operator":
            break
        operator = "**" if token.text == "^" else token.text
        binding = BINDING.get(operator)
        if binding is None and operator.startswith("%"):
            reader.fail(f"`{operator}` is no operator here; there are %%, %/% and %in%.", token)
        if binding is None or binding < least:
            break
        if reader.terms and operator == "|":
            reader.fail("A random term can only be added: write `... + (effects | group)`.", token)
        reader.next()
        # An exponent takes what is right of it, sign and all.
        right, other = _read(reader, SIGN if binding == POWER else binding + 1)
        left, depth = Binary(operator, left, right), max(depth, other) + 1
        if depth > _DEEPEST:
            reader.fail(_too_deep(), token)
        after = reader.peek()
        if binding == COMPARE and after is not None and BINDING.get(after.text) == COMPARE:
            reader.fail("Comparisons do not chain; write `a < x & x < b`.", after)
    reader.depth -= 1
    return left, depth


def _too_deep() -> str:
    return (
        f"An expression of more than {_DEEPEST} operations one in another; make a column of it in "
        "the data."
    )


def _prefix(reader: _Reader) -> tuple[Node, int]:
    """A sign and its operand, or one operand."""
    token = reader.peek()
    if token is None:
        reader.fail("Something is missing here; write a column or an expression.")
    if token.kind == "operator" and token.text in ("-", "+", "!", "~"):
        reader.next()
        # The tilde before a comparison is how pandas writes `not`, and binds like a sign.
        operand, depth = _read(reader, NOT if token.text == "!" else SIGN)
        return Unary("!" if token.text == "~" else token.text, operand), depth + 1
    return _primary(reader)


def _primary(reader: _Reader) -> tuple[Node, int]:
    token = reader.next()
    if token.kind == "number":
        return Number(_number(reader, token)), 1
    if token.kind == "string":
        return Text(_string(token.text)), 1
    if token.kind == "quoted":
        if len(token.text) == 2:
            reader.fail("A name is missing between these back-ticks.", token)
        return Name(unescaped(token.text[1:-1])), 1
    if token.kind == "name":
        return _named(reader, token)
    closing = {"(": ")", "[": "]", "{": "}"}.get(token.text)
    if closing is None:
        reader.fail(_SAY.get(token.text, f"An operand is missing before `{token.text}`."), token)
    return _bracketed(reader, token, closing)


def _number(reader: _Reader, token: _Token) -> str:
    plain = token.text.removesuffix("L").replace("_", "")
    value = int(plain, 16) if plain[:2] in ("0x", "0X") else float(plain)
    if value > sys.float_info.max:
        reader.fail("This number is larger than any in double precision; write Inf.", token)
    if plain.isdigit():
        return plain.lstrip("0") or "0"
    return repr(value)


def _string(text: str) -> str:
    escapes = {"n": "\n", "t": "\t", "r": "\r"}
    return re.sub(r"\\(.)", lambda m: escapes.get(m[1], m[1]), text[1:-1], flags=re.DOTALL)


def _named(reader: _Reader, token: _Token) -> tuple[Node, int]:
    if not reader.sees("("):
        if token.text in CONSTANTS:
            return Constant(CONSTANTS[token.text]), 1
        return Name(token.text), 1
    if token.text in ("if", "for", "while", "function", "lambda"):
        reader.fail(f"`{token.text}` is not read in a formula; {_WORDS[token.text]}.", token)
    reader.next()
    outside, reader.terms = reader.terms, False
    arguments: list[Node] = []
    keywords: list[tuple[str, Node]] = []
    deepest = 0
    while not reader.sees(")"):
        name = _keyword(reader)
        if reader.sees(",") or reader.sees(")"):
            reader.fail("An argument is missing here.", reader.peek())
        value, depth = _read(reader, 0)
        deepest = max(deepest, depth)
        if name is None:
            arguments.append(value)
        elif name in dict(keywords):
            reader.fail(f"The argument `{name}` is given twice.", token)
        else:
            keywords.append((name, value))
        _separator(reader, ")")
    reader.next()
    reader.terms = outside
    if token.text == "Q" and len(arguments) == 1 and isinstance(arguments[0], Text):
        return Name(arguments[0].value), 1
    return Call(token.text, tuple(arguments), tuple(keywords)), deepest + 1


def _keyword(reader: _Reader) -> str | None:
    """Name before an equals sign, read; None where there is none."""
    token = reader.peek()
    after = reader.tokens[reader.at + 1] if reader.at + 1 < len(reader.tokens) else None
    if token is None or token.kind != "name" or after is None or after.text != "=":
        return None
    reader.at += 2
    return token.text


def _separator(reader: _Reader, closing: str) -> None:
    """Read a comma, or see the end."""
    if reader.sees(closing):
        return
    token = reader.peek()
    if not reader.sees(","):
        if token is None:
            reader.fail(f"`{closing}` is missing here.")
        _complain(reader, token)
    reader.next()
    if reader.sees(closing):
        reader.fail("An argument is missing here.", reader.peek())


def _bracketed(reader: _Reader, token: _Token, closing: str) -> tuple[Node, int]:
    outside, reader.terms = reader.terms, reader.terms and closing == ")"
    items: list[Node] = []
    deepest = 0
    commas = False
    while not reader.sees(closing):
        node, depth = _read(reader, 0)
        items.append(node)
        deepest = max(deepest, depth)
        commas = commas or reader.sees(",")
        if commas and closing == "}":
            reader.fail("Braces hold one expression; write a list as `[1, 2]`.", reader.peek())
        _separator(reader, closing)
    reader.next()
    reader.terms = outside
    if token.text == "[" or commas:
        return Vector(tuple(items)), deepest + 1
    if not items:
        reader.fail(f"Nothing stands within `{token.text}{closing}`.", token)
    return (Braces(items[0]), deepest + 1) if closing == "}" else (items[0], deepest)
