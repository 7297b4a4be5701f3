"""Whether the optimiser ended at an optimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from mixcheck.checks.check import Check
from mixcheck.checks.statistic import CheckContext, Outcome
from mixcheck.port import ConvergenceFacts, Converging
from mixcheck.report.finding import Effect, Finding
from mixcheck.report.sentences import join_words

__all__ = ["Convergence"]


@final
@dataclass(frozen=True, repr=False)
class Convergence(Check):
    """Whether the optimiser ended at an optimum.

    An exact fact, without a p-value: the gradient, scaled by standard errors, is small and the
    curvature positive. Effect: "scaled gradient". It warns where the optimum lies on a boundary:
    the fit is singular, or some parameter has no finite estimate.
    """

    kind: ClassVar[str] = "convergence"
    shared: ClassVar[bool] = True
    needs: ClassVar[type] = Converging
    about_rows: ClassVar[bool] = False

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """The fact, from the model's own record."""
        model = context.model
        assert isinstance(model, Converging)
        facts = model.convergence
        gradient = float(facts.gradient)
        singular = f"Singular terms: {', '.join(facts.singular)}." if facts.singular else ""
        finding = Finding(
            check=self.name,
            kind=self.kind,
            null="the estimates are at an optimum of the likelihood",
            statistic=gradient,
            pvalue=None,
            alternative="greater",
            effect=Effect("scaled gradient", gradient, np.nan, np.nan, 0.0),
            n=context.n,
            holds=bool(facts.converged),
            detail=" ".join(part for part in (*facts.messages, singular) if part),
            caution=_cautions(facts),
        )
        return (finding,)


def _cautions(facts: ConvergenceFacts) -> str:
    """What should be known of an optimum that was reached."""
    cautions = []
    if facts.singular:
        cautions.append(f"the fit is singular in {join_words(facts.singular)}")
    lost = tuple(dict.fromkeys(facts.runaway))
    if lost:
        cautions.append(f"there is no finite estimate of {join_words(lost)}")
    return ", and ".join(cautions)
