"""Linear algebra on many small matrices at once.

A stack of ``m`` matrices of shape (a, b) is one array of shape (a, b, m): the small
dimensions are looped over, the long one is left to NumPy. For the one to five random
effects of a level this is far faster than a call per matrix, and a matrix that is not
positive definite shows as a value, not as an exception.
"""

from __future__ import annotations

import numpy as np

from mixcheck.arrays import FloatArray

__all__ = [
    "by_copy",
    "factor_blocks",
    "join_copies",
    "log_determinant",
    "multiply",
    "multiply_transposed",
    "sandwich",
    "solve_lower",
    "solve_upper",
    "sum_weighted_products",
    "transpose",
    "weighted_products",
]


def transpose(a: FloatArray) -> FloatArray:
    """Transpose each matrix of the stack."""
    return a.swapaxes(0, 1)


def multiply(a: FloatArray, b: FloatArray) -> FloatArray:
    """Products ``A B`` of two stacks, (r, s, m) and (s, t, m); m may broadcast."""
    out: FloatArray = a * b if a.shape[1] == 1 else np.einsum("rs...,st...->rt...", a, b)
    return out


def multiply_transposed(a: FloatArray, b: FloatArray) -> FloatArray:
    """Products ``A' B`` of two stacks, (s, r, m) and (s, t, m)."""
    return multiply(transpose(a), b)


def sandwich(left: FloatArray, stack: FloatArray, right: FloatArray) -> FloatArray:
    """``L' A R`` for one L (r, a), one R (s, b) and a stack A (r, s, m).

    Or for as many L (r, a, c) and R (s, b, c) as there are copies of a stack A (r, s, c m).
    """
    if left.ndim == 3:
        halfway = multiply(transpose(left)[..., None], by_copy(stack, left.shape[2]))
        return join_copies(multiply(halfway, right[..., None]))
    if left.size == right.size == 1:
        return stack * (left.item() * right.item())
    r, s, m = stack.shape
    halfway = (left.T @ stack.reshape(r, -1)).reshape(-1, s, m)
    out: FloatArray = np.matmul(right.T, halfway)
    return out


def weighted_products(gram: FloatArray, inverse: FloatArray, root: FloatArray) -> FloatArray:
    """``G L V'`` for stacks G and V, (r, s, m), and one L, (s, s): (r, r, m).

    The derivative of ``log det H`` in ``Lambda_f``, ``H = I + Lambda' Z'WZ Lambda``, is twice the
    sum of these over all pairs of levels that meet, with G the block (f, g) of ``Z'WZ``, L
    ``Lambda_g`` and V the block of ``H^-1``; over the pairs of a group it is the group's share.
    """
    return multiply(gram, transpose(np.matmul(root, inverse)))


def sum_weighted_products(gram: FloatArray, inverse: FloatArray, root: FloatArray) -> FloatArray:
    """``sum_m G L V'``, (r, r): that of `weighted_products` in one matrix product.

    Or (r, r, c) for a root (s, s, c) of each copy.
    """
    r, s, _ = gram.shape
    if root.ndim == 3:
        G, V = by_copy(gram, root.shape[2]), by_copy(inverse, root.shape[2])
        turned = root[..., None] * V if s == 1 else np.einsum("asc,tscm->tacm", root, V)
        sums: FloatArray = np.einsum("racm,tacm->rtc", G, turned)
        return sums
    if r == s == 1:
        return root * float(np.vdot(gram, inverse))
    moved = np.matmul(root, inverse)
    out: FloatArray = gram.reshape(r, -1) @ moved.reshape(r, -1).T
    return out


def by_copy(stack: FloatArray, copies: int) -> FloatArray:
    """A stack (r, s, c m), copy after copy, as (r, s, c, m)."""
    return stack.reshape(*stack.shape[:-1], copies, -1)


def join_copies(stack: FloatArray) -> FloatArray:
    """A stack (r, s, c, m) as (r, s, c m)."""
    return stack.reshape(*stack.shape[:-2], -1)


def factor_blocks(a: FloatArray, *, each: bool = False) -> FloatArray | None:
    """L with ``A_k = L_k L_k'`` of a stack (q, q, m); None if some matrix is not positive.

    With `each`, a matrix that is not positive has a factor that is not a number.
    """
    q = a.shape[0]
    if q == 1 and np.minimum.reduce(a, axis=None, initial=np.inf) > 0.0:
        return np.sqrt(a)
    lower = a.copy()
    for j in range(q):
        pivot = lower[j, j]
        if not pivot.min(initial=np.inf) > 0.0:
            if not each:
                return None
            pivot = np.where(pivot > 0.0, pivot, np.nan)
        lower[j, j] = np.sqrt(pivot)
        if j + 1 < q:
            below = lower[j + 1 :, j]
            below /= lower[j, j]
            lower[j + 1 :, j + 1 :] -= below[:, None] * below
            lower[j, j + 1 :] = 0.0
    return lower


def solve_lower(lower: FloatArray, b: FloatArray) -> FloatArray:
    """``L^-1 B`` for stacks L (q, q, m) and B (q, r, m)."""
    q = lower.shape[0]
    if q == 1:
        return b / lower
    x = b.copy()
    for i in range(q):
        x[i] /= lower[i, i]
        if i + 1 < q:
            x[i + 1 :] -= lower[i + 1 :, i, None] * x[i]
    return x


def solve_upper(lower: FloatArray, b: FloatArray) -> FloatArray:
    """``L^-T B`` for stacks L (q, q, m) and B (q, r, m)."""
    q = lower.shape[0]
    if q == 1:
        return b / lower
    x = b.copy()
    for i in range(q - 1, -1, -1):
        x[i] /= lower[i, i]
        if i:
            x[:i] -= lower[i, :i, None] * x[i]
    return x


def log_determinant(lower: FloatArray) -> float:
    """Sum over the stack of ``log det(L L')``."""
    total = 0.0
    for j in range(len(lower)):
        total += float(np.add.reduce(np.log(lower[j, j])))
    return 2.0 * total
