"""Is the distribution right? Uniformity, dispersion, outliers, zeros, any statistic."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, final, get_args

import numpy as np

from mixcheck.arrays import BoolArray, FloatArray
from mixcheck.checks.check import Check
from mixcheck.checks.goodness import (
    GOODNESS,
    GoodnessName,
    clopper_pearson,
    distance_band,
    dkw_halfwidth,
    kolmogorov_smirnov,
)
from mixcheck.checks.statistic import (
    ALTERNATIVES,
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    ratio,
    require_choice,
    thinned,
)
from mixcheck.codec.shapes import Finite
from mixcheck.display.document import NullPlot, QuantilePlot
from mixcheck.errors import OptionError
from mixcheck.options import require_number, shown
from mixcheck.port import DataView
from mixcheck.report.finding import Alternative, Effect, Finding, Skipped

__all__ = ["Count", "Dispersion", "Outliers", "Statistic", "Uniformity", "Zeros"]

DispersionName = Literal["pearson", "variance"]

# The outlier bound of 250 simulations: 1 / (250 + 1) in each tail.
OUTLIER_LEVEL = 1.0 / 251.0
# Points of a picture; a longer sample is thinned evenly in its sorted order.
PICTURE_POINTS = 1000
# A variance below this is the underflow of one; its row then weighs infinitely, as it should.
SMALLEST_VARIANCE = 1e-300

RESIDUALS = "Dunn & Smyth (1996), J. Comput. Graph. Stat. 5, 236-244"
PEARSON = "McCullagh & Nelder (1989), Generalized Linear Models, section 4.5"


@final
@dataclass(frozen=True, repr=False)
class Uniformity(Check):
    """Whether the quantile residuals are uniform.

    Null hypothesis: the residuals come from the uniform distribution on (0, 1).
    Effect: "distance from uniform", the largest distance between their empirical distribution
    function and the identity, with a Dvoretzky-Kiefer-Wolfowitz interval; 0 under the model.

    Parameters
    ----------
    statistic : {"ks", "ad", "cvm"}
        Kolmogorov-Smirnov, Anderson-Darling (weighs the tails) or Cramér-von Mises.

    References
    ----------
    Massart (1990), Ann. Probab. 18, 1269-1283.
    """

    kind: ClassVar[str] = "uniformity"
    least_rows: ClassVar[int] = 2

    statistic: GoodnessName = "ks"

    def __post_init__(self) -> None:
        require_choice("statistic", self.statistic, get_args(GoodnessName))

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the residuals."""
        return (_UniformityStatistic(self.name, self.kind, self.statistic),)


@final
@dataclass(frozen=True, eq=False)
class _UniformityStatistic(CheckStatistic):
    """Statistic, and largest distance."""

    statistic: GoodnessName

    def numbers(self, data_view: DataView) -> FloatArray:
        ordered = np.sort(data_view.residuals)
        distance = kolmogorov_smirnov(ordered)
        if self.statistic == "ks":
            return np.array([distance, distance])
        return np.array([GOODNESS[self.statistic](ordered), distance])

    def finding(self, sample: NullSample) -> Finding:
        ordered = np.sort(sample.observed.residuals)
        finding = self.found(
            sample,
            null="the quantile residuals are uniform between 0 and 1",
            effect=distance_effect("distance from uniform", sample.numbers[1], ordered.size),
            alternative="greater",
            n=ordered.size,
            references=(RESIDUALS, "Massart (1990), Ann. Probab. 18, 1269-1283"),
        )
        return replace(finding, picture=_quantile_plot(ordered, sample.quantile(0.95, 1)))


def distance_effect(name: str, distance: float, n: int) -> Effect:
    """A largest distance between distribution functions, with its interval."""
    half = dkw_halfwidth(n)
    value = float(distance)
    return Effect(name, value, max(0.0, value - half), min(1.0, value + half), 0.0)


def _quantile_plot(ordered: FloatArray, distance: float) -> QuantilePlot:
    n = ordered.size
    low, high = distance_band(n, distance)
    kept = thinned(n, PICTURE_POINTS)
    return QuantilePlot(
        ordered[kept],
        (kept + 0.5) / n,
        low[kept],
        high[kept],
        title="Quantile residuals against uniform quantiles",
    )


@final
@dataclass(frozen=True, repr=False)
class Dispersion(Check):
    """Whether the response varies as much as the model says.

    Null hypothesis: the spread of the response around its means is that of the model.
    Effect: "variance ratio", the statistic over its mean in replicate data sets, with the
    interval that its 2.5 % and 97.5 % quantiles there give; 1 under the model.

    Parameters
    ----------
    statistic : {"pearson", "variance"}
        "pearson": sum of ``(y - mean)^2 / variance`` given the modes of the random effects,
        which are found again in each replicate. "variance": variance of ``y - fitted``
        with random effects at zero, as in DHARMa; large means dominate it.
    alternative : {"two-sided", "greater", "less"}
        Of "greater", only overdispersion counts.
    """

    kind: ClassVar[str] = "dispersion"
    least_rows: ClassVar[int] = 2

    statistic: DispersionName = "pearson"
    alternative: Alternative = "two-sided"

    def __post_init__(self) -> None:
        require_choice("statistic", self.statistic, get_args(DispersionName))
        require_choice("alternative", self.alternative, ALTERNATIVES)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the response."""
        return (_DispersionStatistic(self.name, self.kind, self.statistic, self.alternative),)


@final
@dataclass(frozen=True, eq=False)
class _DispersionStatistic(CheckStatistic):
    """One number: Pearson's statistic, or a variance."""

    statistic: DispersionName
    alternative: Alternative

    def numbers(self, data_view: DataView) -> FloatArray:
        if self.statistic == "pearson":
            return np.array([pearson_statistic(data_view)])
        return np.array([np.var(data_view.response - data_view.fitted, ddof=1)])

    def finding(self, sample: NullSample) -> Finding:
        value = float(sample.numbers[0])
        effect = Effect(
            "variance ratio",
            ratio(value, sample.mean()),
            ratio(value, sample.quantile(0.975)),
            ratio(value, sample.quantile(0.025)),
            1.0,
        )
        finding = self.found(
            sample,
            null="the response varies around its mean as much as the model says",
            effect=effect,
            alternative=self.alternative,
            n=sample.observed.response.size,
            references=(PEARSON,) if self.statistic == "pearson" else (),
        )
        return replace(finding, picture=null_plot(self.name, sample))


def pearson_statistic(seen: DataView) -> float:
    """``sum (y - mean)^2 / variance`` given the conditional modes of the random effects."""
    deviation = seen.response - seen.mode_mean
    variance = np.maximum(seen.mode_variance, SMALLEST_VARIANCE)
    return float(np.sum(deviation * (deviation / variance)))


def null_plot(name: str, sample: NullSample) -> NullPlot:
    """The statistic in the replicates and in the observed data."""
    return NullPlot(
        sample.replicates[:, 0].copy(),
        float(sample.numbers[0]),
        title=f"{name}: observed and in replicate data sets",
    )


@final
@dataclass(frozen=True, repr=False)
class Outliers(Check):
    """Whether the tails hold more residuals, or fewer, than they should.

    Null hypothesis: a residual lies within `level` of 0 or of 1 with probability
    ``2 level``. Effect: "outlier share" with a Clopper-Pearson interval. The finding names
    the rows.

    Parameters
    ----------
    level : float, optional
        Probability of one tail; 1 / 251 by default, the bound of 250 simulations.
    """

    kind: ClassVar[str] = "outliers"

    level: Finite | None = None

    def __post_init__(self) -> None:
        if self.level is not None:
            level = require_number("level", self.level, 0.0, 0.5, example=OUTLIER_LEVEL)
            object.__setattr__(self, "level", level)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the residuals."""
        level = OUTLIER_LEVEL if self.level is None else self.level
        return (_OutlierStatistic(self.name, self.kind, level),)


@final
@dataclass(frozen=True, eq=False)
class _OutlierStatistic(CheckStatistic):
    """One number: how many residuals lie in the tails."""

    level: float

    def _outside(self, data_view: DataView) -> BoolArray:
        residuals = data_view.residuals
        return (residuals < self.level) | (residuals > 1.0 - self.level)

    def numbers(self, data_view: DataView) -> FloatArray:
        return np.array([np.count_nonzero(self._outside(data_view))], dtype=np.float64)

    def finding(self, sample: NullSample) -> Finding:
        rows = np.flatnonzero(self._outside(sample.observed))
        n = sample.observed.residuals.size
        low, high = clopper_pearson(rows.size, n)
        finding = self.found(
            sample,
            null=f"a share of {2.0 * self.level:.3g} of the residuals lies in the tails",
            effect=Effect("outlier share", rows.size / n, low, high, 2.0 * self.level),
            alternative="two-sided",
            n=n,
            references=(RESIDUALS, "Clopper & Pearson (1934), Biometrika 26, 404-413"),
        )
        return replace(finding, rows=rows, picture=null_plot(self.name, sample))


@final
@dataclass(frozen=True, repr=False)
class Zeros(Check):
    """Whether there are as many zeros as the model expects.

    Null hypothesis: the number of zeros is that of the model. The statistic is that number
    less its expectation given the random effects; effect "zero ratio", observed over expected,
    with an interval from the replicates; 1 under the model.
    """

    kind: ClassVar[str] = "zeros"

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the response; none where it is continuous."""
        return _count_outcome(self, context, 0.0, "zero ratio")


@final
@dataclass(frozen=True, repr=False)
class Count(Check):
    """Whether a value occurs as often as the model expects; as `Zeros`, for any value.

    Parameters
    ----------
    value : float
        The value, such as 1 for one-inflation.
    """

    kind: ClassVar[str] = "count"

    value: Finite

    def __post_init__(self) -> None:
        require_number("value", self.value, example=1)

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the response; none where it is continuous."""
        return _count_outcome(self, context, float(self.value), "count ratio")


def _count_outcome(
    check: Check, context: CheckContext, value: float, effect: str
) -> tuple[Outcome, ...]:
    if context.observed.probability is None:
        reason = (
            f"The probability of the value {value:g} is not known: the model gives its views none."
            if context.model.discrete
            else f"The response is continuous: no model gives the value {value:g} a probability."
        )
        return (Skipped(check.name, check.kind, reason),)
    return (_CountStatistic(check.name, check.kind, value, effect),)


@final
@dataclass(frozen=True, eq=False)
class _CountStatistic(CheckStatistic):
    """How often a value occurs less its expectation, and that expectation."""

    value: float
    effect: str

    def numbers(self, data_view: DataView) -> FloatArray:
        assert data_view.probability is not None
        expected = float(np.sum(data_view.probability(self.value)))
        count = np.count_nonzero(data_view.response == self.value)
        return np.array([count - expected, expected])

    def finding(self, sample: NullSample) -> Finding:
        expected = float(sample.numbers[1])
        observed = float(np.count_nonzero(sample.observed.response == self.value))
        effect = Effect(
            self.effect,
            ratio(observed, expected),
            ratio(max(0.0, observed - sample.quantile(0.975)), expected),
            ratio(max(0.0, observed - sample.quantile(0.025)), expected),
            1.0,
        )
        finding = self.found(
            sample,
            null=f"the value {self.value:g} occurs as often as the model expects",
            effect=effect,
            alternative="two-sided",
            n=sample.observed.response.size,
        )
        return replace(finding, picture=null_plot(self.name, sample))


@final
@dataclass(frozen=True, repr=False)
class Statistic(Check):
    """Whether a statistic of the response is what the model leads to expect.

    Null hypothesis: the function of the response has the distribution it has in replicate
    data sets. Effect: "difference", observed less mean of the replicates, in the unit of the
    statistic; 0 under the model.

    Parameters
    ----------
    function : callable or str
        Takes the response (n,) to a number, and has a name that can be imported; as a string
        "module:name".
    alternative : {"two-sided", "greater", "less"}
    """

    kind: ClassVar[str] = "statistic"

    function: Callable[[FloatArray], Any]
    alternative: Alternative = "two-sided"

    def __post_init__(self) -> None:
        require_choice("alternative", self.alternative, ALTERNATIVES)
        object.__setattr__(self, "function", _importable(self.function))

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the response."""
        return (_UserStatistic(self.name, self.kind, self.function, self.alternative),)


def _importable(function: Any) -> Callable[[FloatArray], Any]:
    """A function that its module knows by name: only such a one can be compared and stored."""
    module = getattr(function, "__module__", None)
    path = function if isinstance(function, str) else f"{module}:{_qualified(function)}"
    found = _looked_up(path)
    if not callable(found) or not (isinstance(function, str) or found is function):
        raise OptionError(
            "Statistic needs a function that can be imported by its name, found "
            f"{shown(function)}; define it with def at the top of a module, not as a lambda or "
            "inside a function"
        )
    checked: Callable[[FloatArray], Any] = found
    return checked


def _qualified(function: Any) -> str:
    return str(getattr(function, "__qualname__", getattr(function, "__name__", "")))


def _looked_up(path: str) -> Any:
    """What "module:name" names, or None."""
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError, TypeError):
        return None
    except (Exception, SystemExit) as error:
        raise OptionError(
            f"Statistic needs a function that can be imported, and importing {shown(module)} "
            f"raised {type(error).__name__}: {shown(str(error))}"
        ) from error
    return found


@final
@dataclass(frozen=True, eq=False)
class _UserStatistic(CheckStatistic):
    """One number: a user's."""

    function: Callable[[FloatArray], Any]
    alternative: Alternative

    def numbers(self, data_view: DataView) -> FloatArray:
        returned = self._returned(data_view.response)
        try:
            number = np.asarray(returned, dtype=np.float64).reshape(1)
        except (TypeError, ValueError):
            number = np.array([np.nan])
        if not np.isfinite(number).all():
            raise OptionError(
                f"{self.name}: the function must return one finite number, found {shown(returned)}"
            )
        return number

    def _returned(self, response: FloatArray) -> Any:
        try:
            return self.function(response)
        except (Exception, SystemExit) as error:
            # An exit in a function of the user would end the process with a verdict of its own.
            raise OptionError(
                f"{self.name}: the function raised {type(error).__name__}: {shown(str(error))}"
            ) from error

    def finding(self, sample: NullSample) -> Finding:
        value = float(sample.numbers[0])
        effect = Effect(
            "difference",
            value - sample.mean(),
            value - sample.quantile(0.975),
            value - sample.quantile(0.025),
            0.0,
        )
        finding = self.found(
            sample,
            null=f"{_qualified(self.function)} of the response is as in data of the model",
            effect=effect,
            alternative=self.alternative,
            n=sample.observed.response.size,
        )
        return replace(finding, picture=null_plot(self.name, sample))
