"""Stirling's error and rising factorials against mpmath."""

import mpmath
import numpy as np
import pytest

from mixcheck.families.special import gap_of_share, log_gap, rising_logs, stirling_errors

mp = mpmath.mp
ERRORS = 1e-11
"""The second derivative of Stirling's error vanishes at zero, which costs four digits there."""
RISES = 1e-10
ARGUMENTS = [10.0**k for k in range(-6, 9)] + [0.3, 2.5, 10.9, 11.0, 11.01, 20.0]


def delta(log_x):
    """Stirling's error by its definition."""
    x = mp.exp(log_x)
    return mp.loggamma(x) - (x - mp.mpf(1) / 2) * log_x + x - mp.log(2 * mp.pi) / 2


@pytest.mark.parametrize("x", ARGUMENTS)
def test_errors_match_arbitrary_precision(x):
    """Value and three derivatives in log x, across the shift at 11."""
    found = stirling_errors(np.array([x]), 3)
    with mpmath.workdps(60):
        for order, value in enumerate(found):
            exact = float(mp.diff(delta, mp.log(mp.mpf(x)), order))
            assert value[0] == pytest.approx(exact, rel=ERRORS)


@pytest.mark.parametrize("y", [2.0, 3.0, 15.0, 16.0, 12.5, 1e4, 5e7])
@pytest.mark.parametrize("theta", [1e-6, 0.3, 1.0, 10.9, 40.0, 1e8])
def test_rising_sums_match_arbitrary_precision(y, theta):
    """Value and three derivatives in log theta: steps, series, and between whole numbers."""

    def exact(log):
        t = mp.exp(log)
        return mp.loggamma(y + t) - mp.loggamma(t) - y * log

    with mpmath.workdps(60):
        for order, value in enumerate(rising_logs(np.array([y]), np.array([theta]), 3)):
            expected = float(mp.diff(exact, mp.log(mp.mpf(theta)), order))
            assert value[0] == pytest.approx(expected, rel=RISES, abs=1e-13)


def test_a_constant_parameter_is_looked_up_and_others_are_not():
    """The table of a constant theta holds what each row would have computed."""
    y = np.random.default_rng(1).poisson(9.0, 200).astype(np.float64)
    constant = rising_logs(y, np.full(200, 1.7), 3)
    varied = rising_logs(np.append(y, 2.0), np.append(np.full(200, 1.7), 3.0), 3)
    for a, b in zip(constant, varied, strict=True):
        np.testing.assert_allclose(a, b[:200], rtol=1e-13, atol=1e-15)


def test_no_sum_is_longer_than_the_floats():
    """Fifteen factors of 1e100 overflow as a product, and do not as logarithms."""
    value = rising_logs(np.array([15.0, 2.0]), np.array([1e-100, 1e-90]), 1)[0]
    expected = 14 * 100 * np.log(10.0) + mp.loggamma(15)
    assert value[0] == pytest.approx(float(expected), rel=1e-14)


@pytest.mark.parametrize("z", [-0.999, -0.3, -1e-9, 1e-9, 0.249, 0.251, 1e6])
def test_gaps_do_not_cancel(z):
    """Gaps z - log(1 + z), and log(1 + z) - z / (1 + z), near zero and far from it."""
    with mpmath.workdps(40):
        exact = mp.mpf(z) - mp.log(1 + mp.mpf(z))
        share = mp.log(1 + mp.mpf(z)) - mp.mpf(z) / (1 + mp.mpf(z))
    column = np.array([z])
    assert log_gap(column, np.log1p(column))[0] == pytest.approx(float(exact), rel=1e-14)
    if z > 0.0:
        found = gap_of_share(column, column / (1.0 + column), np.log1p(column))
        assert found[0] == pytest.approx(float(share), rel=1e-14)
