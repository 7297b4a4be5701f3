"""One part of the rows where it is held, and what is asked of it.

The levels of all grouping factors lie within parts, so that the likelihood of a part is that of a
problem with the same parameters and other rows, and deviances, gradients and Hessians add. The
modes of the random effects stay with the part, and the next evaluation begins at them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.design import Design, with_shapes, without_intercept
from mixcheck.design.partitions import (
    Outline,
    Shown,
    Wanted,
    fill,
    hash_levels,
    show_rows,
    triangle,
)
from mixcheck.errors import ConvergenceError
from mixcheck.execution.threads import single_thread
from mixcheck.families import Family
from mixcheck.fitting.estimation.constant_groups import Sides, level_sides
from mixcheck.fitting.estimation.estimate import dense_size
from mixcheck.fitting.estimation.identification import is_reproduced, span_of_responses
from mixcheck.fitting.estimation.start import (
    FixedRows,
    Moments,
    levels_of,
    start_predictors,
)
from mixcheck.fitting.estimation.surroundings import Rows
from mixcheck.fitting.glmm import with_trials
from mixcheck.fitting.latent.weighted_square import weighted_square
from mixcheck.fitting.likelihood.approximation import Approximation, hessian_of, objective_of
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.laplace_hessian import has_hessian
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.trial_values import may_overflow

__all__ = [
    "Around",
    "Counts",
    "Described",
    "Filled",
    "Levels",
    "Part",
    "Projection",
    "Share",
    "Table",
    "answer",
    "arrange_part",
    "count",
    "count_rows",
    "describe",
    "evaluate",
    "fill_table",
    "finish_design",
    "has_formula",
    "hessian_of_part",
    "look_around",
    "look_at_levels",
    "moments",
    "project",
    "recall",
    "require_problem",
    "rough_information",
    "score_fixed",
    "show",
]

P = ParamSpec("P")
Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of a part before there is a model."""

    frame: pd.DataFrame


def show(table: Table, wanted: Wanted) -> Shown:
    """Rows that show what the columns hold."""
    return show_rows(table.frame, wanted)


@dataclass(frozen=True, eq=False)
class Filled:
    """The design of a part with all columns; None without a complete row."""

    design: Design | None


@dataclass(eq=False)
class Part:
    """Rows arranged for the fitter; without a problem where there are none.

    Attributes
    ----------
    design : Design or None
    problem : Problem or None
    seen : mapping of int to Evaluation
        The last evaluations by their numbers.
    alone : Problem or None
        As it was before a search in other columns.
    replicas : mapping
        What is remembered of simulated data sets; see `views`.
    """

    design: Design | None
    problem: Problem | None
    seen: dict[int, Evaluation] = field(default_factory=dict)
    alone: Problem | None = None
    replicas: dict[Any, Any] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        # Evaluations are where a search goes on, and are found again, as are simulated data.
        return {**self.__dict__, "seen": {}, "replicas": {}}

    def __sizeof__(self) -> int:
        # A scheduler that moves work to data asks for it.
        if self.problem is None:
            return 0
        columns: int = sum(X.shape[1] for X in self.problem.X) + 20
        return 8 * self.problem.order.size * columns


def fill_table(table: Table, outline: Outline) -> Filled:
    """Make the matrices of a part, with all columns."""
    return Filled(fill(outline, table.frame))


@dataclass(frozen=True, eq=False)
class Counts:
    """What a part adds to the numbers of the whole.

    Attributes
    ----------
    triangles : mapping of str to (k, p)
        Of the matrix of each predictor; see `mixcheck.design.partitions.triangle`.
    effects : list of (k, q)
        The same of the effects of each random term.
    hashes : mapping
        Of the levels of each grouping factor.
    rows : int
        Those that count.
    """

    triangles: Mapping[str, FloatArray]
    effects: list[FloatArray]
    hashes: Mapping[tuple[str, ...], Any]
    rows: int


def count(filled: Filled) -> Counts | None:
    """What the matrices of a part add to rank, levels and numbers of rows."""
    design = filled.design
    if design is None:
        return None
    weights = design.weights
    return Counts(
        triangles={part.name: triangle(part.X) for part in design.predictors},
        effects=[triangle(block.Z) for part in design.predictors for block in part.random],
        hashes=hash_levels(design),
        rows=design.response.size if weights is None else int(np.count_nonzero(weights)),
    )


def arrange_part(filled: Filled, outline: Outline, family: Family) -> Part:
    """Leave columns out that are combinations of others, and arrange the rows for the fitter."""
    if filled.design is None:
        return Part(None, None)
    design = finish_design(_trim(filled.design, outline), family, whole=False)
    return Part(design, arrange(design, family))


def _trim(design: Design, outline: Outline) -> Design:
    """The design with the columns that stay."""
    assert outline.kept is not None
    predictors = []
    for one in design.predictors:
        keep = outline.kept[one.name]
        if keep.all():
            predictors.append(one)
            continue
        names = np.asarray(one.columns, dtype=object)
        predictors.append(
            replace(
                one,
                X=np.asfortranarray(one.X[:, keep]),
                columns=tuple(names[keep]),
                aliased=tuple(names[~keep]),
            )
        )
    return replace(design, predictors=tuple(predictors), kept=outline.kept)


def finish_design(design: Design, family: Family, *, whole: bool) -> Design:
    """A design with what its family adds or takes; of all rows, or of those of a part."""
    if family.takes_categories:
        design = without_intercept(design, whole=whole)
    if family.takes_trials:
        design = with_trials(design, family.name)
    return with_shapes(design, family.shapes, family.predictors)


def answer(
    part: Part,
    question: Callable[Concatenate[Part, P], Answer],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> Answer | None:
    """The answer of a part; None of one without rows."""
    if part.problem is None:
        return None
    problem = part.problem
    with single_thread(dense_size(problem, Laplace()), problem.n * problem.n_beta), may_overflow():
        return question(part, *args, **kwargs)


# ---- the model without random effects ----------------------------------------------------


@dataclass(frozen=True, eq=False)
class Projection:
    """Normal equations of the fixed effects closest to where a family starts.

    Attributes
    ----------
    gram : list of (p_k, p_k)
    towards, towards_offset, ones : list of (p_k,)
        ``X' eta``, ``X' offset`` and ``X' 1``.
    total : (K,)
        Sum of each predictor over the rows.
    n : int
    """

    gram: list[FloatArray]
    towards: list[FloatArray]
    towards_offset: list[FloatArray]
    ones: list[FloatArray]
    total: FloatArray
    n: int


def project(part: Part) -> Projection:
    """The normal equations of the rows of a part."""
    problem = require_problem(part)
    etas = start_predictors(problem)
    return Projection(
        gram=[weighted_square(X, np.ones(problem.n)) for X in problem.matrices],
        towards=[X.T @ eta for X, eta in zip(problem.matrices, etas, strict=True)],
        towards_offset=[X.T @ o for X, o in zip(problem.matrices, problem.offsets, strict=True)],
        ones=[X.sum(axis=0) for X in problem.X],
        total=np.array([eta.sum() for eta in etas]),
        n=problem.n,
    )


def score_fixed(part: Part, beta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    """The log-likelihood of the rows without random effects, its gradient and information."""
    at = FixedRows(require_problem(part), beta)
    return (at.value, *at.slopes())


def rough_information(part: Part, beta: FloatArray) -> FloatArray:
    """Information of the rows that is never negative."""
    return FixedRows(require_problem(part), beta).rough_information()


def moments(part: Part, beta: FloatArray) -> list[Moments]:
    """Scores and information of the levels of each random term, summed."""
    problem = require_problem(part)
    scores, information = levels_of(problem, FixedRows(problem, beta).derivatives)
    return [
        Moments.of(scores[term.factor][term.columns], information[term.factor][term.columns])
        for term in problem.terms
    ]


# ---- evaluations -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Share:
    """What a part adds to an evaluation.

    Attributes
    ----------
    deviance : float
    gradient : (P,)
    spread : float
    found : bool
        Whether there are modes.
    """

    deviance: float
    gradient: FloatArray
    spread: float
    found: bool


def evaluate(
    part: Part, psi: FloatArray, number: int, near: int | None, method: Approximation
) -> Share:
    """Deviance and gradient of the rows of a part, from the modes of evaluation `near`.

    Parameters
    ----------
    part : Part
    psi : (P,)
    number : int
        What the evaluation is called.
    near : int or None
        A former one that it begins at, if the part remembers it.
    method : Approximation
    """
    problem = require_problem(part)
    nearby = None if near is None else part.seen.get(near)
    at = objective_of(problem, method)(psi, nearby)
    if at.mode is not None:
        part.seen = {} if near is None or nearby is None else {near: nearby}
        part.seen[number] = at
    return Share(at.deviance, at.gradient, at.spread, at.mode is not None)


def recall(part: Part, psi: FloatArray, number: int, method: Approximation) -> Evaluation:
    """An evaluation of a part; it is made again where the part does not remember it.

    Raises
    ------
    ConvergenceError
        If there are no modes.
    """
    known = part.seen.get(number)
    if known is None:
        known = objective_of(require_problem(part), method)(psi, None)
        if known.mode is None:
            raise ConvergenceError("the likelihood is not finite at these parameters")
        part.seen[number] = known
    return known


def hessian_of_part(
    part: Part, psi: FloatArray, number: int, method: Approximation
) -> FloatArray | None:
    """Hessian of the deviance of the rows of a part, (P, P); None without a formula."""
    exact = hessian_of(require_problem(part), method)
    return None if exact is None else exact(recall(part, psi, number, method))


def has_formula(part: Part) -> bool:
    """Whether the rows of a part have a formula of the Hessian."""
    return has_hessian(require_problem(part))


@dataclass(frozen=True, eq=False)
class Around:
    """What the rows of a part say around an evaluation; see `Surroundings`.

    Attributes
    ----------
    information : (n_beta, n_beta)
    spreads : list of (k, k)
    """

    information: FloatArray
    spreads: list[FloatArray]


def look_around(part: Part, psi: FloatArray, number: int, method: Approximation) -> Around:
    """Information on the fixed effects and on theta."""
    found = Rows(require_problem(part)).scales(recall(part, psi, number, method))
    return Around(*found)


@dataclass(frozen=True, eq=False)
class Levels:
    """What the levels of the random terms of a part say at an evaluation, summed over levels.

    Attributes
    ----------
    moments : list of (q, q)
        ``E[u u' | y]``.
    precision : list of (q,)
        Diagonal of ``Z'WZ``.
    kept : list of float
        Variance of the standardised effects given the data, summed over effects.
    m : list of int
    """

    moments: list[FloatArray]
    precision: list[FloatArray]
    kept: list[float]
    m: list[int]


def look_at_levels(part: Part, psi: FloatArray, number: int, method: Approximation) -> Levels:
    """Second moments of the effects, and the information on them."""
    problem = require_problem(part)
    at = recall(part, psi, number, method)
    assert at.mode is not None
    entries = at.mode.system.factorization.inverse_entries()
    diagonals = [at.gram[f, f].diagonal() for f in range(len(problem.latent.factors))]
    kept = [entries[f, f].diagonal() for f in range(len(problem.latent.factors))]
    sizes = [problem.latent.factors[term.factor].m for term in problem.terms]
    return Levels(
        moments=[
            m * moment for m, moment in zip(sizes, Rows(problem).second_moments(at), strict=True)
        ],
        precision=[diagonals[t.factor][:, t.columns].sum(axis=0) for t in problem.terms],
        kept=[float(kept[t.factor][:, t.columns].sum()) for t in problem.terms],
        m=sizes,
    )


@dataclass(frozen=True, eq=False)
class Described:
    """What a part adds to what is known of all rows before the search.

    Attributes
    ----------
    rows : int
    rounding : float
        Of its log-likelihood.
    levels : mapping of str to int
        Number of levels of each grouping factor.
    sides : mapping of int to Sides
        See `level_sides`.
    responses : (3,)
        Smallest and largest response that counts, less its offset where the link is the
        identity, and the largest size of these numbers.
    offsets : (2,)
        Smallest and largest offset of the mean.
    reproduced : tuple of bool
        For each term, whether it could be the response of all its levels.
    """

    rows: int
    rounding: float
    levels: dict[str, int]
    sides: dict[int, Sides]
    responses: FloatArray
    offsets: FloatArray
    reproduced: tuple[bool, ...]


def describe(part: Part) -> Described:
    """What is asked of all rows before the search."""
    problem = require_problem(part)
    return Described(
        rows=problem.n,
        rounding=problem.rounding,
        levels={term.block.group: term.block.m for term in problem.terms},
        sides=level_sides(problem),
        responses=span_of_responses(problem),
        offsets=np.array([problem.offsets[0].min(), problem.offsets[0].max()]),
        reproduced=tuple(is_reproduced(problem, term) for term in problem.terms),
    )


def count_rows(part: Part) -> int:
    """Rows of a part."""
    return require_problem(part).n


def require_problem(part: Part) -> Problem:
    """The problem of a part that has rows."""
    assert part.problem is not None
    return part.problem
