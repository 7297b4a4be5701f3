"""Where a search has ended, and what is near to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.fitting.likelihood.objective import Evaluation

__all__ = ["RUNAWAY", "Optimum", "is_near"]
# An eigenvalue of the whitened Hessian below this belongs to a parameter that runs to a limit,
# and there the whitened gradient is followed to the second number.
RUNAWAY = 1e-3
# Where the deviance is above that of an optimum by no more than this, and so far as its
# curvature says, a search would end at that optimum.
_NEIGHBOUR = 0.01


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where the search ended.

    Attributes
    ----------
    psi : (P,)
    evaluation : Evaluation
    scale : (P, P')
        Whitening of the parameters; its rows of parameters that were held are zero.
    gradient : float
        Largest entry of the whitened gradient; nan where it was not asked for, after one step.
    hessian : (P, P) or None
        Of the deviance, in psi; None if it was not asked for. Zero beside parameters that were
        held.
    smallest_eigenvalue : float
        Of the whitened Hessian; nan without it.
    evaluations : int
    flat : int
        How many of the last columns of `scale` are directions in which the deviance is constant,
        left out of the search because a coefficient has no finite estimate.
    curvature : (P', P') or None
        The whitened Hessian, where it is known better than from `hessian` and `scale`.
    free : (P,) bool or None
        Which parameters were free; None where all were.
    integrated : bool
        Whether the likelihood is integrated exactly, in place of the approximation asked for.
    one_step : bool
        Whether this is where one Newton step from another fit has led, and no optimum.
    on_tail : bool
        Whether the search has stopped on its way to a limit of some part.
    """

    psi: FloatArray
    evaluation: Evaluation
    scale: FloatArray
    gradient: float
    hessian: FloatArray | None
    smallest_eigenvalue: float
    evaluations: int
    flat: int = 0
    curvature: FloatArray | None = None
    free: BoolArray | None = None
    integrated: bool = False
    one_step: bool = False
    on_tail: bool = False

    @property
    def searched(self) -> FloatArray:
        """Scale of the directions that were searched, (P, P'): S without its `flat` columns."""
        return self.scale[:, : self.scale.shape[1] - self.flat]

    def whitened_hessian(self) -> FloatArray | None:
        """Hessian in the directions searched, ``S' H S``, (P', P'); None if there is none."""
        if self.curvature is not None or self.hessian is None:
            return self.curvature
        out: FloatArray = self.searched.T @ self.hessian @ self.searched
        return out

    @cached_property
    def axes(self) -> tuple[FloatArray, FloatArray] | None:
        """Eigenvalues, (P',), and axes, (P', P'), of `whitened_hessian`; None if there is none."""
        whitened = self.whitened_hessian()
        if whitened is None:
            return None
        values, vectors = np.linalg.eigh(whitened)
        return values, vectors


def is_near(psi: FloatArray, evaluation: Evaluation, known: Optimum) -> bool:
    """Whether the deviance here is that of a neighbour of a known optimum, by its curvature."""
    if known.hessian is None or abs(evaluation.deviance - known.evaluation.deviance) > _NEIGHBOUR:
        return False
    change = psi - known.psi
    return 0.5 * float(change @ known.hessian @ change) < _NEIGHBOUR
