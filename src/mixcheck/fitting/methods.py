"""Ways of estimating by their names, and their options as arguments of a call."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, get_args

from mixcheck.arguments.options import require_choice
from mixcheck.errors import OptionError
from mixcheck.fitting.estimation.pql import PQL
from mixcheck.fitting.likelihood.approximation import Method
from mixcheck.fitting.likelihood.importance import Importance
from mixcheck.fitting.likelihood.laplace import Laplace, Profiled
from mixcheck.fitting.likelihood.quadrature import GaussHermite

__all__ = ["MethodName", "read_method"]

MethodName = Literal["laplace", "agq", "importance", "profiled", "pql"]

_METHODS: Mapping[str, type[Method]] = {
    cls.spelling: cls for cls in (Laplace, GaussHermite, Importance, Profiled, PQL)
}
_NAMES = get_args(MethodName)
_OPTIONS = {name: option for cls in _METHODS.values() for name, option in cls.takes.items()}


def read_method(method: str = "laplace", **given: object) -> Method:
    """The way of estimating that the arguments of a call ask for.

    Parameters
    ----------
    method : str
    **given
        Options of any method, by their names in `mixcheck.glmm`.

    Raises
    ------
    OptionError
        For an unknown method or value, and for an option that does not belong to the method.
    """
    try:
        return _read_known(method, tuple(given), *given.values())
    except TypeError:  # some value has no hash, and is refused
        return _read(method, given)


@lru_cache(maxsize=64, typed=True)
def _read_known(method: str, names: tuple[str, ...], *values: object) -> Method:
    """The same of arguments that can be looked up: most fits have those of the one before.

    Values are arguments themselves, since only of these are types told apart: 1 is not True.
    """
    return _read(method, dict(zip(names, values, strict=True)))


def _read(method: str, given: Mapping[str, object]) -> Method:
    chosen = _METHODS[require_choice("method", method, _NAMES)]
    read = {name: _OPTIONS[name].read(value) for name, value in given.items()}
    taken: dict[str, Any] = {}
    for name, value in read.items():
        option = _OPTIONS[name]
        if value is None:
            continue
        if name in chosen.takes:
            taken[option.attribute] = value
        elif value != option.idle:
            sentence = chosen.refusals.get(name, option.refusal)
            words = f'"{value}"' if isinstance(value, str) else value
            raise OptionError(sentence.format(value=words, method=method))
    return chosen.of(**taken)
