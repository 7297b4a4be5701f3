"""Formula and data to arrays."""

from __future__ import annotations

import importlib
import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from formulaic import Formula

from mixcheck.design import (
    Design,
    Diagonal,
    Unstructured,
    apply_design,
    build_design,
    parse_formula,
)
from mixcheck.errors import (
    DataError,
    DataWarning,
    DesignError,
    FormulaError,
    UnknownColumnError,
    UnseenLevelError,
)

# Products and orthogonal polynomials of numbers near one.
ROUNDING = 1e-12

N = 24


def table() -> pd.DataFrame:
    """Numbers, text, categories and groups, with an index that is not 0, 1, .."""
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "y": rng.poisson(3, N).astype(float),
            "k": rng.integers(0, 4, N),
            "n": rng.integers(4, 9, N),
            "x": rng.normal(size=N),
            "z": rng.uniform(1, 2, N),
            "my x": rng.normal(size=N),
            "f": pd.Categorical(["b", "a", "c", "a"] * 6, categories=["c", "a", "b"]),
            "t": ["lo", "hi", "mid"] * 8,
            "b": rng.random(N) < 0.5,
            "g": np.repeat([30, 10, 20, 40], 6),
            "h": ["u", "v"] * 12,
            "w": rng.uniform(0.5, 2, N),
            "when": pd.date_range("2024-01-01", periods=N),
        },
        index=[f"r{i}" for i in range(N)],
    )


def build(text: str, data: object = None, *, trials: bool = False, **options: Any) -> Design:
    """Design of a formula on the table."""
    others = {key: options.pop(key) for key in ("dispersion", "zi") if key in options}
    formula = parse_formula(text, **others)
    data = table() if data is None else data
    return build_design(formula, data, ratio_is_trials=trials, **options)


def with_hole(column: str, row: int = 2, value: object = None) -> pd.DataFrame:
    """The table with one missing value."""
    data = table()
    holes = data[column].astype(object) if data[column].dtype.kind in "iub" else data[column].copy()
    holes.iloc[row] = value
    data[column] = holes
    return data


def test_treatment_coding() -> None:
    """A categorical predictor is coded against the first level, in the order it has."""
    mean = build("y ~ f + x").predictor("mean")
    f, x = table()["f"], table()["x"]
    assert mean.columns == ("Intercept", "f[T.a]", "f[T.b]", "x")
    hand = np.column_stack([np.ones(N), f == "a", f == "b", x])
    np.testing.assert_array_equal(mean.X, hand)


def test_interaction() -> None:
    """An interaction multiplies columns."""
    mean = build("y ~ x*h").predictor("mean")
    data = table()
    v = (data["h"] == "v").to_numpy()
    assert mean.columns == ("Intercept", "x", "h[T.v]", "x:h[T.v]")
    np.testing.assert_array_equal(
        mean.X, np.column_stack([np.ones(N), data["x"], v, v * data["x"]])
    )


def test_poly() -> None:
    """Polynomials are orthogonal to each other and to the intercept."""
    X = build("y ~ poly(x, 3)").predictor("mean").X
    gram = X.T @ X
    np.testing.assert_allclose(gram, np.diag([N, 1, 1, 1]), atol=ROUNDING)


PARTS = [
    *("1", "x", "0 + x", "x + f", "0 + x + f + t", "0 + t", "f + t", "`my x`"),
    *("x*z", "f:x", "f*t", "log(z) + x", "0 + t:h", "C(g)", "{x > 0}", "I(x**2) + f"),
]


@pytest.mark.parametrize("part", PARTS)
def test_formulaic(part: str) -> None:
    """Terms of formulaic have its columns, in its order and with its names."""
    mean = build(f"y ~ {part}").predictor("mean")
    data = table()
    theirs = Formula(part).get_model_matrix(data, output="pandas")
    assert mean.columns == tuple(theirs.columns)
    np.testing.assert_allclose(mean.X, theirs.to_numpy(dtype=float), atol=ROUNDING)
    assert mean.X.dtype == np.float64


def test_random_block() -> None:
    """A random term has codes of sorted levels and the matrix of its effects."""
    (block,) = build("y ~ x + (x | g)").predictor("mean").random
    assert (block.name, block.group, block.effects) == ("(1 + x | g)", "g", ("Intercept", "x"))
    assert block.levels.tolist() == [10, 20, 30, 40]
    np.testing.assert_array_equal(block.levels[block.codes], table()["g"])
    np.testing.assert_array_equal(block.Z, np.column_stack([np.ones(N), table()["x"]]))
    assert block.covariance == Unstructured(2)


def test_crossed_groups() -> None:
    """Levels of crossed columns are the combinations that occur."""
    first, second = build("y ~ (1 | h/g)").predictor("mean").random
    assert (first.group, second.group) == ("h", "h:g")
    assert second.levels.tolist()[:3] == ["u:10", "u:20", "u:30"]
    joined = table()["h"] + ":" + table()["g"].astype(str)
    np.testing.assert_array_equal(second.levels[second.codes], joined)


def test_factor_effects() -> None:
    """A factor may vary between groups, in a diagonal term too."""
    us, diag = build("y ~ (0 + h | g) + diag(x | t)").predictor("mean").random
    assert us.effects == ("h[u]", "h[v]")
    assert (diag.effects, diag.covariance) == (("Intercept", "x"), Diagonal(2))


def test_offsets_add_up() -> None:
    """Offsets of the formula and the one beside it add up, in the mean alone."""
    design = build("y ~ x + offset(log(z)) + offset(w)", offset="x", dispersion="~ z")
    data = table()
    np.testing.assert_allclose(
        design.predictor("mean").offset, np.log(data["z"]) + data["w"] + data["x"], atol=ROUNDING
    )
    np.testing.assert_array_equal(design.predictor("dispersion").offset, np.zeros(N))


def test_responses() -> None:
    """A ratio is successes in trials where asked, and a quotient elsewhere."""
    data = table()
    trials = build("k / n ~ x", trials=True)
    np.testing.assert_array_equal(trials.response, data["k"])
    np.testing.assert_array_equal(trials.size, data["n"])
    both = build("cbind(k, n - k) ~ x", trials=True)
    np.testing.assert_array_equal(both.response, data["k"])
    np.testing.assert_array_equal(both.size, data["n"])
    quotient = build("k / n ~ x")
    np.testing.assert_array_equal(quotient.response, data["k"] / data["n"])
    assert quotient.size is None
    np.testing.assert_allclose(build("log(y + 1) ~ x").response, np.log1p(data["y"]))


def test_column_storage() -> None:
    """Matrices are columns in memory, so that one effect is contiguous."""
    design = build("y ~ x*z + (x | g)")
    assert design.predictor("mean").X.flags.f_contiguous
    assert design.predictor("mean").random[0].Z.flags.f_contiguous


@pytest.mark.parametrize(("text", "column"), [
    ("y ~ x", "y"), ("y ~ x", "x"), ("y ~ f", "f"), ("y ~ t", "t"), ("y ~ log(z)", "z"),
    ("y ~ (1 | g)", "g"), ("y ~ (1 | t)", "t"), ("y ~ (1 | g:h)", "h"), ("y ~ (x | g)", "x"),
    ("y ~ offset(z)", "z"), ("y ~ poly(x, 2)", "x"), ("log(y + 1) ~ 1", "y"),
])  # fmt: skip
def test_missing_together(text: str, column: str) -> None:
    """A row with a missing value in any part leaves every part."""
    with pytest.warns(DataWarning, match=f"1 of {N} rows were left out.*`{column}` \\(1\\)"):
        design = build(text + " + (1 | h)", with_hole(column), zi="~ z", weights="w")
    whole = build(text + " + (1 | h)", table().drop(index="r2"), zi="~ z", weights="w")
    assert design.dropped == 1
    assert design.rows.tolist() == [i for i in range(N) if i != 2]
    assert design.frame.index.tolist() == whole.frame.index.tolist()
    np.testing.assert_array_equal(design.response, whole.response)
    np.testing.assert_array_equal(design.weights, whole.weights)
    for one, other in zip(design.predictors, whole.predictors, strict=True):
        np.testing.assert_array_equal(one.X, other.X)
        np.testing.assert_array_equal(one.offset, other.offset)
        for a, b in zip(one.random, other.random, strict=True):
            np.testing.assert_array_equal(a.codes, b.codes)
            np.testing.assert_array_equal(a.Z, b.Z)
    assert "left out because values are missing" in design.notes[0]


def test_missing_beside() -> None:
    """A missing weight or offset takes its row too."""
    weights = np.ones(N)
    weights[3] = np.nan
    offset = np.zeros(N)
    offset[5] = np.nan
    with pytest.warns(DataWarning, match=r"`weights` \(1\), `offset` \(1\)"):
        design = build("y ~ x", weights=weights, offset=offset)
    assert design.dropped == 2


def test_nothing_touched() -> None:
    """The caller's frame stays as it is, and so does its index in the design."""
    data, before = table(), table()
    design = build("y ~ f*x + (x | g) + offset(log(z))", data, weights="w")
    pd.testing.assert_frame_equal(data, before)
    assert design.frame.index.tolist() == before.index.tolist()
    assert list(design.frame.columns) == list(before.columns)


def test_own_memory() -> None:
    """What the caller changes later does not change the design."""
    data, weights = table(), np.ones(N)
    design = build("y ~ x + (x | g)", data, weights=weights)
    data.loc[:, "y"] = -1.0
    data.loc[:, "x"] = -1.0
    weights[:] = -1.0
    same = build("y ~ x + (x | g)", weights=np.ones(N))
    np.testing.assert_array_equal(design.response, same.response)
    np.testing.assert_array_equal(design.weights, same.weights)
    np.testing.assert_array_equal(design.predictors[0].X, same.predictors[0].X)
    pd.testing.assert_frame_equal(design.frame, same.frame)


def test_duplicate_index() -> None:
    """Rows are found by position, so a repeated index does no harm."""
    data = with_hole("x")
    data.index = pd.Index(["same"] * N)
    with pytest.warns(DataWarning):
        design = build("y ~ x + log(z)", data)
    assert len(design.frame) == N - 1


def test_pickle() -> None:
    """A design survives pickling and still predicts."""
    design = build("y ~ poly(x, 2)*f + sqrt(z) + (t | g)")
    again = pickle.loads(pickle.dumps(design))
    new = table().iloc[:7]
    for one, other in zip(
        apply_design(design, new, unseen="error"),
        apply_design(again, new, unseen="error"),
        strict=True,
    ):
        np.testing.assert_array_equal(one.X, other.X)


def double(x: Any) -> Any:
    """A caller's own function."""
    return 2 * x


def test_context() -> None:
    """Functions come from the context given, never from the caller's variables."""
    design = build("y ~ double(x)", context={"double": double})
    np.testing.assert_array_equal(design.predictor("mean").X[:, 1], 2 * table()["x"])
    new = apply_design(pickle.loads(pickle.dumps(design)), table(), unseen="error")
    np.testing.assert_array_equal(new[0].X, design.predictor("mean").X)
    with pytest.raises(UnknownColumnError, match="`double` is no column of the data, nor"):
        build("y ~ double(x)")


def test_own_functions() -> None:
    """The functions that R users expect are there."""
    text = "sqrt(z) + log1p(z) + expm1(x) + logit(w/3) + expit(x) + factor(g) + log10(z)"
    columns = build(f"y ~ {text}").predictor("mean").columns
    assert columns[1] == "sqrt(z)"
    assert "factor(g)[T.20]" in columns


# The guards: what formulaic does silently.


def test_unused_levels() -> None:
    """Unused levels make no column, and a note says so."""
    design = build("y ~ f", table().query("f != 'b'"))
    assert design.predictor("mean").columns == ("Intercept", "f[T.a]")
    assert design.notes == ("1 unused level(s) of `f` left out: 'b'.",)


@pytest.mark.parametrize("text", ["y ~ f", "y ~ f:x", "y ~ C(f)", "y ~ (f | g)", "y ~ 0 + f"])
def test_one_level(text: str) -> None:
    """A categorical predictor with one level is an error, not a column that vanishes."""
    with pytest.raises(DesignError, match=r"`(f|C\(f\))` has one level only \('a'\)"):
        build(text, table().query("f == 'a'"))


def test_one_group() -> None:
    """A grouping factor with one level is an error."""
    with pytest.raises(DesignError, match=r"`g` has one level only \(10\)"):
        build("y ~ x + (1 | g)", table().query("g == 10"))


def test_all_missing() -> None:
    """A column without values is an error that names it."""
    with pytest.raises(DataError, match=r"No row is left.*`x` \(24\)"):
        build("y ~ x", table().assign(x=np.nan))


def test_empty() -> None:
    """Data without rows are an error."""
    with pytest.raises(DataError, match="The data have no rows"):
        build("y ~ x", table().iloc[:0])


def test_numbers_as_text() -> None:
    """Text with a level in most rows is suspected to be numbers."""
    with pytest.warns(DataWarning, match=r"`x` is text or categories with 20 levels in 24 rows"):
        build("y ~ x", table().assign(x=[str(i % 20) for i in range(N)]))


@pytest.mark.parametrize(("text", "column", "value"), [
    ("y ~ x", "x", np.inf), ("y ~ log(z)", "z", 0.0), ("y ~ (x | g)", "x", -np.inf),
    ("y ~ offset(log(z))", "z", 0.0), ("y ~ 1", "y", np.inf), ("y ~ log(z)", "z", -1.0),
    ("y / z ~ 1", "z", 0.0),
])  # fmt: skip
def test_not_finite(text: str, column: str, value: float) -> None:
    """A value that is not finite is an error that names column and row."""
    with pytest.raises(DataError, match=r"is -?(inf|nan) in row 'r2' \(position 2\)"):
        build(text, with_hole(column, value=value))


@pytest.mark.parametrize(("text", "aliased"), [
    ("y ~ x + {2 * x} + z", ("2 * x",)),
    ("y ~ x + z + {x - 3 * z}", ("x - 3 * z",)),
    ("y ~ f + C(f, contr.sum) + x", ("C(f, contr.sum)[S.c]", "C(f, contr.sum)[S.a]")),
    ("y ~ x + {0 * x}", ("0 * x",)),
    ("y ~ h + {h == 'u'}", ("h == 'u'",)),
])  # fmt: skip
def test_aliased(text: str, aliased: tuple[str, ...]) -> None:
    """Columns that depend on earlier ones leave, named, and prediction knows."""
    with pytest.warns(DataWarning, match="were left out because they are linear combinations"):
        design = build(text)
    mean = design.predictor("mean")
    assert mean.aliased == aliased
    assert not set(aliased) & set(mean.columns)
    assert np.linalg.matrix_rank(mean.X) == mean.X.shape[1] == len(mean.columns)
    assert any(aliased[0] in note for note in design.notes)
    np.testing.assert_allclose(apply_design(design, table(), unseen="error")[0].X, mean.X)


def test_warning_place() -> None:
    """A warning points to the caller's line, not into the library."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        build("y ~ x + {2 * x}")
    assert [w.filename for w in caught] == [__file__]


STORAGES = {
    "nullable": {"x": "Float64", "k": "Int64", "b": "boolean", "t": "string"},
    "arrow": {"x": "double[pyarrow]", "k": "int64[pyarrow]", "b": "bool[pyarrow]",
              "t": "string[pyarrow]"},
    "objects": {"x": object, "k": object, "b": object, "t": object},
    "narrow": {"x": "float64", "k": "int8", "g": "uint8", "t": "category"},
}  # fmt: skip


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("hole", [False, True])
@pytest.mark.filterwarnings("ignore:1 of 24 rows")
def test_storages(storage: str, hole: bool) -> None:
    """Every storage of a column gives the same float64 matrices, with and without holes."""
    text = "k ~ x*t + b + log(z) + (x | t)"
    plain = with_hole("x") if hole else table()
    stored = plain.astype(STORAGES[storage])
    one, other = build(text, plain), build(text, stored)
    assert one.predictor("mean").columns == other.predictor("mean").columns
    np.testing.assert_array_equal(one.predictor("mean").X, other.predictor("mean").X)
    np.testing.assert_array_equal(one.response, other.response)
    np.testing.assert_array_equal(
        one.predictor("mean").random[0].codes, other.predictor("mean").random[0].codes
    )
    assert other.predictor("mean").X.dtype == np.float64


@pytest.mark.parametrize("kind", ["polars", "lazy", "pyarrow", "dict"])
def test_other_tables(kind: str) -> None:
    """Polars, Arrow and dict give what pandas gives."""
    data = table().reset_index(drop=True)
    one = build("k ~ x*t + f + (x | g)", data)
    if kind == "dict":
        other: object = {name: data[name].to_numpy() for name in data.drop(columns="f")}
        other["f"] = data["f"]  # type: ignore[index]
    elif kind == "pyarrow":
        other = importlib.import_module("pyarrow").Table.from_pandas(data)
    else:
        polars = importlib.import_module("polars")
        other = polars.from_pandas(data.astype({"f": str}))
        other = other.with_columns(polars.col("f").cast(polars.Enum(["c", "a", "b"])))
        other = other.lazy() if kind == "lazy" else other  # type: ignore[attr-defined]
    two = build("k ~ x*t + f + (x | g)", other)
    np.testing.assert_array_equal(one.predictor("mean").X, two.predictor("mean").X)
    assert one.predictor("mean").columns == two.predictor("mean").columns
    np.testing.assert_array_equal(
        one.predictor("mean").random[0].codes, two.predictor("mean").random[0].codes
    )


def test_polars_categorical() -> None:
    """A polars Categorical, whose order is an accident, is read as text."""
    polars = importlib.import_module("polars")
    data = polars.DataFrame({"y": [1.0, 2.0, 4.0], "f": ["q", "p", "q"]})
    data = data.with_columns(polars.col("f").cast(polars.Categorical))
    assert build("y ~ f", data).predictor("mean").columns == ("Intercept", "f[T.q]")


def test_no_table() -> None:
    """What is no table is refused in words."""
    with pytest.raises(DataError, match="data is a int; give a pandas, polars"):
        build("y ~ x", 3)
    with pytest.raises(DataError, match="do not make a table"):
        build("y ~ x", {"y": [1, 2], "x": [1]})


@pytest.mark.parametrize(("text", "near"), [
    ("y ~ xx", "`x`"), ("y ~ X", "`x`"), ("yy ~ x", "`y`"), ("y ~ (1 | wehn)", "`when`"),
    ("y ~ lgo(x)", "`log`"), ("y ~ offset(Z)", "`z`"), ("y ~ x:Z", "`z`"),
])  # fmt: skip
def test_unknown_column(text: str, near: str) -> None:
    """A name that is no column is an error with near names."""
    with pytest.raises(UnknownColumnError, match=f"Did you mean .*{near}"):
        build(text)


@pytest.mark.parametrize("asked", ["Höhe", "Hoehe", "hohe", "NN", "Hohe"])
def test_a_word_of_a_name_is_near(asked: str) -> None:
    """Of a long name a word is enough, with or without its accents."""
    data = {"y": [1.0, 2.0, 4.0], "Höhe über NN": [1.0, 2.0, 3.0], "x": [0.0, 1.0, 0.0]}
    with pytest.raises(UnknownColumnError, match=r"Did you mean `Höhe über NN` .written with its"):
        build(f"y ~ {asked}", data)
    with pytest.raises(UnknownColumnError, match="The columns are y, Höhe über NN, x"):
        build("y ~ depth", data)


def test_unknown_lag() -> None:
    """Functions of neighbouring rows are not offered, since rows may be left out."""
    with pytest.raises(UnknownColumnError, match="`lag` is no column"):
        build("y ~ lag(x)")


@pytest.mark.parametrize("text", ["y ~ when", "y ~ when:x", "y ~ (when | g)"])
def test_dates(text: str) -> None:
    """A date as a predictor is an error that says what to write."""
    with pytest.raises(DataError, match=r"`when` is of type datetime.*Make a number of it"):
        build(text)


def test_dates_used() -> None:
    """What a date error says to write works."""
    X = build("y ~ days(when)").predictor("mean").X
    np.testing.assert_array_equal(X[:, 1], 19723 + np.arange(N))


def test_mixed_objects() -> None:
    """A column that mixes text and numbers is an error."""
    with pytest.raises(DataError, match="`x` holds Python objects of several kinds"):
        build("y ~ x", table().assign(x=[1, "a"] * 12))


def test_repeated_column() -> None:
    """Two columns of one name are an error where that name is used."""
    data = pd.concat([table(), table()[["x"]]], axis=1)
    with pytest.raises(DataError, match="2 columns of the data are called `x`"):
        build("y ~ x", data)
    assert build("y ~ z", data).dropped == 0


def test_same_effect_twice() -> None:
    """Two terms that give one effect to one group cannot be told apart."""
    with pytest.raises(DesignError, match="both give `Intercept` to `g`"):
        build("y ~ (1 | g) + (x | g)")


def test_text_response() -> None:
    """Two levels are a binary response, the second being the success; else an error."""
    design = build("h ~ x", trials=True)
    np.testing.assert_array_equal(design.response, table()["h"] == "v")
    assert design.notes == ("Response `h`: 'v' is a success, 'u' a failure.",)
    with pytest.raises(DataError, match="`t` has 3: 'hi', 'lo', 'mid'"):
        build("t ~ x", trials=True)
    with pytest.raises(DataError, match="`h` is text or categories; this family needs numbers"):
        build("h ~ x")
    np.testing.assert_array_equal(build("b ~ x", trials=True).response, table()["b"])


def test_bad_responses() -> None:
    """Trials that are not positive, and cbind without trials, are errors."""
    with pytest.raises(DataError, match="Trials must be positive, but `n` is 0 in row 'r2'"):
        build("k / n ~ x", with_hole("n", value=0), trials=True)
    with pytest.raises(FormulaError, match="is a binomial response"):
        build("cbind(k, n) ~ x")
    with pytest.raises(DataError, match="must be one column of numbers"):
        build("poly(x, 2) ~ 1")


def test_weights() -> None:
    """Weights are a column or one number a row, and not negative."""
    np.testing.assert_array_equal(build("y ~ x", weights="w").weights, table()["w"])
    np.testing.assert_array_equal(build("y ~ x", weights=[2] * N).weights, np.full(N, 2.0))
    with pytest.raises(DataError, match=r"weights has shape \(3,\), the data have 24 rows"):
        build("y ~ x", weights=[1, 2, 3])
    with pytest.raises(DataError, match=r"weights must be >= 0, but is -1\.0 in row 'r0'"):
        build("y ~ x", weights=[-1] + [1] * (N - 1))
    with pytest.raises(DataError, match="All weights are zero"):
        build("y ~ x", weights=np.zeros(N))
    with pytest.raises(DataError, match="`weights` is inf in row 'r0'"):
        build("y ~ x", weights=[np.inf] + [1] * (N - 1))
    with pytest.raises(DataError, match="weights must be numbers"):
        build("y ~ x", weights="t")
    with pytest.raises(UnknownColumnError, match="`ww` is no column"):
        build("y ~ x", weights="ww")
    with pytest.raises(DataError, match="`offset` is inf"):
        build("y ~ x", offset=[np.inf] + [1] * (N - 1))


def test_bad_expressions() -> None:
    """An expression that fails, or gives no numbers, is our error in one sentence."""
    with pytest.raises(DataError, match=r"cannot be evaluated on these data: .*log"):
        build("y ~ log(t)")
    with pytest.raises(DataError, match=r"offset\(t\) must be one column of numbers"):
        build("y ~ x + offset(t)")
    with pytest.raises(UnseenLevelError, match="leaves out the level\\(s\\) 'mid' of the data"):
        build("y ~ C(t, levels=['lo', 'hi'])")


def test_no_fixed_effects() -> None:
    """A predictor may have no column at all."""
    design = build("y ~ 0 + (1 | g)")
    assert design.predictor("mean").X.shape == (N, 0)
    assert apply_design(design, table(), unseen="error")[0].X.shape == (N, 0)


@pytest.mark.parametrize("text", ["y ~ v", "y ~ x + I(2 * v)", "y ~ offset(v)", "y ~ (v | g)"])
@pytest.mark.parametrize(
    "values",
    [np.arange(N), list(range(N)), pd.Series(np.arange(N)), pd.Categorical(["p", "q"] * 12)],
)
def test_context_has_no_columns(text: str, values: Any) -> None:
    """Values of rows come from the data: rows are left out, and new data have others."""
    with pytest.raises(DataError, match="make it a column of the data"):
        build(text, context={"v": values})


@pytest.mark.parametrize("order", [lambda v: v.sort_values(), lambda v: v[::-1]])
def test_functions_keep_the_order_of_rows(order: Any) -> None:
    """A Series that comes back with its rows in another order is not taken by position."""
    with pytest.raises(DataError, match="rows in another order"):
        build("y ~ f2(x)", context={"f2": order})
    with pytest.raises(DataError, match="rows in another order"):
        build("y ~ f2(x)", context={"f2": lambda v: order(v).to_frame()})
    lookup = pd.Series({0: 5.0, 1: 6.0, 2: 7.0, 3: 8.0})
    design = build("y ~ f2(k)", context={"f2": lambda v: lookup.loc[v]})
    np.testing.assert_array_equal(design.predictor("mean").X[:, 1], table().k + 5.0)


@pytest.mark.parametrize("name", ["weights", "offset"])
def test_expressions_beside_the_formula(name: str) -> None:
    """A weight or an offset beside the formula is a column, and the answer says where else."""
    said = r"write offset\(log\(w\)\) in the formula" if name == "offset" else "make a column of it"
    with pytest.raises(UnknownColumnError, match=said):
        build("y ~ x", **{name: "log(w)"})
