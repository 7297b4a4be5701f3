"""Posterior modes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.polynomial.hermite_e import hermegauss
from scipy import stats
from scipy.optimize import brentq, minimize
from scipy.special import expit, logsumexp

import mixcheck as mc
from mixcheck.errors import SeparationWarning
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.port import port_of
from mixcheck.priors import gamma, half_normal, lkj, normal, t

CBPP = "incidence / size ~ period + (1 | herd)"
# Estimates of searches without a gradient.
ESTIMATE, DENSITY = 2e-5, 1e-7


@pytest.fixture(scope="module")
def separated() -> pd.DataFrame:
    """All rows of one kind are successes; another predictor, and groups."""
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(20), 6)
    data = pd.DataFrame({"g": g, "x": rng.normal(size=120), "s": np.tile([0, 0, 0, 0, 0, 1], 20)})
    eta = 0.3 * data["x"] + rng.normal(size=20)[g]
    return data.assign(y=np.where(data["s"] == 1, 1, rng.random(120) < expit(eta)).astype(int))


def test_one_poisson_mean() -> None:
    """An intercept with a normal prior solves ``sum y - n exp(b) = (b - m) / s^2``."""
    y = np.array([0, 2, 1, 5, 3, 2])
    prior = {"Intercept": normal(-1.0, 0.4)}
    fit = mc.glmm("y ~ 1", {"y": y}, family="poisson", priors=prior)
    wanted = brentq(
        lambda b: y.sum() - y.size * np.exp(b) - (b + 1.0) / 0.16, -5.0, 5.0, xtol=1e-14
    )
    assert fit.params["Intercept"] == pytest.approx(wanted, abs=1e-8)
    assert fit.bse["Intercept"] == pytest.approx(
        (y.size * np.exp(wanted) + 1.0 / 0.16) ** -0.5, rel=1e-6
    )
    assert fit.llf == pytest.approx(stats.poisson(np.exp(wanted)).logpmf(y).sum(), abs=DENSITY)
    density = stats.norm(-1.0, 0.4).logpdf(wanted)
    assert fit.log_posterior == pytest.approx(fit.llf + density, abs=DENSITY)


def test_ridge() -> None:
    """With normal priors a linear model is a ridge regression."""
    rng = np.random.default_rng(2)
    X = np.column_stack([np.ones(40), rng.normal(size=(40, 2))])
    y = X @ [1.0, 0.5, -2.0] + rng.normal(size=40)
    data = {"y": y, "a": X[:, 1], "b": X[:, 2]}
    prior = {"a": normal(0.0, 0.1), "b": normal(1.0, 0.3)}
    fit = mc.glmm("y ~ a + b", data, priors=prior)
    precision, mean = np.diag([0.0, 100.0, 1.0 / 0.09]), np.array([0.0, 0.0, 1.0])
    variance = fit.dispersion**2
    wanted = np.linalg.solve(X.T @ X / variance + precision, X.T @ y / variance + precision @ mean)
    np.testing.assert_allclose(fit.params, wanted, atol=1e-7)
    assert variance == pytest.approx(np.mean((y - X @ wanted) ** 2), rel=1e-7)


@pytest.mark.slow
def test_quadrature_posterior() -> None:
    """A binomial model is that of an independent search over a posterior by quadrature."""
    data = mc.datasets.load("cbpp")
    prior = {
        "period[T.2]": normal(0.0, 0.5),
        "period[T.4]": t(4, 0.0, 1.0),
        "sd(herd)": gamma(3, 6),
    }
    fit = mc.glmm(CBPP, data, family="binomial", method="agq", nodes=41, priors=prior)
    z, w = hermegauss(60)
    log_w = np.log(w) - 0.5 * np.log(2.0 * np.pi)
    k, n = data["incidence"].to_numpy(), data["size"].to_numpy()
    herd = pd.factorize(data["herd"])[0]
    X = np.column_stack([np.ones(k.size), *(data["period"].astype(str) == p for p in "234")])

    def log_likelihood(psi: np.ndarray) -> float:
        eta = (X @ psi[:4])[:, None] + abs(psi[4]) * z
        rows = stats.binom.logpmf(k[:, None], n[:, None], expit(eta))
        joint = np.stack([rows[herd == h].sum(axis=0) for h in range(15)])
        return float(logsumexp(joint + log_w, axis=1).sum())

    def minus_log_posterior(psi: np.ndarray) -> float:
        prior = stats.norm(0, 0.5).logpdf(psi[1]) + stats.t(4).logpdf(psi[3])
        prior += stats.gamma(3, scale=1.0 / 6.0).logpdf(abs(psi[4]))
        return -log_likelihood(psi) - prior

    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 20_000, "maxfev": 20_000}
    start = np.array([-1.3, -0.8, -1.0, -1.3, 0.6])
    found = minimize(minus_log_posterior, start, method="Nelder-Mead", options=options)
    np.testing.assert_allclose(port_of(fit).optimum.psi, found.x, atol=ESTIMATE)
    assert fit.log_posterior == pytest.approx(-found.fun, abs=1e-7)
    assert fit.llf == pytest.approx(log_likelihood(port_of(fit).optimum.psi), abs=1e-7)


def test_singular_fit_of_a_linear_model() -> None:
    """A variance that would be zero is the mode of the closed posterior of a one-way layout."""
    rng = np.random.default_rng(5)
    m, size = 12, 4
    g = np.repeat(np.arange(m), size)
    y = rng.normal(size=m * size)
    y = y - np.bincount(g, y)[g] / size * 0.9
    data = {"y": y, "g": g}
    with pytest.warns(mc.BoundaryWarning):
        assert mc.glmm("y ~ 1 + (1 | g)", data).convergence.singular
    fit = mc.glmm("y ~ 1 + (1 | g)", data, priors={"sd(g)": gamma(2, 0.1)})
    assert not fit.convergence.singular
    assert fit.converged
    same = (g[:, None] == g).astype(float)

    def minus_log_posterior(psi: np.ndarray) -> float:
        V = psi[2] ** 2 * same + np.exp(2.0 * psi[1]) * np.eye(y.size)
        likelihood = stats.multivariate_normal(np.full(y.size, psi[0]), V).logpdf(y)
        return -likelihood - stats.gamma(2, scale=10.0).logpdf(abs(psi[2]))

    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5_000, "maxfev": 5_000}
    found = minimize(minus_log_posterior, [0.0, 0.0, 0.3], method="Nelder-Mead", options=options)
    np.testing.assert_allclose(port_of(fit).optimum.psi, found.x, atol=ESTIMATE)
    assert fit.log_posterior == pytest.approx(-found.fun, abs=1e-7)


@pytest.mark.parametrize(
    "layout",
    ["vector", "crossed_vector", pytest.param("two_predictors", marks=pytest.mark.slow)],
)
def test_gradient(layout: str) -> None:
    """The gradient with priors of everything is that of differences."""
    rng = np.random.default_rng(3)
    n = 90
    data = pd.DataFrame({"x": rng.normal(size=n), "g": np.arange(n) % 9, "h": np.arange(n) // 15})
    data["y"] = data["x"] + rng.normal(size=9)[data["g"]] + rng.normal(size=n)
    formula = "y ~ x + (1 + x | g)" + (" + (1 + x | h)" if layout == "crossed_vector" else "")
    dispersion = "~ x + (1 | h)" if layout == "two_predictors" else None
    priors = {"x": t(3), "sd(g)": gamma(2, 1), "cor(g)": lkj(2), "Intercept": normal(0, 1)}
    if dispersion:
        priors |= {"dispersion: sd(h)": gamma(3, 9), "dispersion: x": normal(0, 1)}
    if layout == "crossed_vector":
        priors |= {"sd(h, x)": half_normal(1), "cor(h)": normal(0.2, 0.5)}
    fit = mc.glmm(formula, data, dispersion=dispersion, priors=priors)
    assert fit.converged
    objective = objective_of(port_of(fit).problem, fit.method)
    psi = port_of(fit).optimum.psi + 0.1
    # Away from deviations of zero, where densities are steep.
    psi[port_of(fit).problem.n_beta :] = [0.8, 0.3, 0.6, 0.7, -0.2, 0.5][
        : port_of(fit).problem.n_theta
    ]
    found = objective(psi, None)
    limit = 1e-7 * max(1.0, np.abs(found.gradient).max())
    for j, e in enumerate(1e-3 * np.eye(psi.size)):
        near, far = (
            objective(psi + k * e, None).deviance - objective(psi - k * e, None).deviance
            for k in (1, 2)
        )
        assert found.gradient[j] == pytest.approx((8.0 * near - far) / 12e-3, abs=limit)


def test_separated_coefficient(separated: pd.DataFrame) -> None:
    """A coefficient that predictors separate is finite, without a warning."""
    formula = "y ~ x + s + (1 | g)"
    with pytest.warns(SeparationWarning, match="s"):
        assert np.isinf(mc.glmm(formula, separated, family="binomial").bse["s"])
    fit = mc.glmm(formula, separated, family="binomial", priors={"s": normal(0, 2.5)})
    assert fit.convergence.limits == ()
    assert fit.converged
    assert 1.0 < fit.params["s"] < 6.0
    assert 0.3 < fit.bse["s"] < 2.5
    wide = mc.glmm(formula, separated, family="binomial", priors={"s": t(1, 0, 2.5)})
    assert wide.params["s"] > fit.params["s"]
    assert fit.refit(separated["y"]).params["s"] == pytest.approx(fit.params["s"], abs=1e-5)


def test_complete_separation() -> None:
    """Predictors that separate all responses are a posterior mode like any other."""
    data = {"y": np.array([0, 0, 0, 1, 1, 1]), "x": np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.5])}
    with pytest.raises(mc.SeparationError):
        mc.glmm("y ~ x", data, family="binomial")
    fit = mc.glmm("y ~ x", data, family="binomial", priors={"x": t(3), "Intercept": normal(0, 5)})

    def minus_log_posterior(beta: np.ndarray) -> float:
        eta = (2.0 * data["y"] - 1.0) * (beta[0] + beta[1] * data["x"])
        prior = stats.norm(0, 5).logpdf(beta[0]) + stats.t(3, 0, 2.5).logpdf(beta[1])
        return float(np.logaddexp(0.0, -eta).sum() - prior)

    found = minimize(minus_log_posterior, [0.0, 1.0], method="Nelder-Mead",
                     options={"xatol": 1e-10, "fatol": 1e-14})  # fmt: skip
    np.testing.assert_allclose(fit.params, found.x, atol=ESTIMATE)


def test_one_of_two_separated(separated: pd.DataFrame) -> None:
    """A prior of one coefficient leaves the other where it was."""
    data = separated.assign(r=np.tile([1, 0, 0, 0, 0, 0], 20))
    data.loc[data["r"] == 1, "y"] = 0
    formula = "y ~ x + s + r + (1 | g)"
    with pytest.warns(SeparationWarning):
        fit = mc.glmm(formula, data, family="binomial", priors={"s": normal(0, 2.5)})
    assert [limit.parameter for limit in fit.convergence.limits] == ["r"]
    assert np.isfinite(fit.bse["s"])
    kept = data[data["r"] == 0]
    alone = mc.glmm("y ~ x + s + (1 | g)", kept, family="binomial", priors={"s": normal(0, 2.5)})
    assert fit.llf == pytest.approx(alone.llf, abs=1e-6)
    assert fit.log_posterior == pytest.approx(alone.log_posterior, abs=1e-6)
    assert fit.params["s"] == pytest.approx(alone.params["s"], abs=1e-4)


def test_groups_that_determine_the_responses() -> None:
    """Their standard deviation has no finite estimate, and a posterior mode."""
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 3)})
    data["y"] = (data["g"] % 2).astype(int)
    with pytest.warns(SeparationWarning):
        mc.glmm("y ~ 1 + (1 | g)", data, family="binomial")
    fit = mc.glmm("y ~ 1 + (1 | g)", data, family="binomial", priors={"sd(g)": half_normal(2)})
    assert fit.convergence.limits == ()
    assert fit.converged
    assert 1.0 < fit.variance_components["sd"].iloc[0] < 10.0


def test_what_a_fit_says() -> None:
    """The summary names the priors; criteria of maxima are refused, scores are not."""
    data = mc.datasets.load("cbpp")
    prior = {"period[T.2]": normal(0.0, 0.5), "sd(herd)": gamma(2, 4)}
    fit = mc.glmm(CBPP, data, family="binomial", priors=prior)
    text = str(fit.summary())
    for words in ("posterior mode (MAP)", "prior of period[T.2]", "normal(0, 0.5)", "gamma(2, 4)"):
        assert words in text
    assert "AIC  " not in text
    assert port_of(fit).priors == {"period[T.2]": "normal(0, 0.5)", "sd(herd)": "gamma(2, 4)"}
    other = mc.glmm(CBPP, data, family="binomial")
    assert other.log_posterior == other.llf
    for call in (lambda: fit.aic, lambda: fit.bic, lambda: mc.aic(fit), lambda: mc.lrt(other, fit),
                 lambda: mc.compare([fit, other])):  # fmt: skip
        with pytest.raises(mc.ComparisonError, match="priors"):
            call()
    assert port_of(fit).group_loglik().sum() == pytest.approx(fit.llf, abs=1e-9)
    assert mc.logo(fit).total < fit.llf
    with pytest.raises(mc.OptionError, match='method="refit"'):
        mc.logo(fit, method="one-step")
    assert np.isfinite(mc.loo(fit).total)
    again = fit.refit(port_of(fit).observed)
    assert again.log_posterior == pytest.approx(fit.log_posterior, abs=1e-8)
    with pytest.raises(mc.OptionError, match="leave priors out"):
        mc.select(CBPP, data, family="binomial", priors=prior)


def test_conditional_aic() -> None:
    """Coefficients that a prior holds at zero count no degrees of freedom."""
    data = mc.datasets.load("cbpp")
    prior = {f"period[T.{k}]": normal(0.0, 1e-3) for k in (2, 3, 4)}
    held = mc.caic(mc.glmm(CBPP, data, family="binomial", priors=prior))
    without = mc.caic(mc.glmm("incidence / size ~ 1 + (1 | herd)", data, family="binomial"))
    assert held.df == pytest.approx(without.df, abs=1e-3)
    fixed = mc.glmm("incidence / size ~ period", data, family="binomial", priors=prior)
    with pytest.raises(mc.ComparisonError, match="without random effects"):
        mc.caic(fixed)


@pytest.mark.parametrize("method", ["agq", "importance"])
def test_other_approximations(method: str) -> None:
    """Priors go with every approximation of the likelihood."""
    data = mc.datasets.load("cbpp")
    fit = mc.glmm(CBPP, data, family="binomial", method=method, priors={"sd(herd)": gamma(2, 4)})
    assert fit.converged
    assert fit.log_posterior == pytest.approx(-92.1515, abs=2e-3)


@pytest.mark.parametrize(
    ("priors", "options", "sentence"),
    [
        ({"sd(hert)": gamma(2, 1)}, {}, "is not a parameter of the model; write one of Intercept"),
        ({"sd(herd)": normal(0, 1)}, {}, "which is a standard deviation: gamma or half_normal"),
        ({"Intercept": gamma(2, 1)}, {}, "which is a coefficient: normal or t"),
        ({"Intercept": 3}, {}, "must be a distribution"),
        ([1], {}, "priors must be a mapping"),
        ({"Intercept": normal()}, {"reml": True}, "leave method and reml out"),
        ({"Intercept": normal()}, {"method": "profiled"}, "leave method and reml out"),
        ({"Intercept": normal()}, {"method": "pql"}, "leave method and reml out"),
    ],
)
def test_wrong_priors(priors: object, options: dict[str, object], sentence: str) -> None:
    """Each wrong call is one sentence."""
    data = mc.datasets.load("cbpp")
    with pytest.raises(mc.OptionError, match=sentence):
        mc.glmm(CBPP, data, family="binomial", priors=priors, **options)


def test_no_priors() -> None:
    """An empty mapping is none."""
    fit = mc.glmm(CBPP, mc.datasets.load("cbpp"), family="binomial", priors={})
    assert port_of(fit).priors == {}
    assert np.isfinite(fit.aic)
