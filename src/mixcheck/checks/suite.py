"""Several checks as one: an ordered set under ``&``, run over one pass of replicates."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from mixcheck.arrays import FloatArray
from mixcheck.calls import answer_as, answer_methods
from mixcheck.checks.check import Check
from mixcheck.checks.distribution import Dispersion, Outliers, Uniformity, Zeros
from mixcheck.checks.pattern import Trend
from mixcheck.checks.portrait import draw_portrait
from mixcheck.checks.statistic import CheckContext, CheckStatistic, NullSample, Outcome
from mixcheck.checks.structure import Convergence, RandomEffects
from mixcheck.codec.documents import from_json, to_json
from mixcheck.errors import DataError, OptionError
from mixcheck.options import as_items, require_progress, require_workers, shown
from mixcheck.parallel import Progress
from mixcheck.port import Checkable, Conditioning, DataView, Enumerable, Ported
from mixcheck.quantile_residuals import Residuals, residuals
from mixcheck.report.finding import Finding, Skipped
from mixcheck.report.policy import Policy, require_policy
from mixcheck.report.report import Report
from mixcheck.simulation import (
    ReplicateNumbers,
    Simulations,
    reduce_replicates,
)

__all__ = ["Suite", "run_checks"]


@answer_methods
@dataclass(frozen=True, repr=False)
class Suite:
    """An ordered set of checks.

    ``a & b`` holds the checks of `a`, then those of `b` that `a` has not. The operation is
    associative and idempotent, and ``Suite()`` is its identity.

    Parameters
    ----------
    checks : iterable of Check
        Equal checks are kept once, where they come first.

    Raises
    ------
    OptionError
        If something is no check.

    Examples
    --------
    >>> Uniformity() & Dispersion() & Uniformity()
    Uniformity() & Dispersion()
    >>> Suite.from_json((Zeros() & Outliers()).to_json()) == Zeros() & Outliers()
    True
    """

    checks: tuple[Check, ...] = ()

    def __post_init__(self) -> None:
        given = as_items(self.checks)
        for item in (self.checks,) if given is None else given:
            if not isinstance(item, Check):
                raise OptionError(
                    f"a suite holds checks, found {shown(item)}; write "
                    "Suite((Zeros(), Dispersion())) or Zeros() & Dispersion()"
                )
        object.__setattr__(self, "checks", tuple(dict.fromkeys(given or ())))

    @classmethod
    def standard(cls) -> Suite:
        """What every mixed model should answer to."""
        return (
            Uniformity()
            & Dispersion()
            & Outliers()
            & Zeros()
            & Trend("fitted")
            & RandomEffects()
            & Convergence()
        )

    def __and__(self, other: Check | Suite) -> Suite:
        if isinstance(other, Check):
            return Suite((*self.checks, other))
        if isinstance(other, Suite):
            return Suite(self.checks + other.checks)
        return NotImplemented

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __len__(self) -> int:
        return len(self.checks)

    def __contains__(self, check: object) -> bool:
        return check in self.checks

    def __repr__(self) -> str:
        if len(self) > 1:
            return " & ".join(map(repr, self.checks))
        return f"Suite(({self.checks[0]!r},))" if self.checks else "Suite()"

    def by(self, column: str) -> Suite:
        """Each check for each level of a column."""
        return Suite(tuple(check.by(column) for check in self.checks))

    def where(self, column: str, level: str | int | float | bool) -> Suite:
        """Each check for the rows of one level."""
        return Suite(tuple(check.where(column, level) for check in self.checks))

    def to_json(self) -> str:
        """The suite as JSON; see `from_json`."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str) -> Suite:
        """The suite that `to_json` wrote.

        A user's function is found by importing its module, so read only text that you trust.

        Raises
        ------
        OptionError
            If it is no JSON of a suite, or holds a kind of check that is unknown.
        """
        if not isinstance(text, str):
            raise OptionError(f"a suite is read from the text of its JSON; found {shown(text)}")
        try:
            return from_json(text, cls, "suite", versioned=False)
        except DataError as error:
            raise OptionError(
                f'{error}; a suite in JSON is an object such as {{"checks": [{{"kind": "zeros"}}]}}'
            ) from None

    def run(
        self,
        subject: Residuals | Checkable | Ported,
        *,
        seed: int | None = None,
        draws: int | None = None,
        refits: int = 0,
        conditioning: Conditioning = "posterior",
        policy: Policy | None = None,
        n_jobs: int | None = None,
        progress: Progress = None,
    ) -> Report:
        """Run all checks over one pass of replicate data sets.

        Parameters
        ----------
        subject : Residuals or model
            Residuals bring their own seed, draws, refits and conditioning.
        seed, draws, refits, conditioning
            As in `mixcheck.simulate`, for a model.
        policy : Policy, optional
            How the findings are judged; judge them again with ``report.judge``.
        n_jobs : int, optional
            As in joblib; None leaves it to ``joblib.parallel_config``.
        progress : bool or callable, optional
            ``progress(done, total)``; True prints one line to stderr.

        Returns
        -------
        Report

        Raises
        ------
        OptionError
            If two findings would have one name, or residuals come with arguments of their own.
        UnknownColumnError
            If a check names a column that the data have not.
        """
        require_workers(n_jobs)
        require_progress(progress)
        judge = Policy() if policy is None else require_policy(policy)
        if isinstance(subject, Residuals):
            _refuse_own_arguments(seed=seed, draws=draws, refits=refits or None)
            seen = subject
        else:
            seen = residuals(
                subject, conditioning=conditioning, seed=seed, draws=draws, refits=refits
            )
        findings, numbers = _run(self.checks, seen, n_jobs, progress)
        provenance = _provenance(seen, numbers) | {
            "suite": [check.to_dict() for check in self.checks]
        }
        return Report(
            findings,
            policy=judge,
            provenance=provenance,
            extra=draw_portrait(seen.simulations.port),
            model=seen.simulations.model,
        )


@answer_as("check")
def run_checks(
    model: Residuals | Checkable | Ported,
    suite: Suite | Check | None = None,
    *,
    seed: int | None = None,
    draws: int | None = None,
    refits: int = 0,
    conditioning: Conditioning = "posterior",
    policy: Policy | None = None,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> Report:
    """Check a model: the standard suite, or another.

    Parameters
    ----------
    model : Checkable or Residuals
    suite : Suite or Check, optional
        `Suite.standard()` by default.
    seed, draws, refits, conditioning, policy, n_jobs, progress
        As in `Suite.run`.

    Returns
    -------
    Report

    Raises
    ------
    OptionError
        As `Suite.run`, or if `suite` is neither a suite nor a check.
    """
    chosen = Suite.standard() if suite is None else suite
    if isinstance(chosen, Check):
        chosen = Suite((chosen,))
    if not isinstance(chosen, Suite):
        raise OptionError(
            f"suite must be a Suite or a Check, found {shown(chosen)}; write Zeros() & Dispersion()"
        )
    return chosen.run(
        model,
        seed=seed,
        draws=draws,
        refits=refits,
        conditioning=conditioning,
        policy=policy,
        n_jobs=n_jobs,
        progress=progress,
    )


def _refuse_own_arguments(**given: int | None) -> None:
    named = [f"{name}={shown(value)}" for name, value in given.items() if value is not None]
    if named:
        raise OptionError(
            f"residuals have their own seed, draws and refits, and {', '.join(named)} was given; "
            f"write residuals(model, {', '.join(named)}) instead"
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


@dataclass(frozen=True, eq=False)
class _AllNumbers:
    """The numbers of all measures, one after another, of one data_view."""

    measures: tuple[CheckStatistic, ...]

    def __call__(self, data_view: DataView) -> FloatArray:
        return np.concatenate(self.parts(data_view))

    def parts(self, data_view: DataView) -> list[FloatArray]:
        masses = data_view.probability
        if masses is not None:
            data_view = replace(data_view, probability=_Remembered(masses))
        return [measure.numbers(data_view) for measure in self.measures]


def _run(
    checks: Iterable[Check], seen: Residuals, n_jobs: int | None, progress: Progress
) -> tuple[tuple[Finding | Skipped, ...], ReplicateNumbers | None]:
    """The outcomes of all checks, in their order, from one pass over the replicates."""
    plan = seen.simulations
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
    labelled = (_labelled(finding, index) for finding in found)
    return _attributed(asked, labelled), replicates


def _attributed(
    asked: Iterable[tuple[Check, Outcome]], found: Iterator[Finding]
) -> tuple[Finding | Skipped, ...]:
    """What was found, measures replaced by their findings, each with the check that asked."""
    outcomes = (
        (check, next(found) if isinstance(outcome, CheckStatistic) else outcome)
        for check, outcome in asked
    )
    return tuple(replace(outcome, asked=check.to_dict()) for check, outcome in outcomes)


def _labelled(finding: Finding, index: pd.Index[Any]) -> Finding:
    """The finding with what the index of the data calls its rows."""
    labels = tuple(str(index[row]) for row in finding.rows.tolist())
    return replace(finding, row_labels=labels) if labels else finding


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


def _detail(plan: Simulations, replicates: ReplicateNumbers) -> str:
    """How the null distribution was made, in a sentence or two."""
    made = f"The null distribution is that of {len(replicates.numbers)} replicate data sets"
    how = ", to each of which the model was fitted again." if plan.refits else "."
    if not replicates.failed:
        return made + how
    kind = "refits" if plan.refits else "replicates"
    reasons = "; ".join(f"{reason} ({count})" for reason, count in replicates.failures)
    return f"{made}{how} {replicates.failed} of {plan.size} {kind} were kept out: {reasons}"


def _provenance(seen: Residuals, replicates: ReplicateNumbers | None) -> dict[str, Any]:
    plan = seen.simulations
    digest = hashlib.sha256(np.ascontiguousarray(seen.observed.response).tobytes())
    return {
        "mixcheck": _version(),
        "seed": plan.seed,
        "draws": plan.draws,
        "refits": plan.refits,
        "replicates used": 0 if replicates is None else len(replicates.numbers),
        "refits kept out": {} if replicates is None else dict(replicates.failures),
        "conditioning": "that of the draws"
        if isinstance(plan.port, Enumerable)
        else plan.conditioning,
        "model": dict(plan.port.description),
        "response digest": digest.hexdigest()[:16],
    }


def _version() -> str:
    # Importing the package by name would make every room depend on every other.
    return str(getattr(sys.modules.get("mixcheck"), "__version__", "unknown"))
