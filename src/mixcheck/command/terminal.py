"""What the command says, and where."""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from mixcheck.display.terminal import on_a_terminal

__all__ = ["colored", "complain", "described", "progress_line", "warning_line", "width"]

_PROGRESS_SECONDS = 0.2


def complain(text: str) -> None:
    """A sentence on standard error."""
    print(f"mixcheck: {on_a_terminal(text)}", file=sys.stderr)


def warning_line(message: str) -> None:
    """Show one of our warnings without a place in the source."""
    complain(f"warning: {message}")


def described(error: BaseException) -> str:
    """An error with its place, on one line."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}: {' '.join(str(error).split())}"


def progress_line(what: str) -> Callable[[int, int], None]:
    """A line on standard error that says how far something is, now and then."""
    shown = -math.inf

    def show(done: int, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if done < total and now - shown < _PROGRESS_SECONDS:
            return
        shown = now
        end = "\n" if done >= total else ""
        print(f"\r{what}: {done} of {total}", end=end, file=sys.stderr, flush=True)

    return show


def width() -> int:
    """Columns of the terminal that are used."""
    return min(max(shutil.get_terminal_size((100, 24)).columns, 60), 120)


def colored(stream: TextIO) -> bool:
    """Whether a stream shows colours."""
    return stream.isatty() and "NO_COLOR" not in os.environ
