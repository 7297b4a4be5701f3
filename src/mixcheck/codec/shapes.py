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
from collections.abc import Callable, Mapping
from dataclasses import MISSING, astuple, dataclass, fields, is_dataclass
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from mixcheck.codec.reading import Reader
from mixcheck.codec.writing import array_to_json, number_to_json, plain

__all__ = [
    *("ADDED_LATER", "NOT_STORED", "stored_as"),
    *("Count", "Finite", "Probability", "WrappedFloat"),
    *("FINITE", "NUMBER", "TEXT", "WHOLE", "Schema", "Shape", "leaf", "shape_of"),
    *("by_hand", "choice", "list_of", "map_of", "maybe", "record_of", "tagged", "tuple_of"),
    "wrapped",
]

Schema: TypeAlias = dict[str, Any]

# Metadata of a field that files of the same version may lack, since it came after the first ones.
ADDED_LATER = {"added later": True}
# Metadata of a field that is not written.
NOT_STORED = {"not stored": True}


def stored_as(shape: Shape) -> dict[str, Any]:
    """Metadata of a field whose annotation does not say how it is stored."""
    return {"shape": shape}


@dataclass(frozen=True, eq=False)
class Shape:
    """How the values of one type stand in JSON.

    Attributes
    ----------
    write : callable
        The value as JSON can hold it.
    read : callable
        The value that a `Reader` holds; raises DataError if something else stands there.
    schema : callable
        JSON Schema of what is written; records are put into its argument under their names.
    nullable : bool
        Whether null is one of the values, as it is NaN among the numbers.
    """

    write: Callable[[Any], Any]
    read: Callable[[Reader], Any]
    schema: Callable[[dict[str, Schema]], Schema]
    nullable: bool = False


def leaf(
    write: Callable[[Any], Any],
    read: Callable[[Reader], Any],
    schema: Schema,
    nullable: bool = False,
) -> Shape:
    """A value without parts."""
    return Shape(write, read, lambda known: schema, nullable)


_NUMBER = {"anyOf": [{"type": ["number", "null"]}, {"enum": ["inf", "-inf"]}]}
_PROBABILITY = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_WHOLE = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}

TEXT = leaf(str, Reader.text, {"type": "string"})
FLAG = leaf(bool, Reader.flag, {"type": "boolean"})
WHOLE = leaf(int, lambda reader: reader.whole(least=-(2**63)), _WHOLE)
NUMBER = leaf(number_to_json, Reader.number, _NUMBER, nullable=True)
FINITE = leaf(number_to_json, Reader.finite, {"type": "number"})
_PLAIN = leaf(plain, lambda reader: reader.value, {}, nullable=True)
_SCALAR = leaf(plain, lambda r: r.value, {"type": ["string", "number", "boolean"]})
_FUNCTION = leaf(lambda f: f"{f.__module__}:{f.__qualname__}", Reader.text, {"type": "string"})
_ARRAYS: dict[str, Schema] = {"float64": _NUMBER, "int64": _WHOLE, "bool": {"type": "boolean"}}


def _array(dtype: str) -> Shape:
    values: Schema = {"type": "array", "items": _ARRAYS[dtype]}
    items = {"dtype": {"const": dtype}, "values": values}
    return leaf(array_to_json, lambda reader: reader.array(dtype), _object(items))


def _object(items: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": items, "required": list(items)}


def choice(words: tuple[str, ...], made: Callable[[str], Any] = str) -> Shape:
    """One of some words, or the member of an enumeration that is made of it."""
    return leaf(
        lambda value: value.value if isinstance(value, Enum) else value,
        lambda reader: made(reader.choice(words)),
        {"enum": list(words)},
    )


def list_of(item: Shape) -> Shape:
    """A tuple of any length, an array or a series, as a list; it is read as a tuple."""
    return Shape(
        lambda value: [item.write(part) for part in value],
        lambda reader: tuple(item.read(part) for part in reader.items()),
        lambda known: {"type": "array", "items": item.schema(known)},
    )


def tuple_of(*items: Shape, made: Callable[..., Any] = lambda *parts: parts) -> Shape:
    """A tuple, or a record that is made of its parts, as a list of fixed length."""

    def write(value: Any) -> Any:
        parts = value if isinstance(value, tuple) else astuple(value)
        return [item.write(part) for item, part in zip(items, parts, strict=True)]

    def read(reader: Reader) -> Any:
        parts = reader.items()
        if len(parts) != len(items):
            reader.fail(f"a list of {len(items)}")
        return made(*(item.read(part) for item, part in zip(items, parts, strict=True)))

    def schema(known: dict[str, Schema]) -> Schema:
        parts = [item.schema(known) for item in items]
        return {"type": "array", "prefixItems": parts, "items": False, "minItems": len(parts)}

    return Shape(write, read, schema)


def map_of(item: Shape) -> Shape:
    """A mapping, or a series with its labels, as an object; it is read as a dictionary."""
    return Shape(
        lambda value: {str(name): item.write(part) for name, part in value.items()},
        lambda reader: {name: item.read(reader.at(name)) for name in reader.object()},
        lambda known: {"type": "object", "additionalProperties": item.schema(known)},
    )


def wrapped(name: str, item: Shape) -> Shape:
    """A value that the name of the only item tells from others: ``{"number": null}`` is NaN."""
    return Shape(
        lambda value: {name: item.write(value)},
        lambda reader: item.read(reader.at(name)),
        lambda known: _object({name: item.schema(known)}),
    )


def maybe(item: Shape) -> Shape:
    """A value, or null where there is none."""
    return Shape(
        lambda value: None if value is None else item.write(value),
        lambda reader: None if reader.is_null else item.read(reader),
        lambda known: {"anyOf": [{"type": "null"}, item.schema(known)]},
        nullable=True,
    )


Count: TypeAlias = Annotated[int, leaf(int, Reader.whole, _WHOLE | {"minimum": 0})]
Finite: TypeAlias = Annotated[float, FINITE]
WrappedFloat: TypeAlias = Annotated[float, wrapped("number", NUMBER)]
Probability: TypeAlias = Annotated[
    float, leaf(number_to_json, lambda reader: reader.number(0.0, 1.0), _PROBABILITY, nullable=True)
]


def record_of(cls: type, **tag: str) -> Shape:
    """A dataclass as an object, with a tag where it must be told from others in its place.

    Its items are the properties that its ``_computed`` names, which are written for whoever reads
    the JSON and not read back, and its fields, but for those that are `NOT_STORED`. Each field
    must be there when it is read, but for those that are `ADDED_LATER`. Other items are ignored:
    a later version may write more.
    """

    @functools.cache  # not before it is asked for, since a record may hold others of its kind
    def items() -> dict[str, Shape]:
        computed = getattr(cls, "_computed", ())
        stored = [field for field in fields(cls) if "not stored" not in field.metadata]
        return {name: shape_of(_hint_of_property(cls, name)) for name in computed} | {
            field.name: field.metadata.get("shape") or shape_of(_hint_of_field(cls, field.name))
            for field in stored
        }

    needed = {field.name: "added later" not in field.metadata for field in fields(cls)}

    def write(value: Any) -> Any:
        return tag | {name: item.write(getattr(value, name)) for name, item in items().items()}

    def read(reader: Reader) -> Any:
        reader.object()
        return cls(
            **{
                name: item.read(reader.at(name))
                for name, item in items().items()
                if name in needed and (needed[name] or reader.has(name))
            }
        )

    def schema(known: dict[str, Schema]) -> Schema:
        name = cls.__name__
        if name not in known:
            known[name] = {}
            parts = {key: {"const": value} for key, value in tag.items()}
            parts |= {key: item.schema(known) for key, item in items().items()}
            required = [*tag, *(key for key in items() if needed.get(key))]
            lead = (inspect.getdoc(cls) or "").partition("\n")[0]
            known[name] = {"description": lead, **_object(parts), "required": required}
        return {"$ref": f"#/$defs/{name}"}

    return Shape(write, read, schema)


def by_hand(cls: type, construct: Callable[[dict[str, Any]], Any], **tag: str) -> Shape:
    """A record that people write too, and that answers for itself.

    What is left out takes its default, no other item is allowed, and `construct` says what is
    wrong in the words of its arguments.
    """
    record = record_of(cls, **tag)

    def schema(known: dict[str, Schema]) -> Schema:
        defaults = {f.name: (f.default, f.default_factory) != (MISSING,) * 2 for f in fields(cls)}
        reference = record.schema(known)
        required = [*tag, *(name for name, has_one in defaults.items() if not has_one)]
        known[cls.__name__] |= {"required": required, "additionalProperties": False}
        return reference

    return Shape(record.write, lambda reader: construct(reader.object()), schema)


def tagged(name: str, kinds: Mapping[str, type]) -> Shape:
    """One of several records; an item of that name says which."""
    shapes = {kind: record_of(cls, **{name: kind}) for kind, cls in kinds.items()}
    kind_of = {cls: kind for kind, cls in kinds.items()}
    return Shape(
        lambda value: shapes[kind_of[type(value)]].write(value),
        lambda reader: shapes[reader.at(name).choice(tuple(kinds))].read(reader),
        lambda known: {"oneOf": [shape.schema(known) for shape in shapes.values()]},
    )


_LEAVES: dict[Any, Shape] = {str: TEXT, bool: FLAG, int: WHOLE, float: NUMBER, Any: _PLAIN}


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
            return maybe(wrapped("number", item) if item.nullable else item)
        if rest == arguments and set(rest) <= {str, int, float, bool}:
            return _SCALAR
    if origin is tuple and arguments[-1] is Ellipsis:
        return list_of(shape_of(arguments[0]))
    if origin is tuple:
        return tuple_of(*map(shape_of, arguments))
    if origin is NDArray:
        # Since NumPy 2.5 it is an alias that keeps its own name.
        return _array(np.dtype(arguments[0]).name)
    if origin is np.ndarray:
        return _array(np.dtype(get_args(arguments[1])[0]).name)
    if origin in (Mapping, dict):
        return map_of(shape_of(arguments[1]))
    if origin is Callable:
        return _FUNCTION
    if isinstance(own := getattr(hint, "_shape", None), Shape):
        return own
    if isinstance(hint, type) and issubclass(hint, Enum):
        return choice(tuple(member.value for member in hint), hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return record_of(hint)
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
