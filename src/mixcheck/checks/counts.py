"""Whether a value, such as zero, occurs as often as the model expects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    null_plot,
    ratio,
)
from mixcheck.codec.shapes import Finite
from mixcheck.options import require_number
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["Count", "Zeros"]


@final
@dataclass(frozen=True, repr=False)
class Zeros(Check):
    """Whether there are as many zeros as the model expects.

    Null hypothesis: the number of zeros is that of the model. The statistic is that number
    less its expectation given the random effects; effect "zero ratio", observed over expected,
    with an interval from the replicates; 1 under the model.
    """

    kind: ClassVar[str] = "zeros"

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the response; none where it is continuous."""
        return _count_outcome(self, context, 0.0, "zero ratio")


@final
@dataclass(frozen=True, repr=False)
class Count(Check):
    """Whether a value occurs as often as the model expects; as `Zeros`, for any value.

    Parameters
    ----------
    value : float
        The value, such as 1 for one-inflation.
    """

    kind: ClassVar[str] = "count"

    value: Finite

    def __post_init__(self) -> None:
        require_number("value", self.value, example=1)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the response; none where it is continuous."""
        return _count_outcome(self, context, float(self.value), "count ratio")


def _count_outcome(
    check: Check, context: CheckContext, value: float, effect: str
) -> tuple[Outcome, ...]:
    if context.observed.probability is None:
        reason = (
            f"The probability of the value {value:g} is not known: the model gives its views none."
            if context.model.discrete
            else f"The response is continuous: no model gives the value {value:g} a probability."
        )
        return (Skipped(check.name, check.kind, reason),)
    return (_CountStatistic(check.name, check.kind, value, effect),)


@final
@dataclass(frozen=True, eq=False)
class _CountStatistic(CheckStatistic):
    """How often a value occurs less its expectation, and that expectation."""

    value: float
    effect: str

    def numbers(self, data_view: DataView) -> FloatArray:
        assert data_view.probability is not None
        expected = float(np.sum(data_view.probability(self.value)))
        count = np.count_nonzero(data_view.response == self.value)
        return np.array([count - expected, expected])

    def finding(self, sample: NullSample) -> Finding:
        expected = float(sample.numbers[1])
        observed = float(np.count_nonzero(sample.observed.response == self.value))
        effect = Effect(
            self.effect,
            ratio(observed, expected),
            ratio(max(0.0, observed - sample.quantile(0.975)), expected),
            ratio(max(0.0, observed - sample.quantile(0.025)), expected),
            1.0,
        )
        finding = self.found(
            sample,
            null=f"the value {self.value:g} occurs as often as the model expects",
            effect=effect,
            alternative="two-sided",
            n=sample.observed.response.size,
        )
        what = "zeros" if self.value == 0.0 else f"values of {self.value:g}"
        return replace(finding, picture=null_plot(self.name, sample, f"{what} less expected"))
