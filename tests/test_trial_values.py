"""Trial values may overflow without a warning, in nested functions and contexts too."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from mixcheck.trial_values import may_overflow


@may_overflow()
def _difference_of_infinities(depth: int) -> float:
    if depth:
        return _difference_of_infinities(depth - 1)
    large = np.exp(np.float64(1000.0))
    return float(large - large / np.float64(0.0))


def test_nothing_is_said_however_deep() -> None:
    """A decorated function may call itself, and a context may stand within."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with may_overflow(), may_overflow():
            assert np.isnan(_difference_of_infinities(2))


def test_elsewhere_numpy_speaks_again() -> None:
    """What was said before is said after."""
    with may_overflow():
        pass
    with pytest.warns(RuntimeWarning, match="overflow"):
        np.exp(np.float64(1000.0))
