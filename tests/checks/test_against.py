"""What residuals are looked at against: words that are read, and columns that say nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mixcheck.checks import Spread, Trend
from mixcheck.checks.against import ask_against, is_number, known_rows
from mixcheck.checks.statistic import CheckContext
from mixcheck.errors import OptionError, UnknownColumnError
from mixcheck.quantile_residuals import residuals
from mixcheck.report.finding import Skipped


@pytest.mark.parametrize("check", [Trend, Spread])
@pytest.mark.parametrize("wrong", ["", 3, None])
def test_only_names_are_read(check, wrong):
    """What is no text names neither the fitted values nor a column."""
    with pytest.raises(OptionError, match="against must be"):
        check(wrong)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.ones(40), "predictor z is the same in every row"),
        (["a"] * 40, "only one level"),
        ([str(k) for k in range(40)], "a level for each row"),
        (np.full(40, np.nan), "No row has a value of z"),
    ],
)
def test_columns_without_information_are_skipped(toy, values, reason):
    """Whichever check asks, the reason is the same."""
    model = toy("gaussian", 2)
    seen = residuals(model, seed=1).observed
    context = CheckContext(model, seen, model.frame.assign(z=values))
    for check in (Trend("z"), Spread("z")):
        (outcome,) = ask_against(check, context)
        assert isinstance(outcome, Skipped)
        assert reason in outcome.reason
    with pytest.raises(UnknownColumnError, match="no column is called 'w'"):
        ask_against(Trend("w"), context)


def test_true_and_false_are_no_numbers():
    """And a number is known where it is finite."""
    assert not is_number(pd.Series([True, False]))
    assert is_number(pd.Series([1, 2]))
    known = known_rows(pd.Series([1.0, np.inf, np.nan]))
    assert known.tolist() == [True, False, False]
    assert known_rows(pd.Series(["a", None])).tolist() == [True, False]
