"""What the last corner of a Cholesky factor says of fixed effects.

Fixed effects ``beta = U u`` come last in a system, so that the corner L of its factor is that of
their Schur complement, ``S = L L'`` at their standardised values u.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.layout import Latent

__all__ = ["information_of_corner", "root_of_corner"]


def information_of_corner(latent: Latent, lower: FloatArray | None) -> FloatArray:
    """``U^-T S U^-1``, the information on the fixed effects, (p, p).

    Parameters
    ----------
    latent : Latent
    lower : (N, N) or None
        A factor whose last corner is L; what is above its diagonal is not read.
    """
    fixed = latent.fixed
    if fixed is None or lower is None:
        return np.zeros((0, 0))
    p = fixed.units.shape[0]
    half = np.linalg.solve(fixed.units.T, np.tril(lower[-p:, -p:]))
    out: FloatArray = half @ half.T
    return out


def root_of_corner(latent: Latent, lower: FloatArray | None) -> FloatArray:
    """R with ``R R' = U S^-1 U'``, the covariance of the fixed effects, (p, p).

    Parameters
    ----------
    latent : Latent
    lower : (N, N) or None
        As in `information_of_corner`.
    """
    fixed = latent.fixed
    if fixed is None or lower is None:
        return np.zeros((0, 0))
    p = fixed.units.shape[0]
    inverse = solve_triangular(lower[-p:, -p:], np.eye(p), lower=True)
    root: FloatArray = fixed.units @ inverse.T
    return root
