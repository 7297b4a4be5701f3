"""Copies of one problem: its arrays as often as it is asked for, and sums within each."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.fitting.latent.roots import units_of
from mixcheck.fitting.likelihood.copies import (
    Batch,
    Copies,
    choose_copies,
    join_responses,
    merge_copies,
    sum_copies,
)
from mixcheck.fitting.likelihood.problem import Problem
from mixcheck.port import port_of

COPIES = 3


@pytest.fixture(scope="module")
def one(epil) -> Problem:
    """A Poisson model with slopes."""
    problem: Problem = port_of(epil).problem
    return problem


@pytest.fixture(scope="module")
def psi(epil) -> np.ndarray:
    """Parameters of each copy."""
    estimates = port_of(epil).optimum.psi
    return estimates + 0.1 * np.random.default_rng(1).normal(size=(COPIES, estimates.size))


def test_predictors_and_roots_are_those_of_each_copy(one, psi):
    """Predictors without random effects and Lambda follow the parameters of their copy."""
    copies = Copies(one)
    fixed, roots = copies.fixed(psi), copies.roots(psi)
    shifts = copies.shift(psi - psi[0])
    for k in range(COPIES):
        rows = slice(k * one.n, (k + 1) * one.n)
        alone = one.fixed(psi[k])
        for whole, shift, part, first in zip(fixed, shifts, alone, one.fixed(psi[0]), strict=True):
            np.testing.assert_allclose(whole[rows], part)
            np.testing.assert_allclose(shift[rows], part - first, atol=1e-12)
        for root, part in zip(roots, one.roots(psi[k, one.n_beta :]), strict=True):
            np.testing.assert_array_equal(units_of(root)[:, :, k], part)


def test_gradients_are_pulled_back_to_each_copy(one, psi):
    """The adjoint of predictors and roots: ``<row, d eta> + <root, d Lambda>``."""
    copies, rng = Copies(one), np.random.default_rng(2)
    rows = [rng.normal(size=COPIES * one.n) for _ in one.X]
    roots = [rng.normal(size=(f.q, f.q, COPIES)) for f in one.latent.factors]
    found = copies.pull_back(psi, rows, roots)
    for k in range(COPIES):
        part = slice(k * one.n, (k + 1) * one.n)
        betas = [X.T @ row[part] for X, row in zip(one.X, rows, strict=True)]
        theta = one.pull_back(psi[k, one.n_beta :], [root[:, :, k] for root in roots])
        np.testing.assert_allclose(found[k], np.concatenate([*betas, theta]))


def test_a_batch_has_the_responses_of_its_copies(one):
    """Some copies of a batch have their responses, their rounding and their levels."""
    y = np.random.default_rng(3).poisson(5.0, (COPIES, one.n)).astype(float)
    data = join_responses([one.with_rows(row).data for row in y])
    batch = Batch(Copies(one), data, COPIES)
    some = batch.problem(np.array([2, 0]))
    np.testing.assert_array_equal(some.data.y, np.concatenate([y[2], y[0]]))
    np.testing.assert_array_equal(batch.alone(1).data.y, y[1])
    assert batch.rounding[1] == pytest.approx(one.with_rows(y[1]).rounding)
    (factor,) = one.latent.factors
    (stacked,) = some.latent.factors
    assert stacked.m == 2 * factor.m
    np.testing.assert_array_equal(stacked.sums.index[one.n :], factor.m + factor.sums.index)


def test_sums_and_choices():
    """Sums within copies, some of the copies, and one list or another for each."""
    u = [np.arange(12.0).reshape(2, 6)]
    np.testing.assert_array_equal(sum_copies(u, 3), [14.0, 22.0, 30.0])
    (chosen,) = choose_copies(u, 3, np.array([2, 0]))
    np.testing.assert_array_equal(chosen, [[4.0, 5.0, 0.0, 1.0], [10.0, 11.0, 6.0, 7.0]])
    (merged,) = merge_copies(np.array([True, False, True]), u, [-u[0]])
    np.testing.assert_array_equal(merged[0], [0.0, 1.0, -2.0, -3.0, 4.0, 5.0])


def test_signs_of_columns_are_turned(one, psi):
    """Effects follow the signs of the columns of Lambda, so that ``Lambda u`` stays."""
    copies, turned = Copies(one), psi.copy()
    turned[1, one.n_beta :] = one.canonical(-psi[1, one.n_beta :])
    before = psi.copy()
    before[1, one.n_beta :] *= -1.0
    u = [np.random.default_rng(4).normal(size=(f.q, COPIES * f.m)) for f in one.latent.factors]
    after = copies.turn(before, turned, u)
    for a, b, root, other in zip(u, after, copies.roots(before), copies.roots(turned), strict=True):
        np.testing.assert_allclose(root @ a, other @ b)
