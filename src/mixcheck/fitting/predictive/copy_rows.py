"""Numbers of the rows of several data sets that stand one after another, made when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mixcheck.arrays import FloatArray
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.predictive import Distribution

__all__ = ["CopyMasses", "CopyRows", "Masses", "Rates"]


@dataclass(frozen=True, eq=False)
class Masses:
    """Probability of a value in each row of each copy, in the order of the design, once each."""

    distribution: Distribution
    problem: Problem
    copies: int
    known: dict[float, FloatArray] = field(default_factory=dict)

    def __call__(self, k: float) -> FloatArray:
        """Of all copies, (copies, n)."""
        if k not in self.known:
            rows = self.problem.to_design(self.distribution.probability(float(k)))
            self.known[k] = rows.reshape(self.copies, -1)
        return self.known[k]


@dataclass(frozen=True, eq=False)
class CopyMasses:
    """Probability of a value in each row of one copy; it pickles."""

    masses: Masses
    copy: int

    def __call__(self, k: float) -> FloatArray:
        """Of this copy, (n,)."""
        masses: FloatArray = self.masses(k)[self.copy]
        return masses


@dataclass(frozen=True, eq=False)
class Rates:
    """Predictors at the modes and derivatives in them, of each copy, in the order of the design."""

    eta: tuple[FloatArray, ...]
    problem: Problem
    copies: int
    known: Sequence[FloatArray] | None = None

    def predictors(self, part: int) -> FloatArray:
        """One linear predictor, (copies, n)."""
        return self._eta_of_copies[part]

    def scores(self, part: int) -> FloatArray:
        """The derivative of the log density in it, (copies, n)."""
        return self._scores_of_copies[part]

    @cached_property
    def _eta_of_copies(self) -> list[FloatArray]:
        return [self._of_copies(rows) for rows in self.eta]

    @cached_property
    def _scores_of_copies(self) -> list[FloatArray]:
        first = self.problem.derivatives(self.eta, 1).first if self.known is None else self.known
        return [self._of_copies(rows) for rows in first]

    def _of_copies(self, rows: FloatArray) -> FloatArray:
        return self.problem.to_design(rows).reshape(self.copies, -1)


@dataclass(frozen=True, eq=False)
class CopyRows(Mapping[str, FloatArray]):
    """Vectors of one copy by part of the model, made when one is asked for; it pickles."""

    of_part: Callable[[int], FloatArray]
    copy: int
    parts: tuple[str, ...]

    def __getitem__(self, part: str) -> FloatArray:
        if part not in self.parts:
            raise KeyError(part)
        rows: FloatArray = self.of_part(self.parts.index(part))[self.copy]
        return rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)
