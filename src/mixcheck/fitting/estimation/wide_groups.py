"""The likelihood of groups that all but determine their responses, integrated exactly.

Where nearly all groups have all responses at one end, the posterior of a group's random
intercept is half of its normal prior, with an edge of unit width in the predictor and a
standard deviation of tens. No expansion around a mode describes it: Laplace's approximation
and adaptive quadrature have maxima of their own, far from that of the likelihood.

With one random intercept the likelihood of a group is an integral over one number,
``int phi(u) f(y | X beta + sd u) du``. In ``t = sd u + c``, with c the mean predictor of the
group, the density of the responses varies only for t of moderate size and is constant beyond;
so panels of Gauss-Legendre nodes between two ends, and normal probabilities of what lies outside
of them, give it to rounding, whatever the standard deviation is.

REML, PQL, profiled and importance sampling see as little of it: PQL finds deviations of two where
that of the likelihood is 25. Where most groups are alike, Laplace's approximation is asked first,
and where it tells a wide term, the likelihood itself takes the place of theirs too.

With groups of both kinds of responses the maximum is at a finite standard deviation: the
probability of such a group falls as ``1 / sd``, while that of the others grows by
``O(1 / sd)``. Without any the likelihood rises to its limit, which is computed at a standard
deviation that is infinite to rounding.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import log_ndtr

from mixcheck.arrays import FloatArray
from mixcheck.fitting.estimation.constant_groups import (
    INFINITE,
    determined_terms,
    is_constant_in,
    is_intercept,
    mostly_determined,
    wide_terms,
)
from mixcheck.fitting.estimation.estimate import estimate
from mixcheck.fitting.estimation.optimize import minimise
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.other_starts import is_optimum
from mixcheck.fitting.estimation.pql import PQL
from mixcheck.fitting.estimation.start import FixedFit
from mixcheck.fitting.likelihood.approximation import Method
from mixcheck.fitting.likelihood.importance import Importance
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.mode import Mode, find_mode
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.term import Term

__all__ = ["GroupIntegral", "integrate_alike", "integrate_wide"]

# Between these predictors the density of the responses varies; beyond it has reached its limit.
_END = 40.0
_NODES = 16
# As long as no row is farther than this from the mean predictor of its group.
_WIDEST = 30.0
# A standard deviation beside which every predictor that counts is zero.
_LIMIT = 1e9
# A standard deviation that is none, in units of a predictor with two ends.
_NOTHING = 1e-4
# A search that goes beyond it may go on for ever.
_FAR = 300.0
# Numbers that one evaluation may hold, for each predictor.
_MOST_NUMBERS = 5_000_000
# A panel of unit length must resolve the likelihood of a group.
_MOST_TRIALS = 200.0


class GroupIntegral:
    """Deviance of a model whose only random effects, but for zeros, are an intercept's.

    Parameters
    ----------
    problem : Problem
    term : Term
        The random intercept.
    mode : Mode
        Handed on by the evaluations, which need none.

    Attributes
    ----------
    along : (P,) bool
        Fixed effects beside the random intercept whose columns do not vary within groups.
    place : int
        Of its standard deviation among all parameters.
    """

    def __init__(self, problem: Problem, term: Term, mode: Mode) -> None:
        self.problem, self.term, self.mode = problem, term, mode
        factor = problem.latent.factors[term.factor]
        self.codes, self.m = factor.sums.index, factor.m
        self.sizes = np.bincount(self.codes, minlength=self.m)
        self.place = problem.n_beta + term.theta.start
        self.along = np.zeros(problem.n_beta + problem.n_theta, dtype=np.bool_)
        self.along[problem.beta_slices[term.predictor]] = is_constant_in(problem, term)
        x, w = np.polynomial.legendre.leggauss(_NODES)
        centres = np.arange(-_END, _END) + 0.5
        inner = (centres[:, None] + 0.5 * x).ravel()
        self.t = np.concatenate([[-_END - 5.0], inner, [_END + 5.0]])
        self.log_w = np.log(np.tile(0.5 * w, centres.size))

    def __call__(self, psi: FloatArray, _: Evaluation | None) -> Evaluation:
        """Minus twice the log-likelihood, and its gradient.

        Group j has ``L_j = int prod_i f(y_ij | t + w_ij) phi((t - c_j) / s) / s dt``, with the
        mean c_j of its predictors without the random effect and the differences w_ij from it. It is
        summed by Gauss-Legendre rules of 16 nodes on panels of unit length from -40 to 40; beyond,
        the densities of the responses are taken to be constant, which they are for moderate w_ij:
        effects within groups that are larger, as where they grow without end, have no value. With
        ``u = (t - c_j) / s``, and means over t given the responses, ``d log L_j / d s =
        E[u sum_i l_ij']``.
        """
        problem, k = self.problem, self.term.predictor
        sd = abs(float(psi[self.place]))
        base = problem.fixed(psi)
        centre = np.bincount(self.codes, base[k], self.m) / np.maximum(self.sizes, 1)
        within = base[k] - centre[self.codes]
        if not float(np.abs(within).max(initial=0.0)) < _WIDEST:
            return Evaluation(psi, np.inf, np.zeros_like(psi), None)
        etas = [np.broadcast_to(b, (self.t.size, problem.n)) for b in base]
        etas[k] = within + self.t[:, None]
        d = problem.derivatives_of_copies([np.ascontiguousarray(e) for e in etas], 1)
        u = (self.t[:, None] - centre) / sd
        prior = np.empty_like(u)
        prior[1:-1] = self.log_w[:, None] - 0.5 * u[1:-1] ** 2 - np.log(sd * np.sqrt(2.0 * np.pi))
        prior[0] = log_ndtr((-_END - centre) / sd)
        prior[-1] = log_ndtr((centre - _END) / sd)
        logs = prior + self._sum(d.value.reshape(-1, problem.n))
        highest = logs.max(axis=0)
        share = np.exp(logs - np.where(np.isfinite(highest), highest, 0.0))
        total = share.sum(axis=0)
        with np.errstate(divide="ignore"):
            value = float((highest + np.log(total)).sum())
        if not np.isfinite(value):
            return Evaluation(psi, np.inf, np.zeros_like(psi), None)
        share /= total
        gradient = np.zeros_like(psi)
        for j, (X, where) in enumerate(zip(problem.X, problem.beta_slices, strict=True)):
            first = d.first[j].reshape(-1, problem.n)
            gradient[where] = X.T @ np.einsum("ti,ti->i", share[:, self.codes], first)
        slope = self._sum(d.first[k].reshape(-1, problem.n))
        gradient[self.place] = np.sign(psi[self.place]) * float((share * u * slope).sum())
        return Evaluation(psi, -2.0 * value, -2.0 * gradient, self.mode)

    def _sum(self, rows: FloatArray) -> FloatArray:
        """Sums over the rows of each group, (nodes, m)."""
        out = np.zeros((rows.shape[0], self.m))
        order = np.argsort(self.codes, kind="stable")
        filled = np.flatnonzero(self.sizes)
        starts = np.concatenate([[0], np.cumsum(self.sizes[filled])[:-1]])
        out[:, filled] = np.add.reduceat(rows[:, order], starts, axis=1)
        return out


def integrate_alike(
    problem: Problem, method: Method, fixed: FixedFit | None = None
) -> Optimum | None:
    """The maximum of the likelihood, where a method that does not see wide terms was asked for.

    Parameters
    ----------
    problem : Problem
    method : Method
    fixed : FixedFit, optional
        The model without random effects, where it is fitted already.

    Returns
    -------
    Optimum or None
        None where the method may stand. Where there is no integral over one number, PQL has the
        optimum of Laplace's approximation, which tells the wide term.
    """
    if not (method.joint or isinstance(method, Importance)) or not mostly_determined(problem):
        return None
    found = estimate(problem, Laplace(), fixed)
    exact = integrate_wide(problem, found)
    if exact is None and isinstance(method, PQL) and wide_terms(problem, found):
        return found
    return exact


def integrate_wide(problem: Problem, optimum: Optimum) -> Optimum | None:
    """The maximum of the likelihood itself, where a random intercept is the wide and only one.

    Further random effects may be there whose variance is zero, and stay at it.

    Parameters
    ----------
    problem : Problem
    optimum : Optimum
        Of an approximation of the likelihood.

    Returns
    -------
    Optimum or None
        None where the approximation may stand, or the integral is not one over one number or
        too large.
    """
    mode, wide = optimum.evaluation.mode, wide_terms(problem, optimum)
    if mode is None or problem.penalty is not None or len(wide) != 1 or not is_intercept(wide[0]):
        return None
    (term,), theta = wide, optimum.psi[problem.n_beta :]
    if any(
        (np.abs(t.units(theta[t.theta])) > _NOTHING).any() for t in problem.terms if t is not term
    ):
        return None
    determined = any(t is term for t in determined_terms(problem))
    integral = GroupIntegral(problem, term, mode)
    if integral.t.size * problem.n > _MOST_NUMBERS or _trials(problem, integral) > _MOST_TRIALS:
        return None
    found = None
    if not determined:
        found = _search(integral, optimum, abs(float(optimum.psi[integral.place])), held=False)
        if found is None or not wide_terms(problem, found):
            return None
        if is_optimum(found) and abs(found.psi[integral.place]) < _FAR:
            return _with_mode(integral, found)
        if not is_constant_in(problem, term).all():
            return None
    limit = _search(integral, optimum, _LIMIT, held=True)
    if limit is None or not is_optimum(limit):
        return None
    if found is not None and found.evaluation.deviance < limit.evaluation.deviance:
        return _with_mode(integral, found) if is_optimum(found) else None
    return _with_mode(integral, _at_infinity(integral, limit))


def _search(integral: GroupIntegral, optimum: Optimum, sd: float, *, held: bool) -> Optimum | None:
    """Maximise the likelihood from a standard deviation, which may be held where it is."""
    problem, along, place = integral.problem, integral.along, integral.place
    within = problem.beta_slices[integral.term.predictor]
    start = optimum.psi.copy()
    start[along], start[place] = 0.0, sd
    units = np.sqrt(np.einsum("ij,ij->i", optimum.scale, optimum.scale))
    columns = np.sqrt(np.mean(problem.X[integral.term.predictor] ** 2, axis=0))
    units[along] = 0.3 * sd / np.maximum(columns, 1e-300)[along[within]]
    units[place] = 0.7 * sd
    # Effects of variance zero stay there.
    free = np.arange(start.size) < problem.n_beta
    free[place] = not held
    if held:
        # Beside an infinite deviation only what goes with the groups counts.
        free[within] = along[within]
        start[within] = 0.0
    masked = None if free.all() else free
    found = minimise(integral, start, np.diag(units), free=masked, rows=problem.n)
    return found if np.isfinite(found.evaluation.deviance) else None


def _trials(problem: Problem, integral: GroupIntegral) -> float:
    """The most trials, or rows, that one group has, ``max_j sum_i w_ij m_ij``."""
    size = np.ones(problem.n) if problem.data.size is None else problem.data.size
    if problem.weights is not None:
        size = size * problem.weights
    return float(np.bincount(integral.codes, size, integral.m).max())


def _at_infinity(integral: GroupIntegral, found: Optimum) -> Optimum:
    """The limit, with numbers of moderate size for what is infinite."""
    shrink = np.where(integral.along, INFINITE / _LIMIT, 1.0)
    shrink[integral.place] = INFINITE / _LIMIT
    hessian = found.hessian
    return replace(
        found,
        psi=shrink * found.psi,
        scale=shrink[:, None] * found.scale,
        hessian=None if hessian is None else hessian / np.outer(shrink, shrink),
    )


def _with_mode(integral: GroupIntegral, found: Optimum) -> Optimum | None:
    """The optimum with the conditional modes at its parameters."""
    problem, signs = integral.problem, np.ones(found.psi.size)
    signs[integral.place] = 1.0 if found.psi[integral.place] >= 0.0 else -1.0
    psi = signs * found.psi
    start = [np.zeros(f.shape) for f in problem.latent.factors]
    mode = find_mode(problem, problem.fixed(psi), problem.roots(psi[problem.n_beta :]), start)
    if mode is None:
        return None
    at, hessian = found.evaluation, found.hessian
    return replace(
        found,
        psi=psi,
        evaluation=replace(at, psi=psi, gradient=signs * at.gradient, mode=mode),
        scale=signs[:, None] * found.scale,
        hessian=None if hessian is None else signs[:, None] * hessian * signs,
        integrated=True,
    )
