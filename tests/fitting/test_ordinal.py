"""Models of ordered categories: thresholds are parameters without a formula."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import (
    ComparisonError,
    ConvergenceError,
    DataError,
    DesignError,
    FamilyError,
    OptionError,
    SeparationError,
    SeparationWarning,
)
from mixcheck.families import Ordinal

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "data" / "ordinal_reference.json").read_text(encoding="utf-8")
)
QUADRATURE = 1e-8
"""Of log-likelihoods by 15 nodes; clmm stops within 2e-9 of the maximum."""
STOPPED = 2e-5
"""Of estimates and standard errors, where clmm stops."""
LAPLACE = 5e-3
"""clmm takes its determinant at modes that it finds to 1e-4 only."""


def made(n: int = 400, seed: int = 5) -> pd.DataFrame:
    """Four ordered categories in 40 groups, as numbers and as a factor."""
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(n // 10), 10), rng.normal(size=n)
    f = rng.choice(list("abc"), n)
    eta = 0.8 * x + (f == "b") * 0.5 + rng.normal(0.0, 0.9, n // 10)[g]
    cuts = tuple(np.full(n, cut) for cut in (-1.0, 0.2, 1.5))
    y = Ordinal(values=[1, 2, 3, 4]).sample((eta, *cuts), None, rng)
    o = pd.Categorical.from_codes(
        (y - 1).astype(int), ["never", "rarely", "often", "always"], ordered=True
    )
    return pd.DataFrame({"y": y, "o": o, "x": x, "f": f, "g": g})


@pytest.mark.parametrize("name", REFERENCE["fits"])
def test_is_that_of_clmm(name: str) -> None:
    """Log-likelihood, estimates and standard errors (ordinal 2022.11-16)."""
    case: dict[str, Any] = REFERENCE["fits"][name]
    data = pd.DataFrame(REFERENCE["data"])
    laplace = case["nodes"] == 1
    method: Any = "laplace" if laplace else "agq"
    family = Ordinal(case["link"])
    fit = mc.glmm("y ~ x + f + (1 | g)", data, family=family, method=method, nodes=case["nodes"])
    assert fit.llf == pytest.approx(case["llf"], abs=LAPLACE if laplace else QUADRATURE)
    tolerance = 1e-3 if laplace else STOPPED
    cuts, slopes = fit.params[-3:], fit.params[:-3]
    wanted = list(case["estimates"].values())
    np.testing.assert_allclose([*cuts, *slopes], wanted, atol=tolerance)
    assert list(cuts.index) == list(case["estimates"])[:3]
    np.testing.assert_allclose(
        [*fit.bse[-3:], *fit.bse[:-3]], [*case["errors"].values()], tolerance
    )


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "cauchit"])
def test_two_categories_are_a_binomial(link: str) -> None:
    """The threshold is minus the intercept, for a symmetric link with the same probabilities."""
    data = made().assign(k=lambda d: (d.y > 2.0).astype(float))
    ordinal = mc.glmm("k ~ x + (1 | g)", data, family=Ordinal(link))
    flip = link == "cloglog"  # P(Y = 0) has the link here, and P(Y = 1) there
    response = data.assign(k=1.0 - data.k) if flip else data
    binomial = mc.glmm("k ~ x + (1 | g)", response, family=mc.families.Binomial(link))
    np.testing.assert_allclose(ordinal.llf, binomial.llf, rtol=1e-9)
    sign = -1.0 if flip else 1.0
    np.testing.assert_allclose(ordinal.params["x"], sign * binomial.params["x"], rtol=1e-5)
    np.testing.assert_allclose(
        ordinal.params["0|1"], -sign * binomial.params["Intercept"], rtol=1e-5
    )
    np.testing.assert_allclose(ordinal.bse["x"], binomial.bse["x"], rtol=1e-4)


def test_numbers_and_factors_are_one_model() -> None:
    """Labels name the thresholds; order is that of the factor; numbers need not be adjacent."""
    data = made()
    one = mc.glmm("y ~ x + f + (1 | g)", data, family="ordinal")
    two = mc.glmm("o ~ x + f + (1 | g)", data, family="ordinal")
    far = mc.glmm("I(y * y) ~ x + f + (1 | g)", data, family="ordinal")
    for other in (two, far):
        assert other.llf == one.llf
        np.testing.assert_array_equal(other.params.to_numpy(), one.params.to_numpy())
    assert list(one.params.index) == ["x", "f[T.b]", "f[T.c]", "1|2", "2|3", "3|4"]
    assert list(two.shapes.index) == ["never|rarely", "rarely|often", "often|always"]
    assert list(far.shapes.index) == ["1|4", "4|9", "9|16"]
    assert one.n_parameters == 7
    np.testing.assert_array_equal(two.shapes.estimate, two.params[-3:])
    assert "never < rarely < often < always" in str(two.summary())
    turned = data.assign(o=data.o.cat.reorder_categories(data.o.cat.categories[::-1], ordered=True))
    back = mc.glmm("o ~ x + f + (1 | g)", turned, family="ordinal")
    np.testing.assert_allclose(back.llf, one.llf, rtol=1e-10)
    np.testing.assert_allclose(back.params[:3], -one.params[:3], rtol=1e-4, atol=1e-6)


def test_one_node_is_laplace() -> None:
    """Quadrature with one node at the modes of a concave log density is Laplace's formula."""
    data = made()
    one = mc.glmm("y ~ x + (1 | g)", data, family="ordinal")
    other = mc.glmm("y ~ x + (1 | g)", data, family="ordinal", method="agq", nodes=1)
    np.testing.assert_allclose(other.llf, one.llf, rtol=1e-11)


def test_probabilities_and_means_of_new_rows() -> None:
    """Probabilities sum to one, and their mean is the prediction, with and without groups."""
    data = made()
    fit = mc.glmm("o ~ x + f + (1 | g)", data, family="ordinal")
    new = {"x": [0.0, 1.0, np.nan], "f": ["a", "b", "c"]}
    numbers = np.array([1.0, 2.0, 3.0, 4.0])
    for effects in ("zero", "marginal"):
        found = fit.predict_probabilities(new, random_effects=effects)  # type: ignore[arg-type]
        mean = fit.predict(new, random_effects=effects)  # type: ignore[arg-type]
        assert list(found.columns) == ["never", "rarely", "often", "always"]
        np.testing.assert_allclose(found.to_numpy()[:2].sum(axis=1), 1.0, rtol=1e-12)
        np.testing.assert_allclose(found.to_numpy()[:2] @ numbers, mean[:2], rtol=1e-12)
        assert found.iloc[2].isna().all()
    inner = fit.predict_probabilities()
    np.testing.assert_allclose(inner.to_numpy() @ numbers, fit.fittedvalues, rtol=1e-12)
    eta = fit.predict({"x": [1.0], "f": ["a"]}, random_effects="zero", scale="link")[0]
    np.testing.assert_allclose(eta, fit.params["x"], rtol=1e-12)
    below = 1.0 / (1.0 + np.exp(eta - fit.params["never|rarely"]))
    first = fit.predict_probabilities({"x": [1.0], "f": ["a"]}, random_effects="zero")
    np.testing.assert_allclose(first["never"], below, rtol=1e-12)
    # A row may also hold groups that the fit knows, and those alone that it does not.
    unseen = fit.predict_probabilities({"x": [1.0], "f": ["a"], "g": [99]}, unseen="zero")
    np.testing.assert_allclose(unseen, first, rtol=1e-12)


@pytest.mark.slow
def test_goes_through_everything() -> None:
    """Refit, simulate, check, residuals, tests and scores; no conditional AIC, in a sentence."""
    data = made()
    fit = mc.glmm("o ~ x + f + (1 | g)", data, family="ordinal")
    draws = fit.simulate(200, seed=1, conditioning="mode")
    assert set(np.unique(draws)) == {1.0, 2.0, 3.0, 4.0}
    inner = fit.predict_probabilities()
    shares = np.stack([(draws == k).to_numpy().mean(axis=1) for k in (1.0, 2.0, 3.0, 4.0)])
    error = np.sqrt(inner.to_numpy().T * (1.0 - inner.to_numpy().T) / 200)
    assert np.abs((shares - inner.to_numpy().T) / error).max() < 5.5
    again = fit.refit(fit.simulate(1, seed=2)[0])
    assert again.converged
    assert (np.abs(again.params - fit.params) < 5.0 * fit.bse).all()
    uniform = mc.residuals(fit, seed=1)
    assert len(uniform.values) == 400
    assert mc.check(fit, seed=1, calibration="plug-in").verdict.name == "PASS"
    smaller = mc.glmm("o ~ f + (1 | g)", data, family="ordinal")
    assert mc.lrt(smaller, fit).pvalue < 1e-6
    assert mc.loo(fit).scores.sum() > mc.loo(smaller).scores.sum()
    with pytest.raises(ComparisonError, match="not known for ordered categories"):
        mc.caic(fit)
    found = mc.select("o ~ x + f + (1 | g)", data, family="ordinal")
    assert "x" in found.best.model


def test_wrong_models_are_caught() -> None:
    """A trend that is left out is found by its check."""
    data = made(800, seed=6)
    data["x2"] = data.x**2
    rng = np.random.default_rng(1)
    eta = 1.2 * data.x2
    cuts = tuple(np.full(800, cut) for cut in (0.0, 1.0, 2.0))
    data["y"] = Ordinal(values=[1, 2, 3, 4]).sample((eta.to_numpy(), *cuts), None, rng)
    fit = mc.glmm("y ~ x", data, family="ordinal")
    report = mc.check(fit, mc.checks.Trend("x"), seed=1, calibration="plug-in")
    assert report.verdict.name == "FAIL"


def test_a_group_at_one_end_has_no_finite_coefficient() -> None:
    """A level whose rows are all in the highest category is a limit; the rest is as without it."""
    rng = np.random.default_rng(5)
    x, y = np.r_[np.zeros(50), np.ones(10)], np.r_[rng.integers(1, 4, 50), np.full(10, 3)]
    with pytest.warns(SeparationWarning, match="coefficients of 'x' have no finite estimate"):
        fit = mc.glmm("y ~ x", {"y": y, "x": x}, family="ordinal")
    rest = mc.glmm("y ~ 1", {"y": y[:50]}, family="ordinal")
    np.testing.assert_allclose(fit.llf, rest.llf, rtol=1e-9)
    np.testing.assert_allclose(fit.params[1:], rest.params, rtol=1e-5)
    np.testing.assert_allclose(fit.bse[1:], rest.bse, rtol=1e-4)
    assert np.isinf(fit.bse["x"])
    shares = np.cumsum(np.bincount(y[:50])[1:3] / 50)
    np.testing.assert_allclose(rest.params, np.log(shares / (1 - shares)), rtol=1e-8)


def test_predictors_that_tell_every_category() -> None:
    """Thresholds that move along with a slope: complete separation is refused by name."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=60)
    data = {"y": np.digitize(x, [-0.5, 0.5]) + 1, "x": x}
    with pytest.raises(SeparationError, match="the predictors 'x' tell every response exactly"):
        mc.glmm("y ~ x", data, family="ordinal")


def test_bad_calls_are_answered() -> None:
    """Text without an order, one category, measurements, intercepts and parts that are absent."""
    data = made()
    cases: list[tuple[type[Exception], str, str, dict[str, Any]]] = [
        (DataError, "have no order; write pd.Categorical", "f ~ x", {}),
        (FamilyError, "from 2 to 100 categories; found 400", "x ~ f", {}),
        (FamilyError, "from 2 to 100 categories; found 1", "I(0 * y) ~ f", {}),
        (DesignError, "without `0 \\+`", "o ~ 0 + f + (1 | g)", {}),
        (FamilyError, "no place for a zero part", "o ~ x", {"zi": "~ 1"}),
        (OptionError, "no dispersion to model", "o ~ x", {"dispersion": "~ 1"}),
        (OptionError, "pql", "o ~ x + (1 | g)", {"method": "pql"}),
    ]
    for error, message, formula, given in cases:
        with pytest.raises(error, match=message):
            mc.glmm(formula, data, family="ordinal", **given)
    with pytest.raises(DataError, match="text or categories"):
        mc.glmm("o ~ x", data, family="poisson")
    fit = mc.glmm("y ~ x + (1 | g)", data, family="ordinal")
    with pytest.raises(ConvergenceError, match="no row in the category 2"):
        fit.refit(np.where(data.y == 2.0, 1.0, data.y))
    with pytest.raises(FamilyError, match="one of the numbers of its categories"):
        fit.refit(data.y + 0.5)
    with pytest.raises(OptionError, match="ordered categories"):
        mc.glmm("y ~ x", data, family="poisson").predict_probabilities()
    for values in ([1], [2, 1], [1, 1, 2]):
        with pytest.raises(FamilyError, match="two categories or more"):
            Ordinal(values=values)
