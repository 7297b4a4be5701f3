"""The table that a word of the command line stands for."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mixcheck.command.table_files import ENDINGS, read_file, read_stream
from mixcheck.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DATASET", "add_table", "read_table", "table_of"]

DATASET = "dataset:"
_HELP = (
    'a file ending in .csv, .tsv, .parquet or .feather; "-" for CSV on standard input; or '
    "dataset:NAME for a shipped data set, such as dataset:grouseticks"
)


def add_table(parser: argparse.ArgumentParser) -> None:
    """The table, and how it is read."""
    parser.add_argument("data", metavar="DATA", help=_HELP)
    parser.add_argument(
        "--sep", metavar="MARK", help='between the fields of text, such as ";" (default: by ending)'
    )
    parser.add_argument(
        "--dropna",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="leave out rows without a value of a column that is used, with a warning; "
        "--no-dropna refuses them (default: leave out)",
    )


def table_of(options: argparse.Namespace) -> pd.DataFrame:
    """The table that was asked for."""
    return read_table(options.data, options.sep)


def read_table(source: str, separator: str | None = None) -> pd.DataFrame:
    r"""The table behind a word of the command line.

    Parameters
    ----------
    source : str
        A file ending in .csv, .tsv, .parquet or .feather, "-" or "dataset:NAME".
    separator : str, optional
        What stands between the fields of text, a single character or ``\\t``.

    Raises
    ------
    DataError
        If the ending is unknown, or the file cannot be read as what its ending says.
    OptionError
        If there is no data set of that name.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> read_table("dataset:cbpp").shape
    (56, 4)
    """
    mark = _read_separator(separator)
    if source.startswith(DATASET):
        from mixcheck.datasets import load

        return load(source.removeprefix(DATASET))
    if source == "-":
        return read_stream(sys.stdin, mark)
    path = Path(source)
    if path.suffix.lower() not in ENDINGS:
        raise DataError(
            f"cannot tell the format of {source!r}; a file ends in {', '.join(ENDINGS)}"
            f"{_dataset_hint(source)}"
        )
    return read_file(path, mark)


def _read_separator(separator: str | None) -> str | None:
    mark = "\t" if separator in ("\\t", "tab") else separator
    if mark is not None and (len(mark) != 1 or mark.isalnum() or mark in "\r\n\"'"):
        raise DataError(
            f'--sep is one mark between fields, found {separator!r}; write --sep ";" or --sep tab'
        )
    return mark


def _dataset_hint(name: str) -> str:
    from mixcheck.datasets import available

    return f". For the shipped data set write {DATASET}{name}" if name in available() else ""
