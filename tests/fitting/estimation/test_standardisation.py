"""Columns far from zero: the same fit as of centred columns, on the scale of the user."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mixcheck as mc
from mixcheck.fitting.estimation.standardisation import standardise
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.port import port_of

# A log-likelihood is a sum of n terms of which each loses the digits of the offset.
LLF, SHARE = 1e-7, 1e-5


def data(seed: int = 4, n: int = 400) -> pd.DataFrame:
    """Responses of several kinds with a random slope, twenty groups."""
    rng = np.random.default_rng(seed)
    g, x = np.arange(n) % 20, rng.normal(size=n)
    eta = 0.5 + 0.3 * x + rng.normal(0, 0.5, 20)[g] + rng.normal(0, 0.3, 20)[g] * x
    return pd.DataFrame(
        {
            "x": x,
            "g": g,
            "poisson": rng.poisson(np.exp(eta)),
            "binomial": (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int),
            "nbinom2": rng.poisson(np.exp(eta) * rng.gamma(2, 0.5, n)),
            "gamma": rng.gamma(2, np.exp(eta) / 2),
        }
    )


def fit(frame: pd.DataFrame, formula: str, shift: float, **options: Any) -> mc.GLMM:
    """A fit to a shifted predictor; any warning is an error."""
    return mc.glmm(formula, frame.assign(x=frame["x"] + shift), **options)


@pytest.mark.parametrize("family", ["poisson", "binomial", "nbinom2", "gamma"])
@pytest.mark.parametrize("shift", [1e4, 1e6, 3e6])
def test_a_shifted_predictor_changes_nothing_but_the_intercept(family: str, shift: float) -> None:
    """Slope, standard error and log-likelihood are those of the centred predictor."""
    frame = data()
    here = fit(frame, f"{family} ~ x + (1 | g)", 0.0, family=family)
    there = fit(frame, f"{family} ~ x + (1 | g)", shift, family=family)
    assert there.converged
    assert there.llf == pytest.approx(here.llf, abs=LLF)
    assert there.params["x"] == pytest.approx(here.params["x"], rel=SHARE)
    assert there.bse["x"] == pytest.approx(here.bse["x"], rel=SHARE)
    assert there.params["Intercept"] == pytest.approx(
        here.params["Intercept"] - shift * here.params["x"], rel=SHARE
    )


@pytest.mark.parametrize(
    "options",
    [
        {"method": "agq", "nodes": 5},
        {"reml": True},
        {"method": "profiled"},
        {"method": "pql"},
        {"method": "pql", "reml": True},
        {"hessian": "expected"},
    ],
)
def test_every_method_takes_a_shifted_predictor(options: dict[str, Any]) -> None:
    """Each approximation has the value of the centred predictor, restricted ones too."""
    frame, formula = data(), "poisson ~ x + (1 | g)"
    here = fit(frame, formula, 0.0, family="poisson", **options)
    there = fit(frame, formula, 1e5, family="poisson", **options)
    assert there.converged
    assert there.llf == pytest.approx(here.llf, abs=LLF)
    assert there.bse["x"] == pytest.approx(here.bse["x"], rel=SHARE)


@pytest.mark.parametrize("shift", [2e3, 1e4])
@pytest.mark.parametrize("options", [{}, {"reml": True}, {"method": "profiled"}])
def test_a_random_slope_of_a_shifted_predictor(shift: float, options: dict[str, Any]) -> None:
    """Likelihood, standard errors and covariance are those of the centred predictor."""
    frame, formula = data(), "poisson ~ x + (x | g)"
    here = fit(frame, formula, 0.0, family="poisson", **options)
    there = fit(frame, formula, shift, family="poisson", **options)
    assert there.converged
    assert there.llf == pytest.approx(here.llf, abs=LLF)
    assert there.bse["x"] == pytest.approx(here.bse["x"], rel=SHARE)
    sd = there.variance_components["sd"].to_numpy()
    wanted = here.variance_components["variance"].to_numpy()
    v0, v1, v01 = wanted
    # Var(b0 - shift b1) by the covariance of the centred model.
    assert sd[0] == pytest.approx(np.sqrt(v0 - 2 * shift * v01 + shift**2 * v1), rel=SHARE)
    assert sd[1] == pytest.approx(np.sqrt(v1), rel=SHARE)
    slopes = here.random_effects["g"]["x"].to_numpy()
    np.testing.assert_allclose(there.random_effects["g"]["x"], slopes, atol=1e-6)


def test_a_refit_has_the_standard_errors_of_a_fit() -> None:
    """A refit of raw years ends where a fit ends, with its uncertainty."""
    frame = data()
    there = fit(frame, "poisson ~ x + (x | g)", 2e3, family="poisson")
    y = there.simulate(1, seed=3)[0].to_numpy()
    refit = there.refit(y)
    fresh = fit(frame.assign(poisson=y), "poisson ~ x + (x | g)", 2e3, family="poisson")
    assert refit.llf == pytest.approx(fresh.llf, abs=1e-6)
    np.testing.assert_allclose(refit.bse, fresh.bse, rtol=1e-4)


@pytest.mark.parametrize(
    "family", ["poisson", "binomial", pytest.param("nbinom2", marks=pytest.mark.slow)]
)
def test_raw_years_raise_no_false_alarm(family: str) -> None:
    """Calendar years from 1990 to 2019 as slopes: all converge, as centred ones do."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        n, g = 300, np.arange(300) % 15
        year = rng.integers(1990, 2020, n)
        eta = 0.5 + 0.02 * (year - 2005) + rng.normal(0, 0.4, 15)[g]
        eta += rng.normal(0, 0.03, 15)[g] * (year - 2005)
        y = rng.poisson(np.exp(eta)) if family != "binomial" else rng.random(n) < 0.5 + 0.1 * eta
        frame = pd.DataFrame({"y": np.asarray(y, dtype=int), "year": year, "g": g})
        with warnings.catch_warnings():
            # Some of these covariances are singular in truth, or have no overdispersion.
            warnings.simplefilter("ignore", mc.errors.BoundaryWarning)
            warnings.simplefilter("ignore", mc.errors.SeparationWarning)
            raw = mc.glmm("y ~ year + (year | g)", frame, family=family)
        assert raw.converged, raw.convergence.messages


def test_a_square_of_raw_years() -> None:
    """Curvature in raw years: the likelihood of the centred model."""
    frame = data().assign(x=lambda d: np.round(2005 + 8 * d["x"]))
    raw = mc.glmm("poisson ~ x + I(x**2) + (1 | g)", frame, family="poisson")
    centred = frame.assign(x=frame["x"] - 2005)
    wanted = mc.glmm("poisson ~ x + I(x**2) + (1 | g)", centred, family="poisson")
    assert raw.converged
    assert raw.llf == pytest.approx(wanted.llf, abs=LLF)
    assert raw.bse.iloc[2] == pytest.approx(wanted.bse.iloc[2], rel=1e-4)


def test_ordinary_columns_are_left_alone() -> None:
    """A problem whose columns are not far from zero is searched as it is."""
    design = port_of(fit(data(), "poisson ~ x + (x | g)", 1.0, family="poisson")).design
    assert standardise(arrange(design, mc.families.Poisson())) is None


@settings(max_examples=25, deadline=None)
@given(
    shift=st.floats(30.0, 1e2),
    theta=st.tuples(st.floats(0.1, 2.0), st.floats(-2.0, 2.0), st.floats(0.1, 2.0)),
)
def test_the_way_back_is_the_inverse(shift: float, theta: tuple[float, float, float]) -> None:
    """Parameters go there and back, the Jacobians are inverse, and differences agree."""
    frame = data(n=60).assign(x=lambda d: d["x"] + shift)
    design = mc.design.build_design(
        mc.design.parse_formula("poisson ~ x + (x | g)"), frame, ratio_is_trials=False
    )
    held = standardise(arrange(design, mc.families.Poisson()))
    assert held is not None
    there = np.array([0.3, -0.2, *theta])
    here = held.here(there)
    np.testing.assert_allclose(held.there(here), there, rtol=1e-6, atol=1e-7)
    product = held.inverse_jacobian(here) @ held.jacobian(there)
    # Rounding grows with the square of the shift, in units of very different size.
    np.testing.assert_allclose(product, np.eye(5), atol=1e-4)
    step = 1e-6
    for j, unit in enumerate(np.eye(5)):
        change = (held.here(there + step * unit) - held.here(there - step * unit)) / (2 * step)
        np.testing.assert_allclose(held.jacobian(there)[:, j], change, rtol=1e-4, atol=1e-4)


def test_a_problem_knows_once_that_columns_lie_far() -> None:
    """What the columns say is kept for another response; columns around zero do not lie far."""
    frame = data()
    near, far = (
        port_of(fit(frame, "poisson ~ x + (1 | g)", shift, family="poisson")).problem
        for shift in (0.0, 1e4)
    )
    assert (near.far, far.far) == ((False,), (True,))
    again = far.with_response(frame["poisson"].to_numpy(dtype=float)[::-1])
    assert again.__dict__["far"] == (True,)
