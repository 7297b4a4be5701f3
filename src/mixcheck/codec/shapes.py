"""How a type stands in JSON: how it is written, read with care, and described by a schema.

`shape_of` finds the shape of an annotation. A frozen dataclass is an object with one item for
each field, so its declaration is all that it takes to be stored. What JSON cannot tell apart is
wrapped: null is NaN where a number is expected, so a number that may be missing is null or
``{"number": ..}``.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING, astuple, dataclass, fields, is_dataclass
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import numpy as np

from mixcheck.codec.reading import Reader
from mixcheck.codec.writing import array_to_json, number_to_json, plain

__all__ = [
    "ADDED_LATER",
    "FINITE",
    "NOT_STORED",
    "NUMBER",
    "TEXT",
    "WHOLE",
    "ByHand",
    "Count",
    "Finite",
    "Leaf",
    "ListOf",
    "MapOf",
    "Maybe",
    "Probability",
    "RecordOf",
    "Schema",
    "Shape",
    "Tagged",
    "TupleOf",
    "Wrapped",
    "WrappedFloat",
    "choice",
    "shape_of",
    "stored_as",
]

Schema: TypeAlias = dict[str, Any]

# Metadata of a field that files of the same version may lack, since it came after the first ones.
ADDED_LATER = {"added later": True}
# Metadata of a field that is not written.
NOT_STORED = {"not stored": True}


def stored_as(shape: Shape) -> dict[str, Any]:
    """Metadata of a field whose annotation does not say how it is stored."""
    return {"shape": shape}


class Shape(ABC):
    """How the values of one type stand in JSON.

    Attributes
    ----------
    nullable : bool
        Whether null is one of the values, as it is NaN among the numbers.
    """

    nullable: bool = False

    @abstractmethod
    def write(self, value: Any) -> Any:
        """The value as JSON can hold it."""

    @abstractmethod
    def read(self, reader: Reader) -> Any:
        """The value that was written.

        Raises
        ------
        DataError
            If something else stands there.
        """

    @abstractmethod
    def schema(self, known: dict[str, Schema]) -> Schema:
        """JSON Schema of what is written; records are put into `known` under their names."""


@dataclass(frozen=True, eq=False)
class Leaf(Shape):
    """A value without parts."""

    to_json: Callable[[Any], Any]
    from_json: Callable[[Reader], Any]
    described: Schema
    nullable: bool = False

    def write(self, value: Any) -> Any:
        """As `to_json` does."""
        return self.to_json(value)

    def read(self, reader: Reader) -> Any:
        """As `from_json` does."""
        return self.from_json(reader)

    def schema(self, known: dict[str, Schema]) -> Schema:
        """As it was described."""
        return self.described


def choice(words: tuple[str, ...], made: Callable[[str], Any] = str) -> Leaf:
    """One of some words, or what is made of it."""
    return Leaf(
        lambda value: value.value if isinstance(value, Enum) else value,
        lambda reader: made(reader.choice(words)),
        {"enum": list(words)},
    )


_NUMBER = {"anyOf": [{"type": ["number", "null"]}, {"enum": ["inf", "-inf"]}]}
_WHOLE = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}

TEXT = Leaf(str, Reader.text, {"type": "string"})
FLAG = Leaf(bool, Reader.flag, {"type": "boolean"})
WHOLE = Leaf(int, lambda reader: reader.whole(least=-(2**63)), _WHOLE)
NUMBER = Leaf(number_to_json, Reader.number, _NUMBER, nullable=True)
FINITE = Leaf(number_to_json, Reader.finite, {"type": "number"})
PLAIN = Leaf(plain, lambda reader: reader.value, {}, nullable=True)

Count: TypeAlias = Annotated[int, Leaf(int, Reader.whole, _WHOLE | {"minimum": 0})]
Finite: TypeAlias = Annotated[float, FINITE]
Probability: TypeAlias = Annotated[
    float,
    Leaf(
        number_to_json,
        lambda reader: reader.number(0.0, 1.0),
        {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        nullable=True,
    ),
]

_ARRAYS = {
    "float64": _NUMBER,
    "int64": _WHOLE,
    "bool": {"type": "boolean"},
}


def _array(dtype: str) -> Leaf:
    """A one-dimensional array."""
    items = {"dtype": {"const": dtype}, "values": {"type": "array", "items": _ARRAYS[dtype]}}
    described = {"type": "object", "properties": items, "required": list(items)}
    return Leaf(array_to_json, lambda reader: reader.array(dtype), described)


@dataclass(frozen=True, eq=False)
class ListOf(Shape):
    """A tuple of any length, an array or a series, as a list."""

    item: Shape

    def write(self, value: Any) -> Any:
        """Its items, in order."""
        return [self.item.write(part) for part in value]

    def read(self, reader: Reader) -> Any:
        """A tuple."""
        return tuple(self.item.read(part) for part in reader.items())

    def schema(self, known: dict[str, Schema]) -> Schema:
        """An array."""
        return {"type": "array", "items": self.item.schema(known)}


@dataclass(frozen=True, eq=False)
class TupleOf(Shape):
    """A tuple, or a record that `made` makes of its parts, as a list of fixed length."""

    parts: tuple[Shape, ...]
    made: Callable[..., Any] = lambda *parts: parts

    def write(self, value: Any) -> Any:
        """Its parts, in order."""
        parts = value if isinstance(value, tuple) else astuple(value)
        return [shape.write(part) for shape, part in zip(self.parts, parts, strict=True)]

    def read(self, reader: Reader) -> Any:
        """What is made of the parts."""
        items = reader.items()
        if len(items) != len(self.parts):
            reader.fail(f"a list of {len(self.parts)}")
        return self.made(*(shape.read(item) for shape, item in zip(self.parts, items, strict=True)))

    def schema(self, known: dict[str, Schema]) -> Schema:
        """An array of fixed length."""
        parts = [shape.schema(known) for shape in self.parts]
        return {"type": "array", "prefixItems": parts, "items": False, "minItems": len(parts)}


@dataclass(frozen=True, eq=False)
class MapOf(Shape):
    """A mapping, or a series with its labels, as an object."""

    item: Shape

    def write(self, value: Any) -> Any:
        """Its items by name."""
        return {str(name): self.item.write(part) for name, part in value.items()}

    def read(self, reader: Reader) -> Any:
        """A dictionary."""
        return {name: self.item.read(reader.at(name)) for name in reader.object()}

    def schema(self, known: dict[str, Schema]) -> Schema:
        """An object of like values."""
        return {"type": "object", "additionalProperties": self.item.schema(known)}


@dataclass(frozen=True, eq=False)
class Wrapped(Shape):
    """A value that says by the name of its only item what it is: ``{"number": null}`` is NaN."""

    name: str
    item: Shape

    def write(self, value: Any) -> Any:
        """An object of one item."""
        return {self.name: self.item.write(value)}

    def read(self, reader: Reader) -> Any:
        """What is within."""
        return self.item.read(reader.at(self.name))

    def schema(self, known: dict[str, Schema]) -> Schema:
        """An object of one item."""
        items = {self.name: self.item.schema(known)}
        return {"type": "object", "properties": items, "required": [self.name]}


WrappedFloat: TypeAlias = Annotated[float, Wrapped("number", NUMBER)]


@dataclass(frozen=True, eq=False)
class Maybe(Shape):
    """A value, or null where there is none."""

    item: Shape
    nullable = True

    def write(self, value: Any) -> Any:
        """The value or None."""
        return None if value is None else self.item.write(value)

    def read(self, reader: Reader) -> Any:
        """The value or None."""
        return None if reader.is_null else self.item.read(reader)

    def schema(self, known: dict[str, Schema]) -> Schema:
        """The value or null."""
        return {"anyOf": [{"type": "null"}, self.item.schema(known)]}


@dataclass(frozen=True, eq=False)
class _Item:
    """An item of a record: how it is stored, whether it is read, and whether it must be there."""

    shape: Shape
    is_read: bool
    is_needed: bool


@dataclass(frozen=True, eq=False)
class RecordOf(Shape):
    """A dataclass as an object.

    Its items are the properties that its ``_computed`` names, which are written for whoever reads
    the JSON and not read back, and its fields, but for those that are `NOT_STORED`. Each field
    must be there when it is read, but for those that are `ADDED_LATER`. Other items are ignored:
    a later version may write more.

    Attributes
    ----------
    cls : type
    tag : (str, str) or None
        Name and value of an item that tells it from other records in its place.
    """

    cls: type
    tag: tuple[str, str] | None = None

    @cached_property
    def items(self) -> dict[str, _Item]:
        """How each item is stored, in the order of the JSON."""
        items = {
            name: _Item(shape_of(_hint_of_property(self.cls, name)), False, False)
            for name in getattr(self.cls, "_computed", ())
        }
        for field in fields(self.cls):
            if "not stored" not in field.metadata:
                shape = field.metadata.get("shape") or shape_of(
                    _hint_of_field(self.cls, field.name)
                )
                items[field.name] = _Item(shape, True, "added later" not in field.metadata)
        return items

    def write(self, value: Any) -> Any:
        """Its items by name."""
        tag = {} if self.tag is None else dict([self.tag])
        return tag | {name: i.shape.write(getattr(value, name)) for name, i in self.items.items()}

    def read(self, reader: Reader) -> Any:
        """The record of its items."""
        reader.object()
        return self.cls(
            **{
                name: item.shape.read(reader.at(name))
                for name, item in self.items.items()
                if item.is_read and (item.is_needed or reader.has(name))
            }
        )

    def schema(self, known: dict[str, Schema]) -> Schema:
        """A reference to the definition under the name of the class."""
        name = self.cls.__name__
        if name not in known:
            known[name] = {}  # a record may hold others of its kind
            known[name] = self._definition(known)
        return {"$ref": f"#/$defs/{name}"}

    def _definition(self, known: dict[str, Schema]) -> Schema:
        tag = {} if self.tag is None else {self.tag[0]: {"const": self.tag[1]}}
        items = tag | {name: item.shape.schema(known) for name, item in self.items.items()}
        return {
            "description": (inspect.getdoc(self.cls) or "").partition("\n")[0],
            "type": "object",
            "properties": items,
            "required": [*tag, *(name for name, item in self.items.items() if item.is_needed)],
        }


@dataclass(frozen=True, eq=False)
class ByHand(RecordOf):
    """A record that people write too, and that answers for itself.

    What is left out takes its default, no other item is allowed, and `construct` says what is
    wrong in the words of its arguments.
    """

    construct: Callable[[dict[str, Any]], Any] = dict

    def read(self, reader: Reader) -> Any:
        """What the items construct."""
        return self.construct(reader.object())

    def _definition(self, known: dict[str, Schema]) -> Schema:
        definition = super()._definition(known)
        tag = [] if self.tag is None else [self.tag[0]]
        needed = [
            field.name
            for field in fields(self.cls)
            if field.default is MISSING and field.default_factory is MISSING
        ]
        return definition | {"required": tag + needed, "additionalProperties": False}


@dataclass(frozen=True, eq=False)
class Tagged(Shape):
    """One of several records; an item of that name says which."""

    name: str
    kinds: Mapping[str, type]

    @cached_property
    def _shapes(self) -> dict[str, RecordOf]:
        return {kind: RecordOf(cls, (self.name, kind)) for kind, cls in self.kinds.items()}

    def write(self, value: Any) -> Any:
        """The record after its tag."""
        kind = next(kind for kind, cls in self.kinds.items() if type(value) is cls)
        return self._shapes[kind].write(value)

    def read(self, reader: Reader) -> Any:
        """The record that the tag names."""
        return self._shapes[reader.at(self.name).choice(tuple(self.kinds))].read(reader)

    def schema(self, known: dict[str, Schema]) -> Schema:
        """One of the records."""
        return {"oneOf": [shape.schema(known) for shape in self._shapes.values()]}


_LEAVES: dict[Any, Shape] = {str: TEXT, bool: FLAG, int: WHOLE, float: NUMBER, Any: PLAIN}
_PRIMITIVE = Leaf(plain, lambda r: r.value, {"type": ["string", "integer", "number", "boolean"]})
_FUNCTION = Leaf(lambda f: f"{f.__module__}:{f.__qualname__}", Reader.text, {"type": "string"})


@functools.cache
def shape_of(hint: Any) -> Shape:
    """The shape of an annotation; a class may declare its own as ``_shape``.

    Raises
    ------
    TypeError
        If values of that type are not stored.

    Examples
    --------
    >>> shape_of(tuple[float, ...]).write((1.0, float("nan")))
    [1.0, None]
    >>> shape_of(float | None).write(float("nan"))
    {'number': None}
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return next(shape for shape in hint.__metadata__ if isinstance(shape, Shape))
    if hint in _LEAVES:
        return _LEAVES[hint]
    if origin is Literal:
        return choice(arguments)
    if origin in (Union, types.UnionType):
        rest = tuple(part for part in arguments if part is not type(None))
        if len(rest) == 1:
            item = shape_of(rest[0])
            return Maybe(Wrapped("number", item) if item.nullable else item)
        if rest == arguments and set(rest) <= {str, int, float, bool}:
            return _PRIMITIVE
    if origin is tuple and arguments[-1] is Ellipsis:
        return ListOf(shape_of(arguments[0]))
    if origin is tuple:
        return TupleOf(tuple(map(shape_of, arguments)))
    if origin is np.ndarray:
        return _array(np.dtype(get_args(arguments[1])[0]).name)
    if origin in (Mapping, dict):
        return MapOf(shape_of(arguments[1]))
    if origin is Callable:
        return _FUNCTION
    if isinstance(hint, type):
        if isinstance(own := getattr(hint, "_shape", None), Shape):
            return own
        if issubclass(hint, Enum):
            return choice(tuple(member.value for member in hint), hint)
        if is_dataclass(hint):
            return RecordOf(hint)
    raise TypeError(f"{hint} has no shape in JSON")


def _hint_of_field(cls: type, name: str) -> Any:
    owner = next(base for base in cls.__mro__ if name in inspect.get_annotations(base))
    return _evaluated(inspect.get_annotations(owner)[name], owner.__module__)


def _hint_of_property(cls: type, name: str) -> Any:
    found = inspect.getattr_static(cls, name)
    function = found.func if isinstance(found, cached_property) else found.fget
    return _evaluated(function.__annotations__["return"], function.__module__)


def _evaluated(annotation: Any, module: str) -> Any:
    """One annotation alone: those of fields that are not stored may name what is not there."""
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    return get_type_hints(holder, vars(sys.modules[module]), include_extras=True)["it"]
