"""Options from a file: as if they stood in the command, before all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mixcheck.arguments.options import shown
from mixcheck.codec.written_files import read_written
from mixcheck.errors import OptionError

__all__ = ["expand"]

_FLAG = "--config"


def expand(words: Sequence[str]) -> list[str]:
    """Words with the options of the file of ``--config`` after the verb.

    Keys are names of options, with or without their hyphens; true and false stand for options
    that are given or not, and a list for an option that is given several times. What is said in
    the command itself comes after these, and counts.

    Raises
    ------
    OptionError
        If there is no such file, or it holds something else.

    Examples
    --------
    >>> expand(["check", "data.csv", "--seed", "1"])
    ['check', 'data.csv', '--seed', '1']
    """
    words = list(words)
    file = _file_of(words)
    if file is None:
        return words
    options = read_written(file, "configuration", lambda reader: _options(reader.value))
    verb = next((k for k, word in enumerate(words) if not word.startswith("-")), 0)
    return [*words[: verb + 1], *options, *words[verb + 1 :]]


def _file_of(words: Sequence[str]) -> str | None:
    for k, word in enumerate(words):
        if word == _FLAG and k + 1 < len(words):
            return words[k + 1]
        if word.startswith(f"{_FLAG}="):
            return word.removeprefix(f"{_FLAG}=")
    return None


def _options(content: Any) -> list[str]:
    if not isinstance(content, dict):
        raise OptionError(f'options are a mapping such as {{"family": "poisson"}}, found {content}')
    words: list[str] = []
    for key, value in content.items():
        flag = f"--{str(key).lstrip('-').replace('_', '-')}"
        if flag == _FLAG:
            raise OptionError("a file of options names no other; write all options into one file")
        for one in value if isinstance(value, list) else [value]:
            words += _words(flag, one)
    return words


def _words(flag: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [flag] if value else [f"--no-{flag.removeprefix('--')}"]
    if isinstance(value, str | int | float):
        return [f"{flag}={value}"]
    raise OptionError(
        f"{flag} is a text, a number, true, false or a list of these in a file of options, found "
        f"{shown(value)}"
    )
