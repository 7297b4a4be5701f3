"""The parameters of a fit as a reader knows them, each by the name it has in every table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from mixcheck.arrays import FloatArray
from mixcheck.families import Link
from mixcheck.fitting.estimation.features import Coordinate, Correlation, Deviation, Feature
from mixcheck.fitting.likelihood.term import Term
from mixcheck.fitting.results.estimates import Estimates

__all__ = ["Parameter", "list_parameters"]

Group: TypeAlias = Literal["fixed", "random"]


@dataclass(frozen=True)
class Parameter:
    """A parameter that has an interval.

    Attributes
    ----------
    name : str
        As in `params` and in the estimates of refits.
    group : {"fixed", "random"}
        Coefficients and shapes, or what describes random variation.
    kind : str
        "fixed", "sd", "correlation", "dispersion" or "function".
    feature : Feature
        It as a function of the parameters of the search, on the scale of its profile.
    link : Link or None
        From the scale of the profile to that of the reader, of a dispersion.
    term : Term or None
        The random term that it belongs to.
    effects : tuple of int
        Which of its effects; empty where it belongs to all.
    """

    name: str
    group: Group
    kind: str
    feature: Feature
    link: Link | None = None
    term: Term | None = None
    effects: tuple[int, ...] = ()

    def shown(self, value: float) -> float:
        """What a reader knows of a value on the scale of its profile."""
        if isinstance(self.feature, Correlation):
            return self.feature.shown(value)
        if self.link is None:
            return value
        if np.isinf(value):
            near = self.link.inverse(np.array([0.0, 1.0]))
            rising = bool(near[1] > near[0])
            return np.inf if rising == (value > 0.0) else 0.0
        return float(self.link.inverse(np.array([value]))[0])

    @property
    def range(self) -> tuple[float, float]:
        """Least and largest value that it can have."""
        if isinstance(self.feature, Correlation):
            return self.feature.low, 1.0
        return -np.inf if self.kind in ("fixed", "function") else 0.0, np.inf

    def of(self, psi: FloatArray) -> float:
        """What a reader knows of it at parameters psi, (P,)."""
        return self.shown(self.feature.value(psi))


def list_parameters(fit: Estimates) -> tuple[Parameter, ...]:
    """All parameters: fixed effects and shapes, then covariances, then a constant dispersion."""
    out = [
        Parameter(name, "fixed", "fixed", Coordinate(int(j)))
        for name, j in zip(fit.fixed_names, fit.fixed_positions, strict=True)
    ]
    problem = fit.problem
    for term in problem.terms:
        part = fit.family.predictors[term.predictor]
        prefix = "" if part == "mean" else f"{part}: "
        start, covariance = problem.n_beta + term.theta.start, term.covariance
        quantities = covariance.quantities(term.block.effects)
        deviations = [k for k, quantity in enumerate(quantities) if quantity.kind == "sd"]
        for index, quantity in enumerate(quantities):
            short = "sd"
            feature: Feature = Deviation(covariance, start, index)
            if quantity.kind == "correlation":
                short = "cor"
                # One correlation of many effects is defined while two of them vary.
                either = len(deviations) <= 2
                of = deviations if either else [deviations[k] for k in quantity.effects]
                feature = Correlation(covariance, start, index, low=quantity.low, of=tuple(of))
            name = f"{prefix}{short}({term.block.group}, {quantity.name})"
            own = Parameter(name, "random", quantity.kind, feature)
            out.append(replace(own, term=term, effects=quantity.effects))
    place = fit.dispersion_position
    if place is not None:
        number = next(k for k, where in enumerate(problem.beta_slices) if where.start == place)
        known = Parameter("dispersion", "random", "dispersion", Coordinate(place))
        out.append(replace(known, link=fit.family.links[number]))
    return tuple(out)
