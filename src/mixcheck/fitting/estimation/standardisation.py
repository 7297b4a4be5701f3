"""The same model in columns that are nearly orthogonal, and the way back.

A calendar year, or any column far from zero beside its spread, is all but proportional to the
constant. The likelihood is that of the same model in other coordinates: ``X A`` with
orthonormal columns times ``sqrt n`` spans what ``X`` spans, and so does ``Z B`` for the random
effects of a term whose covariance is free. The search runs there, and its end is brought back
exactly: ``beta = A beta*``, ``Lambda Lambda' = B Lambda* Lambda*' B'``, with the Jacobian of
this map for gradient, Hessian and scale. Only problems that need it are changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.latent.elimination_order import lay_out
from mixcheck.fitting.latent.factors import Column
from mixcheck.fitting.latent.layout import Latent
from mixcheck.fitting.likelihood.far_columns import lies_far
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.term import Term

__all__ = ["Map", "Standardised", "effects_of", "map_of_triangle", "standardise", "standardise_by"]

# Where a covariance has no full rank, the Jacobian is taken this close to it.
_INSIDE = 1e-7


@dataclass(frozen=True, eq=False)
class Map:
    """``new = old @ forward``: coefficients of the old columns are ``forward`` times the new."""

    forward: FloatArray
    back: FloatArray


@dataclass(frozen=True, eq=False)
class Standardised:
    """A problem in other columns.

    Attributes
    ----------
    problem : Problem
        In nearly orthogonal columns.
    alone : Problem
        As it was given.
    fixed : tuple of Map or None
        For each predictor.
    terms : tuple of Map or None
        For each random term.
    """

    problem: Problem
    alone: Problem
    fixed: tuple[Map | None, ...]
    terms: tuple[Map | None, ...]

    def there(self, psi: FloatArray) -> FloatArray:
        """Parameters of the new problem from those of the old, (P,).

        ``T^-1 beta`` and ``T^-1 Lambda``, where the new columns are ``X T``.
        """
        return self._carried(psi, back=True)

    def here(self, psi: FloatArray) -> FloatArray:
        """Parameters of the old problem from those of the new, (P,): ``T beta``, ``T Lambda``."""
        return self._carried(psi, back=False)

    def _carried(self, psi: FloatArray, *, back: bool) -> FloatArray:
        out = psi.copy()
        for basis, where in zip(self.fixed, self.alone.beta_slices, strict=True):
            if basis is not None:
                out[where] = (basis.back if back else basis.forward) @ psi[where]
        for basis, term in zip(self.terms, self.alone.terms, strict=True):
            if basis is not None:
                where = _place(self.alone, term)
                root = (basis.back if back else basis.forward) @ term.covariance.root(psi[where])
                out[where] = term.covariance.of_root(root)
        return out

    def jacobian(self, psi: FloatArray) -> FloatArray:
        """Derivative of the old parameters in the new ones, (P, P), at new parameters.

        T for fixed effects, and ``d theta(T Lambda) / d theta'`` for those of random terms.
        """
        return self._jacobian(psi, back=False)

    def inverse_jacobian(self, psi: FloatArray) -> FloatArray:
        """Derivative of the new parameters in the old ones, (P, P), at old parameters.

        As `jacobian`, with T^-1 in place of T.
        """
        return self._jacobian(psi, back=True)

    def _jacobian(self, psi: FloatArray, *, back: bool) -> FloatArray:
        out = np.eye(psi.size)
        for basis, where in zip(self.fixed, self.alone.beta_slices, strict=True):
            if basis is not None:
                out[where, where] = basis.back if back else basis.forward
        for basis, term in zip(self.terms, self.alone.terms, strict=True):
            if basis is not None:
                where = _place(self.alone, term)
                matrix = basis.back if back else basis.forward
                out[where, where] = _differentiate(term, matrix, psi[where])
        return out

    @property
    def volume(self) -> float:
        """``2 log |det T|`` of the mean's fixed effects: restricted deviances differ by it."""
        basis = self.fixed[0]
        return 0.0 if basis is None else 2.0 * float(np.linalg.slogdet(basis.forward)[1])


def standardise(problem: Problem) -> Standardised | None:
    """The problem in nearly orthogonal columns; None where its own are good enough."""
    if problem.penalty is not None:
        return None  # priors are those of the coefficients of these columns
    fixed = tuple(
        _orthogonalise(X) if far else None for X, far in zip(problem.X, problem.far, strict=True)
    )
    terms = tuple(_map_of(problem, term) for term in problem.terms)
    if not any(fixed) and not any(terms):
        return None
    return _in_columns(problem, fixed, terms)


def standardise_by(
    problem: Problem, fixed: tuple[Map | None, ...], terms: tuple[Map | None, ...]
) -> Standardised:
    """The problem in the columns of given maps, of predictors and of random terms.

    For rows that are part of those whose columns are nearly orthogonal.
    """
    return _in_columns(
        problem,
        tuple(
            None if m is None else _Orthogonal(X @ m.forward, m)
            for X, m in zip(problem.X, fixed, strict=True)
        ),
        tuple(
            None if m is None else _Orthogonal(effects_of(problem, term) @ m.forward, m)
            for term, m in zip(problem.terms, terms, strict=True)
        ),
    )


def map_of_triangle(R: FloatArray, n: int) -> Map:
    """The map to columns that are orthonormal but for ``sqrt n``, from ``R'R = X'X``, (k, p)."""
    triangle = np.linalg.qr(R, mode="r")
    signs = np.where(np.diag(triangle) < 0.0, -1.0, 1.0)
    back = signs[:, None] * triangle / np.sqrt(n)
    return Map(np.linalg.inv(back), back)


def effects_of(problem: Problem, term: Term) -> FloatArray:
    """Z of a term in the order of the fitter, (n, q)."""
    return problem.latent.factors[term.factor].covariates[:, term.columns]


def _in_columns(
    problem: Problem,
    fixed: tuple[_Orthogonal | None, ...],
    terms: tuple[_Orthogonal | None, ...],
) -> Standardised:
    X = tuple(
        x if basis is None else np.asfortranarray(basis.columns)
        for x, basis in zip(problem.X, fixed, strict=True)
    )
    latent, places = problem.latent, {f: f for f in range(len(problem.latent.factors))}
    if any(terms):
        latent, places = _changed(problem, terms)
    changed = replace(
        problem,
        X=X,
        latent=latent,
        terms=tuple(replace(term, factor=places[term.factor]) for term in problem.terms),
        remainder=None,
    )
    out = Standardised(
        changed,
        problem,
        tuple(None if basis is None else basis.map for basis in fixed),
        tuple(None if basis is None else basis.map for basis in terms),
    )
    if problem.remainder is None:
        return out
    psi = out.there(problem.remainder.psi)
    remainder = problem.remainder.carried(psi, problem.remainder.psi, out.jacobian(psi))
    return replace(out, problem=replace(changed, remainder=remainder))


@dataclass(frozen=True, eq=False)
class _Orthogonal:
    """Orthonormal columns times ``sqrt n``, and their map."""

    columns: FloatArray
    map: Map


def _orthogonalise(X: FloatArray) -> _Orthogonal:
    root = np.sqrt(X.shape[0])
    Q, R = np.linalg.qr(X)
    signs = np.where(np.diag(R) < 0.0, -1.0, 1.0)
    back = signs[:, None] * R / root
    return _Orthogonal(Q * signs * root, Map(np.linalg.inv(back), back))


def _map_of(problem: Problem, term: Term) -> _Orthogonal | None:
    if not term.covariance.unrestricted or term.covariance.q < 2:
        return None
    Z = effects_of(problem, term)
    return _orthogonalise(Z) if lies_far(Z) else None


def _changed(
    problem: Problem, terms: tuple[_Orthogonal | None, ...]
) -> tuple[Latent, dict[int, int]]:
    """The latent system with new columns, and where each factor went."""
    latent = problem.latent
    columns = [list(factor.columns) for factor in latent.factors]
    for basis, term in zip(terms, problem.terms, strict=True):
        if basis is not None:
            new = [Column(term.predictor, values.copy()) for values in basis.columns.T]
            if np.ptp(basis.columns[:, 0]) < 1e-9:
                new[0] = Column(term.predictor, None)
            columns[term.factor][term.columns] = new
    factors = [
        replace(factor, columns=tuple(new))
        for factor, new in zip(latent.factors, columns, strict=True)
    ]
    changed = lay_out(factors)
    if latent.iterative:
        changed = changed.iterated
    places = {f: changed.place_of(factor) for f, factor in enumerate(factors)}
    return changed, places


def _place(problem: Problem, term: Term) -> slice:
    return slice(problem.n_beta + term.theta.start, problem.n_beta + term.theta.stop)


def _differentiate(term: Term, matrix: FloatArray, theta: FloatArray) -> FloatArray:
    """Derivative of ``L = lower(matrix Lambda)`` in Lambda, (n_theta, n_theta).

    With ``M = L Q``: ``dL = L Phi(E + E')``, ``E = L^-1 dM Q'``, where Phi takes the lower
    triangle and half the diagonal.
    """
    root = term.covariance.root(theta)
    diagonal = np.diag_indices_from(root)
    least = _INSIDE * max(float(np.abs(root).max()), 1e-300)
    root[diagonal] = np.where(np.abs(root[diagonal]) < least, least, root[diagonal])
    moved = matrix @ root
    Q, upper = np.linalg.qr(moved.T)
    signs = np.where(np.diag(upper) < 0.0, -1.0, 1.0)
    L, turn = (signs[:, None] * upper).T, (Q * signs).T
    q = root.shape[0]
    half = np.tri(q, k=-1) + 0.5 * np.eye(q)
    columns = []
    for unit in np.eye(theta.size):
        E = np.linalg.solve(L, matrix @ term.covariance.root(unit) @ turn.T)
        columns.append(term.covariance.pull_back(theta, L @ (half * (E + E.T))))
    return np.column_stack(columns)
