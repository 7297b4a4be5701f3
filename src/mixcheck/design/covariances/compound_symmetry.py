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

from mixcheck.arrays import FloatArray
from mixcheck.design.covariances.covariance import Covariance, Quantity
from mixcheck.design.covariances.diagonal import Diagonal

__all__ = ["CompoundSymmetry", "HomogeneousCompoundSymmetry"]

# Below these standard deviations, beside the largest, nothing is known of a correlation.
_NOTHING = 1e-10
# Shares of the range of a correlation, on either side of zero, at which a search starts anew.
_APART = 0.9


def _symmetric_root(q: int, a: float, b: float) -> FloatArray:
    """``a J + b (I - J)``, (q, q)."""
    return np.full((q, q), (a - b) / q) + b * np.eye(q)


def _pull_back_deviations(t: FloatArray, d_sd: FloatArray) -> FloatArray:
    """Derivative in t from one in ``t_j^2 / |t|``, (q,); at zero that of either way on average."""
    size = float(np.linalg.norm(t))
    if size == 0.0:
        return np.zeros_like(t)
    unit = t / size
    out: FloatArray = 2.0 * unit * d_sd - unit * float(unit**2 @ d_sd)
    return out


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
        low = -1.0 / (self.q - 1.0)
        return Quantity("sd", every), Quantity("correlation", f"all pairs of {every}", low=low)

    @property
    def basis(self) -> FloatArray:
        """The variance and the covariance."""
        same = np.eye(self.q)
        return np.stack([same, 1.0 - same][: self.n_theta])

    def names(self, effects: Sequence[str]) -> tuple[str, ...]:
        """Roots of the eigenvalues along and across ``(1, .., 1)``."""
        return ("along", "across")[: self.n_theta]


@final
class CompoundSymmetry(Covariance):
    """A standard deviation for each effect and one correlation: ``cs(x | g)``.

    That is ``cs`` of glmmTMB 1.1.5. Theta is a vector t with the standard deviations
    ``t_j^2 / |t|``, and the angle w of the roots ``a = sqrt(q) cos w`` and
    ``b = sqrt(q / (q - 1)) sin w`` of the eigenvalues of the correlations, ``r = (a^2 - b^2) / q``:
    1 at zero and ``-1 / (q - 1)`` at a right angle, across which the likelihood is even.

    Where one standard deviation is zero beside others that are not, the likelihood has a slope in
    it. In t that is a curvature: a minimum of the deviance at zero where it rises from there, and
    a maximum where it falls. Where all go to zero together, the deviance is quadratic in t.

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

    def _parts(self, theta: FloatArray) -> tuple[FloatArray, float, float]:
        """Standard deviations, and the roots a and b."""
        t = theta[: self.q]
        sd = t**2 / max(float(np.linalg.norm(t)), 1e-300)
        if self.q == 1:
            return sd, 1.0, 1.0
        w, q = float(theta[-1]), self.q
        return sd, math.sqrt(q) * math.cos(w), math.sqrt(q / (q - 1.0)) * math.sin(w)

    def root(self, theta: FloatArray) -> FloatArray:
        """Lambda, (q, q): standard deviations times the symmetric root of the correlations."""
        sd, a, b = self._parts(theta)
        return sd[:, None] * _symmetric_root(self.q, a, b)

    def pull_back(self, theta: FloatArray, d_root: FloatArray) -> FloatArray:
        """Derivative in theta; ``da/dw = -b sqrt(q - 1)`` and ``db/dw = a / sqrt(q - 1)``."""
        sd, a, b = self._parts(theta)
        R = _symmetric_root(self.q, a, b)
        d_t = _pull_back_deviations(theta[: self.q], np.einsum("ij,ij->i", R, d_root))
        if self.q == 1:
            return d_t
        inner = sd[:, None] * d_root
        along = float(inner.sum()) / self.q
        across = float(np.trace(inner)) - along
        others = math.sqrt(self.q - 1.0)
        return np.append(d_t, a * across / others - b * others * along)

    def nearest(self, covariance: FloatArray) -> FloatArray:
        """The standard deviations, and the mean of the correlations."""
        sd = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        known = sd > _NOTHING * sd.max(initial=0.0)
        count = np.count_nonzero(known)
        if self.q == 1 or count < 2:
            return self.of_natural(np.append(sd, np.zeros(self.n_theta - self.q)))
        R = covariance[np.ix_(known, known)] / np.outer(sd[known], sd[known])
        mean = float(R.sum() - np.trace(R)) / (count * (count - 1))
        return self.of_natural(np.append(sd, mean))

    def scaled(self, theta: FloatArray, factor: float) -> FloatArray:
        """Deviations, and with them t, times `factor`."""
        out = theta.copy()
        out[: self.q] *= factor
        return out

    def unit_steps(self, theta: FloatArray, spread: FloatArray) -> FloatArray:
        """Diagonal, as at standard deviations that are at least as large as they are known.

        Where all are zero, the deviance has second derivatives along the axes of t alone.
        """
        there, known = theta.copy(), np.sqrt(np.diag(spread) * np.diag(spread).sum())
        there[: self.q] = np.maximum(np.abs(theta[: self.q]), known)
        units = np.eye(self.q**2).reshape(-1, self.q, self.q)
        slopes = np.stack([self.pull_back(there, unit) for unit in units])
        information = np.sum((slopes / spread.reshape(-1, 1)) ** 2, axis=0)
        return np.diag(1.0 / np.sqrt(np.maximum(information, 1e-12 * information.max())))

    def distant(self, theta: FloatArray) -> tuple[FloatArray, ...]:
        """The same standard deviations with a strong correlation of either sign.

        Where effects are correlated with different signs, or some hardly vary, the likelihood may
        have a maximum on either side of zero, each with some standard deviations of zero.
        """
        if self.q == 1:
            return ()
        sd = self._parts(theta)[0]
        ends = -_APART / (self.q - 1.0), _APART
        return tuple(self.of_natural(np.append(sd, r)) for r in ends)

    def canonical(self, theta: FloatArray) -> FloatArray:
        """No negative t, and the angle between zero and a right one."""
        out = np.abs(theta)
        if self.q > 1:
            w = float(theta[-1]) % math.pi
            out[-1] = min(w, math.pi - w)
        return out

    @property
    def even(self) -> tuple[int, ...]:
        """All parameters."""
        return tuple(range(self.n_theta))

    def natural(self, theta: FloatArray) -> FloatArray:
        """Standard deviations and the correlation."""
        sd, a, b = self._parts(theta)
        return sd if self.q == 1 else np.append(sd, (a * a - b * b) / self.q)

    def of_natural(self, natural: FloatArray) -> FloatArray:
        """``t_j = sqrt(sd_j |t|)`` with ``|t| = sum_j sd_j``, and the angle.

        A correlation beyond an end of its range is that end.
        """
        sd = natural[: self.q]
        t: FloatArray = np.sqrt(sd) * math.sqrt(float(sd.sum()))
        if self.q == 1:
            return t
        r, others = float(np.nan_to_num(natural[-1])), self.q - 1.0
        along, across = max(1.0 + others * r, 0.0), max(others * (1.0 - r), 0.0)
        return np.append(t, math.atan2(math.sqrt(across), math.sqrt(along)))

    def quantities(self, effects: Sequence[str]) -> tuple[Quantity, ...]:
        """A standard deviation for each effect, one correlation."""
        each = tuple(Quantity("sd", effect, (k,)) for k, effect in enumerate(effects))
        every = f"all pairs of {effects[0]} .. {effects[-1]}"
        if self.q == 1:
            return each
        return (*each, Quantity("correlation", every, low=-1.0 / (self.q - 1.0)))

    def names(self, effects: Sequence[str]) -> tuple[str, ...]:
        """``t`` of each effect, and the angle of the roots of the correlations."""
        each = tuple(f"t {effect}" for effect in effects)
        return each if self.q == 1 else (*each, "angle")

    def simpler(self) -> Iterator[Covariance]:
        """One standard deviation; no correlation."""
        if self.q > 1:
            yield HomogeneousCompoundSymmetry(self.q)
            yield Diagonal(self.q)
