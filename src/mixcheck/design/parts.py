"""The text of one part of a formula, read: what it is, and the columns and levels it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from mixcheck.design.evaluation import names_of
from mixcheck.design.nodes import Name, Node
from mixcheck.design.syntax import parse_node
from mixcheck.design.terms import Term, terms_of

__all__ = ["Part", "read_expression", "read_part", "read_times"]


@dataclass(frozen=True)
class Part:
    """One matrix of a formula, parsed.

    Attributes
    ----------
    text : str
        Right side, or one expression, in canonical text.
    terms : tuple of Term
        Terms of a right side; empty for an expression.
    expression : Node or None
        The one column of numbers that an offset or a response is.
    lookups : tuple of str
        Columns that stand there as such.
    variables : tuple of str
        Every name of a value.
    functions : tuple of str
        Every name of a function.
    plain : tuple of str or None
        Columns, in order, where there is nothing but an intercept and columns; else None.
    positions : bool
        Whether the expression is times, of which positions in order are wanted.
    """

    text: str
    terms: tuple[Term, ...]
    expression: Node | None
    lookups: tuple[str, ...]
    variables: tuple[str, ...]
    functions: tuple[str, ...]
    plain: tuple[str, ...] | None
    positions: bool = False

    @property
    def intercept(self) -> bool:
        """Whether there is an intercept."""
        return any(not term.factors for term in self.terms)


@lru_cache(maxsize=1024)
def read_part(text: str) -> Part:
    """Parse the right side of one matrix.

    Examples
    --------
    >>> read_part("1 + x + log(z)").variables, read_part("1 + x + log(z)").functions
    (('x', 'z'), ('log',))
    """
    terms = terms_of(text)
    simple = all(
        not term.factors or (len(term.factors) == 1 and isinstance(term.factors[0], Name))
        for term in terms
    )
    factors = [factor for term in terms for factor in term.factors]
    names = tuple(factor.name for factor in factors if isinstance(factor, Name))
    return _part(text, terms, None, factors, names if simple else None)


@lru_cache(maxsize=1024)
def read_expression(text: str) -> Part:
    """Parse one expression that gives one column of numbers.

    Examples
    --------
    >>> read_expression("log(`my x`)").variables
    ('my x',)
    """
    node = parse_node(text)
    plain = (node.name,) if isinstance(node, Name) else None
    return _part(text, (), node, [node], plain)


@lru_cache(maxsize=256)
def read_times(text: str) -> Part:
    """Parse the times of a sequence, a column or an expression.

    Examples
    --------
    >>> read_times("year").positions
    True
    """
    return replace(read_expression(text), positions=True)


def _part(
    text: str,
    terms: tuple[Term, ...],
    expression: Node | None,
    factors: Sequence[Node],
    plain: tuple[str, ...] | None,
) -> Part:
    found = [names_of(factor) for factor in factors]
    return Part(
        text,
        terms,
        expression,
        tuple(dict.fromkeys(f.name for f in factors if isinstance(f, Name))),
        tuple(dict.fromkeys(name for values, _ in found for name in values)),
        tuple(dict.fromkeys(name for _, functions in found for name in functions)),
        plain,
    )
