"""The way in: the object of a model that has the methods of the protocols."""

from __future__ import annotations

import inspect
from typing import Any, Protocol

__all__ = ["Ported", "asked_words", "port_of"]


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
    ``__mixcheck_port__()``, as `mixcheck.GLMM` does; any other model is its own port.

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
    given = getattr(type(model), "__mixcheck_port__", None)
    return model if given is None or isinstance(model, type) else given(model)
