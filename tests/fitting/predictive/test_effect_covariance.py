"""Covariances of random effects given the data."""

from __future__ import annotations

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.fitting.predictive.effect_covariance import EffectCovariance
from mixcheck.port import port_of


@pytest.mark.parametrize("formula", ["y ~ x + (x | g) + (1 | h)", "y ~ x + (1 | h) + (x | g)"])
def test_every_pair_of_levels(formula: str) -> None:
    """Those of the mixed model equations, whether or not levels meet in the data."""
    rng = np.random.default_rng(5)
    g, h, x = rng.integers(0, 6, 40), rng.integers(0, 5, 40), rng.normal(size=40)
    g[:6], h[:5] = np.arange(6), np.arange(5)
    assert len({*zip(g.tolist(), h.tolist(), strict=True)}) < 30
    slopes = rng.normal(size=(6, 2))
    y = slopes[g, 0] + slopes[g, 1] * x + rng.normal(size=5)[h] + 0.5 * rng.normal(size=40)
    fit = mc.glmm(formula, {"y": y, "x": x, "g": g, "h": h})
    port = port_of(fit)
    terms = {term.block.group: term for term in port.problem.terms}
    roots = {name: term.units(port.theta_of(term)) for name, term in terms.items()}
    prior = np.zeros((17, 17))
    prior[:12, :12] = np.kron(np.eye(6), roots["g"] @ roots["g"].T)
    prior[12:, 12:] = np.eye(5) * roots["h"][0, 0] ** 2
    Z = np.zeros((40, 17))
    Z[np.arange(40), 2 * g], Z[np.arange(40), 2 * g + 1] = 1.0, x
    Z[np.arange(40), 12 + h] = 1.0
    assert fit.dispersion is not None
    V = Z @ prior @ Z.T + fit.dispersion**2 * np.eye(40)
    given = prior - prior @ Z.T @ np.linalg.solve(V, Z @ prior)
    found = EffectCovariance(port.problem.latent, port.mode)
    left, right = (part.ravel() for part in np.meshgrid(np.arange(6), np.arange(5)))
    pairs = list(zip(left, right, strict=True))
    dense = np.stack([given[2 * a : 2 * a + 2, 12 + b : 13 + b] for a, b in pairs])
    first, second = terms["g"].factor, terms["h"].factor
    np.testing.assert_allclose(found.between(first, left, second, right), dense, atol=1e-10)
    other_way = found.between(second, right, first, left).swapaxes(1, 2)
    np.testing.assert_allclose(other_way, dense, atol=1e-10)
    own = np.stack([given[2 * a : 2 * a + 2, 2 * a : 2 * a + 2] for a in range(6)])
    levels = np.arange(6)
    np.testing.assert_allclose(found.between(first, levels, first, levels), own, atol=1e-10)
