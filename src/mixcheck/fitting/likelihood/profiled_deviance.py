"""The profiled deviance of a linear mixed model, from cross products alone.

With ``V = W^-1 + Z S Z'`` (``S = Lambda Lambda'`` the covariance of the random effects in units
of the residual variance), fixed effects and residual variance have closed forms given Lambda.
Put in, they leave (Bates et al. 2015)

``D = log det(I + Lambda'Z'WZ Lambda) + nu (1 + log(2 pi r^2 / nu)) [+ log det X'V^-1 X]``,

``r^2 = min_b (y - X b)'V^-1 (y - X b)``, nu the number of observations (restricted: minus the
number of fixed effects). Nothing here has the length of the data. It is evaluated level by
level with one grouping factor (:mod:`mixcheck.fitting.likelihood.profiled_levels`), and as one
system with several (:mod:`mixcheck.fitting.likelihood.profiled_jointly`).

References
----------
Bates, Maechler, Bolker & Walker (2015), Journal of Statistical Software 67(1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.fitting.latent.elimination_order import add_fixed_effects
from mixcheck.fitting.latent.factors import FixedEffects
from mixcheck.fitting.latent.layout import Gram, Latent
from mixcheck.fitting.likelihood.cross_products import Moments, Products

__all__ = ["SMALL_SHARE", "Entries", "Profile", "ProfiledDeviance", "newton_step"]

SMALL_SHARE = 1e-5
"""Where the effects leave less than this share of a sum of squares, it is taken from the rows: a
difference would have lost its digits."""

# Eigenvalues of a Hessian below this share of the largest are none.
_FLAT = 1e-12
# With no pivot smaller than this a Hessian is taken as it is.
_REGULAR = 1e-4


@dataclass(frozen=True, eq=False)
class Entries:
    """Where each covariance parameter stands: ``Lambda_f[row, column]``, (k,) each.

    Lambda is lower triangular up to the order of its rows.
    """

    factors: IntArray
    rows: IntArray
    columns: IntArray

    @cached_property
    def beside(self) -> tuple[IntArray, FloatArray]:
        """Rows as a column, (k, 1), and two where two entries share a column, (k, k)."""
        return self.rows[:, None], np.where(self.columns[:, None] == self.columns, 2.0, 0.0)

    def read(self, roots: list[FloatArray]) -> FloatArray:
        """Theta of Lambda of each factor, (k,)."""
        if len(roots) == 1:
            return roots[0][self.rows, self.columns]
        places = zip(self.factors, self.rows, self.columns, strict=True)
        return np.array([roots[f][row, column] for f, row, column in places])

    def roots(self, theta: FloatArray, sizes: tuple[int, ...]) -> list[FloatArray]:
        """Lambda of each factor."""
        out = [np.zeros((q, q)) for q in sizes]
        if len(out) == 1:
            out[0][self.rows, self.columns] = theta
            return out
        for f, root in enumerate(out):
            own = self.factors == f
            root[self.rows[own], self.columns[own]] = theta[own]
        return out


@dataclass(frozen=True, eq=False)
class Profile:
    """The profiled deviance at one theta, in the units of the cross products.

    Attributes
    ----------
    entries : Entries
    theta : (k,)
    deviance : float
        Infinite where the model leaves nothing over.
    gradient : (k,)
    hessian : (k, k) or None
        None with several factors.
    roots : list of (q, q)
        Lambda of each factor.
    coefficients : (p,)
        Of the orthonormal columns, for the least-squares residuals.
    square : float
        ``r^2``.
    information : (p, p)
        ``Q'V^-1 Q``.
    scores : list of (q, m)
        ``w = Z'V^-1`` of what the fixed effects leave.
    absorbed : list of (p, q, q) or None
        ``Q'V^-1 Z w'``, summed over the levels; None with several factors.
    """

    entries: Entries
    theta: FloatArray
    deviance: float
    gradient: FloatArray
    hessian: FloatArray | None
    roots: list[FloatArray]
    coefficients: FloatArray
    square: float
    information: FloatArray
    scores: list[FloatArray]
    absorbed: list[FloatArray] | None = None

    @cached_property
    def newton(self) -> tuple[FloatArray, float]:
        """Newton's step from here, ``s = -|H|^-1 g``, and its decrement ``-g's``."""
        assert self.hessian is not None
        return newton_step(self.gradient, self.hessian)

    @cached_property
    def least_curvature(self) -> float:
        """Smallest eigenvalue of ``H_ab / sqrt(|H_aa H_bb|)``; one without parameters."""
        assert self.hessian is not None
        if not self.theta.size:
            return 1.0
        deviations = np.sqrt(np.maximum(np.abs(self.hessian.diagonal()), 1e-300))
        scaled = self.hessian / deviations / deviations[:, None]
        values, _, info = lapack.dsyevd(scaled, compute_v=0)
        return float(values[0] if info == 0 else np.linalg.eigvalsh(scaled)[0])


@dataclass(frozen=True, eq=False)
class ProfiledDeviance:
    """The profiled deviance as a function of theta.

    Attributes
    ----------
    products : Products
    moments : Moments
    restricted : bool
        Whether the fixed effects are integrated out.
    """

    products: Products
    moments: Moments
    restricted: bool

    @cached_property
    def p(self) -> int:
        """Number of fixed effects."""
        return len(self.products.units)

    @cached_property
    def degrees(self) -> float:
        """``nu``: N observations, or ``N - p`` with the fixed effects integrated out."""
        return self.products.weights.total - (self.p if self.restricted else 0)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Effects of a level, for each factor."""
        return tuple(f.q for f in self.products.latent.factors)

    def nowhere(self, entries: Entries, theta: FloatArray, roots: list[FloatArray]) -> Profile:
        """An infinite deviance."""
        lost = np.full(theta.size, np.nan)
        none = np.zeros(0)
        return Profile(entries, theta, np.inf, lost, None, roots, none, 0.0, none, [])

    def profile(self, square: float, log_det: float) -> float:
        """``log det + nu (1 + log(2 pi r^2 / nu))``: the deviance from its parts."""
        nu = self.degrees
        return log_det + nu * (1.0 + math.log(2.0 * math.pi * square / nu))

    # ---- several factors -----------------------------------------------------------------

    @cached_property
    def joint(self) -> Latent:
        """The latent system with the fixed effects as its last factor."""
        if self.p == 0:
            return self.products.latent
        effects = FixedEffects(self.products.Q, np.eye(self.p))
        return add_fixed_effects(self.products.latent, effects)

    @cached_property
    def joint_gram(self) -> Gram:
        """Its cross products."""
        out, last = dict(self.products.gram), len(self.sizes)
        if self.p:
            for f, block in enumerate(self.products.fixed):
                out[f, last] = np.ascontiguousarray(block.swapaxes(0, 1))
            out[last, last] = np.eye(self.p)[:, :, None]
        return out


def newton_step(gradient: FloatArray, hessian: FloatArray) -> tuple[FloatArray, float]:
    """The step with every curvature turned positive, and its decrement.

    With ``H = Q diag(c) Q'`` it is ``s = -Q diag(1 / |c|) Q' g``, and its decrement ``-g's``.

    Curvatures are those of parameters in units in which the diagonal is one: theirs may be
    very different.
    """
    units = np.sqrt(np.abs(hessian.diagonal()))
    if not units.all():
        units[units == 0.0] = 1.0
    scaled, slope = hessian / units / units[:, None], gradient / units
    factor, solved, info = lapack.dposv(scaled, slope)
    if info == 0 and min(factor.diagonal().tolist(), default=1.0) > _REGULAR:
        return -solved / units, float(slope @ solved)
    values, vectors = np.linalg.eigh(scaled)
    sizes = np.maximum(np.abs(values), _FLAT)
    along = vectors.T @ slope
    step = along / sizes
    return -(vectors @ step) / units, float(along @ step)
