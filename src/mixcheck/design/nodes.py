"""The nodes of formulas, names as they are written, and nodes as text.

What has no node here cannot be said in a formula: there are no attributes, subscripts,
assignments, lambdas or comprehensions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

__all__ = [
    "BINDING",
    "COMPARE",
    "CONSTANTS",
    "NAME",
    "NOT",
    "POWER",
    "QUOTED",
    "SIGN",
    "Binary",
    "Braces",
    "Call",
    "Constant",
    "Name",
    "Node",
    "Number",
    "Text",
    "Unary",
    "Vector",
    "quote_name",
    "render",
    "unescaped",
    "unquote_name",
    "walk",
]

_MARKS: Final = "\u0300-\u036f"
NAME: Final = re.compile(rf"[^\W\d][\w.{_MARKS}]*|\.[^\W\d][\w.{_MARKS}]*")
QUOTED: Final = re.compile(r"`(?:[^`\\]|\\.)*`", re.DOTALL)
# Words that stand for a value, as R or as Python spells them.
CONSTANTS: Final = {
    "TRUE": "True",
    "True": "True",
    "FALSE": "False",
    "False": "False",
    "NULL": "None",
    "None": "None",
    "Inf": "Inf",
    "NaN": "NaN",
    "NA": "NA",
}
# How tightly R binds, the tightest last; the exponent binds tighter than a sign.
OR, AND, NOT, COMPARE, ADD, MULTIPLY, PERCENT, RANGE, SIGN, POWER = range(1, 11)
BINDING: Final = {
    "|": OR,
    "&": AND,
    **dict.fromkeys(("<", ">", "<=", ">=", "==", "!="), COMPARE),
    **dict.fromkeys("+-", ADD),
    **dict.fromkeys(("*", "/", "//", "%"), MULTIPLY),
    **dict.fromkeys(("%%", "%/%", "%in%"), PERCENT),
    ":": RANGE,
    "**": POWER,
}


@dataclass(frozen=True)
class Number:
    """A number as text that Python reads back as the same number."""

    text: str


@dataclass(frozen=True)
class Text:
    """A text in quotes."""

    value: str


@dataclass(frozen=True)
class Constant:
    """True, False, None, Inf, NaN or NA."""

    name: str


@dataclass(frozen=True)
class Name:
    """A column, or a value known by name."""

    name: str


@dataclass(frozen=True)
class Call:
    """A function applied to arguments."""

    function: str
    arguments: tuple[Node, ...]
    keywords: tuple[tuple[str, Node], ...] = ()


@dataclass(frozen=True)
class Unary:
    """``-``, ``+`` or ``!`` before an operand."""

    operator: str
    operand: Node


@dataclass(frozen=True)
class Binary:
    """Two operands with an operator between them."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Vector:
    """A list of values in brackets."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Braces:
    """An expression that a formula takes whole, with arithmetic where else terms are."""

    inner: Node


Node: TypeAlias = Number | Text | Constant | Name | Call | Unary | Binary | Vector | Braces


# ---- names ----------------------------------------------------------------------------------


def quote_name(name: str) -> str:
    r"""Column name as a formula needs it: in back-ticks unless it is plain.

    A back-tick within a name gets a backslash, and so does a backslash, so that every name is
    read back as itself.

    Examples
    --------
    >>> [quote_name(name) for name in ("x", "my x", "a`b")]
    ['x', '`my x`', '`a\\`b`']
    """
    if NAME.fullmatch(name) and name not in CONSTANTS:
        return name
    escaped = re.sub(r"[`\\]", r"\\\g<0>", name)
    return f"`{escaped}`"


def unquote_name(text: str) -> str | None:
    """Name that a text stands for, where it is one name and nothing else.

    Examples
    --------
    >>> unquote_name("`my x`"), unquote_name("x"), unquote_name("log(x)")
    ('my x', 'x', None)
    """
    if NAME.fullmatch(text) and text not in CONSTANTS:
        return text
    return unescaped(text[1:-1]) if len(text) > 2 and QUOTED.fullmatch(text) else None


def unescaped(text: str) -> str:
    """A text between back-ticks without the backslashes that it needs there."""
    return re.sub(r"\\([`\\])", r"\1", text)


# ---- nodes to text --------------------------------------------------------------------------


def render(node: Node) -> str:
    """Canonical text of a node, which is read back as the same node."""
    return _text(node, 0)


def _text(node: Node, least: int) -> str:
    match node:
        case Number(text):
            return text
        case Text(value):
            return _quoted_text(value)
        case Constant(name):
            return name
        case Name(name):
            return quote_name(name)
        case Vector(items):
            return f"[{', '.join(_text(item, 0) for item in items)}]"
        case Braces(inner):
            return _text(inner, least)
        case Call(function, arguments, keywords):
            written = [_text(argument, 0) for argument in arguments]
            written += [f"{key}={_text(value, 0)}" for key, value in keywords]
            return f"{function}({', '.join(written)})"
        case Unary(operator, operand):
            binding = NOT if operator == "!" else SIGN
            # What is compared or denied stands in parentheses, for readers of other languages.
            text = operator + _text(operand, SIGN)
            return f"({text})" if binding < least else text
        case Binary(operator, left, right):
            return _binary_text(operator, left, right, least)


def _binary_text(operator: str, left: Node, right: Node, least: int) -> str:
    binding = BINDING[operator]
    if binding == POWER:
        # A power binds tighter than a sign on its left, and takes one on its right.
        text = f"{_text(left, POWER + 1)} ** {_text(right, POWER)}"
    else:
        inner = ADD if binding <= AND else binding
        blank = "" if operator == ":" else " "
        first = _text(
            left,
            binding
            if isinstance(left, Binary) and left.operator == operator and binding != COMPARE
            else max(inner, binding + (binding == COMPARE)),
        )
        second = _text(right, max(inner, binding + 1))
        text = f"{first}{blank}{operator}{blank}{second}"
    return f"({text})" if binding < least else text


def _quoted_text(value: str) -> str:
    """A text in quotes, as it is read back."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def walk(node: Node) -> Iterator[Node]:
    """A node and everything in it, in the order written."""
    yield node
    match node:
        case Call(_, arguments, keywords):
            children: tuple[Node, ...] = (*arguments, *(value for _, value in keywords))
        case Unary(_, operand):
            children = (operand,)
        case Binary(_, left, right):
            children = (left, right)
        case Vector(items):
            children = items
        case Braces(inner):
            children = (inner,)
        case _:
            children = ()
    for child in children:
        yield from walk(child)
