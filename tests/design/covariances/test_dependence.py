"""Laws of what ties the levels of a factor."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.design.covariances import covariance_of
from mixcheck.design.covariances.chain import Chain
from mixcheck.design.covariances.covariance import Sequential
from mixcheck.design.levels import Dependence, RelatedDependence, read_relation
from mixcheck.errors import DataError, OptionError, UnseenLevelError

laws = settings(deadline=None, derandomize=True, max_examples=40)


def related(seed: int, m: int) -> Dependence:
    """A matrix of related levels."""
    A = np.random.default_rng(seed).normal(size=(m, m + 3))
    names = [f"s{j}" for j in range(m)]
    K = pd.DataFrame(A @ A.T / m, names, names)
    return read_relation(K, "K", pd.Index(names), "species").dependence


def series(r: float, m: int, q: int) -> Dependence:
    """Some series of q times."""
    structure = covariance_of("ar1", q)
    assert isinstance(structure, Sequential)
    return structure.dependence(np.array([1.0, r]), m)


def chain(r: float, m: int, q: int) -> Chain:
    """The same by the entries of its inverse alone."""
    one = series(r, 1, q)
    diagonal, beside = one.precision()
    assert beside is not None
    return Chain(diagonal, beside, *one.precision_derivatives(), m)


dependences = st.one_of(
    st.builds(chain, st.floats(-4, 4), st.integers(1, 3), st.integers(1, 5)),
    st.builds(related, st.integers(0, 99), st.integers(1, 6)),
    st.builds(series, st.floats(-4, 4), st.integers(1, 3), st.integers(1, 5)),
)


def whole(held: Dependence) -> np.ndarray:
    """A, (m, m)."""
    m = held.variances().size
    return np.stack([held.spread(e[None])[0] for e in np.eye(m)], axis=1)


@given(dependences)
@laws
def test_maps(held: Dependence) -> None:
    """A, its transpose, their inverses, the precision and the determinant are of one matrix."""
    A = whole(held)
    m = len(A)
    x = np.random.default_rng(0).normal(size=(2, m))
    np.testing.assert_allclose(held.spread(x), x @ A.T, atol=1e-10)
    np.testing.assert_allclose(held.spread_transposed(x), x @ A, atol=1e-10)
    np.testing.assert_allclose(held.whiten(held.spread(x)), x, atol=1e-8)
    np.testing.assert_allclose(held.whiten_transposed(held.spread_transposed(x)), x, atol=1e-8)
    K = A @ A.T
    np.testing.assert_allclose(held.variances(), np.diag(K), rtol=1e-10)
    np.testing.assert_allclose(held.multiply(x), x @ K, atol=1e-10)
    np.testing.assert_allclose(held.solve(held.multiply(x)), x, atol=1e-7)
    np.testing.assert_allclose(held.log_det(), np.linalg.slogdet(K)[1], atol=1e-8)
    diagonal, beside = held.precision()
    P = diagonal
    if beside is not None:
        assert beside[-1] == 0.0
        P = np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
    np.testing.assert_allclose(P @ K, np.eye(m), atol=1e-7)


@given(st.floats(-3, 3), st.integers(1, 3), st.integers(2, 5), st.integers(0, 99))
@laws
def test_slopes(r: float, m: int, q: int, seed: int) -> None:
    """Derivatives of an AR(1) equal differences; the closed form of its correlations holds."""
    rng = np.random.default_rng(seed)
    s, u, g = rng.normal(size=(1, m * q)), rng.normal(size=(1, m * q)), rng.exponential(size=m * q)

    def bilinear(r: float) -> float:
        return float(np.vdot(s, series(r, m, q).solve(u)))

    def log_det(r: float) -> float:
        A = whole(series(r, m, q))
        return float(np.linalg.slogdet(np.eye(m * q) + A.T @ np.diag(g) @ A)[1])

    step = 1e-5
    held = series(r, m, q)
    phi = r / np.sqrt(1 + r * r)
    A = whole(held)
    t = np.arange(q)
    block = phi ** np.abs(t[:, None] - t)
    np.testing.assert_allclose(A @ A.T, np.kron(np.eye(m), block), atol=1e-10)
    V = np.linalg.inv(np.linalg.inv(A @ A.T) + np.diag(g))
    beside = np.append(np.diag(V, 1), 0.0)
    np.testing.assert_allclose(
        held.precision_slope(s, u)[0],
        (bilinear(r + step) - bilinear(r - step)) / (2 * step),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        held.log_det_slope(np.diag(V), beside)[0],
        (log_det(r + step) - log_det(r - step)) / (2 * step),
        rtol=1e-5,
        atol=1e-6,
    )


def test_relation_is_matched_by_name() -> None:
    """Levels in any order, more of them, and numbers written as text."""
    K = pd.DataFrame([[2.0, 0.5, 0.1], [0.5, 3.0, 0.2], [0.1, 0.2, 4.0]], [3, 1, 2], [3, 1, 2])
    held = read_relation(K, "K", pd.Index([1, 3]), "g")
    np.testing.assert_array_equal(held.matrix, [[3.0, 0.5], [0.5, 2.0]])
    text = K.set_axis(["3", "1", "2"]).set_axis(["3", "1", "2"], axis=1)
    np.testing.assert_array_equal(
        read_relation(text, "K", pd.Index([1, 3]), "g").matrix, held.matrix
    )


def test_relation_is_refused() -> None:
    """One sentence for each thing that is no covariance of the levels."""
    levels = pd.Index(["a", "b"])
    K = pd.DataFrame([[1.0, 0.5], [0.5, 1.0]], levels, levels)
    with pytest.raises(OptionError, match="pandas DataFrame"):
        read_relation(K.to_numpy(), "K", levels, "g")
    with pytest.raises(UnseenLevelError, match=r"no rows for 1 level.* 'c'"):
        read_relation(K, "K", pd.Index(["a", "c"]), "g")
    with pytest.raises(DataError, match="not symmetric"):
        read_relation(K.assign(b=[0.1, 1.0]), "K", levels, "g")
    with pytest.raises(DataError, match="not finite"):
        read_relation(K.assign(b=[np.nan, 1.0]), "K", levels, "g")
    with pytest.raises(DataError, match="numbers"):
        read_relation(K.assign(b=["x", "y"]), "K", levels, "g")
    with pytest.raises(DataError, match="'a' twice"):
        read_relation(K.set_axis(["a", "a"]), "K", levels, "g")
    with pytest.raises(DataError, match="not positive definite"):
        _ = read_relation(pd.DataFrame(1.0, levels, levels), "K", levels, "g").dependence


@given(st.floats(-3, 3), st.integers(1, 3), st.integers(1, 5))
@laws
def test_derivatives_of_precision(r: float, m: int, q: int) -> None:
    """First and second derivatives of the entries of the precision equal differences."""
    slopes, bends = series(r, m, q).precision_derivatives()
    k, h = min(q, 2) - 1, 1e-5
    assert slopes.shape == (k, 2, m * q)
    assert bends.shape == (k, k, 2, m * q)
    if k:
        ends = [np.stack(series(r + step, m, q).precision()) for step in (h, -h)]
        np.testing.assert_allclose(slopes[0], (ends[0] - ends[1]) / (2.0 * h), atol=1e-7)
        ends = [series(r + step, m, q).precision_derivatives()[0][0] for step in (h, -h)]
        np.testing.assert_allclose(bends[0, 0], (ends[0] - ends[1]) / (2.0 * h), atol=1e-7)
    none = related(0, 3).precision_derivatives()
    assert none[0].shape == (0, 2, 3)


@given(st.floats(-3, 3), st.integers(1, 3), st.integers(1, 5), st.integers(0, 99))
@laws
def test_chain_is_told_by_its_inverse(r: float, m: int, q: int, seed: int) -> None:
    """All derivatives of an AR(1) follow from the entries of its inverse."""
    rng = np.random.default_rng(seed)
    v, w = rng.normal(size=(2, 1, m * q))
    diagonal, beside = rng.normal(size=(2, m * q))
    beside.reshape(m, q)[:, -1] = 0.0
    one, other = chain(r, m, q), series(r, m, q)
    for name, arguments in (("precision_slope", (v, w)), ("log_det_slope", (diagonal, beside))):
        ends = [getattr(held, name)(*arguments) for held in (one, other)]
        np.testing.assert_allclose(*ends, atol=1e-9)
    for found, expected in zip(
        one.precision_derivatives(), other.precision_derivatives(), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_chain_beyond_its_parameters() -> None:
    """Where the inverse is not positive there are no numbers, and no error."""
    none = np.zeros((0, 2, 3)), np.zeros((0, 0, 2, 3))
    beyond = Chain(np.ones(3), np.array([-2.0, -2.0, 0.0]), *none, 2)
    assert np.isnan(beyond.log_det())
    assert np.isnan(beyond.variances()).all()


def test_derivatives_must_be_given() -> None:
    """A dependence with parameters that does not know the derivatives of its precision says so."""

    class Lacking(RelatedDependence):
        pass

    held = related(0, 3)
    assert isinstance(held, RelatedDependence)
    lacking = Lacking(held.lower)
    lacking.n_parameters = 1
    with pytest.raises(NotImplementedError, match="Lacking"):
        lacking.precision_derivatives()
