"""What residuals are regressed on: ranks of a number, and levels of a factor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mixcheck.checks.rank_basis import CURVE_RANKS, RankBasis
from mixcheck.checks.regressor import FactorLevels, RankCurve
from mixcheck.quantile_residuals import residuals

ROUNDING = 1e-12


@pytest.fixture(scope="module")
def levels():
    """Five levels of two to nine rows, in no order."""
    codes = np.random.default_rng(3).permutation(np.repeat(np.arange(5), [2, 9, 4, 3, 7]))
    return FactorLevels("site", codes, tuple("abcde"))


def test_a_curve_follows_fitted_values_of_its_own(toy):
    """With those of the data the basis stays; with others it is theirs; with none it is flat."""
    seen = residuals(toy("gaussian", 3), seed=1).observed
    x, values = np.random.default_rng(1).normal(size=(2, seen.response.size))
    basis, own = RankBasis.of(x), RankBasis.of(-(x**2))
    curve = RankCurve("fitted", x, basis, follows=True)
    coefficients, fit = curve.fit(values, replace(seen, fitted=x.copy()))
    np.testing.assert_allclose(coefficients, values @ basis.rows)
    np.testing.assert_allclose(fit, basis.curve @ coefficients)
    moved, _ = curve.fit(values, replace(seen, fitted=-(x**2)))
    np.testing.assert_allclose(moved, values @ own.rows)
    flat, level = curve.fit(values, replace(seen, fitted=np.ones(x.size)))
    assert not flat.any()
    assert not level.any()
    still = RankCurve("z", x, basis, follows=False)
    np.testing.assert_array_equal(still.fit(values, seen)[0], coefficients)
    assert (curve.points, curve.dimension) == (CURVE_RANKS.size, 4)
    assert (curve.words, curve.subject) == ("the fitted values", {})
    assert (still.words, still.subject) == ("z", {"column": "z"})


def test_levels_have_means_and_coefficients_of_one_variance(levels):
    """``sum / sqrt(n)`` and ``sum / n``, of one data set and of each of many."""
    values = np.random.default_rng(4).normal(size=(3, 2, 25))
    found = levels.regress(values)
    assert found.shape == (3, 2, 5)
    for k in range(5):
        own = values[..., levels.codes == k]
        root = np.sqrt(own.shape[-1])
        np.testing.assert_allclose(found[..., k], own.sum(axis=-1) / root, atol=ROUNDING)
        np.testing.assert_allclose(levels.read(found)[..., k], own.mean(axis=-1), atol=ROUNDING)
    np.testing.assert_array_equal(levels.regress(values[1, 0]), found[1, 0])


def test_what_stands_one_after_another_is_split(levels):
    """Coefficients, and then fits."""
    first, second = levels.split(np.arange(20.0).reshape(2, 10))
    np.testing.assert_array_equal(first, [[0, 1, 2, 3, 4], [10, 11, 12, 13, 14]])
    np.testing.assert_array_equal(second, first + 5.0)


def test_levels_are_drawn_less_the_middle_of_their_band(levels):
    """A level whose interval does not hold the null is outside its band."""
    fit, centre = np.array([1.0, 1.2, 0.7, 1.0, 1.6]), np.array([1.0, 1.1, 1.0, 0.9, 1.0])
    half = np.array([0.1, 0.2, 0.2, 0.2, 0.5])
    picture = levels.picture(
        fit, centre - half, centre + half, centre, null=1.0, title="Spread", unit="ratio"
    )
    np.testing.assert_allclose(picture.estimate, 1.0 + fit - centre)
    outside = (picture.low > 1.0) | (picture.high < 1.0)
    np.testing.assert_array_equal(picture.highlighted, outside)
    np.testing.assert_array_equal(outside, [False, False, True, False, True])
    assert picture.title == "Spread by site"


def test_of_many_levels_those_farthest_off_are_drawn():
    """Forty of them, in the order of the levels."""
    m = 60
    factor = FactorLevels("plot", np.repeat(np.arange(m), 2), tuple(map(str, range(m))))
    fit = np.random.default_rng(2).permutation(np.linspace(-1.0, 1.0, m))
    band = np.full(m, 0.5)
    picture = factor.picture(
        fit, -band, band, np.zeros(m), null=0.0, title="Mean residual", unit="sd"
    )
    assert picture.title == "Mean residual by plot (40 of 60 levels)"
    shown = np.array([int(label) for label in picture.labels])
    assert np.all(np.diff(shown) > 0)
    assert np.abs(fit[shown]).min() > np.abs(np.delete(fit, shown)).max()
