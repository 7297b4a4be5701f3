"""What each cluster of rows says of the coefficients, nuisance parameters being estimated too."""

from __future__ import annotations

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.fitting.estimation.marginal_covariance import MarginalCovariance
from mixcheck.inference.cluster_robust import ClusterRobust
from mixcheck.port import GroupDerivatives

__all__ = ["of_derivatives", "of_linear_model"]

# Curvature of nuisance parameters below this share of the largest, in units of their sizes.
_FLAT = 1e-10


def of_linear_model(at: MarginalCovariance, codes: IntArray) -> ClusterRobust:
    """Of the mean: scores ``X_g' V_g^-1 e_g`` and information ``X_g' V_g^-1 X_g``.

    The variances are orthogonal to them.

    Parameters
    ----------
    at : MarginalCovariance
        With random effects of which no level is in two clusters.
    codes : (n,) int
        Cluster of each row, in the fitter's order.
    """
    problem, (Q, units) = at.problem, at.orthonormal
    residual = problem.data.y - problem.fixed(at.psi)[0]
    back = np.linalg.inv(units)
    E, G, p = at.solved, int(codes.max()) + 1, Q.shape[1]
    weighed = at.solve(residual)
    scores = np.stack([np.bincount(codes, q * weighed, G) for q in Q.T], axis=1)
    information = np.empty((G, p, p))
    for a in range(p):
        for b in range(p):
            information[:, a, b] = np.bincount(codes, Q[:, a] * E[:, b], G)
    return ClusterRobust(scores @ back, back.T @ information @ back)


def of_derivatives(found: GroupDerivatives, positions: IntArray) -> ClusterRobust:
    """Efficient scores of some parameters: ``s_b - A_bn A_nn^-1 s_n`` for the others n.

    Parameters
    ----------
    found : GroupDerivatives
    positions : (p,) int
        Of the parameters that are asked about.
    """
    A = found.information.sum(axis=0)
    others = np.setdiff1d(np.arange(len(A)), positions)
    T = np.zeros((positions.size, len(A)))
    T[np.arange(positions.size), positions] = 1.0
    if others.size:
        T[:, others] = -A[np.ix_(positions, others)] @ _inverse(A[np.ix_(others, others)])
    information = T @ found.information @ T.T
    return ClusterRobust(found.scores @ T.T, 0.5 * (information + information.swapaxes(1, 2)))


def _inverse(A: FloatArray) -> FloatArray:
    """``D^-1 (D^-1 A D^-1)^- D^-1``, D the roots of the diagonal of A, ^- after Penrose.

    Directions without curvature, as at a variance of zero, have no variance.
    """
    sizes = np.sqrt(np.maximum(np.abs(A.diagonal()), 1e-300))
    values, vectors = np.linalg.eigh(A / sizes / sizes[:, None])
    kept = values > _FLAT * max(float(values[-1]), 1e-300)
    half = vectors[:, kept] / np.sqrt(values[kept]) / sizes[:, None]
    out: FloatArray = half @ half.T
    return out
