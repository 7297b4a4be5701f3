"""From a question to a fact: what is computed of every data set, and what it then says."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self, TypeAlias, TypeVar, final

import numpy as np
import pandas as pd

from mixcheck.arguments.options import shown
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.conditional_null import given_estimates
from mixcheck.display.document import NullPlot
from mixcheck.errors import DataError, OptionError, UnknownColumnError
from mixcheck.execution.progress import Progress
from mixcheck.port import Checkable, DataView, Dispersed
from mixcheck.report.adjustment import pool_pvalues, smallest_pvalue
from mixcheck.report.finding import Alternative, Effect, Finding, Skipped

__all__ = [
    "ALTERNATIVES",
    "RESIDUALS",
    "CheckContext",
    "CheckStatistic",
    "NullSample",
    "Outcome",
    "RowStatistic",
    "SharedStatistic",
    "column_of",
    "fitted_frequencies",
    "has_two_values",
    "left_out",
    "null_plot",
    "ratio",
    "require_choice",
    "thinned",
]

ALTERNATIVES: tuple[Alternative, ...] = ("two-sided", "greater", "less")

Answer = TypeVar("Answer")

RESIDUALS = "Dunn & Smyth (1996), J. Comput. Graph. Stat. 5, 236-244"


@dataclass(frozen=True, eq=False)
class CheckContext:
    """What a check sees when it decides what to measure.

    Attributes
    ----------
    model : Checkable
    observed : DataView
        Of the rows in question.
    frame : DataFrame
        Data of the same rows.
    whole : bool
        Whether these are all rows of the model.
    n_jobs : int, optional
        Workers for what is computed of these data alone.
    progress : bool or callable, optional
        Who is told how far that is.
    """

    model: Checkable
    observed: DataView
    frame: pd.DataFrame
    whole: bool = True
    n_jobs: int | None = None
    progress: Progress = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.observed.response.size

    @property
    def in_parts(self) -> bool:
        """Whether the rows lie in parts, so that view and frame have none."""
        return False

    @cached_property
    def has_two_values(self) -> bool:
        """Whether the response is 0 or 1 in every row, and the model knows no other value."""
        return has_two_values(self.observed)

    def ask(self, question: Callable[..., Answer], *args: Any) -> list[Answer]:
        """The answers of all parts of the rows to ``question(model, view, *args)``; it pickles."""
        return [question(self.model, self.observed, *args)]

    def rows(self, positions: IntArray) -> CheckContext:
        """The context of some rows only."""
        return replace(
            self,
            observed=self.observed.rows(positions),
            frame=self.frame.iloc[positions],
            whole=False,
        )


@dataclass(frozen=True, eq=False)
class NullSample:
    """Numbers of the observed data set and of the replicates.

    Attributes
    ----------
    observed : DataView
    numbers : (s,) array
    replicates : (B, s) array
    detail : str
        How the replicates were made, in a sentence.
    single : (B + 1, K) array or None
        The test statistic of each data set, the observed one first, for each of several
        randomisations; the numbers above are means over them.
    rows : int or None
        How many rows there are, where `observed` has none of them: they lie in parts.
    estimates : (B + 1, p) array or None
        What the data sets are seen with, as in `DataView`, the observed one first.
    """

    observed: DataView
    numbers: FloatArray
    replicates: FloatArray
    detail: str = ""
    single: FloatArray | None = None
    rows: int | None = None
    estimates: FloatArray | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.observed.response.size if self.rows is None else self.rows

    @cached_property
    def statistics(self) -> FloatArray:
        """The test statistics, (B + 1,), given the estimates of the observed data set."""
        return self._given(np.concatenate([self.numbers[:1], self.replicates[:, 0]]))

    def _given(self, statistics: FloatArray) -> FloatArray:
        if self.estimates is None or not self.estimates.size:
            return statistics
        return given_estimates(statistics, self.estimates)

    def quantile(self, level: float, column: int = 0) -> float:
        """A quantile of one of the numbers over the replicates."""
        return float(np.quantile(self._of(column), level))

    def mean(self, column: int = 0) -> float:
        """The mean of one of the numbers over the replicates."""
        return float(np.mean(self._of(column)))

    def _of(self, column: int) -> FloatArray:
        """One of the numbers in the replicates; of the statistic, given the estimates."""
        return self.replicates[:, column] if column else self.statistics[1:]

    def pvalue(self, alternative: Alternative) -> float:
        """Monte Carlo p-value ``(b + 1) / (B + 1)`` of the first number.

        References
        ----------
        Davison & Hinkley (1997), Bootstrap Methods and their Application, eq. 4.11.
        """
        return float(pool_pvalues(self.statistics, alternative)[0])

    def single_pvalues(self, alternative: Alternative) -> tuple[float, ...]:
        """The p-value that each randomisation alone would have; none where there is but one."""
        if self.single is None or self.single.shape[1] == 1:
            return ()
        return tuple(float(pool_pvalues(self._given(one), alternative)[0]) for one in self.single.T)


def ratio(numerator: float, denominator: float) -> float:
    """A quotient of two non-negative numbers, where 0 / 0 is 1 and x / 0 is infinite."""
    if denominator > 0.0:
        return numerator / denominator
    return 1.0 if numerator == 0.0 else float("inf")


@dataclass(frozen=True, eq=False)
class CheckStatistic(ABC):
    """What one finding takes of every data set: it must pickle, and draws nothing.

    Attributes
    ----------
    name : str
        Of the finding.
    kind : str
        Of the check.
    stacks : bool
        Whether `numbers` works along the last axis: of a view whose arrays are (.., n), of many
        data sets, it makes numbers (.., s), for each data set those that it has by itself.
    randomised : bool
        Whether the numbers depend on how the random effects and the jitter fall. False of what
        takes only the response, the fitted values, and what is given the modes: one look at each
        data set is then enough.
    """

    stacks: ClassVar[bool] = False
    randomised: ClassVar[bool] = True

    name: str
    kind: str

    @abstractmethod
    def numbers(self, data_view: DataView) -> FloatArray:
        """The test statistic, and after it what its effect size needs, (s,)."""

    @abstractmethod
    def finding(self, sample: NullSample) -> Finding:
        """What the numbers say."""

    def found(
        self,
        sample: NullSample,
        *,
        null: str,
        effect: Effect,
        alternative: Alternative,
        n: int,
        references: Sequence[str] = (),
    ) -> Finding:
        """A finding with its Monte Carlo p-value; rows and picture are added by `replace`."""
        return Finding(
            check=self.name,
            kind=self.kind,
            null=null,
            statistic=float(sample.numbers[0]),
            pvalue=sample.pvalue(alternative),
            single_pvalues=sample.single_pvalues(alternative),
            alternative=alternative,
            effect=effect,
            n=n,
            floor=smallest_pvalue(len(sample.replicates), alternative),
            replicates=sample.statistics[1:].copy(),
            references=tuple(references),
            detail=sample.detail,
        )


class SharedStatistic(CheckStatistic):
    """A statistic that parts of the rows have shares in, so that no place needs all rows.

    In each of some rounds every part says what its rows have to say, given what the rounds before
    came to, and that is joined: sums, mostly. What the last round comes to are the numbers.

    Attributes
    ----------
    rounds : int
    """

    rounds: ClassVar[int] = 1

    def of_part(self, model: Checkable) -> Self:
        """The same statistic, of the rows of the part that a model is of."""
        return self

    @abstractmethod
    def share(self, data_view: DataView, told: Sequence[FloatArray]) -> FloatArray:
        """What the rows of a part say, (.., s), in round ``len(told)``."""

    @abstractmethod
    def join(self, shares: Sequence[FloatArray], told: Sequence[FloatArray]) -> FloatArray:
        """What all parts say together, (.., t); the numbers (.., s) after the last round."""

    def numbers(self, data_view: DataView) -> FloatArray:
        """Those of rows in one part."""
        told: tuple[FloatArray, ...] = ()
        for _ in range(self.rounds):
            told = (*told, self.join([self.share(data_view, told)], told))
        return told[-1]


Outcome: TypeAlias = CheckStatistic | Finding | Skipped


@final
@dataclass(frozen=True, eq=False)
class RowStatistic(CheckStatistic):
    """Another statistic, of some rows only.

    Attributes
    ----------
    inner : CheckStatistic
    positions : (k,) array of int
    remark : str
        A sentence on the rows left out, or "".
    subject : mapping of str to str
        Which rows they are, as in `Finding`.
    """

    inner: CheckStatistic
    positions: IntArray
    remark: str = ""
    subject: Mapping[str, str] = field(default_factory=dict)

    def numbers(self, data_view: DataView) -> FloatArray:
        """The numbers of the rows in question, (s,)."""
        return self.inner.numbers(data_view.rows(self.positions))

    def finding(self, sample: NullSample) -> Finding:
        """The finding of the rows in question, with their positions in the whole data."""
        inner = self.inner.finding(replace(sample, observed=sample.observed.rows(self.positions)))
        detail = " ".join(part for part in (inner.detail, self.remark) if part)
        rows, subject = self.positions[inner.rows], {**inner.subject, **self.subject}
        return replace(inner, check=self.name, rows=rows, detail=detail, subject=subject)


def fitted_frequencies(context: CheckContext) -> str:
    """Why the frequencies of all values are those to which the model was fitted, or "".

    Of some rows alone they need not be.
    """
    if not context.whole:
        return ""
    if context.has_two_values:
        return "The mean of a response of 0 and 1, to which the model was fitted, tells the rest"
    model = context.model
    if isinstance(model, Dispersed) and model.fits_frequencies:
        return "The thresholds of the model are fitted to how often each category occurs"
    return ""


def has_two_values(observed: DataView) -> bool:
    """Whether a response is 0 or 1 in every row, and the model knows no other value."""
    if observed.probability is None or not np.isin(observed.response, (0.0, 1.0)).all():
        return False
    return bool(np.allclose(observed.probability(0.0) + observed.probability(1.0), 1.0))


def require_choice(argument: str, value: object, allowed: Sequence[str]) -> None:
    """Refuse an argument outside its allowed words."""
    if not isinstance(value, str) or value not in allowed:
        raise OptionError(
            f"{argument} must be one of {', '.join(map(repr, allowed))}, found {shown(value)}"
        )


def left_out(missing: int, column: str) -> str:
    """A sentence on the rows without a value of a column, or ""."""
    return f"{missing} rows without a value of {column} are left out." if missing else ""


def thinned(n: int, most: int) -> IntArray:
    """At most `most` of n positions, evenly spread, the first and the last among them.

    Examples
    --------
    >>> thinned(9, 3).tolist()
    [0, 4, 8]
    """
    kept: IntArray = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.intp))
    return kept


def column_of(frame: pd.DataFrame, name: str) -> pd.Series[Any]:
    """A column of the data, by name.

    Raises
    ------
    UnknownColumnError
        If there is none; the message lists near names.
    DataError
        If it holds complex numbers, which have no order.
    """
    if name in frame.columns:
        column: pd.Series[Any] = frame[name]
        if column.dtype.kind == "c":
            raise DataError(
                f"column {shown(name)} holds complex numbers, along which nothing can be asked; "
                "give real numbers, such as their .real or their absolute values"
            )
        return column
    names = [str(column) for column in frame.columns]
    near = difflib.get_close_matches(str(name), names)
    hint = f"did you mean {' or '.join(map(shown, near))}?"
    if not near:
        more = ", .." if len(names) > 10 else ""
        hint = (
            f"it has {', '.join(map(shown, names[:10]))}{more}. A model by its draws takes more "
            "columns as frame=, in mixcheck.from_draws or mixcheck.from_inference_data"
        )
    raise UnknownColumnError(f"no column is called {shown(name)} in the data of the model; {hint}")


def null_plot(
    name: str, sample: NullSample, label: str, *, zero: float = 0.0, unit: float = 1.0
) -> NullPlot:
    """The statistic x in the replicates and in the observed data, as ``(x - zero) / unit``.

    Zero and unit are those in which it is the effect; `label` says what that is. A unit of 0
    leaves the statistic as it is.
    """
    zero, unit = (zero, unit) if unit else (0.0, 1.0)
    return NullPlot(
        (sample.statistics[1:] - zero) / unit,
        (float(sample.numbers[0]) - zero) / unit,
        title=f"{name}: observed and in replicate data sets",
        x_label=label,
    )
