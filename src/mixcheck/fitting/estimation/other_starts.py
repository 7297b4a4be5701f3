"""Other points to start from, where one search is not enough.

The model without random effects explains by its zero part or its dispersion what random
effects explain better, so the point that it suggests may lie in the basin of a worse
optimum, or next to a pole of Laplace's approximation. The points here forget parts of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.fitting.estimation.optimum import RUNAWAY, Optimum
from mixcheck.fitting.likelihood.problem import Problem

__all__ = [
    "distant_covariances",
    "drawn_starts",
    "ends_well",
    "has_many_maxima",
    "has_several_parts",
    "is_better",
    "is_optimum",
    "may_be_better",
    "other_starts",
    "weak_covariances",
    "without_zero_part",
]

# A whitened gradient below this belongs to an optimum, one above to a search that has stopped.
_GRADIENT = 1e-4
_CURVATURE = -1e-6
# With fewer rows than this for each parameter, models of a dispersion have several maxima.
_FEW_ROWS = 15
# A gain of the deviance below this is none.
_SAME = 1e-6
# Starts that are drawn: how many, and standard deviations of what is drawn: predictors of the
# mean and of other parts, logarithms of deviations of random effects, and what these have in
# common, over what they have not.
_DRAWN = 10
# Columns of a dispersion model that have starts of their own, and how far these are off.
_COLUMNS = 3
_APART = 2.5
_SHIFT = (0.5, 1.0)
_RESIZE = 0.7
_CORRELATE = 1.0
# The logit of a zero part that is next to nothing, and the share of its deviations that is left.
_NOTHING = -8.0
_LITTLE = 0.1
# The logarithm of the share of a residual error that effects leave of it.
_FALL = 1.5
# Standard errors of a deviation from zero below which effects are weak.
_SEEN = 3.0


def has_several_parts(problem: Problem) -> bool:
    """Whether random effects compete: with those of another part, or with a dispersion's model."""
    if len({term.predictor for term in problem.terms}) > 1:
        return True
    spread = _place(problem, "dispersion")
    return bool(problem.terms) and spread is not None and problem.X[spread].shape[1] > 1


def has_many_maxima(problem: Problem, rows: int) -> bool:
    """Whether rows are so few beside a dispersion's model that lower maxima are common."""
    spread = _place(problem, "dispersion")
    if not problem.terms or spread is None or problem.X[spread].shape[1] == 1:
        return False
    return rows < _FEW_ROWS * (problem.n_beta + problem.n_theta)


def is_optimum(optimum: Optimum) -> bool:
    """Whether a search has come to rest, at an optimum or at a limit of one."""
    return optimum.gradient < _GRADIENT and not optimum.smallest_eigenvalue < _CURVATURE


def ends_well(optimum: Optimum) -> bool:
    """Whether a search has come to rest where the deviance has curvature in all directions."""
    return is_optimum(optimum) and not optimum.smallest_eigenvalue < RUNAWAY


def is_better(one: Optimum, other: Optimum) -> bool:
    """Whether one end of a search replaces another: rest before none, then the lower deviance.

    Next to a pole of Laplace's approximation the deviance falls without bound, so that of a
    search that has not come to rest says nothing.
    """
    if is_optimum(one) != is_optimum(other):
        return is_optimum(one)
    return one.evaluation.deviance < other.evaluation.deviance - _SAME


def may_be_better(one: Optimum, best: Optimum | None) -> bool:
    """Whether a search without curvature may have ended at a better optimum."""
    if best is None:
        return True
    if not one.gradient < _GRADIENT:
        return not is_optimum(best) and is_better(one, best)
    return not is_optimum(best) or is_better(one, best)


def other_starts(problem: Problem, start: FloatArray) -> Iterator[FloatArray]:
    """Starting values other than `start`, (P,) each; the most promising ones first.

    Standard deviations of random effects twice or half as large, a log dispersion 1.5 higher or
    lower, ``2.5 / rms(x)`` more or less in the slope of a dispersion in x, and no effects in the
    zero part.

    Parameters
    ----------
    problem : Problem
    start : (P,)
        From the model without random effects.
    """
    zero, spread = (_place(problem, name) for name in ("zi", "dispersion"))
    theta = slice(problem.n_beta, None)

    def changed(*, forget: bool = False, shift: float = 0.0, size: float = 1.0) -> FloatArray:
        out = start.copy()
        if forget and zero is not None:
            out[problem.beta_slices[zero]] = 0.0
        if spread is not None:
            out[problem.beta_slices[spread]] += shift * _constant(problem, spread)
        out[theta] *= size
        return out

    if zero is not None:
        yield changed(forget=True)
    if spread is not None:
        yield changed(forget=True, shift=1.5)
        yield changed(forget=True, shift=-1.5)
    yield changed(size=2.0)
    yield changed(forget=True, size=0.5)
    if zero is not None:
        yield changed(forget=True, size=2.0)
    if spread is not None and all(term.predictor != spread for term in problem.terms):
        # One level, or one end of a predictor, much more regular than the others.
        X, first = problem.X[spread], problem.beta_slices[spread].start
        varying = np.flatnonzero(np.ptp(X, axis=0) > 0.0)
        for column in varying[:_COLUMNS] if problem.terms else ():
            for far in (_APART, -_APART):
                out = start.copy()
                out[first + column] += far / np.sqrt(np.mean(X[:, column] ** 2))
                yield out
    if has_several_parts(problem):
        # Groups that differ in the other parts, and hardly in the mean.
        out = changed(forget=True, size=2.0)
        for term in problem.terms:
            if term.predictor == 0:
                out[problem.n_beta :][term.theta] *= 0.05
        yield out


def distant_covariances(problem: Problem, start: FloatArray) -> Iterator[FloatArray]:
    """Starting values with other covariances, (P,) each, of terms that may have several optima.

    Parameters
    ----------
    problem : Problem
    start : (P,)
        From the model without random effects.
    """
    for term in problem.terms:
        place = slice(problem.n_beta + term.theta.start, problem.n_beta + term.theta.stop)
        for theta in term.covariance.distant(start[place]):
            out = start.copy()
            out[place] = theta
            yield out


def weak_covariances(
    problem: Problem, start: FloatArray, end: Optimum | None
) -> Iterator[FloatArray]:
    """Starting values with another dependence, (P,) each, of effects that are hardly seen.

    The likelihood of effects whose standard deviation is less than three standard errors from
    zero may have a maximum with each sign of their correlation and, beside a residual error, one
    where they hold nearly all of that.

    Parameters
    ----------
    problem : Problem
    start : (P,)
        From the model without random effects.
    end : Optimum or None
        Where a search has ended.
    """
    for term in problem.terms if end is not None else ():
        assert end is not None
        place = slice(problem.n_beta + term.theta.start, problem.n_beta + term.theta.stop)
        theta = end.psi[place]
        other = term.covariance.opposite(start[place], theta)
        if other is None:
            continue
        error = np.sqrt(2.0) * np.linalg.norm(end.scale[place.start])
        if not abs(theta[0]) < _SEEN * error:
            continue
        out = end.psi.copy()
        out[place] = other
        yield out
        spread = _place(problem, "dispersion")
        if spread is None or not problem.family.is_linear:
            continue
        where = problem.beta_slices[spread]
        sigma = float(np.exp(np.mean(problem.X[spread] @ end.psi[where])))
        other = term.covariance.absorbing(theta, sigma)
        if other is not None:
            out = end.psi.copy()
            out[place], out[where] = other, out[where] - _FALL * _constant(problem, spread)
            yield out


def drawn_starts(problem: Problem, start: FloatArray) -> Iterator[FloatArray]:
    """Starting values around `start` that are drawn, (P,) each; the same in every run.

    For searches none of which has come to rest. With z standard normal, a coefficient of the mean
    moves by ``0.5 u z / rms(x)``, u the unit of a response with the identity link and else 1;
    those of other parts are ``z / rms(x)``; deviations are multiplied by ``exp(0.7 z)``.

    Parameters
    ----------
    problem : Problem
    start : (P,)
        From the model without random effects.
    """
    unit = problem.family.response_scale(problem.data.y)
    width = unit if problem.family.links[0].name == "identity" else 1.0
    spread = _place(problem, "dispersion")
    centre = 0.0 if spread is None else np.log(unit) * _constant(problem, spread)
    for number in range(_DRAWN):
        rng = np.random.default_rng(number)
        out = start.copy()
        for k, (X, where) in enumerate(zip(problem.X, problem.beta_slices, strict=True)):
            size = np.maximum(np.sqrt(np.mean(X * X, axis=0)), 1e-300)
            drawn = rng.normal(0.0, _SHIFT[min(k, 1)], size.size) / size
            if k == 0:
                out[where] += width * drawn
            else:
                out[where] = drawn + (centre if k == spread else 0.0)
        for term in problem.terms:
            place = slice(problem.n_beta + term.theta.start, problem.n_beta + term.theta.stop)
            root = term.covariance.root(out[place])
            sizes = np.abs(np.diag(root)) * np.exp(rng.normal(0.0, _RESIZE, root.shape[0]))
            if root.shape[0] > 1 and term.covariance.correlated.all():
                root = np.tril(rng.normal(0.0, _CORRELATE, root.shape), -1) + np.eye(sizes.size)
                root /= np.linalg.norm(root, axis=1)[:, None]
                sizes = sizes[:, None] * root
            else:
                sizes = np.diag(sizes)
            out[place] = term.covariance.of_root(sizes)
        yield out


def without_zero_part(problem: Problem, start: FloatArray) -> Iterator[FloatArray]:
    """Starting values with hardly any zeros beyond those of the family, (P,), if it has them.

    Parameters
    ----------
    problem : Problem
    start : (P,)
        From the model without random effects.
    """
    zero = _place(problem, "zi")
    if zero is None or problem.family.ends[zero] == 0:
        return
    out = start.copy()
    out[problem.beta_slices[zero]] = _NOTHING * _constant(problem, zero)
    for term in problem.terms:
        if term.predictor == zero:
            out[problem.n_beta :][term.theta] *= _LITTLE
    yield out


def _place(problem: Problem, name: str) -> int | None:
    """Position of a predictor that has fixed effects; None if there is none."""
    names = problem.family.predictors
    k = names.index(name) if name in names else None
    return None if k is None or problem.X[k].shape[1] == 0 else k


def _constant(problem: Problem, k: int) -> FloatArray:
    """Fixed effects b of predictor k that come closest to one in every row.

    They minimise ``|X b - 1|^2``.
    """
    X = problem.X[k]
    return np.linalg.lstsq(X, np.ones(problem.n), rcond=None)[0].astype(np.float64)
