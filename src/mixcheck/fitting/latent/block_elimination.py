"""Cholesky factors of the latent system by elimination of its blocks, level after level.

The nested factors are eliminated block by block, or as one tridiagonal matrix where
its first factor has levels tied to their neighbours; what is left, if anything, is one
dense matrix (its Schur complement).

Where levels are tied, ``b = Lambda w`` with w ~ N(0, K), ``K^-1`` stands for I: the system is that
of w, and as sparse as ``K^-1``.

Only entries of ``H^-1`` on pairs of levels that meet in some row are ever formed besides the
dense matrix: they are all that the gradient of ``log det H`` needs (Takahashi's recursion).

References
----------
Takahashi, Fagan & Chen (1973), Formation of a sparse bus impedance matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray
from mixcheck.design.levels import Dependence
from mixcheck.fitting.latent.fixed_corner import information_of_corner, root_of_corner
from mixcheck.fitting.latent.group_sums import Summation
from mixcheck.fitting.latent.layout import Gram, Latent
from mixcheck.fitting.latent.schur import (
    factor_schur,
    lower_inverse,
    mirrored,
    multiply_inverse,
    read_schur,
    solve_schur,
    unflatten,
)
from mixcheck.fitting.latent.small_matrices import (
    factor_blocks,
    log_determinant,
    multiply,
    multiply_transposed,
    solve_lower,
    solve_upper,
    transpose,
)
from mixcheck.fitting.latent.tridiagonal import Tridiagonal, factor_tridiagonal

__all__ = ["BlockElimination", "eliminate", "eliminate_nested", "nested_factors"]


@dataclass(frozen=True, eq=False)
class BlockElimination:
    """Factors of one latent system; a `Factorization`.

    Attributes
    ----------
    latent : Latent
    lower : tuple of (q, q, m), or Tridiagonal
        Cholesky factors of the blocks of each nested factor.
    coupling : mapping of (f, g) to (q_f, q_g, P)
        ``L_f^-1 H_fg`` for a nested factor f and g after it.
    schur : (Q, Q) or None
        Lower Cholesky factor of the Schur complement of the nested factors.
    dependences : mapping of int to Dependence
        K of the factors whose levels are tied.
    """

    latent: Latent
    lower: tuple[FloatArray | Tridiagonal, ...]
    coupling: Gram
    schur: FloatArray | None
    dependences: Mapping[int, Dependence] = field(default_factory=dict)

    def blocks(self, f: int) -> FloatArray:
        """Cholesky factors of the blocks of a nested factor with independent levels, (q, q, m)."""
        lower = self.lower[f]
        assert not isinstance(lower, Tridiagonal)
        return lower

    def log_det(self) -> float:
        """``log det H``; with ``log det K`` where levels are tied, so that no data make it zero."""
        out = sum(
            block.log_determinant() if isinstance(block, Tridiagonal) else log_determinant(block)
            for block in self.lower
        )
        for f, dependence in self.dependences.items():
            out += self.latent.factors[f].q * dependence.log_det()
        return out + self._rest_log_det()

    def _rest_log_det(self) -> float:
        """``log det S`` of the Schur complement."""
        return 0.0 if self.schur is None else 2.0 * float(np.log(np.diag(self.schur)).sum())

    def solve(self, rhs: Sequence[FloatArray]) -> list[FloatArray]:
        """``H^-1 b`` for one number per random effect, an array (q, m) per factor."""
        latent, x = self.latent, list(rhs)
        if len(x) == len(self.lower) == 1:
            lower = self.lower[0]
            if isinstance(lower, Tridiagonal):
                return [lower.solve(x[0])]
            return [_backward(lower, _forward(lower, x[0]))]
        for f, lower in enumerate(self.lower):
            x[f] = _forward(lower, x[f])
            for g in range(f + 1, len(x)):
                x[g] = x[g] - _push(latent, f, g, self.coupling[f, g], x[f])
        if latent.schur_factors:
            x[latent.n_nested :] = self._solve_rest(x[latent.n_nested :])
        return self._back(x)

    def _solve_rest(self, rhs: list[FloatArray]) -> list[FloatArray]:
        """``S^-1 b``, an array (q, m) per factor of the Schur complement."""
        return rhs if self.schur is None else solve_schur(self.latent, self.schur, rhs)

    def _back(self, x: list[FloatArray]) -> list[FloatArray]:
        """``y_f = L_ff^-T (x_f - sum_{g > f} W_fg y_g)``, from the Schur complement back."""
        latent = self.latent
        for f in range(latent.n_nested - 1, -1, -1):
            for g in range(f + 1, len(x)):
                x[f] = x[f] - _pull(latent, f, g, self.coupling[f, g], x[g])
            x[f] = _backward(self.lower[f], x[f])
        return x

    def apply_inverse_root(self, white: Sequence[FloatArray]) -> list[FloatArray]:
        """``L^-T e``: white noise to draws from N(0, H^-1)."""
        n_nested, x = self.latent.n_nested, list(white)
        x[n_nested:] = self._root_of_rest(x[n_nested:])
        return self._back(x)

    def _root_of_rest(self, white: list[FloatArray]) -> list[FloatArray]:
        """``R e`` with ``R R' = S^-1``."""
        if self.schur is None:
            return white
        flat = np.concatenate([part.ravel() for part in white])
        return unflatten(self.latent, lapack.dtrtrs(self.schur, flat, lower=1, trans=1)[0])

    def random_part(self) -> BlockElimination:
        """The factors of the system of the random effects alone, fixed effects held."""
        latent = self.latent.random
        if latent is None:
            return self
        size = latent.schur_size
        coupling = {
            (f, g): block for (f, g), block in self.coupling.items() if (f, g) in latent.pairs
        }
        # The fixed effects come last, so this is the leading block of the same factor.
        schur = None if self.schur is None or size == 0 else self.schur[:size, :size]
        return BlockElimination(latent, self.lower, coupling, schur, self.dependences)

    def fixed_information(self) -> FloatArray:
        """``U^-T S U^-1``, the information on the fixed effects, (p, p); see `fixed_root`."""
        return information_of_corner(self.latent, self.schur)

    def fixed_root(self) -> FloatArray:
        """R with ``R R' = U S^-1 U'``, the covariance of the fixed effects, (p, p).

        S is the Schur complement of H at their standardised values u, and beta is ``U u``.
        """
        return root_of_corner(self.latent, self.schur)

    def inverse_entries(self) -> Gram:
        """Blocks of ``H^-1`` on the pairs of levels that meet, as a Gram."""
        latent, out = self.latent, Gram()
        couple = self._invert_rest(out)
        for f in range(latent.n_nested - 1, -1, -1):
            for r, product in couple(f).items():
                out[f, r] = self._crossed_entries(f, r, out, product)
            for g in range(latent.n_nested - 1, f, -1):
                out[f, g] = self._nested_entries(f, g, out)
            out[f, f] = self._diagonal_entries(f, out)
        return out

    def level_blocks(self) -> list[FloatArray]:
        """The block of ``H^-1`` of each level, (q, q, m) per factor."""
        entries = self.inverse_entries()
        return [entries[f, f] for f in range(len(self.latent.factors))]

    def _invert_rest(self, out: Gram) -> Callable[[int], dict[int, FloatArray]]:
        """Write the entries of ``S^-1`` to `out`; and ``W_fR S^-1`` at the pairs (f, r), by r."""
        if self.schur is None:
            return lambda f: {}
        inverse = lower_inverse(self.schur)
        read_schur(self.latent, inverse, out)
        return lambda f: multiply_inverse(self.latent, f, self.coupling, inverse)

    def _crossed_entries(self, f: int, r: int, out: Gram, total: FloatArray) -> FloatArray:
        """``V_fr = -L_f^-T (W_fR V_Rr + sum_h W_fh V_hr)`` over nested h after f (Takahashi).

        `total` is the first term, and is overwritten.
        """
        latent = self.latent
        pair = latent.pairs[f, r]
        for h in range(f + 1, latent.n_nested):
            entries = out[h, r][:, :, latent.crossed_sums[f, h, r].index]
            total += multiply(self.coupling[f, h][:, :, pair.left], entries)
        return -self._solve_pairs(f, r, total, transposed=True)

    def _nested_entries(self, f: int, g: int, out: Gram) -> FloatArray:
        """``V_fg = -L_f^-T sum_h W_fh V_hg`` over all h after f (Takahashi)."""
        latent = self.latent
        up = latent.pairs[f, g].right
        total = np.zeros((latent.factors[f].q, latent.factors[g].q, latent.factors[f].m))
        for h in range(f + 1, latent.n_nested):
            # V_hg at the levels that hold each level of f.
            if h <= g:
                block = out[h, g][:, :, latent.pairs[f, h].right]
            else:
                block = transpose(out[g, h][:, :, up])
            total += multiply(self.coupling[f, h], block)
        for r in latent.schur_factors:
            entries = transpose(out[g, r][:, :, latent.crossed_sums[f, g, r].index])
            total += _sum_pairs(latent, f, r, multiply(self.coupling[f, r], entries))
        return -self._solve_pairs(f, g, total, transposed=True)

    def _diagonal_entries(self, f: int, out: Gram) -> FloatArray:
        """``V_ff = L_f^-T (L_f^-1 - sum_g W_fg V_gf)`` over all g after f (Takahashi)."""
        latent, lower = self.latent, self.lower[f]
        if isinstance(lower, Tridiagonal):
            return self._tridiagonal_entries(f, lower, out)[0][None, None]
        q, m = latent.factors[f].shape
        if q == 1 and f == len(latent.factors) - 1:
            return 1.0 / (lower * lower)
        identity = np.zeros((q, q, m))
        for c in range(q):
            identity[c, c] = 1.0
        left = solve_lower(lower, identity)
        for g in range(f + 1, len(latent.factors)):
            product = multiply(self.coupling[f, g], transpose(out[f, g]))
            left -= product if g < latent.n_nested else _sum_pairs(latent, f, g, product)
        return solve_upper(lower, left)

    def _solve_pairs(self, f: int, g: int, stack: FloatArray, *, transposed: bool) -> FloatArray:
        return _solve_pairs(self.latent, self.lower[f], f, g, stack, transposed=transposed)

    def _tridiagonal_entries(
        self, f: int, lower: Tridiagonal, out: Gram
    ) -> tuple[FloatArray, FloatArray]:
        """``T^-1 - sum_g V_fg (T^-1 S_fg)'`` on the diagonal and beside it, (m,) each."""
        latent = self.latent
        diagonal, beside = lower.inverse
        for g in range(f + 1, len(latent.factors)):
            solved = self._solve_pairs(f, g, self.coupling[f, g], transposed=True)[0]
            coupled, left, m = out[f, g][0], latent.pairs[f, g].left, diagonal.size
            runs = latent.runs.get((f, g))
            if runs is not None:
                solved, coupled, left = solved[:, runs.order], coupled[:, runs.order], runs.places
            diagonal = diagonal - np.bincount(left, np.einsum("dp,dp->p", coupled, solved), m)
            # What is next after the end of a block belongs to another one, and is not used.
            after = np.einsum("dp,dp->p", coupled[:, :-1], solved[:, 1:])
            beside = beside - np.bincount(left[:-1], after, m)
        return diagonal, beside

    def dependence_slopes(self, entries: Gram) -> dict[int, FloatArray]:
        """Derivative of ``log det H`` in the parameters phi of each dependence, (k,).

        ``tr((K^-1 + G)^-1 dK^-1/dphi) + d log det K / dphi``, with ``G = Z' W Z`` and what other
        factors leave of it.

        Parameters
        ----------
        entries : Gram
            `inverse_entries`.
        """
        out: dict[int, FloatArray] = {}
        for f, dependence in self.dependences.items():
            if not dependence.n_parameters:
                out[f] = np.zeros(0)
                continue
            diagonal = entries[f, f][0, 0]
            out[f] = dependence.log_det_slope(diagonal, self._beside(f, entries))
        return out

    def _beside(self, f: int, entries: Gram) -> FloatArray:
        """Entries of ``H^-1`` between neighbouring levels of a tied factor, (m,)."""
        lower = self.lower[f] if f < len(self.lower) else None
        if isinstance(lower, Tridiagonal):
            return self._tridiagonal_entries(f, lower, entries)[1]
        return np.append(self._rest_inverse(f).diagonal(1), 0.0)

    def _rest_inverse(self, f: int) -> FloatArray:
        """``H^-1`` of a factor of the Schur complement, (q m, q m)."""
        assert self.schur is not None
        q, m = self.latent.factors[f].shape
        where = slice(self.latent.schur_offsets[f], self.latent.schur_offsets[f] + q * m)
        return mirrored(lower_inverse(self.schur))[where, where]

    def tied_trace(self, f: int, entries: Gram) -> float:
        """Trace of ``(I x K^-1) H^-1`` over the effects of a tied factor."""
        precision, beside = self.dependences[f].precision()
        if beside is not None:
            inner = float(precision @ entries[f, f][0, 0])
            return inner + 2.0 * float(beside @ self._beside(f, entries))
        inverse, m = self._rest_inverse(f), len(precision)
        starts = range(0, len(inverse), m)
        return sum(float(np.vdot(precision, inverse[s : s + m, s : s + m])) for s in starts)


def _forward(lower: FloatArray | Tridiagonal, x: FloatArray) -> FloatArray:
    """``L^-1 x`` for x (q, m)."""
    if isinstance(lower, Tridiagonal):
        return np.asarray(lower.substitute(x[None], None, transposed=False)[0])
    return solve_lower(lower, x[:, None])[:, 0] if len(x) > 1 else x / lower[0]


def _backward(lower: FloatArray | Tridiagonal, x: FloatArray) -> FloatArray:
    """``L^-T x`` for x (q, m)."""
    if isinstance(lower, Tridiagonal):
        return np.asarray(lower.substitute(x[None], None, transposed=True)[0])
    return solve_upper(lower, x[:, None])[:, 0] if len(x) > 1 else x / lower[0]


def _solve_pairs(
    latent: Latent,
    lower: FloatArray | Tridiagonal,
    f: int,
    g: int,
    stack: FloatArray,
    *,
    transposed: bool,
) -> FloatArray:
    """``L^-1 B`` or ``L^-T B`` for B (q_f, q_g, P) on the pairs of two factors."""
    if isinstance(lower, Tridiagonal):
        return lower.substitute(stack, latent.runs.get((f, g)), transposed=transposed)
    root = lower if g < latent.n_nested else lower[:, :, latent.pairs[f, g].left]
    return solve_upper(root, stack) if transposed else solve_lower(root, stack)


def eliminate(
    latent: Latent, system: Gram, tied: Mapping[int, Dependence], *, each: bool = False
) -> BlockElimination | None:
    """Factor ``H``; None if it is not positive definite.

    Parameters
    ----------
    latent : Latent
    system : Gram
        H on the pairs of levels that meet, without the ``K^-1`` of tied factors; overwritten.
    tied : mapping of int to Dependence
        K of the factors whose levels are tied.
    each : bool
        Whether blocks of levels that are not positive definite have factors that are not numbers.
    """
    nested = eliminate_nested(latent, system, tied, each=each)
    if nested is None:
        return None
    lower, coupling = nested
    if not latent.schur_factors:
        return BlockElimination(latent, lower, coupling, None, tied)
    schur = factor_schur(latent, coupling, system, tied)
    return None if schur is None else BlockElimination(latent, lower, coupling, schur, tied)


def eliminate_nested(
    latent: Latent, system: Gram, tied: Mapping[int, Dependence], *, each: bool = False
) -> tuple[tuple[FloatArray | Tridiagonal, ...], Gram] | None:
    """Factors of the blocks of the nested factors, and their coupling with what is after them.

    Arguments as those of `eliminate`; in `system` the Schur complement is left without
    ``W_fR' W_fR``.
    """
    lower: list[FloatArray | Tridiagonal] = []
    coupling: Gram = Gram()
    for f in range(latent.n_nested):
        own = system[f, f]
        block = _factor_tied(own, tied[f]) if f in tied else factor_blocks(own, each=each)
        if block is None:
            return None
        lower.append(block)
        for g in range(f + 1, len(latent.factors)):
            coupling[f, g] = _solve_pairs(latent, block, f, g, system[f, g], transposed=False)
        if f + 1 < latent.n_nested:
            _update_nested(latent, f, coupling, system)
    return tuple(lower), coupling


def nested_factors(factorization: object) -> BlockElimination:
    """The factors of a system of nested factors, whose blocks can be read one by one.

    Every such system is eliminated block by block; only others may be factored in another way.
    """
    assert isinstance(factorization, BlockElimination)
    return factorization


def _factor_tied(block: FloatArray, dependence: Dependence) -> Tridiagonal | None:
    """Factor of ``Lambda^2 G + K^-1``, G diagonal and ``K^-1`` tridiagonal."""
    diagonal, beside = dependence.precision()
    assert beside is not None
    return factor_tridiagonal(block[0, 0] + diagonal, beside)


def _update_nested(latent: Latent, f: int, coupling: Gram, system: Gram) -> None:
    """``H_gh - W_fg' W_fh``: later blocks after factor f is eliminated, ``W_fg = L_f^-1 H_fg``."""
    for g in range(f + 1, latent.n_nested):
        sums = latent.nested_sums[f, g]
        for h in range(g, latent.n_nested):
            product = multiply_transposed(coupling[f, g], coupling[f, h])
            system[g, h] = system[g, h] - _sum_last(sums, product)
        for r in latent.schur_factors:
            beside = coupling[f, g][:, :, latent.pairs[f, r].left]
            product = multiply_transposed(beside, coupling[f, r])
            system[g, r] = system[g, r] - _sum_last(latent.crossed_sums[f, g, r], product)


def _sum_last(sums: Summation, stack: FloatArray) -> FloatArray:
    """A stack (r, s, P) summed over its last axis by an index."""
    r, s, _ = stack.shape
    if (r, s) == (1, 1):
        return sums(stack[0, 0])[None, None]
    out = np.empty((r, s, sums.size))
    for a in range(r):
        for b in range(s):
            out[a, b] = sums(stack[a, b])
    return out


def _sum_pairs(latent: Latent, f: int, g: int, stack: FloatArray) -> FloatArray:
    """Sum a stack over the pairs (f, g) of each level of f."""
    left, m = latent.pairs[f, g].left, latent.factors[f].m
    r, s, _ = stack.shape
    out = np.empty((r, s, m))
    for a in range(r):
        for b in range(s):
            out[a, b] = np.bincount(left, stack[a, b], m)
    return out


def _push(latent: Latent, f: int, g: int, coupling: FloatArray, x: FloatArray) -> FloatArray:
    """``W_fg' x_f``, (q_g, m_g)."""
    pair, m = latent.pairs[f, g], latent.factors[g].m
    moved = x if g < latent.n_nested else x[:, pair.left]
    product = multiply_transposed(coupling, moved[:, None])[:, 0]
    return np.stack([np.bincount(pair.right, row, m) for row in product])


def _pull(latent: Latent, f: int, g: int, coupling: FloatArray, x: FloatArray) -> FloatArray:
    """``W_fg x_g``, (q_f, m_f)."""
    pair = latent.pairs[f, g]
    product = multiply(coupling, x[:, None, pair.right])[:, 0]
    if g < latent.n_nested:
        return product
    return np.stack([np.bincount(pair.left, row, latent.factors[f].m) for row in product])
