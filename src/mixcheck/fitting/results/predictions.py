"""What a fit predicts of its own rows and of new ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mixcheck.arguments.options import require_choice
from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.design import Predictor, RandomParts, apply_design
from mixcheck.design.frames import as_frame
from mixcheck.errors import OptionError
from mixcheck.fitting.latent.roots import scale as scale_effects
from mixcheck.fitting.likelihood.mode import Mode
from mixcheck.fitting.likelihood.term import Term
from mixcheck.fitting.predictive.prediction import (
    fixed_predictors,
    population_probability,
    random_contribution,
    random_variance,
)
from mixcheck.fitting.predictive.quantities import Quantity, average, quantity_of
from mixcheck.fitting.results.estimates import Estimates
from mixcheck.trial_values import may_overflow

__all__ = [
    "Part",
    "PredictedRows",
    "PredictionRequest",
    "RandomEffects",
    "Scale",
    "Unseen",
    "fitted_means",
    "model_matrix",
    "pearson_residuals",
    "point_values",
    "predict",
    "predict_probabilities",
    "predict_rows",
    "predictors_at",
]

RandomEffects = Literal["auto", "zero", "marginal"]
Scale = Literal["response", "link"]
Unseen = Literal["error", "zero"]
Part = Literal["response", "conditional", "dispersion", "zi"]

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


def model_matrix(fit: Estimates, data: object, part: str) -> pd.DataFrame:
    """See `GLMM.model_matrix`."""
    names = [p.name for p in fit.design.predictors if p.name not in fit.family.shapes]
    require_choice("part", part, tuple(names))
    frame = fit.frame if data is None else as_frame(data)
    # An offset is not part of the matrix.
    offset = np.zeros(len(frame)) if fit.design.offset_source == "" else None
    rows = PredictionRequest(data, random_effects="zero", offset=offset)
    predictor = next(p for p in _parts_of(fit, rows, fit.family.predictors) if p.name == part)
    return pd.DataFrame(predictor.X, frame.index, list(predictor.columns))


@dataclass(frozen=True, eq=False)
class PredictionRequest:
    """Which rows, and what of them; see `GLMM.predict`."""

    data: object
    random_effects: RandomEffects = "auto"
    unseen: Unseen = "error"
    scale: Scale = "response"
    offset: str | ArrayLike | None = None
    part: str = "response"

    def __post_init__(self) -> None:
        require_choice("random_effects", self.random_effects, ("auto", "zero", "marginal"))
        require_choice("scale", self.scale, ("response", "link"))
        require_choice("unseen", self.unseen, ("error", "zero"))
        if self.random_effects == "marginal" and self.scale == "link":
            raise OptionError(
                'random_effects="marginal" averages means, not predictors: '
                'write scale="response", or random_effects="zero"'
            )

    def quantity(self, fit: Estimates) -> Quantity:
        """What is predicted, on the scale of the response."""
        allowed = ["response", "conditional"]
        allowed += [name for name in ("dispersion", "zi") if name in fit.family.predictors]
        require_choice("part", self.part, tuple(allowed))
        return quantity_of(fit.family, self.part)

    @property
    def link_part(self) -> str:
        """Name of the predictor that is predicted on the scale of the link."""
        return self.part if self.part in ("dispersion", "zi") else "mean"


@dataclass(frozen=True, eq=False)
class PredictedRows:
    """Rows to predict, with everything that their predictors are made of.

    Attributes
    ----------
    index : pandas.Index
    parts : tuple of Predictor
        Those that are needed.
    eta : tuple of K arrays (n,)
        Linear predictors; zero for those that are not needed.
    variances : mapping of predictor name to (n,)
        Prior variances of random parts that are averaged over.
    """

    index: pd.Index[Any]
    parts: tuple[Predictor, ...]
    eta: tuple[FloatArray, ...]
    variances: dict[str, FloatArray]

    @property
    def missing(self) -> BoolArray:
        """Rows of which a predictor is missing, (n,)."""
        return np.asarray(np.isnan(self.eta).any(axis=0))


def predict_rows(
    fit: Estimates, request: PredictionRequest, names: tuple[str, ...], *, aloud: bool = True
) -> PredictedRows:
    """Linear predictors of these names, and variances of random parts that are averaged over."""
    frame = fit.frame if request.data is None else as_frame(request.data)
    parts = _parts_of(fit, request, names, aloud=aloud)
    eta = predictors_at(fit, parts, request.random_effects, len(frame))
    variances = _variances(fit, parts) if request.random_effects == "marginal" else {}
    return PredictedRows(frame.index, parts, eta, variances)


def predict(fit: Estimates, request: PredictionRequest) -> pd.Series[float]:
    """See `GLMM.predict`."""
    quantity = request.quantity(fit)
    names = (request.link_part,) if request.scale == "link" else quantity.names
    with may_overflow():
        rows = predict_rows(fit, request, names)
        values = point_values(fit, request, rows)
    return pd.Series(values, rows.index, name="predicted")


def point_values(fit: Estimates, request: PredictionRequest, rows: PredictedRows) -> FloatArray:
    """What is predicted of each row, (n,); NaN where a predictor is missing."""
    if request.scale == "link":
        values = rows.eta[fit.family.predictors.index(request.link_part)]
    else:
        values = average(request.quantity(fit), rows.eta, rows.variances)
    # A family need not pass on that a predictor is missing.
    return np.where(rows.missing, np.nan, values)


def predict_probabilities(fit: Estimates, request: PredictionRequest) -> pd.DataFrame:
    """See `GLMM.predict_probabilities`."""
    if not fit.family.categories:
        raise OptionError(
            "probabilities are predicted of ordered categories, and the response of the "
            f"{fit.family.name} family has none: write predict(), which for 0 and 1 is the "
            "probability of 1"
        )
    with may_overflow():
        rows = predict_rows(fit, request, fit.family.predictors)
        spread = rows.variances.get("mean", np.zeros(len(rows.index)))
        columns = {
            label: population_probability(fit.family, rows.eta, spread, number)
            for label, number in fit.family.categories.items()
        }
    return pd.DataFrame(columns, rows.index)


def _parts_of(
    fit: Estimates, request: PredictionRequest, names: tuple[str, ...], *, aloud: bool = True
) -> tuple[Predictor, ...]:
    """The predictors called by these names, of new data or of those of the fit."""
    if request.data is None:
        return tuple(p for p in fit.design.predictors if p.name in names)
    return apply_design(
        fit.design,
        request.data,
        unseen=request.unseen,
        offset=request.offset,
        predictors=names,
        random=_RANDOM_PARTS[request.random_effects],
        aloud=aloud,
    )


def predictors_at(
    fit: Estimates,
    parts: tuple[Predictor, ...],
    random_effects: RandomEffects,
    n: int,
    *,
    psi: FloatArray | None = None,
    mode: Mode | None = None,
) -> tuple[FloatArray, ...]:
    """``offset + X beta + Z b`` of every predictor, (n,); zero for those that are not wanted.

    The parameters are the estimates, and b the conditional modes there, unless others are given.
    """
    betas = dict(zip(fit.family.predictors, fit.problem.beta_slices, strict=True))
    at = fit.optimum.psi if psi is None else psi
    fixed = fixed_predictors(parts, [at[betas[p.name]] for p in parts])
    eta = dict(zip([p.name for p in parts], fixed, strict=True))
    if random_effects == "auto":
        found = fit.mode if mode is None else mode
        modes = _by_term(fit, lambda term: _modes_of(found, term))
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


def _modes_of(mode: Mode, term: Term) -> FloatArray:
    """``b = Lambda u`` at the conditional mode, (m, q)."""
    root, u = mode.roots[term.factor], mode.point.u[term.factor]
    return term.by_level(scale_effects(root, u)).T


def _covariance_of(fit: Estimates, term: Term) -> FloatArray:
    """``Lambda Lambda'`` of the effects of its columns, at one level or one time, (q, q)."""
    root = term.units(fit.theta_of(term))
    return root @ root.T
