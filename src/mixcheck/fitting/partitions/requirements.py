"""What all parts together must be before a search: levels within parts, and a model of the data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.design import ModelFormula
from mixcheck.design.covariances import STRUCTURES
from mixcheck.design.rank import independent_columns
from mixcheck.errors import ConvergenceError, DesignError
from mixcheck.fitting.estimation.constant_groups import Sides
from mixcheck.fitting.estimation.identification import (
    explain_constant,
    explain_reproduced,
    is_constant_span,
    require_distinct,
    require_room,
)
from mixcheck.fitting.partitions.part import Counts, Described
from mixcheck.fitting.partitions.whole import Whole

__all__ = ["require_identified", "require_independent", "require_within"]


def require_independent(formula: ModelFormula) -> None:
    """Refuse structures that tie levels or times.

    Raises
    ------
    DesignError
    """
    for _, predictor in formula.predictors:
        for term in predictor.random:
            structure = STRUCTURES[term.structure]
            if structure.sequential or structure.related:
                raise DesignError(
                    f"`{term}` ties levels or times to each other, which is not there over "
                    "partitions; write (1 | g), (1 + x | g), diag or cs, or fit one table with "
                    "mc.glmm"
                )


def require_within(counts: Sequence[Counts], numbers: Sequence[int]) -> None:
    """Refuse levels that lie in several parts.

    Parameters
    ----------
    counts : sequence of Counts
        Of the parts that have rows.
    numbers : sequence of int
        Their numbers.

    Raises
    ------
    DesignError
        With one line that makes other parts.
    """
    groups = counts[0].hashes if counts else {}
    sizes = {group: sum(one.hashes[group].size for one in counts) for group in groups}
    for group in sorted(groups, key=sizes.__getitem__):
        whole = np.concatenate([one.hashes[group] for one in counts])
        parts = np.repeat(numbers, [one.hashes[group].size for one in counts])
        order = np.argsort(whole, kind="stable")
        same = np.flatnonzero(whole[order][1:] == whole[order][:-1])
        if same.size:
            first, second = sorted((int(parts[order[same[0]]]), int(parts[order[same[0] + 1]])))
            raise DesignError(_explain_across(group, same.size, first, second))


def _explain_across(group: tuple[str, ...], levels: int, first: int, second: int) -> str:
    name, column = ":".join(group), group[0]
    return (
        f"{levels:,} level(s) of `{name}` have rows in several partitions, the first in {first} "
        f"and {second}, where each level must lie in one. A data frame of dask is divided anew by "
        f"data.shuffle({column!r}), files by dask.dataframe.read_parquet(files).shuffle({column!r})"
        f", and a table of pandas by [rows for _, rows in table.groupby(pd.util.hash_array("
        f"table[{column!r}].to_numpy()) % 8)]"
    )


def require_identified(
    whole: Whole, counts: Sequence[Counts], described: Sequence[Described]
) -> None:
    """Refuse what the rows of all parts together cannot tell.

    Raises
    ------
    DesignError
    ConvergenceError
        If the response does not vary.
    """
    problem = whole.problem
    family = problem.family
    for number, term in enumerate(problem.terms):
        stacked = np.vstack([one.effects[number] for one in counts])
        keep = independent_columns(stacked)
        require_distinct(term, keep, np.asarray(~stacked.any(axis=0)))
        require_room(problem, term, whole.n, whole.levels[term.block.group])
    if "dispersion" in family.predictors:
        rows, p = sum(one.rows for one in counts), problem.X[0].shape[1]
        if p >= rows:
            raise DesignError(
                f"the model has {p} fixed effects for {rows} observations that count, which they "
                "can reproduce exactly, so that nothing is left to estimate the dispersion from"
            )
        if not family.has_atoms:
            _require_variation(whole, described)
    sides: dict[int, Sides] = {}
    for one in described:
        for number, found in one.sides.items():
            sides[number] = found if number not in sides else sides[number] | found
    for number, found in sides.items():
        if found.determined:
            raise DesignError(
                "the groups determine the responses: within every level of "
                f"{problem.terms[number].block.name} all responses are alike, so that its standard "
                "deviation has no finite estimate; take one row for each group, or leave the term "
                "out"
            )


def _require_variation(whole: Whole, described: Sequence[Described]) -> None:
    problem = whole.problem
    spans = np.array([one.responses for one in described])
    span: FloatArray = np.array([spans[:, 0].min(), spans[:, 1].max(), spans[:, 2].max()])
    offsets = np.array([one.offsets for one in described])
    if is_constant_span(problem, span, bool(np.ptp(offsets) > 0.0)):
        raise ConvergenceError(explain_constant())
    for number, term in enumerate(problem.terms):
        if all(one.reproduced[number] for one in described):
            raise ConvergenceError(explain_reproduced(term))
