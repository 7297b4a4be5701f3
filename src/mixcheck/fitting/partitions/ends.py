"""What has no finite estimate, over all parts: found in the rows that differ, and left out.

Scores of the fit without random effects prove for most data, by sums over parts, that nothing is
separated (`mixcheck.fitting.estimation.separation`). Where they do not, the rows that differ in
their columns and ends are brought together: separation is a matter of which rows there are, not of
how often.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.design import Design
from mixcheck.design.partitions import Outline, fill, triangle
from mixcheck.design.rank import independent_columns
from mixcheck.errors import ConvergenceError, DesignError
from mixcheck.fitting.estimation.limits import (
    Limits,
    distances_of,
    expand_optimum,
    find_limits,
    go_out,
    reduce_problem,
    spread_limits,
    ways_of,
)
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.separation import Evidence, is_certain
from mixcheck.fitting.estimation.start import FixedFit
from mixcheck.fitting.glmm import require_estimable, require_overlap
from mixcheck.fitting.likelihood.approximation import Approximation
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.partitions.part import Part, finish_design, recall, require_problem
from mixcheck.fitting.partitions.whole import Whole, number_of

__all__ = ["expand_whole", "find_ends", "reduce_whole", "separated_rows"]

# Rows that differ which are brought together at most.
_MOST_ROWS = 200_000


@dataclass(frozen=True, eq=False)
class _Ends:
    """What a part says of the ends of one predictor.

    Attributes
    ----------
    any : bool
        Whether some row is at an end.
    inside : (k, p)
        Triangle of the rows inside their support.
    evidence : Evidence
    """

    any: bool
    inside: FloatArray
    evidence: Evidence


def _look(part: Part, beta: FloatArray) -> list[_Ends]:
    """The ends of each predictor, with what the scores there say."""
    problem = require_problem(part)
    first = problem.derivatives(problem.fixed(beta), 2).first
    out = []
    for X, way, slopes in zip(problem.X, ways_of(problem), first, strict=True):
        signs, counted = _signs(way)
        inside = counted & (signs == 0.0)
        out.append(
            _Ends(bool(way.any()), triangle(X[inside]), Evidence.of(X, signs, counted, slopes))
        )
    return out


def _signs(way: np.ndarray) -> tuple[FloatArray, BoolArray]:
    """Towards which end each row goes, (n,), and which rows count."""
    signs = (way == 1).astype(np.float64) - (way == -1)
    return signs, np.abs(way) <= 1


def _are_certain(part: Part, steps: list[FloatArray | None]) -> list[bool]:
    """Whether no row of a part turns a step round."""
    problem = require_problem(part)
    out = []
    for X, way, step in zip(problem.X, ways_of(problem), steps, strict=True):
        signs, counted = _signs(way)
        out.append(step is None or is_certain(X, step, counted & (signs != 0.0)))
    return out


def _different_rows(part: Part) -> pd.DataFrame | None:
    """Rows that differ in their columns or ends, as in the data; None where they are too many."""
    problem, design = require_problem(part), part.design
    assert design is not None
    key = pd.DataFrame(np.column_stack([*problem.X, *ways_of(problem)]))
    some = np.flatnonzero(~key.duplicated().to_numpy())
    return None if some.size > _MOST_ROWS else design.frame.iloc[np.sort(problem.order[some])]


def find_ends(
    whole: Whole, outline: Outline, beta: FloatArray
) -> tuple[Limits, Design, Problem] | None:
    """What has no finite estimate, in rows that show all others; None where everything has one.

    Parameters
    ----------
    whole : Whole
    outline : Outline
    beta : (n_beta,)
        Fixed effects without random ones.

    Raises
    ------
    SeparationError, DesignError
        As `mixcheck.glmm`; and if the rows that differ are too many to be brought together.
    """
    family = whole.problem.family
    if not family.categories and _is_excluded(whole, beta):
        return None
    found = whole.ask(_different_rows_or_none)
    frames = [one.frame for one in found if one.frame is not None]
    if len(frames) < len(found) or sum(map(len, frames)) > 10 * _MOST_ROWS:
        if family.categories:
            return None  # a search that follows a threshold to its end says so
        raise DesignError(
            "some responses are at one end of their support, scores do not prove that no predictor "
            f"tells which, and more than {_MOST_ROWS:,} rows of a partition differ, which are too "
            "many to look at together; fit some of the partitions with mc.glmm, or round predictors"
        )
    made = fill(outline, pd.concat(frames, ignore_index=True))
    assert made is not None
    design = finish_design(made, family, whole=False)
    problem = arrange(design, family)
    fixed = FixedFit(beta, problem.derivatives(problem.fixed(beta), 2))
    limits = find_limits(problem, fixed)
    require_estimable(design, problem, limits)
    if limits is None:
        require_overlap(design, problem, fixed)
        return None
    return limits, design, problem


@dataclass(frozen=True, eq=False)
class _Different:
    """Rows that differ; no frame where they are too many."""

    frame: pd.DataFrame | None


def _different_rows_or_none(part: Part) -> _Different:
    return _Different(_different_rows(part))


def _is_excluded(whole: Whole, beta: FloatArray) -> bool:
    """Whether sums over parts prove that nothing is separated."""
    found = whole.ask(_look, beta)
    steps: list[FloatArray | None] = []
    for k in range(len(whole.problem.X)):
        ends = [one[k] for one in found]
        inside = np.vstack([one.inside for one in ends])
        p = inside.shape[1]
        if not p or not any(one.any for one in ends):
            steps.append(None)
            continue
        if inside.shape[0] and independent_columns(inside).all():
            steps.append(None)
            continue
        evidence = ends[0].evidence
        for other in ends[1:]:
            evidence = evidence + other.evidence
        step = evidence.step()
        if step is None:
            return False
        steps.append(step)
    if all(step is None for step in steps):
        return True
    return all(all(one) for one in whole.ask(_are_certain, steps))


def _reduce(part: Part, limits: Limits, beta: FloatArray) -> Part:
    """The part without the columns and rows that are at their limit."""
    problem = part.problem
    if problem is None:
        return part
    own = spread_limits(problem, limits, beta)
    fixed = FixedFit(beta, problem.derivatives(problem.fixed(beta), 2))
    reduced, _ = reduce_problem(problem, own, fixed)
    return Part(part.design, reduced, alone=problem)


def reduce_whole(whole: Whole, limits: Limits, beta: FloatArray) -> tuple[Whole, FloatArray]:
    """All parts without what has no finite estimate, and the fixed effects that are left."""
    problem = whole.problem
    own = spread_limits(problem, limits, beta)
    fixed = FixedFit(beta, problem.derivatives(problem.fixed(beta), 2))
    reduced, start = reduce_problem(problem, own, fixed)
    crew = whole.crew.change(_reduce, limits, beta)
    return replace(whole, crew=crew, problem=reduced), start.beta


def separated_rows(part: Part, limits: Limits, beta: FloatArray) -> int:
    """Rows of a part that predictors tell exactly."""
    own = spread_limits(require_problem(part), limits, beta)
    rows = np.zeros(require_problem(part).n, dtype=np.bool_)
    for along, reasons in zip(own.parts, own.reasons, strict=True):
        if along is not None and "separation" in reasons.values():
            rows |= along.rows
    return int(rows.sum())


def _distances(
    part: Part,
    limits: Limits,
    beta: FloatArray,
    psi: FloatArray,
    number: int,
    method: Approximation,
) -> list[float]:
    """How far this part has to go along each direction."""
    assert part.alone is not None
    mode = recall(part, psi, number, method).mode
    assert mode is not None
    return distances_of(part.alone, spread_limits(part.alone, limits, beta), mode)


def _restore(part: Part) -> Part:
    return part if part.alone is None else Part(part.design, part.alone)


def expand_whole(
    whole: Whole,
    reduced: Whole,
    limits: Limits,
    beta: FloatArray,
    optimum: Optimum,
    method: Approximation,
) -> tuple[Whole, Optimum]:
    """The optimum of the smaller problem as one of all rows, with parts as they were."""
    at, number = optimum.evaluation, number_of(optimum.evaluation)
    assert number is not None
    found = reduced.ask(_distances, limits, beta, at.psi, number, method)
    distances = [max(each) for each in zip(*found, strict=True)]
    restored = replace(whole, crew=reduced.crew.change(_restore))
    objective = restored.objective(method)

    def modes(psi: FloatArray) -> Mode | None:
        return objective(psi, None).mode

    def place(psi: FloatArray) -> tuple[FloatArray, Mode]:
        gone = go_out(whole.problem, limits, psi, distances, modes)
        if gone is None:
            raise ConvergenceError(
                "the likelihood is not finite where predictors that separate the responses have "
                "gone to their limit; leave them out"
            )
        return gone

    own = spread_limits(whole.problem, limits, beta)
    return restored, expand_optimum(whole.problem, own, optimum, place)
