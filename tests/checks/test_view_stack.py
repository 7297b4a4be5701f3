"""Many data sets as one view: their arrays, and statistics of all of them at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mixcheck.checks import (
    Dispersion,
    Heaping,
    Outliers,
    Quantiles,
    RandomEffects,
    Spread,
    Suite,
    Trend,
    Uniformity,
    Zeros,
)
from mixcheck.checks.run import _AllNumbers
from mixcheck.checks.statistic import CheckContext, CheckStatistic
from mixcheck.checks.view_stack import stack_views
from mixcheck.datasets import load
from mixcheck.fitting.glmm import glmm
from mixcheck.port import port_of
from mixcheck.simulation import replicate

DATA_SETS, LOOKS = 3, 2
# Sums of some hundred numbers in another order.
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def model():
    """Counts of salamanders at sites."""
    return port_of(glmm("count ~ mined + (1 | site)", load("Salamanders"), family="poisson"))


@pytest.fixture(scope="module")
def data_sets(model):
    """Refitted replicates, each seen twice."""
    plan = replace(replicate(model, seed=5, draws=10, calibration="refit"), randomisations=LOOKS)
    return plan.batch(range(DATA_SETS))


def test_a_stack_has_axes_of_data_sets_and_looks(data_sets):
    """What all looks at a data set share is there once; the rest for each look."""
    stack, one = stack_views(data_sets), data_sets[2][1]
    n = one.response.size
    assert stack.residuals.shape == stack.mean.shape == (DATA_SETS, LOOKS, n)
    assert stack.response.shape == stack.fitted.shape == stack.mode_mean.shape == (DATA_SETS, 1, n)
    np.testing.assert_array_equal(stack.residuals[2, 1], one.residuals)
    np.testing.assert_array_equal(stack.response[2, 0], one.response)
    (term,) = one.effects
    assert list(stack.effects) == [term]
    np.testing.assert_array_equal(stack.effects[term][2, 1], one.effects[term])
    np.testing.assert_array_equal(stack.probability(0.0)[2, 1], one.probability(0.0))
    np.testing.assert_array_equal(stack.mode_probability(1.0)[2, 0], one.mode_probability(1.0))
    np.testing.assert_array_equal(stack.scores["mean"][2, 0], one.scores["mean"])
    some = stack.rows(np.array([3, 7]))
    np.testing.assert_array_equal(some.residuals[2, 1], one.residuals[[3, 7]])
    np.testing.assert_array_equal(some.probability(0.0)[2, 1], one.probability(0.0)[[3, 7]])


def test_numbers_of_many_are_those_of_each(model, data_sets):
    """For every check of rows and effects, of all rows or of some, with refitted predictions."""
    asked = Suite(
        (
            *Suite.full(model),
            *(Uniformity(name).named(name) for name in ("ad", "cvm")),
            Dispersion("variance").named("variance"),
            Outliers(0.01).named("share"),
            RandomEffects("ks").named("distance"),
            Heaping(5).named("fives"),
            *(check.by("mined") for check in (Trend(), Spread(), Quantiles(), Zeros())),
            Trend("cover"),
            Trend("spp"),
        )
    )
    context = CheckContext(model, replicate(model, seed=1).observe(), model.frame)
    outcomes = [outcome for check in asked for outcome in check.plan(context)]
    measures = tuple(one for one in outcomes if isinstance(one, CheckStatistic))
    assert len(measures) > 20
    together = _AllNumbers(measures).parts(data_sets)
    for measure, numbers in zip(measures, together, strict=True):
        alone = np.array([[measure.numbers(view) for view in views] for views in data_sets])
        scale = np.abs(alone).max() + 1.0
        np.testing.assert_allclose(numbers, alone, rtol=0.0, atol=ROUNDING * scale)


def test_numbers_do_not_depend_on_what_stands_beside(model, data_sets):
    """To the last digit, so that batches and workers change nothing."""
    context = CheckContext(model, data_sets[0][0], model.frame)
    measures = tuple(
        one
        for check in Suite.standard()
        for one in check.plan(context)
        if isinstance(one, CheckStatistic)
    )
    numbers = _AllNumbers(measures)
    together = numbers.of_many(data_sets)
    for k, views in enumerate(data_sets):
        np.testing.assert_array_equal(numbers.of_many([views])[0], together[k])
