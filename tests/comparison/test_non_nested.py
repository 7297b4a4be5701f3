"""Vuong's test over groups."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.comparison.non_nested import variance_weights
from mixcheck.port import GroupDerivatives, port_of

from .conftest import Known, fit


@pytest.fixture(scope="module")
def ticks_by_brood():
    """Year or altitude for the ticks of a brood."""
    return (
        fit("grouseticks", "TICKS ~ YEAR + (1 | BROOD)", "poisson"),
        fit("grouseticks", "TICKS ~ cHEIGHT + (1 | BROOD)", "poisson"),
    )


def test_statistic(ticks_by_brood):
    """The z statistic is the corrected sum over its error by equation 5.6 of Vuong (1989)."""
    a, b = ticks_by_brood
    test = mc.vuong(a, b)
    each = (port_of(a).group_loglik() - port_of(b).group_loglik()).to_numpy()
    assert test.group == "BROOD"
    assert test.differences.sum() == pytest.approx(a.llf - b.llf, rel=1e-6)
    # Year has three levels, altitude one slope.
    assert test.difference == pytest.approx(each.sum() - 1.0)
    assert test.statistic == pytest.approx((each.sum() - 1.0) / np.sqrt(118 * each.var()))
    plain = mc.vuong(a, b, correction="none")
    assert plain.difference == pytest.approx(each.sum())


def test_order_changes_the_sign(ticks_by_brood):
    """Exchanging the models changes the sign and nothing else."""
    test, turned = mc.vuong(*ticks_by_brood), mc.vuong(*ticks_by_brood[::-1])
    assert turned.statistic == pytest.approx(-test.statistic)
    assert turned.pvalue == pytest.approx(test.pvalue)
    assert turned.variance_pvalue == pytest.approx(test.variance_pvalue)


def test_clear_winner():
    """Where one model is right and the other has the wrong predictor, the test says which."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(80), 4)
    data = pd.DataFrame({"g": g.astype(str), "x": rng.standard_normal(320)})
    data["z"] = rng.standard_normal(320)
    data["y"] = data["x"] + rng.standard_normal(80)[g] + rng.standard_normal(320)
    right, wrong = mc.glmm("y ~ x + (1 | g)", data), mc.glmm("y ~ z + (1 | g)", data)
    test = mc.vuong(wrong, right)
    assert test.statistic < -5.0
    assert test.verdict == "y ~ x + (1 | g), gaussian (identity) is closer to the truth."
    assert not test.notes


def test_families_are_told_apart():
    """Of one formula with two families that are not nested the verdict names the family."""
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(60), 8)
    data = pd.DataFrame({"g": g, "x": rng.uniform(-1.0, 4.0, g.size)})
    mean = np.exp(data["x"] + rng.normal(0.0, 0.5, 60)[g])
    data["y"] = rng.negative_binomial(2.0, 2.0 / (2.0 + mean))
    linear, quadratic = (
        mc.glmm("y ~ x + (1 | g)", data, family=name) for name in ("nbinom1", "nbinom2")
    )
    assert "nbinom2 (log) is closer" in mc.vuong(linear, quadratic).verdict


@pytest.fixture(scope="module")
def counts():
    """Poisson counts of 40 groups of 6."""
    rng = np.random.default_rng(0)
    g, x = np.repeat(np.arange(40), 6), rng.normal(size=240)
    mean = np.exp(0.5 + 0.3 * x + rng.normal(0.0, 0.5, 40)[g])
    return pd.DataFrame({"y": rng.poisson(mean), "x": x, "g": g, "z": rng.normal(size=240)})


SMALLER = {"family": "poisson"}
LARGER = [
    {"family": "poisson", "zi": "~ 1"},
    {"family": "poisson", "zi": "~ x"},
    {"family": "nbinom1"},
    {"family": "nbinom2"},
    {"family": "nbinom2", "zi": "~ 1"},
]


@pytest.mark.filterwarnings("ignore::mixcheck.errors.MixcheckWarning")
@pytest.mark.parametrize("larger", LARGER, ids=str)
def test_limits_are_nested(counts, larger):
    """A Poisson model is a limit of these, and Wilson (2015) shows what Vuong's test then is."""
    models = [mc.glmm("y ~ x + (1 | g)", counts, **given) for given in (SMALLER, larger)]
    for pair in (models, models[::-1]):
        with pytest.raises(mc.ComparisonError, match="a limit of"):
            mc.vuong(*pair)


@pytest.mark.filterwarnings("ignore::mixcheck.errors.MixcheckWarning")
def test_families_that_are_no_limits(counts):
    """Other predictors of the mean, or a zero part that cannot vanish, leave models apart."""
    poisson = mc.glmm("y ~ x + (1 | g)", counts, family="poisson")
    others = mc.glmm("y ~ z + (1 | g)", counts, family="nbinom2")
    sloped = mc.glmm("y ~ x + (1 | g)", counts, family="poisson", zi="~ 0 + z")
    for other in (others, sloped):
        assert mc.vuong(poisson, other).differences.size == 40


@pytest.mark.filterwarnings("ignore::mixcheck.errors.MixcheckWarning")
def test_a_hurdle_whose_zeros_are_free_holds_its_family(counts):
    """With a zero probability for each mean a hurdle is a Poisson too; with one slope it is not."""
    data = counts.assign(f=np.where(counts["x"] > 0.0, "a", "b"))
    nested = [
        mc.glmm("y ~ f", data, family="poisson"),
        mc.glmm("y ~ f", data, family="truncated_poisson", zi="~ f"),
    ]
    assert nested[1].llf > nested[0].llf - 1e-8
    with pytest.raises(mc.ComparisonError, match="a limit of"):
        mc.vuong(*nested, group="g")
    apart = [
        mc.glmm("y ~ x", data, family="poisson"),
        mc.glmm("y ~ x", data, family="truncated_poisson", zi="~ x"),
    ]
    assert mc.vuong(*apart, group="g").differences.size == 40


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
def test_binomial_is_a_limit():
    """A binomial model is a limit of the beta-binomial one."""
    formula = "incidence / size ~ 1 + (1 | herd)"
    with pytest.raises(mc.ComparisonError, match="a limit of"):
        mc.vuong(fit("cbpp", formula, "binomial"), fit("cbpp", formula, "betabinomial"))


def test_one_model_written_in_two_ways(counts):
    """A model is not compared with itself, whatever its levels and terms are called."""
    other = counts.assign(g=counts["g"].map(lambda k: f"g{(k * 3) % 40}"), u=2.0 * counts["x"])
    models = [
        mc.glmm("y ~ x + (1 | g)", counts, family="poisson"),
        mc.glmm("y ~ u + (1 | g)", other, family="poisson"),
    ]
    with pytest.raises(mc.ComparisonError, match="are one model"):
        mc.vuong(*models)


@pytest.mark.filterwarnings("ignore::mixcheck.errors.MixcheckWarning")
def test_no_second_test_where_the_first_accepts(counts):
    """Two negative binomials at their common Poisson limit differ by rounding: no p-value."""
    models = [mc.glmm("y ~ x + (1 | g)", counts, family=name) for name in ("nbinom1", "nbinom2")]
    test = mc.vuong(*models)
    assert test.variance_pvalue > 0.5
    assert np.isnan(test.pvalue)
    assert np.isnan(test.statistic)
    assert np.isnan(test.to_frame()["pvalue"][1])
    assert json.loads(test.to_json())["pvalue"] is None
    assert "no p-value" in test.notes[0]


def test_groups_are_matched_by_their_rows(counts):
    """Shuffled rows and recoded levels give the same test; levels of other rows are refused."""
    first = mc.glmm("y ~ x + (1 | g)", counts, family="poisson")
    plain = mc.vuong(first, mc.glmm("y ~ z + (1 | g)", counts, family="poisson"))
    recoded = counts.assign(g=counts["g"].map(lambda k: f"g{(k * 3) % 40}"))
    shuffled = recoded.sample(frac=1.0, random_state=1).reset_index(drop=True)
    for data, group in ((recoded, "g"), (shuffled.rename(columns={"g": "h"}), "h")):
        test = mc.vuong(first, mc.glmm(f"y ~ z + (1 | {group})", data, family="poisson"))
        assert test.statistic == pytest.approx(plain.statistic, rel=1e-5)
        assert test.variance_pvalue == pytest.approx(plain.variance_pvalue, rel=1e-4)
    other = counts.assign(g=np.random.default_rng(1).permutation(counts["g"].to_numpy()))
    with pytest.raises(mc.ComparisonError, match="hold other rows"):
        mc.vuong(first, mc.glmm("y ~ z + (1 | g)", other, family="poisson"))


def test_weights_of_one_parameter_each():
    """With one parameter in each model the eigenvalues are closed: +-sqrt(1 - rho^2)."""
    rng = np.random.default_rng(3)
    s = rng.standard_normal((500, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]])
    # Information equal to the products of scores, as under a true model.
    models = [GroupDerivatives(s[:, [k]], s[:, [k], None] ** 2, np.zeros(1)) for k in (0, 1)]
    rho = np.sum(s[:, 0] * s[:, 1]) / np.sqrt(np.prod(np.sum(s**2, axis=0)))
    np.testing.assert_allclose(variance_weights(*models), 1.0 - rho**2, rtol=1e-10)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
def test_calibration():
    """Null rejections at 10 % of both tests over 30 data sets lie within four errors.

    The long form is in validation/comparison.
    """
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(30), 3)
    close, same = [], []
    for _ in range(30):
        data = pd.DataFrame(rng.standard_normal((90, 2)), columns=["x", "z"]).assign(g=g)
        noise = rng.standard_normal(30)[g] + rng.standard_normal(90)
        for effect, out in ((0.6, close), (0.0, same)):
            data["y"] = effect * (data["x"] + data["z"]) + noise
            test = mc.vuong(*(mc.glmm(f"y ~ {v} + (1 | g)", data) for v in "xz"))
            out.append(test.pvalue if effect else test.variance_pvalue)
    limit = 0.1 + 4.0 * np.sqrt(0.09 / 30)
    assert np.mean(np.array(close) < 0.1) < limit
    assert np.mean(np.array(same) < 0.1) < limit
    assert np.mean(np.array(same) < 0.5) > 0.5 - 4.0 * np.sqrt(0.25 / 30)


def test_common_group():
    """Models of different grouping factors need a factor that contains both."""
    brood = fit("grouseticks", "TICKS ~ YEAR + (1 | BROOD)", "poisson")
    each = fit("grouseticks", "TICKS ~ YEAR + (1 | INDEX)", "poisson")
    with pytest.raises(mc.OptionError, match="'BROOD' and 'INDEX'; write group="):
        mc.vuong(brood, each)
    assert mc.vuong(brood, each, group="BROOD").differences.size == 118
    with pytest.raises(mc.OptionError, match="no sum over the levels of 'INDEX'"):
        mc.vuong(brood, each, group="INDEX")


def test_nested_models(days):
    """Nested models are for the likelihood-ratio test."""
    for pair in ((days["intercept"], days["slope"]), (days["slope"], days["intercept"])):
        with pytest.raises(mc.ComparisonError, match=r"write lrt\(smaller, larger\)"):
            mc.vuong(*pair)


def test_bad_input(ticks_by_brood, days):
    """Other data, unknown corrections and models without groups are refused."""
    a, b = ticks_by_brood
    with pytest.raises(mc.OptionError, match="write 'aic' or 'none'"):
        mc.vuong(a, b, correction="bic")
    with pytest.raises(mc.ComparisonError, match="cannot be compared"):
        mc.vuong(a, days["slope"])
    with pytest.raises(mc.OptionError, match="known by groups"):
        mc.vuong(Known(), Known(description={"family": "nbinom2"}))


def test_record(ticks_by_brood):
    """Text, HTML, JSON and table hold both tests."""
    test = mc.vuong(*ticks_by_brood)
    assert "cannot be told apart" in str(test)
    assert "<table" in test._repr_html_()
    held = json.loads(test.to_json())
    assert held["pvalue"] == test.pvalue
    assert len(held["differences"]) == 118
    assert test.to_frame()["null"].tolist() == ["indistinguishable", "equally close"]
    assert "groups=118" in repr(test)
