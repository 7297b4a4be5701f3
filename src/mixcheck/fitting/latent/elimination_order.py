"""The order in which factors are eliminated, and the pairs of their levels that meet.

A factor whose levels each lie within one level of the next is eliminated before it, block by block
and without fill: whatever its level meets, the level that holds it meets too. Factors that are
crossed with these are left for the Schur complement.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixcheck.arrays import IntArray
from mixcheck.design.levels import Ties
from mixcheck.fitting.latent.factors import Column, Factor, FixedEffects
from mixcheck.fitting.latent.group_sums import Summation, distinct
from mixcheck.fitting.latent.layout import Latent, Pair

__all__ = ["add_fixed_effects", "lay_out"]


def lay_out(factors: Sequence[Factor]) -> Latent:
    """Order the factors for elimination and index the pairs of levels that meet."""
    ordered = sorted(factors, key=lambda f: -f.m)
    tied = [f for f in ordered if f.neighbours][:1]
    others = [f for f in ordered if f.ties is not None and all(f is not g for g in tied)]
    plain = [f for f in ordered if f.ties is None]
    nested = tied or plain[:1]
    for factor in plain if tied else plain[1:]:
        (nested if _nested(nested[-1].independent, factor.sums) else others).append(factor)
    all_factors = tuple(nested + others)
    pairs = {
        (f, g): _pair(all_factors[f], all_factors[g], same=f == g, nested=g < len(nested))
        for f in range(len(all_factors))
        for g in range(f, len(all_factors))
    }
    return Latent(all_factors, len(nested), pairs)


def add_fixed_effects(latent: Latent, fixed: FixedEffects) -> Latent:
    """The same system with fixed effects of the mean as its last factor."""
    n, last = fixed.X.shape[0], len(latent.factors)
    columns = tuple(Column(0, x) for x in fixed.X.T)
    factor = Factor(Summation(np.zeros(n, dtype=np.intp), 1), columns, fixed)
    factors = (*latent.factors, factor)
    meeting = {
        (f, last): Pair(random.sums, np.arange(random.m), np.zeros(random.m, dtype=np.intp))
        for f, random in enumerate(factors)
    }
    out = Latent(factors, latent.n_nested, {**latent.pairs, **meeting}, latent)
    # What depends on the random effects alone is found once.
    out.__dict__.update(products=latent.products, nested_sums=latent.nested_sums)
    return out


def _first_rows(sums: Summation) -> IntArray:
    first = np.zeros(sums.size, dtype=np.intp)
    first[sums.index[::-1]] = np.arange(sums.index.size - 1, -1, -1)
    return first


def _nested(inner: Summation, outer: Summation) -> bool:
    """Whether every level of `inner` lies within one level of `outer`."""
    return bool(np.array_equal(outer.index[_first_rows(inner)][inner.index], outer.index))


def _pair(one: Factor, other: Factor, *, same: bool, nested: bool) -> Pair:
    left, right = one.sums, other.sums
    if same:
        levels = np.arange(left.size)
        return Pair(left, levels, levels)
    if nested:
        within = right.index[_first_rows(one.independent)]
        if one.ties is not None:
            within = within[one.ties.blocks]
        return Pair(left, np.arange(left.size), within)
    if one.neighbours and one.ties is not None and other.fixed is None:
        return _pair_blocks(one, one.ties, right)
    keys = left.index * right.size + right.index
    unique, index = np.unique(keys, return_inverse=True)
    sums = Summation(index.reshape(-1).astype(np.intp), unique.size)
    return Pair(sums, unique // right.size, unique % right.size)


def _pair_blocks(one: Factor, ties: Ties, right: Summation) -> Pair:
    """Every level of a block with each level that meets the block: eliminating it ties them."""
    blocks = one.independent
    met = distinct(blocks.index * right.size + right.index)
    block, level = met // right.size, met % right.size
    starts = np.searchsorted(ties.blocks, np.arange(blocks.size + 1))
    sizes = np.diff(starts)[block]
    inside = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    positions = np.repeat(starts[block], sizes) + inside
    keys = np.sort(positions * right.size + np.repeat(level, sizes))
    index = np.searchsorted(keys, one.sums.index * right.size + right.index)
    return Pair(Summation(index, keys.size), keys // right.size, keys % right.size)
