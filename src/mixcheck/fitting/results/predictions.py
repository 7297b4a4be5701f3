"""What a fit predicts of its own rows and of new ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mixcheck.arrays import FloatArray
from mixcheck.design import Predictor, RandomParts, apply_design
from mixcheck.design.frames import as_frame
from mixcheck.errors import OptionError
from mixcheck.fitting.latent.roots import scale as scale_effects
from mixcheck.fitting.likelihood.term import Term
from mixcheck.fitting.predictive.prediction import (
    fixed_predictors,
    population_mean,
    population_probability,
    random_contribution,
    random_variance,
)
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.options import require_choice
from mixcheck.trial_values import may_overflow

__all__ = [
    "RandomEffects",
    "Scale",
    "Unseen",
    "fitted_means",
    "pearson_residuals",
    "predict",
    "predict_probabilities",
]

RandomEffects = Literal["auto", "zero", "marginal"]
Scale = Literal["response", "link"]
Unseen = Literal["error", "zero"]

# What of the random terms of new data a prediction needs.
_RANDOM_PARTS: Final[dict[RandomEffects, RandomParts]] = {
    "auto": "levels",
    "zero": "none",
    "marginal": "effects",
}


def fitted_means(fit: Estimates) -> pd.Series[float]:
    """Mean response at the conditional modes (binomial: a probability), (n,)."""
    mean = fit.family.mean(tuple(fit.mode.point.eta), None)
    return pd.Series(fit.problem.to_design(mean), fit.frame.index, name="fitted")


def pearson_residuals(fit: Estimates) -> pd.Series[float]:
    """``(y - mu) / sqrt(Var y)`` given the conditional modes, (n,)."""
    eta, data = tuple(fit.mode.point.eta), fit.problem.data
    mean = fit.family.mean(eta, data.size)
    residuals = (data.y - mean) / np.sqrt(fit.family.variance(eta, data.size))
    return pd.Series(fit.problem.to_design(residuals), fit.frame.index, name="resid_pearson")


def predict(
    fit: Estimates,
    data: object,
    random_effects: RandomEffects,
    unseen: Unseen,
    scale: Scale,
    offset: str | ArrayLike | None,
) -> pd.Series[float]:
    """See `GLMM.predict`."""
    require_choice("random_effects", random_effects, ("auto", "zero", "marginal"))
    require_choice("scale", scale, ("response", "link"))
    require_choice("unseen", unseen, ("error", "zero"))
    if random_effects == "marginal" and scale == "link":
        raise OptionError(
            'random_effects="marginal" averages means, not predictors: '
            'write scale="response", or random_effects="zero"'
        )
    frame = fit.frame if data is None else as_frame(data)
    names = ("mean",) if scale == "link" else fit.family.mean_predictors
    with may_overflow():
        parts = _parts_of(fit, data, names, random_effects, unseen, offset)
        eta = _linear_predictors(fit, parts, random_effects, len(frame))
        if scale == "link":
            values = eta[0]
        elif random_effects == "marginal":
            values = population_mean(fit.family, eta, _variances(fit, parts))
        else:
            values = fit.family.mean(eta, None)
    # A family need not pass on that a predictor is missing.
    values = np.where(np.isnan(eta).any(axis=0), np.nan, values)
    return pd.Series(values, frame.index, name="predicted")


def predict_probabilities(
    fit: Estimates,
    data: object,
    random_effects: RandomEffects,
    unseen: Unseen,
    offset: str | ArrayLike | None,
) -> pd.DataFrame:
    """See `GLMM.predict_probabilities`."""
    require_choice("random_effects", random_effects, ("auto", "zero", "marginal"))
    require_choice("unseen", unseen, ("error", "zero"))
    if not fit.family.categories:
        raise OptionError(
            "probabilities are predicted of ordered categories, and the response of the "
            f"{fit.family.name} family has none: write predict(), which for 0 and 1 is the "
            "probability of 1"
        )
    frame = fit.frame if data is None else as_frame(data)
    with may_overflow():
        parts = _parts_of(fit, data, fit.family.predictors, random_effects, unseen, offset)
        eta = _linear_predictors(fit, parts, random_effects, len(frame))
        variances = _variances(fit, parts) if random_effects == "marginal" else {}
        spread = variances.get("mean", np.zeros(len(frame)))
        columns = {
            label: population_probability(fit.family, eta, spread, number)
            for label, number in fit.family.categories.items()
        }
    return pd.DataFrame(columns, frame.index)


def _parts_of(
    fit: Estimates,
    data: object,
    names: tuple[str, ...],
    random_effects: RandomEffects,
    unseen: Unseen,
    offset: str | ArrayLike | None,
) -> tuple[Predictor, ...]:
    """The predictors called by these names, of new data or of those of the fit."""
    if data is None:
        return tuple(p for p in fit.design.predictors if p.name in names)
    random = _RANDOM_PARTS[random_effects]
    return apply_design(
        fit.design, data, unseen=unseen, offset=offset, predictors=names, random=random
    )


def _linear_predictors(
    fit: Estimates, parts: tuple[Predictor, ...], random_effects: RandomEffects, n: int
) -> tuple[FloatArray, ...]:
    """``offset + X beta + Z b`` of every predictor, (n,); zero for those that are not wanted."""
    betas = dict(zip(fit.family.predictors, fit.problem.beta_slices, strict=True))
    fixed = fixed_predictors(parts, [fit.optimum.psi[betas[p.name]] for p in parts])
    eta = dict(zip([p.name for p in parts], fixed, strict=True))
    if random_effects == "auto":
        modes = _by_term(fit, lambda term: _modes_of(fit, term))
        theta = _by_term(fit, lambda term: fit.theta_of(term))
        for part in parts:
            moved = random_contribution(part, modes[part.name], theta[part.name])
            eta[part.name] = eta[part.name] + moved
    return tuple(eta.get(name, np.zeros(n)) for name in fit.family.predictors)


def _variances(fit: Estimates, parts: tuple[Predictor, ...]) -> dict[str, FloatArray]:
    """Prior variance ``z' Lambda Lambda' z`` of the random part of each predictor, (n,)."""
    covariances = _by_term(fit, lambda term: _covariance_of(fit, term))
    return {p.name: random_variance(p, covariances[p.name]) for p in parts if p.random}


def _by_term(
    fit: Estimates, value: Callable[[Term], FloatArray]
) -> dict[str, dict[str, FloatArray]]:
    """A value of each random term, by the names of its predictor and its own."""
    out: dict[str, dict[str, FloatArray]] = {p.name: {} for p in fit.design.predictors}
    for term in fit.problem.terms:
        out[fit.design.predictors[term.predictor].name][term.block.name] = value(term)
    return out


def _modes_of(fit: Estimates, term: Term) -> FloatArray:
    """``b = Lambda u`` at the conditional mode, (m, q)."""
    root, u = fit.mode.roots[term.factor], fit.mode.point.u[term.factor]
    return term.by_level(scale_effects(root, u)).T


def _covariance_of(fit: Estimates, term: Term) -> FloatArray:
    """``Lambda Lambda'`` of the effects of its columns, at one level or one time, (q, q)."""
    root = term.units(fit.theta_of(term))
    return root @ root.T
