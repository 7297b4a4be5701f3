"""Random streams: one for each purpose and simulation.

A stream depends on the seed, its purpose and its number alone, so that results depend
neither on workers nor on blocks, the first simulations of a longer run equal a shorter
one, and a new purpose never moves the numbers of another.
"""

from __future__ import annotations

import secrets
from enum import IntEnum

import numpy as np

from mixcheck.arguments.options import require_seed

__all__ = ["Purpose", "choose_seed", "stream"]


class Purpose(IntEnum):
    """What a stream is for."""

    OBSERVE = 0
    REPLICATE = 1
    RESPOND = 2
    OBSERVE_REFIT = 3
    SIMULATE = 4
    COMPARE = 5


def stream(seed: int, purpose: int, k: int, part: int = 0) -> np.random.Generator:
    """The random stream of simulation `k` for one purpose, in one part of the rows.

    Examples
    --------
    >>> float(stream(1, Purpose.REPLICATE, 7).random()) == float(stream(1, 1, 7).random())
    True
    """
    key = (int(purpose), k, part) if part else (int(purpose), k)
    sequence = np.random.SeedSequence(seed, spawn_key=key)
    return np.random.Generator(np.random.Philox(sequence))


def choose_seed(seed: int | None) -> int:
    """The seed given, or one from the operating system that is short enough to be typed.

    Raises
    ------
    OptionError
        If the seed is not a non-negative integer.
    """
    chosen = require_seed(seed)
    return secrets.randbits(32) if chosen is None else chosen
