"""The table that a word of the command line stands for."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mixcheck.command.pulse import doing
from mixcheck.command.table_files import ENDINGS, read_file, read_stream
from mixcheck.command.text_format import USUAL, TextFormat
from mixcheck.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DATASET", "add_table", "read_table", "table_of", "text_format"]

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
        "--decimal",
        metavar="MARK",
        help='before the fraction of a number, such as "," (default: .)',
    )
    parser.add_argument(
        "--missing",
        metavar="TEXT",
        action="append",
        help="of a missing value, beside an empty field, NA and their kind; may be given again",
    )
    parser.add_argument(
        "--thousands",
        metavar="MARK",
        help='between the thousands of a number, such as "." (default: none)',
    )
    parser.add_argument(
        "--unit",
        metavar="TEXT",
        action="append",
        help='after the numbers of a column, such as "%%", or before them; may be given again',
    )
    parser.add_argument(
        "--dates", metavar="FORM", help="of dates, such as %%d.%%m.%%Y (default: they are text)"
    )
    parser.add_argument(
        "--encoding", metavar="NAME", help="of the characters, such as cp1252 (default: UTF-8)"
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
    doing(f"reading {options.data}")
    return read_table(options.data, text_format(options))


def text_format(options: argparse.Namespace) -> TextFormat:
    """How its text is written, by the options.

    Raises
    ------
    DataError
        If a mark is none.
    """
    return TextFormat(
        separator=_read_separator(options.sep),
        decimal=_read_decimal(options.decimal),
        # argparse of Python 3.11 makes an empty list of --missing=--.
        missing=tuple("--" if one == [] else one for one in options.missing or ()),
        thousands=_read_thousands(options.thousands),
        units=tuple(options.unit or ()),
        dates=options.dates,
        encoding=options.encoding,
    )


def read_table(source: str, written: TextFormat = USUAL, *, tell: bool = True) -> pd.DataFrame:
    r"""The table behind a word of the command line.

    Parameters
    ----------
    source : str
        A file ending in .csv, .tsv, .parquet or .feather, "-" or "dataset:NAME".
    written : TextFormat
        How its text is written.
    tell : bool, optional
        Whether to warn of options that change nothing in it.

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
    if source.startswith(DATASET):
        from mixcheck.datasets import load

        if written != USUAL:
            raise DataError(
                f"{source} is no text; leave out what says how text is written: --sep, --decimal, "
                "--thousands, --missing, --unit, --dates and --encoding"
            )
        return load(source.removeprefix(DATASET))
    if source == "-":
        return read_stream(sys.stdin, written, tell=tell)
    path = Path(source)
    if path.suffix.lower() not in ENDINGS:
        raise DataError(
            f"cannot tell the format of {source!r}; a file ends in {', '.join(ENDINGS)}"
            f"{_dataset_hint(source)}"
        )
    return read_file(path, written, tell=tell)


def _read_separator(separator: str | None) -> str | None:
    mark = "\t" if separator in ("\\t", "tab") else separator
    if mark is not None and (len(mark) != 1 or mark.isalnum() or mark in "\r\n\"'"):
        raise DataError(
            f'--sep is one mark between fields, found {separator!r}; write --sep ";" or --sep tab'
        )
    return mark


def _read_decimal(mark: str | None) -> str | None:
    if mark is not None and (len(mark) != 1 or mark.isalnum() or mark.isspace() or mark in "\"'+-"):
        raise DataError(
            f"--decimal is one mark before the fraction of a number, found {mark!r}; "
            'write --decimal ","'
        )
    return mark


def _read_thousands(mark: str | None) -> str | None:
    if mark is not None and (len(mark) != 1 or mark.isalnum() or mark in '\r\n\t"+-'):
        raise DataError(
            f"--thousands is one mark between the thousands of a number, found {mark!r}; "
            'write --thousands "."'
        )
    return mark


def _dataset_hint(name: str) -> str:
    from mixcheck.datasets import available

    return f". For the shipped data set write {DATASET}{name}" if name in available() else ""
