"""The port of a fit over partitions: data sets of which each part sees its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.fitting.estimation.curvature import whitening_at
from mixcheck.fitting.estimation.one_step import MAX_HALVINGS, MODE_DECREMENT, within
from mixcheck.fitting.partitions import part as parts
from mixcheck.fitting.partitions.estimates import PartsEstimates
from mixcheck.fitting.partitions.views import (
    Asked,
    ask_of_views,
    make_views,
    score_replicates,
    step_replicates,
)
from mixcheck.fitting.partitions.whole import Whole
from mixcheck.fitting.results.coefficient_table import tabulate_coefficients
from mixcheck.fitting.results.refitting import TOGETHER_ROWS
from mixcheck.port import Conditioning

__all__ = ["PartsPort"]

Answer = TypeVar("Answer")

# Beyond so many replicates that are seen together nothing is gained.
_TOGETHER = 100
_FALLS = (
    "ConvergenceError: the likelihood of a response falls along the step from the estimates of the "
    "fit, or is not finite at them"
)


@dataclass(frozen=True, eq=False)
class _Seen:
    """Data sets that the parts see; see `mixcheck.port.divided.SeenInParts`."""

    whole: Whole
    asked: Asked
    failures: Mapping[int, str] = field(default_factory=dict)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Which there are."""
        return self.asked.numbers

    def ask(self, question: Callable[..., Answer], *args: Any) -> list[Answer]:
        """The answers of the parts that have rows, in their order."""
        return self.whole.ask_each(ask_of_views, self.asked, question, args)


@dataclass(frozen=True, eq=False, repr=False)
class PartsPort(PartsEstimates):
    """A fit to rows in parts as it is checked; see `mixcheck.port.divided.Parts`."""

    @property
    def n_parts(self) -> int:
        """Number of parts, those without rows too."""
        return self.parts.crew.size

    @property
    def coefficient_table(self) -> pd.DataFrame:
        """Coefficients with errors, tests and 95 % intervals."""
        return tabulate_coefficients(self, "normal", 0.95)

    @cached_property
    def together(self) -> int:
        """How many replicates are seen together: their rows of the largest part fit in a cache."""
        largest = max(self.parts.ask(parts.count_rows))
        return max(1, min(_TOGETHER, TOGETHER_ROWS // largest))

    @property
    def reason_for_no_step(self) -> str:
        """Why no Newton step leads from the estimates to those of other data, or ""."""
        if self.limits is not None or self.optimum.flat > 0:
            return "some parameters have no finite estimate"
        if not np.isfinite(self.covariance).all():
            return "the curvature at the estimates is not known"
        return ""

    @cached_property
    def _root(self) -> FloatArray:
        """S with ``S' D'' S = I`` at the estimates, (P, P)."""
        return whitening_at(self.optimum, self.covariance)

    def _asked(self, conditioning: Conditioning, seed: int, numbers: tuple[int, ...]) -> Asked:
        return Asked(self.optimum.psi, self.number, self.laplace, conditioning, seed, numbers)

    def observe_parts(self, conditioning: Conditioning, seed: int) -> _Seen:
        """The observed data: one data set."""
        return _Seen(self.parts, self._asked(conditioning, seed, ()))

    def replicate_parts(
        self, numbers: range, conditioning: Conditioning, seed: int, *, one_step: bool
    ) -> _Seen:
        """Replicate data sets by their numbers, seen by these estimates or one step from them."""
        asked = self._asked(conditioning, seed, tuple(numbers))
        failures: dict[int, str] = {}
        if one_step:
            asked, failures = self._step(asked)
        if asked.numbers:
            for said in self.parts.ask_each(make_views, asked):
                for k, why in zip(asked.numbers, said, strict=True):
                    if why:
                        failures.setdefault(k, why)
        return _Seen(self.parts, _without(asked, failures), failures)

    def _step(self, asked: Asked) -> tuple[Asked, dict[int, str]]:
        """One Newton step from the estimates for each replicate, as `one_step.step_from` takes it.

        The sums of deviances and gradients over parts are those of all rows.
        """
        scores = np.sum(self.parts.ask_each(score_replicates, asked), axis=0)
        first, gradients = scores[:, 0], scores[:, 1:]
        steps = -(gradients @ self._root) @ self._root.T
        failures = {
            k: _FALLS for k, value in zip(asked.numbers, first, strict=True) if not value < np.inf
        }
        reached = np.tile(self.optimum.psi, (len(steps), 1))
        going = np.flatnonzero(np.isfinite(first))
        for halvings in range(MAX_HALVINGS):
            if not going.size:
                break
            for b in going:
                reached[b] = within(self.problem, self.optimum.psi + 0.5**halvings * steps[b])
            trial = replace(
                asked,
                numbers=tuple(asked.numbers[b] for b in going),
                steps=reached[going],
            )
            after = np.sum(self.parts.ask_each(step_replicates, trial), axis=0)
            # Each part knows its deviance to the error of its modes.
            known = MODE_DECREMENT * self.n_parts
            going = going[~(after <= first[going] + known)]
        failures |= {asked.numbers[b]: _FALLS for b in going}
        return _without(replace(asked, steps=reached), failures), failures


def _without(asked: Asked, failures: Mapping[int, str]) -> Asked:
    """The replicates that there are."""
    kept = [b for b, k in enumerate(asked.numbers) if k not in failures]
    steps = None if asked.steps is None else asked.steps[kept]
    return replace(asked, numbers=tuple(asked.numbers[b] for b in kept), steps=steps)
