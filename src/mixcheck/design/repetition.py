"""A design with some of its rows several times: what frequency weights stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mixcheck.arrays import IntArray
from mixcheck.design.frames import row_label
from mixcheck.design.matrices import Design
from mixcheck.design.predictors import Predictor, RandomBlock
from mixcheck.errors import DataError

__all__ = ["read_counts", "repeat_rows"]

_MOST_COPIES = 2.0**53


def read_counts(design: Design) -> IntArray | None:
    """How many rows each row stands for, (n,); None where each is one.

    Raises
    ------
    DataError
        If a weight is not a whole number: no data have such a row.
    """
    weights = design.weights
    if weights is None or bool(np.all(weights == 1.0)):
        return None
    broken = np.flatnonzero(weights != np.rint(weights))
    if broken.size:
        first = int(broken[0])
        raise DataError(
            f"weights= count rows, and no data can be simulated in which a row is there "
            f"{weights[first]:g} times ({row_label(design.frame, first)}), so the model cannot be "
            "checked. Round weights that are counts, write precision= for known variances, and "
            "check a model with survey weights by its fit without them"
        )
    # More rows than this have no room anywhere, and no integer holds many more.
    return np.minimum(weights, _MOST_COPIES).astype(np.intp)


def repeat_rows(design: Design, rows: IntArray) -> Design:
    """The design of given rows, each as one row, with the levels of all.

    Parameters
    ----------
    design : Design
    rows : (N,) int
        Positions; one may occur several times, or not at all.
    """
    return replace(
        design,
        response=design.response[rows],
        size=None if design.size is None else design.size[rows],
        weights=None,
        predictors=tuple(_repeat_predictor(part, rows) for part in design.predictors),
        frame=design.frame.iloc[rows],
        rows=design.rows[rows],
    )


def _repeat_predictor(part: Predictor, rows: IntArray) -> Predictor:
    return replace(
        part,
        X=part.X[rows],
        offset=part.offset[rows],
        random=tuple(_repeat_block(block, rows) for block in part.random),
    )


def _repeat_block(block: RandomBlock, rows: IntArray) -> RandomBlock:
    positions = None if block.positions is None else block.positions[rows]
    return replace(block, codes=block.codes[rows], Z=block.Z[rows], positions=positions)
