"""Whether the approximation of the likelihood is good enough for the estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from mixcheck.checks.check import Check
from mixcheck.checks.statistic import CheckContext, Outcome
from mixcheck.codec.shapes import Finite
from mixcheck.options import require_number
from mixcheck.port import Approximate
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = ["LaplaceAdequacy"]


@final
@dataclass(frozen=True, repr=False)
class LaplaceAdequacy(Check):
    """Whether the approximation of the likelihood is good enough for the estimates.

    An exact fact, without a p-value: the model is fitted again by adaptive quadrature with
    as many nodes as it takes for the log-likelihood to settle. Effect: "largest shift" of a
    parameter (fixed effect, dispersion or entry of a covariance factor) in standard errors; 0
    for an exact likelihood. The finding also gives both log-likelihoods. Skipped where
    quadrature does not apply (several grouping factors).

    Parameters
    ----------
    tolerance : float
        Shift, in standard errors, up to which the approximation is good enough.

    References
    ----------
    Joe (2008), Accuracy of Laplace approximation for discrete response mixed models,
    Comput. Stat. Data Anal. 52, 5066-5074.
    """

    kind: ClassVar[str] = "laplace-adequacy"
    needs: ClassVar[type] = Approximate
    about_rows: ClassVar[bool] = False

    tolerance: Finite = 0.25

    def __post_init__(self) -> None:
        tolerance = require_number("tolerance", self.tolerance, 0.0, example=0.25)
        object.__setattr__(self, "tolerance", tolerance)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """The fact, from a fit by quadrature."""
        model = context.model
        assert isinstance(model, Approximate)
        facts = model.approximation()
        if facts.unavailable:
            return (Skipped(self.name, self.kind, facts.unavailable),)
        finding = Finding(
            check=self.name,
            kind=self.kind,
            null=f"no estimate is off by more than {self.tolerance:g} standard errors",
            statistic=facts.shift,
            pvalue=None,
            alternative="greater",
            effect=Effect("largest shift", facts.shift, np.nan, np.nan, 0.0),
            n=context.n,
            holds=facts.shift <= self.tolerance,
            references=("Joe (2008), Comput. Stat. Data Anal. 52, 5066-5074",),
            detail=(
                f"Against {facts.reference}: {facts.parameter} moves most; the log-likelihood is "
                f"{facts.llf:.4f} here and {facts.reference_llf:.4f} there."
            ),
        )
        return (finding,)
