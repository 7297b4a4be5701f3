"""How it is asked whether a model meets a protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from abc import ABCMeta as ProtocolMeta
else:
    ProtocolMeta = type(Protocol)

__all__ = ["Asked"]


class Asked(ProtocolMeta):
    """Class of the protocols of this room: a model meets them by `__getattr__` too.

    Since Python 3.12 `isinstance` does not see what a class that stands around another model
    hands on by ``__getattr__``. Here it is seen on every Python.

    Examples
    --------
    >>> from mixcheck.port import Noted
    >>> class Quiet:
    ...     notes = ()
    >>> class Around:
    ...     def __getattr__(self, name):
    ...         return getattr(Quiet(), name)
    >>> isinstance(Around(), Noted)
    True
    """

    def __instancecheck__(self, instance: object) -> bool:
        """Whether a model has what this protocol asks."""
        if super().__instancecheck__(instance):
            return True
        if Protocol not in self.__bases__ or not hasattr(type(instance), "__getattr__"):
            return False
        asked = (name for name in dir(self) if not name.startswith("_"))
        return all(self._has(instance, name) for name in asked)

    def _has(self, instance: object, name: str) -> bool:
        # A method set to None is one that the model says it has not.
        if callable(getattr(self, name)):
            return getattr(instance, name, None) is not None
        return hasattr(instance, name)
