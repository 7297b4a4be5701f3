"""How a fit follows its data, by the kind of model: closed form, or one response at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.errors import OptionError
from mixcheck.fitting.estimation.gaussian import centre_effects
from mixcheck.fitting.estimation.optimum import Optimum
from mixcheck.fitting.influence.case_refits import Perturbed, split_copies
from mixcheck.fitting.influence.effective_df import joint_degrees
from mixcheck.fitting.influence.gaussian_derivatives import (
    differentiate_fitted,
    has_one_variance,
    is_linear_mixed,
)
from mixcheck.fitting.influence.optimism import plan_perturbations
from mixcheck.fitting.latent.row_variances import variances_of_rows
from mixcheck.fitting.likelihood.approximation import Method, objective_of
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.port import Optimism, PerturbationMethod, Perturbations

__all__ = ["Settled", "perturb", "usual_method"]


_FINITE = "finite sample"
# Single steps find the modes of the group of each row again: so many rows in all take some tenths
# of a second.
_MOST_ROWS = 2_000_000
# Variance of random effects beside that of a latent response, from which on derivatives are too
# large for successes, and up to which single steps are too small: a deviation of 0.8 for logits.
_LARGE_SHARE = 0.2


@dataclass(frozen=True)
class Settled:
    """An optimism that needs no refits; meets `mixcheck.port.Perturbations`."""

    optimism: Optimism

    @property
    def size(self) -> int:
        """Number of refits, none."""
        return 0

    def __call__(self, k: int) -> FloatArray | str:
        """There are no refits."""
        raise IndexError(k)

    def collect(self, results: Sequence[FloatArray | str]) -> Optimism:
        """The optimism."""
        return self.optimism


def usual_method(problem: Problem, optimum: Optimum) -> PerturbationMethod:
    """Single steps where derivatives are known to be off.

    That is for successes in groups that differ, for zero parts of families without a dispersion,
    and for spreads with effects. Derivatives otherwise, where factors cross, and where groups are
    so large that steps take long and a single response moves little.
    """
    latent, family = problem.latent, problem.family
    successes = family.canonical_link is not None and family.takes_trials
    zeros = "zi" in family.predictors and "dispersion" not in family.predictors
    spreads = any(term.predictor > 0 for term in problem.terms)
    if latent.schur_factors or latent.tied or not latent.factors:
        return "analytic"
    if not (zeros or spreads or (successes and _differ(problem, optimum))):
        return "analytic"
    sizes = np.bincount(latent.factors[-1].sums.index).astype(np.float64)
    return "one-step" if float(sizes @ sizes) <= _MOST_ROWS else "analytic"


def _differ(problem: Problem, optimum: Optimum) -> bool:
    """Whether groups differ by so much that derivatives are off for successes."""
    latent, unit = problem.latent, problem.family.link.latent_variance
    if unit is None:
        return True
    roots = problem.roots(optimum.psi[problem.n_beta :])
    spread = variances_of_rows(latent.factors, roots, problem.n)
    return float(np.mean(spread)) > _LARGE_SHARE * unit


def perturb(
    problem: Problem, method: Method, optimum: Optimum, how: PerturbationMethod, *, singular: bool
) -> Perturbations:
    """Replace one response at a time.

    Parameters
    ----------
    problem : Problem
    method : Method
    optimum : Optimum
    how : {"analytic", "one-step", "refit"}
    singular : bool
        Whether covariance parameters lie on their boundary.

    Raises
    ------
    OptionError
        If the estimates maximise neither a Laplace nor a quadrature likelihood.
    """
    mode = optimum.evaluation.mode
    assert mode is not None
    if not problem.terms:
        return Settled(_without_random_effects(problem))
    # For a linear mixed model fixed effects at their joint mode are the estimates.
    if is_linear_mixed(problem) and method.kind != "pseudo":
        return Settled(_linear_mixed(problem, mode, optimum, restricted=method.restricted))
    if method.joint:
        raise OptionError(
            f"the derivative of the estimates in the data is known for the Laplace and the "
            f"quadrature likelihood; this model was fitted by {method}. Fit it with "
            'method="laplace" or method="agq", and without reml=True unless it is Gaussian'
        )
    split, counts = split_copies(problem)
    evaluation = optimum.evaluation
    if split is not problem:
        evaluation = objective_of(split, method)(optimum.psi, None)
    perturbed = Perturbed(
        split, method, evaluation, optimum.scale, np.zeros((optimum.psi.size,) * 2), singular
    )
    return plan_perturbations(perturbed, how, counts)


def _without_random_effects(problem: Problem) -> Optimism:
    """The degrees of freedom of the AIC: the number of parameters; of the AICc if Gaussian.

    With p coefficients of the mean and one residual variance, ``p + 1``, and by `_finite_sample`
    ``N (p + 1) / (N - p - 2)`` (Hurvich & Tsai 1989,
    Biometrika 76, 297-307).
    """
    by_term = {
        _name(problem, name): float(where.stop - where.start)
        for name, where in zip(problem.family.predictors, problem.beta_slices, strict=True)
    }
    note = "The model has no random effects: the degrees of freedom are those of the AIC{}."
    if not has_one_variance(problem):
        return Optimism(float(problem.n_beta), by_term, (note.format(""),))
    by_term[_FINITE] = _finite_sample(problem, float(problem.n_beta), restricted=False)
    return Optimism(sum(by_term.values()), by_term, (note.format("c"),))


def _name(problem: Problem, predictor: str) -> str:
    if predictor == "mean":
        return "fixed effects"
    single = predictor in ("dispersion", *problem.family.shapes)
    return predictor if single else f"{predictor}: fixed effects"


def _linear_mixed(problem: Problem, mode: Mode, optimum: Optimum, *, restricted: bool) -> Optimism:
    """``sum_i c_i dm_i / dy_i + 1``, m the fitted values, and the term of `_finite_sample`.

    ``c_i = min(w_i, 1)``, and the one is `_share_of_rows`, where rows have weights. What the fitted
    values follow at given covariances is divided among the terms in the ratio of their parts of
    the trace of the joint hat matrix (`joint_degrees`).
    """
    deviation = float(np.exp(mode.point.eta[1][0] - problem.offsets[1][0]))
    errors = np.sqrt(np.einsum("ij,ij->i", optimum.scale, optimum.scale))[problem.n_beta :]
    theta = optimum.psi[problem.n_beta :]
    centred = centre_effects(optimum)
    if centred is None:
        response = differentiate_fitted(problem, theta, deviation, errors, restricted=restricted)
    else:
        response = differentiate_fitted(
            centred.problem, centred.theta, deviation, centred.errors, restricted=restricted
        )
    # A weight below one is less than an observation; above, each of its copies counts.
    counts = np.ones(problem.n) if problem.weights is None else np.minimum(problem.weights, 1.0)
    degrees = float(counts @ response.held)
    shares = joint_degrees(problem, mode)
    sized = {name: value * degrees / sum(shares.values()) for name, value in shares.items()}
    by_term = {
        **sized,
        "variance parameters": float(counts @ response.estimated),
        "dispersion": 1.0 if problem.weights is None else _share_of_rows(problem.weights, counts),
    }
    known = sum(by_term.values())
    by_term[_FINITE] = _finite_sample(problem, known, restricted=restricted)
    note = (
        f"The response is Gaussian: {known:.3f} degrees of freedom in closed form, those of Greven "
        f"& Kneib (2010) and of cAIC4, and {by_term[_FINITE]:.3f} because the residual variance "
        "is estimated from few rows (Vaida & Blanchard 2005)."
    )
    return Optimism(sum(by_term.values()), by_term, (note,))


def _finite_sample(problem: Problem, df: float, *, restricted: bool) -> float:
    """What the estimation of the residual variance from N rows adds to its one degree.

    Vaida & Blanchard (2005), section 3, at a known ratio of the variances: with df = rho + 1
    and p fixed effects the penalty is

    - ML: ``N (N - p - 1) / ((N - p) (N - p - 2)) df + N (p + 1) / ((N - p) (N - p - 2))``
    - REML: ``(N - p - 1) / (N - p - 2) df + (p + 1) / (N - p - 2)``

    Without random effects the first is that of the AICc, ``N (p + 1) / (N - p - 2)``.
    """
    N = float(problem.n if problem.weights is None else problem.weights.sum())
    p = problem.X[0].shape[1]
    left = N - p - 2.0
    if left <= 0.0:
        return 0.0
    scale = 1.0 if restricted else N / (N - p)
    return float(scale * ((N - p - 1.0) * df + p + 1.0) / left - df)


def _share_of_rows(weights: FloatArray, counts: FloatArray) -> float:
    """``sum_i c_i w_i / sum_i w_i``: one, unless rows are less than an observation."""
    return float(counts @ weights / weights.sum())
