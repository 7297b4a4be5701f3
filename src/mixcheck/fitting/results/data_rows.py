"""The rows of a fit: what they hold, and digests by which two fits are known to be of one table."""

from __future__ import annotations

import numpy as np

from mixcheck.design.plan import plan_formula
from mixcheck.fitting.estimation.pql import linearise
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.port import DataRows
from mixcheck.port.row_hashes import digest_rows

__all__ = ["describe_rows", "digest_fit"]


def describe_rows(fit: Estimates) -> DataRows:
    """The rows of a fit and what they hold."""
    problem, design = fit.problem, fit.design
    size, weights, to = problem.data.size, problem.weights, problem.to_design
    blocks = [block for part in design.predictors for block in part.random]
    # Weights of one are not weights.
    weighted = weights is not None and bool(np.any(weights != 1.0))
    named = plan_formula(design.formula).variables(response=True)
    grouping = tuple(dict.fromkeys(name for group in design.keys for name in group))
    return DataRows(
        frame=fit.frame,
        response=to(problem.data.y),
        size=None if size is None else to(size),
        weights=to(weights) if weights is not None and weighted else None,
        offsets={part.name: part.offset for part in design.predictors},
        groups={b.division: b.index for b in blocks if b.relation is None},
        used=tuple(dict.fromkeys((*named, *grouping))),
        grouping=grouping,
        weighing=design.weights_source,
    )


def digest_fit(fit: Estimates, data: DataRows) -> dict[str, str]:
    """Digests of what a fit was made of; for PQL of the working response, too.

    Its pseudo-likelihood is that of the working response.
    """
    if fit.method.kind != "pseudo":
        return digest_rows(data)
    working = linearise(fit.problem, fit.mode.point.eta).data.y
    return digest_rows(data, fit.problem.to_design(working))
