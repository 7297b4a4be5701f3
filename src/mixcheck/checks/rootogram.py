"""Whether each number occurs as often among counts as the model expects."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arguments.options import require_whole
from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.pooled import pool_of, simultaneous_band, standardised, with_statistic
from mixcheck.checks.statistic import CheckContext, CheckStatistic, NullSample, Outcome
from mixcheck.display.document import CurvePlot
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["Rootogram"]

_MOST_VALUES = 40
# Values expected less often than this are left to the last bar.
_LEAST_EXPECTED = 1.0


@final
@dataclass(frozen=True, repr=False)
class Rootogram(Check):
    """Whether each number occurs as often among counts as the model expects.

    Null hypothesis: the frequencies of 0, 1, 2, .. are those of the model. For each number the
    difference ``sqrt(observed) - sqrt(expected)`` is taken, with the expectation given the
    random effects; what lies beyond the last number is counted together. The statistic is the
    largest difference, less its mean in the replicates and over its standard deviation there.
    Effect: "frequency ratio", observed over expected, of that number; 1 under the model.

    Parameters
    ----------
    most : int, optional
        The last number that is counted by itself; by default the largest that is expected at
        least once, up to 40.

    References
    ----------
    Kleiber & Zeileis (2016), Visualizing count data regressions using rootograms,
    Am. Stat. 70, 296-303.
    """

    kind: ClassVar[str] = "rootogram"

    most: int | None = None

    def __post_init__(self) -> None:
        if self.most is not None:
            object.__setattr__(self, "most", require_whole("most", self.most, 1))

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of counts."""
        observed = context.observed
        if observed.probability is None:
            reason = "The response has no probabilities of single numbers: it is continuous, or "
            reason += "only draws of it are known."
            return (Skipped(self.name, self.kind, reason),)
        if np.unique(observed.response).size <= 2:
            reason = "The response has two values; ask Calibration."
            return (Skipped(self.name, self.kind, reason),)
        most = self.most if self.most is not None else _last_expected(observed)
        return (_FrequencyStatistic(self.name, self.kind, most),)


def _last_expected(observed: DataView) -> int:
    """The last of the numbers that are expected at least once."""
    assert observed.probability is not None
    largest = int(min(_MOST_VALUES, observed.response.max()))
    for value in range(largest, 1, -1):
        if float(np.sum(observed.probability(float(value)))) >= _LEAST_EXPECTED:
            return value
    return 1


@final
@dataclass(frozen=True, eq=False)
class _FrequencyStatistic(CheckStatistic):
    """Roots of observed frequencies less roots of expected ones, and the latter, (2 (m + 2),)."""

    most: int

    def numbers(self, data_view: DataView) -> FloatArray:
        assert data_view.probability is not None
        expected = np.array(
            [np.sum(data_view.probability(float(value))) for value in range(self.most + 1)]
        )
        beyond = max(data_view.response.size - float(expected.sum()), 0.0)
        roots = np.sqrt(np.append(expected, beyond))
        values = np.minimum(data_view.response, self.most + 1.0).astype(np.intp)
        observed = np.bincount(values, minlength=self.most + 2)
        return np.concatenate([np.sqrt(observed) - roots, roots])

    def finding(self, sample: NullSample) -> Finding:
        """The number that is farthest off, and the hanging roots with their band."""
        size = self.most + 2
        differences = pool_of(sample)[:, :size]
        deviations = np.abs(standardised(differences))
        low, high = simultaneous_band(differences[1:])
        worst = int(np.argmax(deviations[0]))
        roots = sample.numbers[size:]
        expected = float(max(roots[worst] ** 2, np.finfo(np.float64).tiny))
        # The interval of the root, moved by what the replicates allow.
        bounds = np.maximum(
            sample.numbers[worst] + roots[worst] - np.array([high[worst], low[worst]]), 0.0
        )
        told = f"{worst}" if worst <= self.most else f"more than {self.most}"
        observed = float((sample.numbers[worst] + roots[worst]) ** 2)
        finding = self.found(
            with_statistic(sample, deviations.max(axis=1)),
            null="every number occurs as often as the model expects",
            effect=Effect(
                "frequency ratio",
                observed / expected,
                float(bounds[0] ** 2 / expected),
                float(bounds[1] ** 2 / expected),
                1.0,
            ),
            alternative="greater",
            n=sample.observed.response.size,
            references=("Kleiber & Zeileis (2016), Am. Stat. 70, 296-303",),
        )
        picture = CurvePlot(
            np.arange(size, dtype=np.float64),
            sample.numbers[:size],
            low,
            high,
            differences[1:].mean(axis=0),
            discrete=True,
            title="Frequencies of the numbers against what is expected",
            x_label=f"number; {size - 1} stands for all beyond {self.most}",
            y_label="root of observed less root of expected",
        )
        detail = f"Farthest off: {told}, {observed:.0f} times where {expected:.1f} are expected."
        return replace(
            finding,
            picture=picture,
            detail=f"{finding.detail} {detail}".strip(),
            subject={"value": told},
        )
