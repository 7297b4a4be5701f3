"""Whether a value, such as zero, occurs as often as the model expects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arguments.options import require_number
from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.shares import join_sums
from mixcheck.checks.statistic import (
    CheckContext,
    NullSample,
    Outcome,
    SharedStatistic,
    fitted_frequencies,
    null_plot,
    ratio,
)
from mixcheck.codec.shapes import Finite
from mixcheck.display.numerals import format_number
from mixcheck.port import DataView, Enumerable
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["Count", "Zeros"]

# An expected number below this is the underflow of one: any that are there are too many.
NEVER = 1e-9


@final
@dataclass(frozen=True, repr=False)
class Zeros(Check):
    """Whether there are as many zeros as the model expects.

    Null hypothesis: the number of zeros is that of the model. The statistic is that number
    less its expectation given the conditional modes of the random effects; effect "zero ratio",
    observed over expected, with an interval from the replicates; 1 under the model. Of a response
    of 0 and 1 it is asked by levels alone, since its mean is fitted.
    """

    kind: ClassVar[str] = "zeros"
    shared: ClassVar[bool] = True

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
    shared: ClassVar[bool] = True

    value: Finite

    def __post_init__(self) -> None:
        value = require_number("value", self.value, example=1)
        # A whole number is shown as one.
        object.__setattr__(self, "value", int(value) if value.is_integer() else value)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the response; none where it is continuous."""
        return _count_outcome(self, context, float(self.value), "count ratio")


def _count_outcome(
    check: Check, context: CheckContext, value: float, effect: str
) -> tuple[Outcome, ...]:
    reason = _reason_to_skip(context, value)
    if reason:
        return (Skipped(check.name, check.kind, reason),)
    at_modes = context.observed.mode_probability is not None
    statistic = _CountAtModes if at_modes else _CountStatistic
    return (statistic(check.name, check.kind, value, effect),)


def _reason_to_skip(context: CheckContext, value: float) -> str:
    observed, value_words = context.observed, f"the value {value:g}"
    if observed.probability is None and context.model.discrete:
        return f"The probability of {value_words} is not known: the model gives its views none."
    if observed.probability is None:
        reason = f"The response is continuous: no model gives {value_words} a probability."
        if isinstance(context.model, Enumerable):
            reason += " Of draws of shares of few values, write from_draws(.., discrete=True)."
        return reason
    known = fitted_frequencies(context)
    return f"{known}: this cannot fail. Ask by the levels of a column, .by(..)." if known else ""


@dataclass(frozen=True, eq=False)
class _CountStatistic(SharedStatistic):
    """How often a value occurs less its expectation given the modes, and that expectation."""

    stacks: ClassVar[bool] = True

    value: float
    effect: str

    def share(self, data_view: DataView, told: Sequence[FloatArray]) -> FloatArray:
        masses = data_view.mode_probability or data_view.probability
        assert masses is not None
        expected = np.sum(masses(self.value), axis=-1)
        count = np.count_nonzero(data_view.response == self.value, axis=-1)
        return np.stack(np.broadcast_arrays(count - expected, expected), axis=-1)

    def join(self, shares: Sequence[FloatArray], told: Sequence[FloatArray]) -> FloatArray:
        return join_sums(shares)

    def finding(self, sample: NullSample) -> Finding:
        observed = float(np.rint(sample.numbers[0] + sample.numbers[1]))
        # Given the modes, which have followed the data, the mean excess is not quite zero.
        expected = float(sample.numbers[1]) + sample.mean()
        expected = expected if expected > NEVER else 0.0
        low, high = (
            max(0.0, observed + sample.mean() - sample.quantile(level)) for level in (0.975, 0.025)
        )
        effect = Effect(
            self.effect,
            ratio(observed, expected),
            ratio(low, expected),
            ratio(high, expected),
            1.0,
        )
        finding = self.found(
            sample,
            null=f"the value {self.value:g} occurs as often as the model expects",
            effect=effect,
            alternative="two-sided",
            n=sample.n,
        )
        what = "zeros" if self.value == 0.0 else f"values of {self.value:g}"
        told = f"{observed:,.0f} {what} are there, where {format_number(expected)} are expected."
        label = f"{what}, as a multiple of those expected"
        # Of none expected there is no multiple: the difference is shown.
        label = label if expected else f"{what} less expected"
        picture = null_plot(self.name, sample, label, zero=sample.mean() - expected, unit=expected)
        return replace(finding, picture=picture, detail=f"{told} {finding.detail}".strip())


@final
class _CountAtModes(_CountStatistic):
    """The same, of a model that knows its modes: a function of the data."""

    randomised: ClassVar[bool] = False
