"""Calls of public functions: an argument that is not there is answered with the one that is.

The decorators leave name, signature and documentation of a function as they are, for readers
and for type checkers; what they add runs only before a call that Python would refuse.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import numbers
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, cast

from mixcheck.arguments.foreign_names import find_answer, plain_name
from mixcheck.arguments.options import shown, tell_renamed
from mixcheck.errors import UnknownArgumentError

__all__ = ["answer_calls", "answer_methods"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

# Arguments that were called otherwise in the version before, of every function that has them.
_FORMER = {"colour": "color"}
# Of the version before: intervals had one minus their confidence.
_ALPHA, _LEVEL = "alpha", "level"
# Of the version before: so many refits are now so many draws, calibrated by refits.
_REFITS = "refits"
_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def answer_calls(function: Callable[P, R], *, verb: str = "") -> Callable[P, R]:
    """Answer arguments that a function does not have with an error that says what to write.

    Parameters
    ----------
    function : callable
    verb : str, optional
        How users call it, where that is not its name.

    Examples
    --------
    >>> @answer_calls
    ... def fit(formula: str, *, zi: str = "") -> str:
    ...     return zi
    >>> fit("y ~ x", ziformula="~ 1")
    Traceback (most recent call last):
        ...
    mixcheck.errors.UnknownArgumentError: fit() has no argument ziformula=; write zi="~ 1".
    """
    known_as = verb or function.__name__
    constructs = function.__name__ == "__init__"
    parameters = inspect.signature(function).parameters
    positional = [p.name for p in parameters.values() if p.kind in _BY_POSITION]
    method = bool(positional) and positional[0] in ("self", "cls")
    kinds = {p.kind for p in parameters.values()}
    open_names = inspect.Parameter.VAR_KEYWORD in kinds
    most = None if inspect.Parameter.VAR_POSITIONAL in kinds else len(positional)
    named = frozenset(
        p.name for p in parameters.values() if p.kind is not inspect.Parameter.POSITIONAL_ONLY
    )
    offered = tuple(
        p.name
        for p in parameters.values()
        if p.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    )[1 if method else 0 :]
    needed = frozenset(
        p.name
        for p in parameters.values()
        if p.default is inspect.Parameter.empty
        and p.kind in (*_BY_POSITION, inspect.Parameter.KEYWORD_ONLY)
    )

    has_level = _LEVEL in parameters and parameters[_LEVEL].kind is inspect.Parameter.KEYWORD_ONLY

    def require(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        _read_former(kwargs, named, has_level=has_level)
        given = kwargs.keys()
        name = type(args[0]).__name__ if constructs and args else known_as
        if not given <= named:
            strange = [key for key in given if key not in named]
            if not open_names or any(find_answer(key, name, offered) for key in strange):
                raise UnknownArgumentError(_unknown(name, strange, offered, open_names))
        if most is not None and len(args) > most:
            raise UnknownArgumentError(_too_many(name, args, positional, offered, method))
        absent = needed.difference(positional[: len(args)], given)
        if absent:
            raise UnknownArgumentError(_absent(name, [p for p in offered if p in absent], offered))
        if given and not given.isdisjoint(positional[: len(args)]):
            twice = next(p for p in positional[: len(args)] if p in given)
            raise UnknownArgumentError(
                f"{name}() was given {twice} twice, by position and by name; write it once."
            )

    # What has parameters of its own, and not those of what it wraps, refuses all that is wrong.
    strict = not open_names and not hasattr(function, "__wrapped__")

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if strict:
            try:
                return function(*args, **kwargs)
            except TypeError as error:
                refused = error.__traceback__ is not None and error.__traceback__.tb_next is None
                if not refused:  # it comes from within the function
                    raise
        require(args, kwargs)
        return function(*args, **kwargs)

    # The globals of the function, so that it belongs to its own module for whoever looks.
    made = FunctionType(
        call.__code__,
        cast(FunctionType, function).__globals__,
        function.__name__,
        None,
        call.__closure__,
    )
    return cast("Callable[P, R]", functools.wraps(function)(made))


def _read_former(kwargs: dict[str, Any], named: frozenset[str], *, has_level: bool) -> None:
    """Read arguments of the version before as what they are called today."""
    for old, new in _FORMER.items():
        if old in kwargs and old not in named and new in named and new not in kwargs:
            tell_renamed(f"{old}=", f"{new}=")
            kwargs[new] = kwargs.pop(old)
    if has_level and _ALPHA in kwargs and _ALPHA not in named:
        _read_alpha(kwargs)
    if _REFITS in kwargs and "calibration" in named:
        _read_refits(kwargs)


def _read_alpha(kwargs: dict[str, Any]) -> None:
    """Read ``alpha=``, an argument of the version before, as the confidence of today."""
    alpha = kwargs.pop(_ALPHA)
    if isinstance(alpha, numbers.Real) and not isinstance(alpha, bool):
        level: object = round(1.0 - float(alpha), 15)
    else:
        level = alpha
    tell_renamed(f"{_ALPHA}={shown(alpha)}", f"{_LEVEL}={shown(level)}")
    kwargs.setdefault(_LEVEL, level)


def _read_refits(kwargs: dict[str, Any]) -> None:
    """Read ``refits=``, an argument of the version before, as what it means today."""
    count = kwargs.pop(_REFITS)
    if count is None or (isinstance(count, int) and count == 0):
        tell_renamed(f"{_REFITS}={shown(count)}", 'calibration="plug-in"')
        kwargs.setdefault("calibration", "plug-in")
        return
    tell_renamed(f"{_REFITS}={shown(count)}", f'calibration="refit", draws={shown(count)}')
    kwargs.update(calibration="refit", draws=count)


def answer_methods(cls: type[T]) -> type[T]:
    """Answer the calls of a class, and of every public method that it defines itself."""
    for name, member in list(vars(cls).items()):
        if name == "__init__" and isinstance(member, FunctionType):
            setattr(cls, name, answer_calls(member, verb=cls.__name__))
        elif name.startswith("_"):
            continue
        elif isinstance(member, FunctionType):
            setattr(cls, name, answer_calls(member))
        elif isinstance(member, classmethod | staticmethod):
            setattr(cls, name, type(member)(answer_calls(member.__func__)))
    return cls


def _unknown(name: str, strange: Iterable[str], offered: tuple[str, ...], more: bool) -> str:
    """One sentence for all arguments that are not there."""
    known: dict[str, list[str]] = {}
    for key in strange:
        answer = find_answer(key, name, offered) or _near(key, offered)
        if answer or not more:
            known.setdefault(answer or _listed(name, offered), []).append(shown(key)[1:-1])
    (keys, answer), *rest = [("=, ".join(keys), answer) for answer, keys in known.items()]
    if not rest:
        return f"{name}() has no argument {keys}=; {answer}."
    parts = [f"{keys}= ({answer})" for keys, answer in [(keys, answer), *rest]]
    return f"{name}() has no arguments {', '.join(parts)}."


def _near(key: str, offered: tuple[str, ...]) -> str:
    """The argument that is meant, if only its spelling is another."""
    folded = {plain_name(p): p for p in offered}
    near = difflib.get_close_matches(plain_name(key), folded, n=1, cutoff=0.75)
    return f"write {folded[near[0]]}=" if near else ""


def _listed(name: str, offered: tuple[str, ...]) -> str:
    if not offered:
        return f"{name}() takes none"
    *first, last = (f"{p}=" for p in offered)
    return f"it takes {', '.join(first)} and {last}" if first else f"it takes {last} only"


def _too_many(
    name: str,
    args: tuple[Any, ...],
    positional: list[str],
    offered: tuple[str, ...],
    method: bool,
) -> str:
    skip = 1 if method else 0
    taken = positional[skip:]
    extra = shown(args[len(positional)])
    by_name = [p for p in offered if p not in taken]
    places = f"{' and '.join(taken)} by position" if taken else "nothing by position"
    answer = find_answer("*", name, offered)
    if not answer:
        answer = f"write the others by name, such as {by_name[0]}=" if by_name else "leave it out"
    return f"{name}() takes {places}, and was given {extra} after that; {answer}."


def _absent(name: str, absent: list[str], offered: tuple[str, ...]) -> str:
    given = "" if offered[0] in absent else ".., "
    how = ", ".join(f"{p}=.." for p in absent)
    return f"{name}() needs {' and '.join(absent)}; write {name}({given}{how})."
