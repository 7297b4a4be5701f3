"""The Schur complement of the nested factors in H: one dense matrix of those crossed with them.

With R the factors that are crossed with nested ones, and ``W_fR`` the coupling of the nested
factor f with them as its elimination leaves it, ``S = H_RR - sum_f W_fR' W_fR = L L'``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from scipy import sparse
from scipy.linalg import lapack
from scipy.linalg.blas import dsyrk

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.design.levels import Dependence
from mixcheck.fitting.latent.layout import Gram, Latent

__all__ = [
    "factor_schur",
    "lower_inverse",
    "mirrored",
    "multiply_inverse",
    "read_schur",
    "solve_schur",
    "unflatten",
]

# Bytes of one dense slab of the coupling between nested factors and the Schur complement.
_SLAB = 64_000_000


# A multiplication in a sparse product costs about this many in a dense one.
_SPARSE_COST = 60.0


# Pairs of effects in one level that are listed at most (three arrays of 8 bytes), and how often a
# multiplication in a product with a dense matrix goes into the time of one pair.
_MOST_LISTED = 4_000_000


_LISTED_COST = 30.0


# How often a multiplication in a product of dense matrices goes into the time to read one entry at
# any place, and into that of the calls for one level.
_READ_COST = 250.0


_LEVEL_COST = 500_000.0


def unflatten(latent: Latent, flat: FloatArray) -> list[FloatArray]:
    """A vector over all effects of the complement as one array (q, m) for each of its factors."""
    shapes = [latent.factors[r].shape for r in latent.schur_factors]
    ends = np.cumsum([q * m for q, m in shapes])[:-1]
    return [part.reshape(s) for part, s in zip(np.split(flat, ends), shapes, strict=True)]


def solve_schur(latent: Latent, lower: FloatArray, rhs: Sequence[FloatArray]) -> list[FloatArray]:
    """``(L L')^-1 b``."""
    flat = np.concatenate([part.ravel() for part in rhs])
    return unflatten(latent, lapack.dpotrs(lower, flat, lower=1)[0])


def _positions(latent: Latent, r: int, d: int, levels: IntArray) -> IntArray:
    return latent.schur_offsets[r] + d * latent.factors[r].m + levels


def factor_schur(
    latent: Latent, coupling: Gram, system: Gram, tied: Mapping[int, Dependence]
) -> FloatArray | None:
    """Lower Cholesky factor of ``H_RR - sum_f W_fR' W_fR``; None if it is not positive definite."""
    size = latent.schur_size
    schur = np.zeros((size, size), order="F")
    for r in latent.schur_factors:
        for s in range(r, len(latent.factors)):
            _write_schur(latent, r, s, system[r, s], schur)
        if r in tied:
            _add_precision(latent, r, tied[r], schur)
    for f in range(latent.n_nested):
        schur = _subtract_nested(latent, f, coupling, schur)
    lower, info = lapack.dpotrf(schur, lower=1, clean=0, overwrite_a=1)
    return None if info != 0 else lower


def _write_schur(latent: Latent, r: int, s: int, block: FloatArray, schur: FloatArray) -> None:
    """Write a block below the diagonal (rows s, columns r)."""
    pair = latent.pairs[r, s]
    for c in range(block.shape[0]):
        for d in range(c if r == s else 0, block.shape[1]):
            rows = _positions(latent, s, d, pair.right)
            columns = _positions(latent, r, c, pair.left)
            schur[rows, columns] += block[c, d]


def _add_precision(latent: Latent, r: int, dependence: Dependence, schur: FloatArray) -> None:
    """Add ``I_q x K^-1`` to the diagonal block of a factor."""
    precision, beside = dependence.precision()
    q, m = latent.factors[r].shape
    for start in latent.schur_offsets[r] + m * np.arange(q):
        where = slice(start, start + m)
        if beside is None:
            schur[where, where] += precision
        else:
            levels = start + np.arange(m)
            schur[levels, levels] += precision
            schur[levels[1:], levels[:-1]] += beside[:-1]


def _starts(latent: Latent, f: int) -> list[tuple[int, int]]:
    """The first and last rows of slabs of ``W_fR`` that hold no more than `_SLAB` bytes."""
    m, rows = latent.factors[f].m, max(1, _SLAB // (8 * latent.schur_size))
    return [(start, min(start + rows, m)) for start in range(0, m, rows)]


def _slab(latent: Latent, f: int, coupling: Gram, a: int, start: int, stop: int) -> FloatArray:
    """Component a of ``W_fR`` at some levels of f, dense: columns are all of R."""
    out = np.zeros((stop - start, latent.schur_size))
    for r in latent.schur_factors:
        pair = latent.pairs[f, r]
        inside = slice(*np.searchsorted(pair.left, [start, stop]))
        for d in range(latent.factors[r].q):
            columns = _positions(latent, r, d, pair.right[inside])
            out[pair.left[inside] - start, columns] = coupling[f, r][a, d, inside]
    return out


def _entries(latent: Latent, f: int, coupling: Gram, a: int) -> FloatArray:
    """Component a of ``W_fR`` at the entries of `Latent.meetings`, (E,)."""
    parts = [coupling[f, r][a, d] for r in latent.schur_factors for d in range(latent.factors[r].q)]
    out: FloatArray = np.concatenate(parts)
    return out


def _sparse_coupling(latent: Latent, f: int, coupling: Gram, a: int) -> sparse.csr_array:
    """Component a of ``W_fR`` as a sparse (m_f, Q) matrix."""
    met, values = latent.meetings[f], _entries(latent, f, coupling, a)
    shape = latent.factors[f].m, latent.schur_size
    return sparse.csr_array((values, (met.rows, met.columns)), shape=shape)


def _dense_pays(latent: Latent, f: int) -> bool:
    """Whether ``W' W`` is cheaper as a dense product."""
    met = latent.meetings[f]
    dense = 0.5 * latent.factors[f].m * float(latent.schur_size) ** 2
    return dense < _SPARSE_COST * (2.0 * met.count + met.rows.size)


def _is_listed(latent: Latent, f: int) -> bool:
    """Whether ``W' W`` and ``W V`` are cheapest pair by pair, with room for the lists."""
    met = latent.meetings[f]
    few = met.count < _MOST_LISTED and met.count * _LISTED_COST < met.rows.size * latent.schur_size
    return few and not _dense_pays(latent, f)


def _is_blocked(latent: Latent, f: int) -> bool:
    """Whether ``W V`` is cheaper by the blocks of V that each level meets than by all of V."""
    met, levels = latent.meetings[f], latent.factors[f].m
    read = 2.0 * met.count + met.rows.size
    return _READ_COST * read + _LEVEL_COST * levels < levels * float(latent.schur_size) ** 2


def _subtract_nested(latent: Latent, f: int, coupling: Gram, schur: FloatArray) -> FloatArray:
    """``S - W_fR' W_fR`` below the diagonal, by whichever is the cheapest way."""
    components = range(latent.factors[f].q)
    if _is_listed(latent, f):
        for a in components:
            schur -= latent.meetings[f].square(_entries(latent, f, coupling, a))
        return schur
    if _dense_pays(latent, f):
        for a, rows in product(components, _starts(latent, f)):
            slab = _slab(latent, f, coupling, a, *rows)
            schur = dsyrk(-1.0, slab.T, beta=1.0, c=schur, lower=1, overwrite_c=1)
        return schur
    for a in components:
        part = _sparse_coupling(latent, f, coupling, a)
        square = (part.T @ part).tocoo()
        schur[square.row, square.col] -= square.data
    return schur


def lower_inverse(lower: FloatArray) -> FloatArray:
    """The lower triangle of ``(L L')^-1``; above it stands something else."""
    inverse, info = lapack.dpotri(lower, lower=1)
    if info != 0:
        raise np.linalg.LinAlgError("singular Schur complement")
    out: FloatArray = inverse
    return out


def mirrored(lower: FloatArray) -> FloatArray:
    """Both triangles of a symmetric matrix."""
    out: FloatArray = np.tril(lower) + np.tril(lower, -1).T
    return out


def read_schur(latent: Latent, inverse: FloatArray, out: Gram) -> None:
    """Write the entries of the inverse on pairs of levels that meet to `out`."""
    for r in latent.schur_factors:
        for s in range(r, len(latent.factors)):
            pair = latent.pairs[r, s]
            rows = [_positions(latent, r, c, pair.left) for c in range(latent.factors[r].q)]
            columns = [_positions(latent, s, d, pair.right) for d in range(latent.factors[s].q)]
            out[r, s] = np.stack(
                [[inverse[np.maximum(i, j), np.minimum(i, j)] for j in columns] for i in rows]
            )


def multiply_inverse(
    latent: Latent, f: int, coupling: Gram, inverse: FloatArray
) -> dict[int, FloatArray]:
    """``W_fR V_RR`` at the pairs (f, r), (q_f, q_r, P), by r; V by its lower triangle."""
    met, components = latent.meetings[f], range(latent.factors[f].q)
    entries = np.stack([_entries(latent, f, coupling, a) for a in components])
    if _is_listed(latent, f):
        products = np.stack([met.multiply(row, inverse) for row in entries])
    elif _is_blocked(latent, f):
        products = met.multiply_by_level(entries, mirrored(inverse))
    else:
        return _multiply_slabs(latent, f, coupling, mirrored(inverse))
    out, start = {}, 0
    for r in latent.schur_factors:
        q, size = latent.factors[r].q, latent.pairs[f, r].left.size
        out[r] = products[:, start : start + q * size].reshape(-1, q, size).copy()
        start += q * size
    return out


def _multiply_slabs(
    latent: Latent, f: int, coupling: Gram, inverse: FloatArray
) -> dict[int, FloatArray]:
    """The same by products of whole rows of W, of a V with both triangles."""
    out = {r: np.empty(coupling[f, r].shape) for r in latent.schur_factors}
    dense = _dense_pays(latent, f)
    for a in range(latent.factors[f].q):
        whole = None if dense else _sparse_coupling(latent, f, coupling, a)
        for start, stop in _starts(latent, f):
            if whole is None:
                rows = _slab(latent, f, coupling, a, start, stop) @ inverse
            else:
                rows = whole[start:stop] @ inverse
            for r in latent.schur_factors:
                pair = latent.pairs[f, r]
                inside = slice(*np.searchsorted(pair.left, [start, stop]))
                for d in range(latent.factors[r].q):
                    columns = _positions(latent, r, d, pair.right[inside])
                    out[r][a, d, inside] = rows[pair.left[inside] - start, columns]
    return out
