"""A page as plain records: what it says, not how it looks.

`mixcheck.display.render` turns a `Document` into text, Markdown or HTML, so that each
kind of result needs one description and each format one renderer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeAlias, get_args

from mixcheck.arguments.options import shown
from mixcheck.codec.reading import Reader
from mixcheck.codec.shapes import (
    FINITE,
    NUMBER,
    TEXT,
    WHOLE,
    Schema,
    Shape,
    choice,
    maybe,
    tuple_of,
    wrapped,
)
from mixcheck.codec.writing import plain
from mixcheck.display.pictures import (
    Caterpillar,
    CurvePlot,
    NormalPlot,
    NullPlot,
    Picture,
    QuantileBand,
    QuantileLine,
    QuantilePlot,
    ResidualPlot,
)
from mixcheck.errors import DataError, OptionError

__all__ = [
    "Badge",
    "Block",
    "Caterpillar",
    "Cell",
    "CurvePlot",
    "Document",
    "Facts",
    "Figure",
    "Heading",
    "NormalPlot",
    "NullPlot",
    "PValue",
    "Paragraph",
    "Picture",
    "Places",
    "QuantileBand",
    "QuantileLine",
    "QuantilePlot",
    "ResidualPlot",
    "Section",
    "Table",
    "Tone",
    "lower",
]

Tone = Literal["good", "caution", "bad", "unclear", "muted"]


@dataclass(frozen=True)
class Heading:
    """A heading of level 1 (the page) to 4."""

    text: str
    level: int = 2

    def __post_init__(self) -> None:
        if not 1 <= self.level <= 4:
            raise OptionError(f"a heading has a level from 1 to 4, found {self.level!r}")


@dataclass(frozen=True)
class Badge:
    """A word that carries a judgement; the tone only repeats it in colour and mark."""

    word: str
    tone: Tone


@dataclass(frozen=True)
class Paragraph:
    """Sentences, after a badge if there is one."""

    text: str
    badge: Badge | None = None
    quiet: bool = False


@dataclass(frozen=True)
class PValue:
    """A p-value, shown as one: never as 0.000."""

    value: float | None


@dataclass(frozen=True)
class Places:
    """A number shown with a fixed number of decimals, as estimates in a column are."""

    value: float
    places: int


_PVALUE = maybe(FINITE)
_UNDER_A_WORD = {
    "badge": (Badge, tuple_of(TEXT, choice(get_args(Tone)), made=Badge)),
    "pvalue": (
        PValue,
        Shape(
            lambda cell: _PVALUE.write(cell.value),
            lambda reader: PValue(_PVALUE.read(reader)),
            _PVALUE.schema,
        ),
    ),
    "places": (Places, tuple_of(NUMBER, WHOLE, made=Places)),
    "number": (float, NUMBER),
}


def _write_cell(cell: Any) -> Any:
    """Texts, whole numbers and null are themselves; others stand under the word that tells them."""
    for word, (cls, shape) in _UNDER_A_WORD.items():
        if isinstance(cell, cls):
            return {word: shape.write(cell)}
    return plain(cell)


def _read_cell(reader: Reader) -> Any:
    for word, (_, shape) in _UNDER_A_WORD.items():
        if reader.has(word):
            return shape.read(reader.at(word))
    if reader.is_null or isinstance(reader.value, str | bool):
        return reader.value
    return WHOLE.read(reader)


def _schema_of_cells(known: dict[str, Schema]) -> Schema:
    others = [wrapped(word, shape).schema(known) for word, (_, shape) in _UNDER_A_WORD.items()]
    return {"anyOf": [{"type": ["string", "boolean", "integer", "null"]}, *others]}


Cell: TypeAlias = Annotated[
    str | float | int | Badge | PValue | Places | None,
    Shape(_write_cell, _read_cell, _schema_of_cells),
]


@dataclass(frozen=True)
class Table:
    """Rows under columns; numbers are aligned to the right.

    Attributes
    ----------
    columns : tuple of str
    rows : tuple of tuple of Cell
        The first cell of each row is its heading; None and NaN are shown as a dash.
    caption : str
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise DataError(
                    f"a table with {len(self.columns)} columns has a row of {len(row)} cells: "
                    f"{shown(row)}"
                )

    def is_numeric(self, column: int) -> bool:
        """Whether a column holds numbers only, and is aligned to the right."""
        return bool(self.rows) and not any(
            isinstance(row[column], str | Badge) for row in self.rows
        )


@dataclass(frozen=True, eq=False)
class Facts:
    """Names and what is known under each, one below the other.

    Attributes
    ----------
    items : tuple of (str, Cell)
    """

    items: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True, eq=False)
class Figure:
    """A picture with its caption, and `alt`, which says in words what it shows."""

    picture: Picture
    caption: str = ""
    alt: str = ""


@dataclass(frozen=True, eq=False)
class Section:
    """Blocks under one heading.

    Attributes
    ----------
    heading : Heading
    blocks : tuple of Block
    badge : Badge or None
        Shown beside the heading.
    grid : bool
        Whether its blocks stand side by side where the page is wide enough.
    """

    heading: Heading
    blocks: tuple[Block, ...]
    badge: Badge | None = None
    grid: bool = False


Block: TypeAlias = Heading | Paragraph | Facts | Table | Figure | Section


@dataclass(frozen=True, eq=False)
class Document:
    """A page: its title and its blocks."""

    title: str
    blocks: tuple[Block, ...]


def lower(block: Block) -> Block:
    """A block one level of headings deeper.

    Examples
    --------
    >>> lower(Heading("Ranking", 2))
    Heading(text='Ranking', level=3)
    """
    match block:
        case Heading(text=text, level=level):
            return Heading(text, min(level + 1, 4))
        case Section(heading=heading, blocks=blocks):
            deeper = Heading(heading.text, min(heading.level + 1, 4))
            return replace(block, heading=deeper, blocks=tuple(map(lower, blocks)))
        case _:
            return block
