"""Sets of consecutive categories."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from mixcheck.families import Ordinal
from mixcheck.fitting.predictive.category_sets import predict_categories, shortest_runs


@given(
    st.lists(st.floats(0.0, 1.0), min_size=2, max_size=6).filter(lambda p: sum(p) > 0.01),
    st.floats(0.05, 0.99),
)
def test_no_shorter_run_is_as_probable(weights: list[float], level: float) -> None:
    """Among all runs it is the shortest, and of these the most probable."""
    p = np.array(weights) / sum(weights)
    (first,), (last,), (mass,) = shortest_runs(p[None], level)
    assert mass == pytest.approx(p[first : last + 1].sum(), abs=1e-9)
    assert mass >= level - 1e-9
    size = last - first + 1
    runs = [(b - a, p[a:b].sum()) for a in range(p.size) for b in range(a + 1, p.size + 1)]
    assert not any(length < size and held >= level for length, held in runs)
    assert mass >= max(held for length, held in runs if length == size) - 1e-9


def test_probabilities_are_averages_over_what_is_uncertain() -> None:
    """They are those of draws of predictor, thresholds and standard deviation."""
    rng = np.random.default_rng(2)
    family = Ordinal(values=[1, 2, 3, 4])
    n, K, draws = 3, 4, 400_000
    eta = (np.array([-1.0, 0.0, 2.0]), *(np.full(n, t) for t in (-1.5, 0.0, 1.2)))
    root = 0.25 * rng.standard_normal((K + 1, K + 1, n))
    root[K] *= 0.4
    covariance = np.einsum("akn,bkn->abn", root, root)
    variance = np.array([0.0, 0.49, 1.44])
    # Where the random part is given its deviation is no parameter.
    covariance[K, :, 0] = covariance[:, K, 0] = 0.0
    found = predict_categories(family, eta, covariance, variance)
    for i in range(n):
        mean = [*(e[i] for e in eta), np.sqrt(variance[i])]
        *parts, deviation = rng.multivariate_normal(mean, covariance[:, :, i], draws).T
        at = parts[0] + deviation * rng.standard_normal(draws)
        below = [0.0, *(expit(t - at).mean() for t in parts[1:]), 1.0]
        # Monte Carlo errors are below 0.0008; the rule of three points adds less.
        np.testing.assert_allclose(found[i], np.diff(below), atol=0.003)


def test_nothing_uncertain_is_the_distribution_itself() -> None:
    """Without variances they are the probabilities of the family."""
    family = Ordinal(values=[1, 2, 5])
    eta = (np.array([0.3, -2.0]), np.full(2, -1.0), np.full(2, 0.7))
    found = predict_categories(family, eta, np.zeros((4, 4, 2)), np.zeros(2))
    own = np.stack([family.probability(np.full(2, v), eta) for v in (1.0, 2.0, 5.0)], axis=1)
    np.testing.assert_allclose(found, own, atol=1e-12)
