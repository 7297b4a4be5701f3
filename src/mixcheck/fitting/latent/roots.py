"""Roots of the covariance of all effects of a factor: what takes standardised effects u to b.

For independent levels the root is one matrix ``Lambda`` (q, q) for every level, ``b = Lambda u``
of an array u (q, m) of standard normal numbers. Where levels are tied with the covariance
``K = A A'``, u stands for w ~ N(0, K) over the levels, so that ``b = Lambda w`` as well: what is
sparse is ``K^-1``, not A. Copies of a problem that stand one after another may each have a Lambda
of their own.
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
    "correlate",
    "covariances_of_effects",
    "differentiate_product",
    "differentiate_square",
    "embed",
    "prior_slopes",
    "resize",
    "scale",
    "spread",
    "units_of",
    "unwhiten",
    "weigh",
    "whiten_effects",
]


@dataclass(frozen=True, eq=False)
class TiedRoot:
    """Root of the effects of tied levels, and how these are tied.

    Attributes
    ----------
    units : (q, q)
        Lambda.
    dependence : Dependence
        K.
    """

    units: FloatArray
    dependence: Dependence

    @property
    def T(self) -> FloatArray:
        """``Lambda'``."""
        return self.units.T

    @property
    def variances(self) -> FloatArray:
        """Diagonal of K, (m,)."""
        return self.dependence.variances()

    def __matmul__(self, w: FloatArray) -> FloatArray:
        return self.units @ w


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


def scale(root: Root, u: FloatArray) -> FloatArray:
    """``b = Lambda u``: effects (q, m) of standardised ones."""
    if isinstance(root, np.ndarray):
        out: FloatArray = root * u if root.size == 1 else root @ u
        return out
    return scale(root.units, u) if isinstance(root, TiedRoot) else root @ u


def spread(root: Root, e: FloatArray) -> FloatArray:
    """Standardised effects of standard normal numbers, (q, m): ``w = A e``."""
    return root.dependence.spread(e) if isinstance(root, TiedRoot) else e


def whiten_effects(root: Root, u: FloatArray) -> FloatArray:
    """Standard normal numbers of standardised effects, (q, m): ``A^-1 w``."""
    return root.dependence.whiten(u) if isinstance(root, TiedRoot) else u


def unwhiten(root: Root, e: FloatArray) -> FloatArray:
    """What `weigh` gives, from what `whiten_effects` gives: e, or ``A^-T e``."""
    return root.dependence.whiten_transposed(e) if isinstance(root, TiedRoot) else e


def weigh(root: Root, u: FloatArray) -> FloatArray:
    """Derivative of half the square of what `whiten_effects` gives, (q, m): u, or ``K^-1 w``."""
    return root.dependence.solve(u) if isinstance(root, TiedRoot) else u


def correlate(root: Root, s: FloatArray) -> FloatArray:
    """Covariances of standardised effects times numbers, (q, m): s, or ``K s``."""
    return root.dependence.multiply(s) if isinstance(root, TiedRoot) else s


def change(after: Root, before: Root) -> Root:
    """``Lambda`` after a change less that before it."""
    if isinstance(after, TiedRoot) and isinstance(before, TiedRoot):
        return after.units - before.units
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
    return TiedRoot(factor * root.units, root.dependence)


def units_of(root: Root) -> FloatArray:
    """``Lambda``, (q, q), or (q, q, c) of each copy."""
    return root if isinstance(root, np.ndarray) else root.units


def differentiate_product(root: Root, s: FloatArray, u: FloatArray) -> FloatArray:
    """Derivative of ``<s, root u>`` in the root.

    Returns
    -------
    (q, q), or (q q + k,) where levels are tied
        In Lambda, then in the k parameters of K, where it is zero; (q, q, c) of copies.
    """
    out: FloatArray
    if isinstance(root, np.ndarray):
        out = s.dot(u.T)
        return out
    if isinstance(root, RootOfCopies):
        copies = root.units.shape[2]
        out = np.einsum("acm,bcm->abc", by_copy(s, copies), by_copy(u, copies))
        return out
    return embed(root, s @ u.T)


def differentiate_square(root: Root, b: FloatArray) -> FloatArray:
    """Derivative of ``<Lambda' b, K Lambda' b>`` in the root, as of `differentiate_product`."""
    pulled = scale(root.T, b)
    if not isinstance(root, TiedRoot):
        return 2.0 * differentiate_product(root, b, pulled)
    K = root.dependence
    w = K.multiply(pulled)
    # dK = -K dP K.
    return embed(root, 2.0 * (b @ w.T), -K.precision_slope(w, w))


def embed(root: Root, d_units: FloatArray, further: FloatArray | None = None) -> FloatArray:
    """A derivative in Lambda, and one in the parameters of K, as of `differentiate_product`."""
    if not isinstance(root, TiedRoot):
        return d_units
    return np.append(
        d_units, np.zeros(root.dependence.n_parameters) if further is None else further
    )


def prior_slopes(
    roots: Sequence[Root], factor: float, v: Sequence[FloatArray], u: Sequence[FloatArray]
) -> dict[int, FloatArray]:
    """Derivative of ``factor <v, K^-1 w>`` in the parameters of K, of the factors that have any."""
    return {
        f: factor * root.dependence.precision_slope(v[f], u[f])
        for f, root in enumerate(roots)
        if isinstance(root, TiedRoot) and root.dependence.n_parameters
    }


def covariances_of_effects(roots: Sequence[Root], entries: Gram) -> Gram:
    """Covariances of effects given the data, from those of `Factorization.inverse_entries`."""
    return {
        (f, g): sandwich(transpose(units_of(roots[f])), block, transpose(units_of(roots[g])))
        for (f, g), block in entries.items()
    }
