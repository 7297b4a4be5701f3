"""Statistics of a user's own."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.checks import DataSet, Statistic, Suite
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


def swing(data: DataSet) -> float:
    """Product of the residuals of successive rows of one half, which uses all that is given."""
    assert data.response.shape == data.mean.shape == data.variance.shape == data.fitted.shape
    r = data.pearson[(data.frame["half"] == "a").to_numpy()]
    return float(np.mean(r[1:] * r[:-1]) + 0.0 * data.residuals.sum())


def test_a_function_may_see_residuals_and_columns(seen):
    """With of="data" it is given Pearson residuals given the modes, and the rows' own columns."""
    suite = Suite((Statistic(swing, of="data"), Statistic(swing, of="data").where("half", "a")))
    whole, part = suite.run(seen).findings
    view, rows = seen.observed, (seen.replicates.model.frame["half"] == "a").to_numpy()
    r = ((view.response - view.mode_mean) / np.sqrt(view.mode_variance))[rows]
    assert whole.statistic == part.statistic == pytest.approx(np.mean(r[1:] * r[:-1]))
    assert whole.n == 2 * part.n
    assert Suite.from_json(suite.to_json()) == suite
    assert whole.picture.x_label == "swing"


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda y: 0.0, "found a lambda, which has no name"),
        (replicate_values.__get__(1), "can be imported by its name"),
        (None, "found None"),
    ],
)
def test_functions_without_a_name_are_told_what_to_write(function, words):
    """A lambda cannot be found again by another process; the message shows a def."""
    with pytest.raises(OptionError, match=r"def largest\(y\)") as told:
        Statistic(function)
    assert words in str(told.value)
    with pytest.raises(OptionError, match="'response', 'data'"):
        Statistic(np.max, of="frame")
