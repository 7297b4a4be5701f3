"""The quasi-AIC, and the dispersion that it takes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc

from .conftest import Known, fit

# lme4's optimiser stops about 1e-5 before the optimum, which moves its modes.
LME4_TOLERANCE = 3e-6


def test_dispersion_and_value_as_in_r(ticks):
    """Pearson's statistic over n - k, and the QAIC with it, are those of lme4 and bbmle.

    bbmle's qAIC does not count the dispersion as a parameter: ours is 2 more. The values are in
    validation/comparison/criteria.json.
    """
    found = mc.qaic(ticks["altitude"], count="parameters")
    assert found.dispersion == pytest.approx(1.731928081309, abs=LME4_TOLERANCE)
    values = [mc.qaic(ticks[name], dispersion=1.731928081309) for name in ("year", "altitude")]
    expected = [1180.44333956564 + 2.0, 1152.12334420208 + 2.0]
    np.testing.assert_allclose([one.value for one in values], expected, rtol=0.0, atol=5e-5)


def test_dispersion_by_hand(ticks):
    """By the effective degrees of freedom it is the sum of squared Pearson residuals over them."""
    model = ticks["altitude"]
    squares = float(np.sum(model.resid_pearson**2))
    found = mc.qaic(model)
    assert found.dispersion == pytest.approx(squares / (model.nobs - mc.caic(model).df), rel=1e-9)
    assert "degrees of freedom of the conditional AIC" in found.notes[0]


def test_one_dispersion_for_all_models(ticks):
    """A table and a search take the dispersion of the largest model, and say so."""
    models = {name: ticks[name] for name in ("year", "altitude")}
    dispersion = mc.qaic(ticks["altitude"]).dispersion
    table = mc.compare(models, criterion="qaic")
    found = {model.model: model.criterion for model in table.models}
    for name, model in models.items():
        assert found[name] == pytest.approx(mc.qaic(model, dispersion=dispersion).value, rel=1e-9)
        assert mc.qaic(model, dispersion=ticks["altitude"]).value == pytest.approx(found[name])
    assert sum("The dispersion of TICKS ~ YEAR + cHEIGHT" in one for one in table.remarks) == 1
    data = mc.datasets.load("grouseticks")
    chosen = mc.select(
        *("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", data),
        family="poisson",
        random=False,
        criterion="qaic",
    )
    assert chosen.best.value == pytest.approx(found["altitude"], rel=1e-8)
    assert any("The dispersion of TICKS ~ YEAR + cHEIGHT" in one for one in chosen.remarks)


def test_below_one_is_one():
    """Counts that vary less than Poisson ones have the AIC plus 2."""
    rows = pd.DataFrame({"y": [3, 3, 4, 3, 4, 3, 4, 4, 3, 4] * 4, "g": np.repeat(range(8), 5)})
    with pytest.warns(mc.BoundaryWarning):
        model = mc.glmm("y ~ 1 + (1 | g)", rows, family="poisson")
    found = mc.qaic(model)
    assert found.dispersion == 1.0
    assert "below one" in found.notes[1]
    assert found.value == pytest.approx(mc.aic(model) + 2.0)


def test_family_with_its_own_dispersion():
    """A negative binomial model is refused, and so is its dispersion."""
    formula = "TICKS ~ YEAR + (1 | BROOD)"
    negbin = fit("grouseticks", formula, "nbinom2")
    with pytest.raises(mc.ComparisonError, match=r"dispersion of its own \(nbinom2\)"):
        mc.qaic(negbin)
    with pytest.raises(mc.ComparisonError, match="dispersion of its own"):
        mc.qaic(fit("grouseticks", formula, "poisson"), dispersion=negbin)


@pytest.mark.parametrize("wrong", [0.5, 0.0, np.nan, np.inf, "1.5", True, []])
def test_wrong_dispersion(wrong, ticks):
    """Anything but a number from 1 or a model of the same data is refused."""
    with pytest.raises(mc.OptionError, match="dispersion="):
        mc.qaic(ticks["year"], dispersion=wrong)


def test_other_data(ticks):
    """The dispersion of other data is refused."""
    other = fit("cbpp", "incidence / size ~ period + (1 | herd)", "binomial")
    with pytest.raises(mc.ComparisonError, match="differ in their rows"):
        mc.qaic(ticks["year"], dispersion=other)


def test_model_without_variances():
    """A model known by its likelihood needs the number."""
    with pytest.raises(mc.OptionError, match="as a number"):
        mc.qaic(Known())
    assert mc.qaic(Known(), dispersion=2.0).value == pytest.approx(10.0 + 8.0)


@pytest.mark.slow
def test_dispersion_of_poisson_counts():
    """By effective degrees of freedom 200 Poisson counts in 40 groups have a dispersion near one.

    By the number of parameters they have not: the modes take up a sixth of the variation.
    """
    rng = np.random.default_rng(1)
    found = []
    for _ in range(100):
        g, x = np.repeat(np.arange(40), 5), rng.normal(size=200)
        mean = np.exp(1.1 + 0.3 * x + 0.7 * rng.normal(size=40)[g])
        rows = pd.DataFrame({"y": rng.poisson(mean), "x": x, "g": g})
        model = mc.glmm("y ~ x + (1 | g)", rows, family="poisson")
        squares = float(np.sum(model.resid_pearson**2))
        found.append((squares / (200 - mc.caic(model).df), squares / (200 - 3)))
    centre, error = np.mean(found, axis=0), np.std(found, axis=0) / 10.0
    assert 0.90 < centre[0] - 2.0 * error[0] < centre[0] + 2.0 * error[0] < 1.0
    assert centre[1] + 2.0 * error[1] < 0.85
