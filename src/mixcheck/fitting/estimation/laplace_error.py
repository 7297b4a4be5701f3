"""How good an approximate likelihood is: the same model by something more exact.

Quadrature has no error to speak of, and needs one grouping factor. Beside it, importance sampling
around the conditional modes reaches any components of the random effects as long as its weights do
not degenerate; scramblings of its points tell how large its own error is. Where they do, the next
term of Laplace's expansion tells the leading part of what the approximation misses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError, OptionError
from mixcheck.fitting.estimation.estimate import refine
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.estimation.other_starts import is_optimum
from mixcheck.fitting.likelihood.approximation import Approximation, Method, objective_of
from mixcheck.fitting.likelihood.importance import HEAVIEST, Importance
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.laplace_series import next_term, require_series
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.quadrature import GaussHermite
from mixcheck.port import ApproximationFacts

__all__ = ["compare_with_finer", "unavailable"]

_FEWEST_DRAWS, _FIRST_DRAWS, _MOST_DRAWS = 256, 1024, 16_384
# Log densities (rows times draws) of one evaluation, some ten million a second: where there are
# more rows than this allows, fewer draws come first; and what no evaluation may take.
_FIRST_VALUES, _MOST_VALUES = 5_000_000, 2**25
# Scramblings of the points, for errors; the model is fitted again by the first.
_SCRAMBLINGS = 8
# Weights with a tail of this Pareto shape have no mean, and no number of draws is enough.
_ENDLESS = 1.0
# Shifts with a smaller standard error than this, in standard errors of the estimate, are known.
_KNOWN = 0.01
# Step, in standard errors, of the differences of the next term of the expansion.
_STEP = 0.1


class _EndlessError(ConvergenceError):
    """More draws would not help."""


def compare_with_finer(
    problem: Problem,
    method: Method,
    optimum: Optimum,
    covariance: FloatArray,
    names: Sequence[str],
) -> ApproximationFacts:
    """Fit again by quadrature or importance sampling, as fine as it takes, or expand further.

    Parameters
    ----------
    problem : Problem
    method : Method
        Of the approximate fit.
    optimum : Optimum
        Of the approximate fit.
    covariance : (P, P)
        Of its estimates.
    names : sequence of str, (P,)
        Of the parameters.
    """
    llf = optimum.evaluation.llf
    if method.kind != "full":
        return unavailable(llf, f"What {method} maximises is no marginal likelihood.")
    if not problem.terms:
        return unavailable(llf, "The model has no random effects: its likelihood is exact.")
    ruled = _by_quadrature(problem, optimum, covariance, names)
    if isinstance(ruled, ApproximationFacts):
        return ruled
    drawn = _by_importance(problem, method, optimum, covariance, names)
    if isinstance(drawn, ApproximationFacts):
        return drawn
    expanded = _by_series(problem, method, optimum, covariance, names)
    if isinstance(expanded, ApproximationFacts):
        return expanded
    return unavailable(
        llf,
        f"Quadrature does not apply: {ruled}. Nor does sampling: {drawn}. Nor is the next term of "
        f"the expansion known: {expanded}.",
    )


def unavailable(llf: float, reason: str) -> ApproximationFacts:
    """No comparison, and why, as a sentence."""
    return ApproximationFacts("", llf, np.nan, np.nan, "", reason)


def _by_quadrature(
    problem: Problem, optimum: Optimum, covariance: FloatArray, names: Sequence[str]
) -> ApproximationFacts | str:
    """The comparison, or why there is none."""
    try:
        finest = GaussHermite(settled=False)
        finest.require(problem)
        exact, quadrature = refine(problem, finest, optimum)
    except (OptionError, ConvergenceError) as error:
        return str(error)
    facts = _compared(quadrature, optimum, exact, covariance, names)
    there = objective_of(problem, quadrature)(optimum.psi, optimum.evaluation)
    return replace(facts, missed=there.llf - optimum.evaluation.llf)


def _compared(
    method: Approximation,
    optimum: Optimum,
    exact: Optimum,
    covariance: FloatArray,
    names: Sequence[str],
) -> ApproximationFacts:
    """How far the estimates move."""
    shifts = np.abs(exact.psi - optimum.psi) / _units(covariance)
    largest = int(np.argmax(shifts))
    return ApproximationFacts(
        reference=str(method),
        llf=optimum.evaluation.llf,
        reference_llf=exact.evaluation.llf,
        shift=float(shifts[largest]),
        parameter=names[largest],
    )


def _units(covariance: FloatArray) -> FloatArray:
    """Standard errors, ``C_jj^(1/2)``; infinite where there is none (a variance of zero)."""
    deviations = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return np.where(deviations > 0.0, deviations, np.inf)


def _by_importance(
    problem: Problem,
    method: Method,
    optimum: Optimum,
    covariance: FloatArray,
    names: Sequence[str],
) -> ApproximationFacts | str:
    """The comparison with four times the draws until the shift is known, or why there is none."""
    try:
        draws = _first_draws(problem, method)
    except OptionError as error:
        return str(error)
    most = max(draws.draws, min(_MOST_DRAWS, _MOST_VALUES // problem.n))
    best: ApproximationFacts | str = ""
    while True:
        try:
            found = _drawn(problem, draws, optimum, covariance, names)
            if found.shift_error <= _KNOWN:
                return found
            best = found
        except _EndlessError as error:
            return best or str(error)
        except ConvergenceError as error:
            best = best if isinstance(best, ApproximationFacts) else str(error)
        if 4 * draws.draws > most:
            return best
        draws = replace(draws, draws=4 * draws.draws)


def _by_series(
    problem: Problem,
    method: Method,
    optimum: Optimum,
    covariance: FloatArray,
    names: Sequence[str],
) -> ApproximationFacts | str:
    """The comparison with the next term c of the expansion, or why there is none.

    With V the covariance of the estimates, the maximum of the log-likelihood with it is one step
    away, ``V dc/dpsi``, and higher by ``c + (dc/dpsi)' V (dc/dpsi) / 2``.
    """
    if not isinstance(method, Laplace) or method.information != "observed" or method.restricted:
        return f"it is that of the likelihood with the observed information, and not of {method}"
    try:
        require_series(problem)
    except OptionError as error:
        return str(error)
    here = optimum.evaluation
    assert here.mode is not None
    missed = next_term(problem, here.mode)
    value = objective_of(problem, method, sloped=False)
    units = _units(covariance)
    slope = np.zeros(units.size)
    for j in np.flatnonzero(np.isfinite(units)):
        step = _STEP * units[j] * (np.arange(units.size) == j)
        modes = [value(optimum.psi + sign * step, here).mode for sign in (1.0, -1.0)]
        if modes[0] is None or modes[1] is None:
            return "the likelihood is not finite near the estimates"
        terms = [next_term(problem, mode) for mode in modes if mode is not None]
        slope[j] = (terms[0] - terms[1]) / (2.0 * _STEP * units[j])
    moved = covariance @ slope
    shifts = np.abs(moved) / units
    largest = int(np.argmax(shifts))
    return ApproximationFacts(
        reference="the next term of Laplace's expansion",
        llf=here.llf,
        reference_llf=here.llf + missed + 0.5 * float(slope @ moved),
        shift=float(shifts[largest]),
        parameter=names[largest],
        missed=missed,
        expanded=True,
    )


def _first_draws(problem: Problem, method: Method) -> Importance:
    """Draws to begin with; other and more points than those of a fit that drew itself.

    Raises
    ------
    OptionError
        If there are too many rows, or random effects that meet.
    """
    if isinstance(method, Importance):
        first = Importance(4 * method.draws, method.seed + _SCRAMBLINGS)
    else:
        allowed = 1 << (_FIRST_VALUES // problem.n).bit_length() >> 1
        first = Importance(min(max(allowed, _FEWEST_DRAWS), _FIRST_DRAWS))
    first.require(problem)
    if first.draws * problem.n > _MOST_VALUES:
        raise OptionError(
            f"{first.draws:,} draws of the random effects of {problem.n:,} rows are too many"
        )
    return first


def _drawn(
    problem: Problem,
    draws: Importance,
    optimum: Optimum,
    covariance: FloatArray,
    names: Sequence[str],
) -> ApproximationFacts:
    """The comparison with a fit by the mean score of all scramblings.

    With V the covariance of the estimates, a score s moves them by ``V s``: the model is fitted
    again by the first scrambling, and one step leads from there to where the mean score vanishes.

    Raises
    ------
    ConvergenceError
        If the weights have degenerated.
    """
    here = _scrambled(problem, draws, optimum.psi, optimum.evaluation)
    exact, _ = refine(problem, draws, optimum, alone=True)
    if not (exact.on_tail or is_optimum(exact)):
        raise _EndlessError("the search by importance sampling does not come to rest")
    there = _scrambled(problem, draws, exact.psi, here[0])
    steps = -0.5 * np.array([at.gradient for at in there]) @ covariance
    facts = _compared(
        draws,
        optimum,
        replace(exact, psi=exact.psi + steps.mean(axis=0) - steps[0]),
        covariance,
        names,
    )
    root = np.sqrt(_SCRAMBLINGS)
    errors = steps.std(axis=0, ddof=1) / root / _units(covariance)
    llf = np.array([at.llf for at in here])
    return replace(
        facts,
        reference=f"importance sampling, {_SCRAMBLINGS} times {draws.draws} draws",
        reference_llf=float(np.mean([at.llf for at in there])),
        missed=float(llf.mean()) - optimum.evaluation.llf,
        missed_error=float(llf.std(ddof=1) / root),
        shift_error=float(errors[names.index(facts.parameter)]),
        effective_draws=draws.tails(problem, there[0])["smallest effective number of draws"],
    )


def _scrambled(
    problem: Problem, draws: Importance, psi: FloatArray, nearby: Evaluation
) -> list[Evaluation]:
    """The likelihood by several scramblings of the points, where the first can be trusted.

    Raises
    ------
    ConvergenceError
    """
    found: list[Evaluation] = []
    for seed in range(draws.seed, draws.seed + _SCRAMBLINGS):
        one = replace(draws, seed=seed)
        found.append(objective_of(problem, one)(psi, nearby))
        if not np.isfinite(found[-1].llf):
            raise ConvergenceError("the likelihood by importance sampling is not finite")
        if seed == draws.seed:
            _require_weights(problem, one, found[0])
    return found


def _require_weights(problem: Problem, draws: Importance, at: Evaluation) -> None:
    """Refuse weights that have degenerated.

    Raises
    ------
    ConvergenceError
    """
    tails = draws.tails(problem, at)
    tail = tails["largest Pareto shape of the weights"]
    if tail > HEAVIEST:
        counted = tails["smallest effective number of draws"]
        refused = ConvergenceError if tail < _ENDLESS else _EndlessError
        raise refused(
            f"the importance weights have degenerated, since the Pareto shape of their tail is "
            f"{tail:.2f}, and above {HEAVIEST} averages of weights are not to be trusted; "
            f"{counted:.0f} of {draws.draws:,} draws count"
        )
