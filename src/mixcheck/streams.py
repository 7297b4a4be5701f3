"""Random streams: one for each purpose and simulation.

A stream depends on the seed, its purpose and its number alone, so that results depend
neither on workers nor on blocks, the first simulations of a longer run equal a shorter
one, and a new purpose never moves the numbers of another.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

__all__ = ["Purpose", "draw_seed", "stream"]


class Purpose(IntEnum):
    """What a stream is for."""

    OBSERVE = 0
    REPLICATE = 1
    RESPOND = 2
    OBSERVE_REFIT = 3


def stream(seed: int, purpose: int, k: int) -> np.random.Generator:
    """The random stream of simulation `k` for one purpose.

    Examples
    --------
    >>> float(stream(1, Purpose.REPLICATE, 7).random()) == float(stream(1, 1, 7).random())
    True
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(int(purpose), k))
    return np.random.Generator(np.random.Philox(sequence))


def draw_seed() -> int:
    """A seed from the operating system, small enough to be typed again."""
    return int(np.random.SeedSequence().generate_state(1, np.uint32)[0])
