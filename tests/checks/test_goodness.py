"""Distances from uniform against scipy, and intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from mixcheck.checks.goodness import (
    anderson_darling,
    clopper_pearson,
    cramer_von_mises,
    distance_band,
    dkw_halfwidth,
    kolmogorov_smirnov,
)

ROUNDING = 1e-12


@pytest.fixture(params=[1, 2, 17, 400])
def ordered(request):
    """Sorted uniform numbers."""
    return np.sort(np.random.default_rng(request.param).random(request.param))


def test_kolmogorov_smirnov(ordered):
    """The distance is scipy's."""
    assert kolmogorov_smirnov(ordered) == pytest.approx(
        stats.kstest(ordered, "uniform").statistic, rel=ROUNDING
    )


def test_cramer_von_mises(ordered):
    """The statistic is scipy's."""
    if ordered.size > 1:
        expected = stats.cramervonmises(ordered, "uniform").statistic
        assert cramer_von_mises(ordered) == pytest.approx(expected, rel=ROUNDING)


def test_anderson_darling_is_its_integral():
    """A^2 = n times the integral of (F_n - u)^2 / (u (1 - u)), done exactly between the points."""
    ordered = np.array([0.1, 0.45, 0.8])
    edges = np.concatenate([[0.0], ordered, [1.0]])

    def piece(share: float, low: float, high: float) -> float:
        # Antiderivative of (share - u)^2 / (u (1 - u)), term by term.
        at_0 = share**2 * (math.log(high / low) if low else 0.0)
        at_1 = (1 - share) ** 2 * (math.log((1 - low) / (1 - high)) if high < 1 else 0.0)
        return at_0 + at_1 - (high - low)

    integral = sum(piece(k / 3, edges[k], edges[k + 1]) for k in range(4))
    assert anderson_darling(ordered) == pytest.approx(3 * integral, rel=ROUNDING)


def test_the_band_is_the_distance():
    """Sorted numbers lie inside the band of D exactly when their distance is at most D."""
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        ordered = np.sort(rng.random(15))
        low, high = distance_band(15, 0.25)
        within = bool(np.all((ordered >= low) & (ordered <= high)))
        assert within == (kolmogorov_smirnov(ordered) <= 0.25)
        inside += within
    assert 0 < inside < 200


def test_dkw_holds_its_level():
    """At n = 50 the distance exceeds the half width in at most 5 % of samples, and in some."""
    exact = stats.kstwo.sf(dkw_halfwidth(50), 50)
    assert 0.03 < exact <= 0.05


@pytest.mark.parametrize(("count", "n"), [(0, 10), (3, 10), (10, 10), (7, 1000)])
def test_clopper_pearson(count, n):
    """The interval is scipy's exact one."""
    expected = stats.binomtest(count, n).proportion_ci(method="exact")
    # scipy searches for the bounds numerically.
    assert clopper_pearson(count, n) == pytest.approx((expected.low, expected.high), abs=1e-9)
