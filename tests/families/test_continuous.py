"""What is particular to continuous families."""

import numpy as np

from mixcheck.families import Gaussian


def test_identity_link_leaves_out_what_is_zero():
    """The third derivative in the mean is absent for the identity, present for the log link."""
    eta = (np.ones(2), np.zeros(2))
    for link, present in (("identity", False), ("log", True)):
        family = Gaussian(link)
        found = family.derivatives(family.prepare([1.0, 2.0]), eta, 3)
        assert ((0, 0, 0) in found.third) is present


def test_start_of_the_log_link_is_positive():
    """Responses at or below zero are raised to a positive mean."""
    family = Gaussian("log")
    assert (family.start(family.prepare([-1.0, 0.0, 2.0])) > 0.0).all()


def test_dispersion_starts_at_the_standard_deviation():
    """Of the response; at one where it does not vary."""
    family = Gaussian()
    assert family.dispersion_start(family.prepare([1.0, 3.0])) == 1.0
    assert family.dispersion_start(family.prepare([2.0, 2.0])) == 1.0
    assert family.dispersion_start(family.prepare([0.0, 6.0])) == 3.0


def test_a_standard_deviation_out_of_the_floats_is_refused_row_by_row():
    """Only the row whose log sd is out of range is -inf."""
    family = Gaussian()
    data = family.prepare([0.0, 0.0])
    eta = (np.zeros(2), np.array([0.0, -400.0]))
    value = family.log_density(data, eta)
    assert np.isfinite(value[0])
    assert value[1] == -np.inf
    np.testing.assert_array_equal(family.derivatives(data, eta, 2).value, value)
