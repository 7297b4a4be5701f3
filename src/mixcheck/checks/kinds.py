"""Checks by their kind, and as plain data."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from mixcheck.arguments.calls import answer_methods
from mixcheck.arguments.options import shown
from mixcheck.codec.shapes import Schema, by_hand
from mixcheck.codec.writing import plain
from mixcheck.errors import OptionError

__all__ = ["SUITE", "Kinds", "argument_as_data", "argument_repr", "spelled"]

C = TypeVar("C")

# What a suite is in a file.
SUITE = '{"checks": [{"kind": "zeros"}]}'


class Kinds(Generic[C]):
    """Classes of checks by the kind that each has been given.

    Attributes
    ----------
    classes : dict of str to type
    """

    def __init__(self) -> None:
        self.classes: dict[str, type[C]] = {}

    def add(self, kind: str, made: type[C]) -> None:
        """Register a class.

        Raises
        ------
        OptionError
            If another class has the kind.
        """
        known = self.classes.get(kind)
        if known is not None and known.__qualname__ != made.__qualname__:
            raise OptionError(f"the kind {kind!r} is taken by {known.__qualname__}; choose another")
        self.classes[kind] = made

    @property
    def names(self) -> tuple[str, ...]:
        """Kinds that can be read, sorted."""
        return tuple(sorted(self.classes))

    def answer_constructors(self) -> None:
        """Have every kind of check defined so far answer arguments that it does not take."""
        for made in self.classes.values():
            answer_methods(made)

    def make(self, kind: str, *arguments: Any) -> C:
        """A check of a kind whose class is defined after all that ask for it."""
        made: Any = self.classes[kind]
        check: C = made(*arguments)
        return check

    def read(self, data: Mapping[str, Any]) -> C:
        """The check that plain data describe, by its kind and its arguments.

        Raises
        ------
        OptionError
            If the kind or an argument is unknown.
        """
        if not isinstance(data, Mapping):
            raise OptionError(
                f'a check is read from a mapping such as {{"kind": "zeros"}}, found {shown(data)}'
            )
        arguments = dict(data)
        kind = arguments.pop("kind", None)
        if not isinstance(kind, str) or kind not in self.classes:
            kinds = ", ".join(self.names)
            raise OptionError(f"no check is of kind {shown(kind)}; there are {kinds}")
        if isinstance(arguments.get("check"), Mapping):
            arguments["check"] = self.read(arguments["check"])
        allowed: tuple[type, ...] = (str, int, float, type(None), *self.classes.values())
        for name, value in arguments.items():
            if not isinstance(value, allowed):
                raise OptionError(
                    f"{shown(name)} of a check of kind {kind!r} must be a text, a number, true or "
                    f"false, found {shown(value)}"
                )
        try:
            inspect.signature(self.classes[kind]).bind(**arguments)
            return self.classes[kind](**arguments)
        except (TypeError, ValueError) as error:
            if isinstance(error, OptionError):
                raise
            names = ", ".join(map(shown, arguments)) or "none"
            wanted = ", ".join(inspect.signature(self.classes[kind]).parameters) or "none"
            raise OptionError(
                f"the arguments of a check of kind {kind!r} are {wanted}; found {names}"
            ) from error

    def schema(self, known: dict[str, Schema], read: Callable[[dict[str, Any]], C]) -> Schema:
        """A check of the library, or one of another kind with arguments of its own."""
        kinds = sorted(self.classes.items())
        own = {name: made for name, made in kinds if made.__module__.startswith("mixcheck.")}
        kind = {"type": "string", "not": {"enum": list(own)}}
        other = {"type": "object", "properties": {"kind": kind}, "required": ["kind"]}
        shapes = [by_hand(made, read, kind=name) for name, made in own.items()]
        return {"anyOf": [*(shape.schema(known) for shape in shapes), other]}

    def require_suite(self, data: dict[str, Any]) -> None:
        """Refuse data of a suite that say something else, or name a function, which is code.

        Raises
        ------
        OptionError
        """
        unknown = [name for name in data if name not in ("checks", "schema_version")]
        if unknown:
            told = ", ".join(map(shown, unknown[:3]))
            raise OptionError(f"a suite has no {told}; it is a mapping such as {SUITE}")
        for kind in _kinds_in(data):
            if getattr(self.classes.get(kind), "brings_code", False):
                raise OptionError(
                    f"a check of kind {kind!r} names a function, and files hold no code; add it "
                    "where you read the file, as in Suite.from_file(path) & "
                    'Statistic("module:function")'
                )


def _kinds_in(value: Any) -> Iterator[str]:
    """Whatever is called a kind, at any depth."""
    if isinstance(value, Mapping):
        if isinstance(value.get("kind"), str):
            yield value["kind"]
        value = list(value.values())
    for part in value if isinstance(value, list) else ():
        yield from _kinds_in(part)


def spelled(value: Any) -> str:
    """An argument as the name of a check tells it."""
    return value.__name__ if callable(value) else str(value)


def argument_repr(value: Any) -> str:
    """An argument as Python shows it."""
    return value.__name__ if callable(value) else repr(value)


def argument_as_data(value: Any) -> Any:
    """An argument as plain data: a check by its kind, a function by its module and name."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if callable(value):
        return f"{value.__module__}:{value.__qualname__}"
    return plain(value)
