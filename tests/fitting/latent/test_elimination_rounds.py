"""The order in which single effects are eliminated."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.fitting.latent import layout
from mixcheck.fitting.latent.elimination_order import lay_out
from mixcheck.fitting.latent.elimination_rounds import plan_elimination
from mixcheck.fitting.latent.factorization import factorize
from mixcheck.fitting.latent.factors import Column, Factor
from mixcheck.fitting.latent.group_sums import Summation
from mixcheck.fitting.latent.sparse_elimination import SparseElimination

# Sums of thousands of entries in another order.
ROUNDING = 1e-9


def meetings(one: int, other: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Levels of two factors that meet at random, all of them somewhere."""
    rng = np.random.default_rng(one)
    g, h = rng.integers(0, one, rows), rng.integers(0, other, rows)
    g[:one], h[-other:] = np.arange(one), np.arange(other)
    return g, h


def test_every_effect_has_its_turn() -> None:
    """Once, beside none that it meets; those that are held stay, and the core is small."""
    g, h = meetings(3_000, 2_000, 7_000)
    held = np.zeros(5_000, dtype=np.bool_)
    held[-3:] = True
    plan = plan_elimination(5_000, g, 3_000 + h, held)
    turns = np.concatenate([*(r.effects for r in plan.rounds), plan.core])
    assert np.array_equal(np.sort(turns), np.arange(5_000))
    assert np.array_equal(plan.core[-3:], [4_997, 4_998, 4_999])
    assert plan.core.size < 0.4 * 2_000
    gone = np.zeros(5_000, dtype=np.bool_)
    for r in plan.rounds:
        assert not np.isin(r.others, r.effects).any()
        assert not gone[r.others].any()
        gone[r.effects] = True


def test_places_are_apart() -> None:
    """Each entry of the filled pattern has a place of its own, whichever end is named first."""
    g, h = meetings(200, 150, 900)
    plan = plan_elimination(350, g, 200 + h, np.zeros(350, dtype=np.bool_))
    effects = np.arange(350)
    core = np.array([(i, j) for i in plan.core for j in plan.core if i < j])
    i = np.concatenate([effects, plan.keys // 350, core[:, 0]])
    j = np.concatenate([effects, plan.keys % 350, core[:, 1]])
    places = plan.places(i, j)
    assert np.unique(places).size == places.size
    assert places.max() < plan.start + plan.core.size**2
    np.testing.assert_array_equal(places, plan.places(j, i))


def test_large_systems_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether effects are eliminated one by one or factor by factor."""
    g, h = meetings(500, 400, 1_000)
    x = np.random.default_rng(2).normal(size=g.size)
    effects = (Column(0, None), Column(0, x))
    found = []
    for least in (100, np.inf):
        monkeypatch.setattr(layout, "_LEAST_SPARSE", least)
        latent = lay_out(
            [Factor(Summation(g, 500), effects[:1]), Factor(Summation(h, 400), effects)]
        )
        gram = latent.gram({(0, 0): 0.5 + x**2})
        roots = [np.full((1, 1), 0.8), np.array([[0.7, 0.0], [-0.2, 0.5]])]
        order = [0, 1] if latent.factors[0].q == 1 else [1, 0]
        held = factorize(latent, gram, [roots[k] for k in order])
        assert held is not None
        assert isinstance(held, SparseElimination) == (least == 100)
        rhs = [np.cos(np.arange(f.q * f.m)).reshape(f.shape) for f in latent.factors]
        found.append((held.log_det(), held.solve(rhs), held.inverse_entries()))
    (log_det, solved, entries), other = found
    assert log_det == pytest.approx(other[0], abs=ROUNDING)
    for one, two in zip(solved, other[1], strict=True):
        np.testing.assert_allclose(one, two, atol=ROUNDING)
    for key, block in entries.items():
        np.testing.assert_allclose(block, other[2][key], atol=ROUNDING)
