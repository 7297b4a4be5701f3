"""Which way a predictor may go for ever without lowering the log density of a row."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.families import Family, add_zeros, get_family
from mixcheck.families.recession import FREE

# Rounding of a log density between two points.
ROUNDING = 1e-9
PLAIN = ["poisson", "nbinom1", "nbinom2", "binomial", "betabinomial", "gaussian"]
POSITIVE = ["truncated_poisson", "truncated_nbinom1", "truncated_nbinom2", "gamma", "lognormal"]
FAMILIES = [
    *map(get_family, [*PLAIN, *POSITIVE, "beta"]),
    *(add_zeros(get_family(name)) for name in [*PLAIN[:-1], *POSITIVE, "beta"]),
]


def draw(family: Family, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Responses inside the support, with many at its ends."""
    base = getattr(family, "base", family).name
    zeros = base != family.name or base in PLAIN
    if base in ("binomial", "betabinomial"):
        size = rng.integers(1, 4, n).astype(float)
        return np.minimum(rng.integers(0, 4, n), size), size
    if base in ("gamma", "lognormal", "beta"):
        y = rng.uniform(0.1, 0.9, n)
        return np.where(rng.random(n) < 0.3, 0.0, y) if zeros else y, None
    return rng.integers(0 if zeros else 1, 4, n).astype(float), None


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_recession(family: Family) -> None:
    """The log density never falls that way, never moves where free, and falls elsewhere."""
    rng = np.random.default_rng(7)
    n = 300
    y, size = draw(family, rng, n)
    data = family.prepare(y, size)
    for k, way in enumerate(family.recession(data)):
        eta = [rng.normal(0, 1, n) for _ in family.predictors]
        ends = np.abs(way) == 1

        def change(sign: np.ndarray, eta: list[np.ndarray] = eta, k: int = k) -> np.ndarray:
            steps = np.linspace(0, 30, 61)
            held = [
                family.log_density(data, tuple(e + (j == k) * t * sign for j, e in enumerate(eta)))
                for t in steps
            ]
            return np.diff(held, axis=0)

        onward = change(np.where(ends, way, 1.0))
        assert (onward[:, ends] >= -ROUNDING).all()
        assert (change(np.where(ends, -way, 1.0))[:, ends].min(axis=0) < -ROUNDING).all()
        assert (onward[:, way == FREE] == 0.0).all()
