"""The functions of formulas: every one, with arguments of every kind."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mixcheck.design import apply_design, build_design, parse_formula
from mixcheck.design.elementwise import Site
from mixcheck.design.functions import FUNCTIONS, call_function
from mixcheck.design.hints import HINTS
from mixcheck.errors import FormulaError, MixcheckError, UnknownColumnError

N = 30


def table() -> pd.DataFrame:
    """Columns of every kind."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "y": rng.poisson(3, N), "x": rng.normal(size=N), "z": rng.uniform(1, 2, N),
            "k": rng.integers(0, 20, N), "b": rng.random(N) > 0.5, "f": list("pqr") * 10,
            "g": np.repeat(list("abcde"), 6), "c0": 0.0,
            "o": pd.Categorical(["lo", "mid", "hi"] * 10, ["lo", "mid", "hi"], ordered=True),
            "when": pd.date_range("2024-01-01", periods=N),
            "td": pd.to_timedelta(np.arange(N), "D"),
        }
    )  # fmt: skip


VALUES = [
    "x", "z", "k", "b", "f", "o", "when", "td", "c0", "1", "0", "-1", "2", "3.5", "1e300", "-1e300",
    "Inf", "NaN", "NULL", "TRUE", "'p'", "''", "[1, 2]", "c(1, 2, 3)", "c('p', 'q')", "[]", "[x]",
    "1:3", "x > 0", "I(f)", "poly(x, 2)", "C(f, contr.sum)", "factor(k)", "contr.sum", "pi", "T",
    "mean(x)", "bs(x, df=4)", "'2024-01-05'", "x * z", "!b", "[[1, 2], [3, 4]]", "[1, 'a']",
]  # fmt: skip
NAMES = [
    "base", "df", "knots", "degree", "raw", "levels", "labels", "ref", "breaks", "right", "na.rm",
    "include.lowest", "center", "scale", "digits", "x", "intercept", "Boundary.knots", "sep",
    "lower_bound", "constraints", "contrasts", "ddof", "probs", "a_min", "foo",
]  # fmt: skip
OPERATORS = ["+", "-", "*", "/", "^", "%%", "%/%", "<", "==", "!=", "&", "|", "%in%", ":", "//"]
PLACES = ["y ~ {}", "y ~ {}", "{} ~ x", "y ~ offset({})", "y ~ ({} | g)", "y ~ x:{}"]


def calls(seed: int, count: int) -> Iterator[str]:
    """Formulas with a call or an operation on whatever there is."""
    draw = random.Random(seed)
    functions = list(FUNCTIONS)
    for i in range(count):
        given = [draw.choice(VALUES) for _ in range(draw.choice([0, 1, 1, 2, 2, 3]))]
        if draw.random() < 0.4:
            given.append(f"{draw.choice(NAMES)}={draw.choice(VALUES)}")
        text = f"{functions[i % len(functions)]}({', '.join(given)})"
        if draw.random() < 0.25:
            text = f"I({draw.choice(VALUES)} {draw.choice(OPERATORS)} {draw.choice(VALUES)})"
        yield draw.choice(PLACES).format(text)


@pytest.mark.filterwarnings("ignore::mixcheck.DataWarning")
@pytest.mark.parametrize(
    ("number", "least"), [(300, 12), pytest.param(1500, 60, marks=pytest.mark.slow)]
)
def test_every_call_has_a_value_or_a_sentence(number: int, least: int) -> None:
    """No function lets an error, or a warning, of another library through."""
    data, worked = table(), 0
    for text in calls(5, number):
        try:
            design = build_design(
                parse_formula(text, dispersion="~ 1"), data, ratio_is_trials=False
            )
            worked += 1
            again = apply_design(design, data.iloc[3:9], unseen="error")[0]
        except MixcheckError as error:
            said = str(error)
        else:
            np.testing.assert_allclose(again.X, design.predictors[0].X[3:9], atol=1e-9)
            said = "numbers"
        assert len(said) < 1000
        assert "object at" not in said
        assert "array(" not in said
    assert worked > least


def test_arguments_fill_as_in_r() -> None:
    """Arguments without a name fill what those with a name leave."""
    site = Site("log(..)", 1, {})
    x = np.array([8.0])
    for given, named in (([x, 2.0], {}), ([x], {"base": 2.0}), ([2.0], {"x": x})):
        assert call_function("log", site, given, named) == pytest.approx(3.0)
    with pytest.raises(FormulaError, match="`log` takes x, base"):
        call_function("log", site, [x, 2.0, 3.0], {})


@pytest.mark.parametrize("name", sorted(HINTS))
def test_hints(name: str) -> None:
    """Functions of other programs are answered with what to write."""
    if name in ("offset", "ar1", "cs1", "ou", "mat", "toep"):
        return
    with pytest.raises(UnknownColumnError, match="nor a known function: "):
        build_design(parse_formula(f"y ~ {name}(x)"), table(), ratio_is_trials=False)


def test_powers_of_ten() -> None:
    """exp10 is a power of ten."""
    assert call_function("exp10", Site("exp10(x)", 1, {}), [np.array([3.0])], {}) == 1000.0


def test_contrasts_of_the_caller() -> None:
    """A matrix of contrasts has a row for each level."""
    M = np.array([[1.0, 0.0], [-1.0, 1.0], [0.0, -1.0]])
    text = parse_formula("y ~ C(f, M)")
    X = build_design(text, table(), ratio_is_trials=False, context={"M": M}).predictors[0].X
    np.testing.assert_array_equal(X[:3, 1:], M)
    with pytest.raises(MixcheckError, match="a matrix with a row for each of 3 levels"):
        build_design(text, table(), ratio_is_trials=False, context={"M": M[:2]})


def test_the_reference_lists_every_function() -> None:
    """The page of the reference names the functions that there are."""
    page = Path(__file__).parents[2] / "docs" / "reference" / "fit.md"
    rows = [line for line in page.read_text().splitlines() if line.startswith("| ")]
    named = {word for row in rows for text in row.split("`")[1::2] for word in text.split()}
    spelled_twice = {
        "I", "identity", "ceil", "len", "as.double", "as.ordered", "asinh", "acosh", "atanh",
        "lfactorial", "Treatment", "Sum", "Helmert", "Poly", "Diff",
    }  # fmt: skip
    ours = {name for name in FUNCTIONS if not name.startswith("np.")}
    assert ours - named == spelled_twice


def column(text: str, data: pd.DataFrame) -> list[float]:
    """The one column of a term."""
    design = build_design(parse_formula(f"y ~ 0 + {text}"), data, ratio_is_trials=False)
    (values,) = design.predictors[0].X.T
    return [float(v) for v in values]


def test_round_is_that_of_r() -> None:
    """The nearer decimal, and the even one of two as near: values of R 4.2.2."""
    x = [0.15, 0.25, 0.35, 0.45, 0.55, 2.675, 2.345, 5.015, -0.15, 0.285, 3.295, 4.755, -654.585]
    data = pd.DataFrame({"y": range(len(x)), "x": x})
    tenths = [0.1, 0.2, 0.3, 0.4, 0.6, 2.7, 2.3, 5.0, -0.1, 0.3, 3.3, 4.8, -654.6]
    hundredths = [0.15, 0.25, 0.35, 0.45, 0.55, 2.67, 2.35, 5.02, -0.15, 0.28, 3.3, 4.76, -654.58]
    assert column("round(x, 1)", data) == tenths
    assert column("round(x, 2)", data) == hundredths
    assert column("round(x * 1e17, 2)", data) == [v * 1e17 for v in x]
    assert column("np.round(x, 1)", data) == np.round(x, 1).tolist()


def test_choose_and_factorial_are_those_of_r() -> None:
    """Of negative and broken numbers too: values of R 4.2.2."""
    data = pd.DataFrame({"y": range(5), "n": [-7.0, 5.5, 5.0, -2.5, 60.5], "k": [3, 3, 7, 2, 30]})
    assert column("choose(n, k)", data) == pytest.approx(
        [-84.0, 14.4375, 0.0, 4.375, 1.6622637876937e17], rel=1e-12
    )
    data["x"] = [-0.5, 0.0, 3.0, 170.0, 0.5]
    assert column("factorial(x)", data) == pytest.approx(
        [1.772453850905516, 1.0, 6.0, 7.257415615307994e306, 0.886226925452758], rel=1e-12
    )
    with pytest.raises(MixcheckError, match="whole numbers to be chosen"):
        column("choose(n, 2.4)", data)


def test_cut_without_labels_is_numbers() -> None:
    """``labels = FALSE`` gives the numbers of the intervals, one column and no factor, as in R."""
    data = pd.DataFrame({"y": range(4), "x": [1.0, 5.0, 2.0, 9.0]})
    assert column("cut(x, c(0, 1, 3, 6, 10), labels = FALSE)", data) == [1, 3, 2, 4]
    with pytest.raises(MixcheckError, match="breaks that differ"):
        column("cut(x, c(0, 6, 6, 10), labels = FALSE)", data)


def test_as_character_has_the_order_of_text() -> None:
    """``"10"`` stands before ``"2"``, and the order of categories is forgotten, as in R."""
    data = pd.DataFrame({"y": range(6), "k": [2, 10, 1] * 2, "x": [0.5, 2.5, 1.5] * 2})
    data["f"] = pd.Categorical(list("abc") * 2, list("cba"))
    for text, levels in {
        "as.character(k)": ["1", "10", "2"],
        "factor(as.character(f))": ["a", "b", "c"],
        "as.character(x)": ["0.5", "1.5", "2.5"],
    }.items():
        design = build_design(parse_formula(f"y ~ 0 + {text}"), data, ratio_is_trials=False)
        assert list(design.predictors[0].columns) == [f"{text}[{level}]" for level in levels]


@pytest.mark.parametrize(
    "text", ["mean(x, 500)", "median(x, 3)", "var(x, z)", "sd(x, TRUE)", "np.max(x, 0)"]
)
def test_second_arguments_that_mean_something_else(text: str) -> None:
    """What R reads as a share to trim, a covariance or na.rm is not one more column."""
    with pytest.raises(FormulaError, match=r"takes x, na\.rm"):
        column(f"I(x - {text})", table())
    assert column("I(x - max(x, 500))", table())[0] == table().x[0] - 500.0


@pytest.mark.parametrize(
    "text",
    ["I(log(x) > 0)", "I(!sqrt(x))", "ifelse(log(x) > 0, 1, 2)", "ifelse(log(x), 1, 2)",
     "np.greater(log(x), 0)", "I(b & log(x))", "xor(log(x), b)"],
)  # fmt: skip
def test_no_condition_on_what_is_no_number(text: str) -> None:
    """A condition that R answers by NA is refused, not false."""
    with pytest.raises(MixcheckError, match=r"is not a number in 1[0-9] row"):
        column(text, table())


def test_dates_without_a_foreign_warning() -> None:
    """Every part of a date is read as the installed pandas wants it."""
    assert column("yday(when)", table())[:3] == [1, 2, 3]
    with pytest.raises(MixcheckError, match=r"write days\(\.\.\) in its place"):
        column("as.numeric(when)", table())
    with pytest.raises(MixcheckError, match=r"use pd\.to_datetime on the column"):
        column("days(f)", table())


def test_a_column_is_not_called() -> None:
    """A column with brackets behind it is told from a function that is not there."""
    with pytest.raises(FormulaError, match=r"`x` is a column and no function; .*`x \* \(\.\.\)`"):
        column("x(z)", table())


@pytest.mark.parametrize("text", ["ifelse(b, x, f)", "ifelse(b, 'p', 1)", "ifelse(b, 0, f)"])
def test_text_and_numbers_are_not_mixed(text: str) -> None:
    """R has the codes of a factor there, or a level for every number; neither is meant."""
    with pytest.raises(MixcheckError, match="is text in some rows and numbers in others"):
        column(text, table())


def test_sequences_have_the_names_of_r() -> None:
    """`from` is a word of Python, and an argument of R's seq."""
    data = table()
    assert column("cut(x, seq(from=-9, to=9, by=3), labels=False)", data) == column(
        "cut(x, seq(-9, 9, length.out=7), labels=False)", data
    )
    for text, said in (
        ("seq(0, 1, 1e-300)", "has 1e\\+300 numbers; at most 1000"),
        ("seq(0, 1, 0)", "does not come from 0 to 1 by 0"),
        ("seq(1)", "takes from, to, by, length.out"),
    ):
        with pytest.raises(MixcheckError, match=said):
            column(f"cut(x, {text}, labels=False)", data)
