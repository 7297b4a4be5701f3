"""Whether the largest residuals, or the number of those in the tails, are those of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from mixcheck.arguments.options import require_number
from mixcheck.arrays import BLOCK_ROWS, BoolArray, FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.goodness import clopper_pearson
from mixcheck.checks.shares import join_sums
from mixcheck.checks.statistic import (
    RESIDUALS,
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    SharedStatistic,
    null_plot,
)
from mixcheck.codec.shapes import Finite
from mixcheck.display.pictures import CurvePlot
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding

__all__ = ["Outliers"]

# The outlier bound of 250 simulations: 1 / (250 + 1) in each tail.
OUTLIER_LEVEL = 1.0 / 251.0
# So many rows of all are taken for gross errors, with so many times the standard deviation.
_GROSS, _SPREAD = 4.0, 4.0
# So many of the largest residuals are shown.
_SHOWN = 20


@final
@dataclass(frozen=True, repr=False)
class Outliers(Check):
    """Whether some residuals are larger than they should be.

    Null hypothesis: the largest residuals are those of so many rows. The size of a residual is that
    of its normal score, which counts how far a row is out, ``s = sqrt(E Phi^-1(P(Y < y) +
    P(Y = y) / 2)^2)`` over what the data say of the random effects; its square is 1 on average
    under the model. The statistic is the log-likelihood ratio of four gross errors among the n
    rows, of four times the standard deviation, against none: ``sum log(1 - e + e f(s))``,
    ``e = 4 / n`` and ``f(s) = exp(s^2 (1 - 1 / 16) / 2) / 4``. One row far out makes it large, and
    so do several that are not as far. Effect "largest residual", in standard deviations of a normal
    distribution, with an interval from the replicates; under the model, their median. The finding
    names the rows beyond what the largest of 19 in 20 replicates comes to, and its picture shows
    the largest residuals beside those of the replicates.

    With a `level`, and where residuals are ranks among draws, which know no tails, the statistic
    is the number of residuals within `level` of 0 or of 1; effect "outlier share", with a
    Clopper-Pearson interval; ``2 level`` under the model. The finding names these rows.

    Parameters
    ----------
    level : float, optional
        Probability of one tail, to count the residuals in both; for models known by their draws
        1 / 251, the bound of 250 simulations.

    References
    ----------
    Box & Tiao (1968), Biometrika 55(1), 119-129: normal errors with a few of a larger variance.
    """

    kind: ClassVar[str] = "outliers"
    shared: ClassVar[bool] = True

    level: Finite | None = None

    def __post_init__(self) -> None:
        if self.level is not None:
            level = require_number("level", self.level, 0.0, 0.5, example=OUTLIER_LEVEL)
            object.__setattr__(self, "level", level)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the residuals."""
        if self.level is None and context.observed.transform is not None:
            return (_LargestStatistic(self.name, self.kind, context.n),)
        level = OUTLIER_LEVEL if self.level is None else self.level
        return (_ShareStatistic(self.name, self.kind, level),)


@final
@dataclass(frozen=True, eq=False)
class _LargestStatistic(SharedStatistic):
    """The log-likelihood ratio of gross errors, and the largest sizes, from the largest on.

    Attributes
    ----------
    whole : int
        Rows of the sample.
    """

    stacks: ClassVar[bool] = True
    randomised: ClassVar[bool] = False

    whole: int

    def share(self, data_view: DataView, told: Sequence[FloatArray]) -> FloatArray:
        squares = _squares(data_view)
        gross = _gross_errors(squares, self.whole)[..., None]
        return np.concatenate([gross, np.sqrt(_largest(squares))], axis=-1)

    def join(self, shares: Sequence[FloatArray], told: Sequence[FloatArray]) -> FloatArray:
        if len(shares) == 1:
            return shares[0]
        total = join_sums([share[..., :1] for share in shares])
        largest = np.concatenate([share[..., 1:] for share in shares], axis=-1)
        return np.concatenate([total, _largest(largest)], axis=-1)

    def finding(self, sample: NullSample) -> Finding:
        sizes = np.sqrt(_squares(sample.observed))
        largest, middle = float(sample.numbers[1]), sample.quantile(0.5, 1)
        effect = Effect(
            "largest residual",
            largest,
            max(0.0, largest + middle - sample.quantile(0.975, 1)),
            largest + middle - sample.quantile(0.025, 1),
            middle,
        )
        finding = self.found(
            sample,
            null="the largest residuals are those of so many rows of the model",
            effect=effect,
            alternative="greater",
            n=sample.n,
            references=(RESIDUALS, "Box & Tiao (1968), Biometrika 55(1), 119-129"),
        )
        rows = np.flatnonzero(sizes > sample.quantile(0.95, 1))
        low, middles, high = np.quantile(sample.replicates[:, 1:], (0.025, 0.5, 0.975), axis=0)
        picture = CurvePlot(
            np.arange(1.0, middles.size + 1.0),
            sample.numbers[1:],
            low,
            high,
            middles,
            discrete=True,
            title="The largest residuals, and the range of each in 95 % of replicates",
            x_label="place, from the largest on",
            y_label="size, in standard deviations",
        )
        return replace(finding, rows=rows, picture=picture)


def _largest(values: FloatArray) -> FloatArray:
    """The twenty largest of values (.., n), or all, from the largest on."""
    shown = min(_SHOWN, values.shape[-1])
    return np.sort(np.partition(values, -shown, axis=-1)[..., -shown:], axis=-1)[..., ::-1]


def _gross_errors(squares: FloatArray, rows: int) -> FloatArray:
    """``sum log(1 - e + e f(s))`` over squared sizes (.., n), of a sample of so many rows, (..,).

    With ``x = log(e f(s) / (1 - e))`` each term is ``log(1 - e) + max(x, 0) + log(1 + exp(-|x|))``,
    so that no row is too far out.
    """
    share = min(_GROSS / rows, 0.5)
    least = np.log(share) - np.log1p(-share) - np.log(_SPREAD)
    total = np.full(squares.shape[:-1], squares.shape[-1] * np.log1p(-share))
    # In blocks of rows, whose temporaries stay in the processor's cache.
    for begin in range(0, squares.shape[-1], BLOCK_ROWS):
        odds = squares[..., begin : begin + BLOCK_ROWS] * (0.5 * (1.0 - _SPREAD**-2))
        odds += least
        above = None
        if odds.max() > 0.0:
            above = np.maximum(odds, 0.0)
            np.minimum(odds, -odds, out=odds)
        np.exp(odds, out=odds)
        total += np.add.reduce(np.log1p(odds, out=odds), axis=-1)
        if above is not None:
            total += np.add.reduce(above, axis=-1)
    return total


def _squares(data_view: DataView) -> FloatArray:
    """Mean squares of the normal scores of each row, (.., n)."""
    assert data_view.transform is not None
    return data_view.transform().squares


@final
@dataclass(frozen=True, eq=False)
class _ShareStatistic(CheckStatistic):
    """One number: how many residuals lie in the tails."""

    stacks: ClassVar[bool] = True

    level: float

    def _outside(self, data_view: DataView) -> BoolArray:
        residuals = data_view.residuals
        return (residuals < self.level) | (residuals > 1.0 - self.level)

    def numbers(self, data_view: DataView) -> FloatArray:
        count: FloatArray = self._outside(data_view).sum(axis=-1, dtype=np.float64)
        return count[..., None]

    def finding(self, sample: NullSample) -> Finding:
        rows = np.flatnonzero(self._outside(sample.observed))
        n = sample.observed.residuals.size
        low, high = clopper_pearson(rows.size, n)
        finding = self.found(
            sample,
            null=f"a share of {2.0 * self.level:.3g} of the residuals lies in the tails",
            effect=Effect("outlier share", rows.size / n, low, high, 2.0 * self.level),
            alternative="two-sided",
            n=n,
            references=(RESIDUALS, "Clopper & Pearson (1934), Biometrika 26, 404-413"),
        )
        label = "residuals in the tails"
        return replace(finding, rows=rows, picture=null_plot(self.name, sample, label))
