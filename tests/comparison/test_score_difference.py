"""Paired differences of scores."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.comparison.score_difference import subtract_scores


def _scores(values, name="g") -> pd.Series:
    return pd.Series(values, pd.Index(range(len(values)), name=name))


def test_pairs():
    """What both models share cancels in the standard error."""
    shared = 10.0 * np.random.default_rng(1).standard_normal(50)
    found = subtract_scores(
        ("a", _scores(shared + 1.0)), ("b", _scores(shared + np.tile([0.0, 1.0], 25))), "levels"
    )
    assert found.difference == pytest.approx(25.0)
    assert found.se == pytest.approx(np.sqrt(50 * 0.25 * 50 / 49))


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ([1.0, 1.0, 1.1], "decides nothing"),
        ([9.0, -8.0, 9.0], "within two standard errors"),
        ([-9.0, -8.0, -9.0], "b predicts better than a by"),
    ],
)
def test_verdicts(difference, words):
    """A sentence for small, uncertain and clear differences."""
    zeros = _scores(np.zeros(3))
    found = subtract_scores(("a", _scores(difference)), ("b", zeros), "levels")
    assert words in found.verdict
    assert words in str(found)
    assert json.loads(found.to_json())["difference"] == found.difference
    assert found.to_frame().shape == (1, 6)


@pytest.mark.parametrize("other", [_scores([1.0, 2.0]), _scores([1.0, 2.0, 3.0], "h")])
def test_other_units(other):
    """Scores of other units are refused."""
    with pytest.raises(mc.ComparisonError, match="same units of the same data"):
        subtract_scores(("a", _scores([1.0, 2.0, 3.0])), ("b", other), "levels")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Twelve groups of four counts."""
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(12), 4), rng.normal(size=48)
    mean = np.exp(1.0 + 0.5 * x + rng.normal(0.0, 0.6, 12)[g])
    return pd.DataFrame({"g": g, "x": x, "y": rng.poisson(mean)})


@pytest.mark.parametrize("score", [mc.loo, mc.logo], ids=["rows", "groups"])
def test_scores_are_of_rows_that_hold_the_same(table, score):
    """In another order and under other labels the difference is the same; of other data none."""
    first = score(mc.glmm("y ~ x + (1 | g)", table, family="poisson"))
    expected = first.minus(score(mc.glmm("y ~ 1 + (1 | g)", table, family="poisson")))
    recoded = table.assign(g=table["g"].map(lambda k: f"level {(5 * k) % 12}"))
    shuffled = recoded.sample(frac=1.0, random_state=2).reset_index(drop=True)
    found = first.minus(score(mc.glmm("y ~ 1 + (1 | g)", shuffled, family="poisson")))
    assert found.difference == pytest.approx(expected.difference, abs=1e-4)
    assert found.se == pytest.approx(expected.se, rel=1e-4)
    other = mc.glmm("y ~ 1 + (1 | g)", table.assign(y=table["y"] + 1), family="poisson")
    with pytest.raises(mc.ComparisonError, match="differ in their response"):
        first.minus(score(other))


@pytest.mark.filterwarnings("ignore::mixcheck.BoundaryWarning")
def test_groups_of_other_rows_are_other_units(table):
    """A factor of the same name that divides the rows otherwise is refused."""
    permuted = table.assign(g=np.random.default_rng(1).permutation(table["g"].to_numpy()))
    first, second = (
        mc.logo(mc.glmm("y ~ x + (1 | g)", data, family="poisson")) for data in (table, permuted)
    )
    with pytest.raises(mc.ComparisonError, match="other rows"):
        first.minus(second)
