"""Coefficients of a linear predictor, with the terms that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.design import Design, Predictor
from mixcheck.port import PartEstimates

__all__ = ["gather_part"]


def gather_part(
    design: Design,
    part: Predictor,
    estimates: FloatArray,
    covariance: FloatArray,
    lost: Sequence[bool],
) -> PartEstimates:
    """Coefficients of one part; those without a finite estimate have an infinite variance.

    Parameters
    ----------
    design : Design
    part : Predictor
    estimates : (p,) array
    covariance : (p, p) array
    lost : sequence of bool, length p
    """
    terms = compress(design.recipes[part.name].terms, design.kept[part.name])
    infinite = np.asarray(lost, dtype=np.bool_)
    shown = covariance.copy()
    shown[infinite], shown[:, infinite] = np.nan, np.nan
    shown[infinite, infinite] = np.inf
    return PartEstimates(part.columns, tuple(terms), estimates.copy(), shown, part.X)
