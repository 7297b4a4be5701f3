"""A model whose rows lie in parts: each part sees its rows, and is asked where it is held."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from mixcheck.port.asking import Asked
from mixcheck.port.data_view import Conditioning
from mixcheck.port.estimates import ConvergenceFacts, Estimated

__all__ = ["Divided", "Parts", "SeenInParts", "parts_of"]

Answer = TypeVar("Answer")


class SeenInParts(Protocol):
    """Some data sets, of each of which every part sees its rows."""

    @property
    def numbers(self) -> Sequence[int]:
        """Which of the data sets asked for there are."""
        ...

    @property
    def failures(self) -> Mapping[int, str]:
        """Why others are not, by their numbers."""
        ...

    def ask(self, question: Callable[..., Answer], *args: Any) -> list[Answer]:
        """The answers of the parts that have rows, in their order.

        Parameters
        ----------
        question : callable
            ``question(model, seen, *args)`` is sent to where the parts are held, and asked of the
            model of each part, which is `Checkable`, and of what it sees of each data set: a
            sequence of `DataView`.
        args
            What is sent along.
        """
        ...


@runtime_checkable
class Parts(Estimated, Protocol, metaclass=Asked):
    """A model whose rows lie in parts."""

    @property
    def nobs(self) -> int:
        """Number of rows of all parts."""
        ...

    @property
    def n_parts(self) -> int:
        """Number of parts, those without rows too."""
        ...

    @property
    def together(self) -> int:
        """How many data sets are best seen together."""
        ...

    @property
    def description(self) -> Mapping[str, str | int | float | bool | None]:
        """What the model is, for a report."""
        ...

    @property
    def discrete(self) -> bool:
        """Whether the response has probability masses."""
        ...

    @property
    def fits_variance(self) -> bool:
        """Whether the mean squared residual is what the model was fitted to."""
        ...

    @property
    def fits_frequencies(self) -> bool:
        """Whether the model was fitted to how often each value occurs."""
        ...

    @property
    def convergence(self) -> ConvergenceFacts:
        """Where the optimiser stopped."""
        ...

    @property
    def reason_for_no_step(self) -> str:
        """Why no Newton step leads from the estimates to those of other data, or ""."""
        ...

    def observe_parts(self, conditioning: Conditioning, seed: int) -> SeenInParts:
        """The observed data: one data set."""
        ...

    def replicate_parts(
        self, numbers: range, conditioning: Conditioning, seed: int, *, one_step: bool
    ) -> SeenInParts:
        """Replicate data sets by their numbers, seen by these estimates or one step from them.

        Each has a random stream for each part, so that who holds the parts moves no number; the
        first part has that of a model in one piece.
        """
        ...


class Divided(Protocol):
    """A model for which no place holds all rows, with an object that asks its parts."""

    def __mixcheck_parts__(self) -> Parts:
        """An object with the methods of `Parts`."""
        ...


def parts_of(model: object) -> Parts | None:
    """What asks the parts of a model; None where its rows are in one place."""
    given: Any = getattr(type(model), "__mixcheck_parts__", None)
    found: Parts | None = None if given is None else given(model)
    return found
