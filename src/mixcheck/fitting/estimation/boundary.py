"""Faces of the parameter space: covariance matrices without full rank.

Where the first variance of a correlated term goes to zero, its covariance hardly depends on
how the rest is shared between the columns of ``Lambda``: the deviance is flat along a
circle, and a search may stall on it away from the optimum, which lies on a face where a
correlation is one. The same covariance with its smallest direction dropped, in the one form
that has a zero at the end of the diagonal, is a point on that face to search from.
"""

from __future__ import annotations

from mixcheck.arrays import FloatArray
from mixcheck.fitting.estimation.optimum import Optimum
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
    """Parameters on the face nearest to `psi`, (P,); None if no term is close to one.

    With the eigenvalues ``c_1 <= .. <= c_q`` of a term's ``Lambda Lambda' = sum c_i v_i v_i'``,
    the covariance there is the sum without its first summand. A term is close where
    ``c_1 < 0.01 c_q``.
    """
    out, found = psi.copy(), False
    for term in problem.terms:
        place = slice(problem.n_beta + term.theta.start, problem.n_beta + term.theta.stop)
        face = term.covariance.without_smallest(psi[place], _NEGLIGIBLE)
        if face is not None:
            out[place], found = face, True
    return out if found else None
