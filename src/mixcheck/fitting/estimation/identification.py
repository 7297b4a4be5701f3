"""Whether the data can hold a model at all: what is refused before any search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.errors import ConvergenceError, DesignError
from mixcheck.fitting.estimation.gaussian import is_profiled
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.term import Term
from mixcheck.trial_values import may_overflow

__all__ = [
    "explain_constant",
    "explain_reproduced",
    "is_constant_span",
    "is_reproduced",
    "require_distinct",
    "require_identified",
    "require_room",
    "require_variation",
    "span_of_responses",
]

# Random effects are judged by log-likelihoods that differ by units.
_MOST_ROUNDING = 1.0
# The square of less is zero, or has lost its digits.
_LEAST_SPREAD = 1e-150
_MOST_TENS = 300
# Responses that differ by a smaller share of their size differ by rounding.
_CONSTANT = 1e-13


def require_identified(problem: Problem) -> None:
    """Refuse fixed effects that reproduce every response, and random effects beyond the data.

    Raises
    ------
    DesignError
    ConvergenceError
        If the response does not vary.
    """
    _require_dispersion(problem)
    require_variation(problem)
    for term in problem.terms:
        require_distinct(term)
        require_room(problem, term, problem.n, term.block.m)


@may_overflow()
def require_variation(problem: Problem) -> None:
    """Refuse responses, also those of a refit, from which nothing can be estimated.

    Raises
    ------
    DesignError
        If rounding is all that tells them apart.
    ConvergenceError
        If the model reproduces them, so that the density of a real response has no bound.
    """
    _require_precision(problem)
    _require_unit(problem)
    family = problem.family
    if family.has_atoms or "dispersion" not in family.predictors or is_profiled(problem):
        return
    if _is_constant(problem):
        raise ConvergenceError(explain_constant())
    for term in problem.terms if not family.normal_error else ():
        if is_reproduced(problem, term):
            raise ConvergenceError(explain_reproduced(term))


def explain_constant() -> str:
    """A sentence on responses that are one number."""
    return (
        "the response is constant, or constant to rounding, so the model reproduces it exactly "
        "and there is no dispersion to estimate; check that the response is the column that "
        "was meant, and subtract what all of it has in common"
    )


def explain_reproduced(term: Term) -> str:
    """A sentence on responses that are one number within the levels of a term."""
    return (
        f"the response does not vary within the levels of {term.block.name}, so the model "
        "reproduces it exactly with its random effects and there is no dispersion to "
        "estimate; take one row for each level, or leave the term out"
    )


def _is_constant(problem: Problem) -> bool:
    """Whether the responses that count are one number to rounding, beside their offset."""
    offset = problem.offsets[0]
    if problem.weights is not None:
        offset = offset[problem.weights > 0.0]
    return is_constant_span(problem, span_of_responses(problem), bool(np.ptp(offset) > 0.0))


def span_of_responses(problem: Problem) -> FloatArray:
    """Smallest and largest response that counts, and the largest size of what they are made of.

    Less their offset where the link is the identity.
    """
    y, offset = problem.data.y, problem.offsets[0]
    if problem.weights is not None:
        y, offset = y[problem.weights > 0.0], offset[problem.weights > 0.0]
    size = np.abs(y).max(initial=0.0)
    if problem.family.links[0].name == "identity":
        y, size = y - offset, max(size, np.abs(offset).max(initial=0.0))
    return np.array([y.min(initial=np.inf), y.max(initial=-np.inf), size])


def is_constant_span(problem: Problem, span: FloatArray, varies: bool) -> bool:
    """Whether responses with this span are one number to rounding.

    Parameters
    ----------
    problem : Problem
        For its family.
    span : (3,)
        As of `span_of_responses`.
    varies : bool
        Whether the offset of the mean varies.
    """
    if problem.family.links[0].name != "identity" and varies:
        return False
    low, high, size = span.tolist()
    return bool(high - low <= _CONSTANT * size)


def is_reproduced(problem: Problem, term: Term) -> bool:
    """Whether a random intercept of the mean, of fewer levels than rows, is the response."""
    Z, m = term.block.Z, term.block.m
    if term.tied or term.predictor != 0 or m >= problem.n or not (Z == 1.0).all(axis=0).any():
        return False
    index = problem.latent.factors[term.factor].sums.index
    first = np.zeros(m, dtype=np.intp)
    first[index[::-1]] = np.arange(problem.n)[::-1]
    y, offset = problem.data.y, problem.offsets[0]
    close = np.abs(y - y[first[index]]) <= _CONSTANT * np.abs(y)
    return bool(close.all() and (offset == offset[first[index]]).all())


def _require_dispersion(problem: Problem) -> None:
    """Refuse as many fixed effects as rows where a dispersion is estimated."""
    if "dispersion" not in problem.family.predictors:
        return
    weights, p = problem.weights, problem.X[0].shape[1]
    rows = problem.n if weights is None else int(np.count_nonzero(weights))
    if p >= rows:
        raise DesignError(
            f"the model has {p} fixed effects for {rows} observations that count, which they can "
            "reproduce exactly, so that nothing is left to estimate the dispersion from; write "
            "fewer fixed effects (numbers read as text count as one effect for each value)"
        )


def _require_unit(problem: Problem) -> None:
    """Refuse responses in a unit so small or so large that their powers are not floats."""
    y = problem.data.y - problem.offsets[0]
    spread = max(float(y.max() - y[0]), float(y[0] - y.min()))
    least, most = (_LEAST_SPREAD, np.inf) if is_profiled(problem) else problem.family.unit_range
    if least <= spread <= most or spread in (0.0, np.inf):
        return
    ten = min(abs(round(float(np.log10(spread)))), _MOST_TENS)
    raise DesignError(
        f"the responses differ by no more than {spread:.1g}, powers of which are zero in double "
        f"precision; multiply the response, as in I(1e{ten} * y)"
        if spread < least
        else f"the responses differ by up to {spread:.1g}, powers of which are infinite in double "
        f"precision; divide the response, as in I(y / 1e{ten})"
    )


def _require_precision(problem: Problem) -> None:
    """Refuse random effects where rounding moves the log-likelihood more than they do."""
    if not problem.terms or is_profiled(problem):
        return
    alone = problem if problem.weights is None else replace(problem, weights=None)
    if alone.rounding > _MOST_ROUNDING:
        y, size = problem.data.y, problem.data.size
        what, largest, remedy = (
            ("responses", np.abs(y).max(), "treat the response as continuous and divide it, with")
            if size is None
            else ("numbers of trials", size.max(), "treat the proportion as continuous, with")
        )
        families = "'gamma'" if size is None else "'beta'"
        raise DesignError(
            f"the {what} are so large, up to {largest:.3g}, that their log-likelihood is known "
            f"to {alone.rounding:.2g} at best, and random effects cannot be told from rounding; "
            f"{remedy} family={families} or 'gaussian'"
        )


def require_distinct(
    term: Term, keep: BoolArray | None = None, empty: BoolArray | None = None
) -> None:
    """Refuse random effects of a term of which the variances cannot be told apart.

    Parameters
    ----------
    term : Term
    keep, empty : (q,) bool, optional
        Which effects are no combinations of those before, and which are zero in every row; by
        default as the rows of the term tell.

    Raises
    ------
    DesignError
    """
    block = term.block
    keep = block.independent if keep is None else keep
    if keep.all():
        return
    nothing = np.asarray(~block.Z.any(axis=0)) if empty is None else empty
    for name, gone in zip(block.effects, nothing.tolist(), strict=True):
        if gone:
            raise DesignError(
                f"the random effect {name} of {block.name} is zero in every row used, so that it "
                "has no variance to estimate; leave it out"
            )
    lost = ", ".join(name for name, kept in zip(block.effects, keep, strict=True) if not kept)
    raise DesignError(
        f"the random effects of {block.name} are linear combinations of each other "
        f"({lost} of those before), so that their variances cannot be told apart; leave "
        f"{lost} out"
    )


def require_room(problem: Problem, term: Term, n: int, m: int) -> None:
    """Refuse more random effects, of m levels, than the data of n rows can hold.

    Raises
    ------
    DesignError
    """
    normal = problem.family.normal_error
    block = term.block
    size = m * len(block.effects)
    if term.tied or (term.covariance.entries is None and not normal):
        return  # what ties effects, or gives them one correlation, tells them from each other
    if size <= n and not (normal and size >= n):
        return
    least = f"fewer than {n}" if normal else f"at most {n}"
    if len(block.effects) > 1:
        remedy = f"Write (1 | {block.group}) in its place, or a coarser factor"
    elif normal and m == n:
        remedy = "Leave it out: the residual error is an effect of each row already"
    else:
        remedy = "Write a term with a coarser factor in its place"
    raise DesignError(
        f"the random term {block.name} has {size} random effects ({m} levels x "
        f"{len(block.effects)}) for {n} observations; {least} can be told apart"
        + (" from the residual error" if normal else "")
        + f". {remedy}."
    )
