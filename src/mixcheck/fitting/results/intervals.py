"""Intervals of all parameters of a fit: which, by which method, and in one frame."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from mixcheck.arguments.options import (
    as_items,
    require_choice,
    require_draws,
    require_progress,
    require_seconds,
    require_seed,
    require_workers,
    shown,
)
from mixcheck.arrays import FloatArray
from mixcheck.errors import BoundaryWarning, ConvergenceError, ConvergenceWarning, OptionError
from mixcheck.execution.parallel import map_batches, map_numbers
from mixcheck.execution.progress import Progress, reporter
from mixcheck.execution.streams import Purpose, choose_seed, stream
from mixcheck.execution.time_limits import TimeLimit, start_clock
from mixcheck.fitting.estimation.profile import ProfileLikelihood
from mixcheck.fitting.influence.by_group import differentiate_groups, find_grouping
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.results.coefficient_table import tabulate_coefficients
from mixcheck.fitting.results.parameter_functions import (
    function_interval,
    read_functions,
    touches_means,
)
from mixcheck.fitting.results.parameters import Parameter, list_parameters
from mixcheck.fitting.results.refitting import Refitting
from mixcheck.fitting.results.restricted import restricted_of, variance_df
from mixcheck.fitting.results.small_samples import DegreesOfFreedom, regular, small_samples_of
from mixcheck.inference.bootstrap import (
    basic_intervals,
    bca_intervals,
    find_acceleration,
    least_draws,
    percentile_intervals,
)
from mixcheck.inference.contrasts import t_intervals
from mixcheck.inference.variance_ratio import ratio_quantile
from mixcheck.inference.wald import normal_quantile, wald_intervals
from mixcheck.notices import warn

__all__ = [
    "BootstrapInterval",
    "IntervalMethod",
    "ParameterGroup",
    "Request",
    "find_intervals",
    "read_parameters",
]

IntervalMethod: TypeAlias = Literal["auto", "wald", "profile", "bootstrap"]
ParameterGroup: TypeAlias = Literal["fixed", "random", "all"]
BootstrapInterval: TypeAlias = Literal["percentile", "basic", "bca"]

# Data sets of a bootstrap, where nothing else is asked for.
_DRAWS = 1000
# Data sets that are simulated and fitted together at most, and their rows.
_TOGETHER, _TOGETHER_ROWS = 256, 65_536


@dataclass(frozen=True)
class Request:
    """What was asked for; see `GLMM.conf_int`."""

    level: float
    method: str = "auto"
    parameters: object = "fixed"
    draws: int | None = None
    interval: str = "percentile"
    seed: int | None = None
    n_jobs: int | None = None
    ddf: str = "auto"
    cluster: str | None = None
    progress: Progress = None
    time_limit: float | None = None

    def __post_init__(self) -> None:
        normal_quantile(self.level)
        require_choice("method", self.method, get_args(IntervalMethod))
        require_choice("interval", self.interval, get_args(BootstrapInterval))
        require_choice("ddf", self.ddf, get_args(DegreesOfFreedom))
        given = {"ddf": self.ddf if self.ddf != "auto" else None, "cluster": self.cluster}
        for name, value in given.items():
            if self.method not in ("auto", "wald") and value is not None:
                raise OptionError(
                    f'{name}={shown(value)} belongs to method="wald"; leave it out with '
                    f'method="{self.method}"'
                )
        require_draws(self.number, least_draws(self.level) if self.drawn else 1)
        if self.draws is not None and not self.drawn:
            raise OptionError(
                f'draws={shown(self.draws)} belongs to method="bootstrap"; leave it out with '
                f'method="{self.method}"'
            )
        require_seed(self.seed)
        require_workers(self.n_jobs)
        require_progress(self.progress)
        if require_seconds(self.time_limit) is not None and not self.drawn:
            raise OptionError(
                'time_limit belongs to method="bootstrap"; leave it out with '
                f'method="{self.method}"'
            )

    @property
    def number(self) -> int:
        """How many data sets a bootstrap simulates."""
        return _DRAWS if self.draws is None else self.draws

    @property
    def drawn(self) -> bool:
        """Whether data sets are simulated."""
        return self.method == "bootstrap"


def find_intervals(fit: Refitting, request: Request) -> pd.DataFrame:
    """Intervals, a row for each parameter, columns ``low`` and ``high``."""
    every = list_parameters(fit)
    wanted = read_parameters(fit, request.parameters)
    if request.method == "bootstrap":
        ends, stopped = _by_bootstrap(fit, wanted, request)
        table = _frame(wanted, ends, "bootstrap")
        if stopped:
            table.attrs["stopped"] = stopped
        return table
    if request.method == "profile":
        quantiles = [normal_quantile(request.level)] * len(wanted)
        return _frame(wanted, _by_profile(fit, wanted, quantiles, request), "profile")
    if request.method == "auto":
        return _by_default(fit, every, wanted, request)
    return _frame(wanted, _by_wald(fit, every, wanted, request), "wald")


def read_parameters(fit: Refitting, given: object) -> list[Parameter]:
    """The parameters of a group, or of these names, or functions of them.

    Raises
    ------
    OptionError
    """
    every, groups = list_parameters(fit), get_args(ParameterGroup)
    if isinstance(given, Mapping):
        return read_functions(fit, every, given)
    if isinstance(given, str) and given in groups:
        return [p for p in every if given in ("all", p.group)]
    known = {p.name: p for p in every}
    items = as_items(given)
    names = items or (given,)
    for name in names:
        require_choice("parameters", name, [*known] if items else (*groups, *known))
    return [known[str(name)] for name in dict.fromkeys(names) if name in known]


def _frame(parameters: Sequence[Parameter], ends: FloatArray, of_variances: str) -> pd.DataFrame:
    """With the way to the intervals of variances in ``attrs``."""
    names = pd.Index([p.name for p in parameters])
    table = pd.DataFrame(ends.reshape(-1, 2), names, ["low", "high"])
    table.attrs["variances"] = of_variances
    return table


# ---- by default ------------------------------------------------------------------------------


def _by_default(
    fit: Refitting, every: Sequence[Parameter], wanted: Sequence[Parameter], request: Request
) -> pd.DataFrame:
    """Wald's for fixed effects; for the rest the first way of `_of_variances` that there is."""
    fixed = [p for p in wanted if p.group == "fixed"]
    # A function of means and variances has no restricted likelihood, and costs the others none.
    other = [(p, touches_means(fit, [p])) for p in wanted if p.group == "random"]
    random, mixed = [p for p, of in other if not of], [p for p, of in other if of]
    coefficients = _by_wald(fit, every, fixed, request) if fixed else np.empty((0, 2))
    varying, way = _of_variances(fit, every, random, request)
    ends = [coefficients, varying]
    if mixed:
        found, own = _of_variances(fit, every, mixed, request)
        ends, way = [*ends, found], way if random else own
    by_name = _frame([*fixed, *random, *mixed], np.concatenate(ends), way)
    return by_name.loc[[p.name for p in wanted]]


def _of_variances(
    fit: Refitting, every: Sequence[Parameter], wanted: Sequence[Parameter], request: Request
) -> tuple[FloatArray, str]:
    """The profile of the restricted likelihood; where there is none, the fit's own; else Wald's."""
    level = request.level
    if not wanted:
        return np.empty((0, 2)), "none"
    restricted = restricted_of(fit)
    if restricted is not None:
        quantiles = [ratio_quantile(level, variance_df(fit, p)) for p in wanted]
        with suppress(OptionError):
            return _by_profile(restricted, wanted, quantiles, request), "restricted profile"
    with suppress(OptionError):
        return _by_profile(fit, wanted, [normal_quantile(level)] * len(wanted), request), "profile"
    return _by_wald(fit, every, wanted, request), "wald"


# ---- Wald ------------------------------------------------------------------------------------


def _by_wald(
    fit: Refitting, every: Sequence[Parameter], wanted: Sequence[Parameter], request: Request
) -> FloatArray:
    """Those of the coefficient table, and those that are symmetric on the scale of a variance."""
    ends = _wald_by_name(fit, every, request)
    ends.update({p.name: _of_function(fit, p, request) for p in wanted if p.kind == "function"})
    found = np.array([ends[p.name] for p in wanted]).reshape(-1, 2)
    _tell_boundary(wanted, found)
    return found


def _wald_by_name(
    fit: Refitting, parameters: Sequence[Parameter], request: Request
) -> dict[str, Sequence[float]]:
    """Ends of the interval of each parameter, by name."""
    level = request.level
    table = tabulate_coefficients(fit, request.ddf, level, request.cluster)
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


def _of_function(fit: Refitting, parameter: Parameter, request: Request) -> Sequence[float]:
    """With the degrees of freedom of its linear part where it is one of fixed effects."""

    def half_width(L: FloatArray) -> FloatArray:
        found = small_samples_of(fit).contrasts(L, request.ddf, request.cluster)
        zero = np.zeros(len(L))
        return t_intervals(zero, found.deviations, found.df, request.level)[:, 1]

    return function_interval(fit, parameter, half_width, normal_quantile(request.level))


def _dispersion(fit: Refitting, parameter: Parameter, level: float) -> Sequence[float]:
    """Symmetric on the scale of its link, where it is a coordinate."""
    place = fit.dispersion_position
    assert place is not None
    error = np.inf if fit.infinite_positions[place] else np.sqrt(fit.covariance[place, place])
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
    quantiles: Sequence[float]

    def __call__(self, number: int) -> float | str:
        parameter, quantile = self.parameters[number // 2], self.quantiles[number // 2]
        sign = 1.0 if number % 2 else -1.0
        try:
            return self.likelihood.find_end(parameter.feature, sign * quantile)
        except (ConvergenceError, np.linalg.LinAlgError) as error:
            return str(error)


def _by_profile(
    fit: Refitting,
    parameters: Sequence[Parameter],
    quantiles: Sequence[float],
    request: Request,
) -> FloatArray:
    """Where the signed root of each parameter is minus and plus its quantile, (k, 2)."""
    likelihood = fit.profile_likelihood(of_means=touches_means(fit, parameters))
    out = np.full((len(parameters), 2), np.nan)
    infinite, reasons, searched = fit.infinite_names, {}, []
    for k, parameter in enumerate(parameters):
        if parameter.name in infinite:
            out[k] = -np.inf, np.inf
        elif np.isnan(parameter.feature.value(fit.optimum.psi)):
            # Beside a standard deviation of zero the likelihood is the same at every correlation.
            out[k] = parameter.range
        else:
            searched.append(k)
    task = _Ends(likelihood, [parameters[k] for k in searched], [quantiles[k] for k in searched])
    ends = map_numbers(
        task,
        range(2 * len(searched)),
        n_jobs=request.n_jobs,
        progress=request.progress,
        what="ends of profiles",
    )
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


def _make_replicates(
    task: _Replicates, request: Request
) -> tuple[list[FloatArray | str], TimeLimit | None]:
    """Estimates of as many data sets as there is time for, and at least as the level needs."""
    limit = start_clock(request.time_limit)
    size = max(1, min(_TOGETHER, _TOGETHER_ROWS // max(1, task.fit.problem.n)))
    made: list[FloatArray | str] = []
    with reporter(request.progress, "simulated data sets") as report:
        for stop in (least_draws(request.level), request.number):
            # Whole batches, so that what is made together does not depend on the clock.
            last = min(size * math.ceil(stop / size), request.number)
            late = stop == request.number and limit is not None and limit.passed
            if len(made) < last and not late:
                made += map_batches(
                    task,
                    range(len(made), last),
                    size,
                    n_jobs=request.n_jobs,
                    progress=report.onward(len(made), request.number),
                    limit=limit if stop == request.number else None,
                )
    return made, limit


def _by_bootstrap(
    fit: Refitting, parameters: Sequence[Parameter], request: Request
) -> tuple[FloatArray, str]:
    """The ends, and a sentence where a limit of time left data sets out."""
    bca = request.interval == "bca"
    acceleration = _acceleration(fit, parameters) if bca else np.zeros(len(parameters))
    made, limit = _make_replicates(_Replicates(fit, parameters, choose_seed(request.seed)), request)
    late = limit is not None and len(made) < request.number
    stopped = (
        limit.words(len(made), request.number, "simulated data sets") if limit and late else ""
    )
    reasons = Counter(row for row in made if isinstance(row, str))
    if reasons:
        warn(
            f"{reasons.total()} of {len(made)} simulated data sets could not be fitted, and "
            f"the intervals rest on the others; most often: {reasons.most_common(1)[0][0]}",
            ConvergenceWarning,
        )
    rows = [row for row in made if not isinstance(row, str)]
    draws = np.array(rows).reshape(len(rows), len(parameters))
    if request.interval == "percentile":
        return percentile_intervals(draws, request.level), stopped
    estimate = np.array([p.of(fit.optimum.psi) for p in parameters])
    if bca:
        return bca_intervals(draws, estimate, acceleration, request.level), stopped
    ends = basic_intervals(
        draws,
        estimate,
        request.level,
        least=np.array([p.range[0] for p in parameters]),
        most=np.array([p.range[1] for p in parameters]),
    )
    return ends, stopped


def _acceleration(fit: Refitting, parameters: Sequence[Parameter]) -> FloatArray:
    """By the jackknife over groups, each left out by one Newton step, (k,).

    With the scores s_g and the information I_g of the groups, ``A = sum I_g``, a group changes the
    estimates by ``(A - I_g)^-1 s_g``, and a function of them by that along its gradient.

    Raises
    ------
    OptionError
        If the likelihood is not a sum over groups.
    """
    if fit.infinite_names or fit.priors or fit.method.kind == "pseudo":
        raise OptionError(
            'interval="bca" needs a likelihood that was maximised, and finite estimates; write '
            'interval="percentile"'
        )
    method = Laplace() if fit.method.restricted else fit.method
    scale: FloatArray = np.linalg.cholesky(regular(fit.covariance)).astype(np.float64)
    try:
        grouping = find_grouping(fit.design, fit.problem, None)
        known = differentiate_groups(fit.problem, method, grouping, fit.optimum.psi, scale)
    except OptionError as error:
        raise OptionError(
            'interval="bca" leaves out one group at a time, and the likelihood of this model is no '
            'sum over groups; write interval="percentile"'
        ) from error
    left = known.information.sum(axis=0) - known.information
    # Where the parameters lie on a boundary the information of the others may be singular.
    moved = np.array(
        [np.linalg.pinv(one, hermitian=True) @ s for one, s in zip(left, known.scores, strict=True)]
    )
    slopes = np.array([np.nan_to_num(p.feature.slope(fit.optimum.psi)) for p in parameters])
    rising = np.array([_is_rising(p) for p in parameters])
    return find_acceleration(moved @ (slopes * np.where(rising, 1.0, -1.0)[:, None]).T)


def _is_rising(parameter: Parameter) -> bool:
    """Whether what is shown grows with what is searched."""
    return parameter.shown(1.0) >= parameter.shown(0.0)
