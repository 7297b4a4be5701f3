"""Fits without each row, or group of rows: how far the coefficients move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.errors import MixcheckError
from mixcheck.execution.parallel import map_numbers
from mixcheck.execution.progress import Progress
from mixcheck.port import PartEstimates, Reducible

__all__ = ["Deletions", "leave_out"]

# Eigenvalues of a covariance below this share of the largest are rounding.
_RANK_TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class Deletions:
    """How the coefficients move without each of m units.

    Attributes
    ----------
    names : tuple of str, (p,)
        Coefficients of all linear predictors whose estimate is finite.
    shifts : (m, p) array
        In standard errors; NaN where the model cannot be fitted without the unit.
    distances : (m,) array
        Cook's distances, ``d' V^-1 d / p``.
    failures : mapping of int to str
        Units without which the model cannot be fitted, and why.
    """

    names: tuple[str, ...]
    shifts: FloatArray
    distances: FloatArray
    failures: Mapping[int, str]


@dataclass(frozen=True, eq=False)
class _Without:
    """Coefficients of the fit without the rows of unit k, (p,), or why there are none."""

    model: Reducible
    codes: IntArray
    finite: Mapping[str, BoolArray]

    def __call__(self, k: int) -> FloatArray | str:
        try:
            found = self.model.coefficients_without(self.codes == k)
        except (MixcheckError, ArithmeticError, np.linalg.LinAlgError) as error:
            return str(error)
        return np.concatenate([found[part][kept] for part, kept in self.finite.items()])


def leave_out(
    model: Reducible,
    codes: IntArray,
    units: int,
    *,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> Deletions:
    """Fit a model again without each unit, from its estimates.

    Parameters
    ----------
    model : Reducible
    codes : (n,) int
        Unit of each row, from 0; -1 for rows that are never left out.
    units : int
        How many, m.
    n_jobs, progress
        As in `mixcheck.execution.parallel.map_numbers`.
    """
    parts = model.part_estimates
    finite = {name: np.isfinite(np.diag(part.covariance)) for name, part in parts.items()}
    finite = {name: kept for name, kept in finite.items() if kept.any()}
    kept = [(parts[name], mask) for name, mask in finite.items()]
    whole = np.concatenate([part.estimates[mask] for part, mask in kept])
    task = _Without(model, codes, finite)
    rows = map_numbers(
        task, range(units), n_jobs=n_jobs, progress=progress, what="fits without a unit"
    )
    moves = np.full((units, whole.size), np.nan)
    failures = {}
    for k, row in enumerate(rows):
        if isinstance(row, str):
            failures[k] = row
        else:
            moves[k] = row - whole
    deviations = np.concatenate([np.sqrt(np.diag(part.covariance))[mask] for part, mask in kept])
    return Deletions(_names(finite, parts), moves / deviations, _distances(kept, moves), failures)


def _names(finite: Mapping[str, BoolArray], parts: Mapping[str, PartEstimates]) -> tuple[str, ...]:
    return tuple(
        name if part == "mean" else f"{part}: {name}"
        for part, mask in finite.items()
        for name, keep in zip(parts[part].names, mask, strict=True)
        if keep
    )


def _distances(kept: Sequence[tuple[PartEstimates, BoolArray]], moves: FloatArray) -> FloatArray:
    """``d' V^-1 d / p``, V block by block, without directions in which it is rounding, (m,)."""
    total, done = np.zeros(len(moves)), 0
    for part, mask in kept:
        count = int(mask.sum())
        values, vectors = np.linalg.eigh(part.covariance[np.ix_(mask, mask)])
        known = values > _RANK_TOLERANCE * values[-1]
        own = moves[:, done : done + count] @ (vectors[:, known] / np.sqrt(values[known]))
        total += np.einsum("mr,mr->m", own, own)
        done += count
    distances: FloatArray = total / done
    return distances
