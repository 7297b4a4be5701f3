"""Parts of a formula."""

from __future__ import annotations

import pytest

from mixcheck.design.formula import parse_formula
from mixcheck.design.plan import plan_formula
from mixcheck.errors import FormulaError


def test_parts() -> None:
    """Each matrix is a part, each grouping factor is there once."""
    formula = parse_formula("log(y) ~ x + offset(e) + (z | g) + (1 | g/h)", zi="~ (1 | g)")
    plan = plan_formula(formula)
    assert list(plan.predictors) == [
        "mean", "mean offset 0", "mean random 0", "mean random 1", "mean random 2",
        "zi", "zi random 0",
    ]  # fmt: skip
    assert plan.groups == (("g",), ("g", "h"))
    assert list(plan.computed) == ["response 0"]
    assert plan.columns(response=False) == ("x", "e", "z", "g", "h")
    assert plan.variables(response=True) == ("y", "x", "e", "z")
    assert plan.functions(response=True) == ("log",)


@pytest.mark.parametrize(
    "text", ["y ~ y", "y ~ x * y + (1 | g)", "`y` ~ x + y", "log(y + 1) ~ log(y+1)", "b ~ x + b"]
)
def test_the_response_predicts_not_itself(text: str) -> None:
    """R leaves the response out on the right, with a warning; here it is refused."""
    with pytest.raises(FormulaError, match="stands among the predictors too"):
        plan_formula(parse_formula(text))
    with pytest.raises(FormulaError, match="stands among the predictors too"):
        plan_formula(parse_formula("y ~ x", zi="~ y"))


def test_functions_of_the_response_may_stand_on_the_right() -> None:
    """Trials, another scale and products are columns of their own."""
    for text in ("k / n ~ n", "cbind(k, n - k) ~ n", "y ~ log(y)", "log(y) ~ y", "y ~ x - y"):
        plan_formula(parse_formula(text))
