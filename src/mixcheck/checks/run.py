"""Checks run: one pass of replicate data sets, reduced to the numbers of all of them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol, final

import numpy as np
import pandas as pd

from mixcheck.arguments.options import require_progress, require_workers, shown
from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.portrait import draw_portrait, tabulate_estimates
from mixcheck.checks.provenance import describe_run, digest_response, tell_detail
from mixcheck.checks.replicate_numbers import ReplicateNumbers, average, reduce_replicates
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    NullSample,
    Outcome,
    RowStatistic,
    SharedStatistic,
)
from mixcheck.checks.view_stack import stack_views
from mixcheck.errors import ConvergenceError, OptionError
from mixcheck.execution.progress import Progress
from mixcheck.execution.time_limits import TimeLimit, start_clock
from mixcheck.port import Checkable, Conditioning, DataView, Ported
from mixcheck.quantile_residuals import Residuals, residuals
from mixcheck.report.finding import Finding, Skipped
from mixcheck.report.policy import Policy, require_policy
from mixcheck.report.report import Report
from mixcheck.report.stopping import are_settled, most_draws, stops
from mixcheck.simulation import Calibration, Replicates, Views

__all__ = [
    "ESTIMATES",
    "Asked",
    "RunArguments",
    "attribute",
    "compare",
    "list_stops",
    "require_unique",
    "run_checks",
]


class Asked(Protocol):
    """What is asked of a check when it is run."""

    def plan(self, context: CheckContext) -> tuple[Outcome, ...]:
        """What to measure, or why nothing can be."""

    def to_dict(self) -> dict[str, Any]:
        """The check as plain data."""


@dataclass(frozen=True, eq=False)
class RunArguments:
    """How checks are to be run: the arguments of `Suite.run`, by their names, and `left_out`."""

    seed: int | None
    draws: int | None
    calibration: Calibration | None
    conditioning: Conditioning
    policy: Policy | None
    time_limit: float | None
    n_jobs: int | None
    progress: Progress
    left_out: Mapping[str, str]


def run_checks(
    checks: Sequence[Asked], subject: Residuals | Checkable | Ported, given: RunArguments
) -> Report:
    """Run checks over one pass of replicate data sets; see `Suite.run`."""
    n_jobs, progress = given.n_jobs, given.progress
    plan = {"seed": given.seed, "draws": given.draws, "calibration": given.calibration}
    require_workers(n_jobs)
    require_progress(progress)
    limit = start_clock(given.time_limit)
    judge = Policy() if given.policy is None else require_policy(given.policy)
    if isinstance(subject, Residuals):
        _refuse_own_arguments(plan)
        seen = subject
    else:
        seen = residuals(
            subject,
            conditioning=given.conditioning,
            seed=given.seed,
            draws=given.draws,
            calibration=given.calibration,
        )
    try:
        findings, numbers = _run(checks, seen, judge, n_jobs, progress, limit)
    except ConvergenceError as error:
        seen = _taken_for_truth(seen, error)
        findings, numbers = _run(checks, seen, judge, n_jobs, progress, limit)
    digest = digest_response(seen.observed.response)
    suite = [check.to_dict() for check in checks]
    return Report(
        findings,
        policy=judge,
        provenance=describe_run(seen.replicates, numbers, digest, suite, given.left_out),
        extra=(
            *tabulate_estimates(seen.replicates.port),
            *draw_portrait(seen.replicates.port, seen.observed),
        ),
        model=seen.replicates.model,
    )


def _taken_for_truth(seen: Residuals, error: ConvergenceError) -> Residuals:
    """The residuals with the plug-in, if refits were nobody's wish and none of them succeeded."""
    plan = seen.replicates
    if plan.calibration == "plug-in" or not plan.reason:
        raise error
    reason = "no data set of the model could be fitted again"
    plug_in = replace(plan, calibration="plug-in", randomisations=1, reason=reason)
    return Residuals(seen.observed, plug_in)


def _refuse_own_arguments(given: Mapping[str, object]) -> None:
    named = [f"{name}={shown(value)}" for name, value in given.items() if value is not None]
    if named:
        raise OptionError(
            "residuals have their own seed, draws and calibration, and "
            f"{', '.join(named)} was given; write residuals(model, {', '.join(named)}) instead"
        )


@dataclass(frozen=True, eq=False)
class _Remembered:
    """Probability masses of one data_view, each computed once however many checks ask."""

    masses: Callable[[float], FloatArray]
    known: dict[float, FloatArray] = field(default_factory=dict)

    def __call__(self, k: float) -> FloatArray:
        if k not in self.known:
            self.known[k] = self.masses(k)
        return self.known[k]


def _remembered(masses: Callable[[float], FloatArray] | None) -> _Remembered | None:
    return None if masses is None else _Remembered(masses)


def _remembering(data_view: DataView) -> DataView:
    return replace(
        data_view,
        probability=_remembered(data_view.probability),
        mode_probability=_remembered(data_view.mode_probability),
    )


@dataclass(frozen=True, eq=False)
class _AllNumbers:
    """The numbers of all measures, one after another, of each of some data sets."""

    measures: tuple[CheckStatistic, ...]

    def __call__(self, data_view: DataView) -> FloatArray:
        """Of one view, (s,)."""
        numbers: FloatArray = self.of_many([(data_view,)])[0, 0]
        return numbers

    def of_many(self, data_sets: Sequence[Views]) -> FloatArray:
        """Of B data sets, each seen K times, (B, K, s)."""
        return np.concatenate(self.parts(data_sets), axis=2)

    def parts(self, data_sets: Sequence[Views]) -> list[FloatArray]:
        """Those of each measure, (B, K, s_j): of all data sets in one call where it `stacks`."""
        stack = stack_views(data_sets)
        alone = [[_remembering(view) for view in views] for views in data_sets]
        size = len(data_sets), len(data_sets[0])
        return [
            _spread_out(measure.numbers(stack), size)
            if _base_of(measure).stacks
            else _one_by_one(measure, alone)
            for measure in self.measures
        ]


def _base_of(measure: CheckStatistic) -> CheckStatistic:
    """The statistic itself, of whichever rows it is asked."""
    return _base_of(measure.inner) if isinstance(measure, RowStatistic) else measure


def _one_by_one(measure: CheckStatistic, data_sets: Sequence[Sequence[DataView]]) -> FloatArray:
    """Numbers of each view, (B, K, s); of the first of each data set where the others are alike."""
    size = len(data_sets), len(data_sets[0])
    if not _base_of(measure).randomised:
        data_sets = [views[:1] for views in data_sets]
    found = [[measure.numbers(view) for view in views] for views in data_sets]
    return _spread_out(np.array(found, dtype=np.float64), size)


def _spread_out(numbers: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Numbers (B, K, s) of those that may be the same for all views, (B, 1, s)."""
    return np.broadcast_to(numbers, (*size, numbers.shape[-1]))


def _run(
    checks: Iterable[Asked],
    seen: Residuals,
    policy: Policy,
    n_jobs: int | None,
    progress: Progress,
    limit: TimeLimit | None,
) -> tuple[tuple[Finding | Skipped, ...], ReplicateNumbers | None]:
    """The outcomes of all checks, in their order, from one pass over the replicates."""
    plan = seen.replicates
    context = CheckContext(
        plan.port, seen.observed, plan.port.frame, n_jobs=n_jobs, progress=progress
    )
    index = context.frame.index
    asked = [
        (check, _labelled(outcome, index, plan.origin) if isinstance(outcome, Finding) else outcome)
        for check in checks
        for outcome in check.plan(context)
    ]
    outcomes = [outcome for _, outcome in asked]
    require_unique(outcomes)
    measures = tuple(outcome for outcome in outcomes if isinstance(outcome, CheckStatistic))
    if not measures:
        return attribute(asked, iter(())), None
    if not any(_base_of(measure).randomised for measure in measures):
        # No number depends on how the random effects and the jitter fall.
        plan = replace(plan, randomisations=0)
        seen = Residuals(seen.observed, plan)
    compared = _Comparison(seen, measures)
    ends = list_stops(plan, policy, len(measures))
    replicates = reduce_replicates(
        plan,
        compared.numbers,
        enough=lambda numbers: are_settled(compared.findings(numbers), policy, ends[-1]),
        stops=ends,
        n_jobs=n_jobs,
        progress=progress,
        limit=limit,
    )
    found = compared.findings(replicates)
    labelled = (_labelled(finding, index, plan.origin) for finding in found)
    return attribute(asked, labelled), replicates


@final
@dataclass(frozen=True, eq=False)
class _Estimates(SharedStatistic):
    """What each data set is seen with, for null distributions given the estimates.

    Parts of the rows are seen with the same.
    """

    stacks: ClassVar[bool] = True
    randomised: ClassVar[bool] = False

    def share(self, data_view: DataView, told: Sequence[FloatArray]) -> FloatArray:
        return data_view.estimates

    def join(self, shares: Sequence[FloatArray], told: Sequence[FloatArray]) -> FloatArray:
        return shares[0]

    def finding(self, sample: NullSample) -> Finding:
        raise NotImplementedError


ESTIMATES = _Estimates("estimates", "estimates")


def list_stops(plan: Replicates, policy: Policy, tests: int) -> list[int]:
    """Numbers of replicates after which verdicts are looked at; the last is the most."""
    if plan.draws is not None:
        return [plan.draws]
    return list(stops(most_draws(policy.alpha, tests if policy.adjust == "holm" else 1)))


@dataclass(frozen=True, eq=False)
class _Comparison:
    """The observed data, to be compared with replicates by some measures."""

    seen: Residuals
    measures: tuple[CheckStatistic, ...]

    @cached_property
    def numbers(self) -> _AllNumbers:
        """What is computed of every data set; last come the estimates that it is seen with."""
        return _AllNumbers((*self.measures, ESTIMATES))

    @cached_property
    def _observed(self) -> FloatArray:
        """Numbers of the observed data for each randomisation, (K, s)."""
        plan = self.seen.replicates
        views = plan.observe_again() if plan.randomisations > 1 else (self.seen.observed,)
        numbers: FloatArray = self.numbers.of_many([views])[0]
        return numbers

    @cached_property
    def _ends(self) -> list[int]:
        """Where the numbers of each measure but the last end."""
        parts = self.numbers.parts([(self.seen.observed,)])
        return list(itertools.accumulate(part.shape[2] for part in parts))[:-1]

    def findings(self, replicates: ReplicateNumbers) -> list[Finding]:
        """What each measure finds beside these replicates."""
        detail = tell_detail(self.seen.replicates, replicates)
        observed = np.split(self._observed, self._ends, axis=1)
        return compare(self.measures, observed, replicates, detail, self.seen.observed)


def compare(
    measures: Sequence[CheckStatistic],
    observed: Sequence[FloatArray],
    replicates: ReplicateNumbers,
    detail: str,
    seen: DataView,
    rows: int | None = None,
) -> list[Finding]:
    """What each measure finds of its numbers beside those of replicates.

    Parameters
    ----------
    measures : sequence of CheckStatistic
    observed : sequence of (K, s_j)
        Numbers of the observed data by each, for each randomisation; and by `ESTIMATES`.
    replicates : ReplicateNumbers
        The same numbers, one after another.
    detail : str
        How the replicates were made.
    seen : DataView
        The observed data; of no row where they lie in parts.
    rows : int, optional
        How many rows there are, if `seen` does not say.
    """
    ends = list(itertools.accumulate(one.shape[1] for one in observed))[:-1]
    *made, others = np.split(replicates.single, ends, axis=2)
    *observed, own = observed
    estimates = np.concatenate([own[None, 0], others[:, 0]])
    return [
        measure.finding(
            NullSample(
                seen,
                average(one),
                average(many),
                detail,
                np.concatenate([one[None, :, 0], many[:, :, 0]]),
                rows,
                estimates,
            )
        )
        for measure, one, many in zip(measures, observed, made, strict=True)
    ]


def attribute(
    asked: Iterable[tuple[Asked, Outcome]], found: Iterator[Finding]
) -> tuple[Finding | Skipped, ...]:
    """What was found, measures replaced by their findings, each with the check that asked."""
    outcomes = (
        (check, next(found) if isinstance(outcome, CheckStatistic) else outcome)
        for check, outcome in asked
    )
    return tuple(replace(outcome, asked=check.to_dict()) for check, outcome in outcomes)


def _labelled(finding: Finding, index: pd.Index[Any], origin: IntArray | None) -> Finding:
    """The finding with what the index of the data calls its rows.

    Where rows of the model stand for several, `origin` says which each is: it is told once.
    """
    rows = finding.rows
    if not rows.size:
        return finding
    labels = np.array([str(label) for label in index[rows]], dtype=object)
    if origin is not None:
        rows, first = np.unique(origin[rows], return_index=True)
        labels = labels[first]
    return replace(finding, rows=rows, row_labels=tuple(labels.tolist()))


def require_unique(outcomes: Iterable[Outcome]) -> None:
    """Refuse outcomes of which two have one name."""
    names = Counter(
        outcome.name if isinstance(outcome, CheckStatistic) else outcome.check
        for outcome in outcomes
    )
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise OptionError(
            f"more than one check would be called {', '.join(map(repr, twice))}; "
            'give one another name with check.named("...")'
        )
