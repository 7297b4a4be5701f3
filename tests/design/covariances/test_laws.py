"""Laws of every covariance structure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mixcheck.design.covariances import (
    STRUCTURES,
    Covariance,
    Diagonal,
    Sequential,
    Unstructured,
    covariance_of,
)
from mixcheck.design.covariances.compound_symmetry import CompoundSymmetry
from mixcheck.errors import OptionError

STEP = 1e-6

coordinates = st.floats(-3, 3, allow_subnormal=False).map(lambda x: round(x, 6))
laws = settings(deadline=None, derandomize=True, max_examples=50)


@st.composite
def covariances(draw: st.DrawFn) -> tuple[Covariance, np.ndarray]:
    """A structure and parameters of it."""
    covariance = covariance_of(draw(st.sampled_from(list(STRUCTURES))), draw(st.integers(1, 4)))
    return covariance, draw(hnp.arrays(float, covariance.n_theta, elements=coordinates))


def whole(covariance: Covariance, theta: np.ndarray) -> np.ndarray:
    """``Lambda Lambda'``."""
    root = covariance.root(theta)
    return root @ root.T


@given(covariances(), st.integers(0, 2**31))
@laws
def test_pull_back(pair: tuple[Covariance, np.ndarray], seed: int) -> None:
    """The adjoint equals central differences of a linear function of Lambda."""
    covariance, theta = pair
    weight = np.random.default_rng(seed).normal(size=covariance.root(theta).shape)
    differences = [
        np.sum(weight * (covariance.root(theta + e) - covariance.root(theta - e))) / (2 * STEP)
        for e in STEP * np.eye(covariance.n_theta)
    ]
    found = covariance.pull_back(theta, weight)
    np.testing.assert_allclose(found, differences, rtol=1e-6, atol=1e-7)


@given(covariances())
@laws
def test_canonical(pair: tuple[Covariance, np.ndarray]) -> None:
    """The representative has the same covariance, slopes of 1 and -1, and is its own."""
    covariance, theta = pair
    held = covariance.canonical(theta)
    np.testing.assert_allclose(
        whole(covariance, held), whole(covariance, theta), rtol=1e-12, atol=1e-14
    )
    np.testing.assert_array_equal(covariance.canonical(held), held)
    away = np.where(theta < 0.0, -STEP, STEP)
    slopes = (covariance.canonical(theta + away) - held) / away
    np.testing.assert_allclose(np.abs(slopes), 1.0, rtol=1e-6)


@given(covariances())
@laws
def test_nearest(pair: tuple[Covariance, np.ndarray]) -> None:
    """A covariance of the structure, also one without full rank, is its own nearest."""
    covariance, theta = pair
    S = whole(covariance, theta)
    size = max(float(np.abs(S).max()), 1e-300)
    for found in (covariance.nearest(S), covariance.of_root(covariance.root(theta))):
        np.testing.assert_allclose(whole(covariance, found) / size, S / size, atol=1e-8)
    if np.linalg.eigvalsh(S)[0] > 1e-4 * size:
        np.testing.assert_allclose(
            covariance.nearest(S), covariance.canonical(theta), rtol=1e-7, atol=1e-7
        )


@given(covariances(), st.integers(0, 2**31))
@laws
def test_nearest_is_stationary(pair: tuple[Covariance, np.ndarray], seed: int) -> None:
    """What is nearest to any covariance is a covariance of the structure, and its own nearest."""
    covariance, _ = pair
    A = np.random.default_rng(seed).normal(size=(covariance.q, covariance.q + 2))
    once = covariance.nearest(A @ A.T)
    assert np.isfinite(once).all()
    np.testing.assert_allclose(covariance.nearest(whole(covariance, once)), once, rtol=1e-7)


@given(covariances())
@laws
def test_natural(pair: tuple[Covariance, np.ndarray]) -> None:
    """Natural parameters are those of the matrix, and lead back to the canonical theta."""
    covariance, theta = pair
    S = whole(covariance, theta)
    if not np.linalg.eigvalsh(S)[0] > 1e-4 * np.abs(S).max():
        return
    natural = covariance.natural(theta)
    what = covariance.quantities([f"e{j}" for j in range(covariance.q)])
    assert len(what) == natural.size
    sd = np.sqrt(np.diag(S))
    for value, quantity in zip(natural, what, strict=True):
        if quantity.kind == "sd":
            # One that belongs to no effect belongs to all.
            held = sd[list(quantity.effects)] if quantity.effects else sd
            np.testing.assert_allclose(value, held, rtol=1e-10)
        else:
            i, j = quantity.effects or (1, 0)
            np.testing.assert_allclose(value, S[i, j] / (sd[i] * sd[j]), atol=1e-10)
    np.testing.assert_allclose(
        covariance.of_natural(natural), covariance.canonical(theta), rtol=1e-7, atol=1e-7
    )


@given(covariances(), st.floats(0.1, 3.0))
@laws
def test_scaled(pair: tuple[Covariance, np.ndarray], factor: float) -> None:
    """All standard deviations times a factor."""
    covariance, theta = pair
    S = whole(covariance, theta)
    found = whole(covariance, covariance.scaled(theta, factor))
    np.testing.assert_allclose(found, factor**2 * S, atol=1e-8 * max(np.abs(S).max(), 1e-300))


@given(covariances())
@laws
def test_pattern(pair: tuple[Covariance, np.ndarray]) -> None:
    """A pair that is not correlated has a covariance of zero."""
    covariance, theta = pair
    assert not whole(covariance, theta)[~covariance.correlated].any()


@given(covariances())
@laws
def test_even(pair: tuple[Covariance, np.ndarray]) -> None:
    """At a zero of an even parameter the covariance does not move to first order."""
    covariance, theta = pair
    for k in covariance.even:
        moved = theta.copy()
        moved[k] = 0.0
        held = np.eye(covariance.n_theta)[k]
        if covariance.entries is not None:  # the rest of its column goes with it
            columns = covariance.entries[1]
            moved[columns == columns[k]] = 0.0
        plus, minus = (whole(covariance, moved + s * 1e-3 * held) for s in (1, -1))
        np.testing.assert_allclose(plus, minus, atol=1e-12)


@given(covariances())
@laws
def test_unit_steps(pair: tuple[Covariance, np.ndarray]) -> None:
    """Information on the entries of Lambda, carried to theta, is the identity in its steps."""
    covariance, theta = pair
    if isinstance(covariance, (Sequential, CompoundSymmetry)):  # have approximations of their own
        return
    spread = 0.5 + np.arange(covariance.root(theta).size).reshape(covariance.q, -1)
    steps = covariance.unit_steps(theta, spread)
    J = np.stack(
        [
            (covariance.root(theta + e) - covariance.root(theta - e)).ravel() / (2 * STEP)
            for e in STEP * np.eye(covariance.n_theta)
        ]
    )
    information = (J / spread.ravel() ** 2) @ J.T
    if np.linalg.eigvalsh(information)[0] > 1e-6 * np.abs(information).max():
        np.testing.assert_allclose(
            steps.T @ information @ steps, np.eye(covariance.n_theta), atol=1e-6
        )


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("q", [1, 2, 3])
def test_start(structure: str, q: int) -> None:
    """A start has the deviations that were asked for, inside the space of parameters."""
    covariance = covariance_of(structure, q)
    found = whole(covariance, covariance.start(np.full(q, 2.0)))
    np.testing.assert_allclose(np.diag(found), 4.0)
    assert np.linalg.eigvalsh(found)[0] > 1.0


@pytest.mark.parametrize("structure", STRUCTURES)
def test_simpler(structure: str) -> None:
    """A simpler structure has fewer parameters, and its covariances are covariances of this."""
    covariance = covariance_of(structure, 3)
    for other in covariance.simpler():
        assert other.n_theta < covariance.n_theta
        S = whole(other, other.start(np.array([1.0, 2.0, 3.0])))
        np.testing.assert_allclose(whole(covariance, covariance.nearest(S)), S, atol=1e-10)


def test_without_smallest() -> None:
    """The smallest principal axis goes, where it is small; its Lambda ends in a zero."""
    covariance = Unstructured(3)
    rng = np.random.default_rng(1)
    vectors = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    S = (vectors * [4.0, 1.0, 0.01]) @ vectors.T
    theta = covariance.nearest(S)
    assert covariance.without_smallest(theta, 1e-3) is None
    face = covariance.without_smallest(theta, 1e-2)
    assert face is not None
    assert covariance.root(face)[2, 2] == 0.0
    wanted = (vectors * [4.0, 1.0, 0.0]) @ vectors.T
    np.testing.assert_allclose(whole(covariance, face), wanted, atol=1e-12)
    assert Unstructured(1).without_smallest(np.ones(1), 1.0) is None


def test_order() -> None:
    """Theta of an unstructured term runs down the columns, as lme4's does."""
    Lambda = Unstructured(3).root(np.arange(1.0, 7.0))
    np.testing.assert_array_equal(Lambda, [[1, 0, 0], [2, 4, 0], [3, 5, 6]])
    assert Unstructured(3).names(["a", "b", "c"]) == ("a", "b,a", "c,a", "b", "c,b", "c")
    assert Diagonal(2).names(["a", "b"]) == ("a", "b")


def test_identity() -> None:
    """A structure is its constructor arguments."""
    assert Unstructured(2) == Unstructured(2) != Unstructured(3)
    assert Unstructured(1) != Diagonal(1)
    assert len({Diagonal(2), Diagonal(2), Unstructured(2)}) == 2
    assert repr(Diagonal(2)) == "Diagonal(2)"


def test_errors() -> None:
    """No effects, or a structure that does not exist, is refused."""
    with pytest.raises(OptionError, match="at least one effect"):
        Diagonal(0)
    with pytest.raises(OptionError, match="choose from us, diag"):
        covariance_of("toep", 2)
