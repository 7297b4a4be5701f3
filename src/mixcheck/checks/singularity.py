"""Whether some random term is singular."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from mixcheck.checks.check import Check
from mixcheck.checks.statistic import CheckContext, Outcome
from mixcheck.port import Converging
from mixcheck.report.finding import Effect, Finding
from mixcheck.report.sentences import join_words

__all__ = ["Singularity"]


@final
@dataclass(frozen=True, repr=False)
class Singularity(Check):
    """Whether a variance of the random effects is zero, or a correlation one.

    An exact fact, without a p-value. The estimates of a singular fit are the best there are, on
    the boundary of what is allowed; so it warns and does not fail. Effect: "singular terms",
    their number; 0 for a fit inside its boundary.

    References
    ----------
    Matuschek, Kliegl, Vasishth, Baayen & Bates (2017), Balancing type I error and power in
    linear mixed models, J. Mem. Lang. 94, 305-315.
    """

    kind: ClassVar[str] = "singularity"
    needs: ClassVar[type] = Converging
    about_rows: ClassVar[bool] = False

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """The fact, from the model's own record."""
        model = context.model
        assert isinstance(model, Converging)
        singular = model.convergence.singular
        count = float(len(singular))
        finding = Finding(
            check=self.name,
            kind=self.kind,
            null="no variance of the random effects is zero, and no correlation is one",
            statistic=count,
            pvalue=None,
            alternative="greater",
            effect=Effect("singular terms", count, np.nan, np.nan, 0.0),
            n=context.n,
            holds=True,
            caution=f"the fit is singular in {join_words(singular)}" if singular else "",
            detail="" if not singular else "The data show no variation there.",
            references=("Matuschek et al. (2017), J. Mem. Lang. 94, 305-315",),
            subject={"term": singular[0]} if singular else {},
        )
        return (finding,)
