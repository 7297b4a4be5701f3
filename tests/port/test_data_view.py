"""Where responses stand in their distributions, as views tell it."""

from __future__ import annotations

import pickle

import numpy as np

from mixcheck.port import ProbabilityTransform

BELOW, MASS = np.array([[0.1, 0.4, 0.7]]), np.array([[0.2, 0.1, 0.0]])


def test_probabilities_are_found_once_and_when_they_are_asked_for():
    """Scores need none of them."""
    asked = []

    def masses():
        asked.append(1)
        return BELOW, MASS

    transform = ProbabilityTransform(masses, lambda: np.zeros((1, 3)), np.ones(1))
    some = transform.rows(np.array([2, 0]))
    assert some.scores.shape == (1, 2)
    assert not asked
    np.testing.assert_array_equal(some.below, BELOW[:, [2, 0]])
    np.testing.assert_array_equal(some.mass, MASS[:, [2, 0]])
    np.testing.assert_array_equal(transform.mass, MASS)
    assert len(asked) == 1


def test_pickles_hold_arrays():
    """Whatever the probabilities are found by."""
    transform = ProbabilityTransform(lambda: (BELOW, MASS), lambda: np.zeros((1, 3)), np.ones(1))
    again = pickle.loads(pickle.dumps(transform))
    for name in ("below", "mass", "scores", "weights"):
        np.testing.assert_array_equal(getattr(again, name), getattr(transform, name))
