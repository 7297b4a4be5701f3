"""The summary of a fit as a document."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from mixcheck.display.document import (
    Cell,
    Document,
    Heading,
    Paragraph,
    Places,
    PValue,
    Section,
    Table,
)
from mixcheck.display.render import to_fragment, to_text

__all__ = ["Summary", "summarise"]


@dataclass(frozen=True)
class Summary:
    """A fit laid out for reading: text when printed, a table in a notebook.

    Attributes
    ----------
    document : Document
    """

    document: Document

    def __str__(self) -> str:
        return to_text(self.document)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return to_fragment(self.document)


def _coefficients(frame: pd.DataFrame) -> Table:
    """Estimates, errors and intervals to one number of decimals a row, Wald tests."""
    rows: list[tuple[Cell, ...]] = []
    for name, estimate, error, z, p, low, high in frame.itertuples(name=None):
        places = _places(error)
        estimated = (Places(v, places) for v in (estimate, error))
        bounds = (Places(v, places) for v in (low, high))
        rows.append((str(name), *estimated, Places(z, 2), PValue(p), *bounds))
    return Table(("", *map(str, frame.columns)), tuple(rows))


def _places(error: float) -> int:
    """Decimals that show a standard error with four significant digits."""
    if not (math.isfinite(error) and error > 0.0):
        return 4
    return min(max(3 - math.floor(math.log10(error)), 0), 9)


def _components(frame: pd.DataFrame) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for group, name, variance, sd, corr in frame.itertuples(index=False, name=None):
        places = _places(abs(sd if math.isfinite(sd) else variance))
        estimated = (Places(v, places) for v in (variance, sd))
        rows.append((str(group), str(name), *estimated, Places(corr, 3)))
    return Table(tuple(map(str, frame.columns)), tuple(rows))


def summarise(
    title: str,
    facts: Mapping[str, Cell],
    random: pd.DataFrame,
    fixed: pd.DataFrame,
    messages: tuple[str, ...],
) -> Summary:
    """Lay out a fit: what was fitted, random part, fixed part, remarks.

    Parameters
    ----------
    title : str
    facts : mapping of str to Cell
    random : DataFrame
        Columns group, name, variance, sd, corr.
    fixed : DataFrame
        Columns estimate, std error, z, pvalue, low, high.
    messages : tuple of str
    """
    sections = [
        Section(Heading("Fit"), (Table(("", ""), tuple(facts.items())),)),
        Section(Heading("Fixed effects"), (_coefficients(fixed),)),
    ]
    if len(random):
        sections.insert(1, Section(Heading("Random effects"), (_components(random),)))
    if messages:
        remarks = tuple(Paragraph(message) for message in messages)
        sections.append(Section(Heading("Remarks"), remarks))
    return Summary(Document(title, tuple(sections)))
