"""Whether some group is farther out than the normal distribution of the others allows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.pooled import MOST_POOLED, over_deviations, pool_of, with_statistic
from mixcheck.checks.statistic import CheckContext, CheckStatistic, NullSample, Outcome
from mixcheck.display.document import Caterpillar
from mixcheck.port import Converging, DataView, Levelled, TermLevels
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["OutlyingGroups"]

_LEAST_LEVELS = 5
_MOST_SHOWN = 40
LANGE = "Lange & Ryan (1989), Ann. Stat. 17, 624-642"


@final
@dataclass(frozen=True, repr=False)
class OutlyingGroups(Check):
    """Whether the random effect of some group is too far out.

    One finding for each random term and effect. Null hypothesis: the largest conditional mode is
    that of so many normal effects. Modes are taken in units of their own standard deviations
    over the data and the replicates, ``z_k = b_k / s_k``, which differ where groups have more rows
    or fewer (of more than 1,000 levels in those that the model gives them, ``(variance -
    conditional variance)^(1/2)``, which makes the check a little mild), and over their root mean
    square, so that the estimate of the variance does not matter. The statistic is the largest
    ``|z_k|``; effect "largest random effect", in standard deviations, with an interval from the
    replicates; under the model, their median. A term with fewer than 5 levels is skipped.

    References
    ----------
    Lange & Ryan (1989), Assessing normality in random effects models, Ann. Stat. 17, 624-642.
    """

    kind: ClassVar[str] = "outlying-groups"
    needs: ClassVar[type] = Levelled
    about_rows: ClassVar[bool] = False

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic an effect of each term."""
        model = context.model
        assert isinstance(model, Levelled)
        terms = model.term_levels
        if not terms:
            reason = "There are no random effects of independent levels."
            return (Skipped(self.name, self.kind, reason),)
        singular = model.convergence.singular_effects if isinstance(model, Converging) else ()
        return tuple(
            self._outcome(term, column, levels, term in singular)
            for term, levels in terms.items()
            for column in range(levels.deviations.shape[1])
        )

    def _outcome(self, term: str, column: int, levels: TermLevels, singular: bool) -> Outcome:
        label = term if len(levels.effects) == 1 else f"{term}, effect {column + 1}"
        name = f"{self.name} [{label}]"
        deviations = levels.deviations[:, column]
        reason = ""
        if singular or not np.all(deviations > 0.0):
            reason = f"The term {term} has no effects to look at: it is singular."
        elif deviations.size < _LEAST_LEVELS:
            reason = f"The term {term} has {deviations.size} levels; at least {_LEAST_LEVELS} are "
            reason += "needed."
        if reason:
            return Skipped(name, self.kind, reason, subject={"term": term})
        labels = tuple(map(str, levels.labels))
        return _FarthestStatistic(name, self.kind, term, column, deviations, labels)


def _over_size(z: FloatArray) -> FloatArray:
    """``z / (mean z^2)^(1/2)``, (.., m); zero where all are."""
    size = np.sqrt(np.mean(z**2, axis=-1, keepdims=True))
    scaled: FloatArray = z / np.where(size > 0.0, size, 1.0)
    return scaled


@final
@dataclass(frozen=True, eq=False)
class _FarthestStatistic(CheckStatistic):
    """The largest standardised mode of one effect of one term."""

    randomised: ClassVar[bool] = False

    term: str
    column: int
    deviations: FloatArray
    labels: tuple[str, ...]

    def numbers(self, data_view: DataView) -> FloatArray:
        """The modes over their deviations in the model, (m,); of many, the farthest only, (1,)."""
        z = self._modes(data_view)
        return z if z.size <= MOST_POOLED else np.abs(_over_size(z)).max(keepdims=True)

    def _modes(self, data_view: DataView) -> FloatArray:
        modes: FloatArray = data_view.modes[self.term][:, self.column] / self.deviations
        return modes

    def finding(self, sample: NullSample) -> Finding:
        """The farthest group, and all of them with what the farthest may be."""
        if self.deviations.size <= MOST_POOLED:
            pool = _over_size(over_deviations(pool_of(sample)))
            sample, z = with_statistic(sample, np.abs(pool).max(axis=1)), pool[0]
        else:
            z = _over_size(self._modes(sample.observed))
        farthest, median = float(sample.numbers[0]), sample.quantile(0.5)
        reach = sample.quantile(0.95)
        low, high = (median + farthest - sample.quantile(level) for level in (0.975, 0.025))
        finding = self.found(
            sample,
            null=f"the farthest group of {self.term} is as far out as in data of the model",
            effect=Effect("largest random effect", farthest, low, high, median),
            alternative="greater",
            n=z.size,
            references=(LANGE,),
        )
        worst = self.labels[int(np.argmax(np.abs(z)))]
        return replace(
            finding,
            detail=f"{finding.detail} Farthest out is {worst}.".strip(),
            picture=self._picture(z, reach),
            subject={"term": self.term, "level": worst},
        )

    def _picture(self, z: FloatArray, reach: float) -> Caterpillar:
        """The farthest groups, each with a line from 0."""
        kept = np.argsort(-np.abs(z), kind="stable")[:_MOST_SHOWN]
        order = kept[np.argsort(z[kept], kind="stable")]
        return Caterpillar(
            tuple(self.labels[k] for k in order),
            z[order],
            np.minimum(z[order], 0.0),
            np.maximum(z[order], 0.0),
            np.abs(z[order]) > reach,
            0.0,
            title=f"Standardised random effects of {self.term}",
            x_label=f"standard deviations; the farthest of 19 in 20 replicates is {reach:.2f}",
        )
