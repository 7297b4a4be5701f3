"""From a function that makes a picture to one that draws it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mixcheck.arguments.calls import answer_calls
from mixcheck.display.document import Picture

if TYPE_CHECKING:
    from mixcheck.display.figures import Axes

__all__ = ["drawn"]

_RETURNS = "Returns\n-------\n"
_AX = "ax : matplotlib Axes, optional\n    Where it is drawn; new ones by default."


def drawn(make: Callable[..., Picture]) -> Callable[..., Axes]:
    """The function that draws what another one makes, on the axes of its argument ``ax``."""
    parameters = inspect.signature(make).parameters
    own = inspect.Parameter("ax", inspect.Parameter.KEYWORD_ONLY, default=None)

    @functools.wraps(make)
    def plot(*arguments: Any, ax: Axes | None = None, **named: Any) -> Axes:
        # matplotlib is loaded when something is drawn.
        from mixcheck.display.figures import draw

        return draw(make(*arguments, **named), ax)

    signature = inspect.Signature([*parameters.values(), own])
    vars(plot).update(__signature__=signature)
    plot.__module__ = "mixcheck.plots"
    plot.__doc__ = _documented(make.__doc__ or "")
    del vars(plot)["__wrapped__"]
    return answer_calls(plot)


def _documented(text: str) -> str:
    """The docstring with the axes as an argument and as what is returned."""
    head, _, rest = inspect.cleandoc(text).partition(_RETURNS)
    _, _, after = rest.partition("\n\n")
    if not rest:
        return text
    returned = f"{head.rstrip()}\n{_AX}\n\n{_RETURNS}matplotlib Axes\n\n{after}"
    return returned.rstrip() + "\n"
