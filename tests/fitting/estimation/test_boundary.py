"""Searches that stall on a flat circle beside a face of the parameter space."""

from __future__ import annotations

import warnings

import numpy as np

import mixcheck as mc
from mixcheck.fitting.estimation.boundary import face_near
from mixcheck.port import port_of

COVARIANCE = 1e-12
"""Rounding of one small matrix product, for covariances of order one."""


def test_every_singular_slope_converges() -> None:
    """60 rows with no slope variance: three of these fits once stalled beside the face."""
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(15), 4)
    x = rng.normal(size=60)
    stalled = []
    for i in range(180):
        y = 0.5 + 0.3 * x + 0.3 * rng.normal(size=15)[g] + rng.normal(size=60)
        if i in (72, 99, 172):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", mc.BoundaryWarning)
                fit = mc.glmm("y ~ x + (x | g)", {"g": g, "x": x, "y": y})
            stalled.append(fit.convergence)
    assert all(facts.converged for facts in stalled)
    assert all(facts.singular for facts in stalled)


def test_the_face_keeps_the_covariance() -> None:
    """A covariance of rank one is on its face already; only its root changes."""
    rng = np.random.default_rng(1)
    data = {"g": np.repeat(np.arange(12), 5), "x": rng.normal(size=60), "y": rng.normal(size=60)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.BoundaryWarning)
        fit = mc.glmm("y ~ x + (x | g)", data)
    psi = port_of(fit).optimum.psi.copy()
    psi[-3:] = 0.0, 0.3, 0.4
    face = face_near(port_of(fit).problem, psi)
    assert face is not None
    term = port_of(fit).problem.terms[0]
    before, after = (term.covariance.root(p[-3:]) for p in (psi, face))
    np.testing.assert_allclose(after @ after.T, before @ before.T, atol=COVARIANCE)
    assert after[1, 1] == 0.0


def test_no_face_is_near_a_regular_covariance(sleepstudy: mc.GLMM) -> None:
    """Intercepts and slopes of the sleep study are far from a correlation of one."""
    assert face_near(port_of(sleepstudy).problem, port_of(sleepstudy).optimum.psi) is None
