"""Levels that are one word in several spellings: other capitals, blanks, accents or signs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import pandas as pd

from mixcheck.arguments.options import shown
from mixcheck.design.columns import Columns

__all__ = ["find_variants", "plain_spelling", "spelling_hint", "variant_notes", "variant_of"]

# A factor with more levels than this is one of identifiers, and looking at all of them costs.
_MOST_LEVELS: Final = 20_000
_SHOWN_WORDS: Final = 3
# Signs that printing has in several kinds.
_SIGNS: Final = {ord(c): "-" for c in "\u2010\u2011\u2012\u2013\u2014\u2212"} | {
    ord(c): "'" for c in "\u2018\u2019\u201b\u2032\u0060\u00b4"
}
# A hyphen or an underscore between words; in codes, such as a-1 and N_P, it tells them apart.
_JOINED: Final = re.compile(r"(?<=[^\W\d_]{3})[-_](?=[^\W\d_]{3})")
_WHOLE: Final = re.compile(r"(\d+)\.0+")


@lru_cache(maxsize=4096)
def plain_spelling(text: str) -> str:
    """A text without what often differs by mistake: capitals, blanks, accents, invisible marks.

    So are kinds of dashes and quotes, a hyphen between words, and ``.0`` behind a number.

    Examples
    --------
    >>> plain_spelling(" Forêt"), plain_spelling("FORET"), plain_spelling("north-west")
    ('foret', 'foret', 'northwest')
    """
    text = text.translate(_SIGNS)
    if not text.isascii():
        folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        text = "".join(c for c in folded if unicodedata.category(c) not in ("Mn", "Me", "Cf"))
    words = _JOINED.sub(" ", text.lower()).split()
    if len(words) == 1:
        whole = _WHOLE.fullmatch(words[0])
        return words[0] if whole is None else whole[1]
    # A blank between digits parts two numbers; beside letters it is a matter of style.
    return ("" if any(c.isalpha() for c in text) else " ").join(words)


def find_variants(levels: Iterable[object]) -> list[tuple[str, ...]]:
    """Groups of levels that differ by their spelling only, in the order of the levels.

    Examples
    --------
    >>> find_variants(["Forest", "forest ", "meadow"])
    [('Forest', 'forest ')]
    """
    found: dict[str, list[str]] = {}
    for level in levels:
        if isinstance(level, str):
            found.setdefault(plain_spelling(level), []).append(level)
    return [tuple(group) for group in found.values() if len(group) > 1]


def variant_of(level: object, levels: Iterable[object]) -> str | None:
    """The level that a text is but for its spelling, if there is one."""
    if not isinstance(level, str):
        return None
    plain = plain_spelling(level)
    same = (known for known in levels if isinstance(known, str) and plain_spelling(known) == plain)
    return next(same, None)


def spelling_hint(strange: Iterable[object], levels: Iterable[object]) -> str:
    """A sentence, and a blank, on new levels that are known in another spelling; or nothing."""
    known = list(levels)[:_MOST_LEVELS]
    pairs = [(level, variant_of(level, known)) for level in strange]
    told = [f"{shown(level)} is {shown(old)} in another spelling" for level, old in pairs if old]
    return f"{'; '.join(told)}. " if told else ""


def variant_notes(columns: Columns, names: Sequence[str]) -> list[str]:
    """A sentence for each column of words whose levels hold one word in several spellings."""
    notes = []
    for name in names:
        values = columns[name]
        if not isinstance(values, pd.Categorical) or len(values.categories) > _MOST_LEVELS:
            continue
        groups = find_variants(values.categories.tolist())
        if groups:
            notes.append(_note(name, groups))
    return notes


def _note(name: str, groups: list[tuple[str, ...]]) -> str:
    told = "; ".join(", ".join(map(shown, group)) for group in groups[:_SHOWN_WORDS])
    more = f"; and {len(groups) - _SHOWN_WORDS} more" if len(groups) > _SHOWN_WORDS else ""
    return (
        f"Levels of `{name}` differ by capitals, blanks, accents or signs only, and count as "
        f"different: {told}{more}. If they are one, merge them before, such as with "
        f"data[{name!r}]{_merging(groups)}."
    )


def _merging(groups: list[tuple[str, ...]]) -> str:
    """What to write behind a column, so that every group becomes one level."""
    if all(len({text.strip().lower() for text in group}) == 1 for group in groups):
        return ".str.strip().str.lower()"
    first, *rest = groups[0]
    # Composed and decomposed letters look alike, and are told by their numbers.
    alike = len({unicodedata.normalize("NFC", text) for text in groups[0]}) < len(groups[0])
    write = ascii if alike else repr
    return f".replace({{{', '.join(f'{write(other)}: {write(first)}' for other in rest)}}})"
