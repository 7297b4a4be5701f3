"""The latent system of few crossed effects as one dense matrix.

Elimination block by block takes some tens of calls for a system, whatever its size. Up to a few
hundred effects that is more than all the arithmetic of a dense matrix, of which the entries are
written, and read, at places that the design alone decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.layout import Gram, Latent
from mixcheck.fitting.latent.one_vector import OneVector, entries_by_pair, flatten

__all__ = ["DenseCholesky", "factor_densely"]


@dataclass(frozen=True, eq=False)
class DenseCholesky(OneVector):
    """``H = L L'`` as one matrix; a `Factorization` of independent levels.

    Attributes
    ----------
    latent : Latent
    lower : (N, N)
        L; what is above its diagonal is not read.
    """

    latent: Latent
    lower: FloatArray

    @property
    def corner(self) -> FloatArray:
        """L itself."""
        return self.lower

    def log_det(self) -> float:
        """``log det H``."""
        return 2.0 * float(np.log(self.lower.diagonal()).sum())

    def solve(self, rhs: Sequence[FloatArray]) -> list[FloatArray]:
        """``H^-1 b``."""
        flat = np.concatenate([part.ravel() for part in rhs])
        return self.by_factor(lapack.dpotrs(self.lower, flat, lower=1)[0])

    def apply_inverse_root(self, white: Sequence[FloatArray]) -> list[FloatArray]:
        """``L^-T e``."""
        flat = np.concatenate([part.ravel() for part in white])
        return self.by_factor(lapack.dtrtrs(self.lower, flat, lower=1, trans=1)[0])

    def inverse_entries(self) -> Gram:
        """Blocks of ``H^-1`` on the pairs of levels that meet, as a Gram."""
        inverse, info = lapack.dpotri(self.lower, lower=1)
        if info != 0:
            raise np.linalg.LinAlgError("singular latent system")
        return entries_by_pair(self.latent, inverse.ravel(order="K")[self.latent.places])

    def random_part(self) -> DenseCholesky:
        """The factors of the system of the random effects alone, fixed effects held."""
        latent = self.latent.random
        if latent is None:
            return self
        # The fixed effects come last, so this is the leading block of the same factor.
        size = latent.size
        return DenseCholesky(latent, np.asfortranarray(self.lower[:size, :size]))


def factor_densely(latent: Latent, system: Gram) -> DenseCholesky | None:
    """Factor H, given on the pairs of levels that meet; None if it is not positive definite."""
    size = latent.size
    flat = np.zeros(size * size)
    flat[latent.places] = flatten(latent, system)
    lower, info = lapack.dpotrf(flat.reshape(size, size).T, lower=1, clean=0, overwrite_a=1)
    return None if info != 0 else DenseCholesky(latent, lower)
