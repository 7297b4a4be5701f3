"""Penalised quasi-likelihood: published tables, the fixed point, and what it refuses."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import (
    BoundaryWarning,
    ComparisonError,
    ConvergenceError,
    OptionError,
)
from mixcheck.fitting.estimation.pql import generalised_chi_square, linearise
from mixcheck.port import port_of

# The reference iterates until parameters move by 1e-8 of themselves; rounds of epil converge
# slowly, so that this is 1e-6 of a pseudo-likelihood of 500.
SIX_DIGITS = 1e-6
# Both sides take second differences of a deviance or its gradient.
SE_VARIANCE = 1e-5
# Fourth-order differences with a step of 1e-3, on deviances in the hundreds.
SLOPE = 2e-5


@dataclass(frozen=True)
class Row:
    """One table: fixed effects, variances, minus twice the log pseudo-likelihood."""

    beta: tuple[float, ...]
    se: tuple[float, ...]
    variance: tuple[float, ...]
    se_variance: tuple[float, ...]
    deviance: float
    chi_square: float


MODELS = {
    "multicenter": ("multicenter", "sideeffect / n ~ a + (1 | center)", "binomial"),
    "seeds": ("seeds", "r / n ~ x1 * x2 + (1 | plate)", "binomial"),
    "epil_2": ("epil", "y ~ lbase4 * Trt + lage_raw + V4 + (1 | subject)", "poisson"),
    "epil_3": ("epil", "y ~ lbase4 * Trt + lage_raw + V4 + (1 | subject) + (1 | obs)", "poisson"),
    "cbpp": ("cbpp", "incidence / size ~ period + (1 | herd)", "binomial"),
}

# By model and whether restricted. An independent dense implementation of the algorithm of SAS
# PROC GLIMMIX, which reproduces every digit that SAS prints of the first.
ROWS: dict[tuple[str, bool], Row] = {
    ("multicenter", True): Row(
        beta=(
            -0.807050259314,
            -0.489564281273,
        ),
        se=(
            0.251366333895,
            0.203445532656,
        ),
        variance=(0.617616182928,),
        se_variance=(0.318144885589,),
        deviance=81.444271576,
        chi_square=30.69178957,
    ),
    ("multicenter", False): Row(
        beta=(
            -0.79953996839,
            -0.487920376925,
        ),
        se=(
            0.242707161778,
            0.203101936176,
        ),
        variance=(0.557119765256,),
        se_variance=(0.283235328442,),
        deviance=78.686569672,
        chi_square=31.66156315,
    ),
    ("seeds", True): Row(
        beta=(
            -0.542225888369,
            0.076792859916,
            1.33853488337,
            -0.825148415639,
        ),
        se=(
            0.190393515666,
            0.308117052345,
            0.269917143915,
            0.429636201972,
        ),
        variance=(0.097802266035,),
        se_variance=(0.075651312067,),
        deviance=33.176820020,
        chi_square=17.44688501,
    ),
    ("seeds", False): Row(
        beta=(
            -0.544276161681,
            0.097853052318,
            1.32637793727,
            -0.804507320023,
        ),
        se=(
            0.165116318723,
            0.274088343266,
            0.233981407628,
            0.380842273542,
        ),
        variance=(0.054089432434,),
        se_variance=(0.050204320352,),
        deviance=27.423321823,
        chi_square=21.32931809,
    ),
    ("epil_2", True): Row(
        beta=(
            -1.24286581945,
            0.870972650141,
            -0.916996768425,
            0.46838807576,
            -0.159769600577,
            0.331903875168,
        ),
        se=(
            1.21947273976,
            0.135647049799,
            0.412233634682,
            0.358148520229,
            0.054583709987,
            0.209780654751,
        ),
        variance=(0.274054833803,),
        se_variance=(0.065133167513,),
        deviance=579.110238361,
        chi_square=405.04345758,
    ),
    ("epil_2", False): Row(
        beta=(
            -1.26355843083,
            0.871725649342,
            -0.914704689552,
            0.474766065321,
            -0.159769600577,
            0.332098692308,
        ),
        se=(
            1.16334196571,
            0.129168962063,
            0.394541058626,
            0.341625563215,
            0.054583709987,
            0.200148482158,
        ),
        variance=(0.244437720703,),
        se_variance=(0.056318176784,),
        deviance=564.240029290,
        chi_square=409.86830405,
    ),
    ("epil_3", True): Row(
        beta=(
            -1.25656032927,
            0.857550157489,
            -0.925177957352,
            0.469067730276,
            -0.100500050333,
            0.340388397994,
        ),
        se=(
            1.1973047462,
            0.133073637891,
            0.405170303183,
            0.35158588702,
            0.084966984704,
            0.205929914153,
        ),
        variance=(
            0.230584663556,
            0.123581495675,
        ),
        se_variance=(
            0.063469502978,
            0.028903085225,
        ),
        deviance=499.787430353,
        chi_square=222.82525614,
    ),
    ("cbpp", True): Row(
        beta=(
            -1.36339649023,
            -0.973089265009,
            -1.10808089919,
            -1.55615655916,
        ),
        se=(
            0.231140938777,
            0.303593634539,
            0.323788647373,
            0.424725795532,
        ),
        variance=(0.434767877288,),
        se_variance=(0.238269390571,),
        deviance=193.420260307,
        chi_square=71.31832418,
    ),
}


def table(name: str) -> pd.DataFrame:
    """A published table with the covariates of its model."""
    data = mc.datasets.load(name)
    if name == "epil":
        return data.assign(
            lbase4=np.log(data["base"] / 4),
            lage_raw=np.log(data["age"]),
            Trt=1.0 * (data["trt"] == "progabide"),
            obs=np.arange(len(data)),
        )
    if name == "multicenter":
        return data.assign(a=1.0 * (data["group"] == "A"))
    return data


def make(name: str, reml: bool) -> mc.GLMM:
    """One model by PQL."""
    data, formula, family = MODELS[name]
    return mc.glmm(formula, table(data), family=family, method="pql", reml=reml)


@pytest.fixture(scope="module")
def fits() -> dict[tuple[str, bool], mc.GLMM]:
    """The published fits."""
    return {key: make(*key) for key in ROWS}


def chi_square(fit: mc.GLMM) -> float:
    """The generalised chi-square of a fit."""
    mode = port_of(fit).optimum.evaluation.mode
    assert mode is not None
    return generalised_chi_square(port_of(fit).problem, mode)


@pytest.mark.parametrize("key", ROWS)
def test_published(fits: dict[tuple[str, bool], mc.GLMM], key: tuple[str, bool]) -> None:
    """Estimates, errors, pseudo-likelihood and generalised chi-square to six digits."""
    fit, row = fits[key], ROWS[key]
    assert fit.convergence.converged
    np.testing.assert_allclose(fit.params, row.beta, rtol=SIX_DIGITS)
    np.testing.assert_allclose(fit.bse, row.se, rtol=SIX_DIGITS)
    theta = port_of(fit).theta.to_numpy()
    np.testing.assert_allclose(theta**2, row.variance, rtol=SIX_DIGITS)
    errors = 2.0 * theta * np.sqrt(np.diag(port_of(fit).covariance)[-theta.size :])
    np.testing.assert_allclose(errors, row.se_variance, rtol=SE_VARIANCE)
    assert -2.0 * fit.llf == pytest.approx(row.deviance, rel=SIX_DIGITS)
    assert chi_square(fit) == pytest.approx(row.chi_square, rel=SIX_DIGITS)


def test_sas(fits: dict[tuple[str, bool], mc.GLMM]) -> None:
    """What PROC GLIMMIX prints of its first example, to every digit printed."""
    fit = fits["multicenter", True]
    assert round(-2.0 * fit.llf, 2) == 81.44
    assert round(chi_square(fit), 2) == 30.69
    assert fit.params.round(4).tolist() == [-0.8071, -0.4896]
    assert fit.bse.round(4).tolist() == [0.2514, 0.2034]
    assert round(port_of(fit).theta.item() ** 2, 4) == 0.6176


def working_deviance(fit: mc.GLMM, theta: np.ndarray) -> float:
    """The textbook deviance of the working response at the fit, at other thetas, dense."""
    mode = port_of(fit).optimum.evaluation.mode
    assert mode is not None
    eta = mode.point.eta[0]
    first = fit.family.derivatives(port_of(fit).problem.data, (eta,), 1).first[0]
    W = fit.family.expected(port_of(fit).problem.data, (eta,))[0][0, 0]
    X, z = port_of(fit).problem.X[0], eta + first / W - port_of(fit).problem.offsets[0]
    n, p = X.shape
    V = np.diag(1.0 / W)
    order = port_of(fit).problem.order
    for term in port_of(fit).problem.terms:
        root = term.covariance.root(theta[term.theta])
        Z = term.block.Z[order]
        same = term.block.codes[order][:, None] == term.block.codes[order]
        V += (Z @ root @ root.T @ Z.T) * same
    inner = X.T @ np.linalg.solve(V, X)
    r = z - X @ np.linalg.solve(inner, X.T @ np.linalg.solve(V, z))
    out = np.linalg.slogdet(V)[1] + r @ np.linalg.solve(V, r) + n * np.log(2.0 * np.pi)
    if fit.method.restricted:
        out += np.linalg.slogdet(inner)[1] - p * np.log(2.0 * np.pi)
    return float(out)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("y ~ lbase4 + V4 + (V4 | subject)", "poisson"),
        ("y ~ lbase4 + (1 | subject) + (1 | period)", "poisson"),
        ("incidence / size ~ period + (1 | herd)", mc.families.Binomial(link="cloglog")),
    ],
)
def test_at_rest(formula: str, family: Any, reml: bool) -> None:
    """The estimates minimise the deviance of their own working response, written densely."""
    data = table("cbpp" if "herd" in formula else "epil").head(100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)
        fit = mc.glmm(formula, data, family=family, method="pql", reml=reml)
    theta = port_of(fit).theta.to_numpy()
    best = working_deviance(fit, theta)
    assert -2.0 * fit.llf == pytest.approx(best, abs=1e-8)
    for j in range(theta.size):
        e = np.zeros(theta.size)
        e[j] = 1e-3
        near = [working_deviance(fit, theta + k * e) for k in (-2, -1, 1, 2)]
        assert min(near) > best
        slope = (near[0] - 8.0 * near[1] + 8.0 * near[2] - near[3]) / (12.0 * 1e-3)
        assert slope == pytest.approx(0.0, abs=SLOPE)


def test_scores(fits: dict[tuple[str, bool], mc.GLMM]) -> None:
    """Fixed effects and random effects are at the joint mode of the responses."""
    fit = fits["epil_3", True]
    mode = port_of(fit).optimum.evaluation.mode
    assert mode is not None
    first = mode.point.derivatives.first[0]
    np.testing.assert_allclose(port_of(fit).problem.X[0].T @ first, 0.0, atol=1e-6)
    slopes = port_of(fit).problem.latent.scatter({0: first})
    for root, slope, u in zip(mode.roots, slopes, mode.point.u, strict=True):
        np.testing.assert_allclose(root.T @ slope, u, atol=1e-7)


@pytest.mark.parametrize("reml", [True, False])
def test_linear(reml: bool) -> None:
    """For a Gaussian response with the identity link it is the linear mixed model."""
    data, call = mc.datasets.load("sleepstudy"), "Reaction ~ Days + (Days | Subject)"
    one = mc.glmm(call, data, method="pql", reml=reml)
    other = mc.glmm(call, data, reml=reml)
    assert one.llf == pytest.approx(other.llf, abs=1e-7)
    np.testing.assert_allclose(one.params, other.params, rtol=1e-7)
    np.testing.assert_allclose(port_of(one).theta, port_of(other).theta, rtol=1e-5)
    assert one.dispersion == pytest.approx(other.dispersion, rel=1e-6)


def test_residual_deviation() -> None:
    """With a log link the residual deviation is estimated too; small noise makes PQL exact."""
    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(20), 8), rng.normal(size=160)
    y = np.exp(1.0 + 0.2 * x + 0.3 * rng.normal(size=20)[g]) + 0.01 * rng.normal(size=160)
    family = mc.families.Gaussian(link="log")
    one, other = (
        mc.glmm("y ~ x + (1 | g)", {"y": y, "x": x, "g": g}, family=family, method=method)
        for method in ("pql", "laplace")
    )
    assert one.convergence.converged
    assert one.dispersion == pytest.approx(other.dispersion, rel=1e-3)
    assert port_of(one).theta.item() == pytest.approx(port_of(other).theta.item(), rel=1e-3)
    np.testing.assert_allclose(one.params, other.params, atol=0.05 * other.bse.min())


def test_rescaled(fits: dict[tuple[str, bool], mc.GLMM]) -> None:
    """Units and origin of a predictor change its coefficient alone."""
    call = "y ~ lbase4 * Trt + I(1e4 * lage_raw - 7) + V4 + (1 | subject)"
    fit = mc.glmm(call, table("epil"), family="poisson", method="pql")
    plain = fits["epil_2", False]
    assert fit.llf == pytest.approx(plain.llf, abs=1e-7)
    np.testing.assert_allclose(port_of(fit).theta, port_of(plain).theta, rtol=1e-7)
    found = fit.params.filter(like="lage").item()
    assert 1e4 * found == pytest.approx(plain.params["lage_raw"], rel=1e-6)


def test_weights(fits: dict[tuple[str, bool], mc.GLMM]) -> None:
    """A weight of two is a row twice."""
    data = table("epil").head(80)
    twice = pd.concat([data, data])
    call = "y ~ lbase4 + (1 | subject)"
    one = mc.glmm(call, data.assign(w=2.0), weights="w", family="poisson", method="pql")
    other = mc.glmm(call, twice, family="poisson", method="pql")
    assert one.llf == pytest.approx(other.llf, abs=1e-7)
    np.testing.assert_allclose(one.params, other.params, rtol=1e-7)
    np.testing.assert_allclose(one.bse, other.bse, rtol=1e-6)
    assert chi_square(one) == pytest.approx(chi_square(other), rel=1e-7)


def test_no_variance() -> None:
    """Groups that do not differ have a variance of zero, and the fit says so."""
    g = np.repeat(np.arange(10), 20)
    y = np.tile([0.0, 1.0], 100)
    with pytest.warns(BoundaryWarning):
        fit = mc.glmm("y ~ (1 | g)", {"y": y, "g": g}, family="binomial", method="pql", reml=True)
    assert fit.convergence.converged
    assert port_of(fit).theta.item() == pytest.approx(0.0, abs=1e-5)
    assert fit.params.item() == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("key", [("epil_2", False), ("cbpp", True)])
def test_refit(fits: dict[tuple[str, bool], mc.GLMM], key: tuple[str, bool]) -> None:
    """A refit is the fit from scratch."""
    fit = fits[key]
    again = fit.refit(port_of(fit).observed)
    assert again.llf == pytest.approx(fit.llf, abs=1e-7)
    np.testing.assert_allclose(again.params, fit.params, rtol=1e-7)
    np.testing.assert_allclose(again.bse, fit.bse, rtol=1e-6)
    y = fit.simulate(1, seed=2).iloc[:, 0].to_numpy()
    one = fit.refit(y)
    response = {"epil_2": "y", "cbpp": "incidence"}[key[0]]
    data = fit.frame.assign(**{response: y})
    other = mc.glmm(fit.formula, data, family=fit.family, method="pql", reml=key[1])
    assert one.llf == pytest.approx(other.llf, abs=1e-6)
    np.testing.assert_allclose(one.params, other.params, atol=1e-6)


def test_everything_else(fits: dict[tuple[str, bool], mc.GLMM]) -> None:
    """Checks, residuals, prediction and simulation see a model like any other."""
    fit = fits["cbpp", True]
    checks = mc.check(fit, seed=1, calibration="plug-in").to_frame()
    assert {"uniformity", "dispersion"} <= set(checks["check"])
    assert np.isfinite(fit.resid_pearson).all()
    np.testing.assert_allclose(fit.predict(), fit.fittedvalues, rtol=1e-10)
    assert fit.simulate(2, seed=1, conditioning="posterior").shape == (56, 2)
    assert (fit.random_effects_sd["herd"]["Intercept"] < port_of(fit).theta.item()).all()
    assert "pseudo-likelihood" in fit.approximation().unavailable


def test_no_likelihood(fits: dict[tuple[str, bool], mc.GLMM]) -> None:
    """A pseudo-likelihood has no AIC, BIC, test or rank, and the summary says so."""
    fit = fits["cbpp", True]
    with pytest.raises(ComparisonError, match=r'no AIC.*method="laplace"'):
        _ = fit.aic
    with pytest.raises(ComparisonError, match="no BIC"):
        _ = fit.bic
    simpler = mc.glmm(
        "incidence / size ~ (1 | herd)", fit.frame, family="binomial", method="pql", reml=True
    )
    full = mc.glmm(fit.formula, fit.frame, family="binomial")
    with pytest.raises(ComparisonError):
        mc.lrt(simpler, fit)
    with pytest.raises(ComparisonError):
        mc.compare([fit, full])
    text = str(fit.summary())
    assert "AIC" not in text.split("Remarks")[0]
    assert "pseudo-log-likelihood" in text
    assert "generalised chi-square" in text
    assert "maximise a pseudo-likelihood" in text
    assert "pseudo-log-likelihood" in repr(fit)


@pytest.mark.parametrize(
    ("formula", "options", "words"),
    [
        ("incidence / size ~ period + (1 | herd)", {"nodes": 5}, "needs quadrature"),
        ("incidence / size ~ period + (1 | herd)", {"hessian": "expected"}, "Laplace"),
        ("incidence / size ~ period", {}, "no random effects"),
    ],
)
def test_refused(formula: str, options: dict[str, Any], words: str) -> None:
    """What does not go together is refused with what to write."""
    with pytest.raises(OptionError, match=words):
        mc.glmm(formula, table("cbpp"), family="binomial", method="pql", **options)


def test_unknown_variance() -> None:
    """A family whose variance has a parameter of its own is refused."""
    call, data = "y ~ lbase4 + (1 | subject)", table("epil")
    with pytest.raises(OptionError, match=r'found family \'nbinom2\'.*method="laplace"'):
        mc.glmm(call, data, family="nbinom2", method="pql")


def test_edge() -> None:
    """A mean at the edge of its range has no working response."""
    problem = port_of(make("multicenter", reml=False)).problem
    with pytest.raises(ConvergenceError, match="edge of its range"):
        linearise(problem, [np.full(problem.n, -800.0)])
