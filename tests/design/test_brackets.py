"""Brackets and quotes."""

from __future__ import annotations

import pytest

from mixcheck.design.brackets import scan
from mixcheck.errors import FormulaError


def test_find() -> None:
    """Only characters outside brackets and quotes are found."""
    source = scan("a+(b+c)+'+'+`+`")
    assert source.find(0, len(source.text), "+") == [1, 7, 11]
    assert source.find(3, 6, "+") == [4]


def test_peel() -> None:
    """Parentheses around the whole go, others stay."""
    source = scan(" ((a) + (b)) ")
    start, end = source.peel(0, len(source.text))
    assert source.text[start:end] == "(a) + (b)"


@pytest.mark.parametrize("text", ["(", ")", "(]", "'", "`a"])
def test_unbalanced(text: str) -> None:
    """What does not balance is marked."""
    with pytest.raises(FormulaError, match=r"\^$"):
        scan(text)
