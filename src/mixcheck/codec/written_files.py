"""Files that people write: JSON, TOML and YAML as plain data, or one sentence on what is wrong."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mixcheck.arguments.options import require_path, shown
from mixcheck.codec.reading import DEEPEST, Reader, parse_json, require_shallow
from mixcheck.errors import MixcheckError, OptionError

__all__ = ["read_written"]

# More than a suite of hundreds of checks takes, and read in seconds whatever it holds.
_MOST_BYTES = 1 << 16
# Keys of TOML, a.b.c, stand on one line, and reading one takes the square of its length at least.
_MOST_POINTS = 200
# Of a longer path the end is shown, which names the file.
_MOST_SHOWN = 200


def read_written(path: str | os.PathLike[str], what: str, made: Callable[[Reader], Any]) -> Any:
    """What a file holds, by its ending: .json, .toml, .yaml or .yml.

    Parameters
    ----------
    path : path
    what : str
        What the file should hold, for the messages.
    made : callable
        Makes it of the data: mappings, lists, texts, numbers, dates, true and false.

    Raises
    ------
    OptionError
        If there is no such file, it is larger than 64 KiB, it is not what its ending says, it
        says something twice, or `made` refuses it.
    """
    file = require_path("path", path)
    name = repr(str(file)[-_MOST_SHOWN:])
    parse = _FORMATS.get(file.suffix.lower())
    if parse is None:
        raise OptionError(
            f"cannot tell the format of {name}; the file of a {what} ends in {', '.join(_FORMATS)}"
        )
    try:
        return made(parse(_text(file), what))
    except MixcheckError as error:
        raise OptionError(f"{name}: {error}") from None


def _text(file: Path) -> str:
    try:
        if file.is_dir():
            raise OptionError("this is a folder; give a file")
        if file.exists() and not file.is_file():
            raise OptionError("this is no regular file; give one")
        with file.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, OptionError):
            raise
        reason = getattr(error, "strerror", None) or "no file can have this name"
        raise OptionError(f"it cannot be read: {reason[:1].lower()}{reason[1:]}") from None
    if len(content) > _MOST_BYTES:
        raise OptionError(f"it is larger than {_MOST_BYTES} bytes, which is the most that is read")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise OptionError("it is not text in UTF-8") from None


def _read_toml(text: str, what: str) -> Reader:
    if max(line.count(".") for line in text.split("\n")) > _MOST_POINTS:
        raise OptionError(f"it has a line with more than {_MOST_POINTS} points; write several")
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise OptionError(f"this is no {what}: it is nested too deeply") from None
    except ValueError as error:
        raise OptionError(_unreadable("TOML", what, error)) from None
    require_shallow(content, what)
    return Reader(content, "", what)


def _read_yaml(text: str, what: str) -> Reader:
    try:
        import yaml
    except ImportError:
        raise OptionError(
            "reading YAML needs PyYAML; python -m pip install pyyaml, or write JSON or TOML"
        ) from None
    try:
        _require_plain(yaml.parse(text, yaml.SafeLoader), what)
        node = yaml.compose(text, yaml.SafeLoader)
        _require_distinct(node)
        content = None if node is None else yaml.SafeLoader("").construct_document(node)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        if isinstance(error, OptionError):
            raise
        raise OptionError(_unreadable("YAML", what, error)) from None
    require_shallow(content, what)
    return Reader(content, "", what)


def _require_plain(events: Iterable[Any], what: str) -> None:
    """Refuse what costs more to read than its length: nesting without end, and aliases.

    An alias can stand for more than any memory holds, so it is refused before it is followed.
    """
    depth = 0
    for event in events:
        kind = type(event).__name__
        depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
        if depth > DEEPEST:
            raise OptionError(f"this is no {what}: it is nested too deeply")
        if kind == "AliasEvent":
            raise OptionError(
                f"this is no {what}: it has an alias (*name), which is not followed; write the "
                "content out"
            )


def _require_distinct(node: Any) -> None:
    """Refuse a mapping of YAML that says something twice: its reader keeps the last alone."""
    value = getattr(node, "value", None)
    if not isinstance(value, list):
        return
    seen: set[str] = set()
    for part in value:
        key, held = part if isinstance(part, tuple) else (None, part)
        name = getattr(key, "value", None)
        if isinstance(name, str):
            if name in seen:
                raise OptionError(f"{shown(name)} stands twice in one mapping; write it once")
            seen.add(name)
        _require_distinct(held)


def _unreadable(format_: str, what: str, error: Exception) -> str:
    """Where a text stops to be of its format."""
    mark = getattr(error, "problem_mark", None)
    place = f"it breaks in line {mark.line + 1}, column {mark.column + 1}" if mark else str(error)
    words = " ".join(place.split())
    return f"this is no {format_}, so no {what} can be read: {words[:1].lower()}{words[1:120]}"


_FORMATS = {".json": parse_json, ".toml": _read_toml, ".yaml": _read_yaml, ".yml": _read_yaml}
