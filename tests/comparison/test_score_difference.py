"""Paired differences of scores."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.comparison.score_difference import subtract_scores


def _scores(values, name="g") -> pd.Series:
    return pd.Series(values, pd.Index(range(len(values)), name=name))


def test_pairs():
    """What both models share cancels in the standard error."""
    shared = 10.0 * np.random.default_rng(1).standard_normal(50)
    found = subtract_scores(
        ("a", _scores(shared + 1.0)), ("b", _scores(shared + np.tile([0.0, 1.0], 25))), "levels"
    )
    assert found.difference == pytest.approx(25.0)
    assert found.se == pytest.approx(np.sqrt(50 * 0.25 * 50 / 49))


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ([1.0, 1.0, 1.1], "decides nothing"),
        ([9.0, -8.0, 9.0], "within two standard errors"),
        ([-9.0, -8.0, -9.0], "b predicts better than a by"),
    ],
)
def test_verdicts(difference, words):
    """A sentence for small, uncertain and clear differences."""
    zeros = _scores(np.zeros(3))
    found = subtract_scores(("a", _scores(difference)), ("b", zeros), "levels")
    assert words in found.verdict
    assert words in str(found)
    assert json.loads(found.to_json())["difference"] == found.difference
    assert found.to_frame().shape == (1, 6)


@pytest.mark.parametrize("other", [_scores([1.0, 2.0]), _scores([1.0, 2.0, 3.0], "h")])
def test_other_units(other):
    """Scores of other units are refused."""
    with pytest.raises(mc.ComparisonError, match="same units of the same data"):
        subtract_scores(("a", _scores([1.0, 2.0, 3.0])), ("b", other), "levels")
