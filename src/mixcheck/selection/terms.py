"""Fixed terms and their marginality: a term needs those that it contains."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from mixcheck.design.brackets import scan

__all__ = ["addable", "contains", "droppable", "factors_of", "split_terms", "with_contained"]

_POWER: Final = re.compile(r"(?:I\(|\{)\s*(.+?)\s*\*\*\s*(\d+)\s*[)}]")


def split_terms(fixed: str) -> tuple[str, ...]:
    """Terms of a right side in canonical text, ``1 + a + a:b``, its constant included.

    Examples
    --------
    >>> split_terms("1 + x + poly(z, 2) + x:poly(z, 2)")
    ('1', 'x', 'poly(z, 2)', 'x:poly(z, 2)')
    """
    return _split(fixed, "+")


def factors_of(term: str) -> frozenset[str]:
    """Factors of a term.

    Examples
    --------
    >>> sorted(factors_of("x:C(g)"))
    ['C(g)', 'x']
    """
    return frozenset(_split(term, ":"))


def _split(text: str, separator: str) -> tuple[str, ...]:
    source = scan(text)
    ends = [*source.find(0, len(text), separator), len(text)]
    starts = [0, *(end + 1 for end in ends[:-1])]
    return tuple(source.part(start, end) for start, end in zip(starts, ends, strict=True))


def _degree(factor: str) -> tuple[str, int]:
    """Base and power of a factor: ``I(x ** 2)`` is the second power of ``x``."""
    match = _POWER.fullmatch(factor)
    return (match[1], int(match[2])) if match else (factor, 1)


def contains(larger: str, smaller: str) -> bool:
    """Whether a term contains another: each factor, or a higher power of it, is in the larger.

    Examples
    --------
    >>> contains("x:z", "x"), contains("I(x ** 2)", "x"), contains("x", "z"), contains("x", "x")
    (True, True, False, False)
    """
    few, many = factors_of(smaller), factors_of(larger)
    powers = dict(_degree(factor) for factor in many)
    return few != many and all(power <= powers.get(base, 0) for base, power in map(_degree, few))


def droppable(term: str, present: Collection[str]) -> bool:
    """Whether no other term that is present contains this one."""
    return not any(contains(other, term) for other in present)


def addable(term: str, present: Collection[str], known: Collection[str]) -> bool:
    """Whether every known term that this one contains is present."""
    return all(other in present for other in known if contains(term, other))


def with_contained(terms: Collection[str], known: Collection[str]) -> frozenset[str]:
    """Terms together with the known ones that they contain."""
    return frozenset(
        known_term
        for known_term in known
        if known_term in terms or any(contains(term, known_term) for term in terms)
    )
