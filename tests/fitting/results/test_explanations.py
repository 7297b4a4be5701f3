"""Sentences on what has no finite estimate, and on the edge of a link."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.families import Poisson
from mixcheck.fitting.results.explanations import explain_edge


def test_means_at_the_edge_are_named() -> None:
    """Counts whose mean falls to zero along x have no optimum inside the identity link."""
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(20), 10)
    x = rng.normal(size=g.size)
    mean = np.maximum(6.0 * (1.5 + 0.8 * x) + rng.normal(size=20)[g], 0.0)
    data = pd.DataFrame({"y": rng.poisson(mean), "x": x, "g": g})
    with pytest.warns(mc.ConvergenceWarning, match="at the edge of what the identity link allows"):
        fit = mc.glmm("y ~ x + (1 | g)", data, family=Poisson(link="identity"))
    assert not fit.convergence.converged
    assert "no optimum inside" in fit.convergence.messages[0]


def test_only_predictors_at_an_edge_are() -> None:
    """Rows are counted; links without an edge, and rows far from one, have no sentence."""
    far, near = np.array([1.0, 4.0, 9.0]), np.array([1e-9, 1e-8, 4.0, 9.0, 6.0])
    identity = Poisson(link="identity")
    assert explain_edge(identity, far) == ""
    assert "the mean of 2 rows is 0, " in explain_edge(identity, near)
    assert "the mean of a row is 0, " in explain_edge(identity, near[1:])
    assert explain_edge(Poisson(), near) == ""
