"""Right sides that were made before, and what they are known by."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.design import Design, build_design, parse_formula
from mixcheck.design.columns import contents_of
from mixcheck.errors import DataWarning

N = 40


def table() -> pd.DataFrame:
    """Columns of every storage that has fixed contents, and two responses."""
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "y": rng.normal(size=N),
            "v": rng.normal(size=N),
            "x": rng.normal(size=N),
            "i": rng.integers(0, 9, N),
            "b": rng.random(N) < 0.5,
            "t": rng.choice(["lo", "mid", "hi"], N),
            "o": pd.Series(rng.choice(["p", "q"], N), dtype=object),
            "f": pd.Categorical(rng.choice(["u", "w"], N), categories=["w", "u"]),
            "g": np.repeat([f"g{k}" for k in range(8)], 5),
        }
    )


def build(data: pd.DataFrame, right: str, left: str = "y", **options: Any) -> Design:
    """Design of a right side on a table."""
    return build_design(parse_formula(f"{left} ~ {right}"), data, ratio_is_trials=False, **options)


RIGHT = "x * t + i + b + o + f + (1 + x | g)"


def test_same_contents_share_their_matrices() -> None:
    """Another table with the same columns, and another response, have the same predictors."""
    one, two = build(table(), RIGHT), build(table().assign(extra=1), RIGHT, "I(2 * v)")
    assert one.predictors is two.predictors
    np.testing.assert_array_equal(two.response, 2.0 * table()["v"])
    assert "extra" in two.frame
    assert "extra" not in one.frame


CHANGES: dict[str, Any] = {
    "x": lambda d: d["x"].mask(d.index == 3, 7.0),
    "i": lambda d: d["i"].mask(d.index == 3, 17),
    "b": lambda d: ~d["b"],
    "t": lambda d: d["t"].replace("lo", "other"),
    "o": lambda d: d["o"].replace("p", "r"),
    "f": lambda d: d["f"].cat.reorder_categories(["u", "w"]),
    "g": lambda d: d["g"].mask(d.index == 3, "g7"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_other_contents_are_read_again(name: str) -> None:
    """A column that is changed in the very table that was read before is seen."""
    data = table()
    before = build(data, RIGHT)
    data[name] = CHANGES[name](data)
    after = build(data, RIGHT)
    fresh = build(data.assign(x=data["x"] + 0.0), RIGHT, context={"unused": abs})
    assert after.predictors is not before.predictors
    np.testing.assert_array_equal(after.predictors[0].X, fresh.predictors[0].X)
    np.testing.assert_array_equal(
        after.predictors[0].random[0].codes, fresh.predictors[0].random[0].codes
    )
    assert after.predictors[0].random[0].levels.equals(fresh.predictors[0].random[0].levels)


def test_what_has_no_fixed_contents_is_read_each_time() -> None:
    """Objects, missing rows, offsets beside the formula and functions of a caller."""
    data = table()
    assert contents_of(pd.Series([1, True], dtype=object)) is None
    assert contents_of(pd.Series(pd.date_range("2024", periods=3))) is None
    assert contents_of(data["t"]) == contents_of(data["t"].astype(object))
    ones, truths = pd.Series([1, 0, 1]), pd.Series([True, False, True])
    assert len({contents_of(c) for c in (ones, truths, ones.astype(float))}) == 3
    for options in ({"offset": "v"}, {"context": {"double": abs}}):
        assert build(data, "x", **options).predictors is not build(data, "x", **options).predictors
    data.loc[3, "y"] = np.nan
    with pytest.warns(DataWarning, match="left out"):
        short = build(data, "x")
    assert len(short.predictors[0].X) == N - 1


def test_warnings_are_given_each_time() -> None:
    """A design that was seen before says what it said then, in its notes too."""
    data = table().assign(t=["Lo", "lo"] * (N // 2), two=lambda d: 2.0 * d["x"])
    said = []
    for _ in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            design = build(data, "x + two + t")
        said.append(([str(w.message) for w in caught], design.notes))
    assert said[0] == said[1]
    assert len(said[0][0]) == 2


def test_shared_matrices_are_not_written() -> None:
    """What several models share refuses to be changed."""
    part = build(table(), RIGHT).predictors[0]
    for array in (part.X, part.offset, part.random[0].Z, part.random[0].codes):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize("family", ["gaussian", "poisson", "nbinom2"])
def test_fits_do_not_know_what_was_seen(family: str) -> None:
    """Fits on a design that other responses and families had before are those of a fresh one."""
    rng = np.random.default_rng(9)
    g, x = np.repeat(np.arange(10), 8), rng.normal(size=80)
    counts = rng.poisson(np.exp(0.5 + 0.3 * x + rng.normal(size=10)[g] * 0.5), (2, 80))
    data = pd.DataFrame({"x": x, "g": g, "y": counts[0], "z": counts[1]}, index=np.arange(80) + 5)
    fresh = mc.glmm("y ~ x + (1 | g)", data, family=family, context={"unused": abs})
    mc.glmm("z ~ x + (1 | g)", data, family="poisson")
    mc.glmm("z ~ x + (1 | g)", data, family="gaussian")
    again = mc.glmm("y ~ x + (1 | g)", data, family=family)
    np.testing.assert_array_equal(again.params, fresh.params)
    np.testing.assert_array_equal(again.bse, fresh.bse)
    assert again.llf == fresh.llf
    bad = data.assign(y=data["y"].astype(float).where(data["x"] != x[7], np.inf))
    with pytest.raises(mc.errors.DataError, match="row 12"):
        mc.glmm("y ~ x + (1 | g)", bad, family=family)
