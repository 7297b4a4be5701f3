"""Checks of a model whose rows lie in parts: shares of statistics, joined, and one report.

Each part makes its rows of the observed data and of every replicate where it is held, and sends
the shares that they have in the statistics (`SharedStatistic`): sums over rows and levels, mostly.
What the shares of all parts come to are the numbers of all rows in one place, so that findings,
stopping and the report are those of any check. Checks that are no such sums are left out with
their reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Protocol, TypeVar, cast
from uuid import uuid4
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from mixcheck.arguments.options import (
    require_choice,
    require_draws,
    require_progress,
    require_workers,
    shown,
)
from mixcheck.arrays import FloatArray
from mixcheck.checks.portrait import tabulate_estimates
from mixcheck.checks.provenance import describe_run, digest_response, tell_detail
from mixcheck.checks.replicate_numbers import ReplicateNumbers, reduce_numbers
from mixcheck.checks.run import (
    ESTIMATES,
    Asked,
    RunArguments,
    attribute,
    compare,
    list_stops,
    require_unique,
)
from mixcheck.checks.statistic import (
    CheckContext,
    CheckStatistic,
    Outcome,
    SharedStatistic,
    has_two_values,
)
from mixcheck.checks.view_stack import stack_views
from mixcheck.errors import OptionError
from mixcheck.execution.progress import Progress
from mixcheck.execution.streams import choose_seed
from mixcheck.execution.time_limits import TimeLimit, start_clock
from mixcheck.port import (
    CONDITIONINGS,
    Checkable,
    ConvergenceFacts,
    DataView,
    FoundTransform,
    Levelled,
    Parts,
    ProbabilityTransform,
    SeenInParts,
    TermLevels,
)
from mixcheck.report.finding import Finding, Skipped
from mixcheck.report.policy import Policy, require_policy
from mixcheck.report.report import Report
from mixcheck.report.stopping import are_settled
from mixcheck.simulation import CALIBRATIONS, Replicates

__all__ = ["NOT_SHARED", "run_over_parts"]

Answer = TypeVar("Answer")

NOT_SHARED = "It looks at all rows together; fit.part(k) has those of one partition."


class SharedCheck(Asked, Protocol):
    """What is asked of a check when it is run over parts."""

    kind: ClassVar[str]
    shared: ClassVar[bool]
    least_rows: ClassVar[int]

    @property
    def name(self) -> str:
        """Name of its finding."""

    def measures(self, context: CheckContext) -> tuple[Outcome, ...]:
        """What to measure."""


def run_over_parts(checks: Sequence[SharedCheck], model: Parts, given: RunArguments) -> Report:
    """Run checks of a model whose rows lie in parts; see `Suite.run`.

    Raises
    ------
    OptionError
        If refits are asked for, or workers beside those that hold the parts.
    """
    require_progress(given.progress)
    if require_workers(given.n_jobs) not in (None, 1):
        raise OptionError(
            f"n_jobs={shown(given.n_jobs)} was given, and the partitions are worked on where they "
            "are held: leave it out, and give n_jobs= or client= to mc.glmm_partitions"
        )
    limit = start_clock(given.time_limit)
    judge = Policy() if given.policy is None else require_policy(given.policy)
    facts = _Model.of(model)
    plan = _plan(facts, model.reason_for_no_step, given)
    observed = model.observe_parts(given.conditioning, plan.seed)
    whole = _Whole.of(facts, observed)
    asked = [(check, outcome) for check in checks for outcome in _outcomes(check, whole)]
    outcomes = [outcome for _, outcome in asked]
    require_unique(outcomes)
    measures = tuple(one for one in outcomes if isinstance(one, SharedStatistic))
    found: list[Finding] = []
    numbers = None
    if measures:
        progress = given.progress
        numbers, found = _compare(plan, model, observed, whole, measures, judge, progress, limit)
    suite = [check.to_dict() for check in checks]
    provenance = describe_run(plan, numbers, whole.digest, suite, given.left_out) | {
        "partitions": f"{model.n_parts:,}, each of which has a random stream of its own"
    }
    findings = attribute(asked, iter(found))
    return Report(findings, policy=judge, provenance=provenance, extra=tabulate_estimates(facts))


def _plan(model: _Model, why: str, given: RunArguments) -> Replicates:
    """The plan of replicate data sets, each of which is seen once: nothing asked is random.

    `why` says why no Newton step leads to the estimates of another data set, or is "".
    """
    require_choice("conditioning", given.conditioning, CONDITIONINGS)
    calibration = chosen = given.calibration
    reason = ""
    if calibration is not None:
        require_choice("calibration", calibration, CALIBRATIONS)
    if calibration == "refit":
        raise OptionError(
            'calibration="refit" fits the model again to each replicate, which is not there over '
            'partitions; write calibration="one-step", one Newton step by sums over partitions, or '
            "leave it out"
        )
    if calibration == "one-step" and why:
        raise OptionError(
            f'calibration="one-step" takes a Newton step from the estimates, and {why}; write '
            'calibration="plug-in"'
        )
    if chosen is None:
        chosen, reason = ("plug-in", why) if why else ("one-step", "rows lie in partitions")
    return Replicates(
        model=cast("Checkable", model),
        conditioning=given.conditioning,
        seed=choose_seed(given.seed),
        draws=None if given.draws is None else require_draws(given.draws),
        calibration=chosen,
        reason=reason,
        randomisations=0,
    )


def _compare(
    plan: Replicates,
    model: Parts,
    observed: SeenInParts,
    whole: _Whole,
    measures: tuple[SharedStatistic, ...],
    judge: Policy,
    progress: Progress,
    limit: TimeLimit | None,
) -> tuple[ReplicateNumbers, list[Finding]]:
    """Numbers of replicates, as many as are wanted, and what is found beside them."""
    asked = (*measures, ESTIMATES)
    run = uuid4().hex
    shares = _join(observed, asked, run)

    def findings(replicates: ReplicateNumbers) -> list[Finding]:
        detail = tell_detail(plan, replicates)
        own = [one[0] for one in shares]
        return compare(measures, own, replicates, detail, whole.observed, whole.n)

    def task(some: range) -> list[FloatArray | str]:
        seen = model.replicate_parts(
            some, plan.conditioning, plan.seed, one_step=plan.calibration == "one-step"
        )
        rows: dict[int, FloatArray | str] = dict(seen.failures)
        if seen.numbers:
            numbers = np.concatenate(_join(seen, asked, run), axis=2)
            rows |= dict(zip(seen.numbers, numbers, strict=True))
        return [rows[k] for k in some]

    ends = list_stops(plan, judge, len(measures))
    replicates = reduce_numbers(
        task,
        plan,
        model.together,
        enough=lambda numbers: are_settled(findings(numbers), judge, ends[-1]),
        stops=ends,
        n_jobs=1,
        progress=progress,
        limit=limit,
    )
    observed.ask(_forget)
    return replicates, findings(replicates)


def _join(seen: SeenInParts, measures: Sequence[SharedStatistic], run: str) -> list[FloatArray]:
    """The numbers of each measure of each data set, (B, 1, s_j); of the run of that name."""
    told: list[tuple[FloatArray, ...]] = [() for _ in measures]
    for count in range(max(measure.rounds for measure in measures)):
        going = [j for j, measure in enumerate(measures) if measure.rounds > count]
        shares = seen.ask(_share, [measures[j] for j in going], [told[j] for j in going], run)
        for place, j in enumerate(going):
            joined = measures[j].join([one[place] for one in shares], told[j])
            told[j] = (*told[j], joined)
    return [numbers[-1] for numbers in told]


def _share(
    model: Checkable,
    seen: Sequence[DataView],
    measures: Sequence[SharedStatistic],
    told: Sequence[tuple[FloatArray, ...]],
    run: str,
) -> list[FloatArray]:
    """What a part says to each measure of each data set, (B, 1, s)."""
    stack, size = stack_views([(view,) for view in seen]), len(seen)
    return [
        np.broadcast_to(share, (size, 1, share.shape[-1]))
        for share in (
            _bound(measure, model, run).share(stack, known)
            for measure, known in zip(measures, told, strict=True)
        )
    ]


# Measures with what they hold of the rows of a part, by their names, of the run that is on: of
# parts with so many rows at most, since they hold columns of these.
_BOUND: WeakKeyDictionary[Checkable, tuple[str, dict[str, SharedStatistic]]] = WeakKeyDictionary()
_KEPT_ROWS = 500_000


def _bound(measure: SharedStatistic, model: Checkable, run: str) -> SharedStatistic:
    """A measure of the rows of the part that a model is of; made once a run."""
    if len(model.frame) > _KEPT_ROWS:
        return measure.of_part(model)
    of, known = _BOUND.get(model, ("", {}))
    if of != run:
        known = {}
        _BOUND[model] = run, known
    if measure.name not in known:
        known[measure.name] = measure.of_part(model)
    return known[measure.name]


def _forget(model: Checkable, seen: Sequence[DataView]) -> None:
    """Give up what is held for a run."""
    _BOUND.pop(model, None)


# ---- what is known of all rows -----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Described:
    """What a part tells of its rows, so that it is known what can be asked.

    Attributes
    ----------
    rows : int
    two_values : bool
        See `has_two_values`.
    masses : bool
        Whether probabilities of values are known.
    transform : bool
        Whether it is known where responses stand.
    digest : bytes
        Of the response.
    effects : mapping of term to (m, q)
        Shapes of the random effects.
    levels : mapping of term to TermLevels
        Without labels.
    """

    rows: int
    two_values: bool
    masses: bool
    transform: bool
    digest: str
    effects: Mapping[str, tuple[int, int]]
    levels: Mapping[str, TermLevels]


def _of_observed(
    model: Checkable, seen: Sequence[DataView], question: Callable[..., Answer], *args: Any
) -> Answer:
    """The answer of a part to what is asked of the one data set that it sees."""
    (view,) = seen
    return question(model, view, *args)


def _describe(model: Checkable, seen: Sequence[DataView]) -> _Described:
    (view,) = seen
    levels = model.term_levels if isinstance(model, Levelled) else {}
    return _Described(
        rows=view.response.size,
        two_values=has_two_values(view),
        masses=view.probability is not None,
        transform=view.transform is not None,
        digest=digest_response(view.response),
        effects={term: (len(one), one.shape[1]) for term, one in view.modes.items()},
        levels={term: replace(one, labels=pd.RangeIndex(0)) for term, one in levels.items()},
    )


@dataclass(frozen=True, eq=False)
class _Model:
    """What checks and a report ask of the model; see `mixcheck.port`."""

    description: Mapping[str, str | int | float | bool | None]
    notes: tuple[str, ...]
    coefficient_table: pd.DataFrame
    variance_components: pd.DataFrame
    discrete: bool
    fits_variance: bool
    fits_frequencies: bool
    convergence: ConvergenceFacts
    term_levels: Mapping[str, TermLevels] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Parts) -> _Model:
        """Facts that need no row."""
        names = (one.name for one in fields(cls) if one.name != "term_levels")
        return cls(**{name: getattr(model, name) for name in names})


@dataclass(frozen=True, eq=False)
class _Whole(CheckContext):
    """What is known of all rows; its view and its frame have none.

    Attributes
    ----------
    size : int
        Number of rows.
    two_values : bool
        See `CheckContext.has_two_values`.
    digest : str
        Of the response.
    seen : SeenInParts
        The observed data.
    """

    size: int = 0
    two_values: bool = False
    digest: str = ""
    seen: SeenInParts = field(kw_only=True)

    @classmethod
    def of(cls, model: _Model, seen: SeenInParts) -> _Whole:
        """What the parts tell of the observed data."""
        described = seen.ask(_describe)
        first = described[0]
        terms = {
            term: _join_levels([one.levels[term] for one in described]) for term in first.levels
        }
        effects = {
            term: np.broadcast_to(0.0, (sum(one.effects[term][0] for one in described), columns))
            for term, (_, columns) in first.effects.items()
        }
        return cls(
            model=cast("Checkable", replace(model, term_levels=terms)),
            observed=_view_of_no_row(first, effects),
            frame=pd.DataFrame(),
            size=sum(one.rows for one in described),
            two_values=all(one.two_values for one in described),
            digest=digest_response(np.array([int(one.digest, 16) for one in described])),
            seen=seen,
        )

    def ask(self, question: Callable[..., Answer], *args: Any) -> list[Answer]:
        """The answers of all parts that have rows."""
        return self.seen.ask(_of_observed, question, *args)

    @property
    def n(self) -> int:
        """Number of rows of all parts."""
        return self.size

    @property
    def in_parts(self) -> bool:
        """They do."""
        return True

    @property
    def has_two_values(self) -> bool:
        """Whether that is so in every part."""
        return self.two_values


def _join_levels(levels: Sequence[TermLevels]) -> TermLevels:
    """What is known of the levels of all parts; without labels."""
    return replace(
        levels[0],
        deviations=np.concatenate([one.deviations for one in levels]),
        reliability=np.concatenate([one.reliability for one in levels]),
    )


def _view_of_no_row(described: _Described, effects: Mapping[str, FloatArray]) -> DataView:
    """A view that tells what views hold, and has no row."""
    none = np.zeros(0)
    transform = ProbabilityTransform.of(none[None], none[None], none[None], np.ones(1))
    masses = _no_masses if described.masses else None
    return DataView(
        *(none,) * 7,
        effects=effects,
        modes=effects,
        probability=masses,
        transform=FoundTransform(transform) if described.transform else None,
        mode_probability=masses,
    )


def _no_masses(k: float) -> FloatArray:
    return np.zeros(0)


def _outcomes(check: SharedCheck, whole: _Whole) -> tuple[Outcome, ...]:
    """What to measure, or why it cannot be measured over parts."""
    if not check.shared:
        return (Skipped(check.name, check.kind, NOT_SHARED),)
    if whole.n < check.least_rows:
        reason = f"There are {whole.n} rows, and this check needs at least {check.least_rows}."
        return (Skipped(check.name, check.kind, reason),)
    return tuple(
        Skipped(one.name, one.kind, NOT_SHARED)
        if isinstance(one, CheckStatistic) and not isinstance(one, SharedStatistic)
        else one
        for one in check.measures(whole)
    )
