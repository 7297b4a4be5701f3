"""How long work may take: a clock that starts with a call, and what is said when it stops."""

from __future__ import annotations

import time
from dataclasses import dataclass

from mixcheck.arguments.options import require_seconds

__all__ = ["TimeLimit", "start_clock"]


@dataclass(frozen=True)
class TimeLimit:
    """A time after which nothing is begun.

    Attributes
    ----------
    seconds : float
        As they were asked for.
    end : float
        Of the monotonic clock of this process.
    """

    seconds: float
    end: float

    @property
    def passed(self) -> bool:
        """Whether the time is used up."""
        return time.monotonic() >= self.end

    def words(self, done: int, total: int, what: str) -> str:
        """What was done of the whole, as a sentence.

        Examples
        --------
        >>> TimeLimit(60.0, 0.0).words(250, 1000, "simulated data sets")
        'Stopped by time_limit=60 after 250 of 1,000 simulated data sets.'
        """
        return f"Stopped by time_limit={self.seconds:g} after {done:,} of {total:,} {what}."


def start_clock(time_limit: object) -> TimeLimit | None:
    """The clock of a call, running; None for a call without a limit.

    Raises
    ------
    OptionError
        If `time_limit` is neither a positive number of seconds nor None.
    """
    seconds = require_seconds(time_limit)
    return None if seconds is None else TimeLimit(seconds, time.monotonic() + seconds)
