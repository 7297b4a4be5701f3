r"""The finite-sample null distribution of a test of one variance, by its spectral form.

For :math:`y = X\beta + Zb + \varepsilon`, :math:`b \sim N(0, \lambda\sigma^2 I)`, twice the
difference of the log-likelihoods depends under :math:`\lambda = 0` on eigenvalues alone: with the
nonzero eigenvalues :math:`\mu_s` of :math:`Z'P_0Z`, :math:`P_0` projecting out X, those
:math:`\xi_s` of :math:`Z'Z`, and independent standard normal :math:`w_s`, :math:`u_j`,

.. math::

    \mathrm{RLRT} = \sup_{\lambda \ge 0} \Bigl\{ (n-p) \log\frac{\sum_s w_s^2}{D(\lambda)}
        - \sum_s \log(1 + \lambda\mu_s) \Bigr\}, \qquad
    D(\lambda) = \sum_{s} \frac{w_s^2}{1 + \lambda\mu_s},

    \mathrm{LRT} = n \log\Bigl(1 + \frac{\sum_j u_j^2}{\sum_s w_s^2}\Bigr)
        + \sup_{\lambda \ge 0} \Bigl\{ n \log\frac{\sum_s w_s^2}{D(\lambda)}
        - \sum_s \log(1 + \lambda\xi_s) \Bigr\},

the sums of D over :math:`n - p` values, of which all beyond the rank have :math:`\mu_s = 0`, and j
over the fixed effects that are tested too.

References
----------
Crainiceanu & Ruppert (2004), Journal of the Royal Statistical Society B 66, 165-185, theorem 1 and
its corollary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import FloatArray, IntArray

__all__ = ["Spectrum", "find_spectrum", "simulate_null"]

# Eigenvalues below this share of the largest are zero, and closer than it are equal.
_EQUAL = 1e-9
# Of the ratio of variances, in units of the inverse eigenvalues: beyond the lower end the
# statistic is below 1e-4, beyond the upper one the data know nothing.
_LEAST, _MOST, _POINTS = 1e-5, 1e6, 160
# Steps of golden sections between two points: to 1e-6 of the logarithm of the ratio.
_SECTIONS = 24
_GOLDEN = 0.5 * (np.sqrt(5.0) - 1.0)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """What the null distribution depends on.

    Attributes
    ----------
    values : (r,)
        Distinct nonzero eigenvalues of ``Z' P0 Z``.
    counts : (r,) int
        How often each occurs.
    penalty_values : (m,)
        Nonzero eigenvalues whose logarithms are the penalty: the same repeated with REML, those
        of ``Z' Z`` with ML.
    rest : int
        Degrees of freedom without eigenvalue.
    scale : int
        ``n - p`` with REML, n with ML.
    fixed : int
        Fixed effects that are tested too; 0 with REML.
    """

    values: FloatArray
    counts: IntArray
    penalty_values: FloatArray
    rest: int
    scale: int
    fixed: int


def find_spectrum(X: FloatArray, Z: FloatArray, *, restricted: bool, fixed: int = 0) -> Spectrum:
    """Eigenvalues of a model with fixed effects X, (n, p), and random effects Z, (n, m)."""
    n = X.shape[0]
    Q, R = np.linalg.qr(X)
    size = np.abs(np.diag(R))
    Q = Q[:, size > 1e-10 * size.max(initial=1.0)]
    p = Q.shape[1]
    found: FloatArray = np.linalg.eigvalsh(Z.T @ Z - (Z.T @ Q) @ (Q.T @ Z))
    whole = found if restricted else np.asarray(np.linalg.eigvalsh(Z.T @ Z), dtype=np.float64)
    least = _EQUAL * max(float(whole.max(initial=0.0)), np.finfo(float).tiny)
    mu, xi = found[found > least][: n - p], np.asarray(whole[whole > least], dtype=np.float64)
    values, counts = _distinct(mu)
    return Spectrum(values, counts, xi, n - p - mu.size, n - p if restricted else n, fixed)


def _distinct(values: FloatArray) -> tuple[FloatArray, IntArray]:
    """Eigenvalues in ascending order, each once, and how often it occurs."""
    if not values.size:
        return values, np.zeros(0, dtype=np.int64)
    apart = np.diff(values) > 1e3 * _EQUAL * values[-1]
    starts = np.concatenate([[0], np.flatnonzero(apart) + 1])
    counts = np.diff(np.append(starts, values.size))
    return np.add.reduceat(values, starts) / counts, counts


def simulate_null(spectrum: Spectrum, draws: int, rng: np.random.Generator) -> FloatArray:
    """Statistics under the null hypothesis, (draws,)."""
    squares = rng.chisquare(spectrum.counts, size=(draws, spectrum.values.size))
    rest = rng.chisquare(spectrum.rest, size=draws) if spectrum.rest else np.zeros(draws)
    total = squares.sum(axis=1) + rest
    out = np.zeros(draws)
    if spectrum.fixed:
        out += spectrum.scale * np.log1p(rng.chisquare(spectrum.fixed, size=draws) / total)
    if not spectrum.values.size:
        return out
    least, most = _LEAST / spectrum.values[-1], _MOST / spectrum.values[0]
    grid: FloatArray = np.linspace(np.log(float(least)), np.log(float(most)), _POINTS)
    over = squares @ (1.0 / (1.0 + np.exp(grid)[None, :] * spectrum.values[:, None]))
    heights = spectrum.scale * np.log(total[:, None] / (over + rest[:, None]))
    heights -= _penalty(spectrum, grid)
    best = heights.argmax(axis=1)
    step = grid[1] - grid[0]

    def height(t: FloatArray) -> FloatArray:
        below = np.sum(squares / (1.0 + np.exp(t)[:, None] * spectrum.values), axis=1) + rest
        found: FloatArray = spectrum.scale * np.log(total / below) - _penalty(spectrum, t)
        return found

    out += np.maximum(_climb(height, grid[best] - step, grid[best] + step), 0.0)
    return out


def _penalty(spectrum: Spectrum, t: FloatArray) -> FloatArray:
    """``sum log(1 + exp(t) xi)`` for each t."""
    total: FloatArray = np.log1p(np.exp(t)[:, None] * spectrum.penalty_values).sum(axis=1)
    return total


def _climb(
    height: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray
) -> FloatArray:
    """The largest height between two ends, by golden sections, elementwise."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = height(left), height(right)
    for _ in range(_SECTIONS):
        upper = at_left < at_right
        low, high = np.where(upper, left, low), np.where(upper, high, right)
        new = np.where(upper, low + _GOLDEN * (high - low), high - _GOLDEN * (high - low))
        at_new = height(new)
        left, right = np.where(upper, right, new), np.where(upper, new, left)
        at_left, at_right = (
            np.where(upper, at_right, at_new),
            np.where(upper, at_new, at_left),
        )
    best: FloatArray = np.maximum(at_left, at_right)
    return best
