"""Predictions at other fixed effects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import OptionError
from mixcheck.port import port_of


@pytest.fixture(scope="module")
def cbpp() -> mc.GLMM:
    """Incidence by period."""
    formula = "incidence / size ~ period + (1 | herd)"
    return mc.glmm(formula, mc.datasets.load("cbpp"), family="binomial")


@pytest.mark.parametrize("random_effects", ["auto", "zero", "marginal"])
def test_at_the_estimates_they_are_the_predictions(cbpp: mc.GLMM, random_effects: Any) -> None:
    """However the values are written."""
    expected = cbpp.predict(random_effects=random_effects)
    for params in (cbpp.params, dict(cbpp.params), cbpp.params.to_list(), {}):
        found = cbpp.predict(random_effects=random_effects, params=params)
        pd.testing.assert_series_equal(found, expected, rtol=1e-9)


def test_linear_mixed_model_in_closed_form() -> None:
    """With "auto" effects are ``D Z'V^-1 (y - X beta)`` at the beta that is given."""
    sleep = mc.datasets.load("sleepstudy")
    fit = mc.glmm("Reaction ~ Days + (Days | Subject)", sleep)
    beta = fit.params.to_numpy() + np.array([20.0, -3.0])
    X = np.column_stack([np.ones(180), sleep["Days"]])
    parts = fit.variance_components.query("group == 'Subject'")
    root, correlation = np.diag(parts["sd"].dropna()), parts["corr"].dropna().item()
    D = root @ np.array([[1.0, correlation], [correlation, 1.0]]) @ root
    expected = np.empty(180)
    for _, rows in sleep.reset_index(drop=True).groupby("Subject", observed=True).indices.items():
        Z = X[rows]
        V = Z @ D @ Z.T + fit.dispersion**2 * np.eye(rows.size)
        residual = sleep["Reaction"].to_numpy()[rows] - Z @ beta
        expected[rows] = Z @ beta + Z @ D @ Z.T @ np.linalg.solve(V, residual)
    np.testing.assert_allclose(fit.predict(params=beta), expected, rtol=1e-8)


def test_draws_are_columns(cbpp: mc.GLMM) -> None:
    """A frame gives a column for each of its rows, and each is that of the row alone."""
    rng = np.random.default_rng(1)
    draws = pd.DataFrame(
        rng.multivariate_normal(cbpp.params, cbpp.cov_params(), 4),
        index=["a", "b", "c", "d"],
        columns=cbpp.params.index,
    )
    new = {"period": ["1", "4"]}
    found = cbpp.predict(new, random_effects="zero", params=draws)
    assert list(found.columns) == ["a", "b", "c", "d"]
    single = cbpp.predict(new, random_effects="zero", params=draws.loc["c"])
    np.testing.assert_array_equal(found["c"], single)
    shuffled = draws[draws.columns[::-1]]
    np.testing.assert_array_equal(found, cbpp.predict(new, random_effects="zero", params=shuffled))
    matrix = cbpp.predict(new, random_effects="zero", params=draws.to_numpy())
    np.testing.assert_array_equal(found, matrix)
    assert list(matrix.columns) == [0, 1, 2, 3]


def test_derivatives_are_those_of_the_intervals(cbpp: mc.GLMM) -> None:
    """With effects at zero ``J C J'`` of differences is the squared error of the link."""
    step, table = 1e-4, pd.DataFrame({"period": ["1", "2", "4"]})
    columns = []
    for name, value in cbpp.params.items():
        ends = [
            cbpp.predict(table, random_effects="zero", scale="link", params={name: value + h})
            for h in (step, -step)
        ]
        columns.append((ends[0] - ends[1]) / (2.0 * step))
    J = np.column_stack(columns)
    expected = cbpp.predict(table, random_effects="zero", scale="link", interval="confidence")
    errors = np.sqrt(np.einsum("np,pq,nq->n", J, cbpp.cov_params(), J))
    np.testing.assert_allclose(errors, expected["std_error"], rtol=1e-7)


def test_other_parts_of_the_model() -> None:
    """Coefficients of a zero part have names of their own, and a constant dispersion stays."""
    owls = mc.datasets.load("Owls")
    fit = mc.glmm(
        "SiblingNegotiation ~ SexParent + (1 | Nest)", owls, family="nbinom2", zi="~ SexParent"
    )
    name = next(name for name in fit.params.index if name.startswith("zi: Intercept"))
    fewer = fit.predict(part="zi", params={name: -30.0})
    assert (fewer[owls["SexParent"] == owls["SexParent"].iloc[0]] < 1.0).all()
    mean = fit.predict(random_effects="zero", part="conditional", params={name: -30.0})
    expected = fit.predict(random_effects="zero", part="conditional")
    np.testing.assert_allclose(mean, expected, rtol=1e-12)
    assert port_of(fit).optimum.psi.size == fit.params.size + 2


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ([1.0, 2.0], r"found an array of shape \(2,\)"),
        ({"x": 1.0}, "'x' is none of them"),
        ("all", "found 'all'"),
        ({"Intercept": np.nan}, "not finite"),
        ({"Intercept": "high"}, "no number"),
        (np.zeros((2, 5)), r"shape \(2, 5\)"),
    ],
)
def test_wrong_values(cbpp: mc.GLMM, params: Any, words: str) -> None:
    """One sentence that has the names."""
    with pytest.raises(OptionError, match=words):
        cbpp.predict(params=params)


def test_no_interval(cbpp: mc.GLMM) -> None:
    """Intervals are those of the estimates."""
    with pytest.raises(OptionError, match="leave it or params= out"):
        cbpp.predict(params=cbpp.params, interval="confidence")  # type: ignore[call-overload]


def test_masked_values_are_refused():
    """As values that are missing."""
    fit = mc.glmm(
        "incidence / size ~ period + (1 | herd)", mc.datasets.load("cbpp"), family="binomial"
    )
    masked = np.ma.array(fit.params.to_numpy(), mask=[False, True, False, False])
    with pytest.raises(OptionError, match="not finite"):
        fit.predict(params=masked)


@pytest.mark.parametrize(
    ("index", "why"),
    [
        (["Intercept", "Intercept"], "a name is there twice"),
        ([pd.NA, "Intercept"], "none of them"),
    ],
)
def test_names_of_a_series(index, why):
    """Twice the same name, and a missing one, are refused, where a dict would hold the last."""
    fit = mc.glmm(
        "incidence / size ~ period + (1 | herd)", mc.datasets.load("cbpp"), family="binomial"
    )
    with pytest.raises(OptionError, match=why):
        fit.predict(params=pd.Series([0.5, 1.0], index=index))
