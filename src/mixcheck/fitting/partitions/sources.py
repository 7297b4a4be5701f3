"""Tables in parts, as they are given: tables, files, or a data frame of dask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from os import PathLike, fspath
from pathlib import Path
from typing import Any, cast

import pandas as pd

from mixcheck.arguments.options import shown
from mixcheck.design.frames import as_frame
from mixcheck.errors import DataError
from mixcheck.fitting.partitions.part import Table

__all__ = ["Sources", "read_sources"]

_ALLOWED = (
    "give a list of tables, a list of paths of Parquet files, or a data frame of dask; a single "
    "table is for mc.glmm"
)


@dataclass(frozen=True)
class Sources:
    """Parts of a table, each of which is read where it is held.

    Attributes
    ----------
    makers : tuple of callable
        Each reads one part; none for a data frame of dask.
    delayed : tuple of dask.delayed
        The parts of a data frame of dask.
    make : callable
        Takes a part of a data frame to its table.
    """

    makers: tuple[Callable[[], Table], ...]
    delayed: tuple[Any, ...]
    make: Callable[[pd.DataFrame], Table]

    def computed(self) -> tuple[Callable[[], Table], ...]:
        """Readers of all parts; those of a data frame of dask are computed together, here."""
        if not self.delayed:
            return self.makers
        frames = cast("Any", import_module("dask")).compute(*self.delayed)
        return tuple(partial(self.make, frame) for frame in frames)


def read_sources(data: object, names: frozenset[str]) -> Sources:
    """How each part of some data is read, with the columns of some names.

    Raises
    ------
    DataError
        If the data are not in parts.
    """
    make = partial(_table_of, names=names)
    if hasattr(data, "to_delayed") and hasattr(data, "npartitions"):
        return Sources((), tuple(data.to_delayed()), make)
    if isinstance(data, str | bytes | PathLike) or not isinstance(data, Sequence):
        raise DataError(f"data is {shown(data)}, which has no parts; {_ALLOWED}.")
    if not data:
        raise DataError(f"data has no parts; {_ALLOWED}.")
    return Sources(tuple(partial(_read, one, k, names) for k, one in enumerate(data)), (), make)


def _table_of(frame: pd.DataFrame, *, names: frozenset[str]) -> Table:
    return Table(_some(frame, names))


def _read(one: object, k: int, names: frozenset[str]) -> Table:
    if isinstance(one, str | PathLike):
        return Table(_read_parquet(Path(fspath(one)), names))
    return Table(_some(as_frame(one, f"part {k + 1} of data"), names))


def _read_parquet(path: Path, names: frozenset[str]) -> pd.DataFrame:
    try:
        found = import_module("pyarrow.parquet").read_schema(path).names
        return pd.read_parquet(path, columns=[name for name in found if name in names])
    except ImportError as error:
        raise DataError(
            f"{path} needs pyarrow to be read; install it, or give tables in place of files"
        ) from error
    except Exception as error:  # whatever the reader raises
        words = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read as Parquet: {words}") from error


def _some(frame: pd.DataFrame, names: frozenset[str]) -> pd.DataFrame:
    """The columns that a model may use."""
    some = [name for name in frame.columns if name in names]
    return frame if len(some) == frame.shape[1] else frame[some]
