"""Statistics of a user's own."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.checks import Statistic, Suite
from mixcheck.errors import OptionError
from mixcheck.quantile_residuals import Residuals, residuals

DRAWS = 79


@pytest.fixture(params=["gaussian", "poisson"])
def seen(request, toy) -> Residuals:
    """Residuals of a right model."""
    return residuals(toy(request.param, 11), seed=3, draws=DRAWS)


def replicate_values(seen: Residuals, function) -> np.ndarray:
    """A function of every replicate."""
    plan = seen.replicates
    return np.array([function(plan.replicate(k)) for k in range(plan.size)])


def test_a_users_statistic_is_applied_to_responses(seen):
    """The statistic is the function of the response, here and in the replicates."""
    finding = Suite((Statistic("numpy:ptp"),)).run(seen)["statistic [ptp]"]
    null = replicate_values(seen, lambda data_view: np.ptp(data_view.response))
    np.testing.assert_array_equal(finding.replicates, null)
    assert finding.effect.value == pytest.approx(np.ptp(seen.observed.response) - null.mean())


def test_a_function_without_a_finite_number_is_refused(seen):
    """A statistic that gives a vector is the caller's error, not a silent NaN."""
    with pytest.raises(OptionError, match="one finite number"):
        Suite((Statistic(np.sort),)).run(seen)
