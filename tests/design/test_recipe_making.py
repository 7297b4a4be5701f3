"""Parts of formulas to matrices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mixcheck.design.parts import read_part
from mixcheck.design.recipe_making import make_matrices
from mixcheck.design.recipes import PlainRecipe, TermsRecipe

DATA = {
    "x": np.array([1.0, 2.0, 4.0]),
    "f": pd.Categorical(["a", "b", "a"]),
}


@pytest.mark.parametrize(("text", "variables"), [
    ("x + f:z", ("x", "f", "z")),
    ("log(x) + {a + b}", ("x", "a", "b")),
    ("`my x` + log(`my z`)", ("my x", "my z")),
    ("np.log(x.y)", ("x.y",)),
    ("log(log) + class", ("log", "class")),
])  # fmt: skip
def test_variables(text: str, variables: tuple[str, ...]) -> None:
    """The names of values that a part needs, those of functions left out."""
    assert set(read_part(text).variables) == set(variables)


@pytest.mark.parametrize(("text", "kind"), [
    ("1", PlainRecipe), ("0 + x + f", PlainRecipe), ("x:f", TermsRecipe),
    ("log(x)", TermsRecipe),
])  # fmt: skip
def test_short_way(text: str, kind: type) -> None:
    """Only an intercept and plain columns take the short way."""
    matrix, recipe = make_matrices({"p": read_part(text)}, DATA, 3, None)["p"]
    assert isinstance(recipe, kind)
    np.testing.assert_array_equal(recipe.evaluate(DATA, 3), matrix)
    assert len(recipe.columns) == matrix.shape[1]


def test_together() -> None:
    """Parts made together are those made one by one."""
    texts = ["poly(x, 1)", "x:f", "f", "0 + poly(x, 1)"]
    parts = {text: read_part(text) for text in texts}
    together = make_matrices(parts, DATA, 3, None)
    for text in texts:
        alone, recipe = make_matrices({text: parts[text]}, DATA, 3, None)[text]
        np.testing.assert_array_equal(together[text][0], alone)
        assert together[text][1].columns == recipe.columns
