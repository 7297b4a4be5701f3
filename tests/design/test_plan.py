"""Parts of a formula."""

from __future__ import annotations

from mixcheck.design.formula import parse_formula
from mixcheck.design.plan import plan_formula


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
