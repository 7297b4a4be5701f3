"""The summary of a fit as a document."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from mixcheck.display.document import Document, Heading, Paragraph, PValue, Section, Table

__all__ = ["coefficient_table", "summarise"]


def coefficient_table(frame: pd.DataFrame, caption: str) -> Table:
    """Table of a frame with one column of p-values named ``pvalue``."""
    rows = []
    for name, row in frame.iterrows():
        cells = [
            PValue(float(v)) if column == "pvalue" else float(v)
            for column, v in row.items()
        ]
        rows.append((str(name), *cells))
    return Table(("", *map(str, frame.columns)), tuple(rows), caption)


def summarise(
    title: str,
    facts: Mapping[str, str | int | float],
    random: pd.DataFrame,
    fixed: pd.DataFrame,
    messages: tuple[str, ...],
) -> Document:
    """Lay out a fit: what was fitted, random part, fixed part, remarks."""
    variances = tuple(
        (str(group), str(name), float(variance), float(sd), float(corr))
        for group, name, variance, sd, corr in random.itertuples(index=False, name=None)
    )
    sections = [
        Section(
            Heading("Fit"),
            (Table(("", ""), tuple((k, v) for k, v in facts.items())),),
        ),
        Section(
            Heading("Random effects"),
            (Table(("group", "name", "variance", "sd", "corr"), variances),),
        ),
        Section(Heading("Fixed effects"), (coefficient_table(fixed, ""),)),
    ]
    if messages:
        sections.append(
            Section(Heading("Remarks"), tuple(Paragraph(message) for message in messages))
        )
    return Document(title, tuple(sections))
