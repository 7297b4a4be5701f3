"""The latent system of crossed factors without a dense matrix: its Schur complement by iterations.

The nested factors are eliminated as in :mod:`mixcheck.fitting.latent.block_elimination`. What they
leave, ``S = H_RR - sum_f W_fR' W_fR``, is multiplied with and never formed: scaled by the Cholesky
factors L of its diagonal blocks D, one for each level, ``A = L^-1 S L^-T`` is near the identity
where levels of crossed factors meet at random, and some ten products solve it.

A log determinant takes more than products. Here it is that of H with S cut down to D, and the
entries of the inverse are its derivatives. That is not ``log det H``, but what it leaves of it
hardly moves from one response to another: :mod:`mixcheck.fitting.estimation.one_step` takes it
from a fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.block_elimination import BlockElimination, eliminate_nested
from mixcheck.fitting.latent.lanczos import apply_power, smallest, trace_of_log
from mixcheck.fitting.latent.layout import Gram, Latent
from mixcheck.fitting.latent.schur import factor_schur, unflatten
from mixcheck.fitting.latent.small_matrices import (
    factor_blocks,
    log_determinant,
    multiply,
    multiply_transposed,
    solve_lower,
    solve_upper,
    transpose,
)

__all__ = ["IteratedElimination", "iterate"]

# Of the residual of a solution, relative to the right-hand side.
_TOLERANCE = 1e-6
# Products after which S is formed and factored; and effects of crossed factors up to which it is.
_MOST_STEPS = 200
_MOST_FORMED = 6_000
# Probes of what levels share beyond a few directions; of their signs, and of where the search for
# the directions begins.
_PROBES, _SEED = 16, 20_261


def iterate(latent: Latent, system: Gram, *, convex: bool) -> IteratedElimination | None:
    """Eliminate the nested factors of H; None if it is not positive definite.

    Parameters
    ----------
    latent : Latent
        Its levels are independent.
    system : Gram
        H on the pairs of levels that meet; overwritten.
    convex : bool
        Whether H is known to be positive definite; else S is formed, to see, or is None where
        that would be too large.
    """
    if not convex and latent.schur_size > _MOST_FORMED:
        return None
    nested = eliminate_nested(latent, system, {})
    if nested is None:
        return None
    lower, coupling = nested
    schur = None
    if not convex:
        schur = factor_schur(latent, coupling, system, {})
        if schur is None:
            return None
    blocks = {}
    for r in latent.schur_factors:
        block = factor_blocks(_diagonal_block(latent, coupling, system, r))
        if block is None:
            return None
        blocks[r] = block
    return IteratedElimination(latent, lower, coupling, schur, system=system, blocks_of_rest=blocks)


def _diagonal_block(latent: Latent, coupling: Gram, system: Gram, r: int) -> FloatArray:
    """The blocks of S of the levels of a factor, (q, q, m)."""
    out, m = system[r, r].copy(), latent.factors[r].m
    for f in range(latent.n_nested):
        squares = multiply_transposed(coupling[f, r], coupling[f, r])
        for c, d in product(*map(range, out.shape[:2])):
            out[c, d] -= np.bincount(latent.pairs[f, r].right, squares[c, d], m)
    return out


@dataclass(frozen=True, eq=False, kw_only=True)
class IteratedElimination(BlockElimination):
    """Nested factors eliminated, and the rest solved by iterations; a `Factorization`.

    `log_det` is that of H with S cut down to the blocks of its levels, and `inverse_entries` are
    the derivatives of it. Solutions and roots are those of H itself.

    Attributes
    ----------
    system : Gram
        H_RR on the pairs of levels that meet, among others.
    blocks_of_rest : dict of int to (q, q, m)
        Cholesky factors of the blocks D of the levels of each crossed factor in S.
    """

    system: Gram
    blocks_of_rest: dict[int, FloatArray]

    @cached_property
    def _scaled(self) -> tuple[sparse.csr_array, sparse.csr_array, sparse.csc_array]:
        """``B = L^-1 H_RR L^-T``, ``C = W L^-T`` and C', by which ``A = B - C'C``."""
        latent, rest, coupled = self.latent, [], []
        for r in latent.schur_factors:
            for s in range(r, len(latent.factors)):
                pair = latent.pairs[r, s]
                half = solve_lower(self.blocks_of_rest[r][:, :, pair.left], self.system[r, s])
                block = self._scale_columns(s, half, r)
                for entry in block.reshape(-1, block.shape[2]):
                    rest += [entry] if r == s else [entry, entry]
        for f in range(latent.n_nested):
            scaled = [
                self._scale_columns(r, self.coupling[f, r], f).reshape(latent.factors[f].q, -1)
                for r in latent.schur_factors
            ]
            coupled.append(np.concatenate(scaled, axis=1).ravel())
        C = latent.coupling_entries.matrix(np.concatenate(coupled))
        return latent.rest_entries.matrix(np.concatenate(rest)), C, C.T

    def _scale_columns(self, r: int, block: FloatArray, f: int) -> FloatArray:
        """``B L_r^-T`` for B (q_f, q_r, P) on the pairs (f, r)."""
        lower = self.blocks_of_rest[r][:, :, self.latent.pairs[f, r].right]
        return transpose(solve_lower(lower, transpose(block)))

    def _multiply_scaled(self, x: FloatArray) -> FloatArray:
        """``A x``."""
        B, C, transposed = self._scaled
        out: FloatArray = B @ x - transposed @ (C @ x)
        return out

    def _apply(self, flat: FloatArray, power: float) -> FloatArray | None:
        return apply_power(
            self._multiply_scaled, flat, power, tolerance=_TOLERANCE, steps=_MOST_STEPS
        )

    @cached_property
    def _formed(self) -> FloatArray:
        """Lower Cholesky factor of S."""
        formed = self.schur
        if formed is None and self.latent.schur_size <= _MOST_FORMED:
            formed = factor_schur(self.latent, self.coupling, self.system, {})
        if formed is None:
            raise np.linalg.LinAlgError("a latent system is not solved by iterations")
        return formed

    def remaining_log_det(self, probes: int, seed: int) -> tuple[float, float]:
        """``log det A``, which `log_det` leaves out, by probes at random, and its standard error.

        Raises
        ------
        LinAlgError
            If that takes too many products.
        """
        factors = [self.latent.factors[r] for r in self.latent.schur_factors]
        found = trace_of_log(
            self._multiply_scaled,
            self.latent.schur_size,
            directions=sum(factor.q for factor in factors),
            probes=probes,
            steps=_MOST_STEPS,
            seed=seed,
        )
        if found is None:
            raise np.linalg.LinAlgError("a log determinant is not found by iterations")
        return found

    def level_blocks(self) -> list[FloatArray]:
        """The block of ``H^-1`` of each level, (q, q, m) per factor, with what levels share.

        With orthonormal V, about the eigenvectors of the smallest eigenvalues of A, and
        ``P = I - V V'``, ``E = I - A``, ``Y = A^-1 V``,

            ``A^-1 = Y V' + V Y' - V (V'Y) V' + P (I + E + K) P``,  ``K = A^-1 - I - E``.

        The directions V are those that crossed factors share, such as a constant that one has more
        of and the other less. E has no blocks of its own; ``P K P``, of second order in it, is the
        mean of ``P K P z z'`` over signs z at random, the same each time. For the nested factors
        ``P E P`` is left out.
        """
        latent, size = self.latent, self.latent.schur_size
        if self.schur is not None:
            whole = BlockElimination(latent, self.lower, self.coupling, self.schur)
            return whole.level_blocks()
        entries, rng = self.inverse_entries(), np.random.default_rng(_SEED)
        blocks = [entries[f, f] for f in range(len(latent.factors))]
        count = sum(latent.factors[r].q for r in latent.schur_factors)
        V = smallest(self._multiply_scaled, size, count, rng.standard_normal(size))
        Y = np.column_stack([self._invert_scaled(v) for v in V.T])
        E = np.column_stack([v - self._multiply_scaled(v) for v in V.T])
        one = np.eye(V.shape[1])
        shared, errors = (
            [self._extend(column) for column in np.concatenate([V, other], axis=1).T]
            for other in (Y, E)
        )
        _add_products(blocks, shared, np.block([[-(V.T @ Y) - one, one], [one, 0.0 * one]]))
        rest = {r: blocks[r] for r in latent.schur_factors}
        _add_products(rest, errors, np.block([[V.T @ E, -one], [-one, 0.0 * one]]))
        for _ in range(_PROBES):
            z = rng.choice([-1.0, 1.0], size)
            inner = z - V @ (V.T @ z)
            found = self._invert_scaled(inner) - 2.0 * inner + self._multiply_scaled(inner)
            found -= V @ (V.T @ found)
            pair = self._extend(found), self._extend(z)
            _add_products(blocks, pair, np.array([[0.0, 0.5], [0.5, 0.0]]) / _PROBES)
        return blocks

    def _invert_scaled(self, flat: FloatArray) -> FloatArray:
        """``A^-1 b``."""
        found = self._apply(flat, -1.0)
        if found is None:
            raise np.linalg.LinAlgError("a latent system is not solved by iterations")
        return found

    def _extend(self, flat: FloatArray) -> list[FloatArray]:
        """``[-L_f^-T W_fr; I] L_r^-T b`` for all factors: a vector of the rest, scaled back."""
        latent = self.latent
        rest = self._on_blocks(solve_upper, unflatten(latent, flat))
        nested = [np.zeros(factor.shape) for factor in latent.factors[: latent.n_nested]]
        return self._back([*nested, *rest])

    def _rest_log_det(self) -> float:
        return sum(log_determinant(block) for block in self.blocks_of_rest.values())

    def _solve_rest(self, rhs: list[FloatArray]) -> list[FloatArray]:
        if self.schur is None:
            scaled = self._on_blocks(solve_lower, rhs)
            found = self._apply(np.concatenate([part.ravel() for part in scaled]), -1.0)
            if found is not None:
                return self._on_blocks(solve_upper, unflatten(self.latent, found))
        flat = np.concatenate([part.ravel() for part in rhs])
        return unflatten(self.latent, lapack.dpotrs(self._formed, flat, lower=1)[0])

    def _root_of_rest(self, white: list[FloatArray]) -> list[FloatArray]:
        """``L^-T A^(-1/2) e``."""
        flat = np.concatenate([part.ravel() for part in white])
        found = None if self.schur is not None else self._apply(flat, -0.5)
        if found is None:
            solved = lapack.dtrtrs(self._formed, flat, lower=1, trans=1)[0]
            return unflatten(self.latent, solved)
        return self._on_blocks(solve_upper, unflatten(self.latent, found))

    def _on_blocks(
        self,
        solve: Callable[[FloatArray, FloatArray], FloatArray],
        parts: list[FloatArray],
    ) -> list[FloatArray]:
        """``L^-1 x`` or ``L^-T x``, level by level."""
        pairs = zip(self.latent.schur_factors, parts, strict=True)
        return [solve(self.blocks_of_rest[r], part[:, None])[:, 0] for r, part in pairs]

    def _invert_rest(self, out: Gram) -> Callable[[int], dict[int, FloatArray]]:
        """``D^-1``, and ``W_fr D_r^-1`` at the pairs (f, r): zero between levels."""
        latent = self.latent
        for r in latent.schur_factors:
            q, m = latent.factors[r].shape
            identity = np.zeros((q, q, m))
            for c in range(q):
                identity[c, c] = 1.0
            lower = self.blocks_of_rest[r]
            out[r, r] = solve_upper(lower, solve_lower(lower, identity))
            for s in range(r + 1, len(latent.factors)):
                out[r, s] = np.zeros(self.system[r, s].shape)

        def couple(f: int) -> dict[int, FloatArray]:
            return {
                r: multiply(self.coupling[f, r], out[r, r][:, :, latent.pairs[f, r].right])
                for r in latent.schur_factors
            }

        return couple


def _add_products(
    blocks: Sequence[FloatArray] | Mapping[int, FloatArray],
    columns: Sequence[Sequence[FloatArray]],
    core: FloatArray,
) -> None:
    """Add the blocks of ``sum_jk C_jk x_j x_k'`` of each level, the x given by factor, (q, m)."""
    pairs = blocks.items() if isinstance(blocks, Mapping) else enumerate(blocks)
    for f, block in pairs:
        parts = np.stack([column[f] for column in columns])
        block += np.einsum("jam,jk,kbm->abm", parts, core, parts)
