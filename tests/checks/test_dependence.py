"""Correlation in bands of distance, by its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.checks.dependence import Places, Simultaneous, cut_into_bands, pearson_residuals
from mixcheck.checks.statistic import NullSample
from mixcheck.port import DataView

LAWS = settings(deadline=None, derandomize=True, max_examples=40)


def view(response, mean, variance):
    """A data set of which only the moments matter."""
    zeros = np.zeros_like(response)
    return DataView(response, zeros + 0.5, zeros, mean, variance, mean, variance)


def test_pearson_residuals_are_zero_where_nothing_can_vary():
    """A variance of zero gives no residual, and no division by zero."""
    data = view(np.array([1.0, 3.0]), np.array([1.0, 1.0]), np.array([0.0, 4.0]))
    np.testing.assert_array_equal(pearson_residuals(data), [0.0, 1.0])


def test_rows_of_one_place_are_one_number_of_the_same_variance():
    """Sums over the root of the counts."""
    places = Places.of(np.array([0, 1, 0, 0, 0]))
    np.testing.assert_allclose(places.gather(np.arange(5.0)), [(0 + 2 + 3 + 4) / 2, 1.0])


@LAWS
@given(st.integers(12, 40), st.integers(0, 2**31))
def test_correlations_are_means_over_the_pairs_of_each_band(m, seed):
    """Every pair stands in one band, bands grow in distance, and no tie is cut."""
    rng = np.random.default_rng(seed)
    at = rng.integers(0, 6, m).astype(float)
    first, second = np.triu_indices(m, 1)
    distances = np.abs(at[first] - at[second])
    bands = cut_into_bands(first, second, distances, m)
    values = rng.normal(size=m)
    ends = np.append(bands.starts[1:], first.size)
    seen = set()
    for k, (start, end) in enumerate(zip(bands.starts, ends, strict=True)):
        pairs = [
            (int(i), int(j))
            for i, j in zip(bands.first[start:end], bands.second[start:end], strict=True)
        ]
        apart = {abs(at[i] - at[j]) for i, j in pairs}
        assert not apart & seen
        seen |= apart
        mean = np.mean([values[i] * values[j] for i, j in pairs]) / np.mean(values**2)
        assert bands.correlate(values)[k] == pytest.approx(mean, rel=1e-10, abs=1e-12)
        assert bands.distances[k] == pytest.approx(np.mean([abs(at[i] - at[j]) for i, j in pairs]))
    assert (np.diff(bands.distances) > 0).all()
    assert bands.counts.sum() == m * (m - 1) // 2


def test_too_few_pairs_are_no_bands():
    """A correlation of a handful of pairs says nothing."""
    few = np.arange(5)
    assert cut_into_bands(few, few + 1, np.ones(5), 6) is None


def test_the_observed_data_set_is_one_among_the_replicates():
    """Exchanging it with a replicate exchanges their statistics: so a p-value is valid."""
    rng = np.random.default_rng(2)
    numbers = rng.normal(size=(30, 4)) * [1.0, 10.0, 0.1, 0.0]
    told = [
        Simultaneous.of(NullSample(None, numbers[k], np.delete(numbers, k, axis=0))) for k in (0, 7)
    ]
    every = [np.append(t.sample.numbers, t.sample.replicates[:, 0]) for t in told]
    np.testing.assert_allclose(np.sort(every[0]), np.sort(every[1]), rtol=1e-12)
    assert every[0][7] == pytest.approx(every[1][0])
    deviations = np.abs(numbers[0] - numbers.mean(axis=0))[:3] / numbers.std(axis=0)[:3]
    assert told[0].sample.numbers[0] == pytest.approx(deviations.max())
    assert told[0].worst == int(np.argmax(deviations))
