"""A document as text, as Markdown and as HTML."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from mixcheck.arguments.options import require_flag, require_whole
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
from mixcheck.display.page import to_fragment, to_html

__all__ = ["fitted_widths", "to_fragment", "to_html", "to_markdown", "to_text"]

NARROWEST_PAGE = 40
_NARROWEST_COLUMN = 12
_GAP = "  "
# Mentions, numbers of issues and bare addresses are found in the text after its markup is read,
# so that no escape stops them; a character without width does.
_JOINER = "\N{WORD JOINER}"
_LIVE = re.compile(r"@(?=\w)|#(?=\d)|\b(?:GH-|gh-)(?=\d)|:(?=//)|\bwww(?=\.)", re.IGNORECASE)
_RULES = {1: "=", 2: "-"}
_ANSI: dict[Tone, str] = {
    "good": "32",
    "caution": "33",
    "bad": "1;31",
    "unclear": "35",
    "muted": "2",
}


def to_text(document: Document, *, width: int = 88, color: bool = False) -> str:
    """A document for a terminal.

    Parameters
    ----------
    document : Document
    width : int
        Columns of the terminal; tables wrap their widest text column to fit.
    color : bool
        Whether the badges take ANSI colours. The words alone say everything.

    Raises
    ------
    OptionError
        If the width is below 40.

    Examples
    --------
    >>> from mixcheck.display.document import PValue
    >>> page = Document("Report", (Table(("check", "p"), (("zeros", PValue(0.0)),)),))
    >>> print(to_text(page))
    Report
    ======
    <BLANKLINE>
    check        p
    -----  -------
    zeros  < 0.001
    """
    require_whole("width", width, NARROWEST_PAGE)
    require_flag("color", color)
    blocks = (Heading(document.title, 1), *document.blocks)
    parts = [_block_text(block, width, color) for block in blocks]
    return "\n\n".join(part for part in parts if part)


def to_markdown(document: Document) -> str:
    """A document as GitHub-flavoured Markdown; figures become their descriptions.

    Examples
    --------
    >>> page = Document("Report", (Paragraph("Nothing found.", Badge("PASS", "good")),))
    >>> print(to_markdown(page))
    # Report
    <BLANKLINE>
    **PASS** Nothing found.
    """
    blocks = (Heading(document.title, 1), *document.blocks)
    parts = [_block_markdown(block) for block in blocks]
    return "\n\n".join(part for part in parts if part)


def _printable(text: str) -> str:
    """Text on one line, without the control characters that steer a terminal."""
    text = re.sub(r"\s+", " ", text)
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)


def _columns_of(text: str) -> int:
    """How many terminal columns a text takes."""
    return sum(
        0 if unicodedata.combining(mark) else 2 if unicodedata.east_asian_width(mark) in "WF" else 1
        for mark in text
    )


def _cell_text(cell: Cell) -> str:
    return _printable(format_cell(cell))


def _block_text(block: Block, width: int, color: bool) -> str:
    match block:
        case Heading(text=text, level=level):
            return _heading_text(_printable(text), level)
        case Paragraph(text=text, badge=badge):
            lead = _badge_text(badge, color)
            return _filled(_printable(text), width, lead, badge)
        case Facts(items=items):
            return _facts_text(items, width)
        case Table():
            return _table_text(block, width, color)
        case Figure(caption=caption, alt=alt):
            return _filled(_printable(f"[figure] {alt or caption}"), width, "", None)
        case Section():
            return _section_text(block, width, color)


def _heading_text(text: str, level: int) -> str:
    rule = _RULES.get(level, "")
    return f"{text}\n{rule * _columns_of(text)}" if rule else text


def _badge_text(badge: Badge | None, color: bool) -> str:
    if badge is None:
        return ""
    word = _printable(badge.word)
    return f"\x1b[{_ANSI[badge.tone]}m{word}\x1b[0m" if color else word


def _filled(text: str, width: int, lead: str, badge: Badge | None) -> str:
    """Text wrapped after a lead, whose colour codes take no room."""
    if badge is None:
        return textwrap.fill(text, width)
    indent = " " * (_columns_of(_printable(badge.word)) + 2)
    body = textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent)
    return lead + "  " + body[len(indent) :] if text else lead


def _facts_text(items: Sequence[tuple[str, Cell]], width: int) -> str:
    """One fact a line, its name before it; long ones wrapped below themselves."""
    names = [_printable(name) for name, _ in items]
    widest = min(max(map(_columns_of, names), default=0), width // 2)
    lines: list[str] = []
    for name, (_, cell) in zip(names, items, strict=True):
        rows = [[name, _cell_text(cell)]]
        lines += _table_lines(rows, [widest, width - widest - len(_GAP)], [False, False])
    return "\n".join(lines)


def _section_text(section: Section, width: int, color: bool) -> str:
    title = _printable(section.heading.text)
    if section.badge is not None:
        title = f"{title}: {_printable(section.badge.word)}"
    parts = [_heading_text(title, section.heading.level)]
    parts += [_block_text(block, width, color) for block in section.blocks]
    return "\n\n".join(part for part in parts if part)


def fitted_widths(
    widths: list[int], wrappable: Sequence[bool], width: int, *, gap: int = len(_GAP)
) -> list[int]:
    """Column widths, the widest text columns narrowed until the table fits, if it can."""
    room = width - gap * (len(widths) - 1)
    while widths and sum(widths) > room:
        candidates = [
            index
            for index, size in enumerate(widths)
            if wrappable[index] and size > _NARROWEST_COLUMN
        ]
        if not candidates:
            break
        widest = max(candidates, key=lambda index: widths[index])
        widths[widest] -= 1
    return widths


def _padded(text: str, width: int, right: bool) -> str:
    padding = " " * (width - _columns_of(text))
    return padding + text if right else text + padding


def _table_text(table: Table, width: int, color: bool) -> str:
    cells = [[_cell_text(cell) for cell in row] for row in table.rows]
    heads = [_printable(column) for column in table.columns]
    right = [table.is_numeric(column) for column in range(len(heads))]
    natural = [max(1, *map(_columns_of, column)) for column in zip(heads, *cells, strict=True)]
    widths = fitted_widths(natural, [not number for number in right], width)
    lines = _table_lines([heads], widths, right)
    lines.append(_GAP.join("-" * size for size in widths))
    for row, texts in zip(table.rows, cells, strict=True):
        painted = [_painter(cell, color) for cell in row]
        lines += _table_lines([texts], widths, right, painted)
    caption = [textwrap.fill(_printable(table.caption), width)] if table.caption else []
    return "\n".join([*caption, *lines])


def _painter(cell: Cell, color: bool) -> Callable[[str], str] | None:
    if not (color and isinstance(cell, Badge)):
        return None
    code = _ANSI[cell.tone]
    return lambda text: f"\x1b[{code}m{text}\x1b[0m"


def _wrapped(text: str, size: int) -> list[str]:
    """Lines no wider than the column; a wide character counts as two."""
    lines: list[str] = []
    for line in textwrap.wrap(text, size) or [""]:
        start, taken = 0, 0
        for index, mark in enumerate(line):
            step = _columns_of(mark)
            if taken + step > size:
                lines.append(line[start:index])
                start, taken = index, 0
            taken += step
        lines.append(line[start:])
    return lines


def _table_lines(
    rows: Iterable[Sequence[str]],
    widths: Sequence[int],
    right: Sequence[bool],
    painters: Sequence[Callable[[str], str] | None] = (),
) -> list[str]:
    lines = []
    for row in rows:
        wrapped = [_wrapped(text, size) for text, size in zip(row, widths, strict=True)]
        for index in range(max(map(len, wrapped), default=0)):
            parts = []
            for column, pieces in enumerate(wrapped):
                piece = pieces[index] if index < len(pieces) else ""
                text = _padded(piece, widths[column], right[column])
                painter = painters[column] if painters else None
                parts.append(painter(text) if painter and piece else text)
            lines.append(_GAP.join(parts).rstrip())
    return lines


def _escaped(text: str) -> str:
    """Text in which no character is markup, and nothing calls a person or becomes a link."""
    text = _LIVE.sub(lambda mark: mark.group() + _JOINER, _printable(text))
    return re.sub(r"([\\`*_{}\[\]<>#|~$!])", r"\\\1", text).replace("&", "&amp;")


def _cell_markdown(cell: Cell) -> str:
    if isinstance(cell, Badge):
        return f"**{_escaped(cell.word)}**"
    return _escaped(_cell_text(cell))


def _block_markdown(block: Block) -> str:
    match block:
        case Heading(text=text, level=level):
            return f"{'#' * level} {_escaped(text)}"
        case Paragraph(text=text, badge=badge):
            lead = f"{_cell_markdown(badge)} " if badge else ""
            return lead + _escaped(text)
        case Facts(items=items):
            return "\n".join(f"- {_escaped(name)}: {_cell_markdown(cell)}" for name, cell in items)
        case Table():
            return _table_markdown(block)
        case Figure(caption=caption, alt=alt):
            return f"*Figure: {_escaped(alt or caption)}*"
        case Section(heading=heading, badge=badge, blocks=blocks):
            mark = f" — {_escaped(badge.word)}" if badge else ""
            parts = [_block_markdown(heading) + mark, *map(_block_markdown, blocks)]
            return "\n\n".join(parts)


def _table_markdown(table: Table) -> str:
    rules = ["---:" if table.is_numeric(column) else "---" for column in range(len(table.columns))]
    rows = [[_escaped(column) for column in table.columns], rules]
    rows += [[_cell_markdown(cell) for cell in row] for row in table.rows]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    caption = [_escaped(table.caption), ""] if table.caption else []
    return "\n".join([*caption, *lines])
