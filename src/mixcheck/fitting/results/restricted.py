"""The model of a fit by its restricted likelihood, which few groups do not bias.

Maximum likelihood takes the fixed effects for known where it estimates variances, and makes
those of few groups too small. What is said of their uncertainty is said at the estimates that
integrate the fixed effects of the mean out, whatever the method of the fit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar, cast

import numpy as np

from mixcheck.errors import MixcheckError
from mixcheck.fitting.estimation.estimate import estimate
from mixcheck.fitting.estimation.gaussian import is_profiled
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.fitting.results.parameters import Parameter
from mixcheck.inference.containment import RandomColumns, added_rank

__all__ = ["restricted_of", "variance_df"]

_KNOWN = "_by_restricted_likelihood"
Fit = TypeVar("Fit", bound=Estimates)


def restricted_of(fit: Fit) -> Fit | None:
    """The fit by restricted likelihood, made once; the fit itself where that is what it is.

    None where there is none: by another approximation than Laplace's, with priors, where an
    estimate is infinite, where the crossed effects are too many for a matrix of their pairs, and
    where the search finds no maximum.
    """
    if _KNOWN not in fit.__dict__:
        fit.__dict__[_KNOWN] = _find(fit)
    return cast("Fit | None", fit.__dict__[_KNOWN])


def _find(fit: Fit) -> Fit | None:
    problem, method = fit.problem, fit.method
    if method.restricted:
        return fit
    known = is_profiled(problem) or isinstance(method, Laplace)
    if not known or problem.penalty is not None or fit.limits is not None or fit.infinite_names:
        return None
    if problem.latent.iterative:
        return None
    if fit.optimum.integrated or not problem.X[0].shape[1]:
        return None if fit.optimum.integrated else fit
    information = method.information if isinstance(method, Laplace) else "observed"
    way = Laplace(information, restricted=True)
    try:
        found = replace(fit, optimum=estimate(problem, way), method=way)
        usable = not found.infinite_names and found.converged
    except (MixcheckError, ArithmeticError, np.linalg.LinAlgError):
        return None
    return found if usable else None


def variance_df(fit: Estimates, parameter: Parameter) -> float:
    """Degrees of freedom that tell a standard deviation; infinite for other parameters.

    Of random effects: what they add to the rank of the fixed effects of their predictor, levels
    less coefficients of the levels. Of a normal error: rows less the rank of all columns.
    """
    rank: float = np.inf
    if parameter.kind == "sd" and parameter.term is not None:
        block = parameter.term.block
        own = parameter.effects and block.positions is None
        Z = block.Z[:, list(parameter.effects)] if own else block.Z
        X = fit.design.predictors[parameter.term.predictor].X
        rank = float(added_rank(X, [RandomColumns(block.index, Z)]))
    elif parameter.kind == "dispersion" and fit.family.normal_error:
        part, weights = fit.design.predictor("mean"), fit.design.weights
        total = float(fit.nobs if weights is None else weights.sum())
        terms = [RandomColumns(block.index, block.Z) for block in part.random]
        rank = total - part.X.shape[1] - added_rank(part.X, terms)
    return max(rank, 1.0)
