"""Whether the quantile residuals are uniform."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final, get_args

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.goodness import (
    GOODNESS,
    GoodnessName,
    curve_distance,
    distance_band,
    distance_effect,
    expected_distribution,
    kolmogorov_smirnov,
)
from mixcheck.checks.shares import join_sums
from mixcheck.checks.statistic import (
    RESIDUALS,
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    SharedStatistic,
    fitted_frequencies,
    require_choice,
    thinned,
)
from mixcheck.display.document import QuantilePlot
from mixcheck.port import DataView, ProbabilityTransform
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["Uniformity"]

# Points of a picture; a longer sample is thinned evenly in its sorted order.
PICTURE_POINTS = 1000
_EFFECT = "distance from uniform"
# Numbers before the distribution function: the statistic and the largest distance.
_STATISTICS = 2


@final
@dataclass(frozen=True, repr=False)
class Uniformity(Check):
    """Whether the quantile residuals are uniform.

    Null hypothesis: the residuals come from the uniform distribution on (0, 1). Their empirical
    distribution function is taken as it is expected over the random effects, given the data, and
    over the randomisation of responses with masses, so that nothing hangs on what was drawn.
    Effect: "distance from uniform", the largest distance between it and the identity, less and more
    what 95 % of replicates come to; 0 under the model.

    Where only draws of the response are known, residuals are ranks among these, the distribution
    function is that of each randomisation, and the interval that of Dvoretzky, Kiefer and
    Wolfowitz.

    Parameters
    ----------
    statistic : {"ks", "ad", "cvm"}
        Kolmogorov-Smirnov, Anderson-Darling (weighs the tails) or Cramér-von Mises.

    References
    ----------
    Massart (1990), Ann. Probab. 18, 1269-1283. Czado, Gneiting & Held (2009), Predictive model
    assessment for count data, Biometrics 65, 1254-1261, for responses with masses.
    """

    kind: ClassVar[str] = "uniformity"
    shared: ClassVar[bool] = True
    least_rows: ClassVar[int] = 2

    statistic: GoodnessName = "ks"

    def __post_init__(self) -> None:
        require_choice("statistic", self.statistic, get_args(GoodnessName))

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the residuals; none of values whose frequencies were fitted."""
        fitted = fitted_frequencies(context)
        if fitted:
            reason = (
                f"{fitted}: this cannot fail. Ask of the mean, Trend(..), or by levels, .by(..)."
            )
            return (Skipped(self.name, self.kind, reason),)
        known = context.observed.transform is not None
        made = _ExpectedStatistic if known else _RandomisedStatistic
        return (made(self.name, self.kind, self.statistic),)


@dataclass(frozen=True, eq=False)
class _UniformityStatistic(CheckStatistic):
    """Statistic, and largest distance."""

    stacks: ClassVar[bool] = True

    statistic: GoodnessName

    @abstractmethod
    def _ordered(self, sample: NullSample) -> FloatArray:
        """Residuals in their order, (n,), for the picture."""

    @abstractmethod
    def _effect(self, sample: NullSample) -> Effect:
        """The largest distance, with its interval."""

    def finding(self, sample: NullSample) -> Finding:
        finding = self.found(
            sample,
            null="the quantile residuals are uniform between 0 and 1",
            effect=self._effect(sample),
            alternative="greater",
            n=sample.n,
            references=(RESIDUALS, "Massart (1990), Ann. Probab. 18, 1269-1283"),
        )
        ordered = self._ordered(sample)
        return replace(finding, picture=_quantile_plot(ordered, sample.quantile(0.95, 1)))

    def _of_ordered(self, ordered: FloatArray) -> FloatArray:
        distance = kolmogorov_smirnov(ordered)
        statistic = distance if self.statistic == "ks" else GOODNESS[self.statistic](ordered)
        return np.stack([statistic, distance], axis=-1)


@final
class _RandomisedStatistic(_UniformityStatistic):
    """Of one randomisation."""

    def _ordered(self, sample: NullSample) -> FloatArray:
        return np.sort(sample.observed.residuals, axis=-1)

    def _effect(self, sample: NullSample) -> Effect:
        return distance_effect(_EFFECT, sample.numbers[1], sample.n)

    def numbers(self, data_view: DataView) -> FloatArray:
        return self._of_ordered(np.sort(data_view.residuals, axis=-1))


@final
class _ExpectedStatistic(_UniformityStatistic, SharedStatistic):
    """Of what is expected over all randomisations, and that distribution function.

    Where each residual is one number, and all rows are in one place, the statistics are those of
    the residuals themselves, and no distribution function stands beside them.
    """

    randomised: ClassVar[bool] = False

    def _effect(self, sample: NullSample) -> Effect:
        distance, half = float(sample.numbers[1]), sample.quantile(0.95, 1)
        low, high = max(0.0, distance - half), min(1.0, distance + half)
        return Effect(_EFFECT, distance, low, high, 0.0)

    def numbers(self, data_view: DataView) -> FloatArray:
        if _is_determined(data_view):
            return self._of_ordered(_residuals(data_view))
        return super().numbers(data_view)

    def share(self, data_view: DataView, told: Sequence[FloatArray]) -> FloatArray:
        curve, n = _expected(data_view), data_view.response.shape[-1]
        return np.concatenate([np.full((*curve.shape[:-1], 1), float(n)), n * curve], axis=-1)

    def join(self, shares: Sequence[FloatArray], told: Sequence[FloatArray]) -> FloatArray:
        total = join_sums(shares)
        n, curve = total[..., :1], total[..., 1:] / total[..., :1]
        size = int(n.flat[0])
        found = [curve_distance(curve, size, name) for name in (self.statistic, "ks")]
        return np.concatenate([np.stack(found, axis=-1), curve], axis=-1)

    def _ordered(self, sample: NullSample) -> FloatArray:
        curve = sample.numbers[_STATISTICS:]
        return _quantiles(curve, sample.n) if curve.size else _residuals(sample.observed)


def _transform(data_view: DataView) -> ProbabilityTransform:
    assert data_view.transform is not None
    return data_view.transform()


def _is_determined(data_view: DataView) -> bool:
    """Whether each residual is one number: the response has a density, and nothing is random."""
    return data_view.probability is None and _transform(data_view).weights.size == 1


def _residuals(data_view: DataView) -> FloatArray:
    """Residuals in their order where each is one number, (.., n)."""
    return np.sort(_transform(data_view).below[..., 0, :], axis=-1)


def _expected(data_view: DataView) -> FloatArray:
    """Distribution function of the residuals, (.., G + 1)."""
    transform = _transform(data_view)
    return expected_distribution(transform.below, transform.mass, transform.weights)


def _quantiles(curve: FloatArray, n: int) -> FloatArray:
    """Where a distribution function at equal steps reaches ``(i - 1/2) / n``, (n,)."""
    rising = curve + 1e-12 * np.arange(curve.size)
    return np.interp((np.arange(n) + 0.5) / n, rising, np.linspace(0.0, 1.0, curve.size))


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
