"""The rows of a fit: what they hold, and digests by which two fits are known to be of one table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.design.plan import plan_formula
from mixcheck.fitting.estimation.pql import linearise
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.port import DataRows
from mixcheck.port.row_hashes import digest, hash_labels

__all__ = ["describe_rows", "digest_rows"]


def describe_rows(fit: Estimates) -> DataRows:
    """The rows of a fit and what they hold."""
    problem, design = fit.problem, fit.design
    size, weights, to = problem.data.size, problem.weights, problem.to_design
    blocks = [block for part in design.predictors for block in part.random]
    # Weights of one are no weights.
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


def digest_rows(fit: Estimates, data: DataRows) -> dict[str, str]:
    """Digests of the rows, the response, the weights and the offset of the mean.

    They depend on the labels of the rows and not on their order. For PQL the response is the
    working one, whose pseudo-likelihood is maximised.
    """
    response = [data.response, data.size]
    if fit.method.kind == "pseudo":
        working = linearise(fit.problem, fit.mode.point.eta).data.y
        response.append(fit.problem.to_design(working))
    labels = hash_labels(fit.frame.index)
    order = np.argsort(labels, kind="stable")
    return {
        "rows": digest(labels[order]),
        "response": digest(*_in_order(response, order)),
        "weights": digest(*_in_order([data.weights], order)),
        "offset": digest(*_in_order([data.offsets["mean"]], order)),
    }


def _in_order(arrays: Sequence[FloatArray | None], order: IntArray) -> list[FloatArray | None]:
    return [None if array is None else array[order] for array in arrays]
