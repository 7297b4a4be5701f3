"""The algebra of terms: sums, products, nesting and powers, as R expands them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NoReturn, TypeAlias

from mixcheck.design.brackets import brief, scan
from mixcheck.design.nodes import (
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
    render,
)
from mixcheck.design.syntax import parse_node
from mixcheck.errors import FormulaError

__all__ = ["INTERCEPT", "Term", "expand", "render_factor", "render_terms", "terms_of"]

_MOST_TERMS: Final = 5_000
_Fail: TypeAlias = Callable[[str], NoReturn]


@dataclass(frozen=True)
class Term:
    """A product of factors; of none, the intercept.

    Attributes
    ----------
    factors : tuple of Node
        Expressions, in the order written, each once.
    """

    factors: tuple[Node, ...]

    @property
    def key(self) -> frozenset[Node]:
        """What makes two terms the same."""
        return frozenset(self.factors)

    @property
    def degree(self) -> int:
        """Number of factors that are not numbers."""
        return sum(not isinstance(factor, Number) for factor in self.factors)

    def __str__(self) -> str:
        return ":".join(map(render_factor, self.factors)) or "1"


_Terms: TypeAlias = dict[frozenset[Node], Term]
INTERCEPT: Final = Term(())


@dataclass(frozen=True)
class _Sum:
    """Terms with effects, and what is said of the intercept, if anything."""

    terms: _Terms = field(default_factory=dict)
    intercept: bool | None = None


def render_factor(factor: Node) -> str:
    """Factor as it stands in a term: expressions that are not calls, in braces."""
    return render(factor) if isinstance(factor, Name | Call | Number) else f"{{{render(factor)}}}"


def render_terms(terms: Iterable[Term]) -> str:
    """Terms as text that reads back as the same terms.

    Examples
    --------
    >>> render_terms(terms_of("(x + z)^2 - 1"))
    '0 + x + z + x:z'
    """
    written = [str(term) for term in terms]
    return " + ".join(written if "1" in written else ["0", *written])


@lru_cache(maxsize=1024)
def terms_of(text: str) -> tuple[Term, ...]:
    """Terms of a right side, the intercept first and the others by degree."""

    def fail(message: str) -> NoReturn:
        raise FormulaError(message)

    return expand([("+", parse_node(part)) for part in _parts(text)], fail)


def _parts(text: str) -> list[str]:
    """Summands of a text that is a plain sum, so that a long one is not a deep tree."""
    source = scan(text)
    cuts = [i for i in source.find(0, len(text), "+") if text[i - 1 : i + 2] == " + "]
    if any(text[i - 1 : i + 2] == " - " for i in source.find(0, len(text), "-")):
        return [text]
    ends = [*cuts, len(text)]
    return [text[i:j] for i, j in zip([0, *(i + 1 for i in cuts)], ends, strict=True)]


def expand(items: Iterable[tuple[str, Node]], fail: _Fail) -> tuple[Term, ...]:
    """Terms of a sum of signed summands, the intercept first and the others by degree.

    Parameters
    ----------
    items : iterable of (str, Node)
        Each with its sign.
    fail : callable
        Raises a FormulaError with the message given.
    """
    total = _Sum()
    for sign, node in items:
        part = _expand(node, fail)
        total = _minus(total, part) if sign == "-" else _plus(total, part)
        _require_few(len(total.terms), fail)
    for term in total.terms.values():
        if not term.degree:
            fail(
                f"The number {render(term.factors[0])} is no term; write 1 for an intercept, 0 "
                "for none, and arithmetic inside I(..)."
            )
    ordered = sorted(total.terms.values(), key=lambda term: term.degree)
    return (*(() if total.intercept is False else (INTERCEPT,)), *ordered)


def _require_few(count: int, fail: _Fail) -> None:
    if count > _MOST_TERMS:
        fail(
            f"This stands for more than {_MOST_TERMS} terms; write fewer factors or a lower power."
        )


def _plus(left: _Sum, right: _Sum) -> _Sum:
    intercept = left.intercept if right.intercept is None else right.intercept
    new = {key: term for key, term in right.terms.items() if key not in left.terms}
    return _Sum({**left.terms, **new}, intercept)


def _minus(left: _Sum, right: _Sum) -> _Sum:
    kept = {key: term for key, term in left.terms.items() if key not in right.terms}
    intercept = left.intercept if right.intercept is None else not right.intercept
    return _Sum(kept, intercept)


def _expand(node: Node, fail: _Fail) -> _Sum:
    match node:
        case Number("0" | "1" as digit):
            return _Sum({}, digit == "1")
        case Braces(inner):
            return _one(_inner(inner), fail)
        case Name() | Call() | Number():
            return _one(node, fail)
        case Unary("+", operand):
            return _expand(operand, fail)
        case Unary("-", operand):
            return _minus(_Sum(), _expand(operand, fail))
        case Binary("+", left, right):
            return _plus(_expand(left, fail), _expand(right, fail))
        case Binary("-", left, right):
            return _minus(_expand(left, fail), _expand(right, fail))
        case Binary("*" | ":" | "/" | "%in%" as operator, left, right):
            return _product(operator, node, _factors(left, fail), _factors(right, fail), fail)
        case Binary("**", left, right):
            return _power(node, _factors(left, fail), right, fail)
        case Unary() | Binary():
            fail(
                f"`{_shown(node)}` is no sum of terms; write it inside I(..), with everything "
                "that belongs to it."
            )
        case Text():
            fail(f"A text in quotes, {_shown(node)}, is no term.")
        case Constant() | Vector():
            fail(f"`{_shown(node)}` is no term; write 1 for an intercept, 0 for none.")
    raise AssertionError(node)


def _shown(node: Node) -> str:
    return brief(render(node))


def _inner(node: Node) -> Node:
    return _inner(node.inner) if isinstance(node, Braces) else node


def _one(factor: Node, fail: _Fail) -> _Sum:
    if isinstance(factor, Call) and factor.function == "offset":
        fail("An offset is added by itself: write `+ offset(expression)`.")
    if isinstance(factor, Text | Constant | Vector):
        fail(f"`{render(factor)}` is no term; a term has a column.")
    term = Term((factor,))
    return _Sum({term.key: term})


def _factors(node: Node, fail: _Fail) -> _Terms:
    """Terms of one side of a product, which has no intercept."""
    part = _expand(node, fail)
    if part.intercept is not None:
        fail(
            "0 and 1 stand for the intercept, which cannot be multiplied; add `0 +` or `- 1` "
            "outside, and write arithmetic inside I(..)."
        )
    if not part.terms:
        fail("Nothing is left on one side of this product.")
    return part.terms


def _product(operator: str, node: Binary, left: _Terms, right: _Terms, fail: _Fail) -> _Sum:
    if operator in ("*", "/") and any(not t.degree for t in (*left.values(), *right.values())):
        fail(
            f"`{_shown(node)}` has a number among its terms; write arithmetic inside I(..), as in "
            "I(2 * x)."
        )
    _require_few(len(left) * len(right), fail)
    if operator == "/":
        whole = _joined(left.values())
        crossed = {term.key: term for term in (_joined((whole, t)) for t in right.values())}
        return _Sum({**left, **crossed})
    pairs = [_joined((a, b)) for a in left.values() for b in right.values()]
    crossed = {}
    for term in pairs:
        crossed.setdefault(term.key, term)
    if operator != "*":
        return _Sum(crossed)
    merged = dict(left)
    for part in (right, crossed):
        merged.update({key: term for key, term in part.items() if key not in merged})
    return _Sum(merged)


def _joined(terms: Iterable[Term]) -> Term:
    return Term(tuple(dict.fromkeys(factor for term in terms for factor in term.factors)))


def _power(node: Binary, base: _Terms, exponent: Node, fail: _Fail) -> _Sum:
    if not isinstance(exponent, Number) or not exponent.text.isdigit() or exponent.text == "0":
        fail(
            f"The power of terms in `{_shown(node)}` must be a whole number from 1 on; to take the "
            "power of a number, write I(x**2)."
        )
    total = dict(base)
    # The powers grow until every product of the factors is there, and then no more.
    for _ in range(int(exponent.text[:6]) - 1):
        before = len(total)
        for known in list(total.values()):
            for factor in base.values():
                term = _joined((known, factor))
                total.setdefault(term.key, term)
            _require_few(len(total), fail)
        if len(total) == before:
            break
    return _Sum(total)
