"""The language of expressions: text to nodes and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixcheck.design.formula import parse_formula
from mixcheck.design.nodes import (
    Binary,
    Call,
    Constant,
    Name,
    Node,
    Number,
    Text,
    Unary,
    Vector,
    quote_name,
    render,
    unquote_name,
)
from mixcheck.design.syntax import parse_node
from mixcheck.errors import FormulaError

# Text, and the same with every parenthesis that R's precedence stands for.
PRECEDENCE = {
    "-x^2": "-(x^2)", "2^-x": "2^(-x)", "2^x^z": "2^(x^z)", "-x %% 3": "(-x) %% 3",
    "x %% 3 * 2": "(x %% 3) * 2", "6 / x %% 4": "6 / (x %% 4)", "x %/% 2 %% 3": "(x %/% 2) %% 3",
    "a + b * c": "a + (b * c)", "a - b - c": "(a - b) - c", "a / b / c": "(a / b) / c",
    "!x > 0": "!(x > 0)", "!x > 0 & b": "(!(x > 0)) & b", "a | b & c": "a | (b & c)",
    "x > 0 & z > 1": "(x > 0) & (z > 1)", "x + 1 > z * 2": "(x + 1) > (z * 2)",
    "-1:3": "(-1):3", "x %in% 1:3": "x %in% (1:3)", "x ** 2 * z": "(x ** 2) * z",
    "!b + l": "!(b + l)", "-a + b": "(-a) + b", "- -x": "-(-x)", "x * -z": "x * (-z)",
    "a == b & !c": "(a == b) & (!c)", "~b & c": "(!b) & c",
}  # fmt: skip


@pytest.mark.parametrize(("text", "explicit"), PRECEDENCE.items(), ids=str)
def test_precedence(text: str, explicit: str) -> None:
    """Operators bind as tightly as in R."""
    assert parse_node(text) == parse_node(explicit)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("TRUE", Constant("True")), ("x.y", Name("x.y")), ("`a b`", Name("a b")),
        ("1L", Number("1")), ("0x1F", Number("31")), (".5", Number("0.5")),
        ("1e3", Number("1000.0")),
        ("'it\\'s'", Text("it's")), ("np.log(x)", Call("np.log", (Name("x"),))),
        ("f(x, na.rm=TRUE)", Call("f", (Name("x"),), (("na.rm", Constant("True")),))),
        ("[1, 'a']", Vector((Number("1"), Text("a")))), ("Q('a b')", Name("a b")),
        ("x ^ 2", Binary("**", Name("x"), Number("2"))), ("-x", Unary("-", Name("x"))),
    ],
)  # fmt: skip
def test_nodes(text: str, node: Node) -> None:
    """Each kind of text has its node."""
    assert parse_node(text) == node


def nodes() -> st.SearchStrategy[Node]:
    """Trees of every kind of node."""
    leaf = st.one_of(
        st.builds(Name, st.text(min_size=1, max_size=6)),
        st.sampled_from([Number("1"), Number("2.5"), Constant("True"), Constant("None")]),
        st.builds(Text, st.text(max_size=5)),
    )
    binary = ["+", "-", "*", "/", "//", "%", "%%", "%/%", "%in%", ":", "**", "&", "|"]
    compare = ["<", ">", "<=", ">=", "==", "!="]
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(Binary, st.sampled_from(binary + compare), inner, inner),
            st.builds(Unary, st.sampled_from(["-", "+", "!"]), inner),
            st.builds(Vector, st.lists(inner, max_size=3).map(tuple)),
            st.builds(
                Call,
                st.sampled_from(["log", "np.log", "f"]),
                st.lists(inner, max_size=2).map(tuple),
                st.dictionaries(st.sampled_from(["df", "na.rm"]), inner, max_size=2).map(
                    lambda d: tuple(d.items())
                ),
            ),
        ),
        max_leaves=12,
    )


@pytest.mark.slow
@given(nodes())
def test_round_trip(node: Node) -> None:
    """The text of a tree is read back as that tree."""
    assert parse_node(render(node)) == node


@given(st.text(max_size=30))
def test_any_name(name: str) -> None:
    """A quoted name is that name and nothing else."""
    if name:
        assert unquote_name(quote_name(name)) == name
        assert parse_node(quote_name(name)) == Name(name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 < x < 5", "write `a < x & x < b`"), ("x %o% z", "there are %%, %/% and %in%"),
        ("x && z", "write `&`"), ("f(x=1, x=2)", "given twice"), ("f(x,)", "argument is missing"),
        ("x + ", "Something is missing"), ("()", "Nothing stands within"),
        ("``", "name is missing"),
        ("{a, b}", "Braces hold one expression"), ("2x", "Missing operator between `2` and `x`"),
        ("x == = 3", "names an argument"), ("x $ y", "names columns alone"),
        ("x # y", "no meaning"),
    ],
)  # fmt: skip
def test_errors(text: str, said: str) -> None:
    """Each mistake has its sentence."""
    with pytest.raises(FormulaError, match=said):
        parse_node(text)


@pytest.mark.parametrize("text", ["1e400", "9" * 400, "0x" + "f" * 5000, "1" + "0" * 309 + "L"])
def test_numbers_beyond_double_precision_are_refused(text: str) -> None:
    """A number that is none in double precision is not a column called ``inf``."""
    for formula in (f"y ~ I({text} * x)", f"y ~ {text} * x", f"y ~ x + (I(x / {text}) | g)"):
        with pytest.raises(FormulaError, match="larger than any in double precision; write Inf"):
            parse_formula(formula)


@pytest.mark.parametrize(
    ("text", "said"),
    [("y ~ x \u2212 z", "write `-`"), ("y ~ x \u00d7 z", r"write `\*`"),
     ("y ~ I(f == \u201ca\u201d)", 'write `"`'), ("y ~ I(x \u2264 z)", "write `<=`"),
     ("y \u223c x", "not the `~` of a formula"), ("y \uff5e x", "not the `~` of a formula"),
     ("y ~ x \u2211 z", "name of a column")],
)  # fmt: skip
def test_signs_of_printed_pages(text: str, said: str) -> None:
    """A sign that only looks like one of a formula is answered with the sign to write."""
    with pytest.raises(FormulaError, match=said):
        parse_formula(text)
