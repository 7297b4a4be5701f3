"""Ways of estimating by their names, and their options as arguments of a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from mixcheck.errors import OptionError
from mixcheck.fitting.estimation.pql import PQL
from mixcheck.fitting.likelihood.approximation import Method
from mixcheck.fitting.likelihood.laplace import HessianKind, Laplace, Profiled
from mixcheck.fitting.likelihood.quadrature import GaussHermite
from mixcheck.options import as_whole, require_choice, require_flag, shown

__all__ = ["MethodName", "read_method"]

MethodName = Literal["laplace", "agq", "profiled", "pql"]

_METHODS: Mapping[str, type[Method]] = {
    cls.spelling: cls for cls in (Laplace, GaussHermite, Profiled, PQL)
}
_MOST_NODES = 201


def read_method(
    method: str = "laplace",
    *,
    nodes: object = "auto",
    hessian: object = "observed",
    reml: object = False,
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
        )
        if value != default
    }
    for option, value in given.items():
        if option not in chosen.takes and not (option == "nodes" and value == 1):
            raise OptionError(chosen.refusals.get(option, _refuse(option, value, method)))
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


def _refuse(option: str, value: object, method: str) -> str:
    if option == "nodes":
        return f'nodes={value} needs quadrature; write method="agq" too, or leave nodes out'
    return (
        f"{option}={shown(value)} belongs to the Laplace approximation; leave it out with {method}"
    )
