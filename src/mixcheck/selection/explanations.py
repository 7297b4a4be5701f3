"""What in the data would explain a failure: columns, groups, slopes, interactions, links."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixcheck.checks import (
    Check,
    Interaction,
    Link,
    MissingGroup,
    MissingPredictor,
    MissingSlope,
    Spread,
    Suite,
    Trend,
)
from mixcheck.checks.against import FITTED
from mixcheck.checks.verb import check
from mixcheck.design.formula import quote_name
from mixcheck.fitting.results.glmm_fit import GLMM
from mixcheck.report.finding import Finding
from mixcheck.report.policy import Policy, Verdict
from mixcheck.report.report import Report
from mixcheck.selection.random_parts import RandomPart
from mixcheck.selection.rules import Rule, add_slopes, bend, enter, skew, try_families
from mixcheck.selection.situation import Question, Remedy, Situation

__all__ = ["EXPLAINING", "diagnose", "diagnosis", "explained_by", "surprise_of"]

# Enough for a p-value of 0.005, which is where a candidate is tried, and not where it is believed.
_DRAWS = 199
_MOST_PREDICTORS = 8
_MOST_LEVELS_OF_SLOPES = 3


def diagnosis(situation: Situation) -> Suite:
    """The questions whose answers would explain a failure."""
    model = situation.model
    asked: list[Check] = [
        MissingPredictor(),
        MissingSlope(),
        MissingGroup(),
        Interaction(),
        Link(),
        Spread(),
    ]
    if "dispersion" in model.family.predictors:
        asked.append(MissingPredictor(part="dispersion"))
    if model.zi is not None:
        asked.append(MissingPredictor(part="zi"))
    asked += [
        Trend(name) for name in situation.numbers[:_MOST_PREDICTORS] if name in situation.frame
    ]
    return Suite(tuple(asked))


def diagnose(fit: GLMM, situation: Situation, seed: int | None, *, alone: bool) -> Report:
    """The answers; each is judged by itself, or all of them together.

    Parameters
    ----------
    fit : GLMM
    situation : Situation
        Of the fit.
    seed : int, optional
    alone : bool
        Whether each question has the level for itself, as where candidates are looked for.
    """
    policy = Policy(adjust="none") if alone else Policy()
    return check(
        fit,
        diagnosis(situation),
        seed=seed,
        draws=_DRAWS,
        calibration="plug-in",
        policy=policy,
        n_jobs=1,
    )


def explained_by(report: Report) -> tuple[Finding, ...]:
    """The findings that fail, the most surprising first."""
    failing = [
        finding
        for finding in report.findings
        if isinstance(finding, Finding) and report.verdicts[finding.check] is Verdict.FAIL
    ]
    return tuple(sorted(failing, key=surprise_of, reverse=True))


def surprise_of(finding: Finding) -> float:
    """How many standard deviations the statistic is from its mean in the replicates."""
    spread = float(np.std(finding.replicates)) if finding.replicates.size else 0.0
    moved = finding.statistic - float(np.mean(finding.replicates)) if spread else 0.0
    return abs(moved) / spread if spread else 0.0


# ---- rules -------------------------------------------------------------------------------


def _of_predictor(
    finding: Finding, question: Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    column, part = finding.subject.get("column"), finding.subject.get("part", "mean")
    if column is None or column not in s.frame.columns:
        return
    name = quote_name(column)
    if part == "mean":
        yield from enter(name, f"{column} says something of the response", s)
    elif part == "dispersion":
        yield from _disperse(name, s)
    elif part == "zi":
        yield from _zeros_along(name, s)


def _disperse(name: str, s: Situation) -> Iterator[Remedy]:
    """A dispersion that depends on a column."""
    if "dispersion" not in s.model.family.predictors:
        return
    before = s.model.dispersion
    if before is None or name not in before:
        text = f"~ {name}" if before in (None, "~ 1") else f"{before} + {name}"
        why = f"the spread moves with {name}: a dispersion that depends on it"
        yield Remedy("part", why, True, dispersion=text)


def _zeros_along(name: str, s: Situation) -> Iterator[Remedy]:
    """A zero part that depends on a column."""
    before, why = s.model.zi, f"zeros move with {name}: a zero part that depends on it"
    if before is None:
        # It has to be better than a constant zero part by the price of another change.
        yield Remedy("part", "there are zeros of another kind", True, why, zi=f"~ {name}")
    elif name not in before:
        text = f"~ {name}" if before == "~ 1" else f"{before} + {name}"
        yield Remedy("part", why, True, zi=text)


def _of_slope(
    finding: Finding, question: Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    column, group = finding.subject.get("column"), finding.subject.get("group")
    if column is None or column not in s.frame.columns:
        return
    why, name = f"the effect of {column} differs between levels of {group}", quote_name(column)
    for factor in dict.fromkeys(part.group for part in s.model.random):
        if ":".join(factor) != group:
            continue
        if s.is_number(name) or s.frame[column].nunique() <= _MOST_LEVELS_OF_SLOPES:
            yield from add_slopes(s, why, factor, (name,))
        elif column not in factor:
            # One variance in place of a covariance of all levels.
            added = RandomPart(("1",), (*factor, column))
            yield Remedy("random", f"{why}: intercepts of {group}:{column}", True, added=added)


def _of_group(
    finding: Finding, question: Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    group = finding.subject.get("group", "")
    factors = (group,) if group in s.frame.columns else tuple(group.split(":"))
    if not group or not set(factors) <= set(s.frame.columns):
        return
    why, name = f"rows of a level of {group} go together", quote_name(group)
    if len(factors) == 1:
        yield from enter(name, why, s, levels=True)
    else:
        part = RandomPart(("1",), factors)
        yield Remedy("random", f"{why}: random intercepts of {group}", True, added=part)


def _of_interaction(
    finding: Finding, question: Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    one, other = finding.subject.get("column"), finding.subject.get("other")
    if one is None or one not in s.frame.columns:
        return
    if other is None:
        yield from bend(quote_name(one), f"the effect of {one} is curved", s)
    elif other in s.frame.columns:
        product = f"{quote_name(one)}:{quote_name(other)}"
        why = f"the effect of {one} depends on {other}: {product}"
        yield Remedy("mean", why, True, terms=(*s.model.terms, product))


def _of_link(
    finding: Finding, question: Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    family = s.model.family
    for link in family.allowed_links:
        if link != family.link.name:
            why = f"the scale of the effects is another one: the {link} link"
            yield Remedy("distribution", why, True, link=link)


def _against(question: Question | None) -> str:
    """What a check looked along: the fitted values, or a column."""
    against: str = getattr(None if question is None else question.check, "against", FITTED)
    return against


def _asked_against(question: Question | None, s: Situation) -> Sequence[str]:
    """The column that a check looked along, as formulas say it; numbers, for fitted values."""
    asked = _against(question)
    return s.numbers[:_MOST_PREDICTORS] if asked == FITTED else (quote_name(asked),)


def _of_spread(
    finding: Finding, question: Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    for name in _asked_against(question, s):
        yield from _disperse(name, s)
    if _against(question) == FITTED:
        why = "the spread moves with the fitted values"
        yield from skew(why, s)
        yield from try_families(s.model.family.wider, why, s, notes)


def _of_groups(
    finding: Finding, question: Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    column = getattr(None if question is None else question.check, "column", "")
    if not column or column not in s.frame.columns:
        return
    name = quote_name(column)
    if finding.subject.get("aspect") == "spread":
        yield from _disperse(name, s)
        return
    yield from enter(name, f"levels of {column} differ", s, levels=True)


def _of_zeros_along(
    finding: Finding, question: Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    for name in _asked_against(question, s):
        yield from _zeros_along(name, s)


def _of_time(
    finding: Finding, question: Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    time, group = finding.subject.get("time"), finding.subject.get("group")
    if time is None or time not in s.frame.columns:
        return
    column = s.frame[time]
    why = f"residuals are correlated along {time}"
    if group in s.frame.columns and _is_clock(column):
        part = RandomPart((quote_name(time),), (str(group),), structure="ar1")
        yield Remedy("random", f"{why}: autoregressive effects within {group}", True, added=part)
    elif group is not None:
        notes.append(
            f"Autoregressive effects need {time} as whole numbers or an ordered factor, with equal "
            "steps."
        )
    if s.is_number(time):
        yield from bend(quote_name(time), why, s)


def _is_clock(column: pd.Series[Any]) -> bool:
    """Whether a column can be the time of an autoregressive structure."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return bool(column.cat.ordered)
    return column.dtype.kind in "iu"


def _of_space(
    finding: Finding, question: Question | None, s: Situation, notes: list[str]
) -> Iterator[Remedy]:
    x, y = (quote_name(finding.subject.get(name, "")) for name in "xy")
    if not (s.is_number(x) and s.is_number(y)):
        return
    curves = tuple(f"bs({name}, df=4)" for name in (x, y))
    why = "residuals are correlated in space"
    others = tuple(term for term in s.model.terms if term not in (x, y))
    yield Remedy("mean", f"{why}: curves of {x} and {y}", True, terms=(*others, *curves))
    surface = (*others, *curves, ":".join(curves))
    yield Remedy("mean", f"{why}: a surface over {x} and {y}", True, terms=surface)


EXPLAINING: dict[str, Rule] = {
    "missing-predictor": _of_predictor,
    "missing-slope": _of_slope,
    "missing-group": _of_group,
    "interaction": _of_interaction,
    "link": _of_link,
    "spread": _of_spread,
    "groups": _of_groups,
    "hurdle-zeros": _of_zeros_along,
    "autocorrelation": _of_time,
    "spatial": _of_space,
}
