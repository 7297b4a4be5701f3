"""The grammar of candidates: what can be reached, and what cannot."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.design import parse_formula
from mixcheck.families import Binomial, Gaussian, NegativeBinomial2, Poisson
from mixcheck.selection.exploration import close_under
from mixcheck.selection.space import Space, model_of
from mixcheck.selection.terms import contains

MANY = 10_000
EXAMPLES = 40
COUNTS = (Poisson(),)


def space(formula: str, *, families=COUNTS, **options) -> Space:
    """The candidates within a formula."""
    return Space(model_of(parse_formula(formula), families[0]), families, **options)


def reached(formula: str, **options) -> dict[str, object]:
    """All candidates by name."""
    held = space(formula, **options)
    found = close_under((held.start,), held.neighbours, MANY)
    return {candidate.key: candidate.content for candidate in found}


@pytest.mark.parametrize(
    ("formula", "count"),
    [
        ("y ~ a + b + c + (1 | g)", 8),
        ("y ~ a * b + (1 | g)", 5),
        # Hierarchical models of k factors: Dedekind's numbers 20 and 168, less one.
        ("y ~ a * b * c + (1 | g)", 19),
        ("y ~ a * b * c * d + (1 | g)", 167),
        ("y ~ x + I(x ** 2) + I(x ** 3) + (1 | g)", 4),
        ("y ~ poly(x, 3) + (1 | g)", 2),
        ("y ~ 1 + (1 | g)", 1),
    ],
)
def test_number_of_fixed_parts(formula, count):
    """As many as marginality allows."""
    assert len(reached(formula, random=False)) == count


@pytest.mark.parametrize(
    ("formula", "count"),
    [
        ("y ~ 1 + (1 | g)", 2),
        # Correlated, independent, intercept, none.
        ("y ~ 1 + (1 + x | g)", 4),
        ("y ~ 1 + (x || g)", 3),
        ("y ~ 1 + diag(1 + x | g)", 3),
        ("y ~ 1 + (0 + x | g)", 2),
        # Two of {1, x, z}, {1, x} and {1, z} each, {1}, none.
        ("y ~ 1 + (1 + x + z | g)", 8),
        ("y ~ 1 + (1 | a) + (1 | b)", 4),
        ("y ~ 1 + (1 | a / b)", 4),
        ("y ~ 1 + (1 + x | a) + (1 | b)", 8),
    ],
)
def test_number_of_random_parts(formula, count):
    """Slopes and correlations go before intercepts; factors are independent."""
    assert len(reached(formula, fixed=False)) == count


def test_random_parts_by_name():
    """The ladder of a random slope."""
    found = [name.partition(" + ")[2] for name in reached("y ~ 1 + (x | g)", fixed=False)]
    assert set(found) == {"(1 + x | g)", "(1 + x || g)", "(1 | g)", ""}


@st.composite
def term_sets(draw) -> tuple[str, ...]:
    """Some terms of up to four factors, in any order."""
    every = [":".join(c) for k in (1, 2, 3) for c in combinations("abcd", k)]
    return tuple(draw(st.lists(st.sampled_from(every), min_size=1, max_size=6, unique=True)))


@settings(deadline=None, derandomize=True, max_examples=EXAMPLES)
@given(term_sets())
def test_marginality_is_a_law(terms):
    """Candidates are exactly the sets that hold, with each term, the known ones it contains."""
    found = {frozenset(m.terms) for m in reached(f"y ~ {' + '.join(terms)}").values()}
    known = model_of(parse_formula(f"y ~ {' + '.join(terms)}"), Poisson()).terms
    allowed = {
        frozenset(chosen)
        for k in range(len(known) + 1)
        for chosen in combinations(known, k)
        if all(s in chosen for t in chosen for s in known if contains(t, s))
    }
    assert found == allowed


@settings(deadline=None, derandomize=True, max_examples=EXAMPLES)
@given(term_sets(), st.sampled_from(["(1 | g)", "(x | g)", "(x || g)", "(x + z | g) + (1 | h)"]))
def test_neighbours_are_mutual_and_read_back(terms, random):
    """A neighbour of a candidate has it as a neighbour, and its formula is the same model."""
    held = space(f"y ~ {' + '.join(terms)} + {random}")
    start = held.start
    for other in held.neighbours(start):
        assert start.key in {back.key for back in held.neighbours(other)}
        again = model_of(parse_formula(other.content.formula), Poisson())
        assert set(again.terms) == set(other.content.terms)


def test_kept_terms_stay():
    """What is kept is in every candidate."""
    options = {"kept_terms": frozenset({"a"}), "kept_effects": frozenset({(("g",), "1")})}
    found = reached("y ~ a + b + (x | g) + offset(e)", **options)
    assert len(found) == 2 * 3
    assert all("a" in m.terms and "1" in m.random[0].effects for m in found.values())
    assert all(name.endswith("offset(e)") for name in found)


def test_effects_with_columns_stay_correlated():
    """A factor's effects are never split from the intercept, which they contain."""
    found = reached("y ~ 1 + (f | g)", fixed=False, joined=frozenset({"f"}))
    assert not any("||" in name for name in found)
    assert len(found) == 3


def test_families_and_parts_multiply():
    """Families, zero parts and dispersions combine where a family has a place for them."""
    found = reached(
        "y ~ 1 + (1 | g)",
        families=(Poisson(), NegativeBinomial2()),
        zi=(None, "~ 1"),
        dispersion=(None, "~ x"),
        random=False,
    )
    # Poisson: two zero parts. Negative binomial: two zero parts times two dispersions.
    assert len(found) == 6
    assert "y ~ 1 + (1 | g), nbinom2, zi ~ 1, dispersion ~ x" in found
    assert all(m.zi is None for m in reached("y ~ 1", families=(Gaussian(),), zi=("~ 1",)).values())


def test_links_tell_families_apart():
    """Two links of one family are two families."""
    families = (Binomial(), Binomial(link="probit"))
    found = reached("y ~ 1 + (1 | g)", families=families, random=False)
    assert {"y ~ 1 + (1 | g), binomial (logit)", "y ~ 1 + (1 | g), binomial (probit)"} == set(found)
