"""Draws that cannot be what they are taken for."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from mixcheck.adapters.draws import from_draws
from mixcheck.adapters.plausibility import require_one_kind, warn_of_strangeness
from mixcheck.errors import DataError, DataWarning


def binomial(n: int, m: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Successes, draws of them with effects of groups, and the trials."""
    rng = np.random.default_rng(seed)
    trials = rng.integers(1, 20, n)
    p = 1.0 / (1.0 + np.exp(1.0 - 0.8 * rng.normal(size=(m + 1, 5))[:, np.arange(n) % 5]))
    pool = rng.binomial(trials, p)
    return pool[0], pool[1:], trials


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("layout", ["alternating", "halves"])
def test_successes_and_failures(seed: int, layout: str) -> None:
    """The matrix that as.matrix(simulate(fit)) makes of a binomial model in R is refused."""
    y, draws, trials = binomial(56, 50, seed)
    both = np.stack([draws, trials - draws], axis=1 if layout == "alternating" else 0)
    with pytest.raises(DataError, match=r"successes and failures.*function\(s\) s\[, 1\]"):
        from_draws(y, both.reshape(100, 56).T)
    from_draws(y, draws)


def test_what_is_no_pair() -> None:
    """Few draws, rare events and constant draws are never taken for pairs."""
    rng = np.random.default_rng(2)
    for draws in (
        rng.poisson(2.0, (4, 3)),
        rng.binomial(1, 0.5, (4, 8)),
        rng.binomial(1, 0.01, (200, 50)),
        np.ones((100, 50)),
        rng.normal(size=(100, 50)),
    ):
        require_one_kind(draws)


@pytest.mark.parametrize("seed", range(20))
def test_right_draws_are_silent(seed: int) -> None:
    """Draws of one kind give no word, however their rows move together."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(201, 1)) * 3.0
    pool = rng.poisson(np.exp(0.5 + shared * np.ones(30)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        require_one_kind(pool[1:])
        warn_of_strangeness(pool[0], pool[1:])


@pytest.mark.parametrize("m", [2, 60])
def test_one_draw_many_times(m: int) -> None:
    """Fitted values, repeated, are no draws: checks of them say nothing."""
    y = np.random.default_rng(3).poisson(2.0, 50)
    with pytest.warns(DataWarning, match="all draws are one and the same"):
        from_draws(y, np.tile(y, (m, 1)))
    with pytest.warns(DataWarning, match="all draws are one and the same"):
        from_draws(y, np.full((m, 50), y.mean()))


def test_two_kinds() -> None:
    """Two kinds of draws that alternate are named, whether or not they add up."""
    rng = np.random.default_rng(3)
    draws = rng.normal(size=(100, 40))
    draws[1::2] += 3.0
    with pytest.warns(DataWarning, match="two kinds that alternate"):
        warn_of_strangeness(draws[0], draws)


def test_another_scale() -> None:
    """Counts beside draws of proportions, and failures beside successes, are doubted."""
    y, draws, trials = binomial(200, 60, 1)
    with pytest.warns(DataWarning, match=r"outside of all draws in \d+% of the rows"):
        from_draws(y, draws / trials / 7.0)
    many = trials >= 10
    with pytest.warns(DataWarning, match="same order of rows"):
        from_draws((10 * trials - y)[many], draws[:, many])


def test_proportions_beside_counts() -> None:
    """Proportions among draws of counts lie within the draws, and are on another scale."""
    y, draws, trials = binomial(200, 60, 2)
    with pytest.warns(DataWarning, match="observed has fractions and draws are whole numbers"):
        from_draws(y / trials, draws)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_draws(y / trials, draws / trials)
