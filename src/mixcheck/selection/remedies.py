"""From a check that fails to the changes of the model that answer it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from mixcheck.checks.check import Check, Suite, check_from_dict
from mixcheck.checks.trend import FITTED, Trend
from mixcheck.checks.wrappers import By, Named, Where
from mixcheck.design.formula import quote_name, unquote_name
from mixcheck.errors import FamilyError
from mixcheck.families import Family, get_family
from mixcheck.report.finding import Finding
from mixcheck.report.policy import Verdict
from mixcheck.report.report import Report
from mixcheck.selection.random_parts import RandomPart, neighbouring_parts
from mixcheck.selection.space import Model
from mixcheck.selection.terms import factors_of

__all__ = ["OBSERVATION", "Remedy", "Situation", "combine", "find_remedies"]

Aspect: TypeAlias = Literal["distribution", "mean", "random"]

OBSERVATION = "observation"
# A spline with four degrees of freedom bends twice; more would chase the data.
SPLINE = "bs({}, df=4)"
# Checks that fail for many reasons: what others say of the same model says more.
_VAGUE = ("uniformity", "outliers")


@dataclass(frozen=True)
class Remedy:
    """One change of a model, and why.

    Attributes
    ----------
    aspect : {"distribution", "mean", "random"}
        Changes of different aspects can be made together.
    why : str
    family : Family, optional
    zi, dispersion : str, optional
    terms : tuple of str, optional
        All fixed terms.
    random : tuple of RandomPart, optional
        All random terms but the next.
    added : RandomPart, optional
    """

    aspect: Aspect
    why: str
    family: Family | None = None
    zi: str | None = None
    dispersion: str | None = None
    terms: tuple[str, ...] | None = None
    random: tuple[RandomPart, ...] | None = None
    added: RandomPart | None = None

    def apply(self, model: Model) -> Model:
        """The model with the change made."""
        names = ("family", "zi", "dispersion", "terms", "random")
        given = {name: getattr(self, name) for name in names}
        changed = replace(model, **{name: v for name, v in given.items() if v is not None})
        if self.added is None:
            return changed
        return replace(changed, random=(*changed.random, self.added))


@dataclass(frozen=True, eq=False)
class Situation:
    """A model, its data, and what is known of them.

    Attributes
    ----------
    model : Model
    frame : DataFrame
    trials : bool
        Whether some response is out of more than one trial.
    """

    model: Model
    frame: pd.DataFrame
    trials: bool

    @property
    def numbers(self) -> tuple[str, ...]:
        """Fixed terms that are columns of numbers with several values."""
        return tuple(term for term in self.model.terms if self.is_number(term))

    def is_number(self, name: str) -> bool:
        """Whether a term is a column of numbers with more than two values."""
        column = self.column(name)
        return (
            column is not None
            and pd.api.types.is_numeric_dtype(column.dtype)
            and column.dtype.kind != "b"
            and column.nunique() > 2
        )

    def column(self, name: str) -> pd.Series[Any] | None:
        """The column of a plain term."""
        plain = unquote_name(name)
        return self.frame[plain] if plain in self.frame.columns else None

    def varies_within(self, name: str, group: tuple[str, ...]) -> bool:
        """Whether a column differs between the rows of some level of a grouping factor."""
        column = self.column(name)
        if column is None or not set(group) <= set(self.frame.columns):
            return False
        by = [self.frame[part] for part in group]
        within = column.groupby(by, observed=True)
        return bool((within.max() > within.min()).any())


@dataclass(frozen=True)
class _Question:
    """A check without its wrappers, and the column whose levels it was asked of."""

    check: Check
    column: str | None


def find_remedies(report: Report, situation: Situation) -> tuple[tuple[Remedy, ...], list[str]]:
    """The changes that answer the failing checks, each once, and notes on those left out."""
    asked = _suite_of(report)
    notes: list[str] = []
    found: dict[Remedy, None] = {}
    for finding in sorted(report.findings, key=lambda finding: finding.kind in _VAGUE):
        failed = report.verdicts[finding.check] is Verdict.FAIL
        if not failed or not isinstance(finding, Finding):
            continue
        question = _question_of(finding, asked)
        rule = _RULES.get(finding.kind if question is None else question.check.kind)
        remedies = [] if rule is None else list(rule(finding, question, situation, notes))
        if not remedies:
            notes.append(f"No change of the model is known to answer {finding.check!r}.")
        found.update(dict.fromkeys(remedies))
    merged: dict[Model, Remedy] = {}
    for remedy in found:
        merged.setdefault(remedy.apply(situation.model), remedy)
    merged.pop(situation.model, None)
    return tuple(merged.values()), list(dict.fromkeys(notes))


def combine(
    remedies: Sequence[Remedy], model: Model, most: int
) -> list[tuple[Model, tuple[str, ...]]]:
    """Models with one change, then with two and three of different aspects, each once."""
    by_aspect: dict[str, list[Remedy]] = {"distribution": [], "mean": [], "random": []}
    for remedy in remedies:
        by_aspect[remedy.aspect].append(remedy)
    sets: list[tuple[Remedy, ...]] = [()]
    for same_aspect in by_aspect.values():
        sets += [(*chosen, remedy) for chosen in sets for remedy in same_aspect]
    ordered = sorted(sets[1:], key=len)
    models: dict[Model, tuple[str, ...]] = {}
    for chosen in ordered:
        changed = model
        for remedy in sorted(chosen, key=lambda r: r.random is None):
            changed = remedy.apply(changed)
        models.setdefault(changed, tuple(remedy.why for remedy in chosen))
    return list(models.items())[:most]


def _suite_of(report: Report) -> tuple[Check, ...]:
    """The checks that were run, as the report tells it."""
    stored = report.provenance.get("suite")
    return Suite.from_json(json.dumps({"checks": stored})).checks if stored else ()


def _question_of(finding: Finding, suite: Sequence[Check]) -> _Question | None:
    """The check that found it: as the finding says, or the only one of its kind."""
    if finding.asked:
        return _unwrapped(check_from_dict(finding.asked))
    alike = [asked for asked in map(_unwrapped, suite) if asked.check.kind == finding.kind]
    return alike[0] if len(alike) == 1 else None


def _unwrapped(check: Check) -> _Question:
    column = None
    while isinstance(check, By | Where | Named):
        column = column if isinstance(check, Named) else check.column
        check = check.check
    return _Question(check, column)


# ---- rules: finding, question, situation, notes -> remedies -------------------------------


def _available(names: Iterable[str], situation: Situation, notes: list[str]) -> Iterator[Family]:
    """Families that exist, with the link of the model where they have it."""
    current = situation.model.family
    for name in names:
        try:
            family = get_family(name)
        except FamilyError:
            notes.append(f"The family {name} would be tried, and is not there yet.")
            continue
        try:
            yield type(family)(link=current.link)
        except (FamilyError, TypeError):
            yield family


def _by_family(names: Sequence[str], why: str, s: Situation, notes: list[str]) -> Iterator[Remedy]:
    for family in _available(names, s, notes):
        if family.name != s.model.family.name:
            yield Remedy("distribution", f"{why}: {family.name}", family=family)


def _of_dispersion(
    finding: Finding, question: _Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    if question is not None and question.column is not None:
        yield from _by_column(question.column, s)
        return
    if finding.effect.value > 1.0:
        yield from _overdispersed(s, notes)
    else:
        why = "counts vary less than the model says"
        yield from _by_family(s.model.family.narrower, why, s, notes)


def _overdispersed(s: Situation, notes: list[str]) -> Iterator[Remedy]:
    family, why = s.model.family, "the response varies more than the model says"
    if family.takes_trials and not s.trials:
        if "dispersion" not in family.predictors:
            notes.append(
                "A response of 0 and 1 has no variance of its own: look at the mean, at "
                "predictors and random effects that are missing."
            )
        return
    yield from _by_family(family.wider, why, s, notes)
    if not (family.is_count or family.takes_trials):
        return
    if "dispersion" in family.predictors:
        yield from _zero_inflated(s, notes)
    else:
        part = RandomPart(("1",), (OBSERVATION,))
        yield Remedy("distribution", f"{why}: an effect of each observation", added=part)


def _by_column(column: str, s: Situation) -> Iterator[Remedy]:
    """The spread differs between levels of a column."""
    if "dispersion" in s.model.family.predictors and s.model.dispersion is None:
        why = f"the spread differs with {column}: a dispersion that depends on it"
        yield Remedy("distribution", why, dispersion=f"~ {quote_name(column)}")
    yield from _slopes(s, f"the spread differs between levels of {column}", (column,))


def _zero_inflated(s: Situation, notes: list[str]) -> Iterator[Remedy]:
    if s.model.zi is not None:
        return
    why = "more zeros than the model expects: zero inflation"
    yield Remedy("distribution", why, zi="~ 1")
    for family in _available(_with_dispersion(s.model.family), s, notes):
        yield Remedy("distribution", f"{why} and {family.name}", zi="~ 1", family=family)


def _with_dispersion(family: Family) -> tuple[str, ...]:
    """The same family with a dispersion, which has more zeros too, if there is one."""
    return () if "dispersion" in family.predictors else family.wider[:1]


def _hurdle(s: Situation, notes: list[str]) -> Iterator[Remedy]:
    """Zeros that are a matter of their own, be they many or few."""
    base = s.model.family.without_zeros
    if s.model.zi is None and base is not None:
        for family in _available([base], s, notes):
            why = f"fewer zeros than the model expects: a hurdle, {family.name}"
            yield Remedy("distribution", why, zi="~ 1", family=family)


def _truncated(s: Situation, notes: list[str]) -> Iterator[Remedy]:
    """Counts that begin at one: of no zero nothing can be estimated."""
    base = s.model.family.without_zeros
    if s.model.zi is not None or base is None:
        return
    wider = [get_family(name).without_zeros for name in _with_dispersion(s.model.family)]
    names = [base, *(name for name in wider if name is not None)]
    yield from _by_family(names, "there is no zero, counts are from one on", s, notes)


def _of_zeros(
    finding: Finding, question: _Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    family = s.model.family
    if not family.is_count and not (family.takes_trials and s.trials):
        return
    if finding.effect.value > 1.0:
        yield from _by_family(
            _with_dispersion(family), "more zeros than the model expects", s, notes
        )
        yield from _zero_inflated(s, notes)
    elif finding.effect.value == 0.0 and question is not None and question.column is None:
        yield from _truncated(s, notes)
    elif family.is_count:
        yield from _hurdle(s, notes)
        if "dispersion" not in family.predictors:
            why = "fewer zeros than the model expects"
            yield from _by_family(family.narrower, why, s, notes)


def _of_shape(
    finding: Finding, question: _Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    """The distribution of the residuals is off, or their tails are."""
    family = s.model.family
    if not family.takes_trials or s.trials:
        why = "the residuals have another distribution"
        yield from _by_family(family.alike, why, s, notes)


def _of_trend(
    finding: Finding, question: _Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    check = None if question is None else question.check
    against = check.against if isinstance(check, Trend) else FITTED
    if isinstance(check, Trend) and check.factor:
        part = RandomPart(("1",), (against,))
        if part.group not in [other.group for other in s.model.random]:
            why = f"the residuals differ between levels of {against}: a random effect of each"
            yield Remedy("random", why, added=part)
        return
    if against != FITTED:
        yield from _curved(quote_name(against), f"the residuals move with {against}", s)
        return
    for term in s.numbers:
        yield from _curved(term, "the residuals move with the fitted values", s)


def _curved(term: str, why: str, s: Situation) -> Iterator[Remedy]:
    """A predictor that is missing, or its square, or its spline."""
    terms = s.model.terms
    if term not in terms:
        yield Remedy("mean", f"{why}: {term} itself", terms=(*terms, term))
        if s.is_number(term):
            square = f"I({term} ** 2)"
            yield Remedy("mean", f"{why}: {term} and its square", terms=(*terms, term, square))
        return
    if not s.is_number(term):
        return
    square = f"I({term} ** 2)"
    if square not in terms:
        yield Remedy("mean", f"{why}: the square of {term}", terms=(*terms, square))
    if not any(term in factors_of(other) for other in terms if other != term):
        spline = SPLINE.format(term)
        bent = tuple(spline if other == term else other for other in terms if other != square)
        yield Remedy("mean", f"{why}: a spline of {term}", terms=bent)


def _of_random_effects(
    finding: Finding, question: _Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    term = finding.subject.get("term", "")
    for group in dict.fromkeys(part.group for part in s.model.random):
        name = ":".join(group)
        # A term is its factor with its effects in brackets.
        if term == name or term.startswith(f"{name} ["):
            yield from _slopes(s, f"the effects of {name} are not normal", group)


def _slopes(s: Situation, why: str, group: tuple[str, ...]) -> Iterator[Remedy]:
    """A slope, for each predictor that varies within the levels of a grouping factor."""
    parts = s.model.random
    taken = {effect for part in parts if part.group == group for effect in part.effects}
    for i, part in enumerate(parts):
        if part.group != group or part.effects[0] != "1" or not part.takes_more:
            continue
        for term in s.numbers:
            if term not in taken and s.varies_within(term, group):
                larger = replace(part, effects=(*part.effects, term))
                changed = (*parts[:i], larger, *parts[i + 1 :])
                yield Remedy("random", f"{why}: a slope of {term}", random=changed)


def _of_convergence(
    finding: Finding, question: _Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    for parts in neighbouring_parts(s.model.random, s.model.random):
        left = tuple(part for part in parts if part.effects)
        yield Remedy("random", "the fit did not converge: fewer random effects", random=left)


_Rule: TypeAlias = Callable[[Finding, "_Question | None", Situation, list[str]], Iterator[Remedy]]
_RULES: dict[str, _Rule] = {
    "dispersion": _of_dispersion,
    "zeros": _of_zeros,
    "uniformity": _of_shape,
    "outliers": _of_shape,
    "trend": _of_trend,
    "random-effects": _of_random_effects,
    "convergence": _of_convergence,
}


def has_trials(size: np.ndarray[Any, Any] | None) -> bool:
    """Whether some response is out of more than one trial."""
    return size is not None and bool(np.max(size) > 1.0)
