"""Numbers of replicate data sets; `test_simulation` has their plans, in use."""

from __future__ import annotations

from collections import Counter

import numpy as np

from mixcheck.checks.replicate_numbers import _reasons, average


def test_reasons_are_told_briefly():
    """Of many long reasons the commonest is told, cut, and the number of the others."""
    said = _reasons(Counter({"a" * 1000: 3, "b" * 1000: 2, "c": 1}))
    assert said == f"{'a' * 300}.. (2 more with other reasons)"
    assert _reasons(Counter({"c": 1})) == "c"


def test_numbers_that_are_not_random_stay_as_they_are():
    """A mean of equal numbers is that number, to the last digit, and infinity where one is."""
    equal = np.full((3, 5, 2), 0.1) * np.array([1.0, 3.0])
    np.testing.assert_array_equal(average(equal), equal[:, 0])
    equal[0, 2, 0] = np.inf
    assert average(equal)[0, 0] == np.inf
