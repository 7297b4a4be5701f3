"""From a failing check to the usual changes of a model: distributions, zeros, curves, slopes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from mixcheck.checks.trend import FITTED, Trend
from mixcheck.design.formula import quote_name
from mixcheck.errors import FamilyError
from mixcheck.families import Family, get_family
from mixcheck.report.finding import Finding
from mixcheck.selection.random_parts import RandomPart, neighbouring_parts
from mixcheck.selection.situation import OBSERVATION, Question, Remedy, Situation
from mixcheck.selection.terms import factors_of

__all__ = ["RULES", "Rule", "add_slopes", "bend", "enter", "skew", "try_families"]

# A spline with four degrees of freedom bends twice; more would chase the data.
SPLINE = "bs({}, df=4)"


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


def try_families(
    names: Sequence[str], why: str, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    """Other families, with the link of the model where they have it."""
    for family in _available(names, s, notes):
        if family.name != s.model.family.name:
            yield Remedy("distribution", f"{why}: {family.name}", family=family)


def _of_dispersion(
    finding: Finding, question: Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    if question is not None and question.column is not None:
        yield from _by_column(question.column, s)
        return
    if finding.effect.value > 1.0:
        yield from _overdispersed(s, notes)
    else:
        why = "counts vary less than the model says"
        yield from try_families(s.model.family.narrower, why, s, notes)


def _overdispersed(s: Situation, notes: list[str]) -> Iterator[Remedy]:
    family, why = s.model.family, "the response varies more than the model says"
    if family.takes_trials and not s.trials:
        if "dispersion" not in family.predictors:
            notes.append(
                "A response of 0 and 1 has no variance of its own: look at the mean, at "
                "predictors and random effects that are missing."
            )
        return
    yield from try_families(family.wider, why, s, notes)
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
        yield Remedy("part", why, True, dispersion=f"~ {quote_name(column)}")
    yield from add_slopes(s, f"the spread differs between levels of {column}", (column,))


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
    yield from try_families(names, "there is no zero, counts are from one on", s, notes)


def _of_zeros(
    finding: Finding, question: Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    family = s.model.family
    if not family.is_count and not (family.takes_trials and s.trials):
        return
    if finding.effect.value > 1.0:
        yield from try_families(
            _with_dispersion(family), "more zeros than the model expects", s, notes
        )
        yield from _zero_inflated(s, notes)
    elif finding.effect.value == 0.0 and question is not None and question.column is None:
        yield from _truncated(s, notes)
    elif family.is_count:
        yield from _hurdle(s, notes)
        if "dispersion" not in family.predictors:
            why = "fewer zeros than the model expects"
            yield from try_families(family.narrower, why, s, notes)


def _of_shape(
    finding: Finding, question: Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    """The distribution of the residuals is off, or their tails are."""
    family = s.model.family
    if not family.takes_trials or s.trials:
        why = "the residuals have another distribution"
        yield from try_families(family.alike, why, s, notes)
        yield from skew(why, s)


def skew(why: str, s: Situation) -> Iterator[Remedy]:
    """Distributions of positive numbers, whose spread grows with their mean."""
    if s.positive:
        for name in s.model.family.alike_if_positive:
            family = get_family(name)
            yield Remedy("distribution", f"{why}: {family.name}", family=family)


def _of_trend(
    finding: Finding, question: Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    check = None if question is None else question.check
    against = check.against if isinstance(check, Trend) else FITTED
    if isinstance(check, Trend) and check.factor:
        part = RandomPart(("1",), (against,))
        if part.group not in [other.group for other in s.model.random]:
            why = f"the residuals differ between levels of {against}: a random effect of each"
            yield Remedy("random", why, True, added=part)
        return
    if against != FITTED:
        yield from bend(quote_name(against), f"the residuals move with {against}", s)
        return
    for term in s.numbers:
        yield from bend(term, "the residuals move with the fitted values", s)


def enter(term: str, why: str, s: Situation, *, levels: bool = False) -> Iterator[Remedy]:
    """A column that is missing: a coefficient, or random intercepts of a factor of many levels.

    Many levels are a sample of levels, whose variance can be estimated; by its criterion alone a
    model with a coefficient for each would come before it.

    Parameters
    ----------
    term : str
    why : str
    s : Situation
    levels : bool
        Whether whole numbers are levels too.
    """
    column, number = s.column(term), s.is_number(term)
    group = () if column is None else (str(column.name),)
    if term in s.model.terms or any(part.group == group for part in s.model.random):
        return
    if group and (levels if number else s.has_many_levels(term)):
        part = RandomPart(("1",), group)
        yield Remedy("random", f"{why}: random intercepts of {term}", True, added=part)
    else:
        yield Remedy("mean", f"{why}: {term}", True, terms=(*s.model.terms, term))


def bend(term: str, why: str, s: Situation) -> Iterator[Remedy]:
    """A predictor that is missing, or its square, or its spline."""
    terms = s.model.terms
    if term not in terms:
        yield from enter(term, why, s)
        if s.is_number(term):
            square = f"I({term} ** 2)"
            yield Remedy(
                "mean", f"{why}: {term} and its square", True, terms=(*terms, term, square)
            )
        return
    if not s.is_number(term):
        return
    square = f"I({term} ** 2)"
    if square not in terms:
        yield Remedy("mean", f"{why}: the square of {term}", True, terms=(*terms, square))
    if not any(term in factors_of(other) for other in terms if other != term):
        spline = SPLINE.format(term)
        bent = tuple(spline if other == term else other for other in terms if other != square)
        yield Remedy("mean", f"{why}: a spline of {term}", True, terms=bent)


def _of_random_effects(
    finding: Finding, question: Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    term = finding.subject.get("term", "")
    for group in dict.fromkeys(part.group for part in s.model.random):
        name = ":".join(group)
        # A term is its factor with its effects in brackets.
        if term == name or term.startswith(f"{name} ["):
            yield from add_slopes(s, f"the effects of {name} are not normal", group)


def add_slopes(
    s: Situation, why: str, group: tuple[str, ...], terms: Sequence[str] | None = None
) -> Iterator[Remedy]:
    """A slope, for each predictor that varies within the levels of a grouping factor."""
    parts = s.model.random
    taken = {effect for part in parts if part.group == group for effect in part.effects}
    for i, part in enumerate(parts):
        if part.group != group or part.effects[0] != "1" or not part.takes_more:
            continue
        for term in s.numbers if terms is None else terms:
            if term not in taken and s.varies_within(term, group):
                larger = replace(part, effects=(*part.effects, term))
                changed = (*parts[:i], larger, *parts[i + 1 :])
                yield Remedy("random", f"{why}: a slope of {term}", True, random=changed)


def _of_convergence(
    finding: Finding, question: Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    for parts in neighbouring_parts(s.model.random, s.model.random):
        left = tuple(part for part in parts if part.effects)
        yield Remedy("random", "the fit did not converge: fewer random effects", random=left)


Rule: TypeAlias = Callable[[Finding, Question | None, Situation, list[str]], Iterator[Remedy]]

RULES: dict[str, Rule] = {
    "dispersion": _of_dispersion,
    "zeros": _of_zeros,
    "uniformity": _of_shape,
    "outliers": _of_shape,
    "trend": _of_trend,
    "random-effects": _of_random_effects,
    "convergence": _of_convergence,
}
