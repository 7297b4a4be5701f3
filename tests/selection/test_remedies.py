"""Rules from failing checks to changes of a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mixcheck import checks
from mixcheck.design import parse_formula
from mixcheck.families import Binomial, NegativeBinomial2, Poisson
from mixcheck.report.finding import Effect, Finding
from mixcheck.report.report import Report
from mixcheck.selection.remedies import combine, find_remedies
from mixcheck.selection.situation import Situation, has_trials
from mixcheck.selection.space import model_of

FRAME = pd.DataFrame(
    {
        "y": np.arange(12),
        "x": np.linspace(0.0, 1.0, 12),
        "sex": ["f", "m"] * 6,
        # Constant within each level of g.
        "size": np.repeat([1.0, 2.0, 3.0, 4.0], 3),
        "g": np.repeat(list("abcd"), 3),
        "h": np.tile(list("rst"), 4),
    }
)


def failing(*outcomes) -> Report:
    """A report in which these checks fail: check, name, kind, effect."""
    findings = tuple(
        Finding(name, kind, "..", 1.0, 1e-6, "greater", Effect("ratio", value, 0.0, 9.0, 1.0), 12)
        for _, name, kind, value in outcomes
    )
    return Report(findings, provenance={"suite": [check.to_dict() for check, *_ in outcomes]})


def situation(formula: str, family=None, *, trials: bool = False, **parts) -> Situation:
    """A model of the frame."""
    model = model_of(parse_formula(formula), family or Poisson(), **parts)
    return Situation(model, FRAME, trials)


def answers(report: Report, where: Situation) -> tuple[set[str], list[str]]:
    """Formulas, families and parts with one change."""
    remedies, notes = find_remedies(report, where)
    changed = [remedy.apply(where.model) for remedy in remedies]
    return {" ".join(filter(None, (m.formula, m.family.name, m.zi))) for m in changed}, notes


def test_too_many_zeros():
    """Zero inflation and the negative binomial, but only zero inflation beside the latter."""
    report = failing((checks.Zeros(), "zeros", "zeros", 1.5))
    found, _ = answers(report, situation("y ~ x + (1 | g)"))
    formula = "y ~ x + (1 | g)"
    assert found == {f"{formula} nbinom2", f"{formula} poisson ~ 1", f"{formula} nbinom2 ~ 1"}
    found, _ = answers(report, situation(formula, NegativeBinomial2()))
    assert found == {f"{formula} nbinom2 ~ 1"}


def test_too_few_zeros():
    """A hurdle."""
    report = failing((checks.Zeros(), "zeros", "zeros", 0.5))
    found, _ = answers(report, situation("y ~ x + (1 | g)"))
    assert "y ~ x + (1 | g) truncated_poisson ~ 1" in found


def test_no_zero_at_all():
    """Counts from one on, with and without a dispersion, and no zero part to estimate."""
    report = failing((checks.Zeros(), "zeros", "zeros", 0.0))
    found, _ = answers(report, situation("y ~ x + (1 | g)"))
    formula = "y ~ x + (1 | g)"
    assert {f"{formula} truncated_poisson", f"{formula} truncated_nbinom2"} <= found
    assert not any("~ 1" in one.removeprefix(formula) for one in found)
    some = failing((checks.Zeros().by("sex"), "zeros [sex=f]", "zeros", 0.0))
    found, _ = answers(some, situation(formula))
    assert f"{formula} truncated_poisson ~ 1" in found


def test_levels_that_differ():
    """A factor of codes that the residuals follow is a grouping factor."""
    report = failing((checks.Trend("h", factor=True), "trend [h as factor]", "trend", 1.0))
    found, _ = answers(report, situation("y ~ x + (1 | g)"))
    assert found == {"y ~ x + (1 | g) + (1 | h) poisson"}


def test_random_effects_that_are_not_normal():
    """A slope of each number that varies within the groups, in these groups alone."""
    report = failing((checks.RandomEffects(), "of the groups", "random-effects", 0.3))
    told = replace(report.findings[0], subject={"term": "g [Intercept]"})
    report = Report((told,), provenance=report.provenance)
    found, _ = answers(report, situation("y ~ x + size + sex + (1 | g) + (1 | h)"))
    assert found == {"y ~ x + size + sex + (1 + x | g) + (1 | h) poisson"}


def test_spread_by_a_column():
    """A dispersion that depends on it where the family has one, and a slope where it groups."""
    check = checks.Dispersion().by("g")
    report = failing((check, "dispersion [g=a]", "dispersion", 2.0))
    where = situation("y ~ x + (1 | g)", NegativeBinomial2())
    remedies, _ = find_remedies(report, where)
    assert {remedy.dispersion for remedy in remedies} == {"~ g", None}
    found, _ = answers(report, situation("y ~ x + (1 | g)"))
    assert found == {"y ~ x + (1 + x | g) poisson"}


def test_no_convergence():
    """Fewer random effects."""
    report = failing((checks.Convergence(), "convergence", "convergence", 1.0))
    found, _ = answers(report, situation("y ~ x + (1 + x | g)"))
    assert found == {"y ~ x + (1 | g) poisson", "y ~ x + (1 + x || g) poisson"}


def test_trend_against_the_fitted_values():
    """A square and a spline of each number, but not of a factor."""
    report = failing((checks.Trend(), "trend", "trend", 0.2))
    found, _ = answers(report, situation("y ~ x + sex + (1 | g)"))
    assert found == {
        "y ~ x + sex + I(x ** 2) + (1 | g) poisson",
        "y ~ bs(x, df=4) + sex + (1 | g) poisson",
    }


def test_a_spline_does_not_break_an_interaction():
    """A predictor in an interaction is not replaced."""
    report = failing((checks.Trend("x").named("bent"), "bent", "trend", 0.2))
    found, _ = answers(report, situation("y ~ x * sex + (1 | g)"))
    assert found == {"y ~ x + sex + x:sex + I(x ** 2) + (1 | g) poisson"}


def test_binary_responses_are_not_overdispersed():
    """0 and 1 have no spread of their own; successes in trials have."""
    report = failing((checks.Dispersion(), "dispersion", "dispersion", 2.0))
    found, notes = answers(report, situation("y ~ x + (1 | g)", Binomial()))
    assert found == set()
    assert any("no variance of its own" in note for note in notes)
    found, _ = answers(report, situation("y ~ x + (1 | g)", Binomial(), trials=True))
    assert found == {
        "y ~ x + (1 | g) betabinomial",
        "y ~ x + (1 | g) + (1 | observation) binomial",
    }


def test_families_that_do_not_exist_are_noted(monkeypatch):
    """A remedy that cannot be had is a note, not an error."""
    from mixcheck.errors import FamilyError
    from mixcheck.selection import rules

    def none(name):
        raise FamilyError("none")

    monkeypatch.setattr(rules, "get_family", none)
    report = failing((checks.Dispersion(), "dispersion", "dispersion", 2.0))
    found, notes = answers(report, situation("y ~ x + (1 | g)"))
    assert found == {"y ~ x + (1 | g) + (1 | observation) poisson"}
    assert "The family nbinom2 would be tried, and is not there yet." in notes


def test_combinations_come_after_single_changes():
    """First one change, then two of different aspects, up to a number."""
    spread = (checks.Dispersion(), "dispersion", "dispersion", 2.0)
    report = failing(spread, (checks.Trend("x"), "trend [x]", "trend", 0.2))
    where = situation("y ~ x + (1 | g)")
    remedies, _ = find_remedies(report, where)
    pairs = combine(remedies, where.model, 100)
    sizes = [len(reasons) for _, reasons in pairs]
    assert sizes == sorted(sizes)
    # Three distributions, two means, and their products.
    assert sizes.count(1) == 5
    assert sizes.count(2) == 6
    assert combine(remedies, where.model, 3) == pairs[:3]


@pytest.mark.parametrize(
    ("size", "answer"), [(None, False), (np.ones(3), False), (np.array([1.0, 2.0]), True)]
)
def test_trials(size, answer):
    """More than one trial somewhere."""
    assert has_trials(size) is answer


def missing(kind: str, **subject: str) -> Report:
    """A report in which one question on what is missing fails."""
    check = {"missing-predictor": checks.MissingPredictor, "missing-group": checks.MissingGroup}
    report = failing((check[kind](), "what is missing", kind, 0.3))
    told = replace(report.findings[0], subject=subject, asked=check[kind]().to_dict())
    return Report((told,), provenance=report.provenance)


@pytest.mark.parametrize(
    ("kind", "subject"), [("missing-predictor", "column"), ("missing-group", "group")]
)
@pytest.mark.parametrize(("name", "levels", "many"), [("{f}", 3, False), ("{f}", 6, True)])
def test_many_levels_are_random_effects(kind, subject, name, levels, many):
    """A missing factor has coefficients, and from five levels on random intercepts alone."""
    where = situation("y ~ x + (1 | g)")
    frame = FRAME.assign(**{name: [f"level {k % levels}" for k in range(len(FRAME))]})
    found, _ = answers(missing(kind, **{subject: name}), replace(where, frame=frame))
    random, fixed = (
        f"y ~ x + (1 | g) + (1 | `{name}`) poisson",
        f"y ~ x + `{name}` + (1 | g) poisson",
    )
    assert found == {random if many else fixed}


def test_a_group_of_the_model_is_not_added_again():
    """Its random intercepts are there."""
    found, _ = answers(missing("missing-group", group="g"), situation("y ~ x + (1 | g)"))
    assert not found


def test_every_failure_has_an_answer_before_any_has_two():
    """The most surprising comes first."""
    null = np.linspace(-1.0, 1.0, 39)
    report = failing(
        *((checks.Trend(name), f"trend [{name}]", "trend", 0.2) for name in ("x", "size"))
    )
    told = [
        replace(finding, statistic=statistic, replicates=null, asked=checks.Trend(name).to_dict())
        for finding, statistic, name in zip(report.findings, (5.0, 9.0), ("x", "size"), strict=True)
    ]
    where = situation("y ~ x + size + (1 | g)")
    remedies, _ = find_remedies(Report(tuple(told), provenance=report.provenance), where)
    added = [remedy.apply(where.model).formula for remedy in remedies]
    assert added[:2] == [f"y ~ x + size + I({name} ** 2) + (1 | g)" for name in ("size", "x")]
    assert len(added) == 4
