"""Functions of a symmetric positive definite matrix that is known by its products alone.

With an orthonormal basis V of the space of ``b, A b, .., A^(k-1) b`` and ``T = V' A V``, which is
tridiagonal, ``f(A) b`` is near ``|b| V f(T) e_1`` and ``b' f(A) b`` near
``|b|^2 e_1' f(T) e_1``. For ``f(a) = 1 / a`` these are the iterates of
conjugate gradients, and the residual is known; ``a^(-1/2)`` is the integral of ``1 / (a + s^2)``
over s, and its error falls as fast.

References
----------
Lanczos (1950), J. Res. Natl. Bur. Stand. 45, 255-282; Chow & Saad (2014), SIAM J. Sci. Comput. 36,
A588-A608, on draws from normal distributions; Ubaru, Chen & Saad (2017), SIAM J. Matrix Anal. Appl.
38, 1075-1099, on log determinants; Meyer, Musco, Musco & Woodruff (2021), SIAM Symposium on
Simplicity in Algorithms, 142-155, on traces without a few directions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from mixcheck.arrays import FloatArray

__all__ = ["apply_power", "smallest", "trace_of_log"]

# Of a quadratic form by Lanczos' method, relative to the size of its vector.
_FORM = 1e-10
# Eigenvectors that are taken out of a trace need be no better than this.
_ROUGH = 1e-2


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
    pivot = last = 1.0
    for known, diagonal, beside in _expand(multiply, b / size, steps):
        # T = L D L': the last entry of T^-1 e_1, by which the residual is known.
        k, before = len(diagonal) - 1, pivot
        pivot = diagonal[k] - (beside[k - 1] ** 2 / before if k else 0.0)
        if not pivot > 0.0:
            return None
        last = -last * beside[k - 1] / before if k else 1.0
        if beside[k] * abs(last / pivot) <= tolerance or k + 1 == b.size:
            values, vectors = eigh_tridiagonal(diagonal, beside[:k])
            if not values[0] > 0.0:
                return None
            weights = vectors @ (values**power * vectors[0])
            out: FloatArray = size * (weights @ known)
            return out
    return None


def _expand(
    multiply: Callable[[FloatArray], FloatArray], unit: FloatArray, steps: int
) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
    """V', (k, Q), and the diagonal of T and what is beside it, (k,) each, for k from one on.

    The last entry beside the diagonal is the length of what is left of ``A v_k``.
    """
    most = min(steps, unit.size)
    basis = np.empty((most, unit.size))
    diagonal, beside = np.empty(most), np.empty(most)
    basis[0] = unit
    for k in range(most):
        ahead = multiply(basis[k])
        diagonal[k] = float(ahead @ basis[k])
        # Against all of the basis, since rounding takes its directions back.
        known = basis[: k + 1]
        ahead = ahead - known.T @ (known @ ahead)
        ahead -= known.T @ (known @ ahead)
        beside[k] = float(np.linalg.norm(ahead))
        yield known, diagonal[: k + 1], beside[: k + 1]
        if k + 1 < most:
            basis[k + 1] = ahead / beside[k]


def trace_of_log(
    multiply: Callable[[FloatArray], FloatArray],
    size: int,
    *,
    directions: int,
    probes: int,
    steps: int,
    seed: int,
) -> tuple[float, float] | None:
    """``log det A`` of a matrix with ones on its diagonal, and its standard error.

    With orthonormal directions V, about the eigenvectors of the smallest eigenvalues, and
    ``P = I - V V'``,

        ``tr log A = tr V' (log A - A + I) V + tr P (log A - A + I) P``,

    since ``tr (A - I) = 0``; the first term is computed and the second the mean of ``z' P (log A -
    A + I) P z`` over signs z at random. Where all other eigenvalues are near one it has next to no
    variance. The same seed gives the same signs, and a function smooth in A.

    Parameters
    ----------
    multiply : callable
        Takes x to ``A x``.
    size : int
        Rows of A.
    directions : int
    probes : int
    steps : int
        The most of Lanczos' method.
    seed : int

    Returns
    -------
    value, error : float
        None where a quadratic form takes too many steps, or A is seen not to be positive definite.
    """
    rng = np.random.default_rng(seed)
    V = smallest(multiply, size, directions, rng.standard_normal(size))
    known = 0.0
    for v in V.T:
        form = _log_form(multiply, v, steps)
        if form is None:
            return None
        known += form
    found = []
    for _ in range(probes):
        z = rng.choice([-1.0, 1.0], size)
        form = _log_form(multiply, z - V @ (V.T @ z), steps)
        if form is None:
            return None
        found.append(form)
    return known + float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(probes))


def smallest(
    multiply: Callable[[FloatArray], FloatArray], size: int, count: int, start: FloatArray
) -> FloatArray:
    """Orthonormal vectors near the eigenvectors of the smallest eigenvalues, (Q, <= count)."""
    A = LinearOperator((size, size), matvec=multiply, dtype=np.float64)
    try:
        found = eigsh(A, k=min(count, size - 1), which="SA", v0=start, tol=_ROUGH, maxiter=100)[1]
    except ArpackNoConvergence as error:
        found = np.real(error.eigenvectors)
    return np.asarray(np.linalg.qr(found)[0], dtype=np.float64)


def _log_form(
    multiply: Callable[[FloatArray], FloatArray], b: FloatArray, steps: int
) -> float | None:
    """``b' (log A - A + I) b`` by the quadrature of Gauss and Lanczos; None if it does not settle.

    With eigenvalues a of T and the squares w of the first entries of its eigenvectors it is
    ``|b|^2 sum w (log a - a + 1)``.
    """
    square, last = float(b @ b), np.inf
    if square == 0.0:
        return 0.0
    for _, diagonal, beside in _expand(multiply, b / np.sqrt(square), steps):
        values, vectors = eigh_tridiagonal(diagonal, beside[:-1])
        if not values[0] > 0.0:
            return None
        excess = values - 1.0
        form = square * float(vectors[0] ** 2 @ (np.log1p(excess) - excess))
        complete = beside[-1] <= _FORM * abs(values[-1])  # nothing is left of A v
        if complete or abs(form - last) <= _FORM * square or diagonal.size == b.size:
            return form
        last = form
    return None
