"""A page as plain records: what it says, not how it looks.

`mixcheck.display.render` turns a `Document` into text, Markdown or HTML, so that each
kind of result needs one description and each format one renderer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, get_args

from mixcheck.codec.reading import Reader
from mixcheck.codec.shapes import (
    FINITE,
    NUMBER,
    TEXT,
    WHOLE,
    Leaf,
    Maybe,
    Schema,
    Shape,
    TupleOf,
    Wrapped,
    choice,
)
from mixcheck.codec.writing import plain
from mixcheck.display.pictures import (
    Caterpillar,
    CurvePlot,
    NormalPlot,
    NullPlot,
    Picture,
    QuantileLine,
    QuantilePlot,
    ResidualPlot,
    picture_from_dict,
    picture_to_dict,
)
from mixcheck.errors import DataError, OptionError
from mixcheck.options import shown

__all__ = [
    "Badge",
    "Block",
    "Caterpillar",
    "Cell",
    "CurvePlot",
    "Document",
    "Figure",
    "Heading",
    "NormalPlot",
    "NullPlot",
    "PValue",
    "Paragraph",
    "Picture",
    "Places",
    "QuantileLine",
    "QuantilePlot",
    "ResidualPlot",
    "Section",
    "Table",
    "Tone",
    "picture_from_dict",
    "picture_to_dict",
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


_PVALUE = Maybe(FINITE)
_FLOAT = Wrapped("number", NUMBER)
_OTHERS: dict[type, Wrapped] = {
    Badge: Wrapped("badge", TupleOf((TEXT, choice(get_args(Tone))), Badge)),
    PValue: Wrapped(
        "pvalue",
        Leaf(
            lambda cell: _PVALUE.write(cell.value),
            lambda reader: PValue(_PVALUE.read(reader)),
            _PVALUE.schema({}),
        ),
    ),
    Places: Wrapped("places", TupleOf((NUMBER, WHOLE), Places)),
    float: _FLOAT,
}


class _CellShape(Shape):
    # Texts, whole numbers and null are themselves; others are under the word that tells them.

    nullable = True

    def write(self, value: Any) -> Any:
        for cls, shape in _OTHERS.items():
            if isinstance(value, cls):
                return shape.write(value)
        return plain(value)

    def read(self, reader: Reader) -> Any:
        for shape in _OTHERS.values():
            if reader.has(shape.name):
                return shape.read(reader)
        if reader.is_null or isinstance(reader.value, str | bool):
            return reader.value
        return WHOLE.read(reader)

    def schema(self, known: dict[str, Schema]) -> Schema:
        themselves: Schema = {"type": ["string", "boolean", "integer", "null"]}
        return {"anyOf": [themselves, *(shape.schema(known) for shape in _OTHERS.values())]}


Cell: TypeAlias = Annotated[str | float | int | Badge | PValue | Places | None, _CellShape()]


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


Block: TypeAlias = Heading | Paragraph | Table | Figure | Section


@dataclass(frozen=True, eq=False)
class Document:
    """A page: its title and its blocks."""

    title: str
    blocks: tuple[Block, ...]
