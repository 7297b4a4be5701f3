"""How good an approximate likelihood is: the same model by adaptive quadrature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError, OptionError
from mixcheck.fitting.estimation.estimate import refine
from mixcheck.fitting.estimation.optimize import Optimum
from mixcheck.fitting.likelihood.approximation import Method
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.fitting.likelihood.quadrature import GaussHermite
from mixcheck.port import ApproximationFacts

__all__ = ["compare_with_quadrature", "unavailable"]


def compare_with_quadrature(
    problem: Problem,
    method: Method,
    optimum: Optimum,
    covariance: FloatArray,
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
    names : sequence of str, (P,)
        Of the parameters.
    """
    llf = optimum.evaluation.llf
    if method.kind != "full":
        return unavailable(llf, f"What {method} maximises is no marginal likelihood.")
    if not problem.terms:
        return unavailable(llf, "The model has no random effects: its likelihood is exact.")
    try:
        finest = GaussHermite(settled=False)
        finest.require(problem)
        exact, quadrature = refine(problem, finest, optimum)
    except (OptionError, ConvergenceError) as error:
        return unavailable(llf, f"Quadrature does not apply: {error}.")
    deviations = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    # What has no standard error (a variance of zero) has no shift in its units.
    units = np.where(deviations > 0.0, deviations, np.inf)
    shifts = np.abs(exact.psi - optimum.psi) / units
    largest = int(np.argmax(shifts))
    return ApproximationFacts(
        reference=str(quadrature),
        llf=llf,
        reference_llf=exact.evaluation.llf,
        shift=float(shifts[largest]),
        parameter=names[largest],
    )


def unavailable(llf: float, reason: str) -> ApproximationFacts:
    """No comparison, and why, as a sentence."""
    return ApproximationFacts("", llf, np.nan, np.nan, "", reason)
