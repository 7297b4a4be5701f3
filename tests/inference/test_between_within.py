"""Degrees of freedom between and within nested levels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import OptionError
from mixcheck.inference.between_within import between_within_df

STORED = json.loads(
    (Path(__file__).parents[1] / "data" / "small_samples.json").read_text(encoding="utf-8")
)["between_within"]


def test_they_are_those_of_nlme() -> None:
    """Two nested factors with predictors of each; the intercept is between, not within."""
    stored = STORED["pastes"]
    data = pd.DataFrame(stored["data"])
    X = np.column_stack(
        [np.ones(60), data["u"], data["cask"] == "b", data["cask"] == "c", data["w"]]
    )
    factors = [pd.factorize(data["batch"] + data["cask"])[0], pd.factorize(data["batch"])[0]]
    np.testing.assert_array_equal(between_within_df(X, factors)[1:], stored["df"][1:])
    assert between_within_df(X, factors)[0] == stored["df"][1]


def test_of_a_fit() -> None:
    """Orthodont: sex between subjects, age within."""
    data = mc.datasets.load("Orthodont")
    fit = mc.glmm("distance ~ age * Sex + (1 | Subject)", data)
    found = fit.coefficients(ddf="between-within")["df"].to_numpy()
    np.testing.assert_array_equal(found[1:], STORED["orthodont"]["df"][1:])


def test_crossed_factors_are_refused() -> None:
    """With what to write."""
    codes = [np.repeat(np.arange(3), 4), np.tile(np.arange(4), 3)]
    with pytest.raises(OptionError, match='write ddf="containment"'):
        between_within_df(np.ones((12, 1)), codes)
