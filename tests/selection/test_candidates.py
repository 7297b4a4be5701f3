"""Candidates, criteria, and what one fit says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import ConvergenceError, OptionError
from mixcheck.port import port_of
from mixcheck.selection.candidates import Candidate, Score, assess, get_criterion, score_of

CANDIDATE = Candidate("m", {"formula": "m"})


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
    with pytest.raises(OptionError, match="returns a number"):
        score_of("good")


@pytest.mark.parametrize("name", ["aic", "bic", "logo"])
def test_criteria_by_name(name):
    """A name is a function of the same room, looked up when it is asked for."""
    shown, function = get_criterion(name)
    assert name in shown.lower()
    assert callable(function)


def test_unknown_criterion():
    """What is no criterion is refused with those that are."""
    with pytest.raises(OptionError, match="'aic', 'bic', 'caic', 'logo'"):
        get_criterion("r2")
    with pytest.raises(OptionError, match="must be a name"):
        get_criterion(3)  # type: ignore[arg-type]


def test_assess_says_what_a_fit_says(cbpp):
    """Criterion, likelihood, parameters and data of a fit."""
    seen = assess(CANDIDATE, lambda _: cbpp, mc.aic)
    assert seen.usable
    assert seen.score is not None
    assert seen.score.value == cbpp.aic
    assert (seen.llf, seen.df) == (cbpp.llf, cbpp.n_parameters)
    assert dict(seen.data)["rows"] == port_of(cbpp).data_digest["rows"]


def test_assess_keeps_the_reason(cbpp):
    """A fit that raises, and a criterion that is not a number, are reasons."""

    def fail(_):
        raise ConvergenceError("nowhere finite")

    assert assess(CANDIDATE, fail, mc.aic).reason == "ConvergenceError: nowhere finite"
    assert "nan" in assess(CANDIDATE, lambda _: cbpp, lambda _: float("nan")).reason
