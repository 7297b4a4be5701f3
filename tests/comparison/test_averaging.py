"""Averages of models: their weights, predictions and coefficients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.comparison.average_errors import buckland_errors

from .conftest import Known, fit

# Both maximise a Gaussian likelihood, up to the rounding of the printed figures.
GAUSSIAN_TOLERANCE = 2e-6
NEW = {"age": [8, 14, 11], "Sex": ["Male", "Female", "Female"]}


def _growth(*fixed: str) -> dict[str, mc.GLMM]:
    return {part: fit("Orthodont", f"distance ~ {part} + (1 | Subject)") for part in fixed}


@pytest.fixture(scope="module")
def averaged():
    """All models of age and sex that keep main effects with their interaction."""
    return mc.average(_growth("age * Sex", "age + Sex", "age", "Sex", "1"), criterion="aicc")


def test_weights_and_coefficients_as_in_mumin():
    """MuMIn's model.avg over the two models within 4 units of AICc, full and conditional."""
    found = mc.average(_growth("age * Sex", "age + Sex"), criterion="aicc")
    full = found.coefficients()["estimate"]
    expected = [16.50534203, 0.76940072, 0.62779684, -0.26807451]
    np.testing.assert_allclose(full, expected, rtol=0.0, atol=GAUSSIAN_TOLERANCE)
    conditional = found.coefficients("conditional")["estimate"]
    assert conditional["age:Sex[T.Female]"] == pytest.approx(-0.30482955, abs=GAUSSIAN_TOLERANCE)
    five = mc.average(_growth("age * Sex", "age + Sex", "age", "Sex", "1"), criterion="aicc")
    weights = [0.8749777, 0.1199661, 0.0050562]
    np.testing.assert_allclose(five.weights[:3], weights, rtol=0.0, atol=1e-6)


def test_errors_by_hand(averaged):
    """Buckland's errors are sums of w sqrt(s^2 + (b - mean)^2), absent coefficients being zero."""
    models, w = list(averaged.models.values()), averaged.weights.to_numpy()
    table = averaged.coefficients()
    for name in ("age", "age:Sex[T.Female]"):
        values = np.array([model.params.get(name, 0.0) for model in models])
        errors = np.array([model.bse.get(name, 0.0) for model in models])
        expected = w @ np.sqrt(errors**2 + (values - w @ values) ** 2)
        assert table.loc[name, "std_error"] == pytest.approx(expected, rel=1e-9)
        assert table.loc[name, "low"] == pytest.approx(w @ values - 1.959964 * expected, rel=1e-6)
    assert table.loc["age", "importance"] == pytest.approx(w[0] + w[1] + w[2])


def test_errors_of_one_model():
    """A weight of one gives the model itself."""
    models = _growth("age * Sex", "age")
    found = mc.average(models, weights={"age": 0.0, "age * Sex": 1.0})
    alone = models["age * Sex"]
    np.testing.assert_allclose(found.coefficients()["estimate"], alone.params)
    np.testing.assert_allclose(found.coefficients()["std_error"], alone.bse)
    pd.testing.assert_series_equal(
        found.predict(NEW, random_effects="zero"),
        alone.predict(NEW, random_effects="zero"),
        check_names=False,
    )


def test_weightless_model_with_infinite_errors():
    """What weighs nothing adds nothing, whatever its errors are."""
    values, errors = np.array([[1.0, np.inf]]), np.array([[0.5, np.nan]])
    np.testing.assert_array_equal(buckland_errors(values, errors, np.array([1.0, 0.0])), [0.5])


def test_predictions_are_on_the_response_scale():
    """With a log link the mean is that of the means; the link scale averages the predictors."""
    seizures = mc.datasets.load("epil")
    models = {
        family: fit("epil", "y ~ lbase * trt + (1 | subject)", family)
        for family in ("poisson", "nbinom2")
    }
    found = mc.average(models, weights=[0.3, 0.7])
    a, b = (model.predict(seizures) for model in models.values())
    np.testing.assert_allclose(found.predict(seizures), 0.3 * a + 0.7 * b)
    link = found.predict(seizures, scale="link")
    np.testing.assert_allclose(link, 0.3 * np.log(a) + 0.7 * np.log(b))


def test_intervals_of_predictions(averaged):
    """A confidence interval has Buckland's errors, normal with the identity link."""
    asked = {"random_effects": "zero", "interval": "confidence"}
    frames = [model.predict(NEW, **asked) for model in averaged.models.values()]
    w, found = averaged.weights.to_numpy(), averaged.predict(NEW, **asked)
    values = np.column_stack([frame["predicted"] for frame in frames])
    own = np.column_stack([frame["std_error"] for frame in frames])
    expected = np.sqrt(own**2 + (values - (values @ w)[:, None]) ** 2) @ w
    np.testing.assert_allclose(found["std_error"], expected)
    np.testing.assert_allclose(found["high"] - found["predicted"], 1.959964 * expected, rtol=1e-6)


def test_intervals_stay_in_the_range():
    """With a logit link the interval of a probability is inside zero and one, and holds it."""
    models = {
        right: fit("cbpp", f"incidence / size ~ {right} + (1 | herd)", "binomial")
        for right in ("1", "period")
    }
    found = mc.average(models, weights=[0.5, 0.5])
    new = {"period": ["1", "4"]}
    table = found.predict(new, random_effects="zero", interval="confidence", level=0.9999)
    assert table["low"].min() > 0.0
    assert (table["low"] < table["predicted"]).all()
    assert (table["predicted"] < table["high"]).all()
    assert table["high"].max() < 1.0


def test_bootstrap_repeats_itself(averaged):
    """It depends on the seed alone."""
    asked = {"random_effects": "zero", "interval": "confidence", "errors": "bootstrap"}
    asked |= {"level": 0.8, "draws": 9, "seed": 3}
    few = [averaged.predict(NEW, **asked, n_jobs=jobs) for jobs in (None, 1)]
    pd.testing.assert_frame_equal(*few)


@pytest.mark.slow
def test_bootstrap_agrees(averaged):
    """Its errors are about those of Buckland."""
    asked = {"random_effects": "zero", "interval": "confidence"}
    one = averaged.predict(NEW, **asked, errors="bootstrap", draws=199, seed=3)
    other = averaged.predict(NEW, **asked)
    # The Monte Carlo error of a standard deviation of 199 draws is 5 %.
    np.testing.assert_allclose(one["std_error"], other["std_error"], rtol=0.25)
    table = averaged.coefficients(errors="bootstrap", draws=199, seed=3)
    assert table.loc["age", "std_error"] == pytest.approx(
        averaged.coefficients().loc["age", "std_error"], rel=0.25
    )


@pytest.mark.slow
def test_bootstrap_of_held_weights_by_hand():
    """With one model alone it is the parametric bootstrap of that model."""
    models = _growth("age * Sex", "age")
    found = mc.average(models, weights=[1.0, 0.0])
    table = found.coefficients(errors="bootstrap", draws=399, seed=1)
    np.testing.assert_allclose(table["std_error"], models["age * Sex"].bse, rtol=0.15)


def test_rows_in_another_order():
    """A model of the same rows in another order is averaged and bootstrapped with the others."""
    growth = mc.datasets.load("Orthodont")
    other = mc.glmm("distance ~ age + (1 | Subject)", growth.sample(frac=1.0, random_state=2))
    models = {"both": _growth("age + Sex")["age + Sex"], "age": other}
    table = mc.average(models, weights=[0.5, 0.5]).coefficients(
        errors="bootstrap", draws=99, seed=1
    )
    # Rows taken for others would leave no slope.
    assert table.loc["age", "std_error"] < 0.15


def test_other_links():
    """Coefficients on different scales are not averaged; means are."""
    cbpp = mc.datasets.load("cbpp")
    models = {
        link: mc.glmm(
            "incidence / size ~ period + (1 | herd)",
            cbpp,
            family=mc.families.Binomial(link=link),
        )
        for link in ("logit", "probit")
    }
    found = mc.average(models)
    with pytest.raises(mc.OptionError, match="different links"):
        found.coefficients()
    with pytest.raises(mc.OptionError, match="different links"):
        found.predict(cbpp, scale="link")
    table = found.predict(cbpp.head(2), random_effects="zero", interval="confidence")
    assert table.to_numpy().min() > 0.0


def test_refusals(averaged):
    """Wrong models, weights and options are refused in one sentence."""
    models = _growth("age", "1")
    with pytest.raises(mc.OptionError, match=r"sum to 0\.9"):
        mc.average(models, weights=[0.4, 0.5])
    with pytest.raises(mc.OptionError, match="3 numbers for 2"):
        mc.average(models, weights=[0.4, 0.5, 0.1])
    with pytest.raises(mc.OptionError, match="the models are"):
        mc.average(models, weights={"age": 0.5, "Sex": 0.5})
    with pytest.raises(mc.OptionError, match="weights="):
        mc.average(models, weights=3)
    with pytest.raises(mc.OptionError, match="that predict"):
        mc.average([Known(), Known()])
    with pytest.raises(mc.OptionError, match="several models"):
        mc.average(fit("Orthodont", "distance ~ age + (1 | Subject)"))
    with pytest.raises(mc.ComparisonError, match="at least two"):
        mc.average(_growth("age"))
    with pytest.raises(mc.ComparisonError, match="differ in their"):
        mc.average([*_growth("age").values(), fit("sleepstudy", "Reaction ~ 1 + (1 | Subject)")])
    with pytest.raises(mc.OptionError, match="simulates new groups"):
        averaged.predict(interval="confidence", errors="bootstrap")
    with pytest.raises(mc.OptionError, match=r"scale=ndarray of shape \(2,\) is unknown"):
        averaged.predict(scale=np.ones(2))
    with pytest.raises(mc.OptionError, match="draws"):
        averaged.coefficients(errors="bootstrap", draws=10)
    with pytest.raises(mc.OptionError, match="kind"):
        averaged.coefficients("subset")


def test_says_what_it_is(averaged):
    """The page has the weights and the table that they are from."""
    assert "0.875" in str(averaged)
    assert "AICc" in str(averaged)
    assert repr(averaged).startswith("<ModelAverage of 5 models")
