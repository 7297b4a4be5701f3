"""Alternatives of a model that fails: fitted, checked as far as it matters, and asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from mixcheck.display.numerals import format_number
from mixcheck.execution.progress import Progress, reporter
from mixcheck.execution.time_limits import TimeLimit
from mixcheck.notices import quiet
from mixcheck.report.finding import Finding
from mixcheck.report.report import Report
from mixcheck.selection.candidates import Candidate
from mixcheck.selection.explanations import diagnose, explained_by
from mixcheck.selection.fits import KeptFits, KeptReports
from mixcheck.selection.remedies import find_remedies
from mixcheck.selection.search import check_candidate, gated
from mixcheck.selection.selection import RankedModel, Selection
from mixcheck.selection.situation import Remedy, Situation, situation_of
from mixcheck.selection.space import Model, Space

__all__ = ["Changes", "Trials", "Tried", "by_price", "with_price"]

Changes: TypeAlias = Mapping[Model, tuple[Remedy, ...]]

# What a further change must gain, in units of the criterion: the changes are chosen among many on
# the same data, and what the first leaves unexplained fails a check.
PRICE = 10.0
# Alternatives this close to the first are as good as it, and the simplest comes first: Burnham and
# Anderson (2002), Model Selection and Multimodel Inference, section 2.6.
TIE = 2.0
# Alternatives whose criterion is further than this above that of the first are not checked.
FAR = 10.0
# Alternatives of the second round, with what came first and without.
_MOST_FURTHER = 5


def with_price(model: RankedModel, why: Mapping[str, tuple[str, ...]]) -> float:
    """The criterion, and the price of each change beyond the first."""
    return model.value + PRICE * max(len(why.get(model.model, ())) - 1, 0)


def by_price(
    models: Iterable[RankedModel], why: Mapping[str, tuple[str, ...]]
) -> list[RankedModel]:
    """By the criterion and the price of changes; of those within 2 of the first the simplest is.

    A curve of its own for what another link does with no parameter more is then not first by a
    hair.
    """
    order = sorted(models, key=lambda model: with_price(model, why))
    first = with_price(order[0], why) if order else 0.0
    as_good = [model for model in order if with_price(model, why) <= first + TIE]
    # Sorting is stable: of equally many parameters the smaller criterion comes first.
    return [*sorted(as_good, key=lambda model: model.df), *order[len(as_good) :]]


@dataclass(frozen=True, eq=False)
class Tried:
    """Alternatives that were tried.

    Attributes
    ----------
    selection : Selection or None
        With the model as it is; None where there is no alternative.
    current : Candidate
        The model as it is.
    candidates : mapping of str to Candidate
        The others, by name.
    why : mapping of str to tuple of str
    """

    selection: Selection | None
    current: Candidate
    candidates: Mapping[str, Candidate]
    why: Mapping[str, tuple[str, ...]]

    @property
    def order(self) -> list[RankedModel]:
        """The alternatives by their criterion and the price of changes; see `by_price`."""
        models = () if self.selection is None else self.selection.models
        others = [model for model in models if model.model in self.candidates]
        return by_price(others, self.why)

    @property
    def first(self) -> RankedModel | None:
        """The first that passes; the first of all if none does."""
        passing = by_price((model for model in self.order if model.admissible), self.why)
        return next(iter(passing or self.order), None)


@dataclass(frozen=True, eq=False)
class Trials:
    """A model that fails, and how its alternatives are fitted and checked.

    All alternatives are fitted. In the order of their criterion they are checked with estimates
    held, which costs a tenth of refits, and those that pass as the report was, until one passes
    both. Those close behind it are checked with estimates held; those far behind it are not.

    Attributes
    ----------
    situation : Situation
        Of the model that fails.
    report : Report
        Of it.
    fits : KeptFits
    quick, same : KeptReports
        With estimates held, and as the report was.
    search : callable
        Fits and ranks candidates.
    progress : bool or callable, optional
    limit : TimeLimit, optional
        Once it is passed no model is begun, but for a check of the first.
    """

    situation: Situation
    report: Report
    fits: KeptFits
    quick: KeptReports
    same: KeptReports
    search: Callable[..., Selection]
    progress: Progress = None
    limit: TimeLimit | None = None

    @property
    def late(self) -> bool:
        """Whether the time is used up."""
        return self.limit is not None and self.limit.passed

    def run(self, changes: Changes) -> Tried:
        """Fit and check alternatives; what was seen before is kept."""
        models = [self.situation.model, *changes]
        space = _listed(self.situation.model, models)
        current, *others = (space.candidate(one) for one in models)
        why = {
            c.key: tuple(reason for remedy in changes[c.content] for reason in remedy.reasons)
            for c in others
        }
        tried = Tried(None, current, {c.key: c for c in others}, why)
        if not others:
            return tried
        selection = replace(self.search([current, *others], fit=self.fits), gated=True)
        tried = _judged(replace(tried, selection=selection), current.key, self.report)
        with quiet():
            return self._with_fit(self._checked(tried))

    def _checked(self, tried: Tried) -> Tried:
        """The alternatives with their verdicts."""
        order = [model.model for model in tried.order]
        best: RankedModel | None = None
        with reporter(self.progress, "models checked") as report:
            for k, name in enumerate(order):
                if k and self.late:
                    return _stopped(tried, k, self.limit)
                model = next(one for one in tried.order if one.model == name)
                if best is not None and model.value > best.value + FAR:
                    tried = _left_out(tried, model, best)
                else:
                    tried = self._check(tried, name, doubted=k == 0, confirm=best is None)
                best = best or next((one for one in tried.order if one.admissible), None)
                report(k + 1, len(order))
        return tried

    def _check(self, tried: Tried, name: str, *, doubted: bool, confirm: bool) -> Tried:
        """One alternative with its verdict.

        Parameters
        ----------
        tried : Tried
        name : str
        doubted : bool
            Whether it is checked as the report was even if it fails with estimates held.
        confirm : bool
            Whether it is if it passes.
        """
        candidate = tried.candidates[name]
        tried = _judged(tried, name, check_candidate(candidate, self.fits, self.quick))
        passes = next(model.admissible for model in tried.order if model.model == name)
        if doubted or (confirm and passes):
            tried = _judged(tried, name, check_candidate(candidate, self.fits, self.same))
        return tried

    def _with_fit(self, tried: Tried) -> Tried:
        """The selection keeps the fit of its best model."""
        assert tried.selection is not None
        best = tried.selection.best
        known = {tried.current.key: tried.current, **tried.candidates}
        fit = None if best is None else self.fits(known[best.model])
        return replace(tried, selection=replace(tried.selection, best_fit=fit))

    def explain(
        self, tried: Tried, changes: Changes, seed: int
    ) -> tuple[dict[Model, tuple[Remedy, ...]], tuple[Finding, ...]]:
        """What the first alternative leaves to be explained.

        Returns
        -------
        further : dict of Model to tuple of Remedy
            The alternative with what would explain it, and the model as it was with that alone.
        left : tuple of Finding
        """
        first = tried.first
        if first is None:
            return {}, ()
        candidate = tried.candidates[first.model]
        made = changes[candidate.content]
        fit = self.fits(candidate)
        situation, _ = situation_of(fit)
        diagnosed = diagnose(fit, situation, seed, alone=False)
        assert tried.selection is not None
        own = tried.selection.reports.get(first.model, Report((), provenance={}))
        beside, _ = find_remedies(own, situation, diagnosed)
        # What explains more may do without what came first.
        instead, _ = find_remedies(own, self.situation, diagnosed)
        further: dict[Model, tuple[Remedy, ...]] = {}
        for before, remedies, model in (
            (made, beside, situation.model),
            ((), instead, self.situation.model),
        ):
            changed = {r.apply(model): (*before, r) for r in remedies if r.explains}
            new = [one for one in changed.items() if one[0] not in changes]
            further |= dict(new[:_MOST_FURTHER])
        return further, explained_by(diagnosed)


def _judged(tried: Tried, name: str, report: Report | str) -> Tried:
    """With the report of one model."""
    selection = tried.selection
    assert selection is not None
    models = tuple(gated(one, report) if one.model == name else one for one in selection.models)
    reports = {key: held for key, held in selection.reports.items() if key != name}
    if isinstance(report, Report):
        reports[name] = replace(report, model=None)
    return replace(tried, selection=replace(selection, models=models, reports=reports))


def _left_out(tried: Tried, model: RankedModel, best: RankedModel) -> Tried:
    """With the reason why a model was not checked."""
    selection = tried.selection
    assert selection is not None
    above = format_number(float(np.round(model.value - best.value, 1)))
    reason = f"not checked: its {selection.criterion} is {above} above that of the first"
    models = tuple(
        replace(one, admissible=None, reason=reason) if one.model == model.model else one
        for one in selection.models
    )
    return replace(tried, selection=replace(selection, models=models))


def _stopped(tried: Tried, checked: int, limit: TimeLimit | None) -> Tried:
    """With the word that the others are not checked."""
    selection = tried.selection
    assert selection is not None
    assert limit is not None
    words = limit.words(checked, len(tried.order), "models checked")
    reason = f"not checked: time_limit={limit.seconds:g} was used up"
    late = {one.model for one in tried.order if one.admissible is None and not one.reason}
    models = tuple(
        replace(one, reason=reason) if one.model in late else one for one in selection.models
    )
    stopped = f"{selection.stopped} {words}".strip()
    return replace(tried, selection=replace(selection, models=models, stopped=stopped))


def _listed(model: Model, models: list[Model]) -> Space:
    """A space that names these models."""
    return Space(
        full=model,
        families=tuple(dict.fromkeys(one.family for one in models)),
        zi=tuple(dict.fromkeys(one.zi for one in models)),
        dispersion=tuple(dict.fromkeys(one.dispersion for one in models)),
    )
