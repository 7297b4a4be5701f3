"""Factorisation of the latent system ``H = Lambda' Z' W Z Lambda + I``: what it must answer.

Every approximation of the likelihood asks the same of H: its log determinant, solutions, draws, and
the entries of its inverse on pairs of levels that meet. `Factorization` lists what may be asked of
any system:

- :mod:`mixcheck.fitting.latent.block_elimination`: factor after factor, and one dense matrix of
  what is crossed; for nearly all.
- :mod:`mixcheck.fitting.latent.dense_cholesky`: one matrix; for few crossed effects.
- :mod:`mixcheck.fitting.latent.sparse_elimination`: effect by effect, and a dense core; for many
  crossed effects that meet few others.
- :mod:`mixcheck.fitting.latent.iterated_elimination`: without a factor and with another
  determinant; for the steps of `mixcheck.fitting.estimation.cut_deviance`.

One more way is a class with these methods in a file of its own, and its line in `factorize`.
Systems of nested factors alone stay with their blocks, and what reads these asks for
`nested_factors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.design.levels import Dependence
from mixcheck.fitting.latent.block_elimination import BlockElimination, eliminate
from mixcheck.fitting.latent.dense_cholesky import factor_densely
from mixcheck.fitting.latent.iterated_elimination import iterate
from mixcheck.fitting.latent.layout import Gram, Latent
from mixcheck.fitting.latent.roots import Root, TiedRoot, embed, units_of
from mixcheck.fitting.latent.small_matrices import sandwich, sum_weighted_products, transpose
from mixcheck.fitting.latent.sparse_elimination import eliminate_sparsely

__all__ = ["Factorization", "factorize", "log_det_slopes"]


class Factorization(Protocol):
    """One factored latent system H, of N random effects and of fixed ones if they are among them.

    Vectors over all effects are an array (q, m) for each factor. Where levels are tied,
    ``b = Lambda w`` with w ~ N(0, K), ``K^-1`` stands for I, and H is the system of w. Laws for
    every implementation are in ``tests/fitting/latent/test_factorization.py``.
    """

    @property
    def latent(self) -> Latent:
        """Which effects meet in which rows."""
        ...

    def log_det(self) -> float:
        """``log det H``; with ``log det K`` where levels are tied, so that no data make it zero."""
        ...

    def solve(self, rhs: Sequence[FloatArray]) -> list[FloatArray]:
        """``H^-1 b``."""
        ...

    def apply_inverse_root(self, white: Sequence[FloatArray]) -> list[FloatArray]:
        """``R e`` with any R of ``R R' = H^-1``: white noise to draws from N(0, H^-1)."""
        ...

    def inverse_entries(self) -> Gram:
        """Blocks of ``H^-1`` on the pairs of levels that meet, as a Gram."""
        ...

    def level_blocks(self) -> list[FloatArray]:
        """The block of ``H^-1`` of each level, (q, q, m) per factor."""
        ...

    def random_part(self) -> Factorization:
        """The factors of the system of the random effects alone, fixed effects held."""
        ...

    def fixed_information(self) -> FloatArray:
        """``U^-T S U^-1``, the information on the fixed effects ``beta = U u``, (p, p).

        S is the Schur complement of H at their standardised values u.
        """
        ...

    def fixed_root(self) -> FloatArray:
        """R with ``R R' = U S^-1 U'``, the covariance of the fixed effects, (p, p)."""
        ...

    def dependence_slopes(self, entries: Gram) -> dict[int, FloatArray]:
        """Derivative of ``log_det`` in the parameters of each dependence K, (k,)."""
        ...

    def tied_trace(self, f: int, entries: Gram) -> float:
        """Trace of ``(I x K^-1) H^-1`` over the effects of a tied factor."""
        ...


def factorize(
    latent: Latent,
    gram: Gram,
    roots: Sequence[Root],
    *,
    each: bool = False,
    convex: bool = False,
) -> Factorization | None:
    """Factor ``H``; None if it is not positive definite.

    Parameters
    ----------
    latent : Latent
    gram : Gram
        ``Z' W Z`` on the pairs of levels that meet.
    roots : sequence of Root
        ``Lambda`` of each factor, and K where levels are tied.
    each : bool
        Whether blocks of levels that are not positive definite have factors that are not numbers.
    convex : bool
        Whether W is known to be non-negative, so that H is positive definite.
    """
    if not latent.factors:
        return BlockElimination(latent, (), Gram(), None)
    units = [units_of(root) for root in roots]
    system = {key: sandwich(units[key[0]], gram[key], units[key[1]]) for key in latent.pairs}
    tied: dict[int, Dependence] = {}
    if latent.tied:
        tied = {f: root.dependence for f, root in enumerate(roots) if isinstance(root, TiedRoot)}
    for f, factor in enumerate(latent.factors):
        if factor.fixed is None and factor.ties is None:
            own = system[f, f]
            for c in range(len(own)):
                own[c, c] += 1.0
    if latent.iterative:
        return iterate(latent, system, convex=convex)
    if latent.small:
        return factor_densely(latent, system)
    if latent.sparse:
        return eliminate_sparsely(latent, system)
    return eliminate(latent, system, tied, each=each)


def log_det_slopes(gram: Gram, entries: Gram, roots: Sequence[Root]) -> list[FloatArray]:
    """Derivatives of ``log det H`` in the root of each factor, as of `differentiate_product`.

    Those in the parameters of a dependence are left at zero; see
    `Factorization.dependence_slopes`.

    ``d log det H / d Lambda_f = 2 sum_g sum_P G_fg Lambda_g V_fg'``, over the pairs P of levels
    that meet, with ``G = Z'WZ`` and ``V = H^-1``.

    Parameters
    ----------
    gram : Gram
        G on the pairs of levels that meet.
    entries : Gram
        V on the same pairs; see `Factorization.inverse_entries`.
    roots : sequence of Root
    """
    units = list(map(units_of, roots))
    out: list[FloatArray | None] = [None] * len(units)
    for (f, g), entry in entries.items():
        block = gram[f, g]
        _add(out, f, sum_weighted_products(block, entry, units[g]))
        if f != g:
            mirrored = transpose(block), transpose(entry)
            _add(out, g, sum_weighted_products(*mirrored, units[f]))
    return [
        embed(root, np.zeros(unit.shape) if slope is None else 2.0 * slope)
        for root, unit, slope in zip(roots, units, out, strict=True)
    ]


def _add(out: list[FloatArray | None], f: int, part: FloatArray) -> None:
    before = out[f]
    out[f] = part if before is None else before + part
