"""Ends of profile intervals from signed roots that are known."""

from __future__ import annotations

import math

import pytest

from mixcheck.inference.profile import Root, find_end

Z = 1.959963984540054


def test_a_variance_of_normal_numbers() -> None:
    """``D(s) = n (log(s^2) + 1 / s^2 - 1)``: both ends solve it, in few evaluations."""
    n, seen = 12, []

    def root(s: float) -> Root:
        seen.append(s)
        zeta = math.copysign(math.sqrt(n * (2.0 * math.log(s) + s**-2.0 - 1.0)), s - 1.0)
        return Root(s, zeta, n * (1.0 / s - s**-3.0) / zeta)

    for quantile in (-Z, Z):
        end = find_end(
            root, 1.0, 1.0 / math.sqrt(2 * n), quantile, 0.0 if quantile < 0 else math.inf
        )
        assert root(end).zeta == pytest.approx(quantile, abs=1e-7)
    assert len(seen) <= 14


def test_limits() -> None:
    """The limit is the end where the root does not come as far, and is at once on it."""

    def root(v: float) -> Root:
        return Root(v, v - 1.0, 1.0)

    assert find_end(root, 1.0, 1.0, -Z, 0.0) == 0.0
    assert find_end(root, 0.0, 1.0, -Z, 0.0) == 0.0
    assert find_end(root, 1.0, 0.2, -Z, -2.0) == pytest.approx(1.0 - Z)


def test_a_root_that_levels_off_has_no_end() -> None:
    """``zeta = tanh v`` never reaches 1.96; with 2.2 in its place it does."""

    def root(v: float, most: float) -> Root:
        return Root(v, most * math.tanh(v), most / math.cosh(min(v, 300.0)) ** 2)

    assert find_end(lambda v: root(v, 1.9), 0.0, 1.0, Z, math.inf) == math.inf
    end = find_end(lambda v: root(v, 2.2), 0.0, 1.0, Z, math.inf)
    assert end == pytest.approx(math.atanh(Z / 2.2), rel=1e-6)


def test_a_likelihood_of_zero_is_too_far() -> None:
    """Values that cannot be are left again by halves."""

    def root(v: float) -> Root:
        return Root(v, v, 1.0) if v < 2.0 else Root(v, math.inf, math.nan)

    assert find_end(root, 0.0, 4.0, Z, math.inf) == pytest.approx(Z)
    assert math.isnan(find_end(lambda v: Root(v, math.inf, math.nan), 0.0, 1.0, Z, math.inf))


def test_a_plateau_barely_beyond_the_quantile_is_left_by_halves() -> None:
    """Where the root is flat a chord moves by a share of the way, time after time."""
    seen = []

    def root(v: float) -> Root:
        seen.append(v)
        flat = v**4 > Z + 0.05
        return Root(v, Z + 0.05, math.nan) if flat else Root(v, v**4, 4.0 * v**3)

    end = find_end(root, 0.0, 3.0, Z, math.inf)
    assert end == pytest.approx(Z**0.25, abs=1e-7)
    assert len(seen) <= 16
