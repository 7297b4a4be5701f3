"""Autoregression of order one: effects at equally spaced times.

``w_1 ~ N(0, 1)`` and ``w_t = phi w_(t-1) + sqrt(1 - phi^2) u_t``, times one standard deviation.
With ``phi = r / sqrt(1 + r^2)``, r any real number, ``1 - phi^2 = 1 / (1 + r^2)`` and the
precision of w is tridiagonal: ``1 + 2 r^2`` on its diagonal, ``1 + r^2`` at its ends, and
``-r sqrt(1 + r^2)`` beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.design.covariances.covariance import Quantity, Sequential
from mixcheck.design.levels import Dependence

__all__ = ["Autoregressive"]

# A search starts at this r, a correlation of 0.45: at zero the effects of times that are seen
# once each cannot be told from a residual error.
_START = 0.5
# Correlations this close to 1 or -1 stand for them, which r does not reach.
_INSIDE = 1e-10
# Largest step in r, and the least information on it beside that on the standard deviation.
_LONGEST = 1.0


@final
class Autoregressive(Sequential):
    """Stationary AR(1) in whole numbers of steps: ``ar1(0 + t | g)``.

    Theta is the standard deviation and r, as in glmmTMB.

    Examples
    --------
    >>> structure = Autoregressive(3)
    >>> root = structure.root(structure.of_natural(np.array([2.0, 0.5])))
    >>> (root @ root.T).round(6)
    array([[4., 2., 1.],
           [2., 4., 2.],
           [1., 2., 4.]])
    """

    __slots__ = ()
    name: ClassVar[str] = "ar1"
    vanishing: ClassVar[bool] = True

    @staticmethod
    def _count(q: int) -> int:
        return min(q, 2)

    # ---- many blocks of positions ------------------------------------------------------

    def deviation(self, theta: FloatArray) -> float:
        """The standard deviation, of either sign."""
        return float(theta[0])

    def dependence(self, theta: FloatArray, m: int) -> Dependence:
        """Correlations of m blocks of q positions."""
        return _Chain(float(theta[-1]) if self.q > 1 else 0.0, m, self.q)

    # ---- one block as a matrix -----------------------------------------------------------

    def root(self, theta: FloatArray) -> FloatArray:
        """Lambda, (q, q) lower triangular."""
        return self.deviation(theta) * self.dependence(theta, 1).spread(np.eye(self.q)).T

    def pull_back(self, theta: FloatArray, d_root: FloatArray) -> FloatArray:
        """Derivative in theta from one in every entry of Lambda."""
        dependence = self.dependence(theta, 1)
        unit = np.eye(self.q)
        w = dependence.spread(unit)
        d_sd = float(np.vdot(d_root, w.T))
        d_r = self.deviation(theta) * dependence.outer(d_root.T, unit, w)
        return np.append(d_sd, d_r)[: self.n_theta]

    def nearest(self, covariance: FloatArray) -> FloatArray:
        """Mean variance, and the regression of each effect on the one before."""
        variance = float(np.trace(covariance)) / self.q
        phi = 0.0
        if self.q > 1 and variance > 0.0:
            lagged = float(np.trace(covariance[1:, :-1])) / (self.q - 1)
            phi = lagged / variance
        return self.of_natural(np.array([math.sqrt(max(variance, 0.0)), phi][: self.n_theta]))

    def start(self, deviations: FloatArray) -> FloatArray:
        """One deviation for all, and a moderate correlation."""
        size = math.sqrt(float(np.mean(deviations**2)))
        return np.array([size, _START][: self.n_theta])

    def scaled(self, theta: FloatArray, factor: float) -> FloatArray:
        """The standard deviation times `factor`."""
        out = theta.copy()
        out[0] *= factor
        return out

    def canonical(self, theta: FloatArray) -> FloatArray:
        """A standard deviation >= 0."""
        out = theta.copy()
        out[0] = abs(out[0])
        return out

    @property
    def even(self) -> tuple[int, ...]:
        """The standard deviation."""
        return (0,)

    def unit_steps(self, theta: FloatArray, spread: FloatArray) -> FloatArray:
        """Diagonal: phi is known as well as the logarithm of the standard deviation.

        Of m positions that are seen themselves, ``var phi = (1 - phi^2) / m`` and
        ``var log sd = 1 / 2m`` about; ``dr/dphi = (1 + r^2)^(3/2)``.
        """
        steps = [float(spread[0, 0])]
        if self.n_theta > 1:
            size = max(abs(float(theta[0])), 1e-300)
            relative = math.sqrt(2.0) * steps[0] / size
            steps.append(min(relative, _LONGEST) * (1.0 + float(theta[1]) ** 2))
        return np.diag(steps)

    def natural(self, theta: FloatArray) -> FloatArray:
        """Standard deviation and correlation of neighbours."""
        r = float(theta[-1])
        return np.array([abs(theta[0]), r / math.hypot(1.0, r)][: self.n_theta])

    def of_natural(self, natural: FloatArray) -> FloatArray:
        """The standard deviation and ``phi / sqrt(1 - phi^2)``."""
        out = natural.copy()
        if self.n_theta > 1:
            phi = min(max(float(np.nan_to_num(natural[1])), _INSIDE - 1.0), 1.0 - _INSIDE)
            out[1] = phi / math.sqrt((1.0 - phi) * (1.0 + phi))
        return out

    def quantities(self, effects: Sequence[str]) -> tuple[Quantity, ...]:
        """One standard deviation, one correlation."""
        every = f"{effects[0]} .. {effects[-1]}"
        both = (Quantity("sd", every), Quantity("correlation", f"neighbours of {every}"))
        return both[: self.n_theta]

    def names(self, effects: Sequence[str]) -> tuple[str, ...]:
        """``sd`` and ``r``, of which phi is ``r / sqrt(1 + r^2)``."""
        return ("sd", "r")[: self.n_theta]

    def carry(self, theta: FloatArray, steps: FloatArray) -> FloatArray:
        """``phi^|steps|``: what is left of an effect so many steps from the nearest known one."""
        r = float(theta[-1]) if self.n_theta > 1 else 0.0
        out: FloatArray = (r / math.hypot(1.0, r)) ** np.abs(steps)
        return out


@final
class _Chain(Dependence):
    """m independent series of q positions each.

    ``B w = c u`` with the unit lower bidiagonal B, -phi below its diagonal within a series, and
    c = 1 at the start of a series and ``sqrt(1 - phi^2)`` elsewhere: ``A = B^-1 c``.
    """

    __slots__ = ("c", "left", "m", "phi", "q", "r")

    def __init__(self, r: float, m: int, q: int) -> None:
        self.r, self.m, self.q = r, m, q
        self.n_parameters = min(q, 2) - 1
        size = math.hypot(1.0, r)
        self.phi = r / size
        self.c = self._row(1.0 / size)
        self.c[::q] = 1.0
        # phi beside each position but the last of its series.
        self.left = self._beside(self.phi)

    def _solve(self, rhs: FloatArray, *, transposed: bool) -> FloatArray:
        """``B^-1 x``, the filter ``w_t = phi w_(t-1) + x_t``, or ``B^-T x``, backwards."""
        from scipy.signal import lfilter

        series = rhs.reshape(*rhs.shape[:-1], self.m, self.q)
        if transposed:
            series = series[..., ::-1]
        out = lfilter([1.0], [1.0, -self.phi], series)
        out = out[..., ::-1] if transposed else out
        return np.asarray(out).reshape(rhs.shape)

    def _apply(self, w: FloatArray) -> FloatArray:
        """``B w``."""
        out = w.copy()
        out[:, 1:] -= self.left[:-1] * w[:, :-1]
        return out

    def _apply_transposed(self, r: FloatArray) -> FloatArray:
        """``B' r``."""
        out = r.copy()
        out[:, :-1] -= self.left[:-1] * r[:, 1:]
        return out

    def spread(self, u: FloatArray) -> FloatArray:
        """``B^-1 c u``: the recursion in time."""
        return self._solve(self.c * u, transposed=False)

    def spread_transposed(self, s: FloatArray) -> FloatArray:
        """``c B^-T s``."""
        return self.c * self._solve(s, transposed=True)

    def whiten(self, w: FloatArray) -> FloatArray:
        """``c^-1 B w``: the innovations."""
        return self._apply(w) / self.c

    def whiten_transposed(self, r: FloatArray) -> FloatArray:
        """``B' c^-1 r``."""
        return self._apply_transposed(r / self.c)

    def log_det(self) -> float:
        """``m (q - 1) log(1 - phi^2)``."""
        return -self.m * (self.q - 1) * math.log1p(self.r * self.r)

    def variances(self) -> FloatArray:
        """Ones."""
        return np.ones(self.m * self.q)

    def _row(self, value: float) -> FloatArray:
        return np.full(self.m * self.q, value)

    def _ends(self, inner: float, outer: float) -> FloatArray:
        """One number inside a series, another at its ends, (m q,)."""
        out = self._row(inner)
        out[:: self.q] = out[self.q - 1 :: self.q] = outer
        return out

    def _beside(self, value: float) -> FloatArray:
        out = self._row(value)
        out[self.q - 1 :: self.q] = 0.0
        return out

    def precision(self) -> tuple[FloatArray, FloatArray]:
        """Diagonal and what is beside it, (m q,) each."""
        r2 = self.r * self.r
        if self.q == 1:
            return np.ones(self.m), np.zeros(self.m)
        diagonal = self._ends(1.0 + 2.0 * r2, 1.0 + r2)
        return diagonal, self._beside(-self.r * math.sqrt(1.0 + r2))

    def outer(self, s: FloatArray, u: FloatArray, w: FloatArray) -> FloatArray:
        """``d<s, A u>/dr = <B^-T s, dc u - dB w>``; ``dphi/dr = (1 + r^2)^(-3/2)``."""
        if self.q == 1:
            return np.zeros(0)
        later = (-1, self.m, self.q)
        t, u, w = (x.reshape(later) for x in (self._solve(s, transposed=True), u, w))
        moved = float(np.vdot(t[..., 1:], w[..., :-1])) - self.r * float(
            np.vdot(t[..., 1:], u[..., 1:])
        )
        return np.array([moved * (1.0 + self.r * self.r) ** -1.5])

    def log_det_slope(self, diagonal: FloatArray, beside: FloatArray) -> FloatArray:
        """``tr V dP/dr + d log det K/dr``."""
        if self.q == 1:
            return np.zeros(0)
        r, r2 = self.r, self.r * self.r
        slope = float(diagonal @ self._ends(4.0 * r, 2.0 * r))
        slope -= 2.0 * float(beside @ self._beside((1.0 + 2.0 * r2) / math.sqrt(1.0 + r2)))
        return np.array([slope - 2.0 * self.m * (self.q - 1) * r / (1.0 + r2)])
