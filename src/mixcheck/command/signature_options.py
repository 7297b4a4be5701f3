"""Options made of the arguments of a function, so that the command cannot fall behind it.

Names are those of the arguments, what is allowed comes from their annotations, and help from the
docstring. An option that is not given is left to the function.
"""

from __future__ import annotations

import argparse
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

__all__ = ["add_options", "describe", "given", "offered"]

_LONGEST_HELP = 200
# A description that sends to another function.
_ELSEWHERE = re.compile(r"As (?:in|for) (?:[A-Z]\w+|mixcheck|joblib)\b")


def add_options(
    parser: argparse.ArgumentParser,
    function: Callable[..., Any],
    *,
    called: Mapping[str, str] | None = None,
    columns: Sequence[str] = (),
    without: Sequence[str] = (),
    described_by: Sequence[Callable[..., Any]] = (),
) -> None:
    """Add an option for each keyword of a function that has words.

    Parameters
    ----------
    parser : ArgumentParser
    function : callable
        With annotations, and a docstring in the style of numpydoc.
    called : mapping of str to str, optional
        Other names of options, where an argument of another function has the same.
    columns : sequence of str
        Arguments that are names of columns here.
    without : sequence of str
        Arguments that are asked for in another way.
    described_by : sequence of callable
        Functions whose docstrings are looked at where that of the function refers to them.
    """
    texts = [describe(one) for one in (function, *described_by)]
    defaults = inspect.signature(function).parameters
    for name, annotation in offered(function).items():
        if name in without:
            continue
        flag = (called or {}).get(name, name)
        found = (text.get(name, "") for text in texts)
        words = next((one for one in found if one and not _ELSEWHERE.match(one)), "")
        _add_option(
            parser,
            flag,
            str | None if name in columns else annotation,
            _help(words, defaults[name].default),
            "COLUMN" if name in columns else None,
        )


def offered(function: Callable[..., Any]) -> dict[str, Any]:
    """Keywords of a function whose values can be written as words, with their annotations."""
    own = inspect.unwrap(function)
    # What is returned need not be a type at run time.
    asked = {k: v for k, v in inspect.get_annotations(own).items() if k != "return"}
    hints = typing.get_type_hints(
        types.SimpleNamespace(__annotations__=asked), getattr(own, "__globals__", {})
    )
    keywords = inspect.signature(function).parameters.values()
    return {
        one.name: hints[one.name]
        for one in keywords
        if one.kind is one.KEYWORD_ONLY and _is_spoken(hints[one.name])
    }


def given(
    options: argparse.Namespace,
    function: Callable[..., Any],
    called: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
) -> dict[str, Any]:
    """Arguments of a function that were given as options, as `add_options` was asked for them."""
    names = (name for name in offered(function) if name not in without)
    named = {name: (called or {}).get(name, name) for name in names}
    held = vars(options)
    return {name: held[flag] for name, flag in named.items() if flag in held}


def describe(function: Callable[..., Any]) -> dict[str, str]:
    """The first sentence of each parameter in the docstring of a function, by name."""
    text = inspect.getdoc(function) or ""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}|\Z)", text, re.S | re.M)
    found: dict[str, str] = {}
    names: list[str] = []
    for line in (section.group(1) if section else "").splitlines():
        if line and not line.startswith(" "):
            names = [name.strip(" *") for name in line.split(" : ")[0].split(",")]
        else:
            for name in names:
                found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return {name: _first_sentence(words) for name, words in found.items()}


def _first_sentence(words: str) -> str:
    plain = re.sub(r"`+", "", words)
    return re.split(r"(?<=[a-z\])\"'\d])[.;:](?=\s|$)", plain, maxsplit=1)[0].rstrip(".")


def _help(words: str, default: object) -> str:
    told = default not in (None, (), True, False, inspect.Parameter.empty)
    text = words if words[1:2].isupper() else words[:1].lower() + words[1:]
    if len(text) > _LONGEST_HELP:
        text = text[:_LONGEST_HELP].rsplit(",", 1)[0] + " .."
    return f"{text}{f' (default: {default})' if told else ''}".strip().replace("%", "%%")


def _is_spoken(annotation: object) -> bool:
    """Whether a value of this type can be one word, or several."""
    return any(part in (str, int, float, bool) for part in _parts(annotation)) or any(
        typing.get_origin(part) is Literal for part in _parts(annotation)
    )


def _parts(annotation: object) -> tuple[Any, ...]:
    """The types of a union, or the only one."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _add_option(
    parser: argparse.ArgumentParser,
    name: str,
    annotation: object,
    words: str,
    metavar: str | None,
) -> None:
    parts, flag = _parts(annotation), f"--{name.replace('_', '-')}"
    held: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": words}
    choices = [w for p in parts if typing.get_origin(p) is Literal for w in typing.get_args(p)]
    number = next((p for p in parts if p in (int, float)), None)
    if bool in parts and number is None and str not in parts:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, **held)
    elif choices and number is None:
        parser.add_argument(flag, choices=choices, **held)
    elif choices:
        kind = _number_or_word(number, [str(word) for word in choices])
        parser.add_argument(flag, type=kind, metavar="|".join(["N", *map(str, choices)]), **held)
    elif number is not None:
        parser.add_argument(flag, type=number, metavar="N", **held)
    elif any(typing.get_origin(p) not in (None, Literal) and _is_list(p) for p in parts):
        parser.add_argument(flag, action="append", metavar=metavar or "TEXT", **held)
    else:
        parser.add_argument(flag, metavar=metavar or "TEXT", **held)


def _is_list(annotation: object) -> bool:
    origin = typing.get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, typing.cast(type, Sequence))


def _number_or_word(number: Any, words: Sequence[str]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        return text if text in words else number(text)

    read.__name__ = f"{number.__name__} or {' or '.join(words)}"
    return read
