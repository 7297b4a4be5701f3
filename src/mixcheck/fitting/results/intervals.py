"""Intervals of all parameters of a fit: which, by which method, and in one frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.errors import BoundaryWarning, ConvergenceError, ConvergenceWarning, OptionError
from mixcheck.fitting.estimation.features import Coordinate
from mixcheck.fitting.estimation.profile import ProfileLikelihood
from mixcheck.fitting.results.coefficient_table import tabulate_coefficients
from mixcheck.fitting.results.parameters import Parameter, list_parameters
from mixcheck.fitting.results.refitting import Refitting
from mixcheck.fitting.results.small_samples import DegreesOfFreedom
from mixcheck.inference.bootstrap import basic_intervals, least_draws, percentile_intervals
from mixcheck.inference.wald import normal_quantile, wald_intervals
from mixcheck.notices import warn
from mixcheck.options import require_choice, require_seed, require_whole, require_workers
from mixcheck.parallel import map_batches, map_numbers
from mixcheck.streams import Purpose, choose_seed, stream

__all__ = ["BootstrapInterval", "IntervalMethod", "ParameterGroup", "Request", "find_intervals"]

IntervalMethod: TypeAlias = Literal["wald", "profile", "bootstrap"]
ParameterGroup: TypeAlias = Literal["fixed", "random", "all"]
BootstrapInterval: TypeAlias = Literal["percentile", "basic"]

# Data sets that are simulated and fitted together.
_TOGETHER = 256


@dataclass(frozen=True)
class Request:
    """What was asked for; see `GLMM.conf_int`."""

    level: float
    method: str
    parameters: str
    draws: int
    interval: str
    seed: int | None
    n_jobs: int | None
    ddf: str = "auto"

    def __post_init__(self) -> None:
        normal_quantile(self.level)
        require_choice("method", self.method, ("wald", "profile", "bootstrap"))
        require_choice("parameters", self.parameters, ("fixed", "random", "all"))
        require_choice("interval", self.interval, ("percentile", "basic"))
        require_choice("ddf", self.ddf, get_args(DegreesOfFreedom))
        if self.method != "wald" and self.ddf != "auto":
            raise OptionError(
                f'ddf="{self.ddf}" belongs to method="wald"; leave it out with '
                f'method="{self.method}"'
            )
        require_whole("draws", self.draws, least_draws(self.level) if self.drawn else 1)
        require_seed(self.seed)
        require_workers(self.n_jobs)

    @property
    def drawn(self) -> bool:
        """Whether data sets are simulated."""
        return self.method == "bootstrap"


def find_intervals(fit: Refitting, request: Request) -> pd.DataFrame:
    """Intervals, a row for each parameter, columns ``low`` and ``high``."""
    every = list_parameters(fit)
    wanted = [p for p in every if request.parameters in ("all", p.group)]
    if request.method == "wald":
        ends = _by_wald(fit, every, request)
        found = np.array([ends[p.name] for p in wanted]).reshape(-1, 2)
        _tell_boundary(wanted, found)
    elif request.method == "profile":
        found = _by_profile(fit, wanted, request)
    else:
        found = _by_bootstrap(fit, wanted, request)
    return pd.DataFrame(found, pd.Index([p.name for p in wanted]), ["low", "high"])


# ---- Wald ------------------------------------------------------------------------------------


def _by_wald(
    fit: Refitting, parameters: Sequence[Parameter], request: Request
) -> dict[str, Sequence[float]]:
    """Ends of the interval of each parameter, by name."""
    level = request.level
    table = tabulate_coefficients(fit, request.ddf, level)
    fixed = iter(table[["low", "high"]].to_numpy().tolist())
    varying = fit.covariance_parameters(level)[["low", "high", "estimate"]].to_numpy()
    rows = iter(varying.tolist())
    out: dict[str, Sequence[float]] = {}
    for parameter in parameters:
        if parameter.kind == "fixed":
            out[parameter.name] = next(fixed)
        elif parameter.kind == "dispersion":
            out[parameter.name] = _dispersion(fit, parameter, level)
        else:
            low, high, estimate = next(rows)
            none = parameter.kind == "sd" and estimate == 0.0
            out[parameter.name] = (0.0, np.nan) if none else (low, high)
    return out


def _dispersion(fit: Refitting, parameter: Parameter, level: float) -> Sequence[float]:
    """Symmetric on the scale of its link, where it is a coordinate."""
    place = fit.dispersion_position
    assert place is not None
    error = np.sqrt(fit.covariance[place, place])
    if any(limit.parameter.startswith("dispersion") for limit in fit.convergence.limits):
        error = np.inf
    ends = wald_intervals(fit.optimum.psi[[place]], np.array([error]), level)[0]
    return sorted(parameter.shown(float(end)) for end in ends)


def _tell_boundary(parameters: Sequence[Parameter], ends: FloatArray) -> None:
    """Say why there are no ends."""
    lost = [p.name for p, row in zip(parameters, ends, strict=True) if np.isnan(row).any()]
    if lost:
        several = "are on the boundary or undefined" if len(lost) > 1 else "is on the boundary"
        warn(
            f"{', '.join(lost)} {several}, where Wald's interval has no end; write "
            'method="profile"',
            BoundaryWarning,
        )


# ---- profile ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Ends:
    """Ends of profile intervals by their numbers: lower and upper one of each parameter."""

    likelihood: ProfileLikelihood
    parameters: Sequence[Parameter]
    quantile: float

    def __call__(self, number: int) -> float | str:
        parameter = self.parameters[number // 2]
        sign = 1.0 if number % 2 else -1.0
        try:
            return self.likelihood.find_end(parameter.feature, sign * self.quantile)
        except (ConvergenceError, np.linalg.LinAlgError) as error:
            return str(error)


def _by_profile(fit: Refitting, parameters: Sequence[Parameter], request: Request) -> FloatArray:
    means = range(fit.problem.X[0].shape[1])
    coordinates = [p.feature for p in parameters if isinstance(p.feature, Coordinate)]
    likelihood = fit.profile_likelihood(of_means=any(c.position in means for c in coordinates))
    out = np.full((len(parameters), 2), np.nan)
    infinite, reasons, searched = fit.infinite_names, {}, []
    for k, parameter in enumerate(parameters):
        if parameter.name in infinite:
            out[k] = -np.inf, np.inf
        elif np.isnan(parameter.feature.value(fit.optimum.psi)):
            reasons[parameter.name] = "it is not defined where a standard deviation is zero"
        else:
            searched.append(k)
    task = _Ends(likelihood, [parameters[k] for k in searched], normal_quantile(request.level))
    ends = map_numbers(task, range(2 * len(searched)), n_jobs=request.n_jobs)
    for number, end in enumerate(ends):
        k = searched[number // 2]
        if isinstance(end, str):
            reasons[parameters[k].name] = end
        else:
            out[k, number % 2] = parameters[k].shown(end)
    if reasons:
        told = "; ".join(f"{name} ({reason})" for name, reason in reasons.items())
        warn(f"profile intervals without an end that is known: {told}", ConvergenceWarning)
    # A link may turn the order round.
    return np.where(np.isnan(out).any(axis=1, keepdims=True), out, np.sort(out, axis=1))


# ---- bootstrap -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Replicates:
    """Estimates of data sets simulated from a fit, by their numbers."""

    fit: Refitting
    parameters: Sequence[Parameter]
    seed: int

    def __call__(self, numbers: range) -> list[FloatArray | str]:
        streams = (stream(self.seed, Purpose.SIMULATE, k) for k in numbers)
        responses = np.column_stack([self.fit.respond(rng) for rng in streams])
        return [self._estimates(fit) for fit in self.fit.refit_many(responses)]

    def _estimates(self, fit: Refitting | Exception) -> FloatArray | str:
        if isinstance(fit, Exception):
            return f"{type(fit).__name__}: {fit}"
        psi = fit.optimum.psi
        # A parameter that runs to a limit is reported far out on its side.
        infinite = fit.infinite_names
        if not infinite and not fit.converged:
            return "the optimum was not reached"
        return np.array(
            [
                np.copysign(np.inf, p.of(psi)) if p.name in infinite else p.of(psi)
                for p in self.parameters
            ]
        )


def _by_bootstrap(fit: Refitting, parameters: Sequence[Parameter], request: Request) -> FloatArray:
    seed = choose_seed(request.seed)
    task = _Replicates(fit, parameters, seed)
    made = map_batches(task, range(request.draws), _TOGETHER, n_jobs=request.n_jobs)
    reasons = Counter(row for row in made if isinstance(row, str))
    if reasons:
        warn(
            f"{reasons.total()} of {request.draws} simulated data sets could not be fitted, and "
            f"the intervals rest on the others; most often: {reasons.most_common(1)[0][0]}",
            ConvergenceWarning,
        )
    rows = [row for row in made if not isinstance(row, str)]
    draws = np.array(rows).reshape(len(rows), len(parameters))
    if request.interval == "percentile":
        return percentile_intervals(draws, request.level)
    estimate = np.array([p.of(fit.optimum.psi) for p in parameters])
    return basic_intervals(
        draws,
        estimate,
        request.level,
        least=np.array([p.range[0] for p in parameters]),
        most=np.array([p.range[1] for p in parameters]),
    )
