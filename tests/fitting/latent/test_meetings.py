"""Products of sparse matrices by the pairs of their entries."""

from __future__ import annotations

import pickle

import numpy as np

from mixcheck.fitting.latent.meetings import Meetings

# Sums of some tens of products in another order.
ROUNDING = 1e-13


def test_products_are_those_of_matrices():
    """``W'W``, and ``W V`` at the entries of W, in any order of the entries."""
    rng = np.random.default_rng(3)
    dense = np.where(rng.random((12, 7)) < 0.4, rng.normal(size=(12, 7)), 0.0)
    dense[4] = 0.0
    rows, columns = np.nonzero(dense)
    order = rng.permutation(rows.size)
    met = Meetings(rows[order], columns[order], 7)
    values = dense[met.rows, met.columns]
    degrees = np.count_nonzero(dense, axis=1)
    assert met.count == (degrees * (degrees - 1) // 2).sum()
    np.testing.assert_allclose(met.square(values), np.tril(dense.T @ dense), atol=ROUNDING)
    root = rng.normal(size=(7, 7))
    symmetric = root @ root.T
    lower = np.asfortranarray(np.tril(symmetric) + np.triu(np.full((7, 7), np.nan), 1))
    product = (dense @ symmetric)[met.rows, met.columns]
    np.testing.assert_allclose(met.multiply(values, lower), product, atol=ROUNDING)
    blocks = met.multiply_by_level(np.stack([values, 2.0 * values]), symmetric)
    np.testing.assert_allclose(blocks, [product, 2.0 * product], atol=ROUNDING)


def test_lists_are_not_stored():
    """A design that has been used is stored as one that has not."""
    met = Meetings(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    before = len(pickle.dumps(met))
    assert met.square(np.ones(3)).tolist() == [[1.0, 0.0], [1.0, 2.0]]
    assert len(pickle.dumps(met)) == before
    assert pickle.loads(pickle.dumps(met)).count == 1
