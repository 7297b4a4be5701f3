"""Replicate data sets reduced to a few numbers each, in constant memory, with any workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, TypedDict, Unpack, runtime_checkable

import numpy as np

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.errors import ConvergenceError
from mixcheck.execution.parallel import map_batches
from mixcheck.execution.progress import Progress, reporter
from mixcheck.execution.time_limits import TimeLimit
from mixcheck.port import DataView
from mixcheck.simulation import Replicates, Views

__all__ = [
    "BatchStatistic",
    "ReplicateNumbers",
    "average",
    "reduce_numbers",
    "reduce_replicates",
    "reduce_views",
]

# Of a reason no more is told.
_LONGEST_REASON = 300

Statistic: TypeAlias = Callable[[DataView], FloatArray]


@runtime_checkable
class BatchStatistic(Protocol):
    """A statistic that takes many data sets at once, in less time than one after another."""

    def of_many(self, data_sets: Sequence[Views]) -> FloatArray:
        """The numbers of B data sets, each seen K times, (B, K, s).

        Those of a data set must not depend on the others.
        """
        ...


@dataclass(frozen=True, eq=False)
class ReplicateNumbers:
    """What was kept of the replicate data sets.

    Attributes
    ----------
    single : (B, K, s) array
        Numbers of each usable replicate, in their order, for each randomisation.
    kept : (B,) array of int
        Which replicates they are.
    failures : tuple of (str, int)
        Why replicates were kept out, and how many for each reason.
    stopped : str
        A sentence where a limit of time left some of them out.
    """

    single: FloatArray
    kept: IntArray
    failures: tuple[tuple[str, int], ...] = ()
    stopped: str = ""

    @property
    def numbers(self) -> FloatArray:
        """The mean over the randomisations, (B, s)."""
        return average(self.single)

    @property
    def failed(self) -> int:
        """Number of replicates kept out."""
        return sum(count for _, count in self.failures)


def average(single: FloatArray) -> FloatArray:
    """``sum_k x_k / K`` over randomisations of numbers (.., K, s); infinite where one is."""
    first = single[..., 0, :]
    with np.errstate(invalid="ignore"):
        # Numbers that randomisation does not move stay as they are, to the last digit.
        mean = first + (single - first[..., None, :]).mean(axis=-2)
        out: FloatArray = np.where(np.isfinite(mean), mean, single.mean(axis=-2))
    return out


def reduce_views(data_sets: Sequence[Views], statistic: Statistic) -> FloatArray:
    """The numbers of each of some data sets for each randomisation, (B, K, s)."""
    if isinstance(statistic, BatchStatistic):
        return statistic.of_many(data_sets)
    found = [[statistic(view) for view in views] for views in data_sets]
    return np.array(found, dtype=np.float64)


class Reducing(TypedDict, total=False):
    """How many replicates are made, and how they are worked on.

    Attributes
    ----------
    enough : callable
        Whether what there is suffices.
    stops : iterable of int
        Numbers of replicates at which that is asked; the last one is the most that are made. By
        default the number of the plan.
    n_jobs : int or None
        As in joblib; None leaves it, and the backend, to ``joblib.parallel_config``.
    progress : bool or callable
        ``progress(done, total)`` is called as blocks finish; True shows a bar on stderr.
    limit : TimeLimit or None
        Once it is passed no replicate is begun. It looks at the clock alone, and replicates that
        were begun are finished, so that slow ones are not left out.
    """

    enough: Callable[[ReplicateNumbers], bool]
    stops: Iterable[int]
    n_jobs: int | None
    progress: Progress
    limit: TimeLimit | None


def reduce_replicates(
    replicates: Replicates, statistic: Statistic, **how: Unpack[Reducing]
) -> ReplicateNumbers:
    """Reduce every replicate data set to a few numbers, in constant memory.

    Cheap work stays in this process: the first replicates are timed, and workers are asked
    for only where they save more than they cost to start.

    Parameters
    ----------
    replicates : Replicates
    statistic : callable
        Takes a `DataView` to an array (s,); it must pickle where processes are used. It may be a
        `BatchStatistic`.
    **how
        See `Reducing`.

    Returns
    -------
    ReplicateNumbers

    Raises
    ------
    ConvergenceError
        If no replicate was usable.
    """
    return reduce_numbers(_Reduction(replicates, statistic), replicates, replicates.together, **how)


def reduce_numbers(
    task: Callable[[range], Sequence[FloatArray | str]],
    replicates: Replicates,
    together: int,
    **how: Unpack[Reducing],
) -> ReplicateNumbers:
    """As `reduce_replicates`, of replicates of which a task makes the numbers.

    Parameters
    ----------
    task : callable
        Takes some numbers of replicates, up to `together` of them, to the (K, s) of each, or to
        the reason why it is unusable.
    """
    enough, limit = how.get("enough"), how.get("limit")
    ends = tuple(how.get("stops", ())) or (replicates.size,)
    most = ends[-1]
    rows: list[FloatArray | str] = []
    with reporter(how.get("progress"), "simulated data sets") as report:
        for stop in ends:
            start = len(rows)
            rows += map_batches(
                task,
                range(start, stop),
                together,
                n_jobs=how.get("n_jobs"),
                progress=report.onward(start, most),
                limit=limit,
            )
            if len(rows) < most and limit is not None and limit.passed:
                found = _collect(rows, replicates)
                return replace(found, stopped=limit.words(len(rows), most, "simulated data sets"))
            if stop < most and enough is not None and enough(_collect(rows, replicates)):
                report(stop, stop)
                break
    return _collect(rows, replicates)


def _reasons(failures: Counter[str]) -> str:
    """The commonest reason, and how many others there are."""
    text = failures.most_common(1)[0][0]
    text = text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}.."
    others = len(failures) - 1
    return f"{text} ({others} more with other reasons)" if others else text


def _collect(rows: list[FloatArray | str], replicates: Replicates) -> ReplicateNumbers:
    kept = [k for k, row in enumerate(rows) if not isinstance(row, str)]
    failures = Counter(row for row in rows if isinstance(row, str))
    if not kept:
        made, remedy = (
            ("replicate data sets", "Simplify the model")
            if replicates.calibration == "plug-in"
            else ("refits", 'Simplify the model, or check it with calibration="plug-in"')
        )
        raise ConvergenceError(
            f"none of {len(rows)} {made} was usable: {_reasons(failures)}. {remedy}"
        )
    numbers = np.array([rows[k] for k in kept], dtype=np.float64)
    return ReplicateNumbers(numbers, np.array(kept, dtype=np.intp), tuple(failures.most_common()))


@dataclass(frozen=True, eq=False)
class _Reduction:
    """The numbers of some replicates, or the reasons why they are unusable."""

    replicates: Replicates
    statistic: Statistic

    def __call__(self, numbers: range) -> list[FloatArray | str]:
        found = self.replicates.batch(numbers)
        usable = [views for views in found if not isinstance(views, Exception)]
        reduced = iter(reduce_views(usable, self.statistic) if usable else ())
        return [
            f"{type(one).__name__}: {one}" if isinstance(one, Exception) else next(reduced)
            for one in found
        ]
