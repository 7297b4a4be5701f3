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
from mixcheck.fitting.latent.fixed_corner import information_of_corner, root_of_corner
from mixcheck.fitting.latent.layout import Gram, Latent

__all__ = ["DenseCholesky", "factor_densely"]


@dataclass(frozen=True, eq=False)
class DenseCholesky:
    """``H = L L'`` as one matrix; a `Factorization` of independent levels.

    Attributes
    ----------
    latent : Latent
    lower : (N, N)
        L; what is above its diagonal is not read.
    """

    latent: Latent
    lower: FloatArray

    def log_det(self) -> float:
        """``log det H``."""
        return 2.0 * float(np.log(self.lower.diagonal()).sum())

    def solve(self, rhs: Sequence[FloatArray]) -> list[FloatArray]:
        """``H^-1 b``."""
        flat = np.concatenate([part.ravel() for part in rhs])
        return self._by_factor(lapack.dpotrs(self.lower, flat, lower=1)[0])

    def apply_inverse_root(self, white: Sequence[FloatArray]) -> list[FloatArray]:
        """``L^-T e``."""
        flat = np.concatenate([part.ravel() for part in white])
        return self._by_factor(lapack.dtrtrs(self.lower, flat, lower=1, trans=1)[0])

    def _by_factor(self, flat: FloatArray) -> list[FloatArray]:
        out, start = [], 0
        for factor in self.latent.factors:
            q, m = factor.shape
            out.append(flat[start : start + q * m].reshape(q, m))
            start += q * m
        return out

    def inverse_entries(self) -> Gram:
        """Blocks of ``H^-1`` on the pairs of levels that meet, as a Gram."""
        inverse, info = lapack.dpotri(self.lower, lower=1)
        if info != 0:
            raise np.linalg.LinAlgError("singular latent system")
        values = inverse.ravel(order="K")[self.latent.places]
        out, start = Gram(), 0
        for (f, g), pair in self.latent.pairs.items():
            shape = self.latent.factors[f].q, self.latent.factors[g].q, pair.left.size
            stop = start + shape[0] * shape[1] * shape[2]
            out[f, g] = values[start:stop].reshape(shape)
            start = stop
        return out

    def random_part(self) -> DenseCholesky:
        """The factors of the system of the random effects alone, fixed effects held."""
        latent = self.latent.random
        if latent is None:
            return self
        # The fixed effects come last, so this is the leading block of the same factor.
        size = latent.size
        return DenseCholesky(latent, np.asfortranarray(self.lower[:size, :size]))

    def fixed_information(self) -> FloatArray:
        """``U^-T S U^-1``, the information on the fixed effects, (p, p)."""
        return information_of_corner(self.latent, self.lower)

    def fixed_root(self) -> FloatArray:
        """R with ``R R' = U S^-1 U'``, the covariance of the fixed effects, (p, p)."""
        return root_of_corner(self.latent, self.lower)

    def dependence_slopes(self, entries: Gram) -> dict[int, FloatArray]:
        """Nothing: levels are independent."""
        return {}

    def tied_trace(self, f: int, entries: Gram) -> float:
        """There is no tied factor."""
        raise ValueError("the levels of every factor of this system are independent")


def factor_densely(latent: Latent, system: Gram) -> DenseCholesky | None:
    """Factor H, given on the pairs of levels that meet; None if it is not positive definite."""
    size = latent.size
    flat = np.zeros(size * size)
    flat[latent.places] = np.concatenate([system[key].ravel() for key in latent.pairs])
    lower, info = lapack.dpotrf(flat.reshape(size, size).T, lower=1, clean=0, overwrite_a=1)
    return None if info != 0 else DenseCholesky(latent, lower)
