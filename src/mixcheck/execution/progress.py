"""How far work is: told to a function of the caller, or shown as one bar with the time left."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

from mixcheck.arguments.options import require_progress, shown
from mixcheck.errors import MixcheckError, OptionError

__all__ = ["Progress", "Reporter", "reporter"]

Progress: TypeAlias = Callable[[int, int], Any] | bool | None

# What a mistake in a function raises; whoever wants to stop the work raises something else.
_MISTAKES = (ArithmeticError, AttributeError, LookupError, NameError, TypeError, ValueError)
_LAYOUT = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt} of {total_fmt} [{elapsed}, {remaining} left]"


class _Bar(Protocol):
    total: float | None
    n: float
    leave: bool | None

    def update(self, n: float) -> Any: ...

    def close(self) -> None: ...


class Reporter(AbstractContextManager["Reporter"]):
    """What is told how far the work is, ``report(done, total)``; its end closes the bar."""

    def __init__(self, tell: Callable[[int, int], Any] | None, bar: _Bar | None) -> None:
        self._tell = tell
        self._bar = bar

    def __call__(self, done: int, total: int) -> None:
        """So much of so much is done."""
        if self._tell is not None:
            self._tell(done, total)
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)

    def onward(self, start: int, total: int) -> Callable[[int, int], None]:
        """Progress of what begins after `start` of `total`, as that of all."""
        return lambda done, _: self(start + done, total)

    def __exit__(self, *error: object) -> None:
        """The bar stays as it is."""
        if self._bar is not None:
            # Of nothing nothing stays.
            self._bar.leave = self._bar.total is not None
            self._bar.close()


def reporter(progress: Progress, what: str) -> Reporter:
    """A bar that counts `what`, the function of the caller, or nobody."""
    chosen = require_progress(progress)
    if isinstance(chosen, bool):
        return Reporter(None, _draw_bar(what) if chosen else None)
    return Reporter(_answered(chosen), None)


def _answered(progress: Callable[[int, int], Any]) -> Callable[[int, int], Any]:
    """The caller's function, whose mistakes are told as such; other exceptions stop the work."""

    def report(done: int, total: int) -> None:
        try:
            progress(done, total)
        except MixcheckError:
            raise
        except _MISTAKES as error:
            raise OptionError(
                f"the function given as progress raised {type(error).__name__}: "
                f"{shown(str(error))}; it is called as progress(done, total)"
            ) from error

    return report


def _draw_bar(what: str) -> _Bar:
    # Imported only to be shown: it takes a tenth of a second, which most calls need not spend.
    with warnings.catch_warnings():
        # A notebook without widgets has the bar of a terminal, and needs no advice.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    # The time left is by the mean rate so far: work comes in blocks, after which the last rate
    # says little. Nothing is shown before the first block, when the total is known.
    bar: _Bar = tqdm(desc=what, bar_format=_LAYOUT, smoothing=0.0, delay=1e-9, dynamic_ncols=True)
    return bar
