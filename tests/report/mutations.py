"""Reports that are not exactly right: seeded mutations of the JSON of a good one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

# What takes the place of a value: other types, other sizes, and what other programs write.
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    10**30,
    10**400,
    1.5,
    1e308,
    -1e-308,
    "",
    "inf",
    "-inf",
    "nan",
    "x",
    "\ud800",
    "\x00\x1b[31m",
    "<script>",
    "a" * 3000,
    [],
    {},
    [None],
    [[1.0]],
    {"number": 1.0},
    {"number": "inf"},
    {"dtype": "U10000000", "values": []},
    {"dtype": "O", "values": [1]},
    {"dtype": "V8", "values": []},
    {"dtype": "M8[ns]", "values": [1]},
    {"dtype": "float64", "values": [1e308, -1e308, "inf", None]},
    {"dtype": "int64", "values": [2**63]},
    {"dtype": "bool", "values": [1]},
)


MARKS = '\x00"{[}]:,\ud800 9'


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of everything within a value of JSON; long lists by their first items."""
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value[:8]):
            yield from _places(item, (*path, index))


def _holder(content: Any, path: tuple[Any, ...]) -> Any:
    for step in path[:-1]:
        content = content[step]
    return content


def _replace(content: Any, path: tuple[Any, ...], rng: np.random.Generator) -> Any:
    odd = ODD[rng.integers(len(ODD))]
    if not path:
        return odd
    _holder(content, path)[path[-1]] = odd
    return content


def _remove(content: Any, path: tuple[Any, ...], rng: np.random.Generator) -> Any:
    if path:
        del _holder(content, path)[path[-1]]
    return content


def _swap(content: Any, path: tuple[Any, ...], rng: np.random.Generator) -> Any:
    """Another value of the same report in this place."""
    places = list(_places(content))
    other = places[rng.integers(len(places))]
    value = content
    for step in other:
        value = value[step]
    value = json.loads(json.dumps(value))
    if not path:
        return value
    _holder(content, path)[path[-1]] = value
    return content


def _add(content: Any, path: tuple[Any, ...], rng: np.random.Generator) -> Any:
    value = content
    for step in path:
        value = value[step]
    if isinstance(value, dict):
        value["unexpected"] = ODD[rng.integers(len(ODD))]
    elif isinstance(value, list):
        value.append(ODD[rng.integers(len(ODD))])
    return content


_CHANGES: tuple[Callable[[Any, tuple[Any, ...], np.random.Generator], Any], ...] = (
    _replace,
    _replace,
    _replace,
    _remove,
    _swap,
    _add,
)


def _damage(text: str, rng: np.random.Generator) -> str:
    """A text cut, doubled, nested or with a character changed."""
    start = int(rng.integers(len(text)))
    kind = rng.integers(5)
    if kind == 0:
        return text[:start]
    if kind == 1:
        return text[start:]
    if kind == 2:
        return text[:start] + MARKS[rng.integers(len(MARKS))] + text[start + 1 :]
    if kind == 3:
        return text[:start] + text[max(0, start - 50) :]
    depth = int(10 ** rng.integers(1, 6))
    return "[" * depth + text + "]" * depth


def mutations(text: str, number: int, seed: int) -> Iterator[str]:
    """Some texts that were once the report given."""
    rng = np.random.default_rng(seed)
    for _ in range(number):
        if rng.random() < 0.15:
            yield _damage(text, rng)
            continue
        content = json.loads(text)
        for _ in range(int(rng.integers(1, 4))):
            places = list(_places(content))
            path = places[rng.integers(len(places))]
            content = _CHANGES[rng.integers(len(_CHANGES))](content, path, rng)
        yield json.dumps(content)
