"""Whether the quantile residuals are uniform."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, final, get_args

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.goodness import (
    GOODNESS,
    GoodnessName,
    distance_band,
    distance_effect,
    kolmogorov_smirnov,
)
from mixcheck.checks.statistic import (
    RESIDUALS,
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    fitted_frequencies,
    require_choice,
    thinned,
)
from mixcheck.display.document import QuantilePlot
from mixcheck.port import DataView
from mixcheck.report.finding import Finding, Skipped

__all__ = ["Uniformity"]

# Points of a picture; a longer sample is thinned evenly in its sorted order.
PICTURE_POINTS = 1000


@final
@dataclass(frozen=True, repr=False)
class Uniformity(Check):
    """Whether the quantile residuals are uniform.

    Null hypothesis: the residuals come from the uniform distribution on (0, 1).
    Effect: "distance from uniform", the largest distance between their empirical distribution
    function and the identity, with a Dvoretzky-Kiefer-Wolfowitz interval; 0 under the model.

    Parameters
    ----------
    statistic : {"ks", "ad", "cvm"}
        Kolmogorov-Smirnov, Anderson-Darling (weighs the tails) or Cramér-von Mises.

    References
    ----------
    Massart (1990), Ann. Probab. 18, 1269-1283.
    """

    kind: ClassVar[str] = "uniformity"
    least_rows: ClassVar[int] = 2

    statistic: GoodnessName = "ks"

    def __post_init__(self) -> None:
        require_choice("statistic", self.statistic, get_args(GoodnessName))

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the residuals; none of values whose frequencies were fitted."""
        known = fitted_frequencies(context)
        if known:
            reason = (
                f"{known}: this cannot fail. Ask of the mean, Trend(..), or by levels, .by(..)."
            )
            return (Skipped(self.name, self.kind, reason),)
        return (_UniformityStatistic(self.name, self.kind, self.statistic),)


@final
@dataclass(frozen=True, eq=False)
class _UniformityStatistic(CheckStatistic):
    """Statistic, and largest distance."""

    stacks: ClassVar[bool] = True

    statistic: GoodnessName

    def numbers(self, data_view: DataView) -> FloatArray:
        ordered = np.sort(data_view.residuals, axis=-1)
        distance = kolmogorov_smirnov(ordered)
        statistic = distance if self.statistic == "ks" else GOODNESS[self.statistic](ordered)
        return np.stack([statistic, distance], axis=-1)

    def finding(self, sample: NullSample) -> Finding:
        ordered = np.sort(sample.observed.residuals)
        finding = self.found(
            sample,
            null="the quantile residuals are uniform between 0 and 1",
            effect=distance_effect("distance from uniform", sample.numbers[1], ordered.size),
            alternative="greater",
            n=ordered.size,
            references=(RESIDUALS, "Massart (1990), Ann. Probab. 18, 1269-1283"),
        )
        return replace(finding, picture=_quantile_plot(ordered, sample.quantile(0.95, 1)))


def _quantile_plot(ordered: FloatArray, distance: float) -> QuantilePlot:
    n = ordered.size
    low, high = distance_band(n, distance)
    kept = thinned(n, PICTURE_POINTS)
    return QuantilePlot(
        ordered[kept],
        (kept + 0.5) / n,
        low[kept],
        high[kept],
        title="Quantile residuals against uniform quantiles",
    )
