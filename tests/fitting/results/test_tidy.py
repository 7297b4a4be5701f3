"""Tidy frames of a fit."""

from __future__ import annotations

import numpy as np
import pytest

import mixcheck as mc

# Columns of broom.mixed's tidy() of a glmmTMB fit, and of broom's glance().
TIDY = [
    *("effect", "component", "group", "term"),
    *("estimate", "std.error", "statistic", "df", "p.value", "conf.low", "conf.high"),
]


@pytest.fixture(scope="module")
def slopes() -> mc.GLMM:
    """Reaction times of sleepless drivers."""
    return mc.glmm("Reaction ~ Days + (Days | Subject)", mc.datasets.load("sleepstudy"))


@pytest.fixture(scope="module")
def counts() -> mc.GLMM:
    """Salamanders with a zero part."""
    data = mc.datasets.load("Salamanders")
    return mc.glmm("count ~ mined + (1 | site)", data, family="nbinom2", zi="~ mined")


def test_tidy_holds_what_the_fit_says(slopes):
    """Coefficients with tests and intervals, deviations and the correlation with theirs."""
    frame = slopes.tidy(level=0.9)
    assert list(frame.columns) == TIDY
    assert list(frame["term"]) == [
        *("Intercept", "Days", "sd__Intercept", "sd__Days", "cor__Intercept.Days"),
        "sd__Observation",
    ]
    fixed, random = frame.iloc[:2], frame.iloc[2:5]
    np.testing.assert_array_equal(fixed["estimate"], slopes.params)
    tested = slopes.coefficients()
    for ours, theirs in (("p.value", "pvalue"), ("df", "df"), ("std.error", "std_error")):
        np.testing.assert_allclose(fixed[ours].to_numpy(dtype=float), tested[theirs], rtol=1e-12)
    interval = slopes.conf_int(level=0.9, parameters="all")
    np.testing.assert_allclose(frame["conf.low"], interval["low"], rtol=1e-12)
    np.testing.assert_allclose(frame["conf.high"], interval["high"], rtol=1e-12)
    assert set(random["group"]) == {"Subject"}
    assert frame["estimate"].iloc[5] == slopes.dispersion
    assert list(slopes.tidy(conf_int=False).columns) == TIDY[:-2]


@pytest.mark.slow
def test_parts_are_components(counts):
    """The zero part stands under its name, and its coefficients under theirs."""
    frame = counts.tidy()
    assert list(frame["component"]) == ["cond", "cond", "zi", "zi", "cond"]
    assert list(frame["term"][:4]) == ["Intercept", "mined[T.no]"] * 2
    np.testing.assert_array_equal(frame["estimate"][:4], counts.params)


def test_a_name_of_the_data_is_not_taken_for_a_part():
    """Labels of levels with a colon, and a column with the name of a predictor."""
    rng = np.random.default_rng(1)
    data = {
        "y": rng.normal(size=60) + np.repeat(rng.normal(size=12), 5),
        "f": np.tile(["zi: a", "zi: b"], 30),
        "g": np.repeat(np.arange(12), 5),
        "dispersion of it": rng.normal(size=60),
    }
    fit = mc.glmm("y ~ f + `dispersion of it` + (1 | g)", data)
    frame = fit.tidy(conf_int=False)
    assert list(frame["term"][:3]) == list(fit.params.index)
    assert set(frame["component"]) == {"cond"}


def test_shapes_are_not_tested():
    """Degrees of freedom against none named."""
    fit = mc.glmm("Reaction ~ Days + (1 | Subject)", mc.datasets.load("sleepstudy"), family="t")
    shape = fit.tidy().set_index("component").loc["family"]
    assert shape["term"] in fit.params.index
    assert np.isnan(shape["p.value"])


def test_glance_is_one_row(slopes, counts):
    """With no AIC where there is no likelihood."""
    for fit in (slopes, counts):
        (row,) = fit.glance().to_dict("records")
        assert row["logLik"] == fit.llf
        assert (row["nobs"], row["AIC"], row["BIC"]) == (fit.nobs, fit.aic, fit.bic)
        assert row["df.residual"] == fit.nobs - fit.n_parameters
        assert row["sigma"] == fit.dispersion
    cbpp = mc.datasets.load("cbpp")
    formula = "incidence / size ~ period + (1 | herd)"
    pseudo = mc.glmm(formula, cbpp, family="binomial", method="pql")
    (row,) = pseudo.glance().to_dict("records")
    assert np.isnan(row["AIC"])
    assert np.isnan(row["sigma"])


def test_augment_keeps_the_data_and_its_index():
    """Rows left out are left out; a binomial response is a share."""
    cbpp = mc.datasets.load("cbpp")
    cbpp.index = [f"row {k}" for k in range(len(cbpp))]
    cbpp["incidence"] = cbpp["incidence"].astype(float)
    cbpp.loc["row 3", "incidence"] = np.nan
    with pytest.warns(mc.DataWarning):
        fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family="binomial")
    frame = fit.augment()
    assert "row 3" not in frame.index
    assert len(frame) == 55
    share = frame["incidence"] / frame["size"]
    np.testing.assert_allclose(frame[".fitted"] + frame[".resid"], share, atol=1e-15)
    np.testing.assert_array_equal(frame[".fitted"], fit.fittedvalues)
    np.testing.assert_array_equal(frame[".pearson"], fit.resid_pearson)
    link = fit.predict(random_effects="zero", scale="link")
    np.testing.assert_allclose(frame[".fixed"], link, rtol=1e-12)
    with pytest.raises(mc.OptionError, match="conf_int"):
        fit.tidy(conf_int="yes")
