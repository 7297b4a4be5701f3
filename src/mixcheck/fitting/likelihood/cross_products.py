"""Cross products of a linear mixed model: all that its likelihood needs to know of the rows.

The fixed effects are made orthonormal, ``X T = Q`` with ``Q'WQ = I``, and the covariates of
the random effects are centred and scaled, ``Z S``, so that neither the origin nor the unit
of a column costs digits. The response is replaced by its least-squares residual in a unit in
which it has variance one. Nothing is lost: the deviance changes by known constants, and
estimates are brought back by T and S.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import lapack

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.directions import scatter_each
from mixcheck.fitting.latent.factors import Column, Factor
from mixcheck.fitting.latent.layout import Gram, Latent
from mixcheck.trial_values import may_overflow

__all__ = ["Moments", "Products", "Weights", "multiply_design", "orthonormalise", "take_moments"]

# Columns of which the mean is this many standard deviations are centred.
_FAR = 3.0
# Columns of a size between these are as well in their own unit.
_NEAR_ONE = (0.5, 2.0)
# Cholesky factors of correlations with a smaller entry on the diagonal lose too many digits.
_CONDITION = 1e-5
# With none smaller than this a second round of orthogonalisation changes nothing.
_WELL = 0.1
_EPSILON = float(np.finfo(np.float64).eps)
# Rounds of projection after which a residual is orthogonal to rounding.
_ROUNDS = 3


@dataclass(frozen=True, eq=False)
class Weights:
    """What the rows weigh.

    Attributes
    ----------
    rows : (n,) or None
        Weight of each row's squared residual; None where all are one.
    total : float
        Number of observations that the rows stand for.
    constant : float
        What is added to the deviance.
    shift : float
        What is added to the log residual deviation.
    """

    rows: FloatArray | None
    total: float
    constant: float
    shift: float

    def times(self, rows: FloatArray) -> FloatArray:
        """``W a``."""
        return rows if self.rows is None else self.rows * rows

    @property
    def sum(self) -> float:
        """``sum W``."""
        return self.total if self.rows is None else float(self.rows.sum())


@dataclass(frozen=True, eq=False)
class Products:
    """Cross products of a design.

    Attributes
    ----------
    weights : Weights
    Q : (n, p)
        Orthonormal columns.
    units : (p, p)
        T, ``X T = Q``.
    latent : Latent
        The random effects with standardised covariates.
    changes : tuple of (q, q)
        S of each factor: ``b = S c`` for effects c of the standardised covariates.
    sizes : tuple of (q,)
        Root mean square of each covariate as it was given.
    gram : Gram
        ``Z'WZ`` of these.
    fixed : tuple of (p, q, m)
        ``Z'WQ`` of each factor.
    """

    weights: Weights
    Q: FloatArray
    units: FloatArray
    latent: Latent
    changes: tuple[FloatArray, ...]
    sizes: tuple[FloatArray, ...]
    gram: Gram
    fixed: tuple[FloatArray, ...]

    @cached_property
    def diagonals(self) -> tuple[FloatArray, ...]:
        """``sum z^2 W`` of each level, (q, m) for each factor."""
        return tuple(self.gram[f, f].diagonal().T for f in range(len(self.changes)))

    @cached_property
    def squares(self) -> tuple[FloatArray, ...]:
        """``sum g_ab^2`` over the levels of each factor, (q, q)."""
        blocks = (self.gram[f, f] for f in range(len(self.changes)))
        return tuple(np.square(block).sum(axis=2) for block in blocks)


@dataclass(frozen=True, eq=False)
class Moments:
    """Cross products of a response with a design.

    Attributes
    ----------
    base : (p,)
        Least-squares estimates.
    size : float
        Root mean square of the residuals, the unit of the response.
    residual : (n,)
        Least-squares residuals in that unit.
    random : tuple of (q, m)
        ``Z'We`` of each factor.
    noise : float
        Root mean square of the residuals that rounding alone would leave, in that unit.
    """

    base: FloatArray
    size: float
    residual: FloatArray
    random: tuple[FloatArray, ...]
    noise: float


# Columns near the largest number have no cross products, and end in None.
@may_overflow()
def orthonormalise(X: FloatArray, weights: Weights) -> tuple[FloatArray, FloatArray] | None:
    """Q (n, p) and T (p, p) with ``X T = Q``, ``Q'WQ = I``; None if X has not full rank.

    Columns are centred first where one of them is constant; then two rounds of Cholesky
    factors of ``Q'WQ`` (Yamamoto et al. 2015), or a Householder factorisation where columns are
    nearly dependent.
    """
    Q, T = _centre(X, weights)
    for _ in range(2 if X.shape[1] else 0):
        found = _upper_root(Q, weights)
        if found is None:
            return None
        factor, smallest = found
        inverse: FloatArray = lapack.dtrtri(factor)[0]
        Q, T = Q @ inverse, T @ inverse
        if smallest > _WELL:
            break
    return Q, T


def _centre(X: FloatArray, weights: Weights) -> tuple[FloatArray, FloatArray]:
    """``X T`` with ``T = I - e_c m' / h``: columns less their means m, column c constantly h."""
    p = X.shape[1]
    T = np.eye(p)
    constant = next((j for j, x in enumerate(X.T) if _is_constant(x)), None)
    if constant is None or p == 1:
        return X, T
    height = X[0, constant]
    sums = np.add.reduce(X, axis=0) if weights.rows is None else weights.rows @ X
    means = sums / weights.sum
    means[constant] = 0.0
    T[constant] -= means / height
    return X - means, T


def _is_constant(x: FloatArray) -> bool:
    first = x[0]
    return bool(first != 0.0 and x[-1] == first and x[x.size // 2] == first and np.all(x == first))


def _upper_root(Q: FloatArray, weights: Weights) -> tuple[FloatArray, float] | None:
    """Upper R with ``R'R = Q'WQ``, and the smallest entry of its diagonal for columns of size one.

    None where a column is zero or depends on others.
    """
    weighted = Q if weights.rows is None else Q * weights.rows[:, None]
    gram = weighted.T @ Q
    deviations = np.sqrt(gram.diagonal())
    if not deviations.min() > 0.0:
        return None
    scaled = gram / deviations / deviations[:, None]
    upper, info = lapack.dpotrf(scaled, clean=1)
    smallest = float(upper.diagonal().min()) if info == 0 else 0.0
    if smallest < _CONDITION:
        root = Q if weights.rows is None else Q * np.sqrt(weights.rows)[:, None]
        upper = np.asarray(np.linalg.qr(root / deviations, mode="r"))
        upper *= np.where(upper.diagonal() < 0.0, -1.0, 1.0)[:, None]
        smallest = float(upper.diagonal().min())
    return (upper * deviations, smallest) if smallest > _EPSILON * len(upper) else None


def multiply_design(
    X: FloatArray, latent: Latent, places: Sequence[tuple[int, slice, bool]], weights: Weights
) -> Products | None:
    """Cross products of a design; None if its fixed effects are not identified.

    Parameters
    ----------
    X : (n, p)
    latent : Latent
        All of whose random effects enter the mean.
    places : sequence of (factor, columns, unrestricted)
        Where each random term lives, and whether its covariance may be any.
    weights : Weights
    """
    found = orthonormalise(X, weights)
    if found is None:
        return None
    Q, units = found
    standard, changes, sizes = _standardise(latent, places, weights)
    if len(standard.factors) == 1:
        block, own = _multiply_levels(standard.factors[0], Q, weights)
        return Products(weights, Q, units, standard, changes, sizes, {(0, 0): block}, (own,))
    rows = np.ones(len(Q)) if weights.rows is None else weights.rows
    gram = standard.gram({(0, 0): rows}) if standard.factors else Gram()
    if len(units):
        crossed = scatter_each(standard, {0: weights.times(Q.T)})
        fixed = tuple(np.ascontiguousarray(part.swapaxes(0, 1)) for part in crossed)
    else:
        fixed = tuple(np.zeros((0, *factor.shape)) for factor in standard.factors)
    return Products(weights, Q, units, standard, changes, sizes, gram, fixed)


def _multiply_levels(
    factor: Factor, Q: FloatArray, weights: Weights
) -> tuple[FloatArray, FloatArray]:
    """``Z'WZ``, (q, q, m), and ``Z'WQ``, (p, q, m), of one factor, summed effect by effect."""
    q, (n, p) = factor.q, Q.shape
    rows = np.empty((q + p, n))
    for row, column in zip(rows, factor.columns, strict=False):
        row[:] = 1.0 if column.covariate is None else column.covariate
    rows[q:] = Q.T
    gram, fixed = np.empty((q, q, factor.m)), np.empty((p, q, factor.m))
    for c, column in enumerate(factor.columns):
        weight = weights.rows
        if column.covariate is not None:
            weight = weights.times(column.covariate)
        # Those with the effects before are known.
        left = rows[c:]
        sums = factor.sums.each(left if weight is None else weight * left)
        gram[c, c:] = gram[c:, c] = sums[: q - c]
        fixed[:, c] = sums[q - c :]
    return gram, fixed


def _standardise(
    latent: Latent, places: Sequence[tuple[int, slice, bool]], weights: Weights
) -> tuple[Latent, tuple[FloatArray, ...], tuple[FloatArray, ...]]:
    """The random effects in columns ``(z - mean) / size``, centred where a term can absorb it.

    What is subtracted goes to the intercept of the term: old effects are ``T`` times the new.
    """
    changes = [np.eye(f.q) for f in latent.factors]
    sizes = tuple(np.ones(f.q) for f in latent.factors)
    columns = [list(f.columns) for f in latent.factors]
    changed = False
    for f, where, unrestricted in places:
        own = range(*where.indices(latent.factors[f].q))
        if all(columns[f][c].covariate is None for c in own):
            continue
        constant = next((c for c in own if columns[f][c].covariate is None), None)
        for c in own:
            values = columns[f][c].covariate
            if values is None:
                continue
            mean, size = _moments_of(values, weights)
            sizes[f][c] = math.hypot(mean, size)
            if not unrestricted or constant is None or abs(mean) <= _FAR * size:
                mean, size = 0.0, math.hypot(mean, size)
            if size == 0.0 or (mean == 0.0 and _NEAR_ONE[0] < size < _NEAR_ONE[1]):
                continue
            changed = True
            columns[f][c] = Column(0, (values - mean) / size if mean else values / size)
            changes[f][c, c] = 1.0 / size
            if constant is not None:
                changes[f][constant, c] = -mean / size
    if not changed:
        return latent, tuple(changes), sizes
    factors = tuple(
        replace(f, columns=tuple(new)) for f, new in zip(latent.factors, columns, strict=True)
    )
    out = Latent(factors, latent.n_nested, latent.pairs)
    # What depends on the levels alone is found once.
    out.__dict__.update(nested_sums=latent.nested_sums, crossed_sums=latent.crossed_sums)
    return out, tuple(changes), sizes


def _moments_of(values: FloatArray, weights: Weights) -> tuple[float, float]:
    """``sum w z / sum w`` and the root of ``sum w (z - mean)^2 / sum w``."""
    if weights.rows is None:
        mean = float(np.add.reduce(values)) / values.size
        centred = values - mean
        return mean, math.sqrt(float(centred @ centred) / values.size)
    total = float(weights.rows.sum())
    mean = float(weights.rows @ values) / total
    return mean, math.sqrt(float(weights.rows @ (values - mean) ** 2) / total)


def take_moments(products: Products, X: FloatArray, y: FloatArray) -> Moments:
    """Cross products of a response (n,), offsets subtracted, with a design.

    ``e = y - Q Q'W y``, projected more than once against rounding; then ``Z'W e / size``.
    """
    weights, Q = products.weights, products.Q
    base, residual = np.zeros(X.shape[1]), y
    for _ in range(_ROUNDS if X.shape[1] else 0):
        step = Q.T @ weights.times(residual)
        base = base + products.units @ step
        residual = residual - Q @ step
    size = _root_mean_square(residual, weights)
    largest = float(np.abs(y).max(initial=0.0))
    if size == 0.0:
        return Moments(base, 0.0, residual, (), np.inf)
    residual = residual / size
    random = tuple(products.latent.scatter({0: weights.times(residual)}))
    noise = _EPSILON * largest / size
    return Moments(base, size, residual, random, noise)


def _root_mean_square(rows: FloatArray, weights: Weights) -> float:
    """Root of ``a'Wa / N``, safe from overflow."""
    largest = float(np.abs(rows).max(initial=0.0))
    if largest == 0.0:
        return 0.0
    scaled = rows / largest
    return largest * math.sqrt(float(scaled @ weights.times(scaled)) / weights.total)
