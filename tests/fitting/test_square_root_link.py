"""Fits with the square root link, where a level of a factor has nothing but zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.port import port_of

LIKELIHOOD = 1e-6
ESTIMATES = 2e-5
"""Those of glmmTMB are where nlminb stopped: up to 1e-5 off, beside standard errors of 0.1."""
POISSON = mc.families.Poisson("sqrt")
NBINOM2 = mc.families.NegativeBinomial2("sqrt")


def zeros_in_a_level() -> pd.DataFrame:
    """Counts of four kinds in 20 groups; those of kind z are all zero."""
    i = np.arange(160)
    kind = np.array(["a", "b", "c", "z"])[i % 4]
    y = np.array([int(c, 36) for c in COUNTS])
    x = np.round(np.sin(1.7 * i) + 0.5 * np.cos(0.3 * i), 3)
    return pd.DataFrame({"y": y, "f": kind, "x": x, "g": i // 8})


COUNTS = (
    "241012202610144043403760235043401320001031205370649045001350161018206f5003100330"
    "72801b90573023202270091004202a30253032102860173031502a101230137018204a3064303270"
)

# Of glmmTMB 1.1.5, started near the optimum; from zero it ends at others, of mixed signs.
CASES: list[tuple[Any, str, float, list[float], list[float]]] = [
    (
        POISSON,
        "y ~ f",
        -275.5717155,
        [1.5411034, 0.6724905, 0.3562635, -1.5411032],
        [0.079057, 0.111803, 0.111803, 0.136931],
    ),
    (
        POISSON,
        "y ~ f + x",
        -274.9154587,
        [1.5383203, 0.6719506, 0.3607305, -1.5350889, 0.0615245],
        [0.079058, 0.111783, 0.111888, 0.137000, 0.053704],
    ),
    (
        POISSON,
        "y ~ f + x + (1 | g)",
        -270.0451080,
        [1.5132797, 0.6818683, 0.3706969, -1.5112611, 0.0384399],
        [0.094563, 0.112705, 0.112521, 0.137524, 0.056159],
    ),
    (
        NBINOM2,
        "y ~ f",
        -264.3201747,
        [1.5411040, 0.6724918, 0.3562628, -1.5411038],
        [0.096110, 0.147139, 0.141474, 0.147435],
    ),
    (
        NBINOM2,
        "y ~ f + x",
        -263.9812979,
        [1.5390571, 0.6717748, 0.3582328, -1.5361483, 0.0555177],
        [0.095842, 0.146584, 0.140998, 0.147377, 0.067305],
    ),
    (
        NBINOM2,
        "y ~ f + x + (1 | g)",
        -263.5650736,
        [1.5226667, 0.6802964, 0.3664452, -1.5201852, 0.0476333],
        [0.100257, 0.142182, 0.136906, 0.146987, 0.066997],
    ),
]


@pytest.mark.parametrize(("family", "formula", "llf", "params", "bse"), CASES)
def test_beside_glmmtmb(
    family: Any, formula: str, llf: float, params: list[float], bse: list[float]
) -> None:
    """Log-likelihood, estimates and standard errors; the level of zeros is an interior optimum."""
    fit = mc.glmm(formula, zeros_in_a_level(), family=family)
    assert fit.converged
    assert fit.convergence.limits == ()
    assert fit.llf == pytest.approx(llf, abs=LIKELIHOOD)
    np.testing.assert_allclose(fit.params.iloc[: len(params)], params, atol=ESTIMATES)
    np.testing.assert_allclose(fit.bse.iloc[: len(bse)], bse, rtol=2e-4)


def test_a_level_of_zeros_alone() -> None:
    """Its predictor is zero, and its information that of the parabola: 2 for each row."""
    fit = mc.glmm("y ~ 0 + f", zeros_in_a_level(), family=POISSON)
    data = zeros_in_a_level()
    means = data.groupby("f")["y"].mean()
    np.testing.assert_allclose(fit.params**2, means, atol=1e-8)
    assert fit.params["f[z]"] == pytest.approx(0.0, abs=1e-8)
    np.testing.assert_allclose(fit.bse["f[z]"], 1.0 / np.sqrt(2.0 * 40.0), rtol=1e-5)
    np.testing.assert_allclose(fit.bse["f[a]"], 1.0 / np.sqrt(4.0 * 40.0), rtol=1e-5)


def test_quadrature() -> None:
    """Estimates, standard errors and deviation of glmer (lme4) by 25 nodes."""
    fit = mc.glmm("y ~ f + x + (1 | g)", zeros_in_a_level(), family=POISSON, method="agq", nodes=25)
    expected = [1.5134168623, 0.6817724448, 0.3706116105, -1.5113936261, 0.0384728732]
    errors = [0.0944983943, 0.1126927884, 0.1125061605, 0.1375160286, 0.0561527678]
    np.testing.assert_allclose(fit.params, expected, atol=2e-5)
    np.testing.assert_allclose(fit.bse, errors, rtol=2e-4)
    assert port_of(fit).theta.iloc[0] == pytest.approx(0.22530767, abs=2e-5)


@pytest.mark.parametrize("family", [POISSON, NBINOM2], ids=lambda f: f.name)
def test_quadrature_residuals_and_simulation(family: Any) -> None:
    """What follows a fit takes negative predictors as it takes others."""
    data = zeros_in_a_level()
    fit = mc.glmm("y ~ f + x + (1 | g)", data, family=family)
    fine = mc.glmm("y ~ f + x + (1 | g)", data, family=family, method="agq", nodes=25)
    assert fine.converged
    assert fine.llf == pytest.approx(fit.llf, abs=0.1)
    assert (np.asarray(fit.fittedvalues) >= 0.0).all()
    found = mc.residuals(fit, draws=50, seed=1)
    assert np.isfinite(np.asarray(found.values)).all()
