"""What the results of a comparison have in common: one page, one table, one JSON object."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import pandas as pd

from mixcheck.calls import answer_methods
from mixcheck.display.document import Document
from mixcheck.display.encoding import json_text
from mixcheck.display.files import PathLike, write_file
from mixcheck.display.render import to_fragment, to_html, to_text

__all__ = ["SCHEMA_VERSION", "Record"]

SCHEMA_VERSION = 1


@answer_methods
class Record(ABC):
    """A result that can be read, tabulated and stored."""

    __slots__ = ()

    @abstractmethod
    def document(self) -> Document:
        """The result as a page."""

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """The result as a table."""

    @abstractmethod
    def content(self) -> Mapping[str, Any]:
        """What `to_json` writes; numbers are finite or None."""

    def to_text(self, *, width: int = 100, color: bool = False) -> str:
        """The result for a terminal."""
        return to_text(self.document(), width=width, color=color)

    def to_html(self, path: PathLike | None = None) -> str:
        """The result as one HTML file that needs nothing else."""
        return write_file(to_html(self.document()), path)

    def to_json(self, path: PathLike | None = None) -> str:
        """The result as JSON."""
        content = {"schema_version": SCHEMA_VERSION, **self.content()}
        return write_file(json_text(content), path)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return to_fragment(self.document())
