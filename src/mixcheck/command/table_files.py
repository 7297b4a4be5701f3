"""Files that hold tables: read as what their ending says, or refused with the reason."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

from mixcheck.arguments.options import shown
from mixcheck.command.text_format import USUAL, TextFormat, read_numbers
from mixcheck.command.unused_options import is_plain, unused_options
from mixcheck.errors import DataError, DataWarning
from mixcheck.notices import warn

if TYPE_CHECKING:
    import pandas as pd

_Read = TypeVar("_Read")

__all__ = ["ENDINGS", "read_file", "read_stream"]

ENDINGS = (".csv", ".tsv", ".parquet", ".feather")

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_SEPARATOR_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_PEEK_BYTES = 1 << 16
_NOT_UTF8 = (
    "it is not text in UTF-8; if it is text, say how its characters are written, as "
    "--encoding cp1252 (Windows) or --encoding utf-16"
)


def read_stream(
    stream: TextIO | None, written: TextFormat = USUAL, *, tell: bool = True
) -> pd.DataFrame:
    r"""A table from a stream of CSV, such as standard input.

    Parameters
    ----------
    stream : text stream or None
    written : TextFormat
    tell : bool, optional
        Whether to warn of options that change nothing.

    Raises
    ------
    DataError
        If it holds none.

    Examples
    --------
    >>> read_stream(io.StringIO("x,y\n1,2\n")).to_dict("list")
    {'x': [1], 'y': [2]}
    """
    if stream is None:
        raise DataError("standard input is closed")
    if written.encoding is not None and isinstance(stream, io.TextIOWrapper):
        as_written = partial(stream.reconfigure, encoding=written.encoding)
        _parsed(as_written, "standard input", "CSV")
    text = _parsed(stream.read, "standard input", "CSV")
    return _read_text(lambda: io.StringIO(text), ",", written, "standard input", "CSV", tell)


def read_file(path: Path, written: TextFormat = USUAL, *, tell: bool = True) -> pd.DataFrame:
    """A table from a file, by its ending: one of `ENDINGS`.

    Parameters
    ----------
    path : Path
    written : TextFormat
    tell : bool, optional
        Whether to warn of options that change nothing.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DataError
        If it cannot be read as what its ending says.
    """
    import pandas as pd

    ending, name = path.suffix.lower(), str(path)
    format_ = ending.removeprefix(".")
    _require_file(path)
    if ending in _SEPARATORS:
        return _read_text(lambda: path, _SEPARATORS[ending], written, name, format_, tell)
    if written != USUAL:
        raise DataError(
            f"{name} has no text with fields to separate; leave out what says how text is "
            "written: --sep, --decimal, --thousands, --missing, --unit, --dates and --encoding"
        )
    if ending == ".parquet":
        return _parsed(lambda: pd.read_parquet(path), name, format_)
    return _parsed(lambda: pd.read_feather(path), name, format_)


def _require_file(path: Path) -> None:
    try:
        found, folder = path.is_file(), path.is_dir()
        if found:
            path.open("rb").close()
    except OSError as error:
        raise DataError(_unopened(str(path), error)) from error
    if folder:
        raise DataError(f"{str(path)!r} is a folder; give a file")
    if not found:
        raise FileNotFoundError(f"there is no file {str(path)!r}")


def _read_text(
    source: Callable[[], Path | TextIO],
    usual: str,
    written: TextFormat,
    name: str,
    format_: str,
    tell: bool,
) -> pd.DataFrame:
    """Lines of fields below a line of names, separated as is usual or as they are written."""
    import pandas as pd

    separator, decimal = written.separator or usual, written.decimal or "."
    if separator == decimal:
        raise DataError(
            f"{_words(separator)} cannot both separate the fields of {name} and stand in its "
            "numbers; give another separator, as --sep ';'"
        )
    opened = source()
    if isinstance(opened, Path) and written.encoding is None:
        with opened.open("rb") as stream:
            if b"\0" in stream.read(_PEEK_BYTES):
                raise DataError(f"{name} cannot be read as {format_}: {_NOT_UTF8}")
    # A thousands mark is left to `with_numbers`: pandas takes it out wherever it stands, of a date
    # such as 22.08.2023 too.
    table = _parsed(
        lambda: pd.read_csv(
            opened,
            sep=separator,
            decimal=decimal,
            na_values=list(written.missing) or None,
            encoding=written.encoding,
        ),
        name,
        format_,
    )
    encoding = written.encoding or "utf-8-sig"
    names, first = _parsed(lambda: _first_lines(source(), separator, encoding), name, format_)
    _require_fields(table, names, first, separator, name)
    again = list(dict.fromkeys(field for field in names if field and names.count(field) > 1))
    if again:
        warn(
            f"{name} has several columns called {', '.join(map(shown, again))}; the first has the "
            f"name, and the next is called {shown(again[0] + '.1')}.",
            DataWarning,
        )
    changed, changes = read_numbers(table, written)
    if tell:

        def as_text() -> pd.DataFrame:
            return pd.read_csv(
                source(),
                sep=separator,
                dtype=str,
                keep_default_na=False,
                encoding=written.encoding,
            )

        for sentence in unused_options(written, changes, changed, as_text=as_text):
            warn(sentence, DataWarning)
        if isinstance(opened, Path) and written.encoding is not None:
            _tell_of_encoding(opened, written.encoding)
    return changed


def _tell_of_encoding(path: Path, encoding: str) -> None:
    with path.open("rb") as stream:
        if codecs.lookup(encoding).name != "utf-8" and is_plain(stream, encoding):
            warn(
                f"--encoding {encoding} changed nothing: all characters of {path} are of ASCII, "
                "which are the same in UTF-8.",
                DataWarning,
            )


def _first_lines(
    source: Path | TextIO, separator: str, encoding: str
) -> tuple[list[str], list[str]]:
    """The fields of the line of names, and those of the line below."""
    opened = source.open(encoding=encoding, newline="") if isinstance(source, Path) else source
    with opened as stream:
        lines = (line for line in csv.reader(stream, delimiter=separator) if line)
        return next(lines, []), next(lines, [])


def _require_fields(
    table: pd.DataFrame, names: list[str], first: list[str], separator: str, name: str
) -> None:
    """Refuse lines that are divided by something else, or have more fields than names."""
    if len(names) == 1:
        others = [mark for mark in _SEPARATOR_NAMES if mark != separator and mark in names[0]]
        if others:
            raise DataError(
                f"the fields of {name} are separated by {_SEPARATOR_NAMES[others[0]]}, and "
                f"{_words(separator)} are needed; write --sep "
                + ("tab, or call it .tsv" if others[0] == "\t" else f"'{others[0]}'")
            )
    # pandas takes first fields without a name for labels, and moves all others. R writes such
    # labels, one in each line; a separator at the end of each line looks like them.
    further = len(first) - len(names)
    if further > 1 or (further == 1 and table.iloc[:, -1].isna().all()):
        raise DataError(
            f"the lines of {name} have more fields than its line of names; is there a separator "
            "at the end of each?"
        )


def _words(separator: str) -> str:
    return _SEPARATOR_NAMES.get(separator, repr(separator))


def _parsed(read: Callable[[], _Read], source: str, format_: str) -> _Read:
    """What a reader reads, with whatever it raises about the content as one of our errors."""
    try:
        return read()
    except ImportError as error:
        raise DataError(
            f"reading {format_} needs pyarrow; python -m pip install pyarrow"
        ) from error
    except OSError as error:
        # pyarrow raises it without a number for content that it cannot decode.
        reason = f"{source} cannot be read as {format_}: its content is no {format_}"
        raise DataError(reason if error.errno is None else _unopened(source, error)) from error
    except MemoryError:
        raise
    except Exception as error:
        raise DataError(
            f"{source} cannot be read as {format_}: {_unreadable(error, format_)}"
        ) from error


def _unopened(name: str, error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return f"{shown(name)} cannot be read: {reason[:1].lower()}{reason[1:]}"


def _unreadable(error: Exception, format_: str) -> str:
    """Why a file is none of its format, by the kind of error that its reader raised."""
    import pandas as pd

    if isinstance(error, UnicodeError) and f".{format_.lower()}" in _SEPARATORS:
        return _NOT_UTF8
    if isinstance(error, LookupError) and "encoding" in str(error):
        return f"{error}; write --encoding cp1252, latin-1 or utf-16"
    if isinstance(error, pd.errors.EmptyDataError):
        return "it has no line of column names"
    if isinstance(error, pd.errors.ParserError):
        return (
            "its lines have different numbers of fields, or a quote is not closed; where fields "
            "are separated by another sign, give it, as --sep ';'"
        )
    return f"its content is no {format_}"
