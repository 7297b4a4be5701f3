"""Do residuals remember the ones before? Correlation along time, within series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from mixcheck.arguments.options import require_whole, shown
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.check import Check
from mixcheck.checks.dependence import BandedStatistic, Bands, Places, cut_into_bands
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    Outcome,
    RowStatistic,
    column_of,
    left_out,
)
from mixcheck.checks.time_and_place import why_without_order
from mixcheck.errors import OptionError
from mixcheck.report.finding import Skipped

__all__ = ["Autocorrelation"]

_LEAST_PAIRS = 10
# Seconds.
_DAY = 86_400.0
# Differences of time that are whole multiples of a step, up to this share of it, are lags.
_STEP_ROUNDING = 1e-6
# With a middle gap of more steps than this, few pairs are one step apart.
_MOST_STEPS = 3


@final
@dataclass(frozen=True, repr=False)
class Autocorrelation(Check):
    """Whether residuals that follow each other resemble each other.

    Null hypothesis: Pearson residuals given the modes are as correlated along time as in data
    of the model. Rows of one time within a series are taken together. Where all times lie on a
    grid of equal steps, gaps allowed, pairs are one step apart, two steps, and so on; else
    they are sorted by the time between them and cut into bands. The statistic is the largest
    deviation, over lags or bands, from the mean of the replicates in their standard
    deviations. Effect: "residual correlation" at that lag in excess of that mean; 0 under the
    model.

    Parameters
    ----------
    time : str, optional
        Column of numbers, dates, or an ordered factor; by default the order of the rows, of which
        each is one step from the one before in its series.
    group : str, optional
        Column that tells series apart, such as a subject; without one all rows are one series.
    lags : int
        How many lags, at least 1.

    References
    ----------
    Box & Pierce (1970), Distribution of residual autocorrelations, J. Am. Stat. Assoc. 65,
    1509-1526, on why residuals are less correlated than errors.
    """

    kind: ClassVar[str] = "autocorrelation"
    least_rows: ClassVar[int] = 20

    time: str | None = None
    group: str | None = None
    lags: int = 4

    def __post_init__(self) -> None:
        for argument, value in (("time", self.time), ("group", self.group)):
            if value is not None and not isinstance(value, str):
                raise OptionError(f"{argument} must be the name of a column, found {shown(value)}")
        object.__setattr__(self, "lags", require_whole("lags", self.lags))

    @property
    def name(self) -> str:
        """Name of its finding, with what orders the rows."""
        others = (str(value) for item, value in self._told() if item.name != "time")
        told = [self.time or "order of rows", *others]
        return f"{self.kind} [{', '.join(told)}]"

    @property
    def _words(self) -> str:
        return "the order of the rows" if self.time is None else self.time

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """One statistic, of the rows with a time and a series."""
        series = self._series(context.frame)
        times = self._times(context, series)
        if isinstance(times, str):
            return (Skipped(self.name, self.kind, times),)
        known = np.flatnonzero(np.isfinite(times) & (series >= 0))
        inner = self._statistic(times[known], series[known]) if known.size else None
        if inner is None:
            reason = f"Too few rows have another one near in {self._words}."
            return (Skipped(self.name, self.kind, reason),)
        if known.size == context.n:
            return (inner,)
        remark = left_out(context.n - known.size, self.time or str(self.group))
        return (RowStatistic(self.name, self.kind, inner, known, remark),)

    def _times(self, context: CheckContext, series: IntArray) -> FloatArray | str:
        """Times (n,), NaN where missing; or why there are none."""
        if self.time is not None:
            return _clock(self.time, column_of(context.frame, self.time))
        return why_without_order(series, context.observed.response) or _places_in(series)

    def _series(self, frame: pd.DataFrame) -> IntArray:
        if self.group is None:
            return np.zeros(len(frame), dtype=np.intp)
        codes: IntArray = pd.factorize(column_of(frame, self.group))[0]
        return codes

    def _statistic(self, times: FloatArray, series: IntArray) -> CheckStatistic | None:
        stops, codes = np.unique(np.column_stack([series, times]), axis=0, return_inverse=True)
        owner, at = stops[:, 0].astype(np.intp), stops[:, 1]
        gaps = np.diff(at)[np.diff(owner) == 0]
        step = _step(gaps)
        bands = _lagged(owner, at / step, self.lags) if step else _apart(owner, at, self.lags)
        if bands is None:
            return None
        named = {"time": self.time, "group": self.group}
        return BandedStatistic(
            self.name,
            self.kind,
            Places.of(codes.reshape(-1)),
            bands,
            null=f"residuals are as correlated along {self._words} as in data of the model",
            apart=f"lag, in steps of {step:g}" if step else f"difference in {self.time}",
            subject={what: name for what, name in named.items() if name},
            references=("Box & Pierce (1970), J. Am. Stat. Assoc. 65, 1509-1526",),
        )


def _places_in(series: IntArray) -> FloatArray:
    """How many rows of the same series, (n,), come before each one."""
    order = np.argsort(series, kind="stable")
    sorted_series = series[order]
    places = np.empty(series.size)
    places[order] = np.arange(series.size) - np.searchsorted(sorted_series, sorted_series)
    return places


def _clock(name: str, column: pd.Series[Any]) -> FloatArray | str:
    """Times as numbers (n,), missing as nan; or why there are none."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        if not column.cat.ordered:
            return f"The factor {name} has no order."
        codes = np.asarray(column.cat.codes, dtype=np.float64)
        return np.where(codes >= 0.0, codes, np.nan)
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        column = column - column.min()
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        return np.asarray(column.dt.total_seconds(), dtype=np.float64) / _DAY
    if pd.api.types.is_numeric_dtype(column.dtype) and column.dtype.kind not in "bc":
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return f"{name} is no time: it must hold numbers, dates or an ordered factor."


def _step(gaps: FloatArray) -> float:
    """The step of an equally spaced clock, or 0.0 where there is none."""
    if not gaps.size:
        return 0.0
    step = float(gaps.min())
    multiples = gaps / step
    on_grid = np.abs(multiples - np.rint(multiples)) <= _STEP_ROUNDING * multiples
    return step if on_grid.all() and np.median(multiples) <= _MOST_STEPS else 0.0


def _lagged(series: IntArray, clock: FloatArray, lags: int) -> Bands | None:
    """Pairs exactly 1, 2, .. steps apart; places sorted by series and time."""
    found: list[tuple[int, IntArray, IntArray]] = []
    for lag in range(1, lags + 1):
        first, second = _pairs_at(series, clock, lag)
        if first.size >= _LEAST_PAIRS:
            found.append((lag, first, second))
    if not found:
        return None
    sizes = np.array([first.size for _, first, _ in found])
    return Bands(
        np.concatenate([first for _, first, _ in found]),
        np.concatenate([second for _, _, second in found]),
        np.append(0, np.cumsum(sizes)[:-1]),
        np.array([float(lag) for lag, _, _ in found]),
    )


def _pairs_at(series: IntArray, clock: FloatArray, lag: int) -> tuple[IntArray, IntArray]:
    """Pairs of one series that many steps apart: they are at most so many places apart."""
    firsts = []
    seconds = []
    for offset in range(1, min(lag, series.size - 1) + 1):
        alike = series[offset:] == series[:-offset]
        exact = np.abs(clock[offset:] - clock[:-offset] - lag) < 0.5
        first = np.flatnonzero(alike & exact)
        firsts.append(first)
        seconds.append(first + offset)
    empty = np.empty(0, dtype=np.intp)
    return np.concatenate([empty, *firsts]), np.concatenate([empty, *seconds])


def _apart(series: IntArray, times: FloatArray, lags: int) -> Bands | None:
    """Pairs up to so many observations apart, in bands of the time between them."""
    firsts = []
    for offset in range(1, min(lags, series.size - 1) + 1):
        firsts.append(np.flatnonzero(series[offset:] == series[:-offset]))
    if not firsts:
        return None
    seconds = [first + offset for offset, first in enumerate(firsts, start=1)]
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    return cut_into_bands(first, second, times[second] - times[first], series.size // 2)
