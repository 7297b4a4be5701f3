"""Copies of one problem, one after another: one problem whose coarsest grouping factor they are.

A data set of a few hundred rows is small beside what a call of NumPy costs. So the rows of many
responses of one design stand one after another, each copy with levels of its own, and with
parameters of its own where it has any. Sums over a copy are the same numbers whatever stands
beside it: nothing is summed across copies, nor by a product whose shape depends on their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.families.responses import Observed
from mixcheck.fitting.latent.block_elimination import BlockElimination, nested_factors
from mixcheck.fitting.latent.elimination_order import lay_out
from mixcheck.fitting.latent.factors import Column, Factor
from mixcheck.fitting.latent.group_sums import Summation
from mixcheck.fitting.latent.roots import Root, RootOfCopies, units_of
from mixcheck.fitting.latent.small_matrices import by_copy
from mixcheck.fitting.likelihood.mode import Mode, System
from mixcheck.fitting.likelihood.points import DensityPoint
from mixcheck.fitting.likelihood.problem import Problem, add_roundings
from mixcheck.fitting.likelihood.term import Term

__all__ = ["Batch", "Copies", "choose_copies", "join_responses", "merge_copies", "sum_copies"]


@dataclass(frozen=True, eq=False)
class Copies:
    """The design of one problem, as often as it is asked for.

    Attributes
    ----------
    one : Problem
        With independent levels.
    """

    one: Problem

    @cached_property
    def _stacks(self) -> dict[int, Problem]:
        return {}

    def stack(self, count: int) -> Problem:
        """The problem of so many copies, with the response of the one in each; without X."""
        if count not in self._stacks:
            self._stacks[count] = _stack(self.one, count)
        return self._stacks[count]

    def fixed(self, psi: FloatArray) -> list[FloatArray]:
        """``offset + X beta_c``: each predictor without random effects, (c n,), at psi (c, P)."""
        parts = zip(self.one.offsets, self.one.X, self.one.beta_slices, strict=True)
        return [(o + _multiply(X, psi[:, where])).ravel() for o, X, where in parts]

    def shift(self, change: FloatArray) -> list[FloatArray]:
        """``X d_c``: what a change d of parameters (c, P) does to each of them, (c n,)."""
        parts = zip(self.one.X, self.one.beta_slices, strict=True)
        return [_multiply(X, change[:, where]).ravel() for X, where in parts]

    def roots(self, psi: FloatArray) -> list[Root]:
        """Root of each factor at parameters (c, P)."""
        theta = psi[:, self.one.n_beta :]
        units = [np.zeros((f.q, f.q, len(psi))) for f in self.one.latent.factors]
        for term in self.one.terms:
            unit = units[term.factor][term.columns, term.columns]
            unit[:] = _roots_of(term, theta[:, term.theta])
        return [RootOfCopies(unit) for unit in units]

    def pull_back(
        self, psi: FloatArray, rows: Sequence[FloatArray], d_roots: Sequence[FloatArray]
    ) -> FloatArray:
        """Gradients, (c, P), from derivatives r in the predictors (c n,) and M in the roots.

        ``X' r_c`` and ``<M_c, d Lambda / d theta_j>`` of each copy.
        """
        out = np.empty(psi.shape)
        for X, row, where in zip(self.one.X, rows, self.one.beta_slices, strict=True):
            out[:, where] = np.matmul(row.reshape(len(psi), 1, -1), X)[:, 0]
        theta = psi[:, self.one.n_beta :]
        for term in self.one.terms:
            own = d_roots[term.factor][term.columns, term.columns]
            where = slice(self.one.n_beta + term.theta.start, self.one.n_beta + term.theta.stop)
            out[:, where] = _pull_back_roots(term, theta[:, term.theta], own)
        return out

    def turn(
        self, before: FloatArray, after: FloatArray, u: Sequence[FloatArray]
    ) -> list[FloatArray]:
        """Effects u with the signs that their columns of Lambda have at other parameters.

        ``u_j`` times the sign of ``sum_i Lambda_ij Lambda'_ij`` with the one before and the other.
        """
        out = []
        for old, new, effects in zip(self.roots(before), self.roots(after), u, strict=True):
            signs = np.sign(np.einsum("ijc,ijc->jc", units_of(old), units_of(new)))
            signs = np.where(signs == 0.0, 1.0, signs)
            out.append((signs[:, :, None] * by_copy(effects, len(before))).reshape(effects.shape))
        return out

    def mode_of(self, mode: Mode, k: int) -> Mode:
        """Those of one copy, from the modes of c copies."""
        n, latent = self.one.n, self.one.latent

        def pick(stack: FloatArray, m: int) -> FloatArray:
            return stack[..., k * m : (k + 1) * m]

        point, factors = mode.point, nested_factors(mode.system.factorization)
        u = [pick(part, f.m) for part, f in zip(point.u, latent.factors, strict=True)]
        sizes = {key: pair.sums.size for key, pair in latent.pairs.items()}
        lower = [pick(factors.blocks(f), latent.factors[f].m) for f in range(len(factors.lower))]
        coupling = {key: pick(block, sizes[key]) for key, block in factors.coupling.items()}
        gram = {key: pick(block, sizes[key]) for key, block in mode.system.gram.items()}
        alone = BlockElimination(latent, tuple(lower), coupling, None)
        eta = [pick(part, n) for part in point.eta]
        derivatives = point.derivatives.rows(slice(k * n, (k + 1) * n))
        energy = 0.5 * sum(float(np.vdot(part, part)) for part in u)
        energy -= float(np.add.reduce(derivatives.value))
        roots = [units_of(root)[:, :, k] for root in mode.roots]
        here = DensityPoint(u, eta, derivatives, point.order, energy, latent, u)
        return Mode(here, System(alone, gram, mode.system.observed), roots, mode.steps)


@dataclass(frozen=True, eq=False)
class Batch:
    """Responses of one design, with the same numbers of trials.

    Attributes
    ----------
    copies : Copies
    data : Observed
        Of all copies, in the fitter's order, (count n,).
    count : int
    """

    copies: Copies
    data: Observed
    count: int

    def problem(self, chosen: IntArray) -> Problem:
        """The problem of some copies."""
        stack = self.copies.stack(chosen.size)
        if chosen.size == self.count:
            return stack.with_data(self.data)
        data = self.data
        y, constant = (v.reshape(self.count, -1)[chosen].ravel() for v in (data.y, data.constant))
        size = None if data.size is None else data.size[: y.size]
        return stack.with_data(Observed(y, size, constant))

    @cached_property
    def rounding(self) -> FloatArray:
        """What the log likelihood of each copy is known to, (count,); see `Problem.rounding`.

        ``4 e sqrt(sum (w_i s_i)^2)``.
        """
        one = self.copies.one
        weights, sizes = one.weights, one.family.term_sizes(self.data).reshape(self.count, -1)
        with np.errstate(over="ignore"):
            return add_roundings(sizes if weights is None else weights * sizes)

    def alone(self, k: int) -> Problem:
        """The problem of one copy."""
        n = self.copies.one.n
        return self.copies.one.with_data(self.data.rows(slice(k * n, (k + 1) * n)))


def join_responses(data: Sequence[Observed]) -> Observed:
    """Responses of one design, one after another."""
    size = data[0].size
    return Observed(
        np.concatenate([one.y for one in data]),
        None if size is None else np.tile(size, len(data)),
        np.concatenate([one.constant for one in data]),
    )


def choose_copies(u: Sequence[FloatArray], count: int, chosen: IntArray) -> list[FloatArray]:
    """The effects of some of so many copies, (q, c m)."""
    return [by_copy(part, count)[:, chosen].reshape(len(part), -1) for part in u]


def merge_copies(
    first: BoolArray, one: Sequence[FloatArray], other: Sequence[FloatArray]
) -> list[FloatArray]:
    """Effects of the one list in some copies, and of the other in the rest."""
    out = []
    for a, b in zip(one, other, strict=True):
        chosen = np.where(first[:, None], by_copy(a, first.size), by_copy(b, first.size))
        out.append(chosen.reshape(a.shape))
    return out


def sum_copies(parts: Sequence[FloatArray], copies: int) -> FloatArray:
    """``sum_ij x_ijc`` over all entries of each copy c, (c,), of arrays (.., c m)."""
    out = np.zeros(copies)
    for part in parts:
        for row in part.reshape(-1, copies, part.shape[-1] // copies):
            out += row.sum(axis=1)
    return out


def _multiply(X: FloatArray, beta: FloatArray) -> FloatArray:
    """``X beta`` of each copy, (c, n)."""
    out: FloatArray = np.matmul(X, beta[:, :, None])[:, :, 0]
    return out


def _roots_of(term: Term, theta: FloatArray) -> FloatArray:
    """Lambda of each copy, (q, q, c)."""
    q, entries = term.covariance.q, term.covariance.entries
    if entries is None:
        return np.stack([term.covariance.root(own) for own in theta], axis=2)
    out = np.zeros((q, q, len(theta)))
    out[entries] = theta.T
    return out


def _pull_back_roots(term: Term, theta: FloatArray, d_root: FloatArray) -> FloatArray:
    """Derivatives in theta, (c, k), from those in Lambda, (q, q, c)."""
    if term.covariance.entries is not None:
        out: FloatArray = d_root[term.covariance.entries].T
        return out
    parts = zip(theta, np.moveaxis(d_root, 2, 0), strict=True)
    return np.stack([term.covariance.pull_back(own, part) for own, part in parts])


def _stack(one: Problem, count: int) -> Problem:
    latent = lay_out([_stack_factor(factor, count) for factor in one.latent.factors])
    starts = np.arange(count, dtype=np.intp)[:, None] * one.n
    return replace(
        one,
        data=one.data.tiled(count),
        weights=None if one.weights is None else np.tile(one.weights, count),
        X=(),
        offsets=(),
        latent=latent,
        order=(starts + one.order).ravel(),
    )


def _stack_factor(factor: Factor, count: int) -> Factor:
    """The same grouping factor with levels of its own in each copy."""
    if count == 1:
        return factor
    starts = np.arange(count, dtype=np.intp)[:, None] * factor.m
    tiled = [None if c.covariate is None else np.tile(c.covariate, count) for c in factor.columns]
    columns = tuple(
        Column(c.predictor, values) for c, values in zip(factor.columns, tiled, strict=True)
    )
    return Factor(Summation((starts + factor.sums.index).ravel(), count * factor.m), columns)
