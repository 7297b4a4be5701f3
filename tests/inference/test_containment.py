"""Degrees of freedom by containment, against ranks by singular values."""

from __future__ import annotations

import numpy as np

from mixcheck.inference.containment import RandomColumns, containment_df

RNG = np.random.default_rng(5)


def dense(term: RandomColumns) -> np.ndarray:
    """Columns of their own for each level."""
    levels = (term.codes[:, None] == np.arange(term.codes.max() + 1)).astype(float)
    return np.concatenate([z[:, None] * levels for z in term.Z.T], axis=1)


def added(X: np.ndarray, *terms: RandomColumns) -> int:
    """What random effects add to the rank."""
    return int(np.linalg.matrix_rank(np.column_stack([X, *map(dense, terms)]))) - X.shape[1]


def test_slopes_and_predictors_of_groups() -> None:
    """A slope has the groups less coefficients that are slopes, as an intercept has."""
    g, x = np.repeat(np.arange(9), 5), RNG.normal(size=45)
    z = RNG.normal(size=9)[g]
    X = np.column_stack([np.ones(45), x, z, x * z, RNG.normal(size=45)])
    both = RandomColumns(g, np.column_stack([np.ones(45), x]))
    one, slope = RandomColumns(g, np.ones((45, 1))), RandomColumns(g, x[:, None])
    found = containment_df(X, [both])
    np.testing.assert_array_equal(found, [7, 7, 7, 7, 45 - 5 - added(X, both)])
    assert added(X, one) == added(X, slope) == 7
    # Written as two terms they are the same.
    np.testing.assert_array_equal(containment_df(X, [one, slope]), found)


def test_crossed_and_nested_factors() -> None:
    """The coarsest factor that contains a column decides; without a dispersion rows do not."""
    school, pupil = np.repeat(np.arange(5), 12), np.repeat(np.arange(20), 3)
    item = np.tile(np.arange(3), 20)
    X = np.column_stack([np.ones(60), RNG.normal(size=5)[school], RNG.normal(size=20)[pupil]])
    X = np.column_stack([X, item == 1, RNG.normal(size=60)])
    terms = [RandomColumns(c, np.ones((60, 1))) for c in (school, pupil, item)]
    rest = 60 - 5 - added(X, *terms)
    np.testing.assert_array_equal(
        containment_df(X, terms), [1.0, 3.0, added(X, terms[1]), added(X, terms[2]), rest]
    )
    assert containment_df(X, terms, np.inf)[-1] == np.inf


def test_indicators_of_a_factor() -> None:
    """Where all effects together contain the intercept, each counts for one of them."""
    g, level = np.repeat(np.arange(8), 6), np.tile(np.arange(3), 16)
    indicators = (level[:, None] == np.arange(3)).astype(float)
    X = np.column_stack([np.ones(48), indicators[:, 1:]])
    np.testing.assert_array_equal(containment_df(X, [RandomColumns(g, indicators)]), [7, 7, 7])


def test_an_effect_of_each_row() -> None:
    """The rows are its levels."""
    X = np.column_stack([np.ones(20), RNG.normal(size=20)])
    rows = RandomColumns(np.arange(20), np.ones((20, 1)))
    np.testing.assert_array_equal(containment_df(X, [rows], np.inf), [18, 18])
