"""Pictures of results that are made above the rooms of these results.

A fit and its residuals have a picture, whose numbers come from checks, which stand above them.
The room of pictures says here how they are made; a result asks for them by the name of its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mixcheck.display.pictures import Picture

if TYPE_CHECKING:
    from mixcheck.display.figures import Axes

__all__ = ["draw_grid", "pictures_of", "provide"]

_MAKERS: dict[str, Callable[..., tuple[Picture, ...]]] = {}


def provide(kind: str, make: Callable[..., tuple[Picture, ...]]) -> None:
    """Say how the pictures of a kind of result are made."""
    _MAKERS[kind] = make


def pictures_of(kind: str, subject: object, **options: Any) -> tuple[Picture, ...]:
    """The pictures of a result."""
    return _MAKERS[kind](subject, **options)


def draw_grid(pictures: Sequence[Picture], columns: int = 2) -> tuple[Axes, ...]:
    """Draw pictures beside and below each other on a new figure."""
    # matplotlib is loaded when something is drawn.
    from mixcheck.display.figures import draw_many

    return draw_many(pictures, columns)
