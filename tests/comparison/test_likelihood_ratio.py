"""The likelihood-ratio test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import chdtrc

import mixcheck as mc
from mixcheck.comparison.chi_bar_square import half_and_half

from .conftest import Known, N, Unconverged, X, fit

VALIDATION = Path(__file__).parents[2] / "validation"
GAUSSIAN_TOLERANCE = 1e-6
# lme4's optimiser stops about 1e-5 before the optimum in Poisson and binomial models.
LME4_TOLERANCE = 5e-5


def test_random_slope_as_in_lme4(days):
    """Intercept against slope of the sleep study is R's anova on lme4 1.1-31, by ML."""
    test = mc.lrt(days["intercept"], days["slope"])
    assert test.df == 2
    assert test.statistic == pytest.approx(42.1392985162, abs=GAUSSIAN_TOLERANCE)
    assert test.boundary
    assert test.weights == ((1, 0.5), (2, 0.5))
    assert test.pvalue == pytest.approx(3.9611954e-10, rel=1e-6)
    plain = mc.lrt(days["intercept"], days["slope"], boundary="chi-square")
    assert plain.pvalue == pytest.approx(7.0724126e-10, rel=1e-6)
    assert any("conservative" in note for note in plain.notes)


def test_restricted_likelihoods_as_in_lme4():
    """With the same fixed effects REML fits are compared too: ranova of lmerTest 3.1-3."""
    data = mc.datasets.load("sleepstudy")
    pair = [
        mc.glmm(f"Reaction ~ Days + ({effects} | Subject)", data, reml=True)
        for effects in ("1", "Days")
    ]
    test = mc.lrt(*pair)
    assert test.statistic == pytest.approx(42.8368134350, abs=1e-4)
    plain = mc.lrt(*pair, boundary="chi-square")
    assert plain.pvalue == pytest.approx(4.9900414e-10, rel=1e-4)


def test_fixed_effect_as_in_lme4(days):
    """The slope of the sleep study is R's anova on lme4 1.1-31, by ML; no boundary is near."""
    test = mc.lrt(days["constant"], days["slope"])
    assert test.df == 1
    assert test.statistic == pytest.approx(23.5365374731, abs=GAUSSIAN_TOLERANCE)
    assert test.pvalue == pytest.approx(1.2256400e-6, rel=1e-6)
    assert not test.boundary
    assert not test.notes


def test_poisson_as_in_lme4(ticks):
    """Altitude in the grouse ticks is R's anova on lme4 1.1-31."""
    test = mc.lrt(ticks["year"], ticks["altitude"])
    assert test.statistic == pytest.approx(52.5120508784, abs=LME4_TOLERANCE)
    assert "1 further fixed effect is zero" in test.null


def test_bacteria_as_in_pbkrtest():
    """Treatment in the bacteria is the likelihood ratio that pbkrtest 0.5 reports on lme4."""
    smaller = fit("bacteria", "y ~ {week > 2} + (1 | ID)", "binomial")
    larger = fit("bacteria", "y ~ trt + {week > 2} + (1 | ID)", "binomial")
    test = mc.lrt(smaller, larger)
    assert test.df == 2
    assert test.statistic == pytest.approx(4.2528072649, abs=LME4_TOLERANCE)
    assert test.pvalue == pytest.approx(0.119265, abs=5e-6)


def test_a_correlation_is_no_boundary(days):
    """Uncorrelated random effects are nested in correlated ones, inside the parameter space."""
    test = mc.lrt(days["uncorrelated"], days["slope"])
    assert test.df == 1
    assert not test.boundary
    assert "uncorrelated" in test.null


def test_other_coding_is_nested():
    """Names play no part: days are nested in hours and their square."""
    data = mc.datasets.load("sleepstudy")
    data["hours"] = 24.0 * data["Days"] + 5.0
    smaller = mc.glmm("Reaction ~ Days + (1 | Subject)", data)
    larger = mc.glmm("Reaction ~ hours + {hours**2} + (1 | Subject)", data)
    assert mc.lrt(smaller, larger).df == 1


def test_same_names_are_not_nested():
    """Names play no part: a column of one name with other values is refused."""
    other = X.copy()
    other[:, 1] = np.sin(X[:, 1])
    wider = np.column_stack([other, X[:, 1] ** 3])
    larger = Known(llf=-8.0, n_parameters=4, fixed_matrices={"mean": wider})
    with pytest.raises(mc.ComparisonError, match="no combination of those of the larger"):
        mc.lrt(Known(), larger)


def test_wrong_order(days):
    """The larger model first raises, and says how to write it."""
    with pytest.raises(mc.ComparisonError, match=r"lrt\(smaller, larger\) with the simpler"):
        mc.lrt(days["slope"], days["intercept"])


def test_equal_models(days):
    """A model against itself has nothing to test."""
    with pytest.raises(mc.ComparisonError, match="6 parameters and the smaller one 6"):
        mc.lrt(days["slope"], days["slope"])


def test_other_grouping_factor(ticks):
    """A term of another grouping factor contains nothing."""
    larger = fit("grouseticks", "TICKS ~ YEAR + cHEIGHT + (1 | LOCATION)", "poisson")
    with pytest.raises(mc.ComparisonError, match=r"no random term .* contains .*BROOD"):
        mc.lrt(ticks["year"], larger)


def test_lost_correlation():
    """More fixed effects do not make up for a correlation that is gone."""
    slopes = ("g", X)
    smaller = Known(n_parameters=4, fixed_matrices={"mean": X[:, :1]}, random_terms={"a": slopes})
    larger = Known(
        llf=-8.0,
        n_parameters=5,
        fixed_matrices={"mean": np.column_stack([X, X[:, 1] ** 2])},
        random_terms={"a": slopes},
    )
    with pytest.raises(mc.ComparisonError, match="correlations of random effects"):
        mc.lrt(smaller, larger)


def test_predictor_of_another_kind():
    """A random term of the dispersion is not contained in one of the mean."""
    ones = np.ones((N, 1))
    matrices = {"mean": X, "dispersion": ones}
    smaller = Known(
        n_parameters=4, fixed_matrices=matrices, random_terms={"dispersion: (1 | g)": ("g", ones)}
    )
    larger = Known(
        llf=-8.0,
        n_parameters=5,
        fixed_matrices={"mean": np.column_stack([X, X[:, 1] ** 2]), "dispersion": ones},
        random_terms={"mean: (1 | g)": ("g", ones)},
    )
    with pytest.raises(mc.ComparisonError, match="contains 'dispersion"):
        mc.lrt(smaller, larger)
    with pytest.raises(mc.ComparisonError, match="predictor of its dispersion"):
        mc.lrt(smaller, Known(llf=-8.0, n_parameters=5))


@pytest.mark.parametrize(
    ("item", "one", "other"),
    [("family", "poisson", "nbinom2"), ("link", "log", "sqrt"), ("method", "laplace", "agq")],
)
def test_other_likelihood(item, one, other):
    """Another family, link or approximation is no special case."""
    smaller = Known(description={item: one})
    larger = Known(llf=-8.0, n_parameters=4, description={item: other})
    with pytest.raises(mc.ComparisonError, match=rf"{item} \({one} and {other}\)"):
        mc.lrt(smaller, larger)


def _larger(llf: float, kind: type[Known] = Known) -> Known:
    return kind(
        llf=llf,
        n_parameters=4,
        fixed_matrices={"mean": np.column_stack([X, X[:, 1] ** 2])},
        description=Known().description | {"formula": "y ~ x + x2 + (1 | g)"},
    )


def test_negative_statistic():
    """A likelihood below that of the smaller model raises; its size is never taken instead."""
    with pytest.raises(mc.ComparisonError, match=r"statistic is -2.* did not reach its optimum"):
        mc.lrt(Known(), _larger(-11.0))


def test_rounding_below_zero():
    """A statistic that is negative by rounding is zero, and its p-value is one."""
    test = mc.lrt(Known(), _larger(-10.0 - 1e-8))
    assert (test.statistic, test.pvalue) == (0.0, 1.0)


def test_small_pvalues_are_not_zero():
    """The upper tail is computed as such: a statistic of 1,000 has its p-value."""
    test = mc.lrt(Known(), _larger(490.0))
    # mpmath: erfc(sqrt(500)) with 30 digits.
    assert test.pvalue == pytest.approx(1.7958327848007363e-219, rel=1e-10)


def test_unconverged_model():
    """A model that did not converge is named in the notes."""
    test = mc.lrt(Known(), _larger(-8.0, Unconverged))
    assert test.notes == (
        "y ~ x + x2 + (1 | g) did not converge: the statistic is not to be trusted.",
    )


def test_as_text_and_html(days):
    """The record shows its null hypothesis, the numbers and the note."""
    test = mc.lrt(days["intercept"], days["slope"])
    assert "Null hypothesis" in str(test)
    assert "42.1" in str(test)
    assert "&lt; 0.001" in test._repr_html_()


LIMITS = json.loads((VALIDATION / "comparison" / "limits.json").read_text())
TICKS, HERDS = "TICKS ~ YEAR + (1 | BROOD)", "incidence / size ~ period + (1 | herd)"
AGAINST = {
    "nbinom1": (TICKS, "ticks", {"family": "nbinom1"}, "dispersion"),
    "nbinom2": (TICKS, "ticks", {"family": "nbinom2"}, "dispersion"),
    "zero_inflated_poisson": (TICKS, "ticks", {"family": "poisson", "zi": "~ 1"}, "zero part"),
    "betabinomial": (HERDS, "herds", {"family": "betabinomial"}, "dispersion"),
}


@pytest.mark.parametrize("name", AGAINST)
@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
def test_families_against_their_limits_as_in_glmmtmb(name):
    """Twice the difference of glmmTMB's log-likelihoods, half of it on no degree of freedom."""
    formula, case, options, part = AGAINST[name]
    data = mc.datasets.load({"ticks": "grouseticks", "herds": "cbpp"}[case])
    limit = {"ticks": "poisson", "herds": "binomial"}[case]
    test = mc.lrt(mc.glmm(formula, data, family=limit), mc.glmm(formula, data, **options))
    known = 2.0 * (LIMITS[case][name] - LIMITS[case][limit])
    assert test.statistic == pytest.approx(known, abs=LME4_TOLERANCE)
    assert test.boundary
    assert test.weights == ((0, 0.5), (1, 0.5))
    assert test.pvalue == pytest.approx(0.5 * chdtrc(1, known), rel=1e-4)
    assert f"{name} is {limit}, at the end of its {part}." in str(test).replace("\n", " ")


@pytest.fixture(scope="module")
def poisson_data() -> pd.DataFrame:
    """Poisson counts in 20 groups."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat(np.arange(20), 6), "x": rng.normal(size=120)})
    data["y"] = rng.poisson(np.exp(0.6 + 0.4 * data["x"] + 0.4 * rng.normal(size=20)[data["g"]]))
    return data


@pytest.mark.filterwarnings("ignore::mixcheck.errors.MixcheckWarning")
def test_what_is_new_beside_a_limit(poisson_data):
    """Fixed effects add degrees of freedom; of two boundaries the largest p-value is taken."""
    small = mc.glmm("y ~ 1 + (1 | g)", poisson_data, family="poisson")
    sloped = mc.glmm("y ~ x + (1 | g)", poisson_data, family="nbinom2")
    assert mc.lrt(small, sloped).weights == ((1, 0.5), (2, 0.5))
    assert "nbinom2 is poisson" in mc.lrt(small, sloped).null
    assert "1 further fixed effect is zero" in mc.lrt(small, sloped).null
    both = mc.lrt(small, mc.glmm("y ~ 1 + (1 | g)", poisson_data, family="nbinom2", zi="~ 1"))
    assert both.weights == ((1, 0.5), (2, 0.5))
    assert "several parameters are on their boundary at once" in both.notes[0]
    plain = mc.lrt(small, sloped, boundary="chi-square")
    assert plain.weights == ((2, 1.0),)
    assert "conservative" in plain.notes[0]
    with pytest.raises(mc.ComparisonError, match="not the other way round"):
        mc.lrt(mc.glmm("y ~ 1 + (1 | g)", poisson_data, family="nbinom2"), small)


@pytest.mark.filterwarnings("ignore::mixcheck.errors.MixcheckWarning")
def test_limits_that_leave_parameters_without_meaning(poisson_data):
    """Slopes of a dispersion do not exist where it has vanished; without an intercept it cannot."""
    small = mc.glmm("y ~ x + (1 | g)", poisson_data, family="poisson")
    for options in ({"family": "nbinom2", "dispersion": "~ x"}, {"family": "poisson", "zi": "~ x"}):
        wide = mc.glmm("y ~ x + (1 | g)", poisson_data, **options)
        with pytest.raises(mc.ComparisonError, match=r"does not exist.*write mixcheck.bootstrap"):
            mc.lrt(small, wide)
    found = mc.bootstrap_lrt(small, wide, draws=19, seed=1)
    assert found.asymptotic_pvalue is None
    assert found.bartlett_pvalue is None
    assert 0.05 <= found.pvalue <= 1.0
    lost = mc.glmm("y ~ x + (1 | g)", poisson_data, family="poisson", zi="~ 0 + x")
    with pytest.raises(mc.ComparisonError, match="without an intercept the zero part cannot"):
        mc.lrt(small, lost)


@pytest.mark.filterwarnings("ignore::mixcheck.errors.MixcheckWarning")
@pytest.mark.parametrize(
    "options",
    [
        {"family": "nbinom1"},
        {"family": "nbinom2"},
        {"family": "poisson", "zi": "~ 1"},
    ],
    ids=str,
)
@pytest.mark.slow
def test_level_of_families_against_their_limits(options):
    """Of 400 Poisson data sets 5 and 20 % are rejected, and half have no gain, to 3 errors."""
    rng = np.random.default_rng(11)
    data = pd.DataFrame({"g": np.repeat(np.arange(20), 15)})
    data["y"] = rng.poisson(np.exp(1.0 + 0.4 * rng.normal(size=20)[data["g"]]))
    small = mc.glmm("y ~ 1 + (1 | g)", data, family="poisson")
    wide = mc.glmm("y ~ 1 + (1 | g)", data, **options)
    test, mixture = mc.bootstrap_lrt(small, wide, draws=400, seed=1), half_and_half(0)
    assert not test.failures
    pvalues = np.array([mixture.sf(value) for value in test.statistics])
    for level in (0.05, 0.2):
        share = np.mean(pvalues < level)
        assert abs(share - level) < 3 * np.sqrt(level * (1 - level) / 400), (level, share)
    assert abs(np.mean(test.statistics < 1e-4) - 0.5) < 3 * np.sqrt(0.25 / 400)
