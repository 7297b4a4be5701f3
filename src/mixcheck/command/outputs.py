"""Files that the command writes: whole or not at all, and refused before any time is spent."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mixcheck.codec.rows import rows_to_lines
from mixcheck.command.pulse import doing
from mixcheck.command.tables import DATASET
from mixcheck.display.files import require_writable, write_file
from mixcheck.display.terminal import on_a_terminal
from mixcheck.errors import OptionError, OutputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["add_outputs", "as_csv", "as_lines", "deliver", "require_outputs", "speaker"]

_STANDARD = Path("-")
_FORMS = {
    "report": "as HTML",
    "json": "as JSON",
    "jsonl": "as JSON lines, one for each row of the table",
    "junit": "as JUnit XML",
    "csv": "as a table of fields separated by commas",
}
_READ = ("suite", "policy", "config")


def add_outputs(parser: argparse.ArgumentParser, forms: Iterable[str]) -> None:
    """Options of files to be written."""
    for name in forms:
        parser.add_argument(
            f"--{name}",
            metavar="FILE",
            type=Path,
            help=f'write the result {_FORMS[name]}; "-" for standard output',
        )


def require_outputs(options: argparse.Namespace) -> None:
    """Refuse an output that cannot be written before any time is spent."""
    outputs = _outputs(options)
    streamed = [f"--{name}" for name, path in outputs.items() if path == _STANDARD]
    if len(streamed) > 1:
        raise OptionError(
            f"{' and '.join(streamed)} would all go to standard output; give one of them only"
        )
    files = {f"--{name}": path for name, path in outputs.items() if path != _STANDARD}
    taken = _read_files(options)
    for name, path in files.items():
        require_writable(path, name)
        target = os.path.realpath(path)
        if target in taken and not _is_special(target):
            raise OptionError(f"{name}: {str(path)!r} is {taken[target]} too; give another file")
        taken[target] = f"the file of {name}"


def speaker(options: argparse.Namespace) -> TextIO:
    """Where sentences go: standard error where standard output takes a file."""
    return sys.stderr if _STANDARD in _outputs(options).values() else sys.stdout


def deliver(
    options: argparse.Namespace, text: str, forms: Mapping[str, Callable[[Path | None], str]]
) -> None:
    """Write the files, each of them whatever becomes of the others; then print the text.

    Raises
    ------
    OutputError
        After all of that, if some file could not be written.
    """
    doing("writing what was found")
    lost, told = [], []
    for name, path in _outputs(options).items():
        try:
            content = forms[name](None if path == _STANDARD else path)
        except OutputError as error:
            lost.append(f"--{name}: {error}")
            continue
        if path == _STANDARD:
            print(content.removesuffix("\n"))
        else:
            told.append(f"Wrote {on_a_terminal(str(path))}")
    print("\n".join([text, *told]), file=speaker(options))
    if lost:
        raise OutputError("; ".join(lost))


def as_lines(table: pd.DataFrame) -> Callable[[Path | None], str]:
    """A table in the form of ``--jsonl``."""
    return lambda path: write_file(rows_to_lines(table), path)


def as_csv(table: pd.DataFrame, *, index: bool = False) -> Callable[[Path | None], str]:
    """A table in the form of ``--csv``."""
    return lambda path: write_file(table.to_csv(index=index, lineterminator="\n"), path)


def _outputs(options: argparse.Namespace) -> dict[str, Path]:
    """Files that were asked for, by the name of their option."""
    named = {name: getattr(options, name, None) for name in _FORMS}
    return {name: path for name, path in named.items() if path is not None}


def _read_files(options: argparse.Namespace) -> dict[str, str]:
    """The files that are read, and what each of them is."""
    source = getattr(options, "data", DATASET)
    named = source != "-" and not source.startswith(DATASET)
    read = {"the file of the data": source if named else None}
    read |= {f"the file of --{name}": getattr(options, name, None) for name in _READ}
    return {os.path.realpath(path): what for what, path in read.items() if path is not None}


def _is_special(target: str) -> bool:
    """Whether something is not a regular file, such as /dev/null, which takes everything."""
    return os.path.exists(target) and not os.path.isfile(target)
