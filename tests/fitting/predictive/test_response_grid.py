"""Values that a response might have taken: nodes, points and the way between them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

import mixcheck as mc
from mixcheck.families import Family
from mixcheck.fitting.predictive.response_distribution import (
    Points,
    ResponseDistribution,
    find_quantiles,
    list_points,
)
from mixcheck.fitting.predictive.response_grid import interpolate, place_nodes

# Polynomials in the square root of a count are interpolated exactly between the nodes.
ROUNDING = 1e-9

COUNTS = {
    "poisson": (mc.families.Poisson(), (np.array([-3.0, -1.0, 0.0, 1.0, 3.0, 7.0]),), None),
    "binomial": (
        mc.families.Binomial(),
        (np.array([-1.0, 0.3, 1.0, 0.0, -0.5, 0.2]),),
        np.array([1.0, 2.0, 3.0, 7.0, 40.0, 500.0]),
    ),
    "nbinom2": (
        mc.families.get_family("nbinom2"),
        (np.array([-3.0, -1.0, 0.0, 1.0, 3.0, 7.0]), np.full(6, 0.5)),
        None,
    ),
}
OBSERVED = np.array([0.0, 1.0, 2.0, 3.0, 17.0, 200.0])


def law_of(family: Family, eta: tuple, size: np.ndarray | None = None) -> ResponseDistribution:
    """A single component."""
    return ResponseDistribution(family, np.ones(1), np.stack(eta)[None], size)


def only(family: Family, eta: tuple, size: np.ndarray | None = None) -> tuple[Points, np.ndarray]:
    """Its points and their masses."""
    (points,) = list_points(law_of(family, eta, size))
    ((_, mass),) = points.parts
    return points, mass


@pytest.mark.parametrize("name", COUNTS)
def test_points_of_a_count_have_its_moments(name):
    """Masses sum to one, and give mean and variance, whether summed singly or in blocks."""
    family, eta, size = COUNTS[name]
    points, mass = only(family, eta, size)
    assert mass.sum(axis=0) == pytest.approx(1.0)
    mean = (mass * points.y).sum(axis=0)
    assert mean == pytest.approx(family.mean(eta, size), rel=1e-5)
    spread = (mass * (points.y - mean) ** 2).sum(axis=0)
    assert spread == pytest.approx(family.variance(eta, size), rel=1e-4)


@pytest.mark.parametrize("name", COUNTS)
def test_nodes_are_distinct_whole_numbers(name):
    """Nodes increase, are whole, and stay within the trials where they are valid."""
    family, eta, size = COUNTS[name]
    nodes = place_nodes(
        law_of(family, eta, size), np.minimum(OBSERVED, np.inf if size is None else size)
    )
    for y, valid in zip(nodes.y.T, nodes.valid.T, strict=True):
        held = y[valid]
        assert np.all(np.diff(held) >= 1.0)
        assert np.array_equal(held, np.rint(held))
    if size is not None:
        assert np.all(nodes.y <= size)


@pytest.mark.parametrize("name", COUNTS)
def test_observed_responses_are_nodes(name):
    """A response in the bulk of its distribution is a node, so that it needs no refit."""
    family, eta, size = COUNTS[name]
    y = np.rint(family.mean(eta, size))
    nodes = place_nodes(law_of(family, eta, size), y)
    assert np.all(((nodes.y == y) & nodes.valid).any(axis=0))


@pytest.mark.parametrize("name", COUNTS)
@settings(deadline=None, derandomize=True, max_examples=15)
@given(st.lists(st.floats(-2.0, 2.0), min_size=3, max_size=3))
def test_polynomials_are_interpolated_exactly(name, coefficients):
    """Quadratics in the count come back at every point between the nodes, and at zero."""
    family, eta, size = COUNTS[name]
    nodes = place_nodes(
        law_of(family, eta, size), OBSERVED if size is None else np.minimum(OBSERVED, size)
    )
    points, _ = only(family, eta, size)
    weights = interpolate(nodes, points)
    curve = np.polynomial.Polynomial(coefficients)
    mean = family.mean(eta, size)
    enough = nodes.valid.sum(axis=0) >= np.minimum(6, np.inf if size is None else size + 1)
    found = np.einsum("tln,tn->ln", weights, curve(nodes.y / mean))
    last = np.where(nodes.valid, nodes.y, 0.0).max(axis=0)
    between = (points.y >= nodes.y[1]) & (points.y <= last)
    error = np.abs(found - curve(points.y / mean))[between | ((points.y == 0.0) & nodes.valid[0])]
    assert np.all(enough)
    assert np.all(error < ROUNDING * max(1.0, np.abs(found).max()))


def test_beyond_the_nodes_lines_go_on():
    """The outer two nodes give the line; a node far off does not bend the tails."""
    family, eta, _ = COUNTS["poisson"]
    nodes, (points, _) = place_nodes(law_of(family, eta), OBSERVED), only(family, eta)
    weights = interpolate(nodes, points)
    beyond = points.y > nodes.y[-1]
    assert beyond.any()
    assert not weights[:-2][:, beyond].any()
    line = np.einsum("tln,tn->ln", weights, nodes.place)
    assert line[points.y > 0.0] == pytest.approx(points.place[points.y > 0.0])


@pytest.mark.parametrize(
    ("family", "eta"),
    [
        (mc.families.Gaussian(), (np.array([1.0, -2.0]), np.array([0.0, 1.0]))),
        (mc.families.get_family("gamma"), (np.array([0.7, 2.0]), np.array([-1.0, 0.3]))),
    ],
    ids=["gaussian", "gamma"],
)
def test_continuous_responses_stand_at_normal_quantiles(family, eta):
    """The points have the mean and variance of the distribution."""
    points, mass = only(family, eta)
    mean = (mass * points.y).sum(axis=0)
    assert mean == pytest.approx(family.mean(eta), rel=1e-5)
    spread = (mass * (points.y - mean) ** 2).sum(axis=0)
    assert spread == pytest.approx(family.variance(eta), rel=1e-4)
    nodes = place_nodes(law_of(family, eta), family.mean(eta))
    assert not nodes.valid[0].any()
    assert np.all(np.diff(nodes.y[1:], axis=0) > 0.0)


def test_a_bernoulli_response_has_two_nodes():
    """Zero and one, which are all its points."""
    family, eta = mc.families.Binomial(), (np.array([0.3, -1.0]),)
    nodes = place_nodes(law_of(family, eta, np.ones(2)), np.array([1.0, 0.0]))
    assert nodes.valid.sum() == 4
    points, mass = only(family, eta, np.ones(2))
    probability = family.mean(eta)
    assert mass == pytest.approx(np.stack([1.0 - probability, probability]))
    weights = interpolate(nodes, points)
    assert weights[:2] == pytest.approx(np.stack([np.eye(2)] * 2, axis=-1))


def mixture(family: Family, low: tuple, high: tuple) -> ResponseDistribution:
    """Two components, the second twice as frequent."""
    eta = np.stack([np.stack(low), np.stack(high)])
    return ResponseDistribution(family, np.array([1.0, 2.0]) / 3.0, eta, None)


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("nbinom2", ([-1.0, 2.0], [0.2, 3.0], 0.0, 1.0)),
        ("gamma", ([-1.0, 2.0], [0.2, 3.0], -1.0, 1.5)),
    ],
)
def test_a_mixture_has_the_moments_of_its_components(name, ends):
    """Each with its weight, on points of its own or shared; nodes reach over all of them."""
    family = mc.families.get_family(name)
    if family.link.name != "log":
        family = type(family)(link="log")
    low, high, first, second = ends
    distribution = mixture(
        family, (np.array(low), np.full(2, first)), (np.array(high), np.full(2, second))
    )
    mean, weights = np.zeros(2), 0.0
    for points in list_points(distribution):
        for weight, mass in points.parts:
            assert mass.sum(axis=0) == pytest.approx(1.0)
            mean += weight * (mass * points.y).sum(axis=0)
            weights += weight
    assert weights == pytest.approx(1.0)
    expected = sum(w * family.mean(eta) for w, eta in distribution.components())
    assert mean == pytest.approx(expected, rel=1e-3)
    nodes = place_nodes(distribution, np.rint(expected))
    single = place_nodes(law_of(family, distribution.centre()), np.rint(expected))
    assert np.all(nodes.y[-1] > single.y[-1])


def test_normal_quantiles_are_found():
    """One standard deviation is where the search begins, and is found too."""
    family, eta = mc.families.Gaussian(link="log"), (np.array([0.4, 3.0]), np.full(2, -0.2))
    z = np.repeat(np.arange(-5.0, 6.0)[:, None], 2, axis=1)
    expected = np.exp(eta[0]) + z * np.exp(eta[1])
    assert find_quantiles(family, eta, z) == pytest.approx(expected, abs=1e-8)


def test_quantiles_stay_in_the_support():
    """Far out, of skew and of bounded distributions: positive, below one, and in order."""
    z = np.repeat(np.array([-7.8, -2.8, 0.0, 2.8, 7.8])[:, None], 3, axis=1)
    gamma, beta = mc.families.Gamma(link="log"), mc.families.get_family("beta")
    for family, eta in (
        (gamma, (np.array([-3.0, 0.0, 9.0]), np.array([-2.0, 0.0, 3.0]))),
        (beta, (np.array([-3.0, 0.0, 3.0]), np.array([-1.0, 1.5, 4.0]))),
    ):
        y = find_quantiles(family, eta, z)
        family.prepare(y.ravel())
        # Each is found to a relative error of 1e-10.
        assert np.all(np.diff(y, axis=0) >= -1e-9)
        middle = slice(1, 4)
        flat = tuple(np.tile(e, 3) for e in eta)
        reached = family.cdf(y[middle].ravel(), flat)[1]
        assert reached == pytest.approx(ndtr(z[middle].ravel()), rel=1e-6)
