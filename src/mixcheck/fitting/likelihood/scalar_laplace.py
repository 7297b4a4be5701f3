"""The Laplace deviance of one scalar random effect, with gradient and Hessian, in closed form.

With one grouping factor of levels g, one effect with covariate z_i in each row, and the one
predictor ``eta_i = o_i + x_i' beta + sigma z_i u_g``, the matrix H of :mod:`.laplace` is diagonal.
With the derivatives l', l'', l''' and l'''' of the log density of a row, and sums over the rows of
a level,

``s = sum z l'``, ``W = - sum z^2 l''``, ``H = 1 + sigma^2 W``, ``r = sigma s - u``,
``c = sigma^2 / H``, ``v = - sigma c sum z^3 l''' / H``,

the deviance is ``D = 2 h + sum log H``, ``h = u'u / 2 - sum l``. Where a search for the modes
ends a last step r / H before them, D rises on it by ``v'r - r' H^-1 r`` to first order. Its
gradient is ``X' a`` with ``a = -2 l' - z^2 c l''' + sigma z v l''``, and, in sigma,
``sum (y u + s v + 2 sigma W / H)`` with ``y = sum z a``.

Along beta_j the modes move by ``u_j = sigma B_j / H``, ``B_j = sum z l'' x_j``, and along sigma by
``u_s = (s - sigma W u) / H``; predictors by ``eta_j = x_j + z m_j``, with ``m_j = sigma u_j`` and,
along sigma, ``x = 0`` and ``m_s = u + sigma u_s``. The formula at the head of
:mod:`.laplace_hessian` is then

``D_jk = sum Q eta_j eta_k + sum (2 u_j u_k - T_j T_k) + [k = sigma] N_j + [j = sigma] N_k
+ [j = k = sigma] 2 sum W / H``

- ``Q = -2 l'' - z^2 c l'''' + sigma z v l'''``,
- ``T_j = (sigma^2 G_j + [j = sigma] 2 sigma W) / H`` with ``G_j = - sum z^2 l''' eta_j``,
- ``N_j = sum (y u_j + v (B_j - W m_j) + 2 sigma G_j / H)``, with B_j zero along sigma.

These are the numbers of the general modules in a tenth of their calls, which take the time where
rows are few.

References
----------
Kristensen et al. (2016), Journal of Statistical Software 70(5), sections 2.1 and 2.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.families.derivatives import Derivatives
from mixcheck.families.template import Template
from mixcheck.fitting.latent.group_sums import Summation
from mixcheck.fitting.likelihood.problem import Problem

__all__ = [
    "SHORTEST",
    "ScalarGradient",
    "ScalarModes",
    "ScalarRows",
    "ScalarSlopes",
    "differentiate_once",
    "differentiate_twice",
    "find_modes",
    "look_at",
    "raised",
    "scalar_rows",
]

# Numbers in one array of what rows do along all parameters up to which calls take the time.
_FEW = 20_000
_MOST_LOOKS = 40
# The energy may rise by this much, relative to itself, through rounding alone.
_ROUNDING = 1e-9
# A decrement below this that hardly falls is rounding.
_ROUNDED, _HARDLY = 1e-8, 0.25
# Steps that are cut to less than this share lead nowhere.
SHORTEST = 1e-6


@dataclass(frozen=True, eq=False)
class ScalarRows:
    """The rows of a problem with one scalar random effect.

    Attributes
    ----------
    problem : Problem
    family : Template
    columns : (p, n)
        X transposed.
    offset : (n,)
    z, square : (n,) or None
        The covariate of the effect and its square; None where it is one in every row.
    sums : Summation
        Over the rows of each level.
    """

    problem: Problem
    family: Template
    columns: FloatArray
    offset: FloatArray
    z: FloatArray | None
    square: FloatArray | None
    sums: Summation

    def base(self, psi: FloatArray) -> FloatArray:
        """``o + X beta``, (n,)."""
        rows: FloatArray = psi[:-1].dot(self.columns)
        rows += self.offset
        return rows

    def spread(self, levels: FloatArray) -> FloatArray:
        """``z e`` of effects of the levels, (.., m) to (.., n)."""
        return self.times(levels.take(self.sums.index, axis=-1))

    def times(self, rows: FloatArray) -> FloatArray:
        """``z`` times what rows hold, (.., n)."""
        return rows if self.z is None else rows * self.z

    def times_square(self, rows: FloatArray) -> FloatArray:
        """``z^2`` times what rows hold, (.., n)."""
        return rows if self.square is None else rows * self.square


def scalar_rows(problem: Problem) -> ScalarRows | None:
    """The rows of a problem in the class of this module; None for others.

    One effect of independent levels in the one predictor, which has the canonical link and a fourth
    derivative; no priors, and no counts so large that modes are rounding.
    """
    if len(problem.terms) != 1 or len(problem.X) != 1 or len(problem.latent.factors) != 1:
        return None
    (factor,), (term,), family = problem.latent.factors, problem.terms, problem.family
    if factor.q != 1 or factor.fixed is not None or term.covariance.entries is None:
        return None
    if not isinstance(family, Template) or family.links[0].name != family.canonical_link:
        return None
    if type(family).fourth is Template.fourth:
        return None
    if not problem.latent.forest or problem.penalty is not None or problem.remainder is not None:
        return None
    if problem.n * (problem.n_beta + 1) > _FEW or problem.has_large_counts:
        return None
    z = factor.columns[0].covariate
    columns = np.ascontiguousarray(problem.X[0].T)
    return ScalarRows(
        problem, family, columns, problem.offsets[0], z, None if z is None else z * z, factor.sums
    )


@dataclass(frozen=True, eq=False)
class ScalarModes:
    """Random effects at or near their conditional modes.

    Attributes
    ----------
    psi : (P,)
    u : (m,)
    eta : (n,)
    density : Derivatives
        To third order.
    energy : float
    scores, information, precision, left : (m,)
        s, W, H and r of the head of this module.
    decrement : float
        ``r' H^-1 r``.
    """

    psi: FloatArray
    u: FloatArray
    eta: FloatArray
    density: Derivatives
    energy: float
    scores: FloatArray
    information: FloatArray
    precision: FloatArray
    left: FloatArray
    decrement: float


def look_at(
    rows: ScalarRows, psi: FloatArray, u: FloatArray, base: FloatArray | None = None
) -> ScalarModes:
    """What the rows say at parameters and effects; `base` is ``o + X beta``."""
    sigma = float(psi[-1])
    eta = rows.spread(sigma * u)
    eta += rows.base(psi) if base is None else base
    d = rows.problem.derivatives((eta,), 3)
    scores = rows.sums(rows.times(d.first[0]))
    information = -rows.sums(rows.times_square(d.second[0, 0]))
    precision = (sigma * sigma) * information
    precision += 1.0
    left = sigma * scores
    left -= u
    decrement = float(left.dot(left / precision))
    energy = 0.5 * float(u.dot(u)) - float(np.add.reduce(d.value))
    return ScalarModes(psi, u, eta, d, energy, scores, information, precision, left, decrement)


def find_modes(rows: ScalarRows, psi: FloatArray, u: FloatArray, near: float) -> ScalarModes | None:
    """The conditional modes by Newton's method with step halving.

    ``u <- u + r / H`` until the decrement ``r' H^-1 r`` is below `near`.

    Parameters
    ----------
    rows : ScalarRows
    psi : (P,)
    u : (m,)
        Standardised random effects to start from.
    near : float

    Returns
    -------
    ScalarModes or None
        None where it does not end, as where the density is not finite, or rounding is larger.
    """
    base = rows.base(psi)
    at = look_at(rows, psi, u, base)
    for _ in range(_MOST_LOOKS):
        if not math.isfinite(at.decrement) or not math.isfinite(at.energy):
            return None
        if at.decrement < near:
            return at
        step, limit, length = at.left / at.precision, raised(at.energy), 1.0
        after = look_at(rows, psi, at.u + step, base)
        while not after.energy <= limit:
            length *= 0.5
            if length < SHORTEST:
                return None
            after = look_at(rows, psi, at.u + length * step, base)
        if near <= after.decrement < _ROUNDED and after.decrement > _HARDLY * at.decrement:
            return None
        at = after
    return None


def raised(energy: float) -> float:
    """An energy that may be as low as this one, but for rounding."""
    return energy + _ROUNDING * (1.0 + abs(energy))


@dataclass(frozen=True, eq=False)
class ScalarGradient:
    """The deviance with its gradient, and what both are made of.

    Attributes
    ----------
    deviance : float
    gradient : (P,)
    inverse, v, y : (m,)
        ``1 / H``, and v and y of the head of this module.
    of_c, of_v : (n,)
        c and ``sigma v`` of the level of each row.
    z_second, zz_third : (n,)
        ``z l''`` and ``z^2 l'''``.
    """

    deviance: float
    gradient: FloatArray
    inverse: FloatArray
    v: FloatArray
    y: FloatArray
    of_c: FloatArray
    of_v: FloatArray
    z_second: FloatArray
    zz_third: FloatArray


def differentiate_once(rows: ScalarRows, at: ScalarModes) -> ScalarGradient:
    """The deviance at modes with its gradient, by the head of this module.

    As a function of the modes D has the slope ``-2 r``: ``-2 r / H`` in v takes what is left of the
    way to them off the gradient, to first order.
    """
    sums, d, sigma = rows.sums, at.density, float(at.psi[-1])
    inverse = 1.0 / at.precision
    c = (sigma * sigma) * inverse
    z_second = rows.times(d.second[0, 0])
    zz_third = rows.times_square(d.third[0, 0, 0])
    v = (-sigma * c) * inverse * sums(rows.times(zz_third))
    through = v - 2.0 * (at.left * inverse)
    shares = np.empty((2, v.size))
    shares[0], shares[1] = c, sigma * through
    of_c, of_v = shares.take(sums.index, axis=1)
    slope = of_v * z_second
    slope -= of_c * zz_third
    slope -= 2.0 * d.first[0]
    y = sums(rows.times(slope))
    gradient = np.empty(at.psi.size)
    gradient[:-1] = rows.columns.dot(slope)
    pulls = y.dot(at.u) + at.scores.dot(through)
    gradient[-1] = pulls + (2.0 * sigma) * at.information.dot(inverse)
    deviance = 2.0 * at.energy + float(np.add.reduce(np.log(at.precision)))
    deviance += float(v.dot(at.left)) - at.decrement
    return ScalarGradient(deviance, gradient, inverse, v, y, of_c, of_v, z_second, zz_third)


@dataclass(frozen=True, eq=False)
class ScalarSlopes:
    """The deviance with its gradient and its Hessian.

    Attributes
    ----------
    deviance : float
    gradient : (P,)
    hessian : (P, P)
    moved : (P, m)
        How the modes move along each parameter.
    """

    deviance: float
    gradient: FloatArray
    hessian: FloatArray
    moved: FloatArray


def differentiate_twice(rows: ScalarRows, at: ScalarModes) -> ScalarSlopes:
    """The deviance at modes with its gradient and its Hessian, by the head of this module."""
    once = differentiate_once(rows, at)
    columns, d, W, inverse = rows.columns, at.density, at.information, once.inverse
    p, sigma = len(columns), float(at.psi[-1])
    moved, bends = np.empty((p + 1, at.u.size)), np.zeros((p + 1, at.u.size))
    bends[:p] = rows.sums.each(columns * once.z_second)
    np.multiply(bends, sigma * inverse, out=moved)
    moved[p] = (at.scores - sigma * (W * at.u)) * inverse
    effects = sigma * moved
    effects[p] += at.u
    eta = rows.spread(effects)
    eta[:p] += columns
    fourth = rows.family.fourth(d)
    assert fourth is not None
    weight = once.of_v * rows.times(d.third[0, 0, 0])
    weight -= once.of_c * rows.times_square(fourth)
    weight -= 2.0 * d.second[0, 0]
    hessian = (eta * weight).dot(eta.T)
    grams = -rows.sums.each(eta * once.zz_third)
    bends -= W * effects
    pull = (2.0 * sigma) * inverse
    mixed = moved.dot(once.y) + bends.dot(once.v) + grams.dot(pull)
    traces = grams * ((sigma * sigma) * inverse)
    traces[p] += W * pull
    hessian += 2.0 * moved.dot(moved.T) - traces.dot(traces.T)
    hessian[p] += mixed
    hessian[:, p] += mixed
    hessian[p, p] += 2.0 * float(W.dot(inverse))
    return ScalarSlopes(once.deviance, once.gradient, hessian, moved)
