"""Arguments where they enter: what is allowed, and one sentence where it was something else.

Each function gives the argument back in the type that the code behind it works with, or raises
an `OptionError` that names the argument, what was found and what to write. Nothing here looks
into an array for its truth, so that an argument of any type ends in the same sentence.
"""

from __future__ import annotations

import math
import numbers
import operator
import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from mixcheck.errors import OptionError, RenamedWarning
from mixcheck.notices import warn

__all__ = [
    "as_items",
    "as_whole",
    "listed",
    "require_choice",
    "require_draws",
    "require_flag",
    "require_generator",
    "require_number",
    "require_path",
    "require_progress",
    "require_seconds",
    "require_seed",
    "require_text",
    "require_whole",
    "require_workers",
    "shown",
    "tell_renamed",
]

# Longer values than this are cut in a message.
_MOST_SHOWN = 60
_MOST_DRAWS = 100_000_000
_NOTHING: Mapping[str, str] = MappingProxyType({})
_PLAIN = (str, bytes, bool, int, float, complex, np.generic, type(None))
_CONTAINERS = (list, tuple, set, frozenset, dict)


def shown(value: object) -> str:
    """A value as a message quotes it: on one line, short, without control characters.

    Numbers, text and small containers of them are written out; of anything else the type is
    named, and the shape where it has one.

    Examples
    --------
    >>> shown("poison"), shown([1, 2]), shown(np.zeros((3, 2)))
    ("'poison'", '[1, 2]', 'ndarray of shape (3, 2)')
    """
    if isinstance(value, np.ma.core.MaskedConstant):
        return "a masked value"
    if isinstance(value, np.generic):
        value = value.item() if value.dtype.kind in "biufc" else str(value)
    if _is_plain(value):
        try:
            return _cut(_printable(repr(value)))
        except ValueError:  # a whole number of more digits than Python writes
            return "a whole number of thousands of digits"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{type(value).__name__} of shape {shape}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, _CONTAINERS):
        return f"{type(value).__name__} of {len(value)}"
    name = getattr(value, "__name__", None)
    if callable(value) and isinstance(name, str):
        return f"the function {_cut(_printable(name))}"
    return type(value).__name__


def _is_plain(value: object) -> bool:
    if isinstance(value, _PLAIN):
        return True
    if not isinstance(value, _CONTAINERS) or len(value) > 10:
        return False
    parts = [*value.keys(), *value.values()] if isinstance(value, dict) else list(value)
    return all(isinstance(part, _PLAIN) for part in parts)


def _printable(text: str) -> str:
    """The text with what a terminal would act on, or cannot show, as escapes."""
    return "".join(
        c if unicodedata.category(c)[0] != "C" else c.encode("unicode_escape").decode("ascii")
        for c in text
    )


def _cut(text: str) -> str:
    if len(text) <= _MOST_SHOWN:
        return text
    quote = text[-1] if text[-1] in "'\"" else ""
    return f"{text[: _MOST_SHOWN - 3]}..{quote}"


def as_whole(value: object) -> int | None:
    """A whole number of any storage as an int; None for anything else."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:  # a time difference of NumPy is stored as a whole number
        return None


def as_items(value: object) -> tuple[Any, ...] | None:
    """What a collection holds; None for text, and for what holds nothing that can be gone through.

    An array without axes calls itself a collection, and is none.

    Examples
    --------
    >>> as_items(["x", "z"]), as_items("x"), as_items(np.array("x"))
    (('x', 'z'), None, None)
    """
    if isinstance(value, str | bytes):
        return None
    try:
        items = iter(value)  # type: ignore[call-overload] # that is the question
    except TypeError:
        return None
    return tuple(items)


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names after each other, and of many the first ones and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c", "d"], most=3)
    'a, b, c and 1 more'
    """
    first = ", ".join(map(_cut, names[:most]))
    return f"{first} and {len(names) - most} more" if len(names) > most else first


def tell_renamed(old: str, new: str) -> None:
    """Warn that a word of the version before is read for the last time, and say what to write."""
    warn(f"{old} is called {new} now, and is read for the last time; write {new}", RenamedWarning)


def require_choice(
    name: str,
    value: object,
    allowed: Sequence[str],
    hint: str = "",
    *,
    former: Mapping[str, str] = _NOTHING,
) -> str:
    """One of some words; of those of the version before (`former`) the word of today.

    Examples
    --------
    >>> require_choice("scale", "response", ("response", "link"))
    'response'
    """
    if isinstance(value, str) and value in allowed:
        return str(value)
    if isinstance(value, str) and value in former:
        tell_renamed(f"{name}={str(value)!r}", f"{name}={former[value]!r}")
        return former[value]
    *first, last = map(repr, allowed)
    words = f"{', '.join(first)} or {last}" if first else last
    raise OptionError(f"{name}={shown(value)} is unknown; write {words}{hint}")


def require_flag(name: str, value: object) -> bool:
    """True or False."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise OptionError(f"{name}={shown(value)} must be True or False")


def require_text(name: str, value: object, example: str) -> str:
    """A text, such as the example."""
    if isinstance(value, str):
        return str(value)
    raise OptionError(f"{name} must be a text, such as {example!r}; found {shown(value)}")


def require_whole(name: str, value: object, least: int = 1, most: int | None = None) -> int:
    """A whole number from `least`, up to `most` where there is one.

    Examples
    --------
    >>> require_whole("draws", 100)
    100
    """
    whole = as_whole(value)
    if whole is not None and whole >= least and (most is None or whole <= most):
        return whole
    span = f"of at least {least}" if most is None else f"from {least} to {most}"
    example = max(least, 1)
    raise OptionError(
        f"{name} must be a whole number {span}, such as {name}={example}; found {shown(value)}"
    )


def require_draws(draws: object, least: int = 1) -> int:
    """A number of random draws or data sets, from `least` up to a hundred million.

    Examples
    --------
    >>> require_draws(999)
    999
    """
    return require_whole("draws", draws, least, _MOST_DRAWS)


def require_number(
    name: str,
    value: object,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    example: float,
    ends: bool = False,
) -> float:
    """A finite number between two limits; `ends` says whether it may be one of them.

    Examples
    --------
    >>> require_number("alpha", 0.05, 0.0, 1.0, example=0.05)
    0.05
    """
    if isinstance(value, numbers.Real) and not isinstance(value, bool | np.timedelta64):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        inside = low <= number <= high if ends else low < number < high
        if math.isfinite(number) and inside:
            return number
    if math.isfinite(low) and math.isfinite(high):
        span = f"a number between {low:g} and {high:g}"
    elif low == 0.0:
        span = "a positive number"
    else:
        span = f"a number above {low:g}" if math.isfinite(low) else "a finite number"
    raise OptionError(f"{name} must be {span}, such as {name}={example:g}; found {shown(value)}")


def require_seed(value: object) -> int | None:
    """A seed: a whole number from 0, or None for one from the operating system."""
    if value is None:
        return None
    whole = as_whole(value)
    if whole is not None and whole >= 0:
        return whole
    raise OptionError(
        f"seed must be a non-negative integer or None, found {shown(value)}; write seed=1"
    )


def require_workers(value: object, name: str = "n_jobs") -> int | None:
    """A number of workers as joblib counts them: 1, 2, .., -1 for all cores, or None."""
    if value is None:
        return None
    whole = as_whole(value)
    if whole:
        return whole
    raise OptionError(
        f"{name} must be a whole number of workers, -1 for all cores, or None; found {shown(value)}"
    )


def require_progress(value: object) -> Callable[[int, int], Any] | bool:
    """True, False, or a function of the number done and the total; None is False."""
    if value is None or isinstance(value, bool | np.bool_):
        return bool(value)
    if callable(value) and not isinstance(value, type):
        return value
    raise OptionError(
        f"progress must be True, False or a function of (done, total); found {shown(value)}"
    )


def require_seconds(value: object, name: str = "time_limit") -> float | None:
    """A positive number of seconds; None for no limit."""
    if value is None:
        return None
    try:
        return require_number(name, value, 0.0, example=60.0)
    except OptionError:
        raise OptionError(
            f"{name} must be a positive number of seconds, such as {name}=60, or None; found "
            f"{shown(value)}"
        ) from None


def require_generator(name: str, value: object) -> np.random.Generator:
    """A random generator of NumPy."""
    if isinstance(value, np.random.Generator):
        return value
    raise OptionError(
        f"{name} must be a random generator, such as numpy.random.default_rng(1); "
        f"found {shown(value)}"
    )


def require_path(name: str, value: object) -> Path:
    """The path of a file: a text that is not empty, or a path."""
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if isinstance(path, str) and path and "\0" not in path:
        return Path(path)
    raise OptionError(f"{name} must be the path of a file; found {shown(value)}")
