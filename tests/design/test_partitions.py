"""What parts of a table must agree on is found in the rows that show it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.design import build_design, parse_formula
from mixcheck.design.partitions import (
    Wanted,
    fill,
    hash_levels,
    join_shown,
    keep_columns,
    outline,
    show_rows,
    triangle,
)


def _wanted(text, **options):
    return Wanted(
        parse_formula(text),
        **{
            "weights": None,
            "offset": None,
            "context": None,
            "ratio_is_trials": False,
            "categories": False,
            **options,
        },
    )


@pytest.fixture
def table():
    """Rows of 400 groups."""
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "y": rng.normal(size=4000),
            "x": rng.normal(size=4000),
            "few": rng.integers(0, 4, 4000),
            "kind": rng.choice(["b", "a", "c"], 4000),
            "g": np.repeat(np.arange(400), 10),
        }
    )


def test_few_rows_show_values_and_ends(table):
    """All values of columns with few, the ends of others, several levels of groups."""
    shown = show_rows(table, _wanted("y ~ x + few + kind + (1 | g)"))
    assert shown.rows == 4000
    assert len(shown.frame) < 20
    assert set(shown.frame.few) == set(table.few)
    assert set(shown.frame.kind) == set(table.kind)
    assert shown.frame.x.min() == table.x.min()
    assert shown.frame.x.max() == table.x.max()
    assert shown.frame.g.nunique() >= 2


def test_matrices_of_parts_are_those_of_all_rows(table):
    """Levels, coding and names are those of one table, where parts lack levels."""
    table.loc[table.g < 100, "kind"] = "a"
    text = "y ~ kind * factor(few) + log(x + 9) + (1 + x | g)"
    wanted, whole = _wanted(text), build_design(parse_formula(text), table, ratio_is_trials=False)
    parts = [table[table.g < 100], table[table.g >= 100]]
    made = outline(join_shown([show_rows(part, wanted) for part in parts], wanted), wanted)
    designs = [fill(made, part) for part in parts]
    stacked = np.vstack([design.predictors[0].X for design in designs])
    assert np.array_equal(stacked, whole.predictors[0].X)
    assert designs[0].predictors[0].columns == whole.predictors[0].columns
    Z = np.vstack([design.predictors[0].random[0].Z for design in designs])
    assert np.array_equal(Z, whole.predictors[0].random[0].Z)
    kept = keep_columns(
        made, [{"mean": triangle(design.predictors[0].X)} for design in designs]
    ).kept
    assert kept["mean"].all()


def test_triangles_of_parts_have_the_products_of_all_rows(table):
    """``R'R = X'X`` however the rows are divided."""
    X = table[["y", "x", "few"]].to_numpy(float)
    stacked = np.vstack([triangle(X[:2]), triangle(X[2:1000]), triangle(X[1000:])])
    assert np.allclose(stacked.T @ stacked, X.T @ X, rtol=1e-12)


def test_levels_have_numbers_by_their_labels(table):
    """The same label has the same number in any part, and integers of any width."""
    wanted = _wanted("y ~ x + (1 | g)")
    made = outline(show_rows(table, wanted), wanted)
    one = hash_levels(fill(made, table[table.g < 10]))[("g",)]
    other = hash_levels(fill(made, table[table.g < 20].astype({"g": np.int32})))[("g",)]
    assert np.array_equal(one, other[:10])
    assert np.unique(other).size == 20


@pytest.mark.parametrize("term", ["scale(x)", "poly(x, 2)", "I(x - mean(x))", "bs(x, df=4)"])
def test_functions_of_all_rows_are_refused(table, term):
    """Their value in a row depends on other rows, which no part has."""
    wanted = _wanted(f"y ~ {term} + (1 | g)")
    with pytest.raises(mc.DesignError, match="computed from all rows"):
        outline(show_rows(table, wanted), wanted)


def test_a_column_of_very_many_texts_is_no_effect(table):
    """Twenty thousand levels are the most that rows show."""
    texts = pd.DataFrame({"y": np.zeros(30_000), "k": [f"k{i}" for i in range(30_000)]})
    with pytest.raises(mc.DesignError, match="30,000 levels"):
        show_rows(texts, _wanted("y ~ k"))
