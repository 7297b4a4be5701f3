r"""A document as LaTeX: its tables with the rules of booktabs, its words as text.

What is written needs ``\usepackage{booktabs,array,graphicx,longtable}``. A table that is wider
than a line has its long texts in paragraphs, and is made smaller if that is not enough; one that is
longer than a page is a ``longtable``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

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
)
from mixcheck.display.numerals import format_cell
from mixcheck.display.render import fitted_widths

__all__ = ["to_latex"]

# Characters of a line of an article, how many of them are beside a column, and lines of a page.
_LINE = 64
_GAP = 3
_PAGE = 40
# Texts in a table that is made smaller.
_LONG = 30
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    '"': "''",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}


def to_latex(document: Document) -> str:
    r"""A document as LaTeX, for a paper: tables as ``tabular`` with booktabs, words as text.

    Examples
    --------
    >>> table = Table(("term", "estimate"), (("x_1", -0.5),))
    >>> print(to_latex(Document("", (table,))))
    \begin{tabular}{lr}
    \toprule
    term & estimate \\
    \midrule
    x\_1 & $-0.5$ \\
    \bottomrule
    \end{tabular}
    """
    return _joined(document.blocks)


def _joined(blocks: Sequence[Block]) -> str:
    """Blocks one below the other; a heading is on the line of a text, and above a table."""
    parts = []
    for place, block in enumerate(blocks):
        following = blocks[place + 1] if place + 1 < len(blocks) else None
        above = isinstance(block, Heading) and isinstance(following, Table | Facts)
        parts.append(_block(block) + ("\\mbox{}" if above else ""))
    return "\n\n".join(part for part in parts if part)


def _block(block: Block) -> str:
    match block:
        case Heading(text=text):
            return f"\\paragraph{{{_escaped(text)}}}"
        case Paragraph(text=text, badge=badge):
            lead = f"\\textbf{{{_escaped(badge.word)}}} " if badge else ""
            return lead + _escaped(text)
        case Facts(items=items):
            cells: list[list[Cell]] = [[name, cell] for name, cell in items]
            return _tabular([], cells, [False, False])
        case Table():
            return _table(block)
        case Figure(caption=caption, alt=alt):
            return f"% figure: {_escaped(alt or caption)}"
        case Section(heading=heading, badge=badge, blocks=blocks):
            mark = f" (\\textbf{{{_escaped(badge.word)}}})" if badge else ""
            above = "\\mbox{}" if blocks and isinstance(blocks[0], Table | Facts) else ""
            head = f"\\paragraph{{{_escaped(heading.text)}{mark}}}{above}"
            return f"{head}\n\n{_joined(blocks)}"


def _table(table: Table) -> str:
    numeric = [table.is_numeric(k) for k in range(len(table.columns))]
    text = _tabular(list(table.columns), [list(row) for row in table.rows], numeric)
    return f"{_escaped(table.caption)}\n\n{text}" if table.caption else text


def _tabular(head: list[str], rows: list[list[Cell]], numeric: Sequence[bool]) -> str:
    names = [head] if head else []
    shown = [*names, *([format_cell(cell) for cell in row] for row in rows)]
    natural = [max(map(len, column)) for column in zip(*shown, strict=True)]
    widths = _fitted(shown, natural, numeric)
    fits = sum(widths) + _GAP * len(widths) <= _LINE
    columns = "".join(
        _column(width, long=width < whole, number=number)
        for width, whole, number in zip(widths, natural, numeric, strict=True)
    )
    top = ["\\toprule"]
    if head:
        top += [_line([_escaped(name) for name in head]), "\\midrule"]
    lines = [_line([_cell(cell) for cell in row]) for row in rows]
    height = sum(
        max(math.ceil(len(text) / width) for text, width in zip(row, widths, strict=True))
        for row in shown
    )
    if fits and height > _PAGE:
        body = [*top, "\\endhead", *lines, "\\bottomrule"]
        return "\n".join([f"\\begin{{longtable}}{{{columns}}}", *body, "\\end{longtable}"])
    body = [*top, *lines, "\\bottomrule"]
    text = "\n".join([f"\\begin{{tabular}}{{{columns}}}", *body, "\\end{tabular}"])
    if fits:
        return text if widths == natural else f"\\noindent\n{text}"
    return f"\\noindent\\resizebox{{\\linewidth}}{{!}}{{%\n{text}%\n}}"


def _fitted(
    shown: Sequence[Sequence[str]], natural: Sequence[int], numeric: Sequence[bool]
) -> list[int]:
    """Characters of each column: texts are narrowed to their longest word, but no more than helps.

    Where that does not fit in a line, texts are only kept from being very long.
    """
    texts = [not number for number in numeric]
    narrow = fitted_widths(list(natural), texts, _LINE - _GAP, gap=_GAP)
    words = [
        max((len(word) for cell in column for word in cell.split()), default=0)
        for column in zip(*shown, strict=True)
    ]
    widths = [
        max(width, min(word + 1, whole)) if text else whole
        for width, word, whole, text in zip(narrow, words, natural, texts, strict=True)
    ]
    if sum(widths) + _GAP * len(widths) <= _LINE:
        return widths
    return [
        min(whole, max(_LONG, word + 1)) if text else whole
        for whole, word, text in zip(natural, words, texts, strict=True)
    ]


def _column(width: int, *, long: bool, number: bool) -> str:
    """A column as wide as its cells, or one of paragraphs."""
    if long:
        return f">{{\\raggedright\\arraybackslash}}p{{{width / _LINE:.2f}\\linewidth}}"
    return "r" if number else "l"


def _line(cells: list[str]) -> str:
    # A bracket at the start of a line would be read as an argument of the line break before it.
    first = f"{{}}{cells[0]}" if cells[0].startswith("[") else cells[0]
    return f"{' & '.join([first, *cells[1:]])} \\\\"


def _cell(cell: Cell) -> str:
    if isinstance(cell, Badge):
        return f"\\textbf{{{_escaped(cell.word)}}}"
    text = format_cell(cell)
    if isinstance(cell, str):
        return _escaped(text)
    if re.fullmatch(r"-?[\d,.]+", text):
        return f"${text.replace(',', '{,}')}$" if text.startswith("-") else text
    power = re.fullmatch(r"(-?[\d.]+)e([+-])0*(\d+)", text)
    if power:
        sign = "-" if power[2] == "-" else ""
        return f"${power[1]} \\times 10^{{{sign}{power[3]}}}$"
    return "--" if text == "–" else _escaped(text).replace("\\textless{} ", "$<$ ")


def _escaped(text: str) -> str:
    """Text in which no character is a command."""
    plain = re.sub(r"\s+", " ", text)
    return "".join(_SPECIAL.get(mark, mark) for mark in plain if mark.isprintable())
