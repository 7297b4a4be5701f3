"""Text for a terminal, or for whatever standard output is: it may close early, or be full."""

from __future__ import annotations

import os
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
    """Standard output that may close before everything is read, as ``| head`` does.

    Then the rest is dropped, and the command goes on to its files and its exit code.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, what the encoding lacks as question marks."""
        try:
            return self._stream.write(text)
        except UnicodeEncodeError as error:
            known = text.encode(error.encoding, errors="replace")
            return self._stream.write(known.decode(error.encoding))
        except BrokenPipeError:
            self._drop()
        except OSError as error:
            self._drop()
            raise _unprinted(error) from error
        return len(text)

    def flush(self) -> None:
        """Pass on what was written."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._drop()
        except OSError as error:
            self._drop()
            raise _unprinted(error) from error

    def _drop(self) -> None:
        # Python writes what is left in the buffer when it ends.
        empty = os.open(os.devnull, os.O_WRONLY)
        os.dup2(empty, self._stream.fileno())
        os.close(empty)


def _unprinted(error: OSError) -> OutputError:
    return OutputError(f"standard output cannot be written: {error.strerror or error}")
