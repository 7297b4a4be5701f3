"""What the command is doing and how far it is, on standard error, where it would be silent."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from mixcheck.display.terminal import Output, on_a_terminal

__all__ = ["Pulse", "doing"]

# Seconds: of silence before a line is written; between lines later on; after which they are rarer;
# and before and between the changes of the one line of a terminal.
_SILENT: Final = 5.0
_SELDOM: Final = 30.0
_LONG: Final = 60.0
_SOON: Final = 1.0
_TICK: Final = 0.25

_CURRENT: ContextVar[Pulse | None] = ContextVar("mixcheck_pulse", default=None)


def doing(what: str) -> None:
    """Say what is done from now on, such as "fitting the model".

    Examples
    --------
    >>> doing("fitting the model")  # nobody listens
    """
    pulse = _CURRENT.get()
    if pulse is not None:
        pulse.begin(what)


class Pulse:
    """Tells how far the command is: one line that changes on a terminal, lines now and then else.

    In a log there is a line after each five seconds without a word, and after a minute one each
    half minute. What took less says nothing.

    Parameters
    ----------
    stream : Output
        Standard error.

    Examples
    --------
    >>> with Pulse(Output(None, needed=False)).beating() as pulse:
    ...     doing("fitting the model")
    ...     pulse.line()
    'fitting the model, 0 s'
    """

    def __init__(self, stream: Output) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._doing, self._since = "working", time.monotonic()
        self._done: tuple[int, int] | None = None
        self._from = (0, self._since)
        self._spoke = self._since
        self._drawn = False
        self._eager = False

    @contextmanager
    def beating(self, asked: bool | None = None) -> Iterator[Pulse]:
        """Tell while this lasts: True from the beginning, None after some silence, False never."""
        self._eager = asked is True
        token = _CURRENT.set(self)
        thread = threading.Thread(target=self._beat, name="mixcheck-pulse", daemon=True)
        if asked is not False:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            if asked is not False:
                thread.join()
            self.clear()
            _CURRENT.reset(token)

    def begin(self, what: str) -> None:
        """Something else is done from now on."""
        with self._lock:
            self._doing, self._since, self._done = what, time.monotonic(), None

    def tell(self, done: int, total: int) -> None:
        """So much of so much is done."""
        with self._lock:
            first = self._done is None
            if first:
                # What comes before the first is done once, and says nothing of the rest.
                self._from = (done, time.monotonic())
            self._done = (done, total)
            if self._eager and not self._stream.isatty():
                quiet = time.monotonic() - self._spoke
                if first or done >= total or quiet > _SOON:
                    self._write_line()

    def clear(self) -> None:
        """Take the line of a terminal away, since something else is to be said."""
        with self._lock:
            self._spoke = time.monotonic()
            if self._drawn:
                self._drawn = False
                self._stream.write("\r\x1b[K")
                self._stream.flush()

    def line(self) -> str:
        """What is done, how far it is, how long it takes so far, and how long it will."""
        with self._lock:
            passed = time.monotonic() - self._since
            words = [self._doing]
            left = ""
            if self._done is not None and self._done[1] > 0:
                done, total = self._done
                words.append(f"{done:,} of {total:,} done")
                before, when = self._from
                if before < done < total:
                    each = (time.monotonic() - when) / (done - before)
                    left = f", about {_time(each * (total - done))} left"
            return f"{', '.join(words)}, {_time(passed)}{left}"

    def _beat(self) -> None:
        terminal = self._stream.isatty()
        while not self._over.wait(_TICK):
            with self._lock:
                now = time.monotonic()
                if terminal:
                    if now - self._since > _SOON:
                        self._draw_line()
                elif now - self._spoke >= (_SILENT if now - self._since < _LONG else _SELDOM):
                    self._write_line()

    def _write_line(self) -> None:
        self._spoke = time.monotonic()
        self._stream.write(f"mixcheck: {on_a_terminal(self.line())}\n")
        self._stream.flush()

    def _draw_line(self) -> None:
        columns = shutil.get_terminal_size((80, 24)).columns
        self._stream.write(f"\r\x1b[K{on_a_terminal(self.line())[: columns - 1]}")
        self._stream.flush()
        self._drawn = True


def _time(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
