"""All groups at once."""

from __future__ import annotations

import numpy as np
import pytest

import mixcheck as mc
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.port import port_of

# Central differences of deviances over 1e-5.
DIFFERENCE_TOLERANCE = 1e-4


@pytest.mark.parametrize("hessian", ["observed", "expected"])
def test_gradient(grouseticks, hessian):
    """The gradient of each group is the derivative of its deviance, away from the optimum."""
    problem, codes = (
        port_of(grouseticks).problem,
        port_of(grouseticks).problem.latent.factors[-1].sums.index,
    )
    method = Laplace(hessian)
    psi = port_of(grouseticks).optimum.psi + 0.1
    at = method.evaluate_groups(problem, psi, codes)
    step = 1e-5 * np.arange(1, psi.size + 1)
    ahead, behind = (
        method.evaluate_groups(problem, psi + side * step, codes).deviance for side in (1, -1)
    )
    expected = 0.5 * (ahead - behind) / 1e-5
    np.testing.assert_allclose(
        at.gradient @ np.arange(1.0, psi.size + 1), expected, atol=DIFFERENCE_TOLERANCE
    )
    assert at.gradient.sum(axis=0) == pytest.approx(at.whole.gradient, rel=1e-9, abs=1e-9)
    assert at.deviance.sum() == pytest.approx(at.whole.deviance, rel=1e-12)


def test_no_mode(cbpp):
    """Parameters without a likelihood raise; they do not give numbers."""
    psi = np.full(port_of(cbpp).optimum.psi.size, 1e200)
    codes = port_of(cbpp).problem.latent.factors[0].sums.index
    with np.errstate(all="ignore"), pytest.raises(mc.ConvergenceError, match="not finite"):
        cbpp.method.evaluate_groups(port_of(cbpp).problem, psi, codes)
