"""A candidate that was tried, and the order of those that were."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mixcheck.comparison.ranking import Standing, rank_order
from mixcheck.selection.candidates import Assessment, Candidate

__all__ = ["Explored", "rank_explored"]


@dataclass(frozen=True, eq=False)
class Explored:
    """A candidate that was tried, its place in the order of trying, and its step."""

    candidate: Candidate
    assessment: Assessment
    order: int
    step: int


def rank_explored(explored: Iterable[Explored], tie: float) -> list[Explored]:
    """The usable models, the smallest criterion first; see `rank_order`."""
    usable = [tried for tried in explored if tried.assessment.usable]
    order = rank_order([_standing(tried.assessment) for tried in usable], tie)
    return [usable[k] for k in order]


def _standing(seen: Assessment) -> Standing:
    assert seen.score is not None
    return Standing(seen.score.value, seen.df, seen.llf, bool(seen.limited))
