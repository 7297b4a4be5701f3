"""Whole JSON documents with the version of their schema; files of all its versions are read."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from mixcheck.arguments.options import shown
from mixcheck.codec.reading import Reader, parse_json
from mixcheck.codec.shapes import Schema, shape_of
from mixcheck.codec.writing import json_text
from mixcheck.errors import DataError

__all__ = ["SCHEMA_VERSION", "from_json", "json_schema", "read_document", "to_json"]

SCHEMA_VERSION = 1

T = TypeVar("T")


def to_json(record: Any) -> str:
    """A record as a document, after the version of its schema."""
    content = shape_of(cast(Any, type(record))).write(record)
    return json_text({"schema_version": SCHEMA_VERSION, **content})


def from_json(text: str, cls: type[T], what: str, *, versioned: bool = True) -> T:
    """The record that `to_json` wrote.

    Parameters
    ----------
    text : str
    cls : type
        Its type.
    what : str
        What it is called in messages.
    versioned : bool
        Whether it must say its version: suites of old files do not.

    Raises
    ------
    DataError
        If it is not JSON, of another version, or anything in it is not what is written there.
    """
    return read_document(parse_json(text, what), cls, versioned=versioned)


def read_document(content: Reader, cls: type[T], *, versioned: bool = True) -> T:
    """As `from_json`, of content that is parsed already.

    Raises
    ------
    DataError
        If it is of another version, or anything in it is not what is written there.
    """
    if versioned or content.has("schema_version"):
        _require_version(content)
    record: T = shape_of(cast(Any, cls)).read(content)
    return record


def _require_version(content: Reader) -> None:
    found = content.object().get("schema_version")
    if type(found) is not int or found != SCHEMA_VERSION:
        raise DataError(
            f"this is no {content.what} that can be read: schema_version is {shown(found)}, "
            f"and {SCHEMA_VERSION} is read; write it again with {content.what}.to_json()"
        )


def json_schema(cls: type, *, versioned: bool = True) -> Schema:
    """JSON Schema (draft 2020-12) of the documents that `to_json` writes of a type.

    Examples
    --------
    >>> from mixcheck.report.finding import Effect
    >>> json_schema(Effect)["$defs"]["Effect"]["required"]
    ['name', 'value', 'low', 'high', 'null']
    """
    known: dict[str, Schema] = {}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{cls.__name__} of mixcheck, schema version {SCHEMA_VERSION}",
        "properties": {"schema_version": {"const": SCHEMA_VERSION}},
        "required": ["schema_version"] if versioned else [],
        **shape_of(cls).schema(known),
        "$defs": known,
    }
