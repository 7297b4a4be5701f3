"""Compound symmetry: one correlation between all pairs of effects.

With ``J = 11'/q`` the correlation matrix ``(1 - r) I + r q J`` has the eigenvalues
``1 + (q - 1) r`` along 1 and ``1 - r`` across it, so that its symmetric root is
``a J + b (I - J)`` with their square roots a and b.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import ClassVar, final

import numpy as np
from scipy.special import expit

from mixcheck.arrays import FloatArray
from mixcheck.design.covariances.covariance import Covariance, Quantity
from mixcheck.design.covariances.diagonal import Diagonal

__all__ = ["CompoundSymmetry", "HomogeneousCompoundSymmetry"]

# Correlations this close to an end of their range, and variances this small beside the largest,
# stand for the end, which theta does not reach.
_INSIDE = 1e-10


def _symmetric_root(q: int, a: float, b: float) -> FloatArray:
    """``a J + b (I - J)``, (q, q)."""
    return np.full((q, q), (a - b) / q) + b * np.eye(q)


@final
class HomogeneousCompoundSymmetry(Covariance):
    """One standard deviation and one correlation: ``homcs(x | g)``.

    Theta is the roots a and b of both eigenvalues of the covariance, ``a^2`` along
    ``(1, .., 1)`` and ``b^2`` across it. Lambda is linear in them, and both ends of the
    correlation, ``-1 / (q - 1)`` and 1, are reached at zero, where the likelihood is smooth.

    Examples
    --------
    >>> structure = HomogeneousCompoundSymmetry(3)
    >>> structure.natural(structure.of_natural(np.array([2.0, 0.25]))).round(6).tolist()
    [2.0, 0.25]
    """

    __slots__ = ()
    name: ClassVar[str] = "homcs"

    @staticmethod
    def _count(q: int) -> int:
        return min(q, 2)

    def _roots(self, theta: FloatArray) -> tuple[float, float]:
        return float(theta[0]), float(theta[-1])

    def root(self, theta: FloatArray) -> FloatArray:
        """Lambda, (q, q) symmetric."""
        return _symmetric_root(self.q, *self._roots(theta))

    def pull_back(self, theta: FloatArray, d_root: FloatArray) -> FloatArray:
        """Derivative in theta: ``tr J D`` and ``tr (I - J) D``."""
        along, total = float(d_root.sum()) / self.q, float(np.trace(d_root))
        return np.array([along, total - along][: self.n_theta])

    def nearest(self, covariance: FloatArray) -> FloatArray:
        """Mean eigenvalues along and across: nearest in Frobenius' norm, and in likelihood."""
        along, total = float(covariance.sum()) / self.q, float(np.trace(covariance))
        across = (total - along) / max(self.q - 1, 1)
        return np.sqrt(np.maximum([along, across][: self.n_theta], 0.0))

    def scaled(self, theta: FloatArray, factor: float) -> FloatArray:
        """Theta times `factor`."""
        return factor * theta

    def canonical(self, theta: FloatArray) -> FloatArray:
        """Both roots >= 0."""
        return np.abs(theta)

    @property
    def even(self) -> tuple[int, ...]:
        """Both parameters."""
        return tuple(range(self.n_theta))

    def natural(self, theta: FloatArray) -> FloatArray:
        """Standard deviation and correlation."""
        a, b = self._roots(theta)
        if self.q == 1:
            return np.array([abs(a)])
        total = a * a + (self.q - 1) * b * b
        correlation = (a * a - b * b) / total if total > 0.0 else math.nan
        return np.array([math.sqrt(total / self.q), correlation])

    def of_natural(self, natural: FloatArray) -> FloatArray:
        """``sd sqrt(1 + (q - 1) r)`` and ``sd sqrt(1 - r)``; r counts as zero where it is NaN."""
        r = np.nan_to_num(natural[1:]).sum()
        ends = np.array([1.0 + (self.q - 1) * r, 1.0 - r])[: self.n_theta]
        theta: FloatArray = float(natural[0]) * np.sqrt(np.maximum(ends, 0.0))
        return theta

    def quantities(self, effects: Sequence[str]) -> tuple[Quantity, ...]:
        """One standard deviation, one correlation."""
        if self.q == 1:
            return (Quantity("sd", effects[0], (0,)),)
        every = f"{effects[0]} .. {effects[-1]}"
        return Quantity("sd", every), Quantity("correlation", f"all pairs of {every}")

    def names(self, effects: Sequence[str]) -> tuple[str, ...]:
        """Roots of the eigenvalues along and across ``(1, .., 1)``."""
        return ("along", "across")[: self.n_theta]


@final
class CompoundSymmetry(Covariance):
    """A standard deviation for each effect and one correlation: ``cs(x | g)``.

    That is ``cs`` of glmmTMB 1.1.5. Theta is the logarithms of the standard deviations, and
    ``log((1 + (q - 1) r) / (1 - r))`` for the correlation r, zero where it is.

    Examples
    --------
    >>> structure = CompoundSymmetry(2)
    >>> root = structure.root(structure.of_natural(np.array([1.0, 2.0, 0.5])))
    >>> (root @ root.T).round(6)
    array([[1., 1.],
           [1., 4.]])
    """

    __slots__ = ()
    name: ClassVar[str] = "cs"
    vanishing: ClassVar[bool] = True

    @staticmethod
    def _count(q: int) -> int:
        return q + (q > 1)

    def _parts(self, theta: FloatArray) -> tuple[FloatArray, float, float, float]:
        """Standard deviations, the roots a and b of the correlation, and ``e^t/(e^t + q - 1)``."""
        sd = np.exp(theta[: self.q])
        if self.q == 1:
            return sd, 1.0, 1.0, 1.0
        t, others = float(theta[-1]), self.q - 1.0
        share = float(expit(t - math.log(others)))
        rest = float(expit(math.log(others) - t)) / others
        return sd, math.sqrt(self.q * share), math.sqrt(self.q * rest), share

    def root(self, theta: FloatArray) -> FloatArray:
        """Lambda, (q, q): standard deviations times the symmetric root of the correlations."""
        sd, a, b, _ = self._parts(theta)
        return sd[:, None] * _symmetric_root(self.q, a, b)

    def pull_back(self, theta: FloatArray, d_root: FloatArray) -> FloatArray:
        """Derivative in theta; ``da/dt = a (1 - s) / 2`` and ``db/dt = -b s / 2``."""
        sd, a, b, share = self._parts(theta)
        R = _symmetric_root(self.q, a, b)
        d_log = sd * np.einsum("ij,ij->i", R, d_root)
        if self.q == 1:
            return np.asarray(d_log)
        inner = sd[:, None] * d_root
        along = float(inner.sum()) / self.q
        across = float(np.trace(inner)) - along
        return np.append(d_log, 0.5 * (a * (1.0 - share) * along - b * share * across))

    def nearest(self, covariance: FloatArray) -> FloatArray:
        """The standard deviations, and the mean of the correlations."""
        variance = np.diag(covariance)
        least = max(_INSIDE**2 * float(variance.max(initial=0.0)), 1e-300)
        sd = np.sqrt(np.maximum(variance, least))
        if self.q == 1:
            return np.log(sd)
        R = covariance / np.outer(sd, sd)
        mean = float(R.sum() - np.trace(R)) / (self.q * (self.q - 1))
        return self.of_natural(np.append(sd, mean))

    def scaled(self, theta: FloatArray, factor: float) -> FloatArray:
        """Logarithms moved by that of `factor`."""
        out = theta.copy()
        out[: self.q] += math.log(factor)
        return out

    def natural(self, theta: FloatArray) -> FloatArray:
        """Standard deviations and the correlation."""
        sd, a, b, _ = self._parts(theta)
        return sd if self.q == 1 else np.append(sd, (a * a - b * b) / self.q)

    def of_natural(self, natural: FloatArray) -> FloatArray:
        """Logarithms; a correlation at an end of its range, or beyond, lies just inside."""
        log_sd = np.log(np.maximum(natural[: self.q], 1e-150))
        if self.q == 1:
            return log_sd
        least, r = -1.0 / (self.q - 1), float(np.nan_to_num(natural[-1]))
        r = min(max(r, least + _INSIDE), 1.0 - _INSIDE)
        return np.append(log_sd, math.log1p((self.q - 1) * r) - math.log1p(-r))

    def quantities(self, effects: Sequence[str]) -> tuple[Quantity, ...]:
        """A standard deviation for each effect, one correlation."""
        each = tuple(Quantity("sd", effect, (k,)) for k, effect in enumerate(effects))
        every = f"all pairs of {effects[0]} .. {effects[-1]}"
        return each if self.q == 1 else (*each, Quantity("correlation", every))

    def names(self, effects: Sequence[str]) -> tuple[str, ...]:
        """``log sd`` of each effect, and that of the ratio of eigenvalues of the correlations."""
        each = tuple(f"log sd {effect}" for effect in effects)
        return each if self.q == 1 else (*each, "log ratio of eigenvalues")

    def simpler(self) -> Iterator[Covariance]:
        """One standard deviation; no correlation."""
        if self.q > 1:
            yield HomogeneousCompoundSymmetry(self.q)
            yield Diagonal(self.q)
