"""Search through candidate models: all of them, or along the best so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mixcheck.codec.shapes import Count, Finite
from mixcheck.comparison.criterion import Criterion
from mixcheck.errors import ComparisonError, OptionError
from mixcheck.execution.parallel import map_numbers
from mixcheck.execution.progress import Progress
from mixcheck.execution.time_limits import TimeLimit
from mixcheck.selection.aliases import tell_apart
from mixcheck.selection.candidates import Assessment, Candidate, Fit, assess
from mixcheck.selection.explored import Explored, rank_explored

__all__ = [
    "Explored",
    "Neighbours",
    "SearchName",
    "Step",
    "close_under",
    "explore",
]

SearchName: TypeAlias = Literal["all", "greedy", "beam"]
Neighbours: TypeAlias = Callable[[Candidate], Iterable[Candidate]]


@dataclass(frozen=True)
class Step:
    """One step of a search.

    Attributes
    ----------
    number : int
        From one.
    fitted : tuple of str
        Keys of the candidates fitted in this step.
    best : str or None
        Key of the best model so far.
    value : float or None
        Its criterion.
    """

    number: Count
    fitted: tuple[str, ...]
    best: str | None
    value: Finite | None


@dataclass(frozen=True, eq=False)
class _Task:
    """The assessment of candidate number k."""

    candidates: tuple[Candidate, ...]
    fit: Fit
    criterion: Criterion

    def __call__(self, k: int) -> Assessment:
        return assess(self.candidates[k], self.fit, self.criterion)


def explore(
    start: Sequence[Candidate],
    neighbours: Neighbours,
    fit: Fit,
    criterion: Criterion,
    *,
    search: SearchName,
    width: int,
    max_models: int,
    n_jobs: int | None,
    progress: Progress,
    tie: float,
    admits: Callable[[Candidate], bool] | None = None,
    limit: TimeLimit | None = None,
) -> tuple[tuple[Explored, ...], tuple[Step, ...], str]:
    """Fit candidates until none is left, no step improves on the best so far, or time is up.

    Returns
    -------
    tuple of Explored, tuple of Step
        In the order of trying.
    str
        A sentence where a limit of time ended the search.

    Raises
    ------
    OptionError
        If there are more candidates than `max_models`.
    ComparisonError
        If two candidates were fitted to different data.
    """
    width = 1 if search == "greedy" else width
    whole = close_under(start, neighbours, max_models) if search == "all" else tuple(start)
    pending = tuple(one for one in _distinct(whole) if admits is None or admits(one))
    if not pending:
        raise OptionError(
            "no candidate is left by subset=; write a rule that admits some"
            if search == "all"
            else "the model that the search begins at is not admitted by subset=; write "
            'search="all"'
        )
    explored: dict[str, Explored] = {}
    known: dict[frozenset[str], bool] = {}
    steps: list[Step] = []
    while pending:
        if len(explored) + len(pending) > max_models:
            raise OptionError(_too_many(max_models))
        number = len(steps) + 1
        task = _Task(pending, fit, criterion)
        results = map_numbers(
            task,
            range(len(pending)),
            n_jobs=n_jobs,
            progress=progress,
            what=f"models of step {number}",
            limit=limit,
        )
        begun, left = pending[: len(results)], len(pending) - len(results)
        for candidate, result in zip(begun, results, strict=True):
            explored[candidate.key] = Explored(candidate, result, len(explored), number)
        _require_same_data(explored.values())
        apart = tell_apart(tuple(explored.values()), fit, known)
        ranked = rank_explored(apart, tie)
        steps.append(_step(number, begun, ranked))
        if search == "all" or left:
            break
        found = _next(explored, ranked[:width], pending, neighbours)
        pending = tuple(one for one in found if admits is None or admits(one))
        left = len(pending)
        if limit is not None and limit.passed:
            break
    stopped = ""
    if left and limit is not None:
        known_models = f"{len(explored):,} of {len(explored) + left:,}"
        models = known_models if search == "all" else f"{len(explored):,}"
        stopped = f"Stopped by time_limit={limit.seconds:g} after {models} models."
    return tuple(tell_apart(tuple(explored.values()), fit, known)), tuple(steps), stopped


def close_under(
    start: Iterable[Candidate], neighbours: Neighbours, max_models: int
) -> tuple[Candidate, ...]:
    """All candidates that can be reached, nearest first.

    Raises
    ------
    OptionError
        If there are more than `max_models`.
    """
    found = {candidate.key: candidate for candidate in start}
    frontier = list(found.values())
    while frontier:
        reached: list[Candidate] = []
        for candidate in frontier:
            for other in neighbours(candidate):
                if other.key not in found:
                    found[other.key] = other
                    reached.append(other)
            if len(found) > max_models:
                raise OptionError(_too_many(max_models))
        frontier = reached
    return tuple(found.values())


def _too_many(max_models: int) -> str:
    return (
        f"there are more than {max_models} candidate models (max_models); "
        'write search="greedy" or search="beam", hold terms with keep=[..], or raise max_models'
    )


def _distinct(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    return tuple({candidate.key: candidate for candidate in candidates}.values())


def _next(
    explored: Mapping[str, Explored],
    best: Sequence[Explored],
    last: Sequence[Candidate],
    neighbours: Neighbours,
) -> tuple[Candidate, ...]:
    """Neighbours, not yet tried, of the best models; of the last ones while all have failed."""
    frontier = [tried.candidate for tried in best] if best else last
    reached = (other for candidate in frontier for other in neighbours(candidate))
    return _distinct(other for other in reached if other.key not in explored)


def _step(number: int, fitted: Sequence[Candidate], ranked: Sequence[Explored]) -> Step:
    keys = tuple(candidate.key for candidate in fitted)
    best = next(iter(ranked), None)
    if best is None or best.assessment.score is None:
        return Step(number, keys, None, None)
    return Step(number, keys, best.candidate.key, best.assessment.score.value)


def _require_same_data(explored: Iterable[Explored]) -> None:
    usable: Iterator[Explored] = (tried for tried in explored if tried.assessment.usable)
    first = next(usable, None)
    for other in usable:
        assert first is not None
        for (name, one), (_, two) in zip(first.assessment.data, other.assessment.data, strict=True):
            if one != two:
                raise ComparisonError(
                    f"{first.candidate.key!r} and {other.candidate.key!r} cannot be compared, "
                    f"because they were fitted to different {name}"
                )
