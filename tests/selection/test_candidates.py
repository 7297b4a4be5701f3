"""Candidates, and what one fit says."""

from __future__ import annotations

from mixcheck.comparison.registry import get_criterion
from mixcheck.errors import ConvergenceError
from mixcheck.port import port_of
from mixcheck.selection.candidates import Candidate, assess

CANDIDATE = Candidate("m", {"formula": "m"})


def test_assess_says_what_a_fit_says(cbpp):
    """Criterion, likelihood, parameters and data of a fit."""
    seen = assess(CANDIDATE, lambda _: cbpp, get_criterion("aic"))
    assert seen.usable
    assert seen.score is not None
    assert seen.score.value == cbpp.aic
    assert (seen.llf, seen.df) == (cbpp.llf, cbpp.n_parameters)
    assert dict(seen.data)["rows"] == port_of(cbpp).data_digest["rows"]


def test_assess_keeps_the_reason(cbpp):
    """A fit that raises, and a criterion that is not a number, are reasons."""

    def fail(_):
        raise ConvergenceError("nowhere finite")

    assert (
        assess(CANDIDATE, fail, get_criterion("aic")).reason == "ConvergenceError: nowhere finite"
    )
    assert "nan" in assess(CANDIDATE, lambda _: cbpp, get_criterion(lambda _: float("nan"))).reason
