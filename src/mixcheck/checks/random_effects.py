"""Whether the random effects are normal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, final, get_args

import numpy as np
from scipy.special import ndtr, ndtri

from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.goodness import GOODNESS, distance_band, distance_effect, kolmogorov_smirnov
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    require_choice,
)
from mixcheck.display.document import NormalPlot
from mixcheck.port import Converging, DataView
from mixcheck.report.finding import Finding, Skipped

__all__ = ["RandomEffects"]

LEAST_LEVELS = 5
# A standardised effect beyond 8 is written as this, so that logarithms stay finite.
SMALLEST_PROBABILITY = 1e-15
NormalName = Literal["ks", "ad"]


@final
@dataclass(frozen=True, repr=False)
class RandomEffects(Check):
    """Whether the random effects are normal.

    One finding for each random term and effect. Null hypothesis: the effects, drawn from their
    exact distribution given the data and standardised, are independent standard normal.
    (Their modes are not, whatever the model: they are shrunken.) Effect: "distance from
    normal" between distribution functions, with a Dvoretzky-Kiefer-Wolfowitz interval; 0 under
    the model. A term with fewer than 5 levels is skipped.

    Parameters
    ----------
    statistic : {"ks", "ad"}
        Kolmogorov-Smirnov, or Anderson-Darling, which weighs outlying groups.

    References
    ----------
    Thygesen et al. (2017), Validation of ecological state space models using the Laplace
    approximation, Environ. Ecol. Stat. 24, 317-339.
    """

    kind: ClassVar[str] = "random-effects"
    about_rows: ClassVar[bool] = False

    statistic: NormalName = "ks"

    def __post_init__(self) -> None:
        require_choice("statistic", self.statistic, get_args(NormalName))

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic an effect of each term."""
        effects = context.observed.effects
        if not effects:
            reason = (
                "There are no random effects to look at: the model has none, or they are "
                "integrated out, or only its draws are known."
            )
            return (Skipped(self.name, self.kind, reason),)
        model = context.model
        facts = model.convergence if isinstance(model, Converging) else None
        singular = facts.singular_effects if facts is not None else ()
        return tuple(
            self._outcome(term, column, values.shape, term in singular)
            for term, values in effects.items()
            for column in range(values.shape[1])
        )

    def _outcome(
        self, term: str, column: int, shape: tuple[int, ...], is_singular: bool
    ) -> Outcome:
        levels, effects = shape
        label = term if effects == 1 else f"{term}, effect {column + 1}"
        name = f"{self.name} [{label}]"
        if is_singular:
            return Skipped(name, self.kind, _singular(term, effects), subject={"term": term})
        if levels < LEAST_LEVELS:
            reason = f"The term {term} has {levels} levels; at least {LEAST_LEVELS} are needed."
            return Skipped(name, self.kind, reason, subject={"term": term})
        return _NormalStatistic(name, self.kind, term, column, self.statistic)


def _singular(term: str, effects: int) -> str:
    """Why the effects of a singular term cannot be looked at."""
    if effects == 1:
        return f"The term {term} has no effects to look at: its variance is zero."
    return (
        f"The effects of {term} cannot be told apart: the term is singular, its variance is zero "
        "in some direction."
    )


@final
@dataclass(frozen=True, eq=False)
class _NormalStatistic(CheckStatistic):
    """Statistic, and largest distance, of one column of one term."""

    term: str
    column: int
    statistic: NormalName

    def numbers(self, data_view: DataView) -> FloatArray:
        ordered = self._probabilities(data_view)
        distance = kolmogorov_smirnov(ordered)
        if self.statistic == "ks":
            return np.array([distance, distance])
        return np.array([GOODNESS[self.statistic](ordered), distance])

    def _probabilities(self, data_view: DataView) -> FloatArray:
        """Normal probabilities of the effects, sorted, (m,)."""
        ordered = np.sort(ndtr(data_view.effects[self.term][:, self.column]))
        return np.clip(ordered, SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)

    def finding(self, sample: NullSample) -> Finding:
        values = np.sort(sample.observed.effects[self.term][:, self.column])
        finding = self.found(
            sample,
            null=f"the random effects of {self.term} are standard normal once standardised",
            effect=distance_effect("distance from normal", sample.numbers[1], values.size),
            alternative="greater",
            n=values.size,
            references=("Thygesen et al. (2017), Environ. Ecol. Stat. 24, 317-339",),
        )
        picture = _normal_plot(self.term, values, sample.quantile(0.95, 1))
        return replace(finding, picture=picture, subject={"term": self.term})


def _normal_plot(term: str, values: FloatArray, distance: float) -> NormalPlot:
    m = values.size
    low, high = distance_band(m, distance)
    # Where the band is unbounded, it is cut a tenth of a step inside (0, 1).
    edge = 0.1 / m
    return NormalPlot(
        values,
        ndtri((np.arange(m) + 0.5) / m),
        ndtri(np.clip(low, edge, 1.0 - edge)),
        ndtri(np.clip(high, edge, 1.0 - edge)),
        title=f"Random effects of {term} against normal quantiles",
    )
