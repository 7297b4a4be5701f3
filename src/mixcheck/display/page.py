"""A document as HTML: one file that needs nothing else, or a fragment for a notebook."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from itertools import count

from mixcheck.display.document import (
    Badge,
    Block,
    Cell,
    Document,
    Facts,
    Figure,
    Heading,
    Paragraph,
    Section,
    Table,
    Tone,
)
from mixcheck.display.numerals import format_cell

__all__ = ["to_fragment", "to_html"]

MARKS: dict[Tone, str] = {
    "good": "✓",
    "caution": "!",
    "bad": "✗",
    "unclear": "?",
    "muted": "–",
}
_LONG_TEXT = 60
_LANDMARKS = 2
_NO_BREAK = "\N{NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"
_SECURITY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def to_html(document: Document) -> str:
    """A document as one HTML file: no script, nothing to fetch, light and dark, printable.

    Examples
    --------
    >>> page = to_html(Document("A & B", ()))
    >>> "<h1>A &amp; B</h1>" in page
    True
    """
    page = "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{_SECURITY}">',
            f"<title>{escape(document.title)}</title>",
            f"<style>\n{_style('page.css')}{_style('page_alone.css')}</style>",
            "</head>",
            '<body class="mixcheck">',
            '<main class="stack">',
            _body(document, _Names("m", landmarks=True)),
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )
    return _encodable(page)


def to_fragment(document: Document) -> str:
    """A document as a piece of HTML for a notebook, its style limited to itself.

    Examples
    --------
    >>> to_fragment(Document("A & B", ())).startswith('<div class="mixcheck stack">')
    True
    """
    digest = hashlib.sha256(repr(document).encode()).hexdigest()[:8]
    # The rules of Jupyter for tables, lists and badges have two classes and an element.
    style = (_style("page.css") + _style("page_inside.css")).replace(".mixcheck", ".mixcheck" * 3)
    return _encodable(
        f'<div class="mixcheck stack">\n<style>\n{style}</style>\n'
        f"{_body(document, _Names(f'm{digest}', landmarks=False))}\n</div>"
    )


def _encodable(text: str) -> str:
    """Text without lone surrogates, which no encoding can hold."""
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)


def _style(name: str) -> str:
    return files("mixcheck.display").joinpath(name).read_text(encoding="utf-8")


@dataclass(frozen=True, eq=False)
class _Names:
    """Names of the parts of a page, and whether its sections are landmarks.

    Those of a fragment are not: a notebook may show many results of one kind.
    """

    prefix: str
    landmarks: bool
    _numbers: Iterator[int] = field(default_factory=count)

    def __next__(self) -> str:
        return f"{self.prefix}-{next(self._numbers)}"


def _body(document: Document, names: _Names) -> str:
    blocks = (Heading(document.title, 1), *document.blocks)
    return "\n".join(_block(block, names) for block in blocks)


def _block(block: Block, names: _Names) -> str:
    match block:
        case Heading(text=text, level=level):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Paragraph():
            return _paragraph(block)
        case Facts():
            return _facts(block)
        case Table():
            return _table(block)
        case Figure():
            return _figure(block, next(names))
        case Section():
            return _section(block, names)


def _badge(badge: Badge) -> str:
    mark = f'<span class="mark" aria-hidden="true">{MARKS[badge.tone]}</span>'
    return f'<span class="badge {badge.tone}">{mark}{escape(badge.word)}</span>'


def _paragraph(paragraph: Paragraph) -> str:
    kind = ' class="quiet"' if paragraph.quiet else ""
    text = f"<p{kind}>{_joined(escape(paragraph.text))}</p>"
    if paragraph.badge is None:
        return text
    return f'<div class="verdict {paragraph.badge.tone}">{_badge(paragraph.badge)}{text}</div>'


def _facts(facts: Facts) -> str:
    rows = (
        f"<div><dt>{escape(name)}</dt><dd>{_fact(cell)}</dd></div>" for name, cell in facts.items
    )
    return f'<dl class="facts">\n{chr(10).join(rows)}\n</dl>'


def _fact(cell: Cell) -> str:
    if isinstance(cell, Badge):
        return _badge(cell)
    text = escape(format_cell(cell))
    return _joined(text) if isinstance(cell, str) else _with_minus(text)


def _with_minus(text: str) -> str:
    """Text in which numbers below zero have a minus sign for the hyphen."""
    return re.sub(r"(?<![^\s\[(])-(?=\d)", _MINUS, text)


def _joined(text: str) -> str:
    """Escaped text in which a number stays on one line with its percent or equals sign."""
    text = re.sub(r"(?<=\d) (?=%)", _NO_BREAK, text)
    return re.sub(r"(?<=\w) (=|&lt;) (?=\d)", rf"{_NO_BREAK}\1{_NO_BREAK}", text)


def _section(section: Section, names: _Names) -> str:
    level = section.heading.level
    label = next(names)
    badge = _badge(section.badge) if section.badge else ""
    heading = (
        f'<div class="heading"><h{level} id="{label}">'
        f"{escape(section.heading.text)}</h{level}>{badge}</div>"
    )
    blocks = "\n".join(_block(block, names) for block in section.blocks)
    if section.grid:
        blocks = f'<div class="grid">\n{blocks}\n</div>'
    # A labelled section is a landmark: one for each part of a page, not for each finding.
    landmark = f' aria-labelledby="{label}"' if names.landmarks and level <= _LANDMARKS else ""
    return f'<section class="stack"{landmark}>\n{heading}\n{blocks}\n</section>'


def _figure(figure: Figure, name: str) -> str:
    # matplotlib is loaded for a page with figures only.
    from mixcheck.display.svg import to_svg

    label = figure.alt or figure.caption or figure.picture.title
    svg = to_svg(figure.picture, prefix=name, label=label)
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    return f"<figure>\n{svg}\n{caption}</figure>"


def _cell(cell: Cell, *, numeric: bool, head: bool, column: str, named: bool) -> str:
    text = _badge(cell) if isinstance(cell, Badge) else escape(format_cell(cell))
    if not head:
        text = _with_minus(text)
    kind = _cell_kind(cell, numeric=numeric)
    if head:
        return f'<th scope="row"{kind}>{text}</th>'
    # Where a row is shown as a block, a cell has the name of its column before it.
    of = f' data-of="{escape(column)}"' if numeric or (named and cell) else ""
    return f"<td{kind}{of}>{text}</td>"


def _cell_kind(cell: Cell, *, numeric: bool) -> str:
    if numeric:
        return ' class="number"'
    if not isinstance(cell, str):
        return ""
    return ' class="long"' if len(cell) > _LONG_TEXT else ' class="text"'


def _column_head(name: str, numeric: bool) -> str:
    if not name:
        # A corner heads nothing, and a heading without text is read out as one.
        return "<td></td>"
    kind = ' class="number"' if numeric else ""
    return f'<th scope="col"{kind}>{escape(name)}</th>'


def _row(row: tuple[Cell, ...], numeric: list[bool], columns: tuple[str, ...]) -> str:
    # What a badge says is known without the name of its column, and so is the text beside it.
    named = not any(isinstance(cell, Badge) for cell in row)
    cells = (
        _cell(cell, numeric=number, head=place == 0, column=columns[place], named=named)
        for place, (cell, number) in enumerate(zip(row, numeric, strict=True))
    )
    return f"<tr>{''.join(cells)}</tr>"


def _table(table: Table) -> str:
    numeric = [table.is_numeric(column) for column in range(len(table.columns))]
    heads = "".join(map(_column_head, table.columns, numeric))
    rows = "\n".join(_row(row, numeric, table.columns) for row in table.rows)
    caption = f"<caption>{escape(table.caption)}</caption>\n" if table.caption else ""
    kind = "numbers" if all(numeric[1:]) else "blocks"
    return (
        f'<div class="scroll" tabindex="0"><table class="{kind}">\n'
        f"{caption}<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>"
    )
