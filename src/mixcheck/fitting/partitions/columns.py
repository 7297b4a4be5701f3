"""A search in columns that are nearly orthogonal, where those of all parts are far from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.design.partitions import triangle
from mixcheck.errors import ConvergenceError
from mixcheck.fitting.estimation.estimate import bring_back
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.standardisation import (
    Map,
    Standardised,
    effects_of,
    map_of_triangle,
    standardise_by,
)
from mixcheck.fitting.likelihood.approximation import Approximation
from mixcheck.fitting.likelihood.far_columns import ColumnSums
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.partitions.part import Part, require_problem
from mixcheck.fitting.partitions.whole import Whole

__all__ = ["bring_whole_back", "standardise_whole"]

Maps = tuple[tuple[Map | None, ...], tuple[Map | None, ...]]


def _sums(part: Part) -> tuple[list[ColumnSums], list[ColumnSums]]:
    """Of the columns of each predictor, and of the effects of each term."""
    problem = require_problem(part)
    return (
        [ColumnSums.of(X) for X in problem.X],
        [ColumnSums.of(effects_of(problem, term)) for term in problem.terms],
    )


def _triangles(part: Part) -> tuple[list[FloatArray], list[FloatArray]]:
    problem = require_problem(part)
    return (
        [triangle(X) for X in problem.X],
        [triangle(effects_of(problem, term)) for term in problem.terms],
    )


def _standardise(part: Part, maps: Maps) -> Part:
    """The part in other columns; its `alone` is what it was."""
    if part.problem is None:
        return part
    return Part(part.design, standardise_by(part.problem, *maps).problem, alone=part.problem)


def standardise_whole(whole: Whole) -> tuple[Whole, Standardised] | None:
    """All parts in nearly orthogonal columns; None where their own are good enough."""
    problem = whole.problem
    found = whole.ask(_sums)
    far_fixed = [_total([one[0][k] for one in found]).far for k in range(len(problem.X))]
    far_terms = [
        term.covariance.unrestricted
        and term.covariance.q > 1
        and _total([one[1][k] for one in found]).far
        for k, term in enumerate(problem.terms)
    ]
    if not any(far_fixed) and not any(far_terms):
        return None
    triangles = whole.ask(_triangles)

    def maps(which: int, far: list[bool]) -> tuple[Map | None, ...]:
        return tuple(
            map_of_triangle(np.vstack([one[which][k] for one in triangles]), whole.n)
            if is_far
            else None
            for k, is_far in enumerate(far)
        )

    found_maps = maps(0, far_fixed), maps(1, far_terms)
    standard = standardise_by(problem, *found_maps)
    crew = whole.crew.change(_standardise, found_maps)
    return replace(whole, crew=crew, problem=standard.problem), standard


def _total(sums: list[ColumnSums]) -> ColumnSums:
    out = sums[0]
    for other in sums[1:]:
        out = out + other
    return out


def _restore(part: Part) -> Part:
    return part if part.alone is None else Part(part.design, part.alone)


def bring_whole_back(
    whole: Whole,
    changed: Whole,
    standard: Standardised,
    optimum: Optimum,
    method: Approximation,
) -> tuple[Whole, Optimum]:
    """The optimum in the columns that were given, with parts as they were."""
    restored = replace(whole, crew=changed.crew.change(_restore))
    objective = restored.objective(method)

    def modes(psi: FloatArray, scale: FloatArray) -> Mode | None:
        return objective(psi, None).mode

    found = bring_back(standard, optimum, method, modes)
    if found.evaluation.mode is None:
        raise ConvergenceError("the likelihood is not finite where the search ended")
    return restored, found
