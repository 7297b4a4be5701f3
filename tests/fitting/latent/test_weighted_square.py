"""Weighted squares of model matrices."""

from __future__ import annotations

import numpy as np
import pytest

from mixcheck.fitting.latent import weighted_square as module
from mixcheck.fitting.latent.weighted_square import weighted_square


@pytest.mark.parametrize("block", [module._BLOCK, 12])
@pytest.mark.parametrize("least", [0.0, -1.0])
def test_square(monkeypatch: pytest.MonkeyPatch, block: int, least: float) -> None:
    """In one product or in blocks, with negative weights or without, it is ``X'WX``."""
    monkeypatch.setattr(module, "_BLOCK", block)
    rng = np.random.default_rng(1)
    X, weight = rng.normal(size=(31, 4)), rng.uniform(least, 1.0, 31)
    found = weighted_square(X, weight)
    np.testing.assert_allclose(found, X.T @ np.diag(weight) @ X, rtol=0.0, atol=1e-13)
