"""Components of the random effects: levels that meet in some row, directly or through others.

The integral over the random effects is a product over components.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy import sparse

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.design.levels import Dependence
from mixcheck.fitting.latent.factors import Factor
from mixcheck.fitting.latent.layout import Latent
from mixcheck.fitting.latent.roots import TiedRoot, units_of
from mixcheck.fitting.latent.small_matrices import sandwich
from mixcheck.fitting.likelihood.mode import Mode

__all__ = ["ComponentRoots", "Components", "components_of", "root_components"]


@dataclass(frozen=True, eq=False)
class Components:
    """Levels that meet, directly or through others, and the random effects of each such set.

    Random effects are numbered one factor after the other, in each of them effect by effect.
    The square matrices of all components are kept one after the other in one array.

    Attributes
    ----------
    rows : (n,) int
        Component of each row.
    effects : (N,) int
        Component of each random effect.
    sizes : (C,) int
        Random effects of each component, never falling.
    place : (N,) int
        Number of each random effect in its component.
    starts : (F + 1,) int
        Where the effects of each factor begin.
    """

    latent: Latent
    rows: IntArray
    effects: IntArray
    sizes: IntArray
    place: IntArray
    starts: IntArray

    @cached_property
    def matrix_starts(self) -> IntArray:
        """Where the matrix of each component begins, and the last ends."""
        return np.concatenate([[0], np.cumsum(self.sizes**2)])

    @cached_property
    def members(self) -> list[IntArray]:
        """Random effects of the components of each size, (components, size)."""
        order = np.lexsort((self.place, self.effects))
        ends = np.cumsum(self.sizes)[:-1]
        parts = np.split(order, ends)
        sizes = np.unique(self.sizes)
        return [np.stack([p for p in parts if p.size == s]) for s in sizes]

    def matrices(self, values: FloatArray) -> list[FloatArray]:
        """Views of the matrices of each size, (components, size, size)."""
        out, at = [], 0
        for members in self.members:
            count, s = members.shape
            out.append(values[at : at + count * s * s].reshape(count, s, s))
            at += count * s * s
        return out

    def addresses(self, key: tuple[int, int]) -> tuple[IntArray, IntArray]:
        """Where the entries of a Gram block stand in the matrices, and those mirrored."""
        f, g = key
        pair = self.latent.pairs[key]
        (q, m), (r, k) = self.latent.factors[f].shape, self.latent.factors[g].shape
        left = (self.starts[f] + np.arange(q)[:, None] * m + pair.left)[:, None]
        right = (self.starts[g] + np.arange(r)[:, None] * k + pair.right)[None]
        return self.places_of(left, right), self.places_of(right, left)

    def places_of(self, left: IntArray, right: IntArray) -> IntArray:
        """Where the entries of random effects of one component stand in the matrices."""
        component = self.effects[left]
        start, size = self.matrix_starts[component], self.sizes[component]
        return start + self.place[left] * size + self.place[right]

    def ties_of(self, f: int, levels: IntArray, others: IntArray) -> IntArray:
        """Where the entries of levels of a factor with others stand, for each of its effects."""
        q, m = self.latent.factors[f].shape
        first = self.starts[f] + m * np.arange(q)[:, None]
        return self.places_of(first + levels, first + others)

    @cached_property
    def maps(self) -> dict[int, sparse.csr_array]:
        """Z of each predictor in all random effects, (n, N)."""
        n = self.rows.size
        out = {}
        for k in self.latent.random_predictors:
            columns, values = [], []
            for start, factor in zip(self.starts, self.latent.factors, strict=False):
                for c, column in enumerate(factor.columns):
                    if column.predictor == k:
                        columns.append(start + c * factor.m + factor.sums.index)
                        one = column.covariate
                        values.append(np.ones(n) if one is None else one)
            rows = np.tile(np.arange(n), len(columns))
            entries = np.concatenate(values), (rows, np.concatenate(columns))
            out[k] = sparse.csr_array(entries, shape=(n, self.effects.size))
        return out

    @cached_property
    def row_sums(self) -> sparse.csr_array:
        """Sums over the rows of each component, (C, n)."""
        return _indicator(self.rows, self.sizes.size)

    @cached_property
    def effect_sums(self) -> sparse.csr_array:
        """Sums over the random effects of each component, (C, N)."""
        return _indicator(self.effects, self.sizes.size)


def _indicator(codes: IntArray, size: int) -> sparse.csr_array:
    entries = np.ones(codes.size), (codes, np.arange(codes.size))
    return sparse.csr_array(entries, shape=(size, codes.size))


def _first_tied(factor: Factor) -> IntArray:
    """The first of the levels that each level is tied to."""
    assert factor.ties is not None
    first: IntArray = np.searchsorted(factor.ties.blocks, factor.ties.blocks)
    return first


@lru_cache(maxsize=2)
def components_of(latent: Latent) -> Components:
    """The components of a latent system, smaller ones first."""
    from scipy.sparse.csgraph import connected_components

    factors = latent.factors
    firsts = np.cumsum([0, *(factor.m for factor in factors)])
    pairs = [(key, pair) for key, pair in latent.pairs.items() if key[0] < key[1]]
    left = np.concatenate([[0], *(firsts[f] + pair.left for (f, _), pair in pairs)])
    right = np.concatenate([[0], *(firsts[g] + pair.right for (_, g), pair in pairs)])
    tied = [(a + _first_tied(f), a, f.m) for a, f in zip(firsts, factors, strict=False) if f.ties]
    left = np.concatenate([left, *(first for first, _, _ in tied)])
    right = np.concatenate([right, *(a + np.arange(m) for _, a, m in tied)])
    entries = np.ones(left.size), (left.astype(np.intp), right.astype(np.intp))
    links = sparse.csr_array(entries, shape=(firsts[-1], firsts[-1]))
    count, labels = connected_components(links, directed=False)
    parts = [np.tile(labels[a : a + f.m], f.q) for a, f in zip(firsts, factors, strict=False)]
    sizes = np.bincount(np.concatenate(parts), minlength=count)
    order = np.argsort(sizes, kind="stable")
    rank = np.empty(count, dtype=np.intp)
    rank[order] = np.arange(count)
    effects, sizes = rank[np.concatenate(parts)], sizes[order]
    place = np.empty(effects.size, dtype=np.intp)
    counted = np.arange(effects.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    place[np.argsort(effects, kind="stable")] = counted
    rows = rank[labels[factors[0].sums.index]]
    starts = np.cumsum([0, *(factor.q * factor.m for factor in factors)])
    return Components(latent, rows, effects, sizes, place, starts)


@dataclass(frozen=True, eq=False)
class ComponentRoots:
    """Square roots of H, or S, of the components of each size, (components, size, size).

    Attributes
    ----------
    lower : list of array
        L.
    steps : list of array
        ``T = L^-T``.
    log_dets : (C,)
        ``log det S`` and, shared among components, ``log det K``.
    """

    lower: list[FloatArray]
    steps: list[FloatArray]
    log_dets: FloatArray


def root_components(parts: Components, mode: Mode) -> ComponentRoots | None:
    """``H = L L'`` of each component; None if H is not positive definite to rounding."""
    values = np.zeros(parts.matrix_starts[-1])
    shared = 0.0
    for f, (factor, root) in enumerate(zip(parts.latent.factors, mode.roots, strict=True)):
        levels = np.arange(factor.m)
        if not isinstance(root, TiedRoot):
            values[parts.ties_of(f, levels, levels)] = 1.0
            continue
        shared += factor.q * root.dependence.log_det() / parts.sizes.size
        for here, others, entries in _precision_entries(root.dependence, levels):
            values[parts.ties_of(f, here, others)] = entries
    for (f, g), block in mode.system.gram.items():
        entries = sandwich(units_of(mode.roots[f]), block, units_of(mode.roots[g]))
        here, mirrored = parts.addresses((f, g))
        values[here] += entries
        if f != g:
            values[mirrored] += entries
    try:
        lower = [_cholesky(matrix) for matrix in parts.matrices(values)]
    except np.linalg.LinAlgError:
        return None
    steps = [_invert(L).swapaxes(1, 2) for L in lower]
    log_dets = [2.0 * np.log(np.einsum("cii->ci", L)).sum(axis=1) for L in lower]
    return ComponentRoots(lower, steps, np.concatenate(log_dets) + shared)


def _precision_entries(
    dependence: Dependence, levels: IntArray
) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    """``K^-1``: levels, others, and its entries there; nothing where they are independent."""
    precision, beside = dependence.precision()
    if beside is None:
        here, others = (part.ravel() for part in np.meshgrid(levels, levels, indexing="ij"))
        yield here, others, precision.ravel()
        return
    yield levels, levels, precision
    # The last of a block has nothing beside it, and the next level is in another component.
    inner = np.flatnonzero(beside[:-1])
    yield inner, inner + 1, beside[inner]
    yield inner + 1, inner, beside[inner]


def _cholesky(matrices: FloatArray) -> FloatArray:
    return np.linalg.cholesky(matrices).astype(np.float64, copy=False)


def _invert(matrices: FloatArray) -> FloatArray:
    return np.linalg.inv(matrices).astype(np.float64, copy=False)
