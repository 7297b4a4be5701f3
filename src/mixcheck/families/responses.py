"""Responses as a family takes them: numbers in its support, or one sentence on those outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mixcheck.arguments.alignment import read_numbers
from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.errors import DataError, FamilyError

__all__ = [
    "WHOLE_TOLERANCE",
    "Observed",
    "SupportError",
    "read_response",
    "refuse_size",
    "require_support",
    "require_whole",
]

WHOLE_TOLERANCE = 1e-8
"""A count off a whole number by less, relatively, is taken as that number (k / n * n)."""


@dataclass(frozen=True, eq=False)
class Observed:
    """A response prepared once for a family.

    Attributes
    ----------
    y : (n,) array
        Counts of successes, counts, or reals.
    size : (n,) array or None
        Numbers of trials; binomial families only.
    constant : (n,) array
        The part of the log density that is free of every parameter.
    """

    y: FloatArray
    size: FloatArray | None
    constant: FloatArray

    @cached_property
    def largest(self) -> float:
        """The largest response; zero where none is positive."""
        return float(self.y.max(initial=0.0))

    @cached_property
    def trials(self) -> FloatArray | None:
        """Numbers of trials; None where each is one, which says the same sooner."""
        size = self.size
        single = size is None or bool(size.min(initial=1.0) == 1.0 == size.max(initial=1.0))
        return None if single else size

    def rows(self, some: IntArray | slice) -> Observed:
        """Those of some rows."""
        size = None if self.size is None else self.size[some]
        return Observed(self.y[some], size, self.constant[some])

    def with_rows(self, some: IntArray, other: Observed) -> Observed:
        """The same, with other responses in some rows; numbers of trials stay."""
        y, constant = self.y.copy(), self.constant.copy()
        y[some], constant[some] = other.y, other.constant
        return Observed(y, self.size, constant)

    def tiled(self, copies: int) -> Observed:
        """The same several times, one after the other."""
        size = None if self.size is None else np.concatenate([self.size] * copies)
        y, constant = np.concatenate([self.y] * copies), np.concatenate([self.constant] * copies)
        return Observed(y, size, constant)


def read_response(values: ArrayLike, what: str) -> FloatArray:
    """One-dimensional finite floats, or a `FamilyError` that names the rows at fault."""
    try:
        y = read_numbers(values, f"The {what}")
    except DataError as error:
        raise FamilyError(str(error)) from error
    if y.ndim != 1:
        raise FamilyError(f"The {what} must be one column; found an array of shape {y.shape}.")
    require_support(
        np.isfinite(y), y, f"The {what} must be finite", "Drop the rows or correct the values."
    )
    return y


def require_support(allowed: BoolArray, y: FloatArray, fact: str, instead: str) -> None:
    """Raise a `FamilyError` unless every row is allowed.

    Parameters
    ----------
    allowed : (n,) bool array
    y : (n,) array
    fact : str
        What is required, without its full stop.
    instead : str
        What the caller can write, a full sentence.
    """
    if allowed.all():
        return
    raise SupportError(fact, instead, y, np.flatnonzero(~allowed))


class SupportError(FamilyError):
    """Responses outside the support of a family, by their positions or by other names.

    Parameters
    ----------
    fact : str
        What is required, without its full stop.
    instead : str
        What the caller can write, a full sentence.
    y : (n,) array
    rows : (k,) array
        Positions of the responses at fault.
    """

    def __init__(self, fact: str, instead: str, y: FloatArray, rows: IntArray) -> None:
        self.fact, self.instead, self.y, self.rows = fact, instead, y, rows
        super().__init__(self._sentence(lambda i: f"at position {i}", " (positions from 0)"))

    def reordered(self, order: IntArray) -> SupportError:
        """The same of responses of which row k stood at ``order[k]``."""
        y = np.empty_like(self.y)
        y[order] = self.y
        return SupportError(self.fact, self.instead, y, np.sort(order[self.rows]))

    def named(self, name_row: Callable[[int], str]) -> FamilyError:
        """The same with rows by the names that their owner gave them."""
        return FamilyError(self._sentence(lambda i: f"in {name_row(i)}", ""))

    def _sentence(self, name_row: Callable[[int], str], note: str) -> str:
        told = ", ".join(f"{float(self.y[i]):g} {name_row(i)}" for i in self.rows[:3].tolist())
        more = ", .." if self.rows.size > 3 else ""
        return (
            f"{self.fact}; {self.rows.size} of {self.y.size} rows are not: {told}{more}{note}. "
            f"{self.instead}"
        )

    def __reduce__(self) -> tuple[type[FamilyError], tuple[str]]:
        # As it reads, so that a worker can send it.
        return FamilyError, (str(self),)


def require_whole(y: FloatArray, fact: str, instead: str) -> FloatArray:
    """Counts rounded from floating-point error; a `FamilyError` where not whole and >= 0."""
    whole = np.rint(y)
    if np.array_equal(whole, y) and whole.min(initial=0.0) >= 0.0:
        return whole + 0.0
    near = np.abs(y - whole) <= WHOLE_TOLERANCE * np.maximum(1.0, np.abs(y))
    require_support(near & (whole >= 0.0), y, fact, instead)
    return whole + 0.0


def refuse_size(family: str, size: Any) -> None:
    """Raise a `FamilyError` if trials were given to a family that has none."""
    if size is not None:
        raise FamilyError(
            f"The {family} family has no number of trials; found size. "
            'Leave it out, or write family="binomial" for successes out of trials.'
        )
