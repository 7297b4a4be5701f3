"""Candidates that are one model: their columns span the same spaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mixcheck.comparison.nesting import contains
from mixcheck.notices import quiet
from mixcheck.port import Traceable, port_of
from mixcheck.selection.candidates import Assessment, Fit
from mixcheck.selection.explored import Explored

__all__ = ["tell_apart"]

# One model has one likelihood, up to where the optimiser stops.
_ABSOLUTE, _RELATIVE = 1e-4, 1e-7


def tell_apart(
    explored: Sequence[Explored], fit: Fit, known: dict[frozenset[str], bool]
) -> list[Explored]:
    """All candidates; of those that are one model, only the one with the fewest terms is usable.

    Parameters
    ----------
    explored : sequence of Explored
        In the order of trying.
    fit : callable
        Fits a candidate; asked only where likelihoods and numbers of parameters are equal.
    known : dict
        Pairs of keys that were looked at, and whether they are one model; it is added to.
    """
    kept: list[Explored] = []
    out = {tried.candidate.key: tried for tried in explored}
    usable = [tried for tried in explored if tried.assessment.usable]
    for tried in sorted(usable, key=_simplicity(usable)):
        same = next((other for other in kept if _is_one(tried, other, fit, known)), None)
        if same is None:
            kept.append(tried)
            continue
        reason = (
            f"it is {same.candidate.key}, written in another way: the columns of both span the "
            "same space"
        )
        out[tried.candidate.key] = replace(tried, assessment=Assessment(reason))
    return list(out.values())


def _simplicity(explored: Sequence[Explored]) -> Callable[[Explored], tuple[Any, ...]]:
    """Fewest terms first; of as many those that come first in the largest model."""
    longest = max((tried.candidate.terms for tried in explored), key=len, default=())
    places = {term: place for place, term in enumerate(longest)}

    def key(one: Explored) -> tuple[Any, ...]:
        terms = one.candidate.terms
        return len(terms), sorted(places.get(term, len(places)) for term in terms), one.order

    return key


def _is_one(one: Explored, other: Explored, fit: Fit, known: dict[frozenset[str], bool]) -> bool:
    left, right = one.assessment, other.assessment
    if left.df != right.df or abs(left.llf - right.llf) > _ABSOLUTE + _RELATIVE * abs(left.llf):
        return False
    pair = frozenset((one.candidate.key, other.candidate.key))
    if pair not in known:
        known[pair] = _span_the_same(one, other, fit)
    return known[pair]


def _span_the_same(one: Explored, other: Explored, fit: Fit) -> bool:
    with quiet():  # each was fitted before, and warned then
        first, second = port_of(fit(one.candidate)), port_of(fit(other.candidate))
    if not (isinstance(first, Traceable) and isinstance(second, Traceable)):
        return False
    left: Any = first
    right: Any = second
    return contains(left, right) and contains(right, left)
