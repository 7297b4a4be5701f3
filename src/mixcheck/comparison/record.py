"""What the results of a comparison have in common: one page, one table, one JSON object."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, cast

import pandas as pd

from mixcheck.arguments.calls import answer_methods
from mixcheck.codec.documents import to_json
from mixcheck.codec.shapes import shape_of
from mixcheck.display.files import PathLike, write_file
from mixcheck.display.shown import Shown

__all__ = ["Record"]


@answer_methods
class Record(Shown):
    """A result that can be read, tabulated and stored."""

    __slots__ = ()

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """The result as a table."""

    def content(self) -> dict[str, Any]:
        """What `to_json` writes, as plain data."""
        content: dict[str, Any] = shape_of(cast(Any, type(self))).write(self)
        return content

    def to_json(self, path: PathLike | None = None) -> str:
        """The result as JSON."""
        return write_file(to_json(self), path)
