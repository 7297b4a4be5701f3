"""Threads of the linear algebra library: one is faster than many for small matrices."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
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

    return ThreadpoolController()


def single_thread(rest_size: int, entries: int = 0) -> AbstractContextManager[Any]:
    """Hold BLAS to one thread where more gain nothing.

    Parameters
    ----------
    rest_size : int
        Rows of the Schur complement.
    entries : int
        Entries of the model matrices.
    """
    if rest_size >= _LARGE or (rest_size == 0 and entries < _SMALL):
        return nullcontext()
    return _controller().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]
