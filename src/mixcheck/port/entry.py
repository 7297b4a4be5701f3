"""The way in: the object of a model that has the methods of the protocols."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

__all__ = ["Adapter", "Ported", "asked_words", "port_of", "register_adapter"]

Adapter: TypeAlias = Callable[[Any], Any]
"""Takes an object of another package to its port, or raises a `MixcheckError` that says why not."""

_ADAPTERS: dict[str, Adapter] = {}


class Ported(Protocol):
    """A model whose port is an object of its own."""

    def __mixcheck_port__(self) -> Any:
        """An object with the methods of protocols of `mixcheck.port`."""
        ...


def asked_words(protocol: type) -> str:
    """What a protocol asks a model to be, within a sentence.

    Examples
    --------
    >>> from mixcheck.port import Refittable
    >>> asked_words(Refittable)
    'a model that can be fitted again to another response'
    """
    words = (inspect.getdoc(protocol) or protocol.__name__).partition("\n")[0]
    return words[:1].lower() + words[1:].rstrip(".")


def port_of(model: object) -> Any:
    """The port of a fitted model: the object with the methods of the protocols here.

    A class whose own names are for its users hands its port out by a method
    ``__mixcheck_port__()``, as `mixcheck.GLMM` does. An object of a package with an adapter
    (`register_adapter`) has what that makes of it; any other model is its own port.

    Parameters
    ----------
    model : object
        Anything; whether it meets a protocol is asked of what comes back.

    Returns
    -------
    object

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    >>> round(port_of(fit).conditional_llf, 2)
    -78.71
    """
    if isinstance(model, type):
        return model
    given = getattr(type(model), "__mixcheck_port__", None) or _adapter_of(type(model))
    return model if given is None else given(model)


def register_adapter(package: str, adapter: Adapter) -> None:
    """Say how objects of another package become models here.

    Parameters
    ----------
    package : str
        Name of the top-level package in whose modules the classes are; subclasses elsewhere count.
        It is not imported.
    adapter : callable
        Takes such an object to its port, whose methods are those of protocols in `mixcheck.port`.

    Examples
    --------
    >>> import fractions
    >>> register_adapter("fractions", lambda number: f"the port of {number}")
    >>> port_of(fractions.Fraction(1, 2))
    'the port of 1/2'
    """
    _ADAPTERS[package] = adapter


def _adapter_of(kind: type) -> Adapter | None:
    packages = (known.__module__.partition(".")[0] for known in kind.__mro__)
    return next((_ADAPTERS[name] for name in packages if name in _ADAPTERS), None)
