"""The public verb for data in parts: formula and partitions in, fitted model out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mixcheck.arguments.calls import answer_calls
from mixcheck.arguments.options import require_workers, shown
from mixcheck.arrays import FloatArray
from mixcheck.design import has_terms
from mixcheck.design.partitions import Outline, Wanted, fill, join_shown, keep_columns, outline
from mixcheck.design.predictors import require_parameters
from mixcheck.design.right_side import alias_notes, check_groups
from mixcheck.errors import DataWarning, OptionError
from mixcheck.execution.crews import Crew, DaskCrew, LocalCrew, ProcessCrew
from mixcheck.families import Family, get_family
from mixcheck.families.zero_part import add_zeros
from mixcheck.fitting.estimation.limits import Limits, spread_limits
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.glmm import parse_parts, warn_of
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.partitions import part as parts
from mixcheck.fitting.partitions.columns import bring_whole_back, standardise_whole
from mixcheck.fitting.partitions.ends import expand_whole, find_ends, reduce_whole, separated_rows
from mixcheck.fitting.partitions.part import Table
from mixcheck.fitting.partitions.partitioned_fit import PartitionedGLMM
from mixcheck.fitting.partitions.port import PartsPort
from mixcheck.fitting.partitions.requirements import (
    require_identified,
    require_independent,
    require_within,
)
from mixcheck.fitting.partitions.sources import Sources, read_sources
from mixcheck.fitting.partitions.whole import Whole, climb_without_effects, estimate_whole
from mixcheck.notices import warn

__all__ = ["glmm_partitions"]


@answer_calls
def glmm_partitions(
    formula: str,
    data: object,
    *,
    family: str | Family | type[Family] = "gaussian",
    zi: str | None = None,
    dispersion: str | None = None,
    weights: str | None = None,
    offset: str | None = None,
    n_jobs: int | None = None,
    client: object = None,
    context: Mapping[str, Any] | None = None,
) -> PartitionedGLMM:
    """Fit a generalized linear mixed model to rows that lie in parts.

    The levels of every grouping factor lie within one partition each. Then the likelihood is a
    product over partitions: each is arranged once where it is held, and an evaluation sends the
    parameters there and brings its share of the deviance and of the gradient back. Estimates,
    standard errors and log-likelihood are those of `mixcheck.glmm` with all rows in one table, by
    Laplace's approximation.

    Parameters
    ----------
    formula : str
        As in `mixcheck.glmm`. Functions of whole columns, such as ``scale(x)`` and ``poly(x, 2)``,
        and structures that tie levels or times (``ar1``, ``propto``) are refused.
    data : list of tables, list of paths of Parquet files, or dask data frame
        The partitions, at least one with rows.
    family : str or Family
        As in `mixcheck.glmm`.
    zi : str, optional
        Formula of a zero part, as in `mixcheck.glmm`.
    dispersion : str, optional
        Formula of the log dispersion, as in `mixcheck.glmm`.
    weights : str, optional
        Column of multipliers of each row's log density, as in `mixcheck.glmm`.
    offset : str, optional
        Column that is added to the predictor of the mean.
    n_jobs : int, optional
        Worker processes that hold the partitions and work on them side by side; by default this
        process holds them all and goes through them in turn. The numbers are the same.
    client : distributed.Client, optional
        A client of dask, whose workers hold the partitions; for a dask data frame it is needed
        if more than one partition is to be worked on at a time.
    context : mapping, optional
        Functions and constants for the formula, by name.

    Returns
    -------
    PartitionedGLMM

    Raises
    ------
    FormulaError, UnknownColumnError, DataError, FamilyError, OptionError
        For a wrong call.
    DesignError
        For a model that the data cannot identify, and for levels that lie in several partitions.
    ConvergenceError
        If the likelihood is nowhere finite.
    WorkerError
        If workers that hold partitions are lost again and again.

    Warns
    -----
    ConvergenceWarning, BoundaryWarning, SeparationWarning, DataWarning

    Notes
    -----
    A partition is read once and stays in memory, arranged; a worker that is lost is started again
    and reads its partitions anew.

    Examples
    --------
    >>> import mixcheck as mc
    >>> cbpp = mc.datasets.load("cbpp")
    >>> herds = [rows for _, rows in cbpp.groupby("herd", observed=True)]
    >>> fit = mc.glmm_partitions("incidence / size ~ period + (1 | herd)", herds, family="binomial")
    >>> round(fit.llf, 4)
    -92.0263
    """
    chosen = get_family(family)
    if zi is not None and has_terms(zi, "zi"):
        chosen = add_zeros(chosen)
    for name, value in (("weights", weights), ("offset", offset)):
        if value is not None and not isinstance(value, str):
            raise OptionError(
                f"{name} must be the name of a column, since rows lie in parts; found "
                f"{shown(value)}"
            )
    parsed = parse_parts(formula, chosen, zi, dispersion, None, None)
    require_independent(parsed)
    wanted = Wanted(parsed, weights, offset, context, chosen.takes_trials, chosen.takes_categories)
    crew = _hold(read_sources(data, wanted.names), n_jobs, client)
    try:
        return _fit(crew, wanted, chosen)
    except BaseException:
        crew.close()
        raise


def _hold(sources: Sources, n_jobs: int | None, client: Any) -> Crew[Table]:
    """Who holds the partitions."""
    jobs = require_workers(n_jobs)
    if client is not None:
        if not hasattr(client, "submit") or not hasattr(client, "scatter"):
            raise OptionError(
                f"client must be a distributed.Client, or None; found {shown(client)}"
            )
        if jobs is not None:
            raise OptionError("n_jobs= starts workers, and client= has its own; leave one out")
        if sources.delayed:
            return DaskCrew.of(sources.make, client.compute(list(sources.delayed)), client)
        return DaskCrew(sources.makers, client)
    if jobs is None or jobs == 1:
        return LocalCrew(sources.computed())
    if sources.delayed:
        raise OptionError(
            "the partitions of a dask data frame are computed by dask: write client= in place of "
            "n_jobs=, or leave both out"
        )
    import joblib

    return ProcessCrew(sources.makers, jobs if jobs > 0 else joblib.effective_n_jobs(jobs))


def _fit(tables: Crew[Table], wanted: Wanted, family: Family) -> PartitionedGLMM:
    shown_rows = join_shown(tables.ask(parts.show, wanted), wanted)
    made = outline(shown_rows, wanted)
    filled = tables.change(parts.fill_table, made)
    numbered = [(k, one) for k, one in enumerate(filled.ask(parts.count)) if one is not None]
    counts = [one for _, one in numbered]
    require_within(counts, [k for k, _ in numbered])
    made = keep_columns(made, [one.triangles for one in counts])
    design = fill(made, shown_rows.frame)
    assert design is not None
    no_rows = np.zeros(0, dtype=np.intp)
    check_groups({group: (no_rows, key) for group, key in design.keys.items()}, wanted.formula)
    chosen = family.adapt(design.response, design.labels)
    design = parts.finish_design(design, chosen, whole=True)
    require_parameters(design.predictors, design.formula)
    problem = arrange(design, chosen)
    crew = filled.change(parts.arrange_part, made, chosen)
    described = [one for one in crew.ask(parts.answer, parts.describe) if one is not None]
    whole = Whole(
        crew=crew,
        design=design,
        problem=problem,
        n=sum(one.rows for one in described),
        rounding=float(np.sqrt(sum(one.rounding**2 for one in described))),
        levels={g: sum(one.levels[g] for one in described) for g in described[0].levels},
        dropped=shown_rows.incomplete,
    )
    require_identified(whole, counts, described)
    method = Laplace()
    whole, optimum, limits, separated = _estimate(whole, made, method)
    notes = tuple(note for note in (shown_rows.note, *alias_notes(design.predictors)) if note)
    for note in notes:
        warn(note, DataWarning)
    fit = PartsPort(
        design, problem, optimum, method, (*notes, *design.notes), limits, whole, separated
    )
    fit = replace(fit, notes=(*fit.notes, *fit.limit_notes))
    warn_of(fit.convergence)
    return PartitionedGLMM(fit)


def _estimate(
    whole: Whole, made: Outline, method: Laplace
) -> tuple[Whole, Optimum, Limits | None, int]:
    """The parts after the search, the optimum, what has no finite estimate, and rows told so."""
    beta = climb_without_effects(whole)
    found = find_ends(whole, made, beta)
    if found is None:
        return (*_search(whole, method, beta), None, 0)
    limits = found[0]
    reduced, start = reduce_whole(whole, limits, beta)
    after, optimum = _search(reduced, method, start)
    whole, optimum = expand_whole(whole, after, limits, beta, optimum, method)
    separated = sum(whole.ask(separated_rows, limits, beta))
    return whole, optimum, spread_limits(whole.problem, limits, beta), separated


def _search(whole: Whole, method: Laplace, beta: FloatArray) -> tuple[Whole, Optimum]:
    """The search, in other columns where those of the parts are far from orthogonal."""
    changed = standardise_whole(whole)
    if changed is None:
        return whole, estimate_whole(whole, method, beta)
    there, standard = changed
    psi = standard.there(np.append(beta, np.zeros(whole.problem.n_theta)))
    optimum = estimate_whole(there, method, psi[: whole.problem.n_beta])
    return bring_whole_back(whole, there, standard, optimum, method)
