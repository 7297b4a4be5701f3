"""A design applied to new data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.design import Design, apply_design, build_design, parse_formula
from mixcheck.errors import DataError, OptionError, UnknownColumnError, UnseenLevelError

N = 30


def table() -> pd.DataFrame:
    """Training data."""
    rng = np.random.default_rng(11)
    return pd.DataFrame(
        {
            "y": rng.normal(size=N),
            "x": rng.normal(size=N),
            "z": rng.uniform(1, 2, N),
            "f": pd.Categorical(["b", "a", "c"] * 10, categories=["c", "b", "a"]),
            "t": ["lo", "hi"] * 15,
            "g": np.repeat(np.arange(6), 5),
            "h": [*"uvwuv"] * 6,
        }
    )


def build(text: str, **options: object) -> Design:
    """Design of a formula on the table."""
    return build_design(parse_formula(text, zi="~ t"), table(), ratio_is_trials=False, **options)


FORMULAS = [
    "y ~ x + f + (1 | g)",
    "y ~ poly(x, 3)*t + bs(z, df=5) + (poly(x, 2) | g)",
    "y ~ scale(x)*f + offset(log(z)) + (x || g/h)",
    "y ~ C(g) + C(f, contr.sum) + factor(t) + (0 + f | h)",
    "y ~ 0 + f:t + {x**2} + diag(f | h) + (1 | g:h)",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_round_trip(text: str) -> None:
    """Applied to the training data without their response, a design gives its own matrices."""
    design = build(text)
    again = apply_design(design, table().drop(columns="y"), unseen="error")
    for one, other in zip(design.predictors, again, strict=True):
        assert (one.name, one.columns, one.aliased) == (other.name, other.columns, other.aliased)
        np.testing.assert_array_equal(one.X, other.X)
        np.testing.assert_array_equal(one.offset, other.offset)
        for a, b in zip(one.random, other.random, strict=True):
            assert (a.name, a.effects, a.covariance) == (b.name, b.effects, b.covariance)
            np.testing.assert_array_equal(a.codes, b.codes)
            np.testing.assert_array_equal(a.Z, b.Z)


@pytest.mark.parametrize("text", FORMULAS)
def test_row_by_row(text: str) -> None:
    """Each row is coded as in the whole, whatever rows are beside it: transformations keep."""
    design = build(text)
    for i in (0, 7, 22):
        row = table().iloc[[i]]
        for one, other in zip(
            design.predictors, apply_design(design, row, unseen="error"), strict=True
        ):
            np.testing.assert_allclose(other.X[0], one.X[i], atol=1e-12)
            for a, b in zip(one.random, other.random, strict=True):
                assert a.codes[i] == b.codes[0]


def test_category_order() -> None:
    """The codes of new categories do not matter, their names do."""
    design = build("y ~ f + f:x")
    new = table().assign(f=table()["f"].cat.reorder_categories(["a", "b", "c"]))
    np.testing.assert_array_equal(
        apply_design(design, new, unseen="error")[0].X, design.predictors[0].X
    )


@pytest.mark.parametrize("text", ["y ~ f", "y ~ f:x", "y ~ C(f)", "y ~ (f | g)", "y ~ factor(f)"])
@pytest.mark.parametrize("unseen", ["error", "zero"])
def test_unseen_fixed_level(text: str, unseen: str) -> None:
    """A level of a predictor never seen is always an error, naming column and level."""
    new = table().assign(f="d")
    with pytest.raises(UnseenLevelError, match="Column `f` has level\\(s\\) 'd'"):
        apply_design(build(text), new, unseen=unseen)  # type: ignore[arg-type]


def test_unseen_computed_level() -> None:
    """Also where the levels are computed."""
    with pytest.raises(UnseenLevelError, match="10"):
        apply_design(build("y ~ C(g + 1)"), table().assign(g=9), unseen="error")


def test_unseen_group() -> None:
    """A group never seen raises, or has code -1 by request."""
    design = build("y ~ x + (1 | g) + (1 | h:g)")
    new = table().assign(g=[77, *table()["g"][1:]])
    with pytest.raises(UnseenLevelError, match=r"`g` has level\(s\) '77'.*unseen='zero'"):
        apply_design(design, new, unseen="error")
    single, crossed = apply_design(design, new, unseen="zero")[0].random
    assert single.codes[0] == crossed.codes[0] == -1
    np.testing.assert_array_equal(single.codes[1:], design.predictors[0].random[0].codes[1:])
    np.testing.assert_array_equal(crossed.codes[1:], design.predictors[0].random[1].codes[1:])


def test_unseen_combination() -> None:
    """Known parts in a combination never seen are an unseen level."""
    data = table().query("not (g == 0 and h == 'u')")
    design = build_design(parse_formula("y ~ (1 | g:h)"), data, ratio_is_trials=False)
    with pytest.raises(UnseenLevelError, match=r"`g:h` has level\(s\) '0:u'"):
        apply_design(design, table(), unseen="error")


def test_group_types() -> None:
    """Whole numbers stored as floats find their level; text does not pass for numbers."""
    design = build("y ~ (1 | g)")
    new = apply_design(design, table().assign(g=table()["g"].astype(float)), unseen="error")
    np.testing.assert_array_equal(new[0].random[0].codes, design.predictors[0].random[0].codes)
    text = table().assign(g=table()["g"].astype(str))
    for unseen in ("error", "zero"):
        with pytest.raises(UnseenLevelError, match=r"numbers in the fit and text.*pd.to_numeric"):
            apply_design(design, text, unseen=unseen)  # type: ignore[arg-type]


@pytest.mark.parametrize("column", ["x", "z", "t", "g"])
def test_missing(column: str) -> None:
    """A row with a missing predictor is NaN, and the result has every row."""
    design = build("y ~ poly(x, 2) + t + offset(log(z)) + (x | g)")
    new = table()
    new[column] = new[column].astype(object if column in "tg" else float)
    new.loc[4, column] = None
    mean = apply_design(design, new, unseen="error")[0]
    assert mean.X.shape == design.predictors[0].X.shape
    assert np.isnan(mean.X[4]).all()
    others = np.delete(np.arange(N), 4)
    np.testing.assert_allclose(mean.X[others], design.predictors[0].X[others])
    assert np.isfinite(mean.offset[others]).all()
    assert np.isnan(mean.random[0].Z[4]).all()


def test_missing_group() -> None:
    """By request a missing group is an unseen one, and the rest of its row stays."""
    new = table().astype({"g": float})
    new.loc[4, "g"] = None
    mean = apply_design(build("y ~ x + (1 | g)"), new, unseen="zero")[0]
    assert mean.random[0].codes[4] == -1
    assert np.isfinite(mean.X).all()


def test_nothing_left() -> None:
    """New data with no complete row, or no row, give arrays of that many rows."""
    design = build("y ~ log(z) + f + (1 | g)")
    blank = apply_design(design, table().assign(z=np.nan), unseen="error")[0]
    assert np.isnan(blank.X).all()
    assert apply_design(design, table().iloc[:0], unseen="error")[0].X.shape == (0, 4)


def test_offset_beside() -> None:
    """An offset by column is read from new data; one given as an array must be given again."""
    by_column = build("y ~ x", offset="z")
    mean = apply_design(by_column, table(), unseen="error")[0]
    np.testing.assert_array_equal(mean.offset, table()["z"])
    by_array = build("y ~ x", offset=table()["z"].to_numpy())
    with pytest.raises(DataError, match="offset given as an array"):
        apply_design(by_array, table(), unseen="error")
    mean = apply_design(by_array, table().iloc[:2], unseen="error", offset=[1, 2])[0]
    assert mean.offset.tolist() == [1, 2]


def test_errors() -> None:
    """A column that is not there, values out of range and a wrong option are errors."""
    design = build("y ~ bs(x, df=4) + log(z)")
    with pytest.raises(UnknownColumnError, match="`x` is no column"):
        apply_design(build("y ~ x"), table().drop(columns="x"), unseen="error")
    with pytest.raises(UnknownColumnError, match="`z` is no column"):
        apply_design(design, table().drop(columns="z"), unseen="error")
    with pytest.raises(DataError, match="cannot be evaluated on these data"):
        apply_design(design, table().assign(x=99.0), unseen="error")
    with pytest.raises(OptionError, match="'error' or 'zero', not 'none'"):
        apply_design(design, table(), unseen="none")  # type: ignore[arg-type]


def test_numbers_for_text() -> None:
    """Text where numbers were is an error."""
    with pytest.raises(DataError, match="Column `x` must be numbers"):
        apply_design(build("y ~ x"), table().assign(x="a"), unseen="error")


def test_only_what_is_wanted() -> None:
    """One predictor without its random terms needs neither groups nor the others' columns."""
    design = build("y ~ x + (0 + z | g)")
    (mean,) = apply_design(design, {"x": [1.0]}, unseen="error", predictors=["mean"], random="none")
    assert (mean.name, mean.random, mean.X.tolist()) == ("mean", (), [[1.0, 1.0]])
    new = {"x": [1.0], "z": [2.0]}
    (mean,) = apply_design(design, new, unseen="error", predictors=["mean"], random="effects")
    assert (mean.random[0].Z.tolist(), mean.random[0].codes.tolist()) == ([[2.0]], [-1])
    (zero,) = apply_design(design, {"t": ["lo"]}, unseen="error", predictors=["zi"])
    assert zero.name == "zi"


def test_type_of_a_fixed_level() -> None:
    """Numbers where the fit had words are named as such."""
    with pytest.raises(UnseenLevelError, match=r"fit has text there and the new data numbers"):
        apply_design(build("y ~ t"), table().assign(t=1), unseen="error")


def test_infinite_offset_is_refused() -> None:
    """An infinite offset of a prediction is named with its row, and a missing one gives NaN."""
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0, 5.0, 4.0], "x": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]})
    fit = mc.glmm("y ~ x", data, family="poisson")
    with pytest.raises(mc.DataError, match=r"offset is infinite in row 1, and in 1 row\(s\)"):
        fit.predict(data.head(2), offset=[0.0, np.inf])
    assert fit.predict(data.head(2), offset=[0.0, np.nan]).isna().tolist() == [False, True]
