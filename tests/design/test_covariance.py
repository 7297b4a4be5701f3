"""Laws of covariance structures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mixcheck.design.covariance import STRUCTURES, Covariance, Diagonal, Unstructured, covariance_of
from mixcheck.errors import OptionError

STEP = 1e-6
# Lambda is linear in theta, so central differences err by rounding alone.
ROUNDING = 1e-7

coordinates = st.floats(-3, 3, allow_subnormal=False)


@st.composite
def covariances(draw: st.DrawFn) -> tuple[Covariance, np.ndarray]:
    """A structure and parameters of it."""
    covariance = covariance_of(draw(st.sampled_from(list(STRUCTURES))), draw(st.integers(1, 4)))
    return covariance, draw(hnp.arrays(float, covariance.n_theta, elements=coordinates))


@given(covariances())
@settings(deadline=None, derandomize=True, max_examples=50)
def test_lower_triangular(pair: tuple[Covariance, np.ndarray]) -> None:
    """Lambda is lower triangular, and theta holds its diagonal where it says."""
    covariance, theta = pair
    Lambda = covariance.factor(theta)
    assert np.array_equal(Lambda, np.tril(Lambda))
    assert np.array_equal(np.diag(Lambda), theta[list(covariance.diagonal)])


@given(covariances(), st.integers(0, 2**31))
@settings(deadline=None, derandomize=True, max_examples=50)
def test_pull_back(pair: tuple[Covariance, np.ndarray], seed: int) -> None:
    """The chain rule equals central differences of a function of Lambda."""
    covariance, theta = pair
    weight = np.random.default_rng(seed).normal(size=(covariance.q, covariance.q))
    differences = [
        np.sum(weight * (covariance.factor(theta + e) - covariance.factor(theta - e))) / (2 * STEP)
        for e in STEP * np.eye(covariance.n_theta)
    ]
    np.testing.assert_allclose(covariance.pull_back(weight), differences, atol=ROUNDING)


@given(covariances())
@settings(deadline=None, derandomize=True, max_examples=50)
def test_rectify(pair: tuple[Covariance, np.ndarray]) -> None:
    """Rectifying leaves the covariance as it is and the diagonal positive."""
    covariance, theta = pair
    before, after = covariance.factor(theta), covariance.factor(covariance.rectify(theta))
    np.testing.assert_array_equal(after @ after.T, before @ before.T)
    assert (np.diag(after) >= 0).all()


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("q", [1, 2, 3])
def test_start(structure: str, q: int) -> None:
    """A fit starts at the identity."""
    covariance = covariance_of(structure, q)  # type: ignore[arg-type]
    np.testing.assert_array_equal(covariance.factor(covariance.start()), np.eye(q))


def test_order() -> None:
    """Theta of an unstructured term runs down the columns, as lme4's does."""
    Lambda = Unstructured(3).factor(np.arange(1.0, 7.0))
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
        covariance_of("ar1", 2)  # type: ignore[arg-type]
