"""The algebra of terms."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.design.terms import render_terms, terms_of
from mixcheck.errors import FormulaError

# Right sides, and what R's terms() makes of them.
EXPANDED = {
    "a * b": "1 + a + b + a:b", "a / b": "1 + a + a:b", "(a + b) / c": "1 + a + b + a:b:c",
    "a / (b + c)": "1 + a + a:b + a:c", "a %in% b": "1 + a:b", "(a + b + c)^2 - a:b":
    "1 + a + b + c + a:c + b:c", "(a + b)^5": "1 + a + b + a:b", "a:a": "1 + a", "a + a": "1 + a",
    "b:a + a:b": "1 + b:a", "a:b + a": "1 + a + a:b", "0 + a + 1": "1 + a",
    "a + 0 + b": "0 + a + b",
    "a - 0": "1 + a", "a - 1 - 1": "0 + a", "-1": "0", "(a - 1) + b": "0 + a + b",
    "1 + (0 + a)": "0 + a", "a * b * c - a:b:c": "1 + a + b + c + a:b + a:c + b:c",
    "a + (b - a)": "1 + a + b", "{a} + a": "1 + a", "I(a^2) + I(a**2)": "1 + I(a ** 2)",
    "(a)": "1 + a", "+a": "1 + a", "-a + b": "1 + b",
}  # fmt: skip


@pytest.mark.parametrize(("text", "expanded"), EXPANDED.items(), ids=str)
def test_expansion(text: str, expanded: str) -> None:
    """Sums, products, nesting and powers are R's."""
    assert render_terms(terms_of(text)) == expanded


ATOMS = ["a", "b", "c", "I(a ** 2)", "log(b)", "`x y`"]


def texts() -> st.SearchStrategy[str]:
    """Right sides without an intercept."""
    return st.recursive(
        st.sampled_from(ATOMS),
        lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+*:/"), inner),
        max_leaves=6,
    )


@given(texts())
def test_canonical_text_reads_back(text: str) -> None:
    """What is written out stands for the same terms in the same order."""
    terms = terms_of(text)
    assert terms_of(render_terms(terms)) == terms


@given(texts(), texts())
@settings(deadline=None, derandomize=True, max_examples=100)
def test_star_is_a_sum_and_a_product(left: str, right: str) -> None:
    """A star stands for both sides and their product."""
    one = terms_of(f"({left}) * ({right})")
    two = terms_of(f"({left}) + ({right}) + ({left}):({right})")
    assert {term.key for term in one} == {term.key for term in two}


def test_powers_end() -> None:
    """A power stops growing at every product of its factors, and too many are refused."""
    begin = time.process_time()
    assert len(terms_of("(a + b + c)^1000000")) == 8
    many = " + ".join(f"x{i}" for i in range(40))
    for text in (f"({many})^10", f"({many}):({many}):({many})", f"({many}) * ({many}) * ({many})"):
        with pytest.raises(FormulaError, match="more than 5000 terms"):
            terms_of(text)
    assert time.process_time() - begin < 2.0


@pytest.mark.parametrize(
    "text", ["a^0", "a^-1", "a^b", "a^1.5", "2", "a + 3", "'a'", "2 * a", "1:a"]
)
def test_what_is_no_term(text: str) -> None:
    """Numbers, texts and powers that are no count are refused."""
    with pytest.raises(FormulaError, match=r"write|no term"):
        terms_of(text)


def test_long_sums() -> None:
    """A sum has as many terms as it has, however it is written."""
    many = " + ".join(f"x{i}" for i in range(600))
    assert len(terms_of(f"1 + {many}")) == 601
    assert terms_of("1 + 1e+300:x") == terms_of("1 + 1e300:x")
