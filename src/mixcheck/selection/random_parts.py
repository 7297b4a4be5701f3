"""Random terms of a candidate: slopes, correlated or not, down to none."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from mixcheck.design import RandomTerm
from mixcheck.design.covariances import DEFAULT, STRUCTURES
from mixcheck.design.formula import quote_name
from mixcheck.selection.terms import addable, droppable, split_terms

__all__ = ["Effect", "RandomPart", "neighbouring_parts", "part_of"]

Effect: TypeAlias = tuple[tuple[str, ...], str]
"""Grouping columns, and one effect, ``1`` for the intercept."""

SPLIT = "split"
INTERCEPT = "1"


@dataclass(frozen=True)
class RandomPart:
    """What is left of one random term of the formula.

    Attributes
    ----------
    effects : tuple of str
        In the order of the formula, ``1`` for the intercept; empty where nothing is left.
    group : tuple of str
        Columns that, crossed, make the grouping factor.
    structure : str
        That of the formula, or "split" for one term each in place of correlated effects.
    arguments : tuple of str
        What the formula names behind the group.
    """

    effects: tuple[str, ...]
    group: tuple[str, ...]
    structure: str = DEFAULT
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        effects = self.effects if self.effects[0] == INTERCEPT else ("0", *self.effects)
        bar = "||" if self.structure == SPLIT else "|"
        prefix = "" if self.structure in (DEFAULT, SPLIT) else self.structure
        group = ":".join(map(quote_name, self.group))
        inside = ", ".join([group, *self.arguments])
        return f"{prefix}({' + '.join(effects)} {bar} {inside})"

    @property
    def takes_more(self) -> bool:
        """Whether any further effect fits the structure."""
        return self.structure != SPLIT and STRUCTURES[self.structure].unrestricted

    @property
    def names(self) -> tuple[str, ...]:
        """Each effect with its grouping factor, ``x | g``."""
        return tuple(f"{effect} | {':'.join(self.group)}" for effect in self.effects)


def part_of(term: RandomTerm) -> RandomPart:
    """A random term of a formula, taken apart.

    Examples
    --------
    >>> str(part_of(RandomTerm("1 + x", ("g",))))
    '(1 + x | g)'
    """
    effects = tuple(effect for effect in split_terms(term.effects) if effect != "0")
    return RandomPart(effects, term.group, term.structure, term.arguments)


def neighbouring_parts(
    parts: tuple[RandomPart, ...],
    full: tuple[RandomPart, ...],
    *,
    kept: Collection[Effect] = (),
    joined: Collection[str] = (),
) -> Iterator[tuple[RandomPart, ...]]:
    """Random parts one change away: an effect less or more, correlations less or more.

    An intercept goes last and comes first. Effects of a structure that is not
    divisible stay together.

    Parameters
    ----------
    parts, full : tuple of RandomPart
        Of the candidate and of the formula, in the same order.
    kept : collection of Effect
        What is never dropped.
    joined : collection of str
        Effects with several columns, which cannot stand beside an intercept without a
        correlation: their variances could not be told apart.

    Examples
    --------
    >>> full = (RandomPart(("1", "x"), ("g",)),)
    >>> [str(part) for (part,) in neighbouring_parts(full, full)]
    ['(1 | g)', '(1 + x || g)']
    """
    for i, (part, whole) in enumerate(zip(parts, full, strict=True)):
        group = _effects(parts, part.group)
        full_group = _effects(full, part.group)
        if not STRUCTURES[whole.structure].divisible:
            changed = _whole_or_nothing(part, whole, kept)
        else:
            changed = [
                *_smaller(part, whole, group, kept),
                *_larger(part, whole, group, full_group, joined),
                *_turned(part, whole, joined),
            ]
        for other in changed:
            yield (*parts[:i], other, *parts[i + 1 :])


def _effects(parts: tuple[RandomPart, ...], group: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(effect for part in parts if part.group == group for effect in part.effects)


def _whole_or_nothing(
    part: RandomPart, whole: RandomPart, kept: Collection[Effect]
) -> list[RandomPart]:
    if not part.effects:
        return [whole]
    keeps = any((part.group, effect) in kept for effect in part.effects)
    return [] if keeps else [replace(part, effects=())]


def _smaller(
    part: RandomPart, whole: RandomPart, group: tuple[str, ...], kept: Collection[Effect]
) -> Iterator[RandomPart]:
    for effect in part.effects:
        others = tuple(other for other in group if other != effect)
        last = effect != INTERCEPT or not others
        if last and droppable(effect, others) and (part.group, effect) not in kept:
            left = tuple(other for other in part.effects if other != effect)
            yield replace(part, effects=left, structure=_plain(left, part, whole))


def _larger(
    part: RandomPart,
    whole: RandomPart,
    group: tuple[str, ...],
    full_group: tuple[str, ...],
    joined: Collection[str],
) -> Iterator[RandomPart]:
    for effect in whole.effects:
        first = effect == INTERCEPT or INTERCEPT not in full_group or INTERCEPT in group
        if effect in group or not first or not addable(effect, group, full_group):
            continue
        more = tuple(other for other in whole.effects if other in (*part.effects, effect))
        larger = replace(part, effects=more, structure=_plain(more, part, whole))
        yield larger
        if len(part.effects) == 1:
            yield from _turned(larger, whole, joined)


def _plain(effects: tuple[str, ...], part: RandomPart, whole: RandomPart) -> str:
    """The structure of some effects: one alone has no correlation to be without."""
    return whole.structure if len(part.effects) < 2 or len(effects) < 2 else part.structure


def _turned(part: RandomPart, whole: RandomPart, joined: Collection[str]) -> Iterator[RandomPart]:
    """The same effects without their correlations, or with them again."""
    if not STRUCTURES[whole.structure].unrestricted or len(part.effects) < 2:
        return
    if part.structure == SPLIT:
        yield replace(part, structure=whole.structure)
    elif not any(effect in joined for effect in part.effects):
        yield replace(part, structure=SPLIT)
