"""Text to terms."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.design.formula import parse_formula, quote_name
from mixcheck.design.model_formula import PredictorFormula, RandomTerm
from mixcheck.errors import FormulaError, MixcheckError

RANDOM = {
    "y ~ (1 | g)": ["(1 | g)"],
    "y ~ ((1 | g))": ["(1 | g)"],
    "y ~ (x | g)": ["(1 + x | g)"],
    "y ~ (1 + x | g)": ["(1 + x | g)"],
    "y ~ (0 + x | g)": ["(0 + x | g)"],
    "y ~ (x - 1 | g)": ["(0 + x | g)"],
    "y ~ (x || g)": ["(1 | g)", "(0 + x | g)"],
    "y ~ (0 + x || g)": ["(0 + x | g)"],
    "y ~ (x * z || g)": ["(1 | g)", "(0 + x | g)", "(0 + z | g)", "(0 + x:z | g)"],
    "y ~ (1 | a/b)": ["(1 | a)", "(1 | a:b)"],
    "y ~ (1 | a/b/c)": ["(1 | a)", "(1 | a:b)", "(1 | a:b:c)"],
    "y ~ (1 | a:b)": ["(1 | a:b)"],
    "y ~ (1 | a + b)": ["(1 | a)", "(1 | b)"],
    "y ~ (1 | (a + b)/c)": ["(1 | a)", "(1 | b)", "(1 | a:b:c)"],
    "y ~ (1 | a + b:c)": ["(1 | a)", "(1 | b:c)"],
    "y ~ (x || a/b)": ["(1 | a)", "(1 | a:b)", "(0 + x | a)", "(0 + x | a:b)"],
    "y ~ diag(1 + x | g)": ["diag(1 + x | g)"],
    "y ~ us(x | g) + diag(z | h)": ["(1 + x | g)", "diag(1 + z | h)"],
    "y ~ (1 | `my g`)": ["(1 | `my g`)"],
    "y ~ (1 | `a|b`)": ["(1 | `a|b`)"],
    "y ~ (1 | factor(g))": ["(1 | g)"],
    "y ~ (x + (1 | g))": ["(1 | g)"],
    "y ~ I(a | b) + {a | b}": [],
    "y ~ (poly(x, 2) | g)": ["(1 + poly(x, 2) | g)"],
}

FIXED = {
    "y ~ x": "1 + x",
    "y ~ 1": "1",
    "y ~ 0 + x": "0 + x",
    "y ~ x - 1": "0 + x",
    "y ~ -1 + (1 | g)": "0",
    "y ~ (1 | g)": "1",
    "y ~ x*z": "1 + x + z + x:z",
    "y ~ (x + z)**2": "1 + x + z + x:z",
    "y ~ a/b": "1 + a + a:b",
    "y ~ x*z - x:z": "1 + x + z",
    "y ~ x + (1 | g) + z": "1 + x + z",
    "y ~ poly(x,2) + bs(z, df=4)": "1 + poly(x, 2) + bs(z, df=4)",
    "y ~ {x+1} + I(x**2)": "1 + {x + 1} + I(x ** 2)",
    "y ~ log(`my x`) + `a|b`": "1 + log(`my x`) + `a|b`",
    "y ~ {log(x) + exp(z)}": "1 + {log(x) + exp(z)}",
    "y ~ C(x, contr.sum)": "1 + C(x, contr.sum)",
    "y ~ (0 + x)": "0 + x",
    "y ~ x*z - (x + z)": "1 + x:z",
    "y ~ x.y + 2:x": "1 + x.y + 2:x",
}

RESPONSES = {
    "y ~ 1": ("single", ("y",)),
    "(y) ~ 1": ("single", ("y",)),
    "`my y` ~ 1": ("single", ("`my y`",)),
    "log(y+1) ~ 1": ("single", ("log(y + 1)",)),
    "y + 1 ~ 1": ("single", ("{y + 1}",)),
    "log(y / n) ~ 1": ("single", ("log(y / n)",)),
    "a/b/c ~ 1": ("single", ("{a / b / c}",)),
    "k / n ~ 1": ("ratio", ("k", "n")),
    "k/(a + b) ~ 1": ("ratio", ("k", "{a + b}")),
    "cbind(k, n - k) ~ 1": ("cbind", ("k", "{n - k}")),
}

ERRORS = {
    "y ~ x | g": (r"needs parentheses; write `\(x \| g\)`", 6),
    "y x": (r"No `~`", 3),
    "~ x": (r"No response before", 0),
    "y ~ ": (r"Nothing after `~`", 4),
    "y ~ x ~ z": (r"A second `~`", 6),
    "y ~ (1 |)": (r"No grouping factor after the bar", 7),
    "y ~ (| g)": (r"No effects before the bar", 5),
    "y ~ (1 | g": (r"never closed; add `\)`", 4),
    "y ~ 1 | g)": (r"nothing is open for this `\)`", 9),
    "y ~ [x)": (r"nothing is open for this `\)`", 6),
    "y ~ 'x": (r"This quote is never closed", 4),
    "y ~ toep(1 + t | g)": (r"Unknown covariance structure `toep`; there are `us", 4),
    "y ~ ar1(1 + t | g)": (r"one column of times, without an intercept", 8),
    "y ~ dig(x | g)": (r"Unknown covariance structure `dig` \(`diag`\?\)", 4),
    "y ~ diag(x)": (r"`diag` needs a bar", 4),
    "y ~ x*(1 | g)": (r"A random term can only be added", 9),
    "y ~ x:(z + (1 | g))": (r"A random term can only be added", 14),
    "y ~ x - (1 | g)": (r"cannot be subtracted", 8),
    "y ~ x - offset(z)": (r"cannot be subtracted", 8),
    "y ~ x - (z + (1 | g))": (r"cannot be subtracted", 8),
    "y ~ x*offset(z)": (r"An offset is added by itself", 4),
    "y ~ x +": (r"Nothing follows this sign", 6),
    "y ~ x + z w": (r"Missing operator between `z` and `w`", 10),
    "y ~ x + log(": (r"never closed", 11),
    "y ~ .": (r"`\.` \(all other columns\) is not offered", 4),
    "y ~ (1 | g) + (1 | g)": (r"stands here twice", 15),
    "y ~ (1 | g | h)": (r"A second bar", 11),
    "y ~ (1 | f(x))": (r"`f\(x\)` is no column", 9),
    "y ~ (1 | a:)": (r"A column is missing here", 11),
    "y ~ (0 | g)": (r"No effects are left", 5),
    "y | g ~ x": (r"A bar before `~`", 2),
    "cbind(a) ~ x": (r"`cbind` takes two", 6),
    "cbind(a, ) ~ x": (r"An expression is missing", 9),
    "y ~ offset()": (r"An expression is missing", 11),
}


@pytest.mark.parametrize(("text", "terms"), RANDOM.items(), ids=str)
def test_bars(text: str, terms: list[str]) -> None:
    """Every form of a bar gives lme4's terms."""
    assert [str(t) for t in parse_formula(text).predictor("mean").random] == terms


@pytest.mark.parametrize(("text", "fixed"), FIXED.items(), ids=str)
def test_fixed(text: str, fixed: str) -> None:
    """The fixed part is written out term by term."""
    assert parse_formula(text).predictor("mean").fixed == fixed


@pytest.mark.parametrize(("text", "response"), RESPONSES.items(), ids=str)
def test_responses(text: str, response: tuple[str, tuple[str, ...]]) -> None:
    """A left side is one expression, a ratio of two, or cbind."""
    found = parse_formula(text).response
    assert (found.kind, found.parts) == response


@pytest.mark.parametrize(
    ("text", "offsets"),
    [
        ("y ~ offset(log(e))", ("log(e)",)),
        ("y ~ x + offset(a) + (1 | g) + offset(b + 1)", ("a", "{b + 1}")),
        ("y ~ (x + offset(`a b`))", ("`a b`",)),
    ],
)
def test_offsets(text: str, offsets: tuple[str, ...]) -> None:
    """Offsets leave the fixed part, however many there are."""
    predictor = parse_formula(text).predictor("mean")
    assert predictor.offsets == offsets
    assert "offset" not in predictor.fixed


@pytest.mark.parametrize(("text", "expected"), ERRORS.items(), ids=str)
def test_errors(text: str, expected: tuple[str, int]) -> None:
    """Each mistake has its message and a caret at its place."""
    message, position = expected
    with pytest.raises(FormulaError, match=message) as caught:
        parse_formula(text)
    lines = str(caught.value).splitlines()
    assert lines[-2] == f"  {text}"
    assert lines[-1] == f"  {' ' * position}^"


def test_other_predictors() -> None:
    """Dispersion and zero inflation have predictors with random terms of their own."""
    formula = parse_formula("y ~ x", dispersion="~ z + (1 | g)", zi="1 + offset(w)")
    assert [name for name, _ in formula.predictors] == ["mean", "dispersion", "zi"]
    assert formula.predictor("dispersion") == PredictorFormula("1 + z", (RandomTerm("1", ("g",)),))
    assert formula.predictor("zi").offsets == ("w",)


def test_one_sided() -> None:
    """Only the formula of the mean has a response."""
    with pytest.raises(FormulaError, match="Only the formula of the mean has a response"):
        parse_formula("y ~ x", zi="y ~ x")


def test_no_text() -> None:
    """A formula that is no text is refused in words."""
    with pytest.raises(FormulaError, match="must be a text such as"):
        parse_formula(3)  # type: ignore[arg-type]


def test_structure_property() -> None:
    """A term knows its grouping factor and its structure."""
    (term,) = parse_formula("y ~ diag(x | a:b)").predictor("mean").random
    assert (term.group_name, term.structure, term.group) == ("a:b", "diag", ("a", "b"))


PIECES = ["y", "~", "x", "+", "z", "+", "(", "x", "||", "a", "/", "b", ")", "+", "offset", "(",
          "log", "(", "e", ")", ")", "+", "diag", "(", "1", "+", "x", "|", "g", ")"]  # fmt: skip


@given(st.lists(st.sampled_from(["", " ", "  ", "\t"]), min_size=30, max_size=30))
@settings(deadline=None, derandomize=True, max_examples=50)
def test_white_space(blanks: list[str]) -> None:
    """White space changes nothing but the text."""
    spaced = "".join(a + b for a, b in zip(PIECES, blanks, strict=True))
    assert parse_formula(spaced).predictors == parse_formula(" ".join(PIECES)).predictors


SUMMANDS = ["x", "x:z", "log(x)", "(1 | g)", "(x || h)", "offset(e)", "diag(x | a:b)", "0"]


@given(st.lists(st.sampled_from(SUMMANDS), min_size=1, unique=True), st.data())
@settings(deadline=None, derandomize=True, max_examples=60)
def test_parentheses(summands: list[str], data: st.DataObject) -> None:
    """Parentheses around summands or sums of summands change nothing."""
    wrapped = ["(" * k + s + ")" * k for s in summands for k in [data.draw(st.integers(0, 2))]]
    plain = "y ~ " + " + ".join(summands)
    cut = data.draw(st.integers(0, len(wrapped) - 1))
    head, tail = wrapped[:cut], wrapped[cut:]
    grouped = "y ~ " + " + ".join([*head, f"({' + '.join(tail)})"])
    assert parse_formula(grouped).predictors == parse_formula(plain).predictors


@given(st.text(alphabet="yxg~|()+-*/:. 01`'{}", max_size=15))
def test_any_text(text: str) -> None:
    """No text whatever raises anything but our error."""
    with contextlib.suppress(MixcheckError):
        assert parse_formula(text).text == text.strip()


@given(st.sampled_from([*RANDOM, *FIXED]))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_canonical(text: str) -> None:
    """What a predictor writes out reads back as itself."""
    predictor = parse_formula(text).predictor("mean")
    parts = [predictor.fixed, *map(str, predictor.random)]
    parts += [f"offset({o})" for o in predictor.offsets]
    assert parse_formula("y ~ " + " + ".join(parts)).predictor("mean") == predictor


def test_quote_name() -> None:
    """Only names that are not plain get back-ticks."""
    assert [quote_name(n) for n in ("x", "x.y", "a b", "2x")] == ["x", "x.y", "`a b`", "`2x`"]


def test_other_predictors_are_shown_with_their_offsets():
    """What is added to a predictor is part of its formula."""
    shown = parse_formula("y ~ x", dispersion="~ 1 + offset(log(w))", zi="~ offset(e)").others
    assert set(shown) == {"dispersion ~ 1 + offset(log(w))", "zi ~ 1 + offset(e)"}
