"""What a result shows of itself: one page, in every format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from mixcheck.arguments.calls import answer_methods
from mixcheck.arguments.options import shown
from mixcheck.display.document import Document, Heading, Section, lower
from mixcheck.display.files import PathLike, write_file
from mixcheck.display.latex import to_latex
from mixcheck.display.render import to_fragment, to_html, to_markdown, to_text
from mixcheck.errors import OptionError

__all__ = ["Shown"]


@answer_methods
class Shown(ABC):
    """A result that describes itself once, in `document`, and is shown by it everywhere."""

    __slots__ = ()

    @abstractmethod
    def document(self) -> Document:
        """The result as a page."""

    def _brief(self) -> Document:
        """The part of the page that text, Markdown and LaTeX have."""
        return self.document()

    def to_text(self, *, width: int = 100, color: bool = False) -> str:
        """The result for a terminal."""
        return to_text(self._brief(), width=width, color=color)

    def to_markdown(self) -> str:
        """The result as Markdown, for an issue or a README."""
        return to_markdown(self._brief())

    def to_latex(self) -> str:
        """The result as LaTeX with the rules of booktabs, for a paper.

        It needs the packages booktabs, array, graphicx and longtable. A table that is too wide for
        a line has its texts in paragraphs, and is made smaller if that is not enough.
        """
        return to_latex(self._brief())

    def to_html(self, path: PathLike | None = None, *, also: Sequence[Shown] = ()) -> str:
        """The result as one HTML file that needs nothing else.

        Parameters
        ----------
        path : path, optional
            Where it is written.
        also : sequence of results
            Others with pages, such as a comparison and a selection beside a report, which follow
            on the same page.

        Raises
        ------
        OptionError
            If one of them has no page.
        """
        page = self.document()
        return write_file(to_html(Document(page.title, (*page.blocks, *_sections(also)))), path)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return to_fragment(self.document())


def _sections(results: Sequence[Shown]) -> list[Section]:
    """Pages as sections of another."""
    if isinstance(results, Shown) or not isinstance(results, Sequence):
        raise OptionError(f"also must be a list of results with pages, found {shown(results)}")
    sections = []
    for result in results:
        if not isinstance(result, Shown):
            raise OptionError(
                "also takes results with pages, such as reports, comparisons, tests and "
                f"selections, and holds {shown(result)}"
            )
        page = result.document()
        sections.append(Section(Heading(page.title, 2), tuple(map(lower, page.blocks))))
    return sections
