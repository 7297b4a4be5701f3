"""What the results of a comparison have in common: one page, one table, one JSON object."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, cast

import pandas as pd

from mixcheck.arguments.calls import answer_methods
from mixcheck.codec.documents import to_json
from mixcheck.codec.shapes import shape_of
from mixcheck.display.document import Document
from mixcheck.display.files import PathLike, write_file
from mixcheck.display.latex import to_latex
from mixcheck.display.render import to_fragment, to_html, to_markdown, to_text

__all__ = ["Record"]


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

    def content(self) -> dict[str, Any]:
        """What `to_json` writes, as plain data."""
        content: dict[str, Any] = shape_of(cast(Any, type(self))).write(self)
        return content

    def to_text(self, *, width: int = 100, color: bool = False) -> str:
        """The result for a terminal."""
        return to_text(self.document(), width=width, color=color)

    def to_markdown(self) -> str:
        """The result as Markdown, for an issue or a README."""
        return to_markdown(self.document())

    def to_latex(self) -> str:
        """The result as LaTeX with the rules of booktabs, for a paper."""
        return to_latex(self.document())

    def to_html(self, path: PathLike | None = None) -> str:
        """The result as one HTML file that needs nothing else."""
        return write_file(to_html(self.document()), path)

    def to_json(self, path: PathLike | None = None) -> str:
        """The result as JSON."""
        return write_file(to_json(self), path)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return to_fragment(self.document())
