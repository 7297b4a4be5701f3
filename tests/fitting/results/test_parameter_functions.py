"""Intervals of functions of the parameters that a reader writes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import BoundaryWarning, OptionError, SeparationWarning
from mixcheck.inference.bootstrap import percentile_intervals

Z = 1.959963984540054
SD = "sd(herd, Intercept)"
# Ends are solved for to the square of 1e-4 standard errors.
SOLVED = 1e-6


@pytest.mark.parametrize("method", ["wald", "profile", "bootstrap"])
def test_a_function_that_is_a_parameter_has_its_interval(cbpp: mc.GLMM, method: str) -> None:
    """By every method, and likewise by its name alone."""
    draws = {"draws": 60, "seed": 1} if method == "bootstrap" else {}
    same = {"own": lambda p: p["period[T.2]"]}
    found = cbpp.conf_int(method=method, parameters=same, **draws)
    known = cbpp.conf_int(method=method, parameters=["period[T.2]"], **draws)
    assert list(known.index) == ["period[T.2]"]
    np.testing.assert_allclose(found.to_numpy(), known.to_numpy(), rtol=SOLVED)


def test_a_profile_does_not_depend_on_the_scale(cbpp: mc.GLMM) -> None:
    """The variance has the squares of the ends of the standard deviation."""
    found = cbpp.conf_int(method="profile", parameters={"variance": lambda p: p[SD] ** 2})
    known = cbpp.conf_int(method="profile", parameters=SD)
    np.testing.assert_allclose(found.to_numpy(), known.to_numpy() ** 2, rtol=SOLVED)


def test_the_profile_of_a_ratio_is_known_of_least_squares() -> None:
    """``n log(1 + (a - r b)^2 / (v(r) n)) = z^2``, v the variance by ``RSS / n``: a quadratic."""
    rng = np.random.default_rng(4)
    n = 40
    X = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    y = X @ [1.0, 1.5, 2.0] + rng.normal(size=n)
    data = pd.DataFrame({"y": y, "x1": X[:, 1], "x2": X[:, 2]})
    found = mc.glmm("y ~ x1 + x2", data).conf_int(
        method="profile", parameters={"ratio": lambda p: p["x1"] / p["x2"]}
    )
    b = np.linalg.solve(X.T @ X, X.T @ y)
    C = np.linalg.inv(X.T @ X)[1:, 1:] * np.sum((y - X @ b) ** 2)
    q = np.expm1(Z**2 / n)
    quadratic = [
        b[2] ** 2 - q * C[1, 1],
        -2.0 * (b[1] * b[2] - q * C[0, 1]),
        b[1] ** 2 - q * C[0, 0],
    ]
    np.testing.assert_allclose(found.loc["ratio"], np.sort(np.roots(quadratic)), rtol=SOLVED)


def test_wald_of_a_function_is_the_delta_method(cbpp: mc.GLMM) -> None:
    """With the df of `t_test` for fixed effects, and normal for a standard deviation."""
    contrast = {"d": lambda p: p["period[T.2]"] - p["period[T.3]"]}
    linear = cbpp.t_test("period[T.2] - period[T.3]")[["low", "high"]].to_numpy()
    np.testing.assert_allclose(cbpp.conf_int(parameters=contrast).to_numpy(), linear, rtol=1e-9)
    odds = cbpp.conf_int(parameters={"odds": lambda p: np.exp(p["period[T.2]"])}, ddf="normal")
    b, se = cbpp.params["period[T.2]"], cbpp.bse["period[T.2]"]
    expected = np.exp(b) * (1.0 + Z * se * np.array([-1.0, 1.0]))
    np.testing.assert_allclose(odds.loc["odds"], expected, rtol=1e-9)
    log = cbpp.conf_int(method="wald", parameters={"log": lambda p: np.log(p[SD])})
    known = np.log(cbpp.conf_int(method="wald", parameters=SD))
    np.testing.assert_allclose(log.to_numpy(), known.to_numpy(), rtol=1e-6)


def test_a_bootstrap_of_a_function_is_quantiles_of_it(cbpp: mc.GLMM) -> None:
    """Of the estimates of the refits, one by one."""
    found = cbpp.conf_int(
        method="bootstrap", parameters={"v": lambda p: p[SD] ** 2}, draws=60, seed=2
    )
    estimates = cbpp.refit(cbpp.simulate(60, seed=2)).estimates[[SD]].to_numpy() ** 2
    np.testing.assert_allclose(found.to_numpy(), percentile_intervals(estimates, 0.95), rtol=1e-5)


def test_by_default_each_function_goes_the_way_of_what_it_hangs_on(cbpp: mc.GLMM) -> None:
    """Fixed effects by Wald, variances by the restricted profile, both by the fit's own."""
    functions = {
        "both": lambda p: p["Intercept"] * p[SD],
        "variance": lambda p: p[SD],
        "fixed": lambda p: p["Intercept"],
    }
    found = cbpp.conf_int(parameters=functions)
    assert list(found.index) == [*functions]
    assert found.attrs["variances"] == "restricted profile"
    fixed = cbpp.conf_int(parameters="Intercept")
    np.testing.assert_allclose(found.loc[["fixed"]].to_numpy(), fixed.to_numpy(), rtol=1e-9)
    own = cbpp.conf_int(method="profile", parameters={"both": functions["both"]})
    np.testing.assert_allclose(found.loc[["both"]].to_numpy(), own.to_numpy(), rtol=SOLVED)


def test_a_function_at_the_edge_of_what_it_can_be() -> None:
    """Its profile begins at the edge; Wald's interval has no ends."""
    data = pd.DataFrame({"y": [1.0, 2.0, 3.0, 4.0] * 6, "g": np.repeat(np.arange(6), 4)})
    with pytest.warns(BoundaryWarning):
        flat = mc.glmm("y ~ 1 + (1 | g)", data)
    variance = {"v": lambda p: p["sd(g, Intercept)"] ** 2}
    low, high = flat.conf_int(method="profile", parameters=variance).loc["v"]
    assert low == 0.0
    sd = flat.conf_int(method="profile", parameters="random").loc["sd(g, Intercept)", "high"]
    assert high == pytest.approx(sd**2, rel=1e-4)
    with pytest.warns(BoundaryWarning, match="Wald's interval has no end"):
        assert flat.conf_int(method="wald", parameters=variance).isna().all(axis=None)


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        ({}, "holds no function; write parameters="),
        ({"f": lambda p: p["nothing"]}, "asks for 'nothing', which is no parameter"),
        ({"f": lambda _: float("nan")}, "is nan at the estimates"),
        ({"f": lambda _: 1 / 0}, "fails at the estimates: ZeroDivisionError"),
        ({"f": lambda p: p}, "must return one number"),
        ({"f": 3}, "must have functions by their names"),
        ({"Intercept": lambda p: p["Intercept"]}, "give the function another name"),
    ],
)
def test_what_is_no_function(cbpp: mc.GLMM, wrong: object, answer: str) -> None:
    """One sentence on what it is instead."""
    with pytest.raises(OptionError, match=answer):
        cbpp.conf_int(parameters=wrong)


def test_a_function_of_an_infinite_estimate_is_refused() -> None:
    """And one of the others is not."""
    data = pd.DataFrame({"y": [0, 1, 0, 1, 1, 1, 1, 1] * 3, "x": [0, 0, 0, 0, 1, 1, 1, 1] * 3})
    with pytest.warns(SeparationWarning):
        fit = mc.glmm("y ~ x", data, family="binomial")
    with pytest.raises(OptionError, match="depends on x without a finite estimate"):
        fit.conf_int(parameters={"p": lambda p: 1.0 / (1.0 + np.exp(-p["x"]))})
    found = fit.conf_int(parameters={"f": lambda p: p["Intercept"]})
    np.testing.assert_allclose(found, fit.conf_int(parameters="Intercept"), rtol=1e-9)
