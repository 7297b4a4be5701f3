"""Groups that determine the responses: a random intercept whose variance has no finite estimate.

Where within every group all responses are at one end of their support, some groups at the
lower and some at the upper one, the likelihood grows with the standard deviation of the random
intercept: as all of ``eta = X beta + sd u`` goes to infinity, the probability of a group tends
to that of the sign of its intercept, and the likelihood to that of a probit regression of the
groups. For groups of two or more it is the supremum, since ``E p^n < E p``.

Laplace's approximation does not see it: it has maxima far from the centre, where the estimate
of the intercept looks significant. So the limit is reported in place of a search: the standard
deviation is a number that stands for infinity, and the fixed effects are that of the probit
regression times it. The log-likelihood is that of the limit, also where REML or PQL was asked
for, whose own criteria have none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.likelihood.mode import find_mode
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.term import Term

__all__ = [
    "INFINITE",
    "Sides",
    "determined_terms",
    "estimate_determined",
    "is_constant_in",
    "is_intercept",
    "level_sides",
    "may_be_wide",
    "mostly_determined",
    "wide_terms",
]

# Standard deviations of a random effect beyond which a group determines its responses all but
# exactly, in units of the link: where a step of one deviation takes a mean of one half to
# within 5e-5 of its end.
_WIDE = {"logit": 10.0, "probit": 3.9, "cloglog": 10.0}
INFINITE = 1e3
"""What stands for an infinite standard deviation."""
# Where as many of the levels have all their responses at one end, they may be.
_MOSTLY = 0.75
_STEPS = 100
_FIRST_ROWS = 1000


def _two_ended(problem: Problem, k: int) -> str | None:
    """The link of predictor k, if its mean has two ends at infinity."""
    name = problem.family.links[k].name
    return name if name in _WIDE and problem.family.two_ended[k] else None


def _unbounded(problem: Problem) -> list[Term]:
    """Random terms of means with two ends whose deviation no prior keeps finite."""
    known = problem.penalty
    return [
        term
        for number, term in enumerate(problem.terms)
        if _two_ended(problem, term.predictor) and not (known and known.bounds_term(number))
    ]


def determined_terms(problem: Problem) -> tuple[Term, ...]:
    """Random intercepts whose every level has responses at one end, but not all at the same."""
    intercepts = [t for t in _unbounded(problem) if is_intercept(t)]
    if not intercepts:
        return ()
    ways = problem.recession
    counted = _counted(problem)
    return tuple(t for t in intercepts if _is_determined(problem, t, ways[t.predictor], counted))


def _counted(problem: Problem) -> BoolArray:
    if problem.weights is None:
        return np.ones(problem.n, dtype=np.bool_)
    return problem.weights > 0.0


def is_intercept(term: Term) -> bool:
    """Whether a random term is an intercept of every row, its levels being independent."""
    return not term.tied and term.block.is_intercept


def _levels(problem: Problem, term: Term) -> IntArray:
    return problem.latent.factors[term.factor].sums.index


def _is_determined(problem: Problem, term: Term, way: IntArray, counted: BoolArray) -> bool:
    codes = _levels(problem, term)
    # Most data show in their first rows already that they are not.
    for some in (slice(_FIRST_ROWS), slice(None)):
        rows = counted[some] & (np.abs(way[some]) <= 1)
        side, level = way[some][rows], codes[some][rows]
        if (side == 0).any():
            return False
        total, size = np.bincount(level, side), np.bincount(level)
        if not (np.abs(total) == size).all():
            return False
    return bool((size > 1).any()) and total.min() < 0.0 < total.max()


@dataclass(frozen=True)
class Sides:
    """At which ends of their support the levels of a random intercept have their responses.

    Attributes
    ----------
    mixed : bool
        Whether some level has responses at both ends, or inside.
    several : bool
        Whether some level has more than one response.
    low, high : bool
        Whether some level is at the lower, or at the upper end.
    """

    mixed: bool
    several: bool
    low: bool
    high: bool

    def __or__(self, other: Sides) -> Sides:
        return Sides(
            self.mixed | other.mixed,
            self.several | other.several,
            self.low | other.low,
            self.high | other.high,
        )

    @property
    def determined(self) -> bool:
        """Whether the groups determine the responses."""
        return not self.mixed and self.several and self.low and self.high


def level_sides(problem: Problem) -> dict[int, Sides]:
    """The sides of each random intercept that could determine responses, by the number of its term.

    Those of rows in parts, with the levels within parts, are joined by ``|``.
    """
    out, counted = {}, _counted(problem)
    possible = _unbounded(problem)
    for number, term in enumerate(problem.terms):
        if any(term is other for other in possible) and is_intercept(term):
            way = problem.recession[term.predictor]
            rows = counted & (np.abs(way) <= 1)
            side, codes = way[rows], _levels(problem, term)[rows]
            total, size = np.bincount(codes, side), np.bincount(codes)
            mixed = bool((side == 0).any()) or not bool((np.abs(total) == size).all())
            low, high = total.min(initial=0.0) < 0.0, total.max(initial=0.0) > 0.0
            out[number] = Sides(mixed, bool((size > 1).any()), bool(low), bool(high))
    return out


def mostly_determined(problem: Problem) -> bool:
    """Whether most levels of some random intercept have responses at one end, at either of them.

    Their deviation may then be so large that no approximation around modes sees it.
    """
    counted = _counted(problem)
    for term in _unbounded(problem):
        if is_intercept(term):
            way = problem.recession[term.predictor]
            rows = counted & (np.abs(way) <= 1)
            codes = _levels(problem, term)[rows]
            total, size = np.bincount(codes, way[rows]), np.bincount(codes)
            alike = (np.abs(total) == size) & (size > 0)
            if alike.sum() >= _MOSTLY * np.count_nonzero(size) and total.min() < 0.0 < total.max():
                return bool(size.max() > 1)
    return False


def is_constant_in(problem: Problem, term: Term) -> BoolArray:
    """Which columns of the term's predictor do not vary within its levels, (p,)."""
    X, codes = problem.X[term.predictor], _levels(problem, term)
    first = np.zeros(problem.latent.factors[term.factor].m, dtype=np.intp)
    first[codes[::-1]] = np.arange(problem.n)[::-1]
    constant: BoolArray = (X[first[codes]] == X).all(axis=0)
    return constant


def may_be_wide(problem: Problem) -> bool:
    """Whether some random term could all but determine the responses of its levels."""
    return bool(_unbounded(problem))


def wide_terms(problem: Problem, optimum: Optimum) -> tuple[Term, ...]:
    """Random terms whose deviation is so large that levels all but determine the responses."""
    out = []
    for term in _unbounded(problem):
        link = _two_ended(problem, term.predictor)
        assert link is not None
        theta = optimum.psi[problem.n_beta :]
        units = term.units(theta[term.theta])
        # The mean of ``z'L L'z`` over the rows.
        square = float(np.vdot(units, term.block.mean_squares @ units))
        deviation = math.sqrt(max(square, 0.0))
        if deviation > _WIDE[link]:
            out.append(term)
    return tuple(out)


def estimate_determined(problem: Problem) -> Optimum | None:
    """The limit where the groups of the only random term determine the responses.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    Optimum or None
        Its deviance is that of the limit. None where the groups do not determine the responses,
        or the limit is not that of a probit regression of the groups.
    """
    if len(problem.terms) != 1 or not determined_terms(problem):
        return None
    term = problem.terms[0]
    if term.predictor != 0 or any(X.shape[1] for X in problem.X[1:]):
        return None
    way = problem.recession[0]
    counted = _counted(problem)
    codes = _levels(problem, term)
    groups, rows = np.unique(np.where(counted, codes, -1), return_index=True)
    rows = rows[groups >= 0]
    level = is_constant_in(problem, term)
    ratio = np.zeros(level.size)
    ratio[level], value = _probit(problem.X[0][rows][:, level], way[rows].astype(np.float64))
    psi = INFINITE * np.concatenate([ratio, np.ones(1)])
    base, roots = problem.fixed(psi), problem.roots(psi[problem.n_beta :])
    # Close to the modes: every group a few units beyond the edge.
    wanted = np.zeros(problem.latent.factors[term.factor].m)
    wanted[codes[rows]] = (15.0 * way[rows] - base[0][rows]) / INFINITE
    mode = find_mode(problem, base, roots, [wanted[None, :]])
    if mode is None:
        return None
    size = psi.size
    return Optimum(
        psi=psi,
        evaluation=Evaluation(psi, -2.0 * value, np.zeros(size), mode),
        scale=np.eye(size),
        gradient=0.0,
        hessian=np.zeros((size, size)),
        smallest_eigenvalue=0.0,
        evaluations=1,
        flat=size,
    )


def _probit(X: FloatArray, side: FloatArray) -> tuple[FloatArray, float]:
    """Probit regression of signs s by Newton's method: coefficients and log-likelihood.

    With ``eta_i = s_i x_i' beta`` and ``lambda = phi(eta) / Phi(eta)``, the log-likelihood is
    ``sum log Phi(eta_i)``, its gradient ``X' (s lambda)`` and minus its Hessian
    ``X' diag(lambda (lambda + eta)) X``.
    """
    beta = np.zeros(X.shape[1])
    value = float(log_ndtr(side * (X @ beta)).sum())
    for _ in range(_STEPS if X.shape[1] else 0):
        eta = side * (X @ beta)
        ratio = np.exp(-0.5 * eta * eta - 0.5 * np.log(2.0 * np.pi) - log_ndtr(eta))
        weight = ratio * (ratio + eta)
        step = np.linalg.lstsq((X * weight[:, None]).T @ X, X.T @ (side * ratio), rcond=None)[0]
        length = 1.0
        while length > 1e-8:
            after = float(log_ndtr(side * (X @ (beta + length * step))).sum())
            if after >= value:
                break
            length *= 0.5
        gain, beta, value = after - value, beta + length * step, max(after, value)
        if gain < 1e-13 * (1.0 + abs(value)):
            break
    return beta, value
