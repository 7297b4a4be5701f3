"""Factorisations that hold all effects in one vector, factor after factor: what they share."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.fixed_corner import information_of_corner, root_of_corner
from mixcheck.fitting.latent.layout import Gram, Latent

__all__ = ["OneVector", "entries_by_pair", "flatten"]


class OneVector(ABC):
    """A `Factorization` of independent levels, whose fixed effects come last.

    Attributes
    ----------
    latent : Latent
    """

    latent: Latent

    @property
    @abstractmethod
    def corner(self) -> FloatArray:
        """A lower Cholesky factor whose last corner is that of the fixed effects."""

    @abstractmethod
    def inverse_entries(self) -> Gram:
        """Blocks of ``H^-1`` on the pairs of levels that meet, as a Gram."""

    def level_blocks(self) -> list[FloatArray]:
        """The block of ``H^-1`` of each level, (q, q, m) per factor."""
        entries = self.inverse_entries()
        return [entries[f, f] for f in range(len(self.latent.factors))]

    def by_factor(self, flat: FloatArray) -> list[FloatArray]:
        """The vector of all effects, (N,), as an array (q, m) for each factor."""
        out, start = [], 0
        for factor in self.latent.factors:
            q, m = factor.shape
            out.append(flat[start : start + q * m].reshape(q, m))
            start += q * m
        return out

    def fixed_information(self) -> FloatArray:
        """``U^-T S U^-1``, the information on the fixed effects, (p, p)."""
        return information_of_corner(self.latent, self.corner)

    def fixed_root(self) -> FloatArray:
        """R with ``R R' = U S^-1 U'``, the covariance of the fixed effects, (p, p)."""
        return root_of_corner(self.latent, self.corner)

    def dependence_slopes(self, entries: Gram) -> dict[int, FloatArray]:
        """Nothing: levels are independent."""
        return {}

    def tied_trace(self, f: int, entries: Gram) -> float:
        """There is no tied factor."""
        raise ValueError("the levels of every factor of this system are independent")


def flatten(latent: Latent, system: Gram) -> FloatArray:
    """Entries of H on the pairs of levels that meet, in one vector."""
    return np.concatenate([system[key].ravel() for key in latent.pairs])


def entries_by_pair(latent: Latent, values: FloatArray) -> Gram:
    """What `flatten` made one vector of, as a Gram."""
    out, start = Gram(), 0
    for (f, g), pair in latent.pairs.items():
        shape = latent.factors[f].q, latent.factors[g].q, pair.left.size
        stop = start + shape[0] * shape[1] * shape[2]
        out[f, g] = values[start:stop].reshape(shape)
        start = stop
    return out
