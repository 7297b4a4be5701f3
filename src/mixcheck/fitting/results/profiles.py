"""Profile likelihoods as a record: the signed root along each parameter, with the interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mixcheck.arguments.calls import answer_methods
from mixcheck.arguments.options import (
    require_choice,
    require_progress,
    require_whole,
    require_workers,
)
from mixcheck.arrays import FloatArray
from mixcheck.display.document import CurvePlot, Document, Paragraph, Table
from mixcheck.display.shown import Shown
from mixcheck.errors import ConvergenceError, ConvergenceWarning, OptionError
from mixcheck.execution.parallel import map_numbers
from mixcheck.execution.progress import Progress
from mixcheck.fitting.estimation.profile import ProfileLikelihood
from mixcheck.fitting.results.intervals import read_parameters
from mixcheck.fitting.results.parameter_functions import touches_means
from mixcheck.fitting.results.parameters import Parameter
from mixcheck.fitting.results.refitting import Refitting
from mixcheck.inference.profile import Curve
from mixcheck.inference.wald import normal_quantile
from mixcheck.notices import warn

if TYPE_CHECKING:
    from mixcheck.display.figures import Axes

__all__ = ["Profile", "follow_profiles"]

# A step on the scale of the profile, relative to a standard error, for the slope of what is shown.
_STEP = 1e-4
# The ends themselves are within the band.
_ROUNDING = 1e-6


@answer_methods
@dataclass(frozen=True, eq=False, repr=False)
class Profile(Shown):
    """Profile likelihoods of parameters, each with its interval.

    Attributes
    ----------
    points : DataFrame
        Columns ``parameter``, ``value`` and ``zeta``, the signed root of the likelihood ratio with
        the parameter held at the value and all others estimated again; increasing by parameter.
    intervals : DataFrame
        A row for each parameter: ``estimate``, ``std_error`` (by the curvature at the estimates;
        NaN on the boundary), ``low`` and ``high``, where zeta is a quantile of the normal
        distribution.
    level : float
        The confidence of the intervals.
    likelihood : str
        Which one was followed.
    """

    points: pd.DataFrame
    intervals: pd.DataFrame
    level: float
    likelihood: str

    def to_frame(self) -> pd.DataFrame:
        """The points, a row each: ``parameter, value, zeta``."""
        return self.points.copy()

    def picture(self, parameter: str | None = None) -> CurvePlot:
        """Zeta against a parameter, as plot data.

        Points within the band are in the interval. The dashed line is what Wald's method takes
        zeta for: a straight one is a likelihood that is normal in the parameter.

        Parameters
        ----------
        parameter : str, optional
            Its name; needed where there are several.

        Raises
        ------
        OptionError
        """
        name = self._chosen(parameter)
        own = self.points[self.points["parameter"] == name]
        value, zeta = own["value"].to_numpy(), own["zeta"].to_numpy()
        row, reach = self.intervals.loc[name], normal_quantile(self.level) + _ROUNDING
        straight = (value - row["estimate"]) / row["std_error"]
        known = np.isfinite(straight).all()
        return CurvePlot(
            value,
            zeta,
            band_low=np.full(value.size, -reach),
            band_high=np.full(value.size, reach),
            reference=np.clip(straight, -2.0 * reach, 2.0 * reach) if known else np.empty(0),
            title=f"{name}: {100 * self.level:g} % from {row['low']:.4g} to {row['high']:.4g}",
            x_label=name,
            y_label="signed root of the likelihood ratio",
        )

    def plot(self, parameter: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw `picture` on the given matplotlib axes, or on new ones, the interval marked."""
        from mixcheck.display.figures import draw

        name = self._chosen(parameter)
        drawn = draw(self.picture(name), ax)
        ends = self.intervals.loc[name, ["low", "high"]].to_numpy(dtype=np.float64)
        for end in (float(value) for value in ends):
            if np.isfinite(end):
                drawn.axvline(end, linewidth=0.9, color=drawn.xaxis.label.get_color())
        return drawn

    def _chosen(self, parameter: str | None) -> str:
        names = [str(name) for name in self.intervals.index]
        if parameter is None and len(names) == 1:
            return names[0]
        require_choice("parameter", parameter, names)
        return str(parameter)

    def document(self) -> Document:
        """Estimates and intervals with a sentence on what they are."""
        numbers = self.intervals.to_numpy(dtype=np.float64).tolist()
        rows = tuple((str(k), *row) for k, row in zip(self.intervals.index, numbers, strict=True))
        words = (
            f"{100 * self.level:g} % intervals by the profile of the {self.likelihood}, at "
            f"{len(self.points)} values."
        )
        table = Table(("parameter", "estimate", "std error", "low", "high"), rows)
        return Document("Profile likelihood", (table, Paragraph(words, quiet=True)))

    def __repr__(self) -> str:
        return self.to_text()


# ---- how it is made --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Follow:
    """Curves of parameters by their numbers, or why there is none."""

    likelihood: ProfileLikelihood
    parameters: Sequence[Parameter]
    quantile: float
    points: int

    def __call__(self, number: int) -> Curve | str:
        try:
            feature = self.parameters[number].feature
            return self.likelihood.follow(feature, self.quantile, self.points)
        except (ConvergenceError, np.linalg.LinAlgError) as error:
            return str(error)


def follow_profiles(
    fit: Refitting,
    parameters: object,
    level: float,
    points: int,
    n_jobs: int | None,
    progress: Progress,
) -> Profile:
    """See `mixcheck.GLMM.profile`."""
    quantile = normal_quantile(level)
    count = require_whole("points", points)
    require_workers(n_jobs)
    require_progress(progress)
    wanted = read_parameters(fit, parameters)
    lost = [p.name for p in wanted if _is_undefined(fit, p)]
    searched = [p for p in wanted if p.name not in lost]
    if not searched:
        raise OptionError(
            f"{', '.join(lost) or 'none'}: nothing of this can be profiled, because it has no "
            "finite estimate; choose other parameters"
        )
    likelihood = fit.profile_likelihood(of_means=touches_means(fit, searched))
    task = _Follow(likelihood, searched, quantile, count)
    curves = map_numbers(
        task, range(len(searched)), n_jobs=n_jobs, progress=progress, what="profiles"
    )
    rows, tables = {}, []
    for parameter, curve in zip(searched, curves, strict=True):
        if isinstance(curve, str):
            lost.append(f"{parameter.name} ({curve})")
            continue
        rows[parameter.name] = _row(fit, parameter, curve)
        tables.append(_points(parameter, curve))
    if lost:
        warn(f"without a profile: {'; '.join(lost)}", ConvergenceWarning)
    if not rows:
        raise ConvergenceError("no profile could be followed; see the warning for the reasons")
    columns = ["estimate", "std_error", "low", "high"]
    kind = "posterior density" if fit.priors else "likelihood"
    return Profile(
        pd.concat(tables, ignore_index=True),
        pd.DataFrame.from_dict(rows, orient="index", columns=columns),
        level,
        f"restricted {kind}" if fit.reml else kind,
    )


def _is_undefined(fit: Refitting, parameter: Parameter) -> bool:
    value = parameter.feature.value(fit.optimum.psi)
    return parameter.name in fit.infinite_names or bool(np.isnan(value))


def _row(fit: Refitting, parameter: Parameter, curve: Curve) -> tuple[float, ...]:
    """Estimate, standard error by the delta method, and ends, as they are shown."""
    step = _STEP * curve.deviation
    up, down = (parameter.shown(curve.estimate + s) for s in (step, -step))
    error = abs(up - down) / (2.0 * _STEP) if curve.curved else np.nan
    low, high = sorted(parameter.shown(end) for end in (curve.low, curve.high))
    return parameter.of(fit.optimum.psi), error, low, high


def _points(parameter: Parameter, curve: Curve) -> pd.DataFrame:
    values: FloatArray = np.array([parameter.shown(value) for value in curve.at])
    zeta = curve.zeta
    if values[0] > values[-1]:
        # A link that falls turns the sides round.
        values, zeta = values[::-1], -zeta[::-1]
    return pd.DataFrame({"parameter": parameter.name, "value": values, "zeta": zeta})
