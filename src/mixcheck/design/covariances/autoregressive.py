"""Autoregression of order one: effects at equally spaced times.

``w_1 ~ N(0, 1)`` and ``w_t = phi w_(t-1) + sqrt(1 - phi^2) u_t``, times one standard deviation.
With ``phi = r / sqrt(1 + r^2)``, r any real number, ``1 - phi^2 = 1 / (1 + r^2)`` and the
precision of w is tridiagonal: ``1 + 2 r^2`` on its diagonal, ``1 + r^2`` at its ends, and
``-r sqrt(1 + r^2)`` beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from scipy.linalg import toeplitz

from mixcheck.arrays import FloatArray
from mixcheck.design.covariances.covariance import Quantity, Sequential
from mixcheck.design.levels import Dependence

__all__ = ["Autoregressive"]

# A search starts at this r, a correlation of 0.45: at zero the effects of times that are seen
# once each cannot be told from a residual error.
_START = 0.5
# Correlations this close to 1 or -1 stand for them, which r does not reach.
_INSIDE = 1e-10
# Longest step of the standard deviation beside its standard error, were positions independent.
_FARTHEST = 10.0
# Correlations among which a search may start, where a covariance of neighbours is this many
# standard errors from zero.
_GRID = np.linspace(-0.95, 0.95, 39)
_SEEN = 5.0
_FINER = 41
_FREQUENCIES = 256
# Times of which one product makes a recursion.
_RUN = 32
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

    def dependence(self, theta: FloatArray, m: int) -> _Chain:
        """Correlations of m blocks of q positions."""
        return _Chain(float(theta[-1]) if self.q > 1 else 0.0, m, self.q)

    # ---- one block as a matrix -----------------------------------------------------------

    def root(self, theta: FloatArray) -> FloatArray:
        """Lambda, (q, q) lower triangular."""
        return self.deviation(theta) * self.dependence(theta, 1).spread(np.eye(self.q)).T

    def pull_back(self, theta: FloatArray, d_root: FloatArray) -> FloatArray:
        """Derivative in theta from one in every entry of Lambda.

        With D that in ``A = B^-1 c``: ``<D, dA> = <B^-T D, dc - dB A>``.
        """
        chain, unit = self.dependence(theta, 1), np.eye(self.q)
        A = chain.spread(unit)
        d_sd = float(np.vdot(d_root, A.T))
        if self.q == 1:
            return np.array([d_sd])
        later, r = chain.substitute(d_root.T, transposed=True)[:, 1:], float(theta[1])
        slope = float(np.vdot(later, A[:, :-1])) - r * float(np.vdot(later, unit[:, 1:]))
        return np.array([d_sd, self.deviation(theta) * slope * (1.0 + r * r) ** -1.5])

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

    def absorbing(self, theta: FloatArray, sigma: float) -> FloatArray | None:
        """The variances added, and the correlation of neighbours in their sum."""
        if self.n_theta == 1:
            return None
        sd, phi = self.natural(theta)
        whole = math.hypot(sd, sigma)
        return self.of_natural(np.array([whole, phi * (sd / max(whole, 1e-300)) ** 2]))

    def opposite(self, start: FloatArray, theta: FloatArray) -> FloatArray | None:
        """The deviation of the start, and r of the other sign."""
        if self.n_theta == 1:
            return None
        size = max(abs(float(start[1])), _START)
        return np.array([start[0], -math.copysign(size, float(theta[1]))])

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

    def start_from_lags(self, covariances: FloatArray, errors: FloatArray) -> FloatArray | None:
        """Weighted least squares of ``v phi^k`` over a grid of phi, and a finer one around it."""
        if self.n_theta == 1 or not abs(covariances[0]) > _SEEN * errors[0]:
            return None
        found, step = _best_of(_GRID, covariances, errors), float(_GRID[1] - _GRID[0])
        finer = found[1] + step * np.linspace(-1.0, 1.0, _FINER)
        variance, phi = _best_of(finer[np.abs(finer) < 1.0], covariances, errors)
        if not variance > 0.0:
            return None
        return self.of_natural(np.array([math.sqrt(variance), phi]))

    def steps_of_series(
        self, theta: FloatArray, spread: float, precision: float, count: int
    ) -> FloatArray:
        """That of a long stationary series ``s w_t`` seen with errors of a variance 1 / P.

        With the spectrum ``f = s^2 g + 1 / P``, ``g = (1 - phi^2) / |1 - phi e^(i omega)|^2``, the
        deviance has the curvature ``count mean (d log f)(d log f)'`` over frequencies (Whittle).
        """
        steps = self.unit_steps(theta, np.array([[spread]]))
        if self.n_theta == 1:
            return steps
        s, r = abs(float(theta[0])), float(theta[1])
        phi = r / math.hypot(1.0, r)
        cosine = np.cos((np.arange(_FREQUENCIES) + 0.5) * (math.pi / _FREQUENCIES))
        width = 1.0 - 2.0 * phi * cosine + phi * phi
        g = (1.0 - phi) * (1.0 + phi) / width
        # dg/dphi, times dphi/dr = (1 - phi^2)^(3/2).
        moved = 2.0 * (cosine * (1.0 + phi * phi) - 2.0 * phi) / width**2
        moved *= ((1.0 - phi) * (1.0 + phi)) ** 1.5
        spectrum = s * s * g + 1.0 / max(precision, 1e-300)
        slopes = np.stack([2.0 * s * g, s * s * moved]) / spectrum
        information = (count / _FREQUENCIES) * (slopes @ slopes.T)
        # Where the data say nothing, a step is no longer than one of these.
        information += np.diag(1.0 / np.array([_FARTHEST * steps[0, 0], 1.0 + r * r]) ** 2)
        root: FloatArray = np.linalg.inv(np.linalg.cholesky(information)).T
        return root

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


def _best_of(phis: FloatArray, covariances: FloatArray, errors: FloatArray) -> tuple[float, float]:
    """V and phi, of some, with the least squares of ``(c_k - v phi^k) / e_k`` and v positive."""
    curves = phis[:, None] ** np.arange(1, covariances.size + 1) / errors
    # For each phi the best v, and what it takes from the squares; at zero nothing.
    products = curves @ (covariances / errors)
    squares = np.maximum(np.square(curves).sum(axis=1), 1e-300)
    best = int(np.argmax(np.maximum(products, 0.0) ** 2 / squares))
    return float(products[best] / squares[best]), float(phis[best])


def _filter(x: FloatArray, phi: float) -> FloatArray:
    """``w_t = phi w_(t-1) + x_t`` along the last axis.

    Runs of times are products with the matrix of ``phi^(t - s)``, and what one run leaves to the
    next follows the same recursion with ``phi^run``.
    """
    q = x.shape[-1]
    powers = phi ** np.arange(min(q, _RUN) + 1)
    within = toeplitz(powers[:-1], np.zeros(powers.size - 1))
    if q <= _RUN:
        return x @ within.T
    runs = -(-q // _RUN)
    padded = np.zeros((*x.shape[:-1], runs * _RUN))
    padded[..., :q] = x
    out: FloatArray = padded.reshape(-1, _RUN) @ within.T
    out = out.reshape(*x.shape[:-1], runs, _RUN)
    ends = _filter(out[..., :-1, -1], float(powers[-1]))
    out[..., 1:, :] += ends[..., None] * powers[1:]
    return out.reshape(padded.shape)[..., :q]


@final
class _Chain(Dependence):
    """m independent series of q positions each.

    ``B w = c e`` with the unit lower bidiagonal B, -phi below its diagonal within a series, and
    c = 1 at the start of a series and ``sqrt(1 - phi^2) = (1 + r^2)^(-1/2)`` elsewhere:
    ``A = B^-1 c``. Effects are (s, m q), one series after another.
    """

    __slots__ = ("__dict__", "m", "phi", "q", "r", "size")

    def __init__(self, r: float, m: int, q: int) -> None:
        self.r, self.m, self.q = r, m, q
        self.n_parameters = min(q, 2) - 1
        self.size = math.hypot(1.0, r)
        self.phi = r / self.size

    def _apart(self, w: FloatArray) -> FloatArray:
        """The positions of each series, (s, m, q)."""
        return w.reshape(-1, self.m, self.q)

    def substitute(self, rhs: FloatArray, *, transposed: bool) -> FloatArray:
        """``B^-1 x``, the recursion in time, or ``B^-T x``, backwards."""
        series = self._apart(rhs)
        if transposed:
            return _filter(series[..., ::-1], self.phi)[..., ::-1].reshape(rhs.shape)
        return _filter(series, self.phi).reshape(rhs.shape)

    def _scaled(self, x: FloatArray, later: float) -> FloatArray:
        """Positions after the first of each series times a number."""
        out = later * x
        self._apart(out)[..., 0] = self._apart(x)[..., 0]
        return out

    def spread(self, e: FloatArray) -> FloatArray:
        """``B^-1 c e``."""
        return self.substitute(self._scaled(e, 1.0 / self.size), transposed=False)

    def spread_transposed(self, s: FloatArray) -> FloatArray:
        """``c B^-T s``."""
        return self._scaled(self.substitute(s, transposed=True), 1.0 / self.size)

    def whiten(self, w: FloatArray) -> FloatArray:
        """``c^-1 B w``: the innovations."""
        out = self.size * w
        # size times phi is r.
        out[..., 1:] -= self.r * w[..., :-1]
        out[..., :: self.q] = w[..., :: self.q]
        return out

    def whiten_transposed(self, r: FloatArray) -> FloatArray:
        """``B' c^-1 r``."""
        out = self.size * r
        out[..., :: self.q] = r[..., :: self.q]
        before = self.r * r[..., 1:]
        # What is before the start of a series belongs to another one.
        before[..., self.q - 1 :: self.q] = 0.0
        out[..., :-1] -= before
        return out

    def log_det(self) -> float:
        """``m (q - 1) log(1 - phi^2)``."""
        return -self.m * (self.q - 1) * math.log1p(self.r * self.r)

    def variances(self) -> FloatArray:
        """Ones."""
        return np.ones(self.m * self.q)

    def precision(self) -> tuple[FloatArray, FloatArray]:
        """Diagonal and what is beside it, (m q,) each."""
        return self._precision

    @cached_property
    def _precision(self) -> tuple[FloatArray, FloatArray]:
        r2 = self.r * self.r
        if self.q == 1:
            return np.ones(self.m), np.zeros(self.m)
        diagonal = np.full(self.m * self.q, 1.0 + 2.0 * r2)
        diagonal[:: self.q] = diagonal[self.q - 1 :: self.q] = 1.0 + r2
        beside = np.full(self.m * self.q, -self.r * self.size)
        beside[self.q - 1 :: self.q] = 0.0
        return diagonal, beside

    def precision_derivatives(self) -> tuple[FloatArray, FloatArray]:
        """``4 r`` and 4 on the diagonal, half of it at the ends; those of ``-r sqrt(1 + r^2)``."""
        k, r = self.n_parameters, self.r
        slopes = np.zeros((k, 2, self.m, self.q))
        bends = np.zeros((k, k, 2, self.m, self.q))
        if k:
            slopes[0, 0], bends[0, 0, 0] = 4.0 * r, 4.0
            for entries in (slopes[0, 0], bends[0, 0, 0]):
                entries[:, [0, -1]] *= 0.5
            slopes[0, 1, :, :-1] = -(1.0 + 2.0 * r * r) / self.size
            bends[0, 0, 1, :, :-1] = -r * (3.0 + 2.0 * r * r) / self.size**3
        size = self.m * self.q
        return slopes.reshape(k, 2, size), bends.reshape(k, k, 2, size)

    def precision_slope(self, v: FloatArray, w: FloatArray) -> FloatArray:
        """``d<v, K^-1 w>/dr``.

        After the first position ``K^-1`` adds ``(1 + r^2) d_t(v) d_t(w)`` of the innovations
        ``d_t(w) = w_t - phi w_(t-1)``, which have the slope ``-(1 + r^2)^(-3/2) w_(t-1)``.
        """
        if self.q == 1:
            return np.zeros(0)
        one = self._innovations(v)
        other = one if v is w else self._innovations(w)
        moved = np.vdot(one, w.ravel()[:-1]) + np.vdot(other, v.ravel()[:-1])
        slope = 2.0 * self.r * float(np.vdot(one, other)) - float(moved) / self.size
        return np.array([slope])

    def _innovations(self, w: FloatArray) -> FloatArray:
        """``d_t(w)`` of all positions but the very first; zero at the start of a series."""
        flat = w.ravel()
        out: FloatArray = flat[:-1] * -self.phi
        out += flat[1:]
        out[self.q - 1 :: self.q] = 0.0
        return out

    def log_det_slope(self, diagonal: FloatArray, beside: FloatArray) -> FloatArray:
        """``tr V dP/dr + d log det K/dr``."""
        if self.q == 1:
            return np.zeros(0)
        r, r2 = self.r, self.r * self.r
        ends = float(diagonal[:: self.q].sum() + diagonal[self.q - 1 :: self.q].sum())
        # The last position of a series has nothing beside it.
        inner = float(self._apart(beside)[..., :-1].sum())
        slope = 4.0 * r * float(diagonal.sum()) - 2.0 * r * ends
        slope -= 2.0 * inner * (1.0 + 2.0 * r2) / self.size
        return np.array([slope - 2.0 * self.m * (self.q - 1) * r / (1.0 + r2)])
