"""Tails: where a search follows a part of the model to its limit, exponentially slowly.

Where the data show no variation beyond the mean's part, no heavier tails than the normal, or no
zeros beyond the counts, the deviance falls towards that of the simpler family. In the variance that
is left, ``x = exp(-t)`` with t the predictor of the part in the direction of its limit,

``D(x) = D(0) + c x + O(x^2)``,   ``dD/dt = -c x``,   ``c > 0``,

so that a search in t gains no more than ``c x``, takes a step of about one unit of t with each
evaluation, and goes on until rounding ends it: dozens of evaluations at each start. A few units out
the slope tells what is left, and the smaller problem without the part tells the rest.

Whether the limit is an optimum is seen from there: ``c > 0`` close to it (`is_limit`).

An optimum may lie far out, too, where ``c < 0``. A search measures its curvature in units of the
start, in which a dispersion may be known a thousand times better, so that it looks like none
(`measure_anew`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.estimation.optimum import RUNAWAY, Optimum
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem

__all__ = [
    "FAR",
    "Tails",
    "find_tails",
    "in_units",
    "is_limit",
    "measure_anew",
    "simplifying",
    "way_back",
]

FAR = 6.0
"""Predictors of a dispersion or a zero part beyond this may be on their way to infinity."""
# A search at rest beyond this, where no data tell a variance from none, has a limit.
_LOST = 14.0
# On a tail no more is left to gain than this along it, and than this in all other parameters.
_LEFT = 0.05
_ELSEWHERE = 0.01
# Over a step of at least this the slope falls like the exponential of one of these times the step.
_STEP = 0.5
_RATE = (0.8, 1.25)
# A column of ones is a combination of others if it is to this.
_ONES = 1e-8
# A limit is looked at where the slope is about this, and so much further out.
_SEEN = 1e-4
_APART = 4.0
# What a deviance at a limit may be above that next to it, by rounding alone.
_ROUNDING = 2e-6
# A part has no more to gain than rounding where the deviance bends by less over one unit of it.
_NOTHING_LEFT = 1e-5
# Deviations of random effects beside which the distance of a part from its limit still counts.
_DEVIATION = 0.5
# A direction is that of the coefficients which it moves by this share of their units.
_SHARE = 0.5


def simplifying(problem: Problem) -> list[int]:
    """Predictors other than the mean's that may come to an end: no random effects, no priors."""
    family, random = problem.family, {term.predictor for term in problem.terms}
    known = problem.penalty
    return [
        k
        for k, name in enumerate(family.predictors)
        if k
        and k not in random
        and (name not in family.shapes or family.ends[k])
        and not (known and known.bounds(k, problem.X[k].shape[1]).any())
    ]


def in_units(problem: Problem, eta: list[FloatArray]) -> list[FloatArray]:
    """Predictors with the logarithm of a deviation in the unit of the responses.

    ``eta - log(unit)`` for a dispersion, and eta for the others.
    """
    unit = float(np.log(problem.family.response_scale(problem.data.y)))
    names = problem.family.predictors
    return [e - unit if name == "dispersion" else e for name, e in zip(names, eta, strict=True)]


@dataclass(frozen=True, eq=False)
class Tails:
    """The parts of a problem that a search may follow to their limit.

    Attributes
    ----------
    problem : Problem
    along : mapping from int to (p,)
        For each part the change of its coefficients that moves all rows by one towards the limit.
    """

    problem: Problem
    along: dict[int, FloatArray]

    def holds(self, before: Evaluation | None, at: Evaluation, scale: FloatArray) -> bool:
        """Whether what a search has left is to follow parts to their limits.

        On its way to an optimum that lies so far out, the slope falls faster than a variance.

        Parameters
        ----------
        before, at : Evaluation
            Where the search was, and is; None before a search that is at rest.
        scale : (P, P')
            That makes the Hessian of the deviance all but the identity.
        """
        if before is None:
            return any(self._distance(k, at) > _LOST for k in self.along)
        tails = [k for k in self.along if self._is_tail(k, before, at)]
        if not tails:
            return False
        rest = at.gradient.copy()
        for k in tails:
            rest[self.problem.beta_slices[k]] = 0.0
        left = scale.T @ rest
        return 0.5 * float(left @ left) < _ELSEWHERE

    def _is_tail(self, k: int, before: Evaluation, at: Evaluation) -> bool:
        """Whether the slope of part k falls with the variance that is left, to hardly any."""
        slope, out = self._slope(k, at), self._distance(k, at)
        if not (out > FAR and -_LEFT < slope < 0.0):
            return False
        step, earlier = out - self._distance(k, before), self._slope(k, before)
        return step > _STEP and slope / earlier > 0.0 and _falls(slope / earlier, step)

    def reached(self, at: Evaluation) -> list[int]:
        """The parts on whose tail a search has stopped."""
        return [k for k in self.along if self._distance(k, at) > FAR]

    def way_back(self, k: int, at: Evaluation) -> float:
        """How far part k may come back so that its tail is still one, and its slope is seen."""
        gone = float(np.log(_SEEN / max(abs(self._slope(k, at)), 1e-300)))
        return float(np.clip(gone, 0.0, max(self._distance(k, at) - FAR, 0.0)))

    def _slope(self, k: int, at: Evaluation) -> float:
        """Derivative of the deviance as part k goes out."""
        return float(at.gradient[self.problem.beta_slices[k]] @ self.along[k])

    def _distance(self, k: int, at: Evaluation) -> float:
        """How far the rows of part k are out, the nearest of them."""
        problem = self.problem
        eta = in_units(problem, problem.fixed(at.psi))[k]
        return float((problem.family.simplest[k] * eta).min())


def find_tails(problem: Problem) -> Tails | None:
    """The parts that may be followed to a limit; None where there are none."""
    along: dict[int, FloatArray] = {}
    for k in simplifying(problem):
        X, end = problem.X[k], problem.family.simplest[k]
        if not X.shape[1] or end == 0:
            continue
        ones = np.linalg.lstsq(X, np.ones(problem.n), rcond=None)[0].astype(np.float64)
        if np.abs(X @ ones - 1.0).max() < _ONES:
            along[k] = end * ones
    return Tails(problem, along) if along else None


def is_limit(
    evaluate: Callable[[FloatArray], Evaluation],
    tails: Tails,
    k: int,
    psi: FloatArray,
    stopped: Evaluation,
    lowest: float,
) -> bool:
    """Whether the deviance rises as part k comes back from its limit, in proportion to its x.

    Parameters
    ----------
    evaluate : callable
        The deviance with its gradient at parameters of the whole problem.
    tails : Tails
    k : int
    psi : (P,)
        All parameters at the limit.
    stopped : Evaluation
        On the tail of the part.
    lowest : float
        The deviance at the limit.
    """
    where, along = tails.problem.beta_slices[k], tails.along[k]
    back, slopes = tails.way_back(k, stopped), []
    for further in (-back, _APART - back):
        out = psi.copy()
        out[where] = stopped.psi[where] + further * along
        at = evaluate(out)
        slopes.append(float(at.gradient[where] @ along))
        if not (slopes[-1] < 0.0 and at.deviance > lowest - _ROUNDING):
            return False
    return _falls(slopes[1] / slopes[0], _APART)


def _falls(share: float, step: float) -> bool:
    """Whether a slope falls to this share over a step as a variance does."""
    rate = -float(np.log(share)) / step
    return _RATE[0] < rate < _RATE[1]


def way_back(problem: Problem, psi: FloatArray) -> FloatArray | None:
    """Parameters, (P,), at which a part with random effects is not as far out; None if it is not.

    A search may jump to where a zero part is next to nothing, and nothing there tells whether the
    deviance falls or rises from there, nor how random effects of the part vary. A few units back,
    with deviations of one half at most, it tells.

    Parameters
    ----------
    problem : Problem
    psi : (P,)
        Where a search has come to rest.
    """
    others = {term.predictor for term in problem.terms if term.predictor}
    if not others:
        return None
    eta, out = problem.fixed(psi), psi.copy()
    gone_out = set()
    for k in others:
        X, end = problem.X[k], problem.family.simplest[k]
        gone = float((end * eta[k]).min()) - FAR
        if not end or gone < _APART or not X.shape[1]:
            continue
        ones = np.linalg.lstsq(X, np.ones(problem.n), rcond=None)[0]
        out[problem.beta_slices[k]] -= end * gone * ones
        gone_out.add(k)
    for term in problem.terms:
        if term.predictor in gone_out:
            place = slice(problem.n_beta + term.theta.start, problem.n_beta + term.theta.stop)
            size = float(np.abs(term.covariance.root(out[place])).max())
            out[place] = term.covariance.scaled(out[place], min(1.0, _DEVIATION / (size or 1.0)))
    return out if gone_out else None


def measure_anew(problem: Problem, optimum: Optimum) -> Optimum:
    """An optimum far out in a part other than the mean's, on a scale of its own curvature.

    Along a direction w of the part the deviance bends by ``b = w'Hw / rms(X w)^2`` over one unit
    of its logarithm or logit. On a tail that is what is left to gain, which is rounding where a
    search has come to rest. At an optimum it is ``2 x^2 D''(x)``, four times the log-likelihood
    above that of the limit, and the scale is made such that the curvature along w is one.

    Parameters
    ----------
    problem : Problem
    optimum : Optimum
        With its Hessian; the same comes back where no curvature is small on its scale.
    """
    whitened = None if optimum.smallest_eigenvalue >= RUNAWAY else optimum.whitened_hessian()
    if whitened is None or optimum.flat or optimum.free is not None:
        return optimum
    values, vectors = np.linalg.eigh(whitened)
    along = optimum.scale @ vectors
    units = np.sqrt(np.einsum("ij,ij->i", along, along))
    moves = np.abs(along) > _SHARE * units[:, None]
    ours = np.zeros(units.size, dtype=np.bool_)
    ours[problem.beta_slices[0].stop : problem.n_beta] = True
    moved = sum(
        np.mean((X @ along[where]) ** 2, axis=0)
        for X, where in zip(problem.X[1:], problem.beta_slices[1:], strict=True)
    )
    curved = (values > _NOTHING_LEFT * moved) & (values < RUNAWAY)
    curved &= moves[ours].any(axis=0) & ~moves[~ours].any(axis=0)
    if not curved.any():
        return optimum
    scale = along / np.sqrt(np.where(curved, values, 1.0))
    return replace(
        optimum,
        scale=scale,
        gradient=float(np.abs(scale.T @ optimum.evaluation.gradient).max()),
        smallest_eigenvalue=float(np.where(curved, 1.0, values).min()),
    )
