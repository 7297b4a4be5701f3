"""Whether the random effects are normal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, final, get_args

import numpy as np
from scipy.special import ndtr, ndtri

from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.goodness import GOODNESS, kolmogorov_smirnov
from mixcheck.checks.pooled import (
    MOST_POOLED,
    over_deviations,
    pool_of,
    simultaneous_band,
)
from mixcheck.checks.shares import join_moments, join_sums, moments
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    SharedStatistic,
    require_choice,
    thinned,
)
from mixcheck.display.document import NormalPlot
from mixcheck.port import Checkable, Converging, DataView, Levelled, TermLevels
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["RandomEffects"]

LEAST_LEVELS = 5
# Mean share of the variance of the effects that the data explain, from which modes are looked at.
# With less, many replicates have a variance near zero, and modes that are sums of few responses.
LEAST_RELIABILITY = 0.5
# Points of a picture; more are thinned evenly in their sorted order.
PICTURE_POINTS = 250
# A standardised effect beyond 8 is written as this, so that logarithms stay finite.
SMALLEST_PROBABILITY = 1e-15
# Where expected distribution functions are compared with the normal one.
NODES = np.linspace(-5.0, 5.0, 41)
NormalName = Literal["ks", "ad"]


@final
@dataclass(frozen=True, repr=False)
class RandomEffects(Check):
    """Whether the random effects are normal.

    One finding for each random term and effect. Null hypothesis: the conditional modes of the
    effects are as normal as in data of the model. Each is taken in units of its own standard
    deviation over the data and the replicates, ``z_k = b_k / s_k``, which differ where groups have
    more rows or fewer; all of them less their mean and over their standard deviation, in the data
    and in the replicates alike, since the model has both from the same data. (Given discrete
    responses modes are not quite normal under a correct model either: the replicates have the
    same.) Where the data explain less than half of the variance of the effects, or there are more
    than 1,000 levels, the distribution function is that expected given the data, ``F(x) =
    mean Phi((x - b_k) / c)``, c the conditional deviation at the estimates, less its mean and
    over its standard deviation. Where levels are related, or modes are not known, the effects are
    drawn from their distribution given the data. Effect: "distance from normal" between
    distribution functions, with a simultaneous interval from the replicates; 0 under the model. The
    band of the picture holds all effects of 95 % of the replicates. A term with fewer than 5 levels
    is skipped.

    Parameters
    ----------
    statistic : {"ad", "ks"}
        Anderson-Darling, which weighs outlying groups, or Kolmogorov-Smirnov.

    References
    ----------
    Thygesen et al. (2017), Validation of ecological state space models using the Laplace
    approximation, Environ. Ecol. Stat. 24, 317-339.
    Lange & Ryan (1989), Assessing normality in random effects models, Ann. Stat. 17, 624-642.
    Lilliefors (1967), On the Kolmogorov-Smirnov test for normality with mean and variance unknown,
    J. Am. Stat. Assoc. 62, 399-402.
    """

    kind: ClassVar[str] = "random-effects"
    shared: ClassVar[bool] = True
    about_rows: ClassVar[bool] = False

    statistic: NormalName = "ad"

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
        known = model.term_levels if isinstance(model, Levelled) else {}
        return tuple(
            self._outcome(term, column, values.shape, known.get(term), term in singular)
            for term, values in effects.items()
            for column in range(values.shape[1])
        )

    def _outcome(
        self,
        term: str,
        column: int,
        shape: tuple[int, ...],
        known: TermLevels | None,
        is_singular: bool,
    ) -> Outcome:
        levels, effects = shape
        label = term if effects == 1 else f"{term}, effect {column + 1}"
        name = f"{self.name} [{label}]"
        if is_singular:
            return Skipped(name, self.kind, _singular(term, effects), subject={"term": term})
        if levels < LEAST_LEVELS:
            reason = f"The term {term} has {levels} levels; at least {LEAST_LEVELS} are needed."
            return Skipped(name, self.kind, reason, subject={"term": term})
        asked = name, self.kind, term, label, column, self.statistic, levels
        if known is None:
            return _DrawnEffects(*asked)
        if _tell(known, column):
            return _Modes(*asked)
        return _ExpectedEffects(*asked, _conditional_deviations(known, column))


def _tell(levels: TermLevels, column: int) -> bool:
    """Whether modes say what the data do, and are not mostly the model's own distribution."""
    share = levels.reliability[:, column]
    return share.size <= MOST_POOLED and float(np.mean(share)) >= LEAST_RELIABILITY


def _conditional_deviations(levels: TermLevels, column: int) -> FloatArray:
    """Of levels given the data, (m,), by ``prior variance = explained / reliability``.

    One number, the root of the mean variance: a level with large counts has a large effect and is
    known well, in the data, and by its own deviation these would be nearer to normal than all
    replicates.
    """
    share, explained = levels.reliability[:, column], levels.deviations[:, column] ** 2
    prior = float(explained.sum() / max(share.sum(), SMALLEST_PROBABILITY))
    variance = float(np.mean(np.maximum(prior - explained, 0.0)))
    return np.full(share.size, np.sqrt(variance))


def _singular(term: str, effects: int) -> str:
    """Why the effects of a singular term cannot be looked at."""
    if effects == 1:
        return f"The term {term} has no effects to look at: its variance is zero."
    return (
        f"The effects of {term} cannot be told apart: the term is singular, its variance is zero "
        "in some direction."
    )


@dataclass(frozen=True, eq=False)
class _NormalStatistic(CheckStatistic):
    """Statistic, and largest distance, of one column of one term."""

    stacks: ClassVar[bool] = True

    term: str
    label: str
    column: int
    statistic: NormalName

    levels: int

    def reduce(self, values: FloatArray) -> FloatArray:
        """Statistic, distance, and what a picture shows, of the values of each level, (.., m)."""
        ordered = _ordered(values)
        inside = np.clip(ndtr(ordered), SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)
        statistics = np.stack(
            [GOODNESS[self.statistic](inside), kolmogorov_smirnov(inside)], axis=-1
        )
        shown = ordered[..., thinned(ordered.shape[-1], PICTURE_POINTS)]
        return np.concatenate([statistics, shown], axis=-1)

    def finding(self, sample: NullSample) -> Finding:
        m = self.levels
        distance, half = float(sample.numbers[1]), sample.quantile(0.95, 1)
        finding = self.found(
            sample,
            null=f"the random effects of {self.term} are normal",
            effect=Effect(
                "distance from normal",
                distance,
                max(0.0, distance - half),
                min(1.0, distance + half),
                0.0,
            ),
            alternative="greater",
            n=m,
            references=(
                "Thygesen et al. (2017), Environ. Ecol. Stat. 24, 317-339",
                "Lange & Ryan (1989), Ann. Stat. 17, 624-642",
                "Lilliefors (1967), J. Am. Stat. Assoc. 62, 399-402",
            ),
        )
        low, high = simultaneous_band(sample.replicates[:, 2:])
        kept = thinned(m, PICTURE_POINTS)
        picture = NormalPlot(
            sample.numbers[2:],
            ndtri((kept + 0.5) / m),
            low,
            high,
            title=f"Random effects of {self.label} against normal quantiles",
        )
        return replace(finding, picture=picture, subject={"term": self.term, "effect": self.label})


def _ordered(values: FloatArray) -> FloatArray:
    """``(b - mean b) / sd b``, sorted, (.., m)."""
    values = np.sort(values, axis=-1)
    spread = np.std(values, axis=-1, keepdims=True)
    centred: FloatArray = values - np.mean(values, axis=-1, keepdims=True)
    return centred / np.where(spread > 0.0, spread, 1.0)


@final
@dataclass(frozen=True, eq=False)
class _DrawnEffects(_NormalStatistic):
    """Effects drawn from their distribution given the data."""

    def numbers(self, data_view: DataView) -> FloatArray:
        return self.reduce(data_view.effects[self.term][..., self.column])


@final
@dataclass(frozen=True, eq=False)
class _Modes(_NormalStatistic, SharedStatistic):
    """Conditional modes, each over its standard deviation in all data sets."""

    randomised: ClassVar[bool] = False

    def share(self, data_view: DataView, told: Sequence[FloatArray]) -> FloatArray:
        """The modes of the levels of a part, (.., m)."""
        return data_view.modes[self.term][..., self.column]

    def join(self, shares: Sequence[FloatArray], told: Sequence[FloatArray]) -> FloatArray:
        """Those of all levels."""
        return shares[0] if len(shares) == 1 else np.concatenate(shares, axis=-1)

    def finding(self, sample: NullSample) -> Finding:
        """What the modes say, in units of their deviations."""
        told = self.reduce(over_deviations(pool_of(sample)))
        whole = replace(sample, numbers=told[0], replicates=told[1:], single=None)
        return super().finding(whole)


@final
@dataclass(frozen=True, eq=False)
class _ExpectedEffects(_NormalStatistic, SharedStatistic):
    """The distribution function that is expected given the data.

    It is ``mean Phi((x - b) / c)`` over the levels, at its mean plus z standard deviations. Mean
    and variance are those of the mixture, ``mean b`` and ``var b + mean c^2``: those of all levels
    come first, and then the distribution function at the nodes z.

    Attributes
    ----------
    deviations : (m,)
        Conditional standard deviation c at the estimates, the same for all levels and data sets.
    """

    randomised: ClassVar[bool] = False
    rounds: ClassVar[int] = 2

    deviations: FloatArray

    def of_part(self, model: Checkable) -> Self:
        """The same, with the deviation for the levels of a part, which is that of all."""
        assert isinstance(model, Levelled)
        levels = model.term_levels[self.term].reliability.shape[0]
        return replace(self, deviations=np.full(levels, self.deviations[0]))

    def share(self, data_view: DataView, told: Sequence[FloatArray]) -> FloatArray:
        """Moments of the modes and of the deviations; then ``sum Phi((x - b) / c)``."""
        modes = data_view.modes[self.term][..., self.column]
        if not told:
            squares = np.full((*modes.shape[:-1], 1), float(self.deviations @ self.deviations))
            return np.concatenate([moments(modes), squares], axis=-1)
        mean, spread = np.moveaxis(told[0], -1, 0)
        scale = np.maximum(self.deviations, np.finfo(np.float64).tiny)
        # One node after the other: all levels times all nodes would be large.
        places = (mean[..., None] + z * spread[..., None] for z in NODES)
        return np.stack([ndtr((x - modes) / scale).sum(axis=-1) for x in places], axis=-1)

    def join(self, shares: Sequence[FloatArray], told: Sequence[FloatArray]) -> FloatArray:
        """Mean and standard deviation; then statistic, distance, and quantiles for the picture."""
        if not told:
            count, mean, squares = np.moveaxis(join_moments([s[..., :3] for s in shares]), -1, 0)
            conditional = join_sums([share[..., 3] for share in shares])
            return np.stack([mean, np.sqrt((squares + conditional) / count)], axis=-1)
        F = join_sums(shares) / self.levels
        apart = F - ndtr(NODES)
        # d Phi = phi dz; weighted as by Anderson and Darling, or by none.
        weighted = apart * apart / (ndtr(NODES) * ndtr(-NODES))
        statistics = {
            "ad": self.levels * np.trapezoid(weighted * _density(NODES), NODES, axis=-1),
            "ks": np.abs(apart).max(axis=-1),
        }
        shown = (thinned(self.levels, PICTURE_POINTS) + 0.5) / self.levels
        quantiles = np.apply_along_axis(lambda f: np.interp(shown, f, NODES), -1, F)
        found = [statistics[self.statistic], statistics["ks"]]
        return np.concatenate([np.stack(found, axis=-1), quantiles], axis=-1)


def _density(z: FloatArray) -> FloatArray:
    out: FloatArray = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    return out
