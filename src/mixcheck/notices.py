"""Warnings of the library: issued at the caller's line, and silenced where they are counted.

Filters of `warnings` belong to the whole process, so that setting them in one thread changes
what another one sees, and two threads that set and restore them leave the wrong ones behind.
Whether the library speaks is therefore a context variable, which each thread has for itself.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["quiet", "warn"]

_SILENT: ContextVar[bool] = ContextVar("mixcheck_silent", default=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of the library in this thread: of a refit they are counted instead.

    Examples
    --------
    >>> with quiet():
    ...     warn("a variance is zero", UserWarning)
    """
    token = _SILENT.set(True)
    try:
        yield
    finally:
        _SILENT.reset(token)


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the first line outside of the library, unless this thread is quiet."""
    if _SILENT.get():
        return
    level = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module == "mixcheck" or module.startswith("mixcheck.")
