"""Criteria and what they say of a model."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.comparison.criterion import Criterion, Score, paired_error, score_of

from .conftest import Known


class _Valued:
    value = 3.0


class _Scored:
    total = -2.0
    scores = pd.Series([-0.5, -1.5])


def test_score_of_results():
    """A number, a score, a value and log scores all become a score, smaller for better."""
    assert score_of(2).value == 2.0
    assert score_of(np.float64(2.5)).value == 2.5
    assert score_of(Score(1.0)).value == 1.0
    assert score_of(_Valued()).value == 3.0
    scored = score_of(_Scored())
    assert scored.value == 4.0
    assert scored.parts is not None
    assert scored.parts.tolist() == [1.0, 3.0]
    with pytest.raises(mc.OptionError, match="returns a number"):
        score_of("good")


def test_direction():
    """A result that is better where it is larger is ranked by minus twice it."""
    evidence = Criterion("evidence", "log evidence", lambda model: model.llf, larger=True)
    assert evidence.heading == "-2 log evidence"
    assert evidence.score(evidence.rate(Known(llf=-7.0), "a")).value == 14.0


def test_what_a_criterion_needs():
    """A model without it is refused: the message says what is needed."""
    from mixcheck.comparison.registry import CRITERIA

    with pytest.raises(mc.OptionError, match=r"criterion='caic' needs a model with a log-likelih"):
        CRITERIA["caic"].rate(Known(), "a")


def test_the_error_of_a_difference_is_over_pairs():
    """By hand: differences 1, 2 and 6 have the variance 7, and three of them sqrt(21)."""
    one, other = (Score(0.0, pd.Series(parts)) for parts in ([1.0, 2.0, 6.0], [0.0, 0.0, 0.0]))
    assert paired_error(one, other) == pytest.approx(math.sqrt(21.0))
    assert paired_error(one, Score(0.0)) is None
    assert paired_error(one, Score(0.0, pd.Series([1.0, 2.0]))) is None
    others = pd.Series([0.0, 0.0, 0.0], ["a", "b", "c"])
    assert paired_error(one, Score(0.0, others)) is None
    assert paired_error(one, Score(0.0, pd.Series([0.0, 0.0, 0.0]).rename_axis("herd"))) is None
