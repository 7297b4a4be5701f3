"""Models with a t distribution: degrees of freedom are a parameter without a formula."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import mixcheck as mc
from mixcheck.errors import DesignError, OptionError, SeparationWarning
from mixcheck.families import StudentT
from mixcheck.port import port_of

INTEGRAL = 1e-9
"""Of adaptive quadrature; 25 nodes of Gauss-Hermite leave less."""
R = 5e-6
"""Standard errors of both sides are from differences of gradients."""


def tailed(n: int = 400, df: float = 4.0, seed: int = 1) -> pd.DataFrame:
    """Groups of ten with errors of t distribution."""
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(n // 10), 10), rng.normal(size=n)
    y = 1.0 + 0.5 * x + rng.normal(0.0, 0.8, n // 10)[g] + 0.7 * rng.standard_t(df, size=n)
    return pd.DataFrame({"y": y, "x": x, "g": g})


def test_sleepstudy_is_that_of_glmmtmb() -> None:
    """Estimates and standard errors of every parameter, with random slopes."""
    # glmmTMB 1.1.5 (TMB 1.9.2): glmmTMB(Reaction ~ Days + (Days | Subject), family = t_family())
    # polished as by validation/reference/family_fits.R, with numDeriv's Jacobian of its gradient.
    estimates = [251.0972844831533, 10.7335156949321, 1.0640282073453]
    errors = [7.1494781215, 1.5790740009, 0.2108818163]
    fit = mc.glmm("Reaction ~ Days + (Days | Subject)", mc.datasets.load("sleepstudy"), family="t")
    assert fit.n_parameters == 7
    np.testing.assert_allclose(fit.params, estimates, rtol=R)
    np.testing.assert_allclose(fit.bse, errors, rtol=R)
    np.testing.assert_allclose(fit.dispersion, np.exp(2.6737657615435), rtol=R)
    assert list(fit.params.index) == ["Intercept", "Days", "log(df)"]
    assert list(fit.shapes.index) == ["df"]
    np.testing.assert_allclose(fit.shapes.estimate, np.exp(fit.params["log(df)"]), rtol=1e-12)
    delta = fit.shapes.estimate * fit.bse["log(df)"]
    np.testing.assert_allclose(fit.shapes.std_error, delta, rtol=1e-12)
    ends = np.exp(fit.conf_int().loc["log(df)"]).to_numpy()
    np.testing.assert_allclose(fit.shapes[["low", "high"]].to_numpy()[0], ends, rtol=1e-12)


@pytest.mark.slow
def test_likelihood_is_the_integral() -> None:
    """By quadrature it is the product over groups of the integral over their intercepts."""
    data = tailed(80)
    fit = mc.glmm("y ~ x + (1 | g)", data, family="t", method="agq", nodes=25)
    df, scale, sd = fit.shapes.estimate.iloc[0], fit.dispersion, port_of(fit).theta.iloc[0]
    base = fit.params["Intercept"] + fit.params["x"] * data.x
    total = 0.0
    for _, rows in data.groupby("g").groups.items():
        y, mean = data.y[rows].to_numpy(), base[rows].to_numpy()

        def joint(b: float, y: np.ndarray = y, mean: np.ndarray = mean) -> float:
            return float(np.prod(stats.t.pdf(y, df, mean + b, scale)) * stats.norm.pdf(b, 0.0, sd))

        total += np.log(integrate.quad(joint, -6.0, 6.0, epsabs=0.0, epsrel=1e-12, limit=300)[0])
    np.testing.assert_allclose(fit.llf, total, rtol=INTEGRAL)


def test_known_degrees_of_freedom_are_no_parameter() -> None:
    """At the estimate of df the likelihood is the same, with one parameter less."""
    data = tailed()
    free = mc.glmm("y ~ x + (1 | g)", data, family="t")
    df = free.shapes.estimate.iloc[0]
    known = mc.glmm("y ~ x + (1 | g)", data, family=StudentT(df=df))
    assert known.n_parameters == free.n_parameters - 1
    assert known.shapes.empty
    np.testing.assert_allclose(known.llf, free.llf, rtol=1e-10)
    for other in (0.8 * df, 1.25 * df):
        assert mc.glmm("y ~ x + (1 | g)", data, family=StudentT(df=other)).llf < free.llf


@pytest.mark.slow
def test_many_degrees_of_freedom_are_the_gaussian() -> None:
    """Responses with light tails are fitted at the limit, which is named, and no test is made."""
    data = tailed()
    rng = np.random.default_rng(3)
    data["y"] = 1.0 + 0.5 * data.x + rng.normal(0.0, 0.8, 40)[data.g] + rng.uniform(-1.0, 1.0, 400)
    with pytest.warns(SeparationWarning, match=r"'log\(df\)', because the responses are distrib"):
        fit = mc.glmm("y ~ x + (1 | g)", data, family="t")
    plain = mc.glmm("y ~ x + (1 | g)", data)
    np.testing.assert_allclose(fit.llf, plain.llf, rtol=1e-9)
    np.testing.assert_allclose(fit.bse[:2], plain.bse[:2], rtol=1e-5)
    assert [(x.parameter, x.reason) for x in fit.convergence.limits] == [("log(df)", "shape")]
    assert fit.shapes.std_error.isna().all() or np.isinf(fit.shapes.std_error).all()


def test_dispersion_may_depend_on_predictors() -> None:
    """Another data set of known scales: both coefficients of the log scale are found."""
    data = tailed(2000, df=5.0, seed=2)
    rng = np.random.default_rng(4)
    data["y"] = 2.0 - data.x + np.exp(0.3 + 0.4 * data.x) * rng.standard_t(5.0, 2000)
    fit = mc.glmm("y ~ x", data, family="t", dispersion="~ x")
    truth = {"Intercept": 2.0, "x": -1.0, "dispersion: Intercept": 0.3, "dispersion: x": 0.4}
    truth["log(df)"] = np.log(5.0)
    assert list(fit.params.index) == list(truth)
    assert (np.abs(fit.params - pd.Series(truth)) < 4.0 * fit.bse).all()


def test_an_outlier_moves_it_little() -> None:
    """A response a thousand deviations off moves the Gaussian slope and not that of the t."""
    data = tailed(200)
    moved = data.assign(y=data.y.where(data.index != 7, data.y + 1e3))
    shift = {}
    for family in ("gaussian", "t"):
        with warnings.catch_warnings():
            # Beside the outlier a Gaussian model sees no groups.
            warnings.simplefilter("ignore", mc.BoundaryWarning)
            one, other = (mc.glmm("y ~ x + (1 | g)", d, family=family) for d in (data, moved))
        shift[family] = abs(other.params["x"] - one.params["x"]) / one.bse["x"]
        assert other.converged
    assert shift["t"] < 0.6 < 5.0 < shift["gaussian"]


def test_everything_asks_the_shape_along() -> None:
    """Refits, simulations, predictions, checks and criteria of a model with a shape."""
    fit = mc.glmm("y ~ x + (1 | g)", tailed(), family="t")
    again = fit.refit(fit.simulate(1, seed=1)[0])
    assert again.params["log(df)"] != fit.params["log(df)"]
    assert np.abs(again.params["log(df)"] - fit.params["log(df)"]) < 4.0 * fit.bse["log(df)"]
    np.testing.assert_allclose(fit.predict(fit.frame), fit.fittedvalues, rtol=1e-12)
    marginal = fit.predict({"x": [0.0]}, random_effects="marginal")
    np.testing.assert_allclose(marginal, fit.params["Intercept"], rtol=1e-9)
    draws = fit.simulate(400, seed=2, conditioning="mode")
    df, scale = fit.shapes.estimate.iloc[0], fit.dispersion
    z = ((draws.to_numpy() - fit.fittedvalues.to_numpy()[:, None]) / scale).ravel()
    assert stats.kstest(z, "t", (df,)).pvalue > 1e-3
    criterion = mc.caic(fit)
    assert "dispersion" in criterion.by_term
    assert criterion.by_term["fixed effects"] == pytest.approx(2.0)
    text = str(fit.summary())
    assert "df" in text
    assert "95 % from" in text


def test_degrees_of_freedom_must_be_a_positive_number() -> None:
    """One sentence for anything else."""
    for wrong in (0, -1.0, "4", np.inf, True):
        with pytest.raises(OptionError, match="df must be a positive number"):
            StudentT(df=wrong)


@pytest.mark.parametrize(
    "unit", [1e-79, *(pytest.param(unit, marks=pytest.mark.slow) for unit in (1e-20, 1e20)), 1e75]
)
@pytest.mark.parametrize("link", ["identity", "log"])
def test_any_unit(unit: float, link: str) -> None:
    """The likelihood in another unit is the same but for the Jacobian, and soon found."""
    data = tailed(120)
    data["y"] += 10.0
    data["z"] = unit * data["y"]
    one, other = (mc.glmm(f"{y} ~ x + (1 | g)", data, family=StudentT(link)) for y in "yz")
    assert other.llf == pytest.approx(one.llf - 120 * np.log(unit), abs=1e-7)
    assert other.convergence.evaluations < 100


@pytest.mark.parametrize("unit", [1e-100, 1e100])
def test_units_whose_powers_are_no_numbers(unit: float) -> None:
    """Responses in a unit so small or large are refused at once, with what to write."""
    data = tailed(120)
    data["y"] *= unit
    with pytest.raises(DesignError, match=r"multiply the response.* \* y|divide.*y / 1e10"):
        mc.glmm("y ~ x + (1 | g)", data, family="t")


def test_steps_go_to_far_responses() -> None:
    """With one far response, a step by the weights of EM never lowers the log density."""
    family, y = StudentT(df=2.0), np.array([0.0, 0.1, 1e6])
    data, mu = family.prepare(y), 5e5
    before = -np.inf
    for _ in range(200):
        eta = (np.full(3, mu), np.zeros(3))
        d = family.derivatives(data, eta, 1)
        assert d.value.sum() >= before - 1e-9
        before = d.value.sum()
        mu += d.first[0].sum() / family.step_information(data, eta)[0, 0].sum()
    assert mu == pytest.approx(0.05, abs=0.01)
