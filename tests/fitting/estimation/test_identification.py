"""What the data cannot hold is refused before any search."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.errors import ConvergenceError, DesignError

FAMILIES = ["gaussian", "gamma", "lognormal", "beta", "nbinom2"]


def table() -> dict[str, object]:
    """20 rows: text with one value for each, a column of zeros and one of twos."""
    rng = np.random.default_rng(1)
    return {
        "y": rng.uniform(0.1, 0.9, 20),
        "k": rng.poisson(3.0, 20),
        "t": [f"{i}" for i in range(20)],
        "g": np.repeat(np.arange(4), 5),
        "zero": np.zeros(20),
        "two": np.full(20, 2.0),
        "x": rng.normal(size=20),
    }


@pytest.mark.filterwarnings("ignore::mixcheck.errors.DataWarning")
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("random", ["", " + (1 | g)"])
def test_saturated(family: str, random: str) -> None:
    """As many fixed effects as rows leave no dispersion, and no search finds out."""
    response = "k" if family == "nbinom2" else "y"
    with pytest.raises(DesignError, match="20 fixed effects for 20 observations"):
        mc.glmm(f"{response} ~ t{random}", table(), family=family)


@pytest.mark.filterwarnings("ignore::mixcheck.errors.DataWarning")
def test_rows_of_weight_zero_do_not_count() -> None:
    """Ten effects for ten rows that count are as many as twenty for twenty."""
    data = table()
    weights = (np.arange(20) < 10).astype(float)
    data["t"] = [f"{min(i, 9)}" for i in range(20)]
    with pytest.raises(DesignError, match="10 fixed effects for 10 observations"):
        mc.glmm("y ~ t", data, weights=weights)


@pytest.mark.parametrize("family", ["gaussian", "gamma"])
@pytest.mark.parametrize("term", ["(zero | g)", "(0 + zero | g)", "(zero || g)"])
def test_effect_of_zeros(family: str, term: str) -> None:
    """A random effect that is zero everywhere has no variance."""
    with pytest.raises(DesignError, match=r"the random effect zero of .* is zero in every row"):
        mc.glmm(f"y ~ x + {term}", table(), family=family)


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_dependent_effects(family: str) -> None:
    """A constant beside an intercept has a variance that cannot be told from its own."""
    with pytest.raises(DesignError, match="linear combinations of each other"):
        mc.glmm("k ~ x + (two | g)", table(), family=family)


def test_an_effect_for_each_row() -> None:
    """An effect for each row of a Gaussian response is its residual."""
    with pytest.raises(DesignError, match="Leave it out"):
        mc.glmm("y ~ x + (1 | t)", table())


@pytest.mark.parametrize("family", ["t", "gamma", "lognormal", "gaussian"])
@pytest.mark.parametrize("constant", [True, False])
def test_a_refit_to_what_the_model_reproduces_is_refused(family: str, constant: bool) -> None:
    """A response that is one number, or one for each group, is refused by a refit as by a fit."""
    data = table()
    response = np.full(20, 2.0) if constant else np.asarray(data["g"]) + 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.MixcheckWarning)
        fit = mc.glmm("y ~ x + (1 | g)", data, family=family)
    with pytest.raises(ConvergenceError, match=r"constant|does not vary|exactly"):
        mc.glmm("z ~ x + (1 | g)", {**data, "z": response}, family=family)
    with pytest.raises(ConvergenceError, match=r"constant|does not vary|exactly"):
        fit.refit(response)


def test_a_response_that_is_its_offset() -> None:
    """A response that is constant beside its offset, or where rows count, leaves no scale."""
    data = table()
    x = np.asarray(data["x"])
    with pytest.raises(ConvergenceError, match="the response is constant"):
        mc.glmm("z ~ y + (1 | g)", {**data, "z": x + 3.0}, family="t", offset=x)
    z, weights = np.full(20, 3.0), np.ones(20)
    z[:3], weights[:3] = x[:3], 0.0
    with pytest.raises(ConvergenceError, match="the response is constant"):
        mc.glmm("z ~ y + (1 | g)", {**data, "z": z}, family="t", weights=weights)
