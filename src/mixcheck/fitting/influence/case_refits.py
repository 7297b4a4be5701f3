"""A fit with one response replaced: conditional modes at given parameters, or a refit.

Where the grouping factors are nested, one row moves the modes of its own group alone. The
groups of many rows, each with the estimates that belong to it, then make one latent system
without crossed factors, whose modes are found together by the Newton iteration of the fitter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.execution.threads import single_thread
from mixcheck.families.responses import Observed
from mixcheck.fitting.estimation.estimate import re_estimate
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.quasi_newton import update_inverse
from mixcheck.fitting.estimation.stacked_refits import StackedRefits, stacks
from mixcheck.fitting.latent.elimination_order import lay_out
from mixcheck.fitting.latent.factors import Column, Factor
from mixcheck.fitting.latent.group_sums import Summation
from mixcheck.fitting.latent.layout import Latent, Pair
from mixcheck.fitting.likelihood.approximation import Method, objective_of
from mixcheck.fitting.likelihood.copies import Copies, join_responses
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.mode import Mode, find_mode, predict_mode
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["Perturbed", "find_predictors", "refit_row", "refit_rows", "split_copies"]

# Rows of one batch of groups.
_BATCH = 200_000
# A refit is accepted where the whitened gradient falls below this; the last step, which is
# taken to first order, then leaves an error of the square.
_ACCEPTED = 3e-6
_MAX_STEPS = 12
# Further from the old estimates than this (whitened), the metric is not to be trusted.
_FAR = 4.0
# One response does not move finite estimates this far: without it they have no finite value.
_DIVERGED = 15.0


@dataclass(frozen=True, eq=False)
class Perturbed:
    """A problem at its optimum, with what its refits have in common.

    Attributes
    ----------
    problem : Problem
    method : Method
    evaluation : Evaluation
        At the optimum.
    scale : (P, P)
        Whitening of the parameters.
    metric : (P, P)
        Inverse Hessian of the deviance.
    singular : bool
        Whether covariance parameters lie on their boundary, a stationary point that refits
        must be taken off.
    """

    problem: Problem
    method: Method
    evaluation: Evaluation
    scale: FloatArray
    metric: FloatArray
    singular: bool

    @property
    def mode(self) -> Mode:
        """Modes at the optimum."""
        mode = self.evaluation.mode
        assert mode is not None
        return mode

    @cached_property
    def _whiten(self) -> FloatArray:
        whiten: FloatArray = np.asarray(np.linalg.inv(self.scale), dtype=np.float64)
        return whiten

    def is_near(self, psi: FloatArray) -> bool:
        """Whether the metric is to be trusted at other parameters."""
        return float(np.abs(self._whiten @ (psi - self.evaluation.psi)).max(initial=0.0)) <= _FAR

    @cached_property
    def stacked(self) -> StackedRefits | None:
        """How several responses are fitted together; None where each is fitted by itself."""
        problem, method = self.problem, self.method
        if self.singular or not isinstance(method, Laplace) or not stacks(problem, method):
            return None
        values, vectors = np.linalg.eigh(self.metric)
        if not values.min(initial=1.0) > 0.0:
            return None
        root = vectors * np.sqrt(values)
        return StackedRefits(Copies(problem), self.evaluation.psi, root, method)


def split_copies(problem: Problem) -> tuple[Problem, FloatArray]:
    """A row of weight w above one as two: a single observation, and the other ``w - 1``.

    Weights multiply log densities, so the likelihood stays as it is.

    Returns
    -------
    problem : Problem
    counts : (n,)
        For how many observations each row is perturbed: w for the single one, 0 for the rest.
    """
    weights = problem.weights
    if weights is None:
        return problem, np.ones(problem.n)
    heavy = weights > 1.0
    if not heavy.any():
        return problem, weights
    source = np.repeat(np.arange(problem.n), 1 + heavy)
    first = np.concatenate([[True], np.diff(source) > 0])
    split = replace(
        problem.rows(source, _repeat_rows(problem.latent, source)),
        weights=np.where(first, np.minimum(weights, 1.0)[source], weights[source] - 1.0),
    )
    return split, np.where(first, weights[source], 0.0)


def _repeat_rows(latent: Latent, source: IntArray) -> Latent:
    factors = tuple(factor.rows(source) for factor in latent.factors)
    pairs = {
        key: Pair(Summation(pair.sums.index[source], pair.sums.size), pair.left, pair.right)
        for key, pair in latent.pairs.items()
    }
    return Latent(factors, latent.n_nested, pairs)


def find_predictors(
    perturbed: Perturbed, rows: IntArray, target: Observed, psi: FloatArray
) -> FloatArray:
    """Predictors of some rows, each with its response replaced, at parameters of its own.

    ``eta_i = o_i + x_i' beta + z_i' Lambda u_hat``, u_hat the modes given the replaced response.

    Parameters
    ----------
    perturbed : Perturbed
    rows : (r,) int
    target : Observed
        The other response of each of these rows, (r,).
    psi : (P, r)
        Parameters that belong to each replacement.

    Returns
    -------
    (K, r)
        nan where no mode was found.
    """
    problem = perturbed.problem
    out = np.full((len(problem.X), rows.size), np.nan)
    if problem.latent.schur_factors or problem.latent.tied:
        with single_thread(problem.latent.schur_size):
            for k, row in enumerate(rows.tolist()):
                out[:, k] = _find_whole(perturbed, row, target.rows(slice(k, k + 1)), psi[:, k])
        return out
    for part in _batches(problem, rows):
        out[:, part] = _find_in_groups(perturbed, rows[part], target.rows(part), psi[:, part])
    return out


def _find_whole(perturbed: Perturbed, row: int, target: Observed, psi: FloatArray) -> FloatArray:
    """One replacement, all modes; for crossed factors."""
    problem, mode = perturbed.problem, perturbed.mode
    changed = problem.with_data(problem.data.with_rows(np.array([row]), target))
    u, close = predict_mode(problem, mode, perturbed.evaluation.psi, psi)
    roots = problem.roots(psi[problem.n_beta :])
    chord = mode.system.factorization
    found = find_mode(changed, problem.fixed(psi), roots, u, chord=chord, close=close)
    if found is None:
        return np.full(len(problem.X), np.nan)
    return np.array([eta[row] for eta in found.point.eta])


def _components(problem: Problem) -> tuple[IntArray, IntArray]:
    """Rows of each independent part: in their order, and where each part starts."""
    factors = problem.latent.factors
    coarsest = factors[-1].sums if factors else Summation(np.arange(problem.n), problem.n)
    order = np.argsort(coarsest.index, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(coarsest.index))])
    return order, starts.astype(np.intp)


def _batches(problem: Problem, rows: IntArray) -> Iterator[IntArray]:
    """Positions among `rows` of batches whose groups have a bounded number of rows."""
    factors = problem.latent.factors
    if not factors:
        yield np.arange(rows.size)
        return
    index = factors[-1].sums.index
    sizes = np.bincount(index)[index[rows]]
    batch = np.cumsum(sizes) // _BATCH
    for k in np.unique(batch):
        yield np.flatnonzero(batch == k)


def _find_in_groups(
    perturbed: Perturbed, rows: IntArray, target: Observed, psi: FloatArray
) -> FloatArray:
    """Many replacements, each with the modes of its own group."""
    problem = perturbed.problem
    order, starts = _components(problem)
    factors = problem.latent.factors
    component = factors[-1].sums.index[rows] if factors else rows
    sizes = starts[component + 1] - starts[component]
    owner = np.repeat(np.arange(rows.size), sizes)
    within = np.arange(owner.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    member = order[starts[component][owner] + within]
    own = np.flatnonzero(member == rows[owner])
    data = problem.data.rows(member).with_rows(own, target)
    base = [
        offset[member] + np.einsum("np,pn->n", X[member], psi[where][:, owner])
        for offset, X, where in zip(problem.offsets, problem.X, problem.beta_slices, strict=True)
    ]
    latent, start = _spread_latent(perturbed, member, owner, psi[problem.n_beta :])
    spread = replace(
        problem,
        data=data,
        weights=None if problem.weights is None else problem.weights[member],
        latent=latent,
        order=np.arange(member.size),
    )
    identity = [np.eye(f.q) for f in latent.factors]
    found = find_mode(spread, base, identity, start)
    if found is None:
        return np.full((len(base), rows.size), np.nan)
    return np.stack([eta[own] for eta in found.point.eta])


def _spread_latent(
    perturbed: Perturbed, member: IntArray, owner: IntArray, theta: FloatArray
) -> tuple[Latent, list[FloatArray]]:
    """The groups of each replacement as levels of their own, ``Lambda`` in the covariates."""
    problem, built, start = perturbed.problem, [], []
    for f, factor in enumerate(problem.latent.factors):
        keys = owner * factor.m + factor.sums.index[member]
        levels, index = np.unique(keys, return_inverse=True)
        columns: list[Column | None] = [None] * factor.q
        for term in (t for t in problem.terms if t.factor == f):
            roots = np.stack([term.covariance.root(part) for part in theta[term.theta].T])
            Z = factor.covariates[member, term.columns]
            for d, c in enumerate(range(factor.q)[term.columns]):
                values = np.einsum("nc,nc->n", Z, roots[owner, :, d])
                columns[c] = Column(term.predictor, values)
        sums = Summation(index.reshape(-1).astype(np.intp), levels.size)
        built.append(Factor(sums, tuple(c for c in columns if c is not None)))
        start.append(perturbed.mode.point.u[f][:, levels % factor.m])
    latent = lay_out(built)
    places = [next(i for i, g in enumerate(built) if g is f) for f in latent.factors]
    return latent, [start[i] for i in places]


def refit_row(
    perturbed: Perturbed, row: int, target: Observed, psi: FloatArray, effects: FloatArray
) -> FloatArray | None:
    """Predictors of one row after a refit with its response replaced.

    Quasi-Newton from `psi` with the inverse Hessian B of the original fit, updated on its way; the
    last step is taken to first order, ``eta(psi) - E B D'(psi)``, E the `effects`.

    Parameters
    ----------
    perturbed : Perturbed
    row : int
    target : Observed
        Its other response, (1,).
    psi : (P,)
        First approximation of the estimates.
    effects : (K, P)
        Derivative of the row's predictors in the parameters.

    Returns
    -------
    (K,) or None
        None where the refit does not converge.
    """
    problem = perturbed.problem
    changed = problem.with_data(problem.data.with_rows(np.array([row]), target))
    with single_thread(problem.latent.schur_size):
        found = None if perturbed.singular else _descend(perturbed, changed, psi)
        if found is None:
            found = _search(perturbed, changed, psi)
    if found is None or found[0].mode is None:
        return None
    evaluation, step = found
    eta = np.array([part[row] for part in evaluation.mode.point.eta])  # type: ignore[union-attr]
    return eta + effects @ step


def refit_rows(
    perturbed: Perturbed,
    rows: IntArray,
    targets: Sequence[Observed],
    psi: FloatArray,
    effects: FloatArray,
) -> list[FloatArray | None]:
    """As `refit_row` of each of several rows, all at once where the likelihood allows it.

    Parameters
    ----------
    perturbed : Perturbed
    rows : (r,) int
    targets : sequence of r Observed
        Their other responses, (1,) each.
    psi : (P, r)
    effects : (K, P, r)
    """
    found: Sequence[Optimum | None] = [None] * rows.size
    if perturbed.stacked is not None:
        data = [
            perturbed.problem.data.with_rows(rows[k : k + 1], target)
            for k, target in enumerate(targets)
        ]
        found = perturbed.stacked.fit(join_responses(data), rows.size, psi.T)
    return [
        _settled(perturbed, row, optimum, effects[:, :, k])
        if optimum is not None and perturbed.is_near(optimum.psi)
        else refit_row(perturbed, row, targets[k], psi[:, k], effects[:, :, k])
        for k, (row, optimum) in enumerate(zip(rows.tolist(), found, strict=True))
    ]


def _settled(perturbed: Perturbed, row: int, optimum: Optimum, effects: FloatArray) -> FloatArray:
    """``eta(psi) - E B D'(psi)``, (K,): a row's predictors after a last step to first order."""
    evaluation = optimum.evaluation
    assert evaluation.mode is not None
    eta = np.array([part[row] for part in evaluation.mode.point.eta])
    out: FloatArray = eta - effects @ (perturbed.metric @ evaluation.gradient)
    return out


def _descend(
    perturbed: Perturbed, problem: Problem, psi: FloatArray
) -> tuple[Evaluation, FloatArray] | None:
    """Quasi-Newton steps; the last evaluation and the step that is left.

    ``psi <- psi - B D'``, B being updated by each step (BFGS).
    """
    objective = objective_of(problem, perturbed.method)
    inverse = perturbed.metric
    here = objective(psi, perturbed.evaluation)
    for _ in range(_MAX_STEPS):
        if here.mode is None:
            return None
        step = -inverse @ here.gradient
        size = float(np.abs(perturbed.scale.T @ here.gradient).max(initial=0.0))
        if size < _ACCEPTED:
            return here, step
        if not perturbed.is_near(here.psi + step):
            return None
        after = objective(here.psi + step, here)
        if not after.deviance <= here.deviance + 1e-9 * (1.0 + abs(here.deviance)):
            return None
        inverse = update_inverse(inverse, step, after.gradient - here.gradient)
        here = after
    return None


def _search(
    perturbed: Perturbed, problem: Problem, psi: FloatArray
) -> tuple[Evaluation, FloatArray] | None:
    """The whole search of a refit, off the boundary at first."""
    optimum = re_estimate(problem, psi, perturbed.scale, perturbed.method)
    moved = np.linalg.solve(perturbed.scale, optimum.psi - perturbed.evaluation.psi)
    if not (optimum.gradient < _ACCEPTED and np.abs(moved).max(initial=0.0) < _DIVERGED):
        return None
    return optimum.evaluation, np.zeros(psi.size)
