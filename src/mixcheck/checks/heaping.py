"""Whether counts are rounded: too many multiples of five or ten."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arguments.options import require_whole
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
from mixcheck.errors import OptionError
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["Heaping"]

# Multiples beyond the largest response that is counted by itself.
_MOST_MULTIPLES = 200


@final
@dataclass(frozen=True, repr=False)
class Heaping(Check):
    """Whether multiples of a number, such as 5 or 10, occur more often than the model expects.

    Null hypothesis: positive multiples occur as often as in data of the model. The statistic
    is how many there are less how many are expected given the random effects. Effect: "share
    ratio", observed over expected, with an interval from the replicates; 1 under the model.

    Parameters
    ----------
    multiple : int
        At least 2.

    References
    ----------
    Heitjan & Rubin (1990), Inference from coarse data via multiple imputation with application
    to age heaping, J. Am. Stat. Assoc. 85, 304-314.
    """

    kind: ClassVar[str] = "heaping"

    multiple: int = 10

    def __post_init__(self) -> None:
        object.__setattr__(self, "multiple", require_whole("multiple", self.multiple, 2))

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of counts that reach the first multiple."""
        if context.observed.probability is None:
            reason = "The response has no probabilities of single numbers: it is continuous, or "
            reason += "only draws of it are known."
            return (Skipped(self.name, self.kind, reason),)
        largest = float(context.observed.response.max())
        if largest < self.multiple:
            reason = f"No response reaches {self.multiple}."
            return (Skipped(self.name, self.kind, reason),)
        if largest > _MOST_MULTIPLES * self.multiple:
            raise OptionError(
                f"responses reach {largest:g}, more than {_MOST_MULTIPLES} multiples of "
                f"{self.multiple}; ask for multiples of a larger number, such as "
                f"Heaping({10 * self.multiple})"
            )
        return (_MultipleStatistic(self.name, self.kind, self.multiple, largest),)


@final
@dataclass(frozen=True, eq=False)
class _MultipleStatistic(CheckStatistic):
    """How many responses are multiples less how many are expected, and the latter."""

    stacks: ClassVar[bool] = True

    multiple: int
    largest: float

    def numbers(self, data_view: DataView) -> FloatArray:
        assert data_view.probability is not None
        response = data_view.response
        values = np.arange(self.multiple, self.largest + 1.0, self.multiple)
        expected = sum(np.sum(data_view.probability(value), axis=-1) for value in values.tolist())
        counted = (response > 0.0) & (response <= self.largest) & (response % self.multiple == 0.0)
        excess = np.count_nonzero(counted, axis=-1) - expected
        return np.stack(np.broadcast_arrays(excess, expected), axis=-1)

    def finding(self, sample: NullSample) -> Finding:
        expected = float(sample.numbers[1])
        observed = float(sample.numbers[0]) + expected
        effect = Effect(
            "share ratio",
            ratio(observed, expected),
            ratio(max(0.0, observed - sample.quantile(0.975)), expected),
            ratio(max(0.0, observed - sample.quantile(0.025)), expected),
            1.0,
        )
        finding = self.found(
            sample,
            null=f"multiples of {self.multiple} occur as often as the model expects",
            effect=effect,
            alternative="greater",
            n=sample.observed.response.size,
            references=("Heitjan & Rubin (1990), J. Am. Stat. Assoc. 85, 304-314",),
        )
        what = f"multiples of {self.multiple}"
        label = f"{what}, as a multiple of those expected" if expected else f"{what} less expected"
        picture = null_plot(self.name, sample, label, zero=-expected, unit=expected)
        detail = f"{observed:.0f} multiples where {expected:.1f} are expected."
        return replace(finding, picture=picture, detail=f"{finding.detail} {detail}".strip())
