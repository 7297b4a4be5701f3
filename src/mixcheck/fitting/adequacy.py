"""How good an approximate likelihood is: the same model by adaptive quadrature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import ConvergenceError, OptionError
from mixcheck.fitting.estimation import settle_nodes
from mixcheck.fitting.method import Method
from mixcheck.fitting.optimize import Optimum
from mixcheck.fitting.problem import Problem
from mixcheck.fitting.quadrature import require_quadrature
from mixcheck.model import ApproximationFacts

__all__ = ["compare_with_quadrature"]


def compare_with_quadrature(
    problem: Problem,
    method: Method,
    optimum: Optimum,
    covariance: FloatArray,
    shown: IntArray,
    names: Sequence[str],
) -> ApproximationFacts:
    """Fit again by adaptive quadrature with as many nodes as it takes to settle.

    Parameters
    ----------
    problem : Problem
    method : Method
        Of the approximate fit.
    optimum : Optimum
        Of the approximate fit.
    covariance : (P, P)
        Of its estimates.
    shown : (s,) int
        Positions of the fixed effects to compare.
    names : sequence of str, (s,)
    """
    llf = -0.5 * optimum.evaluation.deviance
    if method.reml or not method.likelihood:
        return _unavailable(llf, f"What {method} maximises is no marginal likelihood.")
    if not problem.terms:
        return _unavailable(llf, "The model has no random effects: its likelihood is exact.")
    try:
        require_quadrature(problem)
        exact, quadrature = settle_nodes(problem, optimum)
    except (OptionError, ConvergenceError) as error:
        return _unavailable(llf, f"Quadrature does not apply: {error}.")
    deviations = np.sqrt(np.diag(covariance))[shown]
    shifts = np.abs(exact.psi - optimum.psi)[shown] / np.maximum(deviations, 1e-300)
    largest = int(np.argmax(shifts))
    return ApproximationFacts(
        reference=str(quadrature),
        llf=llf,
        reference_llf=-0.5 * exact.evaluation.deviance,
        shift=float(shifts[largest]),
        parameter=names[largest],
    )


def _unavailable(llf: float, reason: str) -> ApproximationFacts:
    return ApproximationFacts("", llf, np.nan, np.nan, "", reason)
