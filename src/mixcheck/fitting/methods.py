"""Ways of estimating by their names, and their options as arguments of a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from mixcheck.errors import OptionError
from mixcheck.fitting.estimation.pql import PQL
from mixcheck.fitting.likelihood.approximation import Method
from mixcheck.fitting.likelihood.importance import Importance
from mixcheck.fitting.likelihood.laplace import HessianKind, Laplace, Profiled
from mixcheck.fitting.likelihood.quadrature import GaussHermite
from mixcheck.options import as_whole, require_choice, require_flag, require_seed, shown

__all__ = ["MethodName", "read_method"]

MethodName = Literal["laplace", "agq", "importance", "profiled", "pql"]

_METHODS: Mapping[str, type[Method]] = {
    cls.spelling: cls for cls in (Laplace, GaussHermite, Importance, Profiled, PQL)
}
# Whose an option is.
_OWNERS = {
    "nodes": ("quadrature", GaussHermite.spelling),
    "draws": ("importance sampling", Importance.spelling),
    "seed": ("importance sampling", Importance.spelling),
}
_MOST_NODES = 201
_FEWEST_DRAWS, _MOST_DRAWS = 64, 2**20


def read_method(
    method: str = "laplace",
    *,
    nodes: object = "auto",
    hessian: object = "observed",
    reml: object = False,
    draws: object = None,
    seed: object = None,
) -> Method:
    """The way of estimating that the arguments of a call ask for.

    Raises
    ------
    OptionError
        For an unknown method or value, and for an option that does not belong to the method.
    """
    require_choice("hessian", hessian, get_args(HessianKind))
    chosen = _METHODS[require_choice("method", method, get_args(MethodName))]
    require_flag("reml", reml)
    given: dict[str, Any] = {
        option: value
        for option, value, default in (
            ("hessian", hessian, "observed"),
            ("nodes", _read_nodes(nodes), None),
            ("reml", reml, False),
            ("draws", _read_draws(draws), None),
            ("seed", require_seed(seed), None),
        )
        if value != default
    }
    for option, value in given.items():
        if option not in chosen.takes and not (option == "nodes" and value == 1):
            raise OptionError(chosen.refusals.get(option) or _refuse(option, value, method))
    taken = {chosen.takes[option]: v for option, v in given.items() if option in chosen.takes}
    if "nodes" in chosen.takes and "nodes" not in given:
        taken["settled"] = False
    return chosen(**taken)


def _read_nodes(nodes: object) -> int | None:
    """A number of nodes; None where it is to be found."""
    if isinstance(nodes, str) and nodes == "auto":
        return None
    whole = as_whole(nodes)
    if whole is None or not 1 <= whole <= _MOST_NODES:
        raise OptionError(
            f'nodes={shown(nodes)} must be a whole number from 1 to {_MOST_NODES}, or "auto"'
        )
    return whole


def _read_draws(draws: object) -> int | None:
    """A number of draws; None where it is not given."""
    if draws is None:
        return None
    whole = as_whole(draws)
    if whole is None or whole.bit_count() != 1 or not _FEWEST_DRAWS <= whole <= _MOST_DRAWS:
        raise OptionError(
            f"draws={shown(draws)} must be a power of two from {_FEWEST_DRAWS} to {_MOST_DRAWS:,}, "
            "such as 1024: the points of a Sobol sequence are even in these numbers"
        )
    return whole


def _refuse(option: str, value: object, method: str) -> str:
    if option == "hessian":
        return f'hessian="{value}" belongs to the Laplace approximation; leave it out with {method}'
    whose, owner = _OWNERS[option]
    return f'{option}={value} needs {whose}; write method="{owner}" too, or leave {option} out'
