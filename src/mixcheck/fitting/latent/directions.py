"""The latent system along many directions at once: sums, solves, and the tangents of H.

A direction is one way in which parameters may move. Rows along ``P`` directions are an array
(P, n), effects of a factor (q, P, m), and blocks of the system (q_f, q_g, P, pairs): one set of
NumPy calls serves them all. Factors are nested, and their levels independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.block_elimination import BlockElimination
from mixcheck.fitting.latent.group_sums import Summation
from mixcheck.fitting.latent.layout import Gram, Latent
from mixcheck.fitting.latent.roots import Root
from mixcheck.fitting.latent.small_matrices import (
    multiply,
    multiply_transposed,
    solve_lower,
    solve_upper,
)

__all__ = [
    "add_effects",
    "gram_of_each",
    "scale_each",
    "scatter_each",
    "solve_each",
    "whiten_tangents",
]

# Numbers that are solved for at a time: more would be fetched from memory again and again.
_IN_CACHE = 200_000


def add_effects(latent: Latent, effects: Sequence[FloatArray], rows: Sequence[FloatArray]) -> None:
    """Add the contribution of effects, (q, P, m) a factor, to each predictor, (P, n)."""
    known = zip(latent.factors, latent.level_rows, effects, strict=True)
    for factor, levels, effect in known:
        if levels is not None:
            target = rows[levels.predictor]
            target += levels.gather_each(effect)
            continue
        for column, values in zip(factor.columns, effect, strict=True):
            part = values[:, factor.sums.index]
            if column.covariate is not None:
                part *= column.covariate
            target = rows[column.predictor]
            target += part


def scale_each(root: Root, effects: FloatArray) -> FloatArray:
    """``Lambda u`` along each direction, (q, P, m)."""
    if isinstance(root, np.ndarray):
        q, count, m = effects.shape
        out: FloatArray = root.dot(effects.reshape(q, -1)).reshape(q, count, m)
        return out
    return np.stack([root @ effects[:, k] for k in range(effects.shape[1])], axis=1)


def scatter_each(latent: Latent, rows: Mapping[int, FloatArray]) -> list[FloatArray]:
    """``Z' r`` for rows (P, n) per predictor: an array (q, P, m) per factor."""
    out = []
    for factor, levels in zip(latent.factors, latent.level_rows, strict=True):
        if levels is not None:
            out.append(levels.scatter_each(rows[levels.predictor]))
            continue
        parts = []
        for column in factor.columns:
            row = rows[column.predictor]
            parts.append(
                factor.sums.each(row if column.covariate is None else row * column.covariate)
            )
        out.append(np.stack(parts) if len(parts) > 1 else parts[0][None])
    return out


def gram_of_each(latent: Latent, weights: Mapping[tuple[int, int], FloatArray]) -> Gram:
    """``Z' W Z`` for weights (P, n) per pair of predictors: (q_f, q_g, P, pairs)."""
    return {key: _gram_block(latent, key, weights) for key in latent.pairs}


def _gram_block(
    latent: Latent, key: tuple[int, int], weights: Mapping[tuple[int, int], FloatArray]
) -> FloatArray:
    f, g = key
    left, right = latent.factors[f].columns, latent.factors[g].columns
    sums, count = latent.pairs[key].sums, len(next(iter(weights.values())))
    out = np.zeros((len(left), len(right), count, sums.size))
    levels = latent.level_rows[f]
    if f == g and levels is not None:
        for k, weight in enumerate(weights.get((levels.predictor, levels.predictor), ())):
            out[:, :, k] = levels.gram(weight)
        return out
    for c, one in enumerate(left):
        for d, other in enumerate(right):
            a, b = one.predictor, other.predictor
            weight = weights.get((a, b) if a <= b else (b, a))
            if f == g and d < c:
                out[c, d] = out[d, c]
            elif weight is not None:
                product = latent.products[f, g, c, d]
                out[c, d] = sums.each(weight if product is None else weight * product)
    return out


def solve_each(factors: BlockElimination, rhs: Sequence[FloatArray]) -> list[FloatArray]:
    """``H^-1 b`` for effects along each direction, (q, P, m) per factor."""
    latent, x = factors.latent, list(rhs)
    for f in range(latent.n_nested):
        x[f] = solve_lower(factors.blocks(f), x[f])
        for g in range(f + 1, latent.n_nested):
            pushed = multiply_transposed(factors.coupling[f, g], x[f])
            x[g] = x[g] - _sum_stack(latent.nested_sums[f, g], pushed)
    for f in range(latent.n_nested - 1, -1, -1):
        for g in range(f + 1, latent.n_nested):
            x[f] = x[f] - multiply(factors.coupling[f, g], x[g][:, :, latent.pairs[f, g].right])
        x[f] = solve_upper(factors.blocks(f), x[f])
    return x


def whiten_tangents(factors: BlockElimination, tangents: Gram) -> Gram:
    """``L^-1 dH L^-T`` for each tangent dH of ``H = L L'``, on the pairs of levels that meet.

    Nested factors are a forest, whose factor has no entries besides those of H; neither, then,
    has its inverse, nor this product: between levels of which none holds the other it is zero.
    With ``E = L_f^-1 dH_fg`` and ``B = L_f^-1 dH_ff L_f^-T``, what eliminating f leaves of dH_gh
    is ``dH_gh - sum_f (C_fg' D_fh + E_fg' C_fh)``, ``D_fg = E_fg - B C_fg``; the row of f in the
    product is D times the inverse transposed of the factor of what is left.

    Parameters
    ----------
    factors : BlockElimination
        Of nested factors with independent levels.
    tangents : Gram
        dH along each direction, (q_f, q_g, P, pairs).
    """
    latent, out, left = factors.latent, Gram(), dict(tangents)
    for f in range(latent.n_nested):
        lower, later = factors.blocks(f), range(f + 1, latent.n_nested)
        half = _solve_stack(lower, left[f, f])
        out[f, f] = _solve_stack(lower, half.swapaxes(0, 1))
        solved = {g: _solve_stack(lower, left[f, g]) for g in later}
        rest = {
            g: solved[g] - multiply(out[f, f], factors.coupling[f, g][:, :, None]) for g in later
        }
        for g in later:
            for h in range(g, latent.n_nested):
                couplings = factors.coupling[f, g], factors.coupling[f, h]
                lost = multiply_transposed(couplings[0][:, :, None], rest[h])
                lost = lost + multiply_transposed(solved[g], couplings[1][:, :, None])
                left[g, h] = left[g, h] - _sum_stack(latent.nested_sums[f, g], lost)
        _solve_rows(factors, f, rest, out)
    return out


def _solve_rows(
    factors: BlockElimination, f: int, rest: Mapping[int, FloatArray], out: Gram
) -> None:
    """Rows D of factor f times ``L^-T`` of the factors around it."""
    latent = factors.latent
    for g in range(f + 1, latent.n_nested):
        row = rest[g].swapaxes(0, 1)
        for h in range(f + 1, g):
            inner = factors.coupling[h, g][:, :, None, latent.pairs[f, h].right]
            row = row - multiply_transposed(inner, out[f, h].swapaxes(0, 1))
        lower = factors.blocks(g)[:, :, latent.pairs[f, g].right]
        out[f, g] = _solve_stack(lower, row).swapaxes(0, 1)


def _solve_stack(lower: FloatArray, b: FloatArray) -> FloatArray:
    """``L^-1 B`` for stacks L (q, q, m) and B (q, r, P, m), a few directions at a time."""
    q, r, count, m = b.shape
    step = max(1, _IN_CACHE // max(q * r * m, 1))
    if step >= count:
        return solve_lower(lower, b.reshape(q, r * count, m)).reshape(b.shape)
    out = np.empty(b.shape)
    for first in range(0, count, step):
        part = b[:, :, first : first + step]
        solved = solve_lower(lower, part.reshape(q, -1, m))
        out[:, :, first : first + step] = solved.reshape(part.shape)
    return out


def _sum_stack(sums: Summation, stack: FloatArray) -> FloatArray:
    """Sums of the last axis of a stack."""
    flat = sums.each(stack.reshape(-1, stack.shape[-1]))
    return flat.reshape(*stack.shape[:-1], sums.size)
