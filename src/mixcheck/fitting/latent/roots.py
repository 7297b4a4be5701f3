"""Roots of the covariance of all effects of a factor: what takes standard normal u to b.

For independent levels the root is one matrix ``Lambda`` (q, q) for every level, ``b = Lambda u``
of an array u (q, m). Where levels are tied with the covariance ``K = A A'``, it is
``b = Lambda u A'``. Copies of a problem that stand one after another may each have a Lambda of
their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.design.levels import Dependence
from mixcheck.fitting.latent.layout import Gram
from mixcheck.fitting.latent.small_matrices import by_copy, join_copies, sandwich, transpose

__all__ = [
    "Root",
    "RootOfCopies",
    "TiedRoot",
    "change",
    "covariances_of_effects",
    "differentiate_product",
    "embed",
    "resize",
    "scale",
    "units_of",
]


@dataclass(frozen=True, eq=False)
class TiedRoot:
    """Root of the effects of tied levels; an operator on arrays (q, m).

    Attributes
    ----------
    units : (q, q)
        Lambda.
    dependence : Dependence
        A.
    transposed : bool
    """

    units: FloatArray
    dependence: Dependence
    transposed: bool = False

    @property
    def T(self) -> TiedRoot:
        """The transposed operator."""
        return TiedRoot(self.units, self.dependence, not self.transposed)

    @property
    def variances(self) -> FloatArray:
        """Diagonal of K, (m,)."""
        return self.dependence.variances()

    def __matmul__(self, u: FloatArray) -> FloatArray:
        if self.transposed:
            return self.dependence.spread_transposed(self.units.T @ u)
        return self.units @ self.dependence.spread(u)

    def __sub__(self, other: TiedRoot) -> _Difference:
        return _Difference(self, other)


@dataclass(frozen=True, eq=False)
class _Difference:
    """Difference of two operators."""

    ahead: TiedRoot
    behind: TiedRoot

    @property
    def T(self) -> _Difference:
        """The transposed operator."""
        return _Difference(self.ahead.T, self.behind.T)

    def __matmul__(self, u: FloatArray) -> FloatArray:
        return self.ahead @ u - self.behind @ u


@dataclass(frozen=True, eq=False)
class RootOfCopies:
    """Root of the effects of a factor in each of several copies, of independent levels.

    Attributes
    ----------
    units : (q, q, c)
        Lambda of each copy.
    """

    units: FloatArray

    @property
    def T(self) -> RootOfCopies:
        """The transposed operator."""
        return RootOfCopies(transpose(self.units))

    def __matmul__(self, u: FloatArray) -> FloatArray:
        apart = by_copy(u, self.units.shape[2])
        if len(u) == 1:
            return join_copies(self.units[0, 0][:, None] * apart)
        return join_copies(np.einsum("abc,bcm->acm", self.units, apart))

    def __sub__(self, other: RootOfCopies) -> RootOfCopies:
        return RootOfCopies(self.units - other.units)


Root: TypeAlias = FloatArray | TiedRoot | RootOfCopies


def scale(root: Root | _Difference, u: FloatArray) -> FloatArray:
    """``b = Lambda u A'``: effects (q, m) of standard normal u (q, m)."""
    if isinstance(root, np.ndarray) and root.size == 1:
        out: FloatArray = root[0, 0] * u
        return out
    return root @ u


def change(after: Root, before: Root) -> Root | _Difference:
    """The operator ``after - before``."""
    if isinstance(after, TiedRoot) and isinstance(before, TiedRoot):
        return after - before
    if isinstance(after, RootOfCopies) and isinstance(before, RootOfCopies):
        return after - before
    assert isinstance(after, np.ndarray)
    assert isinstance(before, np.ndarray)
    return after - before


def resize(root: Root, factor: float) -> Root:
    """The root times a number."""
    if isinstance(root, np.ndarray):
        return factor * root
    if isinstance(root, RootOfCopies):
        return RootOfCopies(factor * root.units)
    return TiedRoot(factor * root.units, root.dependence, root.transposed)


def units_of(root: Root) -> FloatArray:
    """``Lambda``, (q, q), or (q, q, c) of each copy."""
    return root if isinstance(root, np.ndarray) else root.units


def differentiate_product(root: Root, s: FloatArray, u: FloatArray) -> FloatArray:
    """Derivative of ``<s, root u>`` in the root.

    Returns
    -------
    (q, q), or (q q + k,) where levels are tied
        In Lambda, then in the k parameters of the dependence; (q, q, c) of copies.
    """
    if isinstance(root, np.ndarray):
        return s @ u.T
    if isinstance(root, RootOfCopies):
        copies = root.units.shape[2]
        out: FloatArray = np.einsum("acm,bcm->abc", by_copy(s, copies), by_copy(u, copies))
        return out
    w = root.dependence.spread(u)
    return np.append(s @ w.T, root.dependence.outer(root.units.T @ s, u, w))


def embed(root: Root, d_units: FloatArray, further: FloatArray | None = None) -> FloatArray:
    """A derivative in Lambda alone in the form of `differentiate_product`."""
    if not isinstance(root, TiedRoot):
        return d_units
    return np.append(
        d_units, np.zeros(root.dependence.n_parameters) if further is None else further
    )


def covariances_of_effects(roots: Sequence[Root], entries: Gram) -> Gram:
    """Covariances of effects given the data, from those of `Factorization.inverse_entries`."""
    return {
        (f, g): sandwich(transpose(units_of(roots[f])), block, transpose(units_of(roots[g])))
        for (f, g), block in entries.items()
    }
