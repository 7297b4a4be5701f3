"""What can be reached from a candidate."""

from __future__ import annotations

import pytest

from mixcheck.errors import OptionError
from mixcheck.selection.candidates import Candidate
from mixcheck.selection.exploration import close_under


def candidate(number: int) -> Candidate:
    """A number."""
    return Candidate(str(number), {}, (), number)


def halves_and_thirds(one: Candidate):
    """Quotients without remainder."""
    for divisor in (2, 3):
        if one.content % divisor == 0:
            yield candidate(one.content // divisor)


def test_closure_holds_each_candidate_once():
    """Nearest first, each once, however it is reached."""
    found = close_under([candidate(12)], halves_and_thirds, 100)
    assert [one.content for one in found] == [12, 6, 4, 3, 2, 1]


def test_closure_stops_at_too_many():
    """More candidates than allowed are an error that says what to do."""
    with pytest.raises(OptionError, match="write search="):
        close_under([candidate(0)], lambda one: [candidate(one.content + 1)], 10)
