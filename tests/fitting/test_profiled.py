"""Fixed effects at the joint mode: lme4's nAGQ = 0 and MATLAB's ApproximateLaplace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import OptionError
from mixcheck.port import port_of

# lme4's search ends before its penalised least squares do: its minimum is too high by less
# than this, and its estimates are off by this many standard errors or this share.
TOO_HIGH, OF_ERROR, OF_THETA = 2e-4, 1e-3, 2e-4
LLF = 1e-6

# lme4 1.1-31, nAGQ = 0: minus twice the log-likelihood, fixed effects, their standard errors
# and theta.
PUBLISHED: dict[str, dict[str, Any]] = {
    "cbpp": {
        "call": ("cbpp", "incidence / size ~ period + (1 | herd)", "binomial"),
        "deviance": 184.108693002453,
        "params": [-1.36047572762631, -0.97617323609389, -1.11107278364302, -1.55967568377296],
        "bse": [0.227579022899923, 0.303286174991135, 0.323510368951478, 0.424451909521635],
        "theta": [0.641838555348909],
    },
    "seeds": {
        "call": ("seeds", "r / n ~ x1 * x2 + (1 | plate)", "binomial"),
        "deviance": 107.541444695676,
        "params": [-0.544200860654767, 0.0973359242674939, 1.32662584326353, -0.804970313292738],
        "bse": [0.165673709220122, 0.274832725781111, 0.234779146253486, 0.381916306640646],
        "theta": [0.234479994574403],
    },
    "multicenter": {
        "call": ("multicenter", "sideeffect / n ~ a + (1 | center)", "binomial"),
        "deviance": 135.477416187578,
        "params": [-0.806372176443082, -0.489416831086444],
        "bse": [0.250556926741189, 0.203414639857946],
        "theta": [0.782214620755283],
    },
    "epil_2": {
        "call": ("epil", "y ~ lbase4 * Trt + lage_raw + V4 + (1 | subject)", "poisson"),
        "deviance": 1331.06586093549,
        "params": [
            -1.25851803365234,
            0.87153533833995,
            -0.915214328668665,
            0.473216014246721,
            -0.159769600576673,
            0.332032029388427,
        ],
        "bse": [
            1.17648516413984,
            0.130685794233515,
            0.398679480736529,
            0.345495242594081,
            0.0545837091603844,
            0.202404087274754,
        ],
        "theta": [0.501238199716331],
    },
    "epil_4": {
        "call": ("epil", "y ~ lbase4 * Trt + lage_raw + visit + (visit | subject)", "poisson"),
        "deviance": 1311.02770250768,
        "params": [
            -1.27115229145809,
            0.869303926646277,
            -0.90930872559905,
            0.46410387999236,
            -0.266862147522255,
            0.331407818733095,
        ],
        "bse": [
            1.1738928852965,
            0.130404989792302,
            0.397846826459554,
            0.344753358612064,
            0.156468253193066,
            0.201949642246352,
        ],
        "theta": [0.49974975000278, 0.00682788334514323, 0.733654132577135],
    },
    "bacteria": {
        "call": ("bacteria", "infected ~ trt + late + (1 | ID)", "binomial"),
        "deviance": 193.09149879,
        "params": [3.0745172, -1.1588122, -0.6624236, -1.4402672],
        "bse": None,
        "theta": [1.14770602],
    },
    "grouseticks": {
        "call": (
            "grouseticks",
            "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)",
            "poisson",
        ),
        "deviance": 1782.4033960594,
        "params": [0.529312081034277, 1.10729804781272, -0.918412554158761, -0.0221919600438175],
        "bse": [0.189757867775438, 0.233807235935598, 0.259089543516139, 0.00344763501414807],
        "theta": [0.736283486908569, 0.536971366425463, 0.557284702580183],
    },
}


def table(name: str) -> pd.DataFrame:
    """A published table with the covariates of its model."""
    data = mc.datasets.load(name)
    if name == "epil":
        return data.assign(
            lbase4=np.log(data["base"] / 4),
            lage_raw=np.log(data["age"]),
            Trt=1.0 * (data["trt"] == "progabide"),
            visit=(2 * data["period"] - 5) / 10,
        )
    if name == "bacteria":
        return data.assign(late=1.0 * (data["week"] > 2), infected=1.0 * (data["y"] == "y"))
    if name == "multicenter":
        return data.assign(a=1.0 * (data["group"] == "A"))
    return data


@pytest.fixture(scope="module")
def fits() -> dict[str, mc.GLMM]:
    """The published fits."""
    out = {}
    for name, case in PUBLISHED.items():
        data, formula, family = case["call"]
        out[name] = mc.glmm(formula, table(data), family=family, method="profiled")
    return out


@pytest.mark.parametrize("name", PUBLISHED)
def test_published(fits: dict[str, mc.GLMM], name: str) -> None:
    """The minimum is that of lme4 or just below, the estimates are the same."""
    fit, case = fits[name], PUBLISHED[name]
    assert case["deviance"] - TOO_HIGH < -2.0 * fit.llf < case["deviance"] + LLF
    assert fit.convergence.converged
    assert np.all(np.abs(fit.params - case["params"]) < OF_ERROR * fit.bse)
    np.testing.assert_allclose(port_of(fit).theta, case["theta"], rtol=OF_THETA, atol=1e-5)
    if case["bse"] is not None:
        np.testing.assert_allclose(fit.bse, case["bse"], rtol=OF_THETA)


@pytest.mark.parametrize("name", ["cbpp", "epil_4", "grouseticks"])
def test_below_laplace(fits: dict[str, mc.GLMM], name: str) -> None:
    """It is the Laplace likelihood at other estimates, so below its maximum, but not by much."""
    fit = fits[name]
    full = mc.glmm(fit.formula, fit.frame, family=fit.family)
    assert full.llf - 1.0 < fit.llf < full.llf


def test_linear() -> None:
    """For a Gaussian response with the identity link it is maximum likelihood."""
    data = mc.datasets.load("sleepstudy")
    call = "Reaction ~ Days + (Days | Subject)"
    one, other = mc.glmm(call, data, method="profiled"), mc.glmm(call, data)
    assert one.llf == pytest.approx(other.llf, abs=1e-8)
    np.testing.assert_allclose(one.params, other.params, rtol=1e-8)
    np.testing.assert_allclose(port_of(one).theta, port_of(other).theta, rtol=1e-5)


def test_expected() -> None:
    """With the expected information it is another approximation, for a link not canonical."""
    data = mc.datasets.load("cbpp")
    family = mc.families.Binomial(link="probit")
    call = "incidence / size ~ period + (1 | herd)"
    one, other = (
        mc.glmm(call, data, family=family, method="profiled", hessian=kind)
        for kind in ("observed", "expected")
    )
    # About the gap at the Laplace estimates, where lme4 has the one and glmmTMB the other.
    assert 2.0 * (one.llf - other.llf) == pytest.approx(185.24244681 - 185.16667541, rel=0.25)


def test_rescaled(fits: dict[str, mc.GLMM]) -> None:
    """Units and origin of a predictor change its coefficient alone."""
    data = table("epil")
    call = "y ~ lbase4 * Trt + I(1e5 * lage_raw - 7) + V4 + (1 | subject)"
    fit, plain = mc.glmm(call, data, family="poisson", method="profiled"), fits["epil_2"]
    assert fit.llf == pytest.approx(plain.llf, abs=1e-7)
    np.testing.assert_allclose(port_of(fit).theta, port_of(plain).theta, rtol=1e-6)
    found = fit.params.filter(like="lage").item()
    assert 1e5 * found == pytest.approx(plain.params["lage_raw"], rel=1e-6)


@pytest.mark.parametrize("name", ["cbpp", "epil_4"])
def test_refit(fits: dict[str, mc.GLMM], name: str) -> None:
    """A refit is the fit from scratch."""
    fit = fits[name]
    again = fit.refit(port_of(fit).observed)
    assert again.llf == pytest.approx(fit.llf, abs=1e-8)
    np.testing.assert_allclose(again.bse, fit.bse, rtol=1e-6)
    y = fit.simulate(1, seed=2).iloc[:, 0].to_numpy()
    one = fit.refit(y)
    response = {"cbpp": "incidence", "epil_4": "y"}[name]
    other = mc.glmm(
        fit.formula, fit.frame.assign(**{response: y}), family=fit.family, method="profiled"
    )
    assert one.llf == pytest.approx(other.llf, abs=LLF)
    assert np.all(np.abs(one.params - other.params) < OF_ERROR * other.bse)


@pytest.mark.slow
def test_everything_else(fits: dict[str, mc.GLMM]) -> None:
    """Checks, criteria and the comparison with quadrature know such a fit."""
    fit = fits["cbpp"]
    assert fit.aic == pytest.approx(-2.0 * fit.llf + 10.0)
    assert "joint mode" in str(fit.summary())
    shift = fit.approximation()
    assert not shift.unavailable
    assert 0.05 < shift.shift < 0.5
    assert "uniformity" in set(mc.check(fit, seed=1, calibration="plug-in").to_frame()["check"])
    with pytest.raises(OptionError, match="no product over groups"):
        port_of(fit).group_loglik()


@pytest.mark.parametrize(
    ("formula", "options", "words"),
    [
        ("incidence / size ~ period + (1 | herd)", {"nodes": 5}, "needs quadrature"),
        ("incidence / size ~ period", {}, "no random effects"),
    ],
)
def test_refused(formula: str, options: dict[str, Any], words: str) -> None:
    """What does not go together is refused with what to write."""
    data = mc.datasets.load("cbpp")
    with pytest.raises(OptionError, match=words):
        mc.glmm(formula, data, family="binomial", method="profiled", **options)
