"""Optimism of the conditional log-likelihood: how much fitting gains on the data fitted.

With the random effects of the data kept, it is the expectation of
``log f(y | fit(y)) - E log f(y* | fit(y))`` over y and an independent y* with the same random
effects. Each row's share is estimated by replacing that row's response alone:

- Poisson, the identity of Chen and Stein, ``y_i {vartheta_i(y) - vartheta_i(y - e_i)}``
  (vartheta the log mean), unbiased whatever the fit;
- otherwise ``sum_k p_k { l(k; zeta(k)) - sum_j p_j l(j; zeta(k)) }``, zeta(k) the predictors of
  the row after a fit to k in the place of its response. It counts a dispersion by itself. With p
  the true distribution of the row it is unbiased, for the other rows know nothing of k; p is
  averaged over what the other rows say of its predictors; with a zero part the bias that
  uncertain coefficients leave is taken out. For binomial responses the fitted
  distribution gives Efron's (2004) estimator; at the modes of groups that differ much it is too
  wide, and averaged over the random effects given the data it is not. The difference is kept
  apart, for Efron's is what is published.

To first order in the replacement both are ``sum_k p_k l'(k) dzeta(k)``, p as fitted: for a
Poisson or binomial response ``V d vartheta / d y``. V of a binomial one is averaged over the
random effects given the data, since it is concave around one half.

References
----------
Efron (2004), JASA 99, 619-632; Saefken, Kneib, van Waveren & Greven (2014), Electronic Journal
of Statistics 8, 201-225; Lian (2012), Statistics & Probability Letters 82, 2109-2112.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.errors import ConvergenceError
from mixcheck.families.responses import Observed
from mixcheck.fitting.influence.case_refits import (
    Perturbed,
    find_predictors,
    refit_row,
    refit_rows,
)
from mixcheck.fitting.influence.covariance_penalties import chen_stein, grid_excess, grid_weights
from mixcheck.fitting.influence.effective_df import split_degrees
from mixcheck.fitting.influence.leave_one_out import (
    at_estimates,
    find_posterior,
    leave_out,
    normal_points,
)
from mixcheck.fitting.influence.sensitivity import Sensitivity, differentiate_in_data
from mixcheck.fitting.influence.vanishing_parameters import bend
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.predictive.response_distribution import ResponseDistribution
from mixcheck.fitting.predictive.response_grid import Nodes, place_nodes
from mixcheck.port import Optimism, PerturbationMethod

__all__ = ["OneAtATime", "plan_perturbations"]

# Families whose log density is linear in the response, with a known dispersion.
# What the average over the random effects adds to their degrees of freedom by derivatives.
_AVERAGED = "spread of the random effects"
# No single step is predicted to change the deviance by more than half the square of this: the
# response to an unlikely value is not linear.
_LONGEST = 3.0
_NOT_CONVERGED = "the refit did not converge"
# Refits that are made together have at most so many rows: a column of them stays in the
# processor's cache. Beyond so many nothing is gained.
_TOGETHER_ROWS = 16_384
_TOGETHER = 100


@dataclass(frozen=True, eq=False)
class _Trials:
    """Responses to try in the place of each row's own.

    Attributes
    ----------
    targets : tuple of T Observed
    tried : (T, n)
        Which of them differ from the observed response and are wanted.
    nodes : Nodes or None
        None for the difference to one count less or more.
    distribution : ResponseDistribution or None
        What the responses are averaged over; None without nodes.
    averaged : ResponseDistribution or None
        The same averaged over the random effects, where `distribution` is not: for binomial
        responses.
    narrow : ResponseDistribution or None
        `distribution` without the uncertainty of coefficients; with a zero part.
    """

    targets: tuple[Observed, ...]
    tried: BoolArray
    nodes: Nodes | None
    distribution: ResponseDistribution | None
    averaged: ResponseDistribution | None = None
    narrow: ResponseDistribution | None = None


@dataclass(frozen=True, eq=False)
class OneAtATime:
    """All replacements of one response of a fit; meets `mixcheck.port.Perturbations`.

    Attributes
    ----------
    how : {"analytic", "one-step", "refit"}
    perturbed : Perturbed
    sensitivity : Sensitivity
        To the responses of `trials`.
    trials : _Trials
    counts : (n,)
        Number of observations that each row stands for.
    jobs : (J, 2) int
        Trial and row of each refit; equal refits of equal rows are made once.
    job_of : (R,) int
        Refit of each of the R replacements.
    shares : mapping of str to float
        Degrees of freedom to first order, by term.
    """

    how: PerturbationMethod
    perturbed: Perturbed
    sensitivity: Sensitivity
    trials: _Trials
    counts: FloatArray
    jobs: IntArray
    job_of: IntArray
    shares: dict[str, float]

    @property
    def size(self) -> int:
        """Number of refits."""
        return len(self.jobs) if self.how == "refit" else 0

    def __call__(self, k: int) -> FloatArray | str:
        """Predictors of a row, (K,), after refit `k`; a reason where it failed."""
        t, row = self.jobs[k].tolist()
        target = self.trials.targets[t].rows(slice(row, row + 1))
        effects = self.sensitivity.effects[:, :, row]
        eta = refit_row(self.perturbed, row, target, self._psi(t)[:, row], effects)
        return _NOT_CONVERGED if eta is None else eta

    @property
    def together(self) -> int:
        """How many refits are best made together."""
        if self.how != "refit" or self.perturbed.stacked is None:
            return 1
        return max(1, min(_TOGETHER, _TOGETHER_ROWS // max(1, self.perturbed.problem.n)))

    def batch(self, numbers: range) -> list[FloatArray | str]:
        """The results of some refits, made together."""
        jobs = self.jobs[numbers.start : numbers.stop]
        psi = np.empty((self.perturbed.evaluation.psi.size, len(jobs)))
        for t in np.unique(jobs[:, 0]).tolist():
            own = jobs[:, 0] == t
            psi[:, own] = self._psi(t)[:, jobs[own, 1]]
        targets = [self.trials.targets[t].rows(slice(row, row + 1)) for t, row in jobs.tolist()]
        effects = self.sensitivity.effects[:, :, jobs[:, 1]]
        found = refit_rows(self.perturbed, jobs[:, 1], targets, psi, effects)
        return [_NOT_CONVERGED if eta is None else eta for eta in found]

    def _psi(self, t: int) -> FloatArray:
        """First-order estimates after each replacement of trial t, (P, n); long steps shortened.

        ``psi + min(1, c / |d|) d`` with ``|d|^2 = d' D'' d``.
        """
        moves = self.sensitivity.moves[t]
        squared = np.einsum("pn,pq,qn->n", moves, self.sensitivity.hessian, moves)
        length = np.sqrt(np.maximum(squared, 0.0))
        problem = self.perturbed.problem
        bounded = moves * np.minimum(1.0, _LONGEST / np.maximum(length, _LONGEST))
        for X, where, end in zip(problem.X, problem.beta_slices, problem.family.ends, strict=True):
            if end:
                bounded[where] *= _bending(X, bounded[where], end)
        out: FloatArray = self.perturbed.evaluation.psi[:, None] + bounded
        return out

    def collect(self, results: Sequence[FloatArray | str]) -> Optimism:
        """The optimism, from the results of all refits in their order."""
        linear = sum(self.shares.values())
        if self.how == "analytic":
            return Optimism(linear, self.shares)
        zeta, failed = self._predictors(results)
        problem, eta = self.perturbed.problem, np.stack(self.perturbed.mode.point.eta)
        t, rows = np.nonzero(self.trials.tried)
        changes = np.zeros((len(self.trials.targets), *eta.shape))
        changes[t, :, rows] = zeta - eta[:, rows].T
        nodes, distribution = self.trials.nodes, self.trials.distribution
        if nodes is None or distribution is None:
            excess = chen_stein(problem, eta, changes[0])
        else:
            excess = grid_excess(self.perturbed, distribution, nodes, changes)
            if self.trials.narrow is not None:
                excess = 2.0 * grid_excess(self.perturbed, self.trials.narrow, nodes, changes) - (
                    excess
                )
        total = float(self.counts @ excess)
        by_term = {**self.shares, "finite change": total - linear}
        if nodes is not None and self.trials.averaged is not None:
            spread = grid_excess(self.perturbed, self.trials.averaged, nodes, changes) - excess
            by_term[_AVERAGED] = float(self.counts @ spread)
        return Optimism(sum(by_term.values()), by_term, _note_failures(failed, t.size))

    def _predictors(self, results: Sequence[FloatArray | str]) -> tuple[FloatArray, int]:
        """Predictors after each replacement, (R, K), and how many have those of one step only."""
        t, rows = np.nonzero(self.trials.tried)
        zeta = np.full((t.size, len(self.perturbed.problem.X)), np.nan)
        for k, job in enumerate(self.job_of.tolist() if self.how == "refit" else ()):
            result = results[job]
            if not isinstance(result, str):
                zeta[k] = result
        missing = np.isnan(zeta[:, 0])
        for trial in np.unique(t[missing]).tolist():
            places = np.flatnonzero(missing & (t == trial))
            target = self.trials.targets[trial].rows(rows[places])
            psi = self._psi(trial)[:, rows[places]]
            zeta[places] = find_predictors(self.perturbed, rows[places], target, psi).T
        if np.isnan(zeta).any():
            raise ConvergenceError(
                f"no conditional modes were found for {int(np.isnan(zeta[:, 0]).sum())} of "
                f"{t.size} replaced responses; the model may be close to a boundary: see "
                'fit.convergence, or write method="analytic"'
            )
        return zeta, int(missing.sum()) if self.how == "refit" else 0


def _bending(X: FloatArray, moves: FloatArray, end: int) -> FloatArray:
    """By how much steps (p, n) of a predictor's coefficients grow or shrink, (n,).

    A step to first order is one in the relative change of what comes to an end, ``c = -end d`` for
    ``d = x' dbeta``: the predictor moves by ``-end log(1 + c)``, whose ratio to d this is.
    """
    own = np.einsum("np,pn->n", X, moves)
    bent = bend(_first_order(own[None], (end,)), (end,))[0]
    factor: FloatArray = np.where(own != 0.0, bent / np.where(own != 0.0, own, 1.0), 1.0)
    return factor


def _first_order(changes: FloatArray, ends: Sequence[int]) -> FloatArray:
    """``-end d`` for changes d of predictors, (K, n): small relative changes of what ends.

    What has no end keeps its d.
    """
    sign = np.array([-end if end else 1 for end in ends], dtype=np.float64)
    out: FloatArray = sign[:, None] * changes
    return out


def _note_failures(failed: int, total: int) -> tuple[str, ...]:
    if not failed:
        return ()
    return (
        f"{failed} of {total} refits did not converge; for those the value of "
        'method="one-step" was taken.',
    )


def plan_perturbations(
    perturbed: Perturbed, how: PerturbationMethod, counts: FloatArray
) -> OneAtATime:
    """Decide which responses to try in the place of each row's own.

    Parameters
    ----------
    perturbed : Perturbed
        Its metric is replaced by that of the sensitivity.
    how : {"analytic", "one-step", "refit"}
    counts : (n,)
        Number of observations that each row stands for; rows of zero are not perturbed.
    """
    problem = perturbed.problem
    linear = problem.family.canonical_link is not None
    unit = _unit_trials(problem, counts > 0.0) if linear else None
    if unit is not None and how == "analytic":
        trials = unit
    else:
        narrow = None
        if linear or how == "analytic":
            distribution = _fitted_distribution(perturbed)
        else:
            distribution, narrow = _distributions_of_rows(perturbed)
        trials = replace(_choose(perturbed, distribution, counts > 0.0), narrow=narrow)
        if trials.nodes is not None and linear:
            trials = replace(trials, averaged=_averaged_distribution(perturbed))
    targets = list(trials.targets)
    if unit is not None and unit is not trials:
        targets.append(unit.targets[0])
    everything = _differentiate(perturbed, targets)
    if unit is None:
        slope = _slope_on_grid(perturbed, trials, counts, everything)
    else:
        slope = _slope_of_units(perturbed, unit, counts, everything.select(slice(-1, None)))
    jobs, job_of = _unique_jobs(problem, trials) if how == "refit" else _no_jobs()
    free = np.arange(perturbed.evaluation.psi.size)
    shares = split_degrees(problem, perturbed.mode, lambda places: float(np.sum(slope(places))))
    if how == "analytic" and linear and problem.family.takes_trials:
        shares[_AVERAGED] = float(_variance_gain(perturbed, everything) @ slope(free))
    return OneAtATime(
        how=how,
        perturbed=replace(perturbed, metric=everything.metric(free)),
        sensitivity=everything.select(slice(len(trials.targets))),
        trials=trials,
        counts=counts,
        jobs=jobs,
        job_of=job_of,
        shares=shares,
    )


def _differentiate(perturbed: Perturbed, targets: Sequence[Observed]) -> Sensitivity:
    return differentiate_in_data(
        perturbed.problem, perturbed.method, perturbed.evaluation, perturbed.scale, targets
    )


def _fitted_distribution(perturbed: Perturbed) -> ResponseDistribution:
    """Each response as fitted, ``f(y; eta_hat)``."""
    problem, eta = perturbed.problem, np.stack(perturbed.mode.point.eta)
    return ResponseDistribution(problem.family, np.ones(1), eta[None], problem.data.size)


def _averaged_distribution(perturbed: Perturbed) -> ResponseDistribution:
    """Each response averaged over the random effects given the data, ``sum_q w_q f(y; eta_q)``.

    eta_q are the points of ``N(mode - M v / 2, m' H^-1 m)``; see `at_estimates`.
    """
    problem, mode = perturbed.problem, perturbed.mode
    posterior = find_posterior(problem, mode, _differentiate(perturbed, ()))
    weights, eta = normal_points(*at_estimates(posterior))
    return ResponseDistribution(problem.family, weights, eta, problem.data.size)


def _distributions_of_rows(
    perturbed: Perturbed,
) -> tuple[ResponseDistribution, ResponseDistribution | None]:
    """Each response as the other rows predict it, ``sum_q w_q f(y; eta_q)``.

    eta_q are the points of a normal distribution without the row; see `leave_out`. With a zero
    part there is a second, without the uncertainty of the coefficients, those of a dispersion
    kept: the optimism Q at estimates of the others has the expectation ``Q + tr(Q'' C) / 2``, and
    averaged over the uncertainty of coefficients twice that excess, so that
    ``2 Q_narrow - Q_wide`` has none.
    """
    problem, mode = perturbed.problem, perturbed.mode
    sensitivity = _differentiate(perturbed, ())
    wide = find_posterior(problem, mode, sensitivity)
    centre, root = leave_out(wide, mode.point.derivatives)
    distribution = _spread_around(perturbed, centre, root)
    if "zi" not in problem.family.predictors:
        return distribution, None
    slices = zip(problem.family.predictors, problem.beta_slices, strict=True)
    kept = [np.arange(w.start, w.stop) for name, w in slices if name in problem.family.spread]
    some = np.concatenate([np.zeros(0, dtype=np.intp), *kept])
    narrow = find_posterior(problem, mode, sensitivity, some)
    _, root = leave_out(narrow, mode.point.derivatives)
    return distribution, _spread_around(perturbed, centre, root)


def _spread_around(
    perturbed: Perturbed, centre: FloatArray, root: FloatArray
) -> ResponseDistribution:
    """Each response averaged over a normal distribution of its predictors."""
    problem, mode = perturbed.problem, perturbed.mode
    weights, eta = normal_points(centre, root)
    fitted, ends = np.stack(mode.point.eta), problem.family.ends
    # Of what comes to an end, the normal law is that of its relative change.
    moved = [bend(_first_order(predictor - fitted, ends), ends) for predictor in eta]
    return ResponseDistribution(
        problem.family, weights, fitted + np.stack(moved), problem.data.size
    )


def _variance_gain(perturbed: Perturbed, sensitivity: Sensitivity) -> FloatArray:
    """``E Var(y | b) / Var(y | b_hat) - 1``, the expectation over b given the data, (n,)."""
    problem, mode = perturbed.problem, perturbed.mode
    family, size = problem.family, problem.data.size
    fitted = family.variance(tuple(mode.point.eta), size)
    weights, eta = normal_points(*at_estimates(find_posterior(problem, mode, sensitivity)))
    average = weights @ np.stack([family.variance(tuple(e), size) for e in eta])
    # A variance of zero has no average but itself.
    gain: FloatArray = np.where(fitted > 0.0, average / np.where(fitted > 0.0, fitted, 1.0), 1.0)
    return gain - 1.0


def _unit_trials(problem: Problem, wanted: BoolArray) -> _Trials:
    """One more, or one less where one more is not possible."""
    y, size = problem.data.y, problem.data.size
    other = y + 1.0 if size is None else np.where(y < size, y + 1.0, y - 1.0)
    return _Trials((problem.family.prepare(other, size),), wanted[None], None, None)


def _choose(perturbed: Perturbed, distribution: ResponseDistribution, wanted: BoolArray) -> _Trials:
    problem = perturbed.problem
    y, size, family = problem.data.y, problem.data.size, problem.family
    if family.canonical_link and family.is_count:
        less = family.prepare(np.maximum(y - 1.0, 0.0))
        return _Trials((less,), (wanted & (y > 0.0))[None], None, None)
    nodes = place_nodes(distribution, y)
    tried = nodes.valid & (nodes.y != y) & wanted
    used = tried.any(axis=1)
    targets = [
        family.prepare(np.where(at, row, y), size)
        for row, at in zip(nodes.y[used], tried[used], strict=True)
    ]
    # A node that no row has to be refitted at is still a value to interpolate between.
    full = [targets.pop(0) if keep else problem.data for keep in used.tolist()]
    return _Trials(tuple(full), tried, nodes, distribution)


def _slope_of_units(
    perturbed: Perturbed, unit: _Trials, counts: FloatArray, only: Sensitivity
) -> Callable[[IntArray], FloatArray]:
    """``V d vartheta / d y`` of each row where only some parameters are estimated, (n,)."""
    problem, eta = perturbed.problem, tuple(perturbed.mode.point.eta)
    variance = problem.family.variance(eta, problem.data.size)
    # The score moves by step times the derivative of the natural parameter.
    step = unit.targets[0].y - problem.data.y
    weight = np.ones(problem.n) if problem.weights is None else problem.weights
    natural = only.scores[0, 0] / np.where(weight > 0.0, weight * step, 1.0)
    factor = counts * variance * natural / step
    return lambda free: factor * only.move_predictors(free)[0, 0]


def _slope_on_grid(
    perturbed: Perturbed, trials: _Trials, counts: FloatArray, sensitivity: Sensitivity
) -> Callable[[IntArray], FloatArray]:
    """``sum_k p_k l'(k) dzeta(k)`` of each row where only some parameters are estimated, (n,)."""
    nodes = trials.nodes
    assert nodes is not None
    weights = counts * grid_weights(perturbed, _fitted_distribution(perturbed), nodes)
    return lambda free: np.einsum("tkn,tkn->n", weights, sensitivity.move_predictors(free))


def _no_jobs() -> tuple[IntArray, IntArray]:
    return np.zeros((0, 2), dtype=np.intp), np.zeros(0, dtype=np.intp)


def _unique_jobs(problem: Problem, trials: _Trials) -> tuple[IntArray, IntArray]:
    """Refits that differ, (J, 2), and which of them each replacement is, (R,).

    Rows of one group with the same design, response and replacement have the same refit.
    """
    t, rows = np.nonzero(trials.tried)
    keyed = problem.contents().iloc[rows]
    keyed["target"] = np.stack([target.y for target in trials.targets])[t, rows]
    keys = pd.util.hash_pandas_object(keyed, index=False).to_numpy()
    _, first, job_of = np.unique(keys, return_index=True, return_inverse=True)
    jobs = np.stack([t[first], rows[first]], axis=1)
    return jobs.astype(np.intp), job_of.reshape(-1).astype(np.intp)
