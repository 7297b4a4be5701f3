"""The search over copies: each by itself, whatever stands beside it."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.fitting.estimation.optimize import REFIT_TOLERANCE
from mixcheck.fitting.estimation.stacked_search import search_copies
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.copies import Batch, Copies, join_responses
from mixcheck.port import port_of

COUNT = 11
# Sums in another order, through the steps of a search.
ROUNDING = 1e-9


@pytest.fixture(scope="module")
def batch(epil) -> Batch:
    """Simulated responses of a Poisson model with slopes."""
    problem = port_of(epil).problem
    responses = epil.simulate(COUNT, seed=1).to_numpy()
    data = join_responses([problem.with_response(y).data for y in responses.T])
    return Batch(Copies(problem), data, COUNT)


def test_searches_end_at_rest(epil, batch):
    """Where a search has ended, the whitened gradient of the copy alone is as small as asked."""
    port = port_of(epil)
    ends = search_copies(batch, port.optimum.psi, port._root, "observed")
    assert ends.found.all()
    for k, psi in enumerate(ends.psi):
        alone = objective_of(batch.alone(k), epil.method)(psi, None)
        assert np.abs(port._root.T @ alone.gradient).max() < 2.0 * REFIT_TOLERANCE
        assert 2 < ends.evaluations[k] < 30


def test_a_search_is_its_own(epil, batch):
    """A copy ends where it ends alone, in no more evaluations."""
    port = port_of(epil)
    whole = search_copies(batch, port.optimum.psi, port._root, "observed")
    for k in (0, COUNT - 1):
        one = Batch(batch.copies, batch.alone(k).data, 1)
        alone = search_copies(one, port.optimum.psi, port._root, "observed")
        np.testing.assert_allclose(alone.psi[0], whole.psi[k], rtol=0.0, atol=ROUNDING)
        assert alone.evaluations[0] == whole.evaluations[k]


def test_what_has_no_likelihood_is_given_up(epil, batch):
    """A start at which nothing is finite ends every search without an estimate."""
    port = port_of(epil)
    ends = search_copies(batch, np.full(port.optimum.psi.size, 1e3), port._root, "observed")
    assert not ends.found.any()
