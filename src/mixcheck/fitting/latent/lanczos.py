"""Functions of a symmetric positive definite matrix that is known by its products alone.

With an orthonormal basis V of the space of ``b, A b, .., A^(k-1) b`` and ``T = V' A V``, which is
tridiagonal, ``f(A) b`` is near ``|b| V f(T) e_1``. For ``f(a) = 1 / a`` these are the iterates of
conjugate gradients, and the residual is known; ``a^(-1/2)`` is the integral of ``1 / (a + s^2)``
over s, and its error falls as fast.

References
----------
Lanczos (1950), J. Res. Natl. Bur. Stand. 45, 255-282; Chow & Saad (2014), SIAM J. Sci. Comput. 36,
A588-A608, on draws from normal distributions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import eigh_tridiagonal

from mixcheck.arrays import FloatArray

__all__ = ["apply_power"]


def apply_power(
    multiply: Callable[[FloatArray], FloatArray],
    b: FloatArray,
    power: float,
    *,
    tolerance: float,
    steps: int,
) -> FloatArray | None:
    """``A^p b`` for p of -1 or -1/2, (Q,); None where that takes too many steps.

    None also where the matrix is seen not to be positive definite.

    Parameters
    ----------
    multiply : callable
        Takes x to ``A x``.
    b : (Q,)
    power : float
    tolerance : float
        Of the residual ``b - A x`` of the solution x of ``A x = b``, relative to b.
    steps : int
        The most.
    """
    size = float(np.linalg.norm(b))
    if size == 0.0:
        return b.copy()
    most = min(steps, b.size)
    basis = np.empty((most, b.size))
    diagonal, beside = np.empty(most), np.empty(most)
    basis[0] = b / size
    pivot = last = 1.0
    for k in range(most):
        ahead = multiply(basis[k])
        diagonal[k] = float(ahead @ basis[k])
        # Against all of the basis, since rounding takes its directions back.
        known = basis[: k + 1]
        ahead = ahead - known.T @ (known @ ahead)
        ahead -= known.T @ (known @ ahead)
        beside[k] = float(np.linalg.norm(ahead))
        # T = L D L': the last entry of T^-1 e_1, by which the residual is known.
        before = pivot
        pivot = diagonal[k] - (beside[k - 1] ** 2 / before if k else 0.0)
        if not pivot > 0.0:
            return None
        last = -last * beside[k - 1] / before if k else 1.0
        if beside[k] * abs(last / pivot) <= tolerance or k + 1 == b.size:
            values, vectors = eigh_tridiagonal(diagonal[: k + 1], beside[:k])
            if not values[0] > 0.0:
                return None
            weights = vectors @ (values**power * vectors[0])
            out: FloatArray = size * (weights @ known)
            return out
        if k + 1 < most:
            basis[k + 1] = ahead / beside[k]
    return None
