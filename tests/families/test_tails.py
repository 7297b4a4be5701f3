"""Tails: the seams between the formulas of one function, and masking."""

import mpmath
import numpy as np
import pytest

from mixcheck.families.tails import extreme_value_tails, mask_tails, normal_tails, reflect_tails

RELATIVE = 1e-10
"""Rounding grows to 1e-11 where the direct formula hands over to the continued fraction."""


@pytest.mark.parametrize("order", [1, 2, 3])
def test_normal_tails_have_no_seam(order):
    """Just below and above 5, where the continued fraction begins, mpmath agrees."""
    x = np.array([4.999999, 5.0, 5.000001])
    far, _ = normal_tails(x, 3)
    with mpmath.workdps(60):
        for point, value in zip(x, far[order], strict=True):
            exact = mpmath.diff(lambda t: mpmath.log(mpmath.ncdf(t)), -mpmath.mpf(point), order)
            assert value == pytest.approx(float(exact), rel=RELATIVE)


@pytest.mark.parametrize("hazard", [1e-12, 0.4999, 0.5, 0.5001, 0.6999, 0.7001])
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_extreme_value_tails_have_no_seam(hazard, order):
    """Around the ends of the Bernoulli series and of the two logarithms, mpmath agrees."""
    eta = np.log(hazard)
    p, _ = extreme_value_tails(np.array([eta]), 3)
    with mpmath.workdps(60):
        exact = mpmath.diff(
            lambda t: mpmath.log(-mpmath.expm1(-mpmath.exp(t))), mpmath.mpf(float(eta)), order
        )
    assert p[order][0] == pytest.approx(float(exact), rel=RELATIVE)


def test_reflection_chooses_the_tail_by_the_sign():
    """Left of zero F has the far tail; odd derivatives of log(1 - F) change sign."""
    far, near = (np.array([-3.0, -3.0]), np.array([2.0, 2.0])), (np.zeros(2), np.ones(2))
    p, q = reflect_tails(np.array([-1.0, 1.0]), far, near)
    np.testing.assert_array_equal(p, [[-3.0, 0.0], [2.0, 1.0]])
    np.testing.assert_array_equal(q, [[0.0, -3.0], [-1.0, -2.0]])


def test_masking_leaves_a_whole_domain_alone():
    """With every row inside, the arrays are returned as they are."""
    tail = (np.ones(2), np.ones(2))
    assert mask_tails(np.array([True, True]), tail, tail) == (tail, tail)
    p, _ = mask_tails(np.array([True, False]), tail, tail)
    np.testing.assert_array_equal(p, [[1.0, -np.inf], [1.0, 0.0]])
