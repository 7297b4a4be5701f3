r"""A document as LaTeX: its tables with the rules of booktabs, its words as text.

What is written needs ``\usepackage{booktabs}``, and nothing else.
"""

from __future__ import annotations

import re

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

__all__ = ["to_latex"]

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
    parts = [_block(block) for block in document.blocks]
    return "\n\n".join(part for part in parts if part)


def _block(block: Block) -> str:
    match block:
        case Heading(text=text):
            return f"\\paragraph{{{_escaped(text)}}}"
        case Paragraph(text=text, badge=badge):
            lead = f"\\textbf{{{_escaped(badge.word)}}} " if badge else ""
            return lead + _escaped(text)
        case Facts(items=items):
            return _tabular("ll", [], [[_escaped(name), _cell(cell)] for name, cell in items])
        case Table():
            return _table(block)
        case Figure(caption=caption, alt=alt):
            return f"% figure: {_escaped(alt or caption)}"
        case Section(heading=heading, badge=badge, blocks=blocks):
            mark = f" (\\textbf{{{_escaped(badge.word)}}})" if badge else ""
            head = f"\\paragraph{{{_escaped(heading.text)}{mark}}}"
            return "\n\n".join([head, *map(_block, blocks)])


def _table(table: Table) -> str:
    aligned = "".join("r" if table.is_numeric(k) else "l" for k in range(len(table.columns)))
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    text = _tabular(aligned, [_escaped(name) for name in table.columns], rows)
    return f"{_escaped(table.caption)}\n\n{text}" if table.caption else text


def _tabular(aligned: str, head: list[str], rows: list[list[str]]) -> str:
    lines = [f"\\begin{{tabular}}{{{aligned}}}", "\\toprule"]
    if head:
        lines += [_line(head), "\\midrule"]
    lines += [_line(row) for row in rows]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"])


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
