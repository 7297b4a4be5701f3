"""Parts of a problem: some of its rows, or all rows with some of them counting nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray, IntArray
from mixcheck.errors import ConvergenceError, DesignError
from mixcheck.fitting.estimation.estimate import re_estimate
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.latent.elimination_order import lay_out
from mixcheck.fitting.likelihood.approximation import Method
from mixcheck.fitting.likelihood.problem import Problem

__all__ = ["fit_without", "mute", "restrict"]

# Gradient of the log-likelihood per standard error that a refit may end with.
_GRADIENT_LIMIT = 1e-5


def restrict(problem: Problem, rows: IntArray) -> Problem:
    """The problem of some rows, with the levels that occur in them, and without priors.

    Parameters
    ----------
    problem : Problem
    rows : (r,) int
        Increasing positions in the fitter's order, which becomes that of the design.
    """
    factors = [factor.levels_of(rows) for factor in problem.latent.factors]
    latent = lay_out(factors)
    places = [next(i for i, f in enumerate(latent.factors) if f is kept) for kept in factors]
    terms = tuple(replace(term, factor=places[term.factor]) for term in problem.terms)
    return replace(problem.rows(rows, latent), terms=terms, penalty=None)


def mute(problem: Problem, rows: BoolArray) -> Problem:
    """The problem with some rows counting nothing; their levels stay.

    Parameters
    ----------
    problem : Problem
    rows : (n,) bool
        In the fitter's order.

    Raises
    ------
    DesignError
        If the other rows do not identify the fixed effects.
    """
    for X in problem.X:
        if np.linalg.matrix_rank(X[~rows]) < np.linalg.matrix_rank(X):
            raise DesignError("the other rows do not identify all fixed effects")
    return problem.without(rows)


def fit_without(
    problem: Problem, rows: BoolArray, psi: FloatArray, root: FloatArray, method: Method
) -> tuple[Problem, Optimum]:
    """Fit a problem again with some rows counting nothing.

    Parameters
    ----------
    problem : Problem
    rows : (n,) bool
        In the fitter's order.
    psi : (P,)
        Estimates from all rows, to start from.
    root : (P, P)
        Root of their covariance.
    method : Method

    Raises
    ------
    DesignError
        If the other rows do not identify the fixed effects.
    ConvergenceError
        If the optimum was not reached.
    """
    rest = mute(problem, rows)
    optimum = re_estimate(rest, psi, root, method)
    if not 0.5 * optimum.gradient < _GRADIENT_LIMIT:
        raise ConvergenceError(
            f"the fit to the other rows did not converge (scaled gradient {optimum.gradient:.1e})"
        )
    return rest, optimum
