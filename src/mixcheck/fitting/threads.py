"""Threads of the linear algebra library: one is faster than many for small matrices."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

__all__ = ["single_thread"]

# A Schur complement larger than this gains from threads.
_LARGE = 1500


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def single_thread(rest_size: int) -> AbstractContextManager[Any]:
    """Hold BLAS to one thread while the Schur complement has `rest_size` rows.

    Without a Schur complement every call is too small for the library to start threads.
    """
    if not 0 < rest_size < _LARGE:
        return nullcontext()
    return _controller().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]
