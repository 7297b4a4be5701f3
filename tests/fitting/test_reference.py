"""Published data: the numbers of lme4, glmmTMB and an independent implementation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mixcheck as mc

CASES: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "reference.json").read_text()
)["cases"]
# The project's own limits: absolute, relative (or of a standard error), and for the optimum.
LLF, PARAMETER, OF_ERROR, GRADIENT = 1e-6, 1e-4, 1e-3, 1e-6
# Both sides differentiate a gradient numerically, with steps of their own.
ERROR = 1e-3


def row(fit: mc.GLMM, group: str, name: str) -> pd.Series:
    """The one row of the variance components for `name` of `group`."""
    table = fit.variance_components
    found = table[(table["group"] == group) & (table["name"] == name)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.mark.parametrize("name", CASES)
def test_likelihood(fits: dict[str, mc.GLMM], name: str) -> None:
    """The maximum is that of the reference, neither below nor above, and it is one."""
    fit = fits[name]
    assert fit.llf == pytest.approx(CASES[name]["llf"], abs=LLF)
    assert fit.convergence.gradient < GRADIENT
    assert fit.convergence.converged
    assert fit.convergence.smallest_eigenvalue > 0.0
    assert not fit.convergence.singular


@pytest.mark.parametrize("name", CASES)
def test_parameters(fits: dict[str, mc.GLMM], name: str) -> None:
    """Coefficients, standard errors and components of variance."""
    fit, case = fits[name], CASES[name]
    assert list(fit.params.index) == list(case["params"])
    for column, value in case["params"].items():
        se = case["bse"][column]
        assert abs(fit.params[column] - value) < max(PARAMETER * abs(value), OF_ERROR * se)
        assert fit.bse[column] == pytest.approx(se, rel=ERROR)
    for held in case["components"]:
        found = row(fit, held["group"], held["name"])
        assert found["sd"] == pytest.approx(held["sd"], rel=PARAMETER)
        assert found["variance"] == pytest.approx(held["sd"] ** 2, rel=2 * PARAMETER)
    for held in case["correlations"]:
        found = row(fit, held["group"], f"{held['name1']}, {held['name2']}")
        assert found["corr"] == pytest.approx(held["corr"], abs=PARAMETER)
    if case["sigma"] is None:
        assert fit.dispersion is None
    else:
        assert fit.dispersion == pytest.approx(case["sigma"], rel=PARAMETER)
        assert row(fit, "Residual", "")["sd"] == pytest.approx(case["sigma"], rel=PARAMETER)


def test_both_methods() -> None:
    """The references hold the Laplace approximation and quadrature."""
    methods = [case["method"] for case in CASES.values()]
    assert methods.count("laplace") >= 15
    assert methods.count("agq") >= 15
