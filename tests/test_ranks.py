"""Randomised ranks: exactly uniform, never 0 or 1, and streaming."""

from __future__ import annotations

import itertools
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mixcheck.errors import DataError
from mixcheck.ranks import CHUNK_DRAWS, randomised_rank, rank_residuals

LAWS = settings(deadline=None, derandomize=True, max_examples=40)
# Ranks are sums and quotients of small integers and one uniform number.
ROUNDING = 1e-12


class Fixed:
    """A generator whose uniform numbers are all the same."""

    def __init__(self, u: float) -> None:
        self.u = u

    def random(self, size: int) -> np.ndarray:
        """The same number again."""
        return np.full(size, self.u)


@pytest.mark.parametrize("m", [1, 2, 3])
def test_ranks_are_exactly_uniform(m):
    """For exchangeable values on {0, 1, 2} the mixture over all data sets is uniform on (0, 1).

    Each data set gives a uniform piece ((less)/(m + 1), (less + equal + 1)/(m + 1)); weighted
    by its exact probability, the pieces must add up to density 1 on each of the m + 1 cells.
    """
    weights = {0: Fraction(1, 2), 1: Fraction(1, 3), 2: Fraction(1, 6)}
    density = [Fraction(0)] * (m + 1)
    for values in itertools.product(weights, repeat=m + 1):
        observed, draws = values[0], values[1:]
        low, high = (
            round(
                float(rank_residuals([observed], np.array(draws)[:, None], Fixed(u))[0]) * (m + 1)
            )
            for u in (1e-9, 1.0 - 1e-9)
        )
        probability = Fraction(1)
        for value in values:
            probability *= weights[value]
        for cell in range(low, high):
            density[cell] += probability * (m + 1) / (high - low)
    assert density == [Fraction(1)] * (m + 1)


@LAWS
@given(
    draws=arrays(np.int64, st.tuples(st.integers(1, 40), st.just(7)), elements=st.integers(0, 3)),
    observed=arrays(np.int64, 7, elements=st.integers(-1, 4)),
    u=st.floats(0.0, 1.0, exclude_max=True),
)
def test_the_formula(draws, observed, u):
    """The rank is (#less + U (#equal + 1)) / (m + 1), and inside (0, 1) even for U = 0."""
    ranks = rank_residuals(observed, draws, Fixed(u))
    less = (draws < observed).sum(axis=0)
    equal = (draws == observed).sum(axis=0)
    expected = (less + u * (equal + 1)) / (len(draws) + 1)
    np.testing.assert_allclose(ranks, expected, atol=ROUNDING)
    assert ((ranks > 0) & (ranks < 1)).all()


def test_many_draws_are_counted_in_chunks():
    """More draws than fit a chunk, as an array, in pieces or one by one: the same ranks."""
    rng = np.random.default_rng(1)
    draws = rng.poisson(1.0, (3 * CHUNK_DRAWS + 5, 9))
    observed = rng.poisson(1.0, 9)
    whole = rank_residuals(observed, draws, np.random.default_rng(2))
    one_by_one = rank_residuals(observed, (row for row in draws), np.random.default_rng(2))
    pieces = rank_residuals(observed, iter(np.array_split(draws, 4)), np.random.default_rng(2))
    np.testing.assert_array_equal(whole, one_by_one)
    np.testing.assert_array_equal(whole, pieces)


def test_streaming_memory_does_not_grow_with_the_draws():
    """Eight times the draws from an iterable need the memory of one: two counters a row."""

    def peak(m: int) -> int:
        rng = np.random.default_rng(1)
        observed = rng.standard_normal(20_000)
        tracemalloc.start()
        rank_residuals(observed, (rng.standard_normal(20_000) for _ in range(m)), rng)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(80) < 1.2 * peak(10)


@pytest.mark.parametrize("bad", [np.nan])
def test_nan_is_refused(bad):
    """A NaN among the draws or in the data is an error, never a rank."""
    draws = np.zeros((3, 2))
    with pytest.raises(DataError, match="without NaN"):
        rank_residuals([bad, 0.0], draws, Fixed(0.5))
    draws[1, 1] = bad
    with pytest.raises(DataError, match="draws hold NaN"):
        rank_residuals([0.0, 0.0], draws, Fixed(0.5))


def test_wrong_shapes_are_refused():
    """Draws of another length, or none at all, are errors that say the shape."""
    with pytest.raises(DataError, match=r"shape \(m, 2\)"):
        rank_residuals([0.0, 0.0], np.zeros((4, 3)), Fixed(0.5))
    with pytest.raises(DataError, match="at least one draw"):
        rank_residuals([0.0, 0.0], [], Fixed(0.5))


def test_the_largest_rank_stays_below_one():
    """Rounding cannot lift a rank to 1."""
    top = randomised_rank(np.array([10**9]), 0, 10**9, Fixed(np.nextafter(1.0, 0.0)))
    assert top[0] < 1.0
