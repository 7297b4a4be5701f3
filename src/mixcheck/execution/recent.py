"""The last few of what was made, by what they were made of."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Recent"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Values by keys that are compared whole; the oldest are forgotten beyond `most`.

    A key holds all that its value depends on, so that a value found is the value that would be
    made. Threads may share it.

    Parameters
    ----------
    most : int

    Examples
    --------
    >>> squares = Recent[int, int](2)
    >>> for number in (2, 3, 4):
    ...     squares.keep(number, number**2)
    >>> squares.get(2), squares.get(4)
    (None, 16)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """The value of a key; None where it is not known any more."""
        return self._known.get(key)

    def keep(self, key: K, value: V) -> None:
        """Know the value of a key."""
        self._known.pop(key, None)
        self._known[key] = value
        # A copy, and without a lock: other threads keep too, and a fork may come at any time.
        for old in list(self._known)[: -self._most]:
            self._known.pop(old, None)
