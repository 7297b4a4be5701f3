"""Whether every parameter has a finite estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from mixcheck.checks.check import Check
from mixcheck.checks.statistic import CheckContext, Outcome
from mixcheck.port import Converging
from mixcheck.port.estimates import Limit
from mixcheck.report.finding import Effect, Finding

__all__ = ["Separation"]

_WHY = {
    "separation": "predictors tell some responses exactly",
    "not identified": "no response depends on it",
    "groups": "the groups determine the responses",
    "dispersion": "the data show no such variation",
    "zero part": "the data show no such zeros",
    "shape": "the data are distributed as in the simpler family at its limit",
    "flat": "the likelihood no longer changes with it",
}


@final
@dataclass(frozen=True, repr=False)
class Separation(Check):
    """Whether every parameter has a finite estimate.

    An exact fact, without a p-value: no direction of the parameters raises the likelihood
    without end, as where a predictor separates successes from failures. Effect: "parameters
    without an estimate", their number; 0 where all are finite.

    References
    ----------
    Albert & Anderson (1984), On the existence of maximum likelihood estimates in logistic
    regression models, Biometrika 71, 1-10.
    """

    kind: ClassVar[str] = "separation"
    needs: ClassVar[type] = Converging
    about_rows: ClassVar[bool] = False

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """The fact, from the model's own record."""
        model = context.model
        assert isinstance(model, Converging)
        limits = model.convergence.limits
        count = float(len(limits))
        finding = Finding(
            check=self.name,
            kind=self.kind,
            null="every parameter has a finite estimate",
            statistic=count,
            pvalue=None,
            alternative="greater",
            effect=Effect("parameters without an estimate", count, np.nan, np.nan, 0.0),
            n=context.n,
            holds=not limits,
            detail=" ".join(_told(limit) for limit in limits),
            references=("Albert & Anderson (1984), Biometrika 71, 1-10",),
            subject={"parameter": limits[0].parameter} if limits else {},
        )
        return (finding,)


def _told(limit: Limit) -> str:
    return f"{limit.parameter} has none: {_WHY[limit.reason]}."
