"""Random terms taken apart and written again."""

from __future__ import annotations

import pytest

from mixcheck.design import RandomTerm, parse_formula
from mixcheck.selection.random_parts import RandomPart, neighbouring_parts, part_of


@pytest.mark.parametrize(
    "text",
    [
        "(1 | g)",
        "(1 + x | g)",
        "(0 + x | g)",
        "(1 + x + z | a:b)",
        "diag(1 + x | g)",
        "(1 | `a b`)",
    ],
)
def test_parts_are_written_as_they_were(text):
    """Taking apart and writing is the identity, and formulas read it."""
    (term,) = parse_formula(f"y ~ {text}").predictor("mean").random
    assert str(part_of(term)) == text


def test_split_parts_are_read_as_independent():
    """What is written with two bars is one term for each effect."""
    text = str(RandomPart(("1", "x"), ("g",), "split"))
    assert text == "(1 + x || g)"
    terms = parse_formula(f"y ~ {text}").predictor("mean").random
    assert terms == (RandomTerm("1", ("g",)), RandomTerm("0 + x", ("g",)))


def test_names_of_effects():
    """Each effect with its factor."""
    assert RandomPart(("1", "x"), ("a", "b")).names == ("1 | a:b", "x | a:b")


def test_intercepts_go_last_across_terms():
    """An intercept stays while another term of its factor has a slope."""
    full = (RandomPart(("1",), ("g",)), RandomPart(("x",), ("g",)))
    near = list(neighbouring_parts(full, full))
    assert [tuple(part.effects for part in parts) for parts in near] == [(("1",), ())]
    alone = list(neighbouring_parts(near[0], full))
    assert [tuple(part.effects for part in parts) for parts in alone] == [
        ((), ()),
        (("1",), ("x",)),
    ]


def test_kept_effects_are_not_dropped():
    """Nothing that is kept is dropped; correlations may be."""
    full = (RandomPart(("1", "x"), ("g",)),)
    kept = {(("g",), "x")}
    assert [str(part) for (part,) in neighbouring_parts(full, full, kept=kept)] == ["(1 + x || g)"]
