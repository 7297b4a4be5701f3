"""Text for a terminal, or for whatever standard output is: it may close early, or be full."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TextIO

from mixcheck.errors import OutputError

__all__ = ["Output", "on_a_terminal"]


def on_a_terminal(text: str) -> str:
    r"""Text whose characters steer no terminal: others than the ends of lines become escapes.

    Examples
    --------
    >>> print(on_a_terminal("no column \x1b[31mred"))
    no column \x1b[31mred
    """
    return "".join(mark if mark.isprintable() or mark == "\n" else _escape(mark) for mark in text)


def _escape(mark: str) -> str:
    return mark.encode("unicode_escape").decode("ascii")


class Output:
    """A standard stream that may close before everything is read, as ``| head`` does.

    Then the rest is dropped, and the command goes on to its files and its exit code.

    Parameters
    ----------
    stream : TextIO or None
        None is what Python has for a stream that was closed from the beginning.
    needed : bool
        Whether it is an error if the stream cannot be written for another reason, such as a
        full disk. Where it is not, as for standard error, what was to be said is lost.
    before : callable, optional
        Called before each text.

    Examples
    --------
    >>> Output(None, needed=False).write("nobody reads this")
    17
    """

    def __init__(
        self,
        stream: TextIO | None,
        *,
        needed: bool = True,
        before: Callable[[], None] | None = None,
    ) -> None:
        self._stream = stream
        self._needed = needed
        self._before = before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def isatty(self) -> bool:
        """Whether somebody looks on."""
        return self._stream is not None and self._stream.isatty()

    def write(self, text: str) -> int:
        """Write a text, what the encoding lacks as question marks."""
        if self._before is not None:
            self._before()
        if self._stream is None:
            if self._needed:
                raise OutputError("standard output is closed")
            return len(text)
        try:
            return self._stream.write(text)
        except UnicodeEncodeError as error:
            known = text.encode(error.encoding, errors="replace")
            return self._stream.write(known.decode(error.encoding))
        except OSError as error:
            self._lost(self._stream, error)
        return len(text)

    def flush(self) -> None:
        """Pass on what was written."""
        if self._stream is None:
            return
        try:
            self._stream.flush()
        except OSError as error:
            self._lost(self._stream, error)

    def _lost(self, stream: TextIO, error: OSError) -> None:
        # Python writes what is left in the buffer when it ends.
        empty = os.open(os.devnull, os.O_WRONLY)
        os.dup2(empty, stream.fileno())
        os.close(empty)
        if self._needed and not isinstance(error, BrokenPipeError):
            raise _unprinted(error) from error


def _unprinted(error: OSError) -> OutputError:
    return OutputError(f"standard output cannot be written: {error.strerror or error}")
