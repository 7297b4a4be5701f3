"""One fitting problem: a design and a family, arranged for the fitter, with what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pandas as pd

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.design.sparse_columns import Matrix, sparse_columns
from mixcheck.errors import OptionError
from mixcheck.families.derivatives import Derivatives
from mixcheck.families.family import Family
from mixcheck.families.responses import Observed, SupportError
from mixcheck.fitting.latent.layout import Latent
from mixcheck.fitting.latent.roots import Root, TiedRoot
from mixcheck.fitting.likelihood.cross_products import Products, Weights, multiply_design
from mixcheck.fitting.likelihood.far_columns import lies_far
from mixcheck.fitting.likelihood.log_prior import LogPrior
from mixcheck.fitting.likelihood.remainder import Remainder
from mixcheck.fitting.likelihood.term import Term

__all__ = ["Curvature", "Problem", "add_roundings", "take_matrix", "take_rows"]

Rows = TypeVar("Rows", FloatArray, IntArray)
# Scores of counts beyond this are known to no better than 1e-9.
_LARGE = 1e6
# Terms of a log density that may be as large as its constant: ``y log mu`` and the like.
_LARGE_TERMS = 4.0
_EPSILON = float(np.finfo(np.float64).eps)


def add_roundings(sizes: FloatArray) -> FloatArray:
    """What sums of rows, (.., n) to (..), are known to whose constants have these sizes s.

    ``4 e sqrt(sum s_i^2)`` with the relative rounding e of a float: errors of rows are independent.
    """
    largest = np.maximum.reduce(np.abs(sizes), axis=-1, initial=0.0)
    known = (largest > 0.0) & np.isfinite(largest)
    if not known.any():
        return np.asarray(largest)
    shares = sizes / np.where(known, largest, 1.0)[..., None]
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("...n,...n->...", shares, shares)
        errors = np.sqrt(squares) * (_LARGE_TERMS * _EPSILON)
        out: FloatArray = np.where(known, largest * errors, largest)
    return out


@dataclass(frozen=True, eq=False)
class Curvature:
    """Weights in the log determinant and their derivatives in the predictors.

    ``second[a, b]`` is W_ab, a <= b; ``third[a, b, c]`` is dW_ab / d eta_c.
    """

    second: Mapping[tuple[int, int], FloatArray]
    third: Mapping[tuple[int, int, int], FloatArray]


@dataclass(frozen=True, eq=False)
class Problem:
    """Everything that the objective needs, rows in the fitter's order.

    Attributes
    ----------
    family : Family
    data : Observed
    weights : (n,) or None
        Multipliers of each row's log density.
    X : tuple of (n, p_k)
    offsets : tuple of (n,)
    latent : Latent
    terms : tuple of Term
    order : (n,) int
        Position in the design of each row here.
    penalty : LogPrior or None
        Priors of the parameters.
    remainder : Remainder or None
        What a deviance whose determinant is cut leaves of the deviance; see `Latent.iterative`.
    """

    family: Family
    data: Observed
    weights: FloatArray | None
    X: tuple[FloatArray, ...]
    offsets: tuple[FloatArray, ...]
    latent: Latent
    terms: tuple[Term, ...]
    order: IntArray
    penalty: LogPrior | None = None
    remainder: Remainder | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.order.size

    @cached_property
    def inverse_order(self) -> IntArray:
        """Where each row of the design stands here, (n,): the inverse of `order`."""
        out = np.empty(self.order.size, dtype=np.intp)
        out[self.order] = np.arange(self.order.size)
        return out

    @cached_property
    def beta_slices(self) -> tuple[slice, ...]:
        """Where the fixed effects of each predictor stand in the parameter vector."""
        ends = np.cumsum([0, *(x.shape[1] for x in self.X)]).tolist()
        return tuple(slice(a, b) for a, b in pairwise(ends))

    @cached_property
    def n_beta(self) -> int:
        """Number of fixed effects over all predictors."""
        return sum(x.shape[1] for x in self.X)

    @cached_property
    def n_theta(self) -> int:
        """Number of covariance parameters."""
        return sum(t.covariance.n_theta for t in self.terms)

    def roots(self, theta: FloatArray) -> list[Root]:
        """Root of each factor: ``Lambda``, (q, q), block diagonal over its terms, and A of ties."""
        factors = self.latent.factors
        units = [None if f.fixed is None else f.fixed.units for f in factors]
        tied = {}
        for term in self.terms:
            own, f = theta[term.theta], term.factor
            block, whole, q = term.units(own), units[f], factors[f].q
            if len(block) == q:
                units[f] = block
            else:
                units[f] = whole = np.zeros((q, q)) if whole is None else whole
                whole[term.columns, term.columns] = block
            dependence = term.dependence(own)
            if dependence is not None:
                tied[f] = dependence
        out: list[Root] = []
        for f, found in enumerate(units):
            assert found is not None
            out.append(TiedRoot(found, tied[f]) if f in tied else found)
        return out

    def pull_back(self, theta: FloatArray, d_roots: Sequence[FloatArray]) -> FloatArray:
        """``dD/dtheta = sum_ij dD/dLambda_ij dLambda_ij/dtheta``, from derivatives in the roots.

        Parameters
        ----------
        theta : (n_theta,)
        d_roots : sequence of arrays
            As of `mixcheck.fitting.latent.roots.differentiate_product`.
        """
        out = np.empty(self.n_theta)
        for term in self.terms:
            out[term.theta] = term.pull_back(theta[term.theta], d_roots[term.factor])
        return out

    def canonical(self, theta: FloatArray) -> FloatArray:
        """The representative of all theta with the same covariances."""
        out = theta.copy()
        for term in self.terms:
            out[term.theta] = term.covariance.canonical(theta[term.theta])
        return out

    def scaled(self, psi: FloatArray, factor: float) -> FloatArray:
        """Parameters, (P,), with every Lambda times `factor`, and so all standard deviations."""
        out = psi.copy()
        theta = out[self.n_beta :]
        for term in self.terms:
            theta[term.theta] = term.covariance.scaled(theta[term.theta], factor)
        return out

    @cached_property
    def has_large_counts(self) -> bool:
        """Whether responses, trials or weights are so large that sums of scores are rounded."""
        parts = (self.data.y, self.data.size, self.weights)
        return any(
            part is not None and max(part.max(initial=0.0), -float(part.min(initial=0.0))) > _LARGE
            for part in parts
        )

    def require_independent_levels(self, method: str) -> None:
        """Refuse levels, or times, that are tied to each other.

        Raises
        ------
        OptionError
        """
        tied = [term.block.name for term in self.terms if term.tied]
        if tied:
            raise OptionError(
                f'method="{method}" needs levels that are independent, and the levels or times '
                f'of {tied[0]} are tied to each other; write method="laplace" or "importance"'
            )

    @cached_property
    def recession(self) -> tuple[IntArray, ...]:
        """Which way each predictor may go for ever in each row; see `Family.recession`."""
        return self.family.recession(self.data)

    @cached_property
    def rounding(self) -> float:
        """What the log likelihood is known to: the rounding of its terms, of all rows together.

        ``4 e sqrt(sum (w_i s_i)^2)``, with weights w, sizes s of constants and the rounding e.
        The constants of counts are ``log y!``, and a few other terms of that size take nearly all
        of it away (`Family.term_sizes`); the errors of the rows are independent.
        """
        sizes = self.family.term_sizes(self.data)
        with np.errstate(over="ignore"):
            sizes = sizes if self.weights is None else self.weights * sizes
        return float(add_roundings(sizes))

    @cached_property
    def far(self) -> tuple[bool, ...]:
        """Whether a column of each X lies far from zero beside its spread."""
        return tuple(lies_far(X) for X in self.X)

    @cached_property
    def products(self) -> Products | None:
        """Cross products of a linear mixed model; None if it is none, or not identified.

        With priors the likelihood is not profiled over the fixed effects, nor where its
        determinant is found by iterations.
        """
        if any(term.tied or term.covariance.entries is None for term in self.terms):
            return None
        return _multiply(self)

    @cached_property
    def products_in_order(self) -> Products | None:
        """The same of a linear mixed model with effects of levels in order and no others."""
        latent = self.latent
        if len(self.terms) != 1 or latent.fixed is not None or not latent.factors[0].neighbours:
            return None
        return _multiply(self)

    @cached_property
    def matrices(self) -> tuple[Matrix, ...]:
        """X of each predictor, to be multiplied: sparse where nearly all of it is zero."""
        return tuple(map(sparse_columns, self.X))

    def fixed(self, psi: FloatArray) -> list[FloatArray]:
        """``offset_k + X_k beta_k``: each predictor with the random effects at zero, (n,)."""
        parts = zip(self.offsets, self.matrices, self.beta_slices, strict=True)
        return [offset + x.dot(psi[where]) for offset, x, where in parts]

    def derivatives(self, eta: Sequence[FloatArray], order: int) -> Derivatives:
        """Log density and derivatives of each row, times its weight."""
        raw = self.family.derivatives(self.data, tuple(eta), order)
        return raw if self.weights is None else _weigh(raw, self.weights)

    def derivatives_in_mean(self, eta: Sequence[FloatArray]) -> Derivatives:
        """Two derivatives in the predictor of the mean; see `Family.derivatives_in_mean`."""
        raw = self.family.derivatives_in_mean(self.data, tuple(eta))
        return raw if self.weights is None else _weigh(raw, self.weights)

    def derivatives_of_each(
        self, etas: Sequence[Sequence[FloatArray]], order: int
    ) -> list[Derivatives]:
        """The same at several predictors at once, (n,) each."""
        if len(etas) == 1:
            return [self.derivatives(etas[0], order)]
        whole = self.derivatives_of_copies([np.stack(p) for p in zip(*etas, strict=True)], order)
        return [whole.rows(slice(k * self.n, (k + 1) * self.n)) for k in range(len(etas))]

    def derivatives_of_copies(self, etas: Sequence[FloatArray], order: int) -> Derivatives:
        """The same at several predictors at once, (c, n) each; the rows of all, (c n,)."""
        copies = etas[0].shape[0]
        flat = tuple(eta.ravel() for eta in etas)
        raw = self.family.derivatives(self.data.tiled(copies), flat, order)
        return raw if self.weights is None else _weigh(raw, np.tile(self.weights, copies))

    def observed(self, derivatives: Derivatives) -> Curvature:
        """Observed information of each row, ``-l''``, with its derivatives ``-l'''``."""
        return Curvature(
            {key: -value for key, value in derivatives.second.items()},
            {order: -value for key, value in derivatives.third.items() for order in _orders(key)},
        )

    def step_information(self, eta: Sequence[FloatArray]) -> Mapping[tuple[int, int], FloatArray]:
        """Information of each row that is good enough to step by, never negative.

        ``w_i`` times that of the family, near ``E (-l_i'')``.
        """
        second = self.family.step_information(self.data, tuple(eta))
        if self.weights is None:
            return second
        return {key: self.weights * value for key, value in second.items()}

    def expected(self, eta: Sequence[FloatArray]) -> Curvature:
        """Expected information of each row, ``E (-l'')``, and its derivatives in predictors."""
        second, third = self.family.expected(self.data, tuple(eta))
        flat = {(a, b, c): value for ((a, b), c), value in third.items()}
        if self.weights is None:
            return Curvature(second, flat)
        return Curvature(
            {key: self.weights * value for key, value in second.items()},
            {key: self.weights * value for key, value in flat.items()},
        )

    def with_response(self, y: FloatArray) -> Problem:
        """The same problem for another response, (n,) in the order of the design."""
        try:
            return self.with_rows(np.take(y, self.order))
        except SupportError as error:
            raise error.reordered(self.order) from None

    def with_rows(self, y: FloatArray) -> Problem:
        """The same problem for another response, (n,) in the fitter's order."""
        return self.with_data(self.family.prepare_again(y, self.data))

    def with_data(self, data: Observed) -> Problem:
        """The same problem for other responses, prepared, in the fitter's order."""
        return self.of_data(self.family, data)

    def of_data(self, family: Family, data: Observed) -> Problem:
        """The same design for other responses, and a family with the same predictors."""
        changed = replace(self, family=family, data=data)
        # What depends on the design alone is found once.
        cross_products = "products", "products_in_order"
        of_design = "inverse_order", "beta_slices", "n_beta", "n_theta", "far", "matrices"
        for name in (*of_design, *cross_products):
            if name in self.__dict__:
                changed.__dict__[name] = self.__dict__[name]
        if family.is_linear != self.family.is_linear:
            for name in cross_products:
                changed.__dict__.pop(name, None)
        return changed

    def rows(self, some: IntArray, latent: Latent) -> Problem:
        """The problem of some rows, in an order that becomes that of the design.

        Parameters
        ----------
        some : (r,) int
            In the fitter's order; a row may occur several times.
        latent : Latent
            Of these rows.
        """
        return replace(
            self,
            data=self.data.rows(some),
            weights=take_rows(self.weights, some),
            X=tuple(take_matrix(X, some) for X in self.X),
            offsets=tuple(offset[some] for offset in self.offsets),
            latent=latent,
            order=np.arange(some.size),
            remainder=None,
        )

    def without(self, rows: BoolArray) -> Problem:
        """The problem with weights of zero in some rows, (n,); their levels stay."""
        weights = np.ones(self.n) if self.weights is None else self.weights
        return replace(self, weights=np.where(rows, 0.0, weights))

    def contents(self) -> pd.DataFrame:
        """All that the likelihood takes of each row, one column each."""
        columns: dict[str, FloatArray | IntArray] = {"y": self.data.y}
        for name, values in (("size", self.data.size), ("weights", self.weights)):
            if values is not None:
                columns[name] = values
        for k, (X, offset) in enumerate(zip(self.X, self.offsets, strict=True)):
            columns[f"offset{k}"] = offset
            columns.update({f"x{k}.{j}": column for j, column in enumerate(X.T)})
        for f, factor in enumerate(self.latent.factors):
            columns[f"level{f}"] = factor.sums.index
            for c, effect in enumerate(factor.columns):
                if effect.covariate is not None:
                    columns[f"z{f}.{c}"] = effect.covariate
        return pd.DataFrame(columns)

    def to_design(self, rows: Rows) -> Rows:
        """Bring a row vector, of numbers or of places, from the fitter's order to the design's."""
        return np.take(rows, self.inverse_order, axis=0)


def _multiply(problem: Problem) -> Products | None:
    """Cross products of a linear mixed model; None if it is none, or not identified."""
    if problem.penalty is not None or problem.latent.iterative or not _is_linear(problem):
        return None
    places = [(t.factor, t.columns, t.covariance.unrestricted) for t in problem.terms]
    weights = _residual_weights(problem.weights, problem.offsets[1])
    return multiply_design(problem.X[0], problem.latent, places, weights)


def _is_linear(problem: Problem) -> bool:
    """Whether the model is Gaussian with the identity link and one residual variance.

    That of a row may differ by a known factor, an offset of the log deviation.
    """
    if not problem.family.is_linear:
        return False
    constant = problem.X[1].shape[1] == 1 and bool((problem.X[1] == 1.0).all())
    return constant and problem.latent.random_predictors in ((), (0,))


def _residual_weights(weights: FloatArray | None, log_sd: FloatArray) -> Weights:
    """What each squared residual weighs, and the constants that this brings.

    With counts c and offsets s of the log deviation a row weighs ``c exp(-2 (s - s_bar))``; to
    the deviance comes ``2 sum c (s - s_bar)``, zero but for rounding, and to the log deviation
    ``s_bar``.
    """
    n = log_sd.size
    total = float(n) if weights is None else float(weights.sum())
    if not log_sd.any():
        return Weights(weights, total, 0.0, 0.0)
    counts = np.ones(n) if weights is None else weights
    shift = float(counts @ log_sd) / total
    centred = log_sd - shift
    rows = counts * np.exp(-2.0 * centred)
    return Weights(rows, total, 2.0 * float(counts @ centred), shift)


@cache
def _orders(key: tuple[int, int, int]) -> frozenset[tuple[int, int, int]]:
    """Which (pair, derivative) readings a symmetric third derivative has, pair sorted first."""
    a, b, c = key
    return frozenset((min(d, e), max(d, e), f) for d, e, f in ((a, b, c), (a, c, b), (b, c, a)))


def _weigh(d: Derivatives, w: FloatArray) -> Derivatives:
    """``w l`` and its derivatives."""
    return Derivatives(
        # A row of weight zero says nothing, even where it is impossible.
        w * np.where(w > 0.0, d.value, 0.0),
        tuple(w * v for v in d.first),
        {k: w * v for k, v in d.second.items()},
        {k: w * v for k, v in d.third.items()},
    )


def take_rows(values: FloatArray | None, order: IntArray) -> FloatArray | None:
    """Values of some rows, if there are any values."""
    return None if values is None else values[order]


def take_matrix(X: FloatArray, order: IntArray) -> FloatArray:
    """Columns contiguous: products with one vector from either side read them in order."""
    return X.T.take(order, axis=1).T
