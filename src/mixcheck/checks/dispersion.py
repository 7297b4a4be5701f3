"""Whether the response varies as much as the model says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, final, get_args

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.pearson import pearson_statistic
from mixcheck.checks.shares import join_moments, join_sums, moments
from mixcheck.checks.statistic import (
    ALTERNATIVES,
    CheckContext,
    NullSample,
    Outcome,
    SharedStatistic,
    fitted_frequencies,
    null_plot,
    ratio,
    require_choice,
)
from mixcheck.port import DataView, Dispersed
from mixcheck.report.finding import Alternative, Effect, Finding, Skipped

__all__ = ["Dispersion"]

DispersionName = Literal["pearson", "variance"]
PEARSON = "McCullagh & Nelder (1989), Generalized Linear Models, section 4.5"


@final
@dataclass(frozen=True, repr=False)
class Dispersion(Check):
    """Whether the response varies as much as the model says.

    Null hypothesis: the spread of the response around its means is that of the model.
    Effect: "variance ratio", the statistic over its mean in replicate data sets, with the
    interval that its 2.5 % and 97.5 % quantiles there give; 1 under the model. Where the mean of a
    response tells its variance (0 and 1), or the model estimates it (Gaussian), the whole cannot
    fail, and is skipped; levels can.

    Parameters
    ----------
    statistic : {"pearson", "variance"}
        "pearson": sum of ``(y - mean)^2 / variance`` given the modes of the random effects,
        which are found again in each replicate. "variance": variance of ``y - fitted``
        with random effects at zero, as in DHARMa; large means dominate it.
    alternative : {"two-sided", "greater", "less"}
        Of "greater", only overdispersion counts.
    """

    kind: ClassVar[str] = "dispersion"
    shared: ClassVar[bool] = True
    least_rows: ClassVar[int] = 2

    statistic: DispersionName = "pearson"
    alternative: Alternative = "two-sided"

    def __post_init__(self) -> None:
        require_choice("statistic", self.statistic, get_args(DispersionName))
        require_choice("alternative", self.alternative, ALTERNATIVES)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the response; none where it was fitted to it."""
        reason = self._cannot_fail(context)
        if reason:
            return (Skipped(self.name, self.kind, reason),)
        return (_DispersionStatistic(self.name, self.kind, self.statistic, self.alternative),)

    def _cannot_fail(self, context: CheckContext) -> str:
        known, model = fitted_frequencies(context), context.model
        if known:
            return f"{known}: this cannot fail. Ask of groups of rows, .by(..), or of the mean."
        if not context.whole or self.statistic != "pearson":
            return ""
        if isinstance(model, Dispersed) and model.fits_variance:
            return (
                "The model estimates the variance of the response itself: this cannot fail. Ask "
                "whether it differs between rows, by Spread() or .by(..)."
            )
        return ""


@final
@dataclass(frozen=True, eq=False)
class _DispersionStatistic(SharedStatistic):
    """One number: Pearson's statistic, or a variance."""

    stacks: ClassVar[bool] = True
    randomised: ClassVar[bool] = False

    statistic: DispersionName
    alternative: Alternative

    def share(self, data_view: DataView, told: Sequence[FloatArray]) -> FloatArray:
        if self.statistic == "pearson":
            return pearson_statistic(data_view)[..., None]
        return moments(data_view.response - data_view.fitted)

    def join(self, shares: Sequence[FloatArray], told: Sequence[FloatArray]) -> FloatArray:
        if self.statistic == "pearson":
            return join_sums(shares)
        n, _, squares = np.moveaxis(join_moments(shares), -1, 0)
        variance: FloatArray = (squares / (n - 1.0))[..., None]
        return variance

    def finding(self, sample: NullSample) -> Finding:
        value = float(sample.numbers[0])
        effect = Effect(
            "variance ratio",
            ratio(value, sample.mean()),
            ratio(value, sample.quantile(0.975)),
            ratio(value, sample.quantile(0.025)),
            1.0,
        )
        finding = self.found(
            sample,
            null="the response varies around its mean as much as the model says",
            effect=effect,
            alternative=self.alternative,
            n=sample.n,
            references=(PEARSON,) if self.statistic == "pearson" else (),
        )
        label = {
            "pearson": "variance ratio, of squared Pearson residuals",
            "variance": "variance ratio, of response less fitted",
        }[self.statistic]
        picture = null_plot(self.name, sample, label, unit=sample.mean())
        return replace(finding, picture=picture)
