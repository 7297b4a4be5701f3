"""What the command says, and where."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import TextIO

from mixcheck.display.terminal import on_a_terminal

__all__ = ["colored", "complain", "described", "warning_line", "width"]


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


def width() -> int:
    """Columns of the terminal that are used."""
    return min(max(shutil.get_terminal_size((100, 24)).columns, 60), 120)


def colored(stream: TextIO) -> bool:
    """Whether a stream shows colours."""
    return stream.isatty() and "NO_COLOR" not in os.environ
