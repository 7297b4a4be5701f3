"""Warnings of the library: issued at the caller's line, and silenced where they are counted.

Filters of `warnings` belong to the whole process, so that setting them in one thread changes
what another one sees, and two threads that set and restore them leave the wrong ones behind.
Whether the library speaks is therefore a context variable, which each thread has for itself.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["heard_by", "quiet", "warn"]

Listener = Callable[[str], None]

_LISTENER: ContextVar[Listener | None] = ContextVar("mixcheck_listener", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Give the warnings of the library in this thread to a function, as text, and nobody else.

    Examples
    --------
    >>> with heard_by(print):
    ...     warn("a variance is zero", UserWarning)
    a variance is zero
    """
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of the library in this thread: of a refit they are counted instead.

    Examples
    --------
    >>> with quiet():
    ...     warn("a variance is zero", UserWarning)
    """
    with heard_by(lambda message: None):
        yield


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the first line outside of the library, or tell who listens in this thread."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(message)
        return
    level = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module == "mixcheck" or module.startswith("mixcheck.")
