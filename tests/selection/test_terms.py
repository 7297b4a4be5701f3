"""Marginality of fixed terms."""

from __future__ import annotations

import pytest

from mixcheck.selection.terms import contains, factors_of, split_terms, with_contained


def test_terms_are_split_outside_of_brackets():
    """Plus and colon inside calls, braces and quotes are no separators."""
    text = "1 + I(x + z) + `a + b`:C(g, levels=['u:v']) + bs(x, df=4)"
    assert split_terms(text) == ("1", "I(x + z)", "`a + b`:C(g, levels=['u:v'])", "bs(x, df=4)")
    assert factors_of("`a + b`:C(g, levels=['u:v'])") == {"`a + b`", "C(g, levels=['u:v'])"}


@pytest.mark.parametrize(
    ("larger", "smaller", "answer"),
    [
        ("a:b", "a", True),
        ("a:b:c", "c:a", True),
        ("a:b", "b:a", False),
        ("a", "a:b", False),
        ("I(x ** 2)", "x", True),
        ("I(x ** 3)", "I(x ** 2)", True),
        ("{x ** 2}", "x", True),
        ("a:I(x ** 2)", "a:x", True),
        ("poly(x, 2)", "x", False),
        ("I(z ** 2)", "x", False),
    ],
)
def test_what_contains_what(larger, smaller, answer):
    """An interaction contains its parts, a power the lower ones; a call is one piece."""
    assert contains(larger, smaller) is answer


def test_kept_terms_keep_their_parts():
    """An interaction that is kept keeps its main effects."""
    assert with_contained({"a:b"}, ("a", "b", "c", "a:b", "a:c")) == {"a", "b", "a:b"}
