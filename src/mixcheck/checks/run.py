"""Checks run: one pass of replicate data sets, reduced to the numbers of all of them."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray, IntArray
from mixcheck.checks.portrait import draw_portrait
from mixcheck.checks.statistic import CheckContext, CheckStatistic, NullSample, Outcome
from mixcheck.errors import OptionError
from mixcheck.options import require_progress, require_workers, shown
from mixcheck.parallel import Progress
from mixcheck.port import Checkable, Conditioning, DataView, Enumerable, Ported
from mixcheck.quantile_residuals import Residuals, residuals
from mixcheck.report.finding import Finding, Skipped
from mixcheck.report.policy import Policy, require_policy
from mixcheck.report.report import Report
from mixcheck.simulation import (
    Calibration,
    ReplicateNumbers,
    Replicates,
    reduce_replicates,
)

__all__ = ["run_checks"]


class Asked(Protocol):
    """What is asked of a check when it is run."""

    def plan(self, context: CheckContext) -> tuple[Outcome, ...]:
        """What to measure, or why nothing can be."""

    def to_dict(self) -> dict[str, Any]:
        """The check as plain data."""


def run_checks(
    checks: Sequence[Asked],
    subject: Residuals | Checkable | Ported,
    *,
    seed: int | None,
    draws: int | None,
    calibration: Calibration | None,
    conditioning: Conditioning,
    policy: Policy | None,
    n_jobs: int | None,
    progress: Progress,
) -> Report:
    """Run checks over one pass of replicate data sets; see `Suite.run`."""
    require_workers(n_jobs)
    require_progress(progress)
    judge = Policy() if policy is None else require_policy(policy)
    if isinstance(subject, Residuals):
        _refuse_own_arguments(seed=seed, draws=draws, calibration=calibration)
        seen = subject
    else:
        seen = residuals(
            subject, conditioning=conditioning, seed=seed, draws=draws, calibration=calibration
        )
    findings, numbers = _run(checks, seen, n_jobs, progress)
    provenance = _provenance(seen, numbers) | {"suite": [check.to_dict() for check in checks]}
    return Report(
        findings,
        policy=judge,
        provenance=provenance,
        extra=draw_portrait(seen.replicates.port),
        model=seen.replicates.model,
    )


def _refuse_own_arguments(**given: object) -> None:
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


@dataclass(frozen=True, eq=False)
class _AllNumbers:
    """The numbers of all measures, one after another, of one data_view."""

    measures: tuple[CheckStatistic, ...]

    def __call__(self, data_view: DataView) -> FloatArray:
        return np.concatenate(self.parts(data_view))

    def parts(self, data_view: DataView) -> list[FloatArray]:
        data_view = replace(
            data_view,
            probability=_remembered(data_view.probability),
            mode_probability=_remembered(data_view.mode_probability),
        )
        return [measure.numbers(data_view) for measure in self.measures]


def _run(
    checks: Iterable[Asked], seen: Residuals, n_jobs: int | None, progress: Progress
) -> tuple[tuple[Finding | Skipped, ...], ReplicateNumbers | None]:
    """The outcomes of all checks, in their order, from one pass over the replicates."""
    plan = seen.replicates
    context = CheckContext(plan.port, seen.observed, plan.port.frame)
    asked = [(check, outcome) for check in checks for outcome in check.plan(context)]
    outcomes = [outcome for _, outcome in asked]
    _require_unique(outcomes)
    measures = tuple(outcome for outcome in outcomes if isinstance(outcome, CheckStatistic))
    if not measures:
        return _attributed(asked, iter(())), None
    numbers = _AllNumbers(measures)
    observed = numbers.parts(seen.observed)
    replicates = reduce_replicates(plan, numbers, n_jobs=n_jobs, progress=progress)
    detail = _detail(plan, replicates)
    ends = np.cumsum([part.size for part in observed])
    parts = np.split(replicates.numbers, ends[:-1], axis=1)
    found = iter(
        measure.finding(NullSample(seen.observed, part, columns, detail))
        for measure, part, columns in zip(measures, observed, parts, strict=True)
    )
    index = context.frame.index
    labelled = (_labelled(finding, index, plan.origin) for finding in found)
    return _attributed(asked, labelled), replicates


def _attributed(
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


def _require_unique(outcomes: Iterable[Outcome]) -> None:
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


_HOW: Mapping[Calibration, str] = {
    "refit": ", to each of which the model was fitted again.",
    "one-step": ", each seen one Newton step from the estimates.",
    "plug-in": ".",
}


def _detail(plan: Replicates, replicates: ReplicateNumbers) -> str:
    """How the null distribution was made, in a sentence or two."""
    made = f"The null distribution is that of {len(replicates.numbers)} replicate data sets"
    how = _HOW[plan.calibration]
    if not replicates.failed:
        return made + how
    kind = "replicates" if plan.calibration == "plug-in" else "refits"
    reasons = "; ".join(f"{reason} ({count})" for reason, count in replicates.failures)
    return f"{made}{how} {replicates.failed} of {plan.size} {kind} were kept out: {reasons}"


def _provenance(seen: Residuals, replicates: ReplicateNumbers | None) -> dict[str, Any]:
    plan = seen.replicates
    digest = hashlib.sha256(np.ascontiguousarray(seen.observed.response).tobytes())
    return {
        "mixcheck": _version(),
        "seed": plan.seed,
        "draws": plan.draws,
        "calibration": plan.calibration,
        "replicates used": 0 if replicates is None else len(replicates.numbers),
        "refits kept out": {} if replicates is None else dict(replicates.failures),
        "conditioning": "that of the draws"
        if isinstance(plan.port, Enumerable)
        else plan.conditioning,
        "model": dict(plan.port.description) | _weights_words(plan),
        "response digest": digest.hexdigest()[:16],
    }


def _weights_words(plan: Replicates) -> dict[str, str]:
    """What to say of rows that stand for several."""
    if plan.origin is None:
        return {}
    held = np.unique(plan.origin).size
    return {"weights": f"{held:,} rows stand for {plan.origin.size:,}, each of which is looked at"}


def _version() -> str:
    # Importing the package by name would make every room depend on every other.
    return str(getattr(sys.modules.get("mixcheck"), "__version__", "unknown"))
