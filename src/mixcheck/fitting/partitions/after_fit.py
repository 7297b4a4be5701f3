"""What a part is asked for once the estimates are known: effects, predictions, all that it has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.design import Design, apply_design
from mixcheck.fitting.latent.roots import scale
from mixcheck.fitting.likelihood.approximation import Approximation
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.partitions.part import Part, recall, require_problem
from mixcheck.fitting.predictive.prediction import random_contribution

__all__ = ["effects_of", "hand_over", "moves_of"]


def effects_of(
    part: Part, psi: FloatArray, number: int, method: Approximation
) -> dict[str, list[tuple[str, pd.DataFrame]]]:
    """Conditional modes of each term, by grouping factor."""
    problem, design = require_problem(part), part.design
    assert design is not None
    mode = recall(part, psi, number, method).mode
    assert mode is not None
    out: dict[str, list[tuple[str, pd.DataFrame]]] = {}
    for term in problem.terms:
        name = design.predictors[term.predictor].name
        by_level = term.by_level(scale(mode.roots[term.factor], mode.point.u[term.factor])).T
        labels = [e if name == "mean" else f"{name}: {e}" for e in term.block.effects]
        frame = pd.DataFrame(by_level, index=term.block.levels, columns=labels)
        out.setdefault(term.block.group, []).append((term.block.name, frame))
    return out


def hand_over(
    part: Part, psi: FloatArray, number: int, method: Approximation
) -> tuple[Design, Problem, Evaluation]:
    """All that a fit of this part needs."""
    assert part.design is not None
    return part.design, require_problem(part), recall(part, psi, number, method)


def moves_of(
    part: Part,
    new: pd.DataFrame,
    offset: Any,
    psi: FloatArray,
    number: int,
    method: Approximation,
) -> tuple[dict[str, FloatArray], dict[str, Any]]:
    """What the random effects of this part do to new rows, and which of their levels it has.

    Returns
    -------
    moves : mapping of predictor name to (n,)
        Zero in rows whose levels are others'.
    known : mapping of grouping factor to (n,) bool
    """
    problem, design = require_problem(part), part.design
    assert design is not None
    mode = recall(part, psi, number, method).mode
    assert mode is not None
    new_parts = apply_design(design, new, unseen="zero", offset=offset, aloud=False)
    modes: dict[str, dict[str, FloatArray]] = {p.name: {} for p in design.predictors}
    theta: dict[str, dict[str, FloatArray]] = {p.name: {} for p in design.predictors}
    for term in problem.terms:
        name = design.predictors[term.predictor].name
        b = scale(mode.roots[term.factor], mode.point.u[term.factor])
        modes[name][term.block.name] = term.by_level(b).T
        theta[name][term.block.name] = psi[problem.n_beta :][term.theta]
    moves, known = {}, {}
    for one in new_parts:
        moved = random_contribution(one, modes[one.name], theta[one.name])
        moves[one.name] = np.where(np.isnan(moved), 0.0, moved)
        for block in one.random:
            known[block.group] = block.codes >= 0
    return moves, known
