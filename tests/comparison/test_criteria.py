"""Information criteria."""

from __future__ import annotations

import math

import numpy as np
import pytest

import mixcheck as mc

from .conftest import Known

# lme4's own optimiser stops about 1e-5 before the optimum in these Poisson models.
LME4_TOLERANCE = 5e-5
# Both maximise a Gaussian likelihood, up to the rounding of the printed figures.
GAUSSIAN_TOLERANCE = 1e-7


def test_ticks_as_in_lme4(ticks):
    """AIC and BIC of two Poisson models are those of R's anova on lme4 1.1-31."""
    found = [(mc.aic(ticks[name]), mc.bic(ticks[name])) for name in ("year", "altitude")]
    expected = [(2038.5875434, 2054.5832896), (1988.0754925, 2008.0701753)]
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=LME4_TOLERANCE)


def test_growth_as_in_mumin(growth):
    """The AICc is that of MuMIn's dredge on lme4, by ML."""
    found = [mc.aicc(model) for model in growth.values()]
    expected = [441.4707411878, 445.4447204, 451.7778916, 515.3464405, 521.7219172]
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=GAUSSIAN_TOLERANCE)


def test_corrected_as_in_bbmle(ticks):
    """The AICc of two Poisson models is that of bbmle on lme4 (validation/comparison)."""
    found = [mc.aicc(ticks[name]) for name in ("year", "altitude")]
    expected = [2038.68804604971, 1988.2266256431]
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=LME4_TOLERANCE)


def test_correction_takes_the_groups_that_are_named(ticks):
    """With the 118 broods for n the correction is 2 k (k + 1) / (118 - k - 1)."""
    model = ticks["altitude"]
    found = mc.aicc(model, n="BROOD") - mc.aic(model)
    assert found == pytest.approx(2.0 * 5 * 6 / (118 - 5 - 1), abs=1e-10)


@pytest.mark.parametrize("k", [11, 12, 20])
def test_correction_needs_rows(k):
    """With n <= k + 1 there is no AICc: it would be infinite, or negative and win."""
    with pytest.raises(mc.ComparisonError, match=f"has {k} parameters and 12 observations"):
        mc.aicc(Known(n_parameters=k))
    assert mc.aicc(Known(n_parameters=10)) == pytest.approx(20.0 + 20.0 + 220.0)


def test_agree_with_the_fit(ticks):
    """The functions give what the attributes of our own fit give."""
    model = ticks["altitude"]
    assert mc.aic(model) == pytest.approx(model.aic, abs=1e-10)
    assert mc.bic(model) == pytest.approx(model.bic, abs=1e-10)


def test_bic_with_the_number_of_groups(ticks):
    """The penalty takes the number of levels of the factor that is named."""
    model = ticks["year"]
    difference = mc.bic(model) - mc.bic(model, n="BROOD")
    assert difference == pytest.approx(model.n_parameters * math.log(403 / 118), abs=1e-10)


def test_unknown_sample_size(ticks):
    """A factor that the model has not raises, and those that it has are listed."""
    with pytest.raises(mc.OptionError, match="write one of 'observations', 'BROOD'"):
        mc.bic(ticks["year"], n="NEST")


@pytest.mark.parametrize(
    "wrong", [None, "fit", mc.GLMM, mc.from_draws([0, 1], [[0, 1], [1, 1], [0, 0]])]
)
def test_no_likelihood(wrong):
    """What has no likelihood raises and says what would have one."""
    with pytest.raises(mc.OptionError, match=r"aic needs a fitted model .* mixcheck\.glmm"):
        mc.aic(wrong)


def test_likelihood_that_is_no_number():
    """A log-likelihood that is NaN is never passed on."""
    with pytest.raises(mc.ComparisonError, match="is nan"):
        mc.aic(Known(llf=math.nan))


def test_pseudo_likelihoods_have_no_criterion():
    """A PQL fit is refused by name, alone and in a comparison."""
    cbpp = mc.datasets.load("cbpp")
    formula = "incidence / size ~ period + (1 | herd)"
    pql = mc.glmm(formula, cbpp, family="binomial", method="pql")
    laplace = mc.glmm(formula, cbpp, family="binomial")
    for call in (mc.aic, mc.bic):
        with pytest.raises(mc.ComparisonError, match="fitted by pseudo-likelihood"):
            call(pql)
    with pytest.raises(mc.ComparisonError, match="fitted by pseudo-likelihood"):
        mc.compare({"pql": pql, "laplace": laplace})
