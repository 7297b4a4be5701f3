"""Priors as a wrapper of the objective: its minimum is a posterior mode (MAP).

Minus twice the log prior is added to the deviance. The density is that of the parameters that a
reader knows, coefficients, standard deviations and correlations, so the mode is theirs: it does
not depend on theta, in which the search runs. With ``s_i^2 = (Lambda Lambda')_ii`` and
``r = (Lambda Lambda')_ij / (s_i s_j)``,

``ds_i / dLambda_i = Lambda_i / s_i``,
``dr / dLambda_i = Lambda_j / (s_i s_j) - r Lambda_i / s_i^2``,

Lambda_i its row i, and the adjoint of the structure takes that to theta.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mixcheck.arguments.options import listed, shown
from mixcheck.arrays import FloatArray
from mixcheck.design import Design
from mixcheck.errors import OptionError
from mixcheck.fitting.likelihood.log_prior import LogPrior, OfCoefficient, OfTerm
from mixcheck.fitting.likelihood.objective import Evaluation
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.priors import Prior, Target

__all__ = ["penalise", "read_priors"]

_WORDS: Mapping[Target, str] = {
    "coefficient": "a coefficient: normal or t",
    "sd": "a standard deviation: gamma or half_normal",
    "correlation": "a correlation: lkj or normal",
}


def penalise(problem: Problem, prior: LogPrior, found: Evaluation) -> Evaluation:
    """``D - 2 log p(psi)``: minus twice the log posterior density, up to the evidence."""
    value, gradient = _log_prior(problem, prior, found.psi)
    penalty = -2.0 * value
    if not np.isfinite(penalty):
        nothing = np.full(found.psi.size, np.nan)
        return replace(found, deviance=np.inf, gradient=nothing, mode=None)
    return replace(
        found,
        deviance=found.deviance + penalty,
        gradient=found.gradient - 2.0 * gradient,
        penalty=penalty,
    )


def _log_prior(problem: Problem, prior: LogPrior, psi: FloatArray) -> tuple[float, FloatArray]:
    """``sum_j log p_j(x_j)`` over the parameters x with a prior, as a user knows them; gradient."""
    gradient = np.zeros(psi.size)
    value, gradient[: problem.n_beta] = prior.of_coefficients(problem.beta_slices, psi)
    theta = psi[problem.n_beta :]
    for given in prior.terms:
        term = problem.terms[given.term]
        own = theta[term.theta]
        x, d_root = _natural(term.covariance.root(own), given.effects)
        density = given.prior.log_density(x, "correlation" if len(given.effects) > 1 else "sd")
        value += density
        if np.isfinite(density):
            slope = given.prior.slope(x)
            where = slice(problem.n_beta + term.theta.start, problem.n_beta + term.theta.stop)
            gradient[where] += term.covariance.pull_back(own, slope * d_root)
    return value, gradient


def _natural(root: FloatArray, effects: tuple[int, ...]) -> tuple[float, FloatArray]:
    """A deviation or a correlation, and its derivative in Lambda; zero where not defined.

    ``sd_i = |Lambda_i|`` of the row i, and ``r = Lambda_i Lambda_j' / (sd_i sd_j)`` with
    ``dr / dLambda_i = Lambda_j / (sd_i sd_j) - r Lambda_i / sd_i^2``.
    """
    out = np.zeros_like(root)
    sd = np.sqrt(np.einsum("ij,ij->i", root, root))
    if not all(sd[i] > 0.0 for i in effects):
        return 0.0, out
    i = effects[0]
    if len(effects) == 1:
        out[i] = root[i] / sd[i]
        return float(sd[i]), out
    j = effects[1]
    r = float(root[i] @ root[j] / (sd[i] * sd[j]))
    out[i] = root[j] / (sd[i] * sd[j]) - r * root[i] / sd[i] ** 2
    out[j] = root[i] / (sd[i] * sd[j]) - r * root[j] / sd[j] ** 2
    return r, out


# ---- as a user writes them -----------------------------------------------------------------


def read_priors(priors: object, design: Design, problem: Problem) -> LogPrior | None:
    """Priors by the names of parameters; None where there are none.

    Raises
    ------
    OptionError
        If a name is not that of a parameter, or a prior does not fit its kind.
    """
    if priors is None:
        return None
    example = '{"x": mixcheck.priors.normal(0, 2.5), "sd(group)": mixcheck.priors.gamma(2, 0.1)}'
    if not isinstance(priors, Mapping):
        raise OptionError(f"priors must be a mapping, such as {example}; found {shown(priors)}")
    places = _places(design, problem)
    coefficients: list[OfCoefficient] = []
    terms: list[OfTerm] = []
    for name, prior in priors.items():
        if not isinstance(prior, Prior):
            raise OptionError(
                f"the prior of {shown(name)} must be a distribution, such as "
                f"mixcheck.priors.normal(0, 2.5); found {shown(prior)}"
            )
        found = places.get(name) if isinstance(name, str) else None
        if not found:
            raise OptionError(
                f"{shown(name)} in priors= is not a parameter of the model; write one of "
                f"{listed(list(places))}"
            )
        for place in found:
            target = _target_of(place)
            if target not in prior.targets:
                raise OptionError(
                    f"{prior} is not a prior for {shown(name)}, which is {_WORDS[target]}"
                )
            if target == "coefficient":
                coefficients.append(OfCoefficient(place[1][0], place[1][1], prior))
            else:
                terms.append(OfTerm(place[0], place[1], prior))
    if not priors:
        return None
    words = {str(name): str(prior) for name, prior in priors.items()}
    return LogPrior(words, tuple(coefficients), tuple(terms))


# A random term by its number and the effects, or -1 and predictor and column.
_Place = tuple[int, tuple[int, ...]]


def _target_of(place: _Place) -> Target:
    if place[0] < 0:
        return "coefficient"
    return "sd" if len(place[1]) == 1 else "correlation"


def _places(design: Design, problem: Problem) -> dict[str, list[_Place]]:
    """Every name that a prior can be given to: what it stands for."""
    out: dict[str, list[_Place]] = {}
    for k, part in enumerate(design.predictors):
        behind = "" if part.name == "mean" else f"{part.name}: "
        for j, column in enumerate(part.columns):
            out.setdefault(f"{behind}{column}", []).append((-1, (k, j)))
    for number, term in enumerate(problem.terms):
        part = design.predictors[term.predictor]
        behind = "" if part.name == "mean" else f"{part.name}: "
        group, effects = term.block.group, term.block.effects
        for quantity in term.covariance.quantities(effects):
            # Of what effects have in common the first one or two tell.
            first = (0,) if quantity.kind == "sd" else (0, 1)
            place = number, quantity.effects or first
            kind = "sd" if quantity.kind == "sd" else "cor"
            out.setdefault(f"{behind}{kind}({group})", []).append(place)
            out.setdefault(f"{behind}{kind}({group}, {quantity.name})", []).append(place)
    return out
