"""Threads of the linear algebra library: one is faster than many for small matrices."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

__all__ = ["single_thread"]

# A Schur complement larger than this gains from threads.
_LARGE = 1500
# Entries of the model matrices below which the library starts no threads anyway.
_SMALL = 200_000


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


class _Limit:
    """One limit for all threads of the process that want it, lifted when the last one ends.

    The limit is a number of the whole process. Contexts that each save and restore it leave
    the wrong number behind where two of them overlap without being nested.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a forked process must: the holders are threads of its parent."""
        self._lock = threading.Lock()
        self._holders = 0
        self._limiter: Any = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        with self._lock:
            if self._holders == 0:
                self._limiter = _limit()
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    _lift(self._limiter)


def _limit() -> Any:
    """Limit the library to one thread; None where that changes nothing."""
    controller = _controller()
    before = _numbers(controller)
    if max(before, default=1) <= 1:
        return None
    limiter = controller.limit(limits=1)
    # Another thread of the program may have taken control of the library: then it keeps it.
    return None if _numbers(controller) == before else limiter


def _numbers(controller: Any) -> list[int]:
    return [library.num_threads for library in controller.lib_controllers]


def _lift(limiter: Any) -> None:
    if limiter is not None:
        _release_control()
        limiter.restore_original_limits()
        _release_control()


def _release_control() -> None:
    """Let any thread restore what one has set, where threadpoolctl keeps account of that."""
    for library in _controller().lib_controllers:
        release = getattr(library, "clear_controlling_thread", None)
        if release is not None:
            release(force=True)


_LIMIT = _Limit()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_LIMIT.forget)


def single_thread(schur_size: int, entries: int = 0) -> AbstractContextManager[Any]:
    """Hold BLAS to one thread where more gain nothing.

    Parameters
    ----------
    schur_size : int
        Rows of the Schur complement.
    entries : int
        Entries of the model matrices.
    """
    if schur_size >= _LARGE or (schur_size == 0 and entries < _SMALL):
        return nullcontext()
    return _LIMIT.hold()
