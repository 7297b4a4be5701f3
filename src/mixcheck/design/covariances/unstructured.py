"""Any covariance of the effects of a level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.design.covariances.covariance import Covariance, EntriesOfRoot, Quantity
from mixcheck.design.covariances.diagonal import Diagonal

__all__ = ["Unstructured"]


@final
class Unstructured(EntriesOfRoot):
    """Any covariance: theta is the lower triangle of Lambda, column by column.

    That is the order of lme4's theta (Bates et al. 2015).

    Examples
    --------
    >>> Unstructured(2).root(np.array([2.0, 0.5, 1.0]))
    array([[2. , 0. ],
           [0.5, 1. ]])
    """

    __slots__ = ()
    name: ClassVar[str] = "us"
    unrestricted: ClassVar[bool] = True

    @staticmethod
    def _entries(q: int) -> tuple[IntArray, IntArray]:
        columns, rows = np.triu_indices(q)
        return rows, columns

    def nearest(self, covariance: FloatArray) -> FloatArray:
        """Theta of the covariance itself: its Cholesky factor."""
        try:
            lower = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
            return lower[self.entries]
        except np.linalg.LinAlgError:
            values, vectors = np.linalg.eigh(covariance)
            kept = values > 0.0
            return self.of_root(vectors[:, kept] * np.sqrt(values[kept]))

    def of_root(self, root: FloatArray) -> FloatArray:
        """Theta of ``R R'`` for a root R (q, r), r <= q; the last q - r columns are zero."""
        q, r = root.shape
        if q == r and not np.triu(root, 1).any() and (root.diagonal() >= 0.0).all():
            return root[self.entries]
        upper = np.linalg.qr(root.T, mode="r")
        signs = np.where(np.diag(upper) < 0.0, -1.0, 1.0)
        Lambda = np.zeros((q, q))
        Lambda[:, :r] = (signs[:, None] * upper).T
        return Lambda[self.entries]

    def without_smallest(self, theta: FloatArray, share: float) -> FloatArray | None:
        """Theta without the last principal axis, where it holds less than `share`."""
        root = self.root(theta)
        if self.q == 1:
            return None
        values, vectors = np.linalg.eigh(root @ root.T)
        if not values[0] < share * values[-1]:
            return None
        return self.of_root(vectors[:, 1:] * np.sqrt(np.maximum(values[1:], 0.0)))

    def natural(self, theta: FloatArray) -> FloatArray:
        """Standard deviations, and correlations row by row of the lower triangle."""
        root = self.root(theta)
        sd = np.sqrt(np.einsum("ij,ij->i", root, root))
        rows, columns = np.tril_indices(self.q, -1)
        product = sd[rows] * sd[columns]
        covariance = np.einsum("kj,kj->k", root[rows], root[columns])
        correlation = np.full(product.size, np.nan)
        np.divide(covariance, product, out=correlation, where=product > 0.0)
        return np.concatenate([sd, correlation])

    def of_natural(self, natural: FloatArray) -> FloatArray:
        """Canonical theta; a correlation that is NaN counts as zero."""
        sd = natural[: self.q]
        R = np.eye(self.q)
        rows, columns = np.tril_indices(self.q, -1)
        R[rows, columns] = R[columns, rows] = np.nan_to_num(natural[self.q :])
        return self.nearest(sd[:, None] * R * sd)

    def quantities(self, effects: Sequence[str]) -> tuple[Quantity, ...]:
        """Standard deviations of all effects, then correlations of all pairs."""
        pairs = np.argwhere(np.tri(self.q, k=-1, dtype=np.bool_)).tolist()
        return (
            *(Quantity("sd", effect, (k,)) for k, effect in enumerate(effects)),
            *(Quantity("correlation", f"{effects[j]}, {effects[i]}", (i, j)) for i, j in pairs),
        )

    def simpler(self) -> Iterator[Covariance]:
        """The same effects without correlations."""
        if self.q > 1:
            yield Diagonal(self.q)
