"""Memory of large arrays: kept for the next ones, not given back to the system at once."""

from __future__ import annotations

from functools import cache

import numpy as np

__all__ = ["keep_memory"]

# The GNU C library takes no piece above 32 MiB, with what it adds itself, as a sign.
_BYTES = 32_000_000


@cache
def keep_memory() -> None:
    """Let the C library keep what is freed, up to twice 32 MB, for the rest of the process.

    A fit makes and drops many arrays of one number a row. The GNU C library gives memory at the
    end of its heap back to the system where it is more than twice the largest piece that was ever
    taken and freed, and to take its pages again costs more than the arithmetic on them. One large
    piece, freed at once and never touched, raises that limit; other libraries take no notice.

    References
    ----------
    mallopt(3), M_MMAP_THRESHOLD: "Nowadays, glibc uses a dynamic mmap threshold by default".
    """
    np.empty(_BYTES, dtype=np.uint8)
