"""Residuals: their record, and where it comes from."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

import mixcheck as mc
from mixcheck.adapters.draws import from_draws
from mixcheck.errors import OptionError
from mixcheck.quantile_residuals import Residuals, rank_residuals, residuals


@pytest.fixture
def model():
    """A model of 20 rows known by 50 draws, with an index of its own."""
    rng = np.random.default_rng(2)
    observed = pd.Series(rng.poisson(2.0, 20), index=[f"row {k}" for k in range(20)])
    return from_draws(observed, rng.poisson(2.0, (50, 20)))


def test_a_seed_repeats_the_residuals(model):
    """The same seed gives the same residuals, another seed others."""
    first, again, other = (residuals(model, seed=seed).observed.residuals for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_number_of_draws_does_not_move_the_residuals(model):
    """Draws for the checks leave the residuals of the data where they are."""
    np.testing.assert_array_equal(
        residuals(model, seed=1, draws=10).values, residuals(model, seed=1, draws=50).values
    )


def test_normal_scores_invert_the_normal_distribution(model):
    """Phi of the normal scores gives the residuals back."""
    found = residuals(model, seed=1)
    np.testing.assert_allclose(ndtr(found.normal), found.values, rtol=1e-12)


def test_the_frame_keeps_the_callers_index(model):
    """One row an observation, under the index of the data."""
    found = residuals(model, seed=1)
    frame = found.to_frame()
    assert list(frame.index) == list(model.frame.index)
    assert found.values is found.observed.residuals  # noqa: PD011 (not a frame)
    np.testing.assert_array_equal(frame["residual"], found.values)
    np.testing.assert_array_equal(frame["response"], found.observed.response)


def test_they_show_their_seed(model):
    """The seed that was drawn is in the record and in its repr."""
    found = residuals(model)
    assert isinstance(found, Residuals)
    assert f"seed={found.seed}" in repr(found)
    assert len(found) == found.n == 20


def test_options_are_those_of_the_simulation(model):
    """A wrong option is refused as `replicate` refuses it."""
    with pytest.raises(OptionError, match=r"conditioning=.none. is unknown"):
        residuals(model, conditioning="none")


def test_rank_residuals_are_offered_here():
    """The ranks of the public surface are those of `mixcheck.ranks`."""
    from mixcheck import ranks

    assert rank_residuals is ranks.rank_residuals


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
@pytest.mark.parametrize("family", ["binomial", "betabinomial"])
def test_residuals_of_discrete_families_pickle(family):
    """Residuals, of some rows too, come back from a pickle with their probability masses."""
    cbpp = mc.datasets.load("cbpp")
    fit = mc.glmm("incidence / size ~ period + (1 | herd)", cbpp, family=family)
    for conditioning in ("posterior", "marginal"):
        seen = residuals(fit, seed=1, conditioning=conditioning).observed
        for one in (seen, seen.rows(np.arange(5))):
            back = pickle.loads(pickle.dumps(one))
            np.testing.assert_array_equal(back.probability(1.0), one.probability(1.0))


def test_the_former_name_of_the_replicates(model):
    """The plan of replicates is found under its name of the version before, with a warning."""
    seen = residuals(model, seed=1, draws=5)
    with pytest.warns(FutureWarning, match="write residuals.replicates"):
        assert seen.simulations is seen.replicates
