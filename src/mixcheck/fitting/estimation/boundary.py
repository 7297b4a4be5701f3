"""Faces of the parameter space: covariance matrices without full rank.

Where the first variance of a correlated term goes to zero, its covariance hardly depends on
how the rest is shared between the columns of ``Lambda``: the deviance is flat along a
circle, and a search may stall on it away from the optimum, which lies on a face where a
correlation is one. The same covariance with its smallest direction dropped, in the one form
that has a zero at the end of the diagonal, is a point on that face to search from.
"""

from __future__ import annotations

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.estimation.optimize import Optimum
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["face_near", "is_settled"]

# A search has settled where the whitened gradient is this small and no curvature negative.
_GRADIENT = 1e-6
_CURVATURE = -1e-6
# A direction of a term with a share of its covariance below this may be dropped.
_NEGLIGIBLE = 1e-2


def is_settled(optimum: Optimum) -> bool:
    """Whether an optimum has a small gradient and no negative curvature."""
    return optimum.gradient < _GRADIENT and not optimum.smallest_eigenvalue < _CURVATURE


def face_near(problem: Problem, psi: FloatArray) -> FloatArray | None:
    """Parameters on the face nearest to `psi`, (P,); None if no term is close to one."""
    out, found = psi.copy(), False
    for term in problem.terms:
        held = slice(problem.n_beta + term.theta.start, problem.n_beta + term.theta.stop)
        root = term.covariance.factor(psi[held])
        if term.block.structure == "diag" or root.shape[0] == 1:
            continue
        values, vectors = np.linalg.eigh(root @ root.T)
        if values[0] < _NEGLIGIBLE * values[-1]:
            spread = vectors[:, 1:] * np.sqrt(np.maximum(values[1:], 0.0))
            out[held] = term.covariance.pull_back(_lower_root(spread))
            found = True
    return out if found else None


def _lower_root(spread: FloatArray) -> FloatArray:
    """Lower-triangular (q, q) L with ``L L' = A A'`` for A (q, r), r < q; last columns zero."""
    q, r = spread.shape
    upper = np.linalg.qr(spread.T, mode="r")
    signs = np.where(np.diag(upper) < 0.0, -1.0, 1.0)
    out = np.zeros((q, q))
    out[:, :r] = (signs[:, None] * upper).T
    return out
