"""What a likelihood does not depend on, and how estimates follow a change of the data."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln

import mixcheck as mc
from mixcheck.errors import BoundaryWarning

# Two searches for one optimum: the gradient is below 1e-7 standard errors, so the likelihoods
# differ by its square and the estimates by 1e-6 of an error; sums in another order add 1e-12.
LLF, ESTIMATE = 1e-8, 1e-5
# The same numbers in another order.
SUMS = 1e-9

FAMILIES = ("gaussian", "binomial", "poisson")
seeds = st.integers(0, 10_000)
families = st.sampled_from(FAMILIES)
terms = st.sampled_from(["(1 | g)", "(1 + x | g)", "(1 | g) + (1 | h)", "(1 | h / g)"])
# Each example is two or three fits.
laws = settings(max_examples=max(settings().max_examples // 12, 1))


def table(seed: int, family: str, n: int = 60) -> pd.DataFrame:
    """Ten groups crossed with four, and a response with effects of both."""
    rng = np.random.default_rng(seed)
    g = np.concatenate([np.arange(10), rng.integers(0, 10, n - 10)])
    h = np.concatenate([np.arange(4), rng.integers(0, 4, n - 4)])
    x, z = rng.normal(size=n), rng.normal(size=n)
    eta = 0.3 + 0.4 * x - 0.2 * z + 0.8 * rng.normal(size=10)[g] + 0.5 * rng.normal(size=4)[h]
    frame = pd.DataFrame({"x": x, "z": z, "g": g, "h": h, "m": rng.integers(2, 6, n)})
    if family == "gaussian":
        frame["y"] = eta + 0.7 * rng.normal(size=n)
    elif family == "poisson":
        frame["y"] = rng.poisson(np.exp(eta))
    else:
        frame["y"] = rng.binomial(frame["m"], 1 / (1 + np.exp(-eta)))
    return frame


def fit(formula: str, frame: pd.DataFrame, family: str, **options: Any) -> mc.GLMM:
    """A fit that may be singular; binomial responses have the trials m."""
    if family == "binomial":
        formula = formula.replace("y ~", "y / m ~")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        return mc.glmm(formula, frame, family=family, **options)


def require_same(one: mc.GLMM, other: mc.GLMM, shift: float = 0.0) -> None:
    """The same maximum at the same estimates."""
    assert other.llf == pytest.approx(one.llf + shift, abs=LLF * (1 + abs(one.llf)))
    away = np.abs(other.params.to_numpy() - one.params[other.params.index].to_numpy())
    assert np.all(away <= ESTIMATE * one.bse[other.params.index].to_numpy())


@laws
@given(seed=seeds, family=families, term=terms)
def test_row_order(seed: int, family: str, term: str) -> None:
    """A fit does not depend on the order of the rows."""
    frame = table(seed, family)
    one = fit(f"y ~ x + {term}", frame, family)
    other = fit(f"y ~ x + {term}", frame.sample(frac=1.0, random_state=seed), family)
    require_same(one, other)
    np.testing.assert_allclose(
        other.fittedvalues[one.fittedvalues.index], one.fittedvalues, rtol=1e-4
    )


@laws
@given(seed=seeds, family=families, term=terms)
def test_labels(seed: int, family: str, term: str) -> None:
    """Groups may have other names in another order."""
    frame, rng = table(seed, family), np.random.default_rng(seed)
    renamed = frame.assign(g=rng.permutation(10)[frame["g"]], h=np.array(list("dbca"))[frame["h"]])
    one, other = fit(f"y ~ x + {term}", frame, family), fit(f"y ~ x + {term}", renamed, family)
    require_same(one, other)


@laws
@given(seed=seeds, link=st.sampled_from(["logit", "probit", "cloglog"]))
def test_splitting_trials(seed: int, link: str) -> None:
    """Trials split into single rows lose the binomial coefficients and nothing else."""
    frame = table(seed, "binomial")
    family: Any = mc.families.Binomial(link=link)
    rows = frame.loc[frame.index.repeat(frame["m"])]
    place = rows.groupby(level=0).cumcount()
    single = rows.assign(y=(place < rows["y"]).astype(int)).reset_index(drop=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        one = mc.glmm("y / m ~ x + (1 | g)", frame, family=family)
        other = mc.glmm("y ~ x + (1 | g)", single, family=family)
    k, m = frame["y"].to_numpy(), frame["m"].to_numpy()
    coefficients = np.sum(gammaln(m + 1) - gammaln(k + 1) - gammaln(m - k + 1))
    require_same(one, other, shift=-coefficients)


@laws
@given(seed=seeds, family=families, term=terms)
def test_weights_repeat_rows(seed: int, family: str, term: str) -> None:
    """A whole weight is so many equal rows."""
    frame = table(seed, family)
    frame["w"] = np.random.default_rng(seed).integers(1, 4, len(frame)).astype(float)
    one = fit(f"y ~ x + {term}", frame, family, weights="w")
    repeated = frame.loc[frame.index.repeat(frame["w"].astype(int))].reset_index(drop=True)
    require_same(one, fit(f"y ~ x + {term}", repeated, family))


@laws
@given(
    seed=seeds,
    family=families,
    factor=st.sampled_from([1e-4, 0.1, -3.0, 1e4]),
    shift=st.floats(-5.0, 5.0),
)
def test_units(seed: int, family: str, factor: float, shift: float) -> None:
    """A predictor in other units: the same likelihood, the coefficient in the other unit."""
    frame = table(seed, family)
    one = fit("y ~ x + z + (1 | g)", frame, family)
    moved = frame.assign(x=factor * (frame["x"] + shift))
    other = fit("y ~ x + z + (1 | g)", moved, family)
    assert other.llf == pytest.approx(one.llf, abs=LLF * (1 + abs(one.llf)))
    assert abs(factor * other.params["x"] - one.params["x"]) < ESTIMATE * one.bse["x"]
    assert abs(factor) * other.bse["x"] == pytest.approx(one.bse["x"], rel=1e-3)
    intercept = other.params["Intercept"] + factor * shift * other.params["x"]
    error = one.bse["Intercept"] + abs(shift) * one.bse["x"]
    assert abs(intercept - one.params["Intercept"]) < ESTIMATE * error


@laws
@given(seed=seeds, family=families, factor=st.sampled_from([1e-2, -2.0, 50.0]))
def test_units_of_a_slope(seed: int, family: str, factor: float) -> None:
    """A random slope in other units: the same likelihood, its deviation in the other unit."""
    frame = table(seed, family, n=90)
    one = fit("y ~ x + (1 + x | g)", frame, family)
    other = fit("y ~ x + (1 + x | g)", frame.assign(x=factor * frame["x"]), family)
    # The Laplace fits of a correlation of one are flat: only the likelihood is compared there.
    assert other.llf == pytest.approx(one.llf, abs=1e-6)
    if not one.convergence.singular:
        sd, moved = (f.variance_components.set_index("name")["sd"]["x"] for f in (one, other))
        assert abs(factor) * moved == pytest.approx(sd, rel=1e-3)


@laws
@given(seed=seeds, family=families, term=terms)
def test_offset(seed: int, family: str, term: str) -> None:
    """An offset is a predictor with a coefficient of one."""
    frame = table(seed, family)
    one = fit(f"y ~ x + z + {term}", frame, family)
    frame["e"] = one.params["z"] * frame["z"]
    other = fit(f"y ~ x + offset(e) + {term}", frame, family)
    require_same(one, other)
    shifted = fit(f"y ~ x + z + offset(z) + {term}", frame, family)
    assert shifted.llf == pytest.approx(one.llf, abs=LLF * (1 + abs(one.llf)))
    assert abs(shifted.params["z"] + 1.0 - one.params["z"]) < ESTIMATE * one.bse["z"]


@laws
@given(seed=seeds, family=families)
def test_order_of_terms(seed: int, family: str) -> None:
    """Terms may stand in any order."""
    frame = table(seed, family)
    one = fit("y ~ x + z + (1 | g) + (1 | h)", frame, family)
    require_same(one, fit("y ~ (1 | h) + z + (1 | g) + x", frame, family))


@laws
@given(seed=seeds, family=families)
def test_double_bar(seed: int, family: str) -> None:
    """``(x || g)`` is ``(1 | g) + (0 + x | g)``."""
    frame = table(seed, family)
    one = fit("y ~ x + (x || g)", frame, family)
    other = fit("y ~ x + (1 | g) + (0 + x | g)", frame, family)
    require_same(one, other)
    np.testing.assert_allclose(
        one.variance_components["sd"], other.variance_components["sd"], atol=SUMS
    )


@laws
@given(seed=seeds, factor=st.sampled_from([1e-3, 7.0, 1e3]), shift=st.floats(-100.0, 100.0))
def test_units_of_a_gaussian_response(seed: int, factor: float, shift: float) -> None:
    """The response in other units: the likelihood moves by the Jacobian alone."""
    frame = table(seed, "gaussian")
    one = fit("y ~ x + (1 | g)", frame, "gaussian")
    other = fit("y ~ x + (1 | g)", frame.assign(y=factor * (frame["y"] + shift)), "gaussian")
    moved = one.llf - len(frame) * np.log(factor)
    assert other.llf == pytest.approx(moved, abs=LLF * (1 + abs(moved)))
    assert abs(other.params["x"] / factor - one.params["x"]) < ESTIMATE * one.bse["x"]
    assert other.dispersion == pytest.approx(factor * one.dispersion, rel=ESTIMATE)


@laws
@given(seed=seeds, family=families)
def test_nested_models(seed: int, family: str) -> None:
    """A larger model is never less likely."""
    frame = table(seed, family)
    chain = ["y ~ x", "y ~ x + (1 | g)", "y ~ x + (x || g)", "y ~ x + (x | g)"]
    llf = [fit(formula, frame, family).llf for formula in chain]
    if family == "gaussian":
        # Exact likelihoods; Laplace approximations need not be ordered.
        assert np.all(np.diff(llf) > -1e-6)
    assert llf[1] > llf[0] - 1e-6
