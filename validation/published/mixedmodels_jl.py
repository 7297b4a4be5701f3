"""MixedModels.jl: the values that its own tests pin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom, poisson

import mixcheck as mc
from validation.published import integral
from validation.published.fits import sd
from validation.published.frame import Case, Independent, Number, Source, Tables, Values

SYSTEM = "MixedModels.jl"
COMMIT = "4833c11a6b3077418b80384763c34cb758df5a84"


def _source(testset: str) -> Source:
    return Source(f"MixedModels.jl, commit {COMMIT[:7]}", f"test/pirls.jl, {testset}", "read")


TOLD = "the tolerance of its own test"


def deviance_scale(fit: Any, saturated: float) -> float:
    """``-2 log f(y) + 2 log f(y | saturated)``, on which its deviance and objective are."""
    return -2 * float(fit.llf) + 2 * saturated


def _cbpp(tables: Tables) -> Values:
    data = tables.shipped("cbpp")
    fit = mc.glmm("incidence / size ~ period + (1 | herd)", data, family="binomial")
    y, n = data["incidence"].to_numpy(float), data["size"].to_numpy(float)
    p = np.asarray(fit.fittedvalues, dtype=float)
    sigma = sd(fit, "herd")
    effects = fit.random_effects["herd"]["Intercept"]
    weight = pd.Series(n * p * (1 - p)).groupby(data["herd"].astype(str).to_numpy()).sum()
    saturated = float(binom.logpmf(y, n, y / n).sum())
    return {
        "deviance": deviance_scale(fit, saturated),
        "sum of squares of u": float(np.sum((effects / sigma) ** 2)),
        "logdet": float(np.log1p(sigma**2 * weight).sum()),
        "sum of deviance residuals": 2 * float(np.sum(saturated_less_fitted(y, n, p))),
        "log-likelihood": float(fit.llf),
    }


def saturated_less_fitted(y: Any, n: Any, p: Any) -> Any:
    """Difference of the log densities of each row at its own share and at `p`."""
    return binom.logpmf(y, n, y / n) - binom.logpmf(y, n, p)


def _ticks(tables: Tables) -> Values:
    data = tables.shipped("grouseticks")
    fit = mc.glmm(
        "TICKS ~ YEAR + cHEIGHT + (1 | INDEX) + (1 | BROOD) + (1 | LOCATION)",
        data,
        family="poisson",
        method="profiled",
    )
    y = data["TICKS"].to_numpy(float)
    return {"deviance, fast": deviance_scale(fit, float(poisson.logpmf(y, y).sum()))}


def _goldstein(tables: Tables) -> Values:
    data = tables.external("goldstein.csv")
    data = data.assign(group=data["group"].astype(str))
    y = data["y"].to_numpy(float)
    saturated = float(poisson.logpmf(y, y).sum())
    laplace = mc.glmm("y ~ 1 + (1 | group)", data, family="poisson")
    quadrature = mc.glmm("y ~ 1 + (1 | group)", data, family="poisson", method="agq", nodes=11)
    return {
        "deviance, Laplace": deviance_scale(laplace, saturated),
        "intercept": float(laplace.params.iloc[0]),
        "sd group": sd(laplace, "group"),
        "deviance, 11 nodes": deviance_scale(quadrature, saturated),
    }


def _goldstein_integrated(tables: Tables) -> Independent:
    """The exact maximum, which Laplace's approximation meets closely for large counts."""
    data = tables.external("goldstein.csv")
    fit = mc.glmm("y ~ 1 + (1 | group)", data, family="poisson", method="agq", nodes=11)
    y, one = data["y"].to_numpy(float), np.ones((len(data), 1))
    model = integral.Grouped(y, one, one, data["group"].to_numpy(), "poisson")
    beta, deviation, value = integral.step_from(model, fit.params.to_numpy(float), sd(fit, "group"))
    exact = -2 * value + 2 * float(poisson.logpmf(y, y).sum())
    return {
        "deviance, Laplace": (exact, 0.2),
        "intercept": (float(beta[0]), 0.02),
        "sd group": (deviation, 0.02),
        "deviance, 11 nodes": (exact, 1e-3),
    }


def _contraception(tables: Tables) -> Values:
    data = tables.external("Contraception.csv")
    data = data.assign(
        use01=(data["use"].astype(str) == "Y").astype(float),
        age2=data["age"] ** 2,
        urbdist=data["urban"].astype(str) + ":" + data["district"].astype(str),
        livch=pd.Categorical(data["livch"].astype(str), ["0", "1", "2", "3+"]),
    )
    formula = "use01 ~ age + age2 + urban + livch + (1 | urbdist)"
    laplace = mc.glmm(formula, data, family="binomial")
    fast = mc.glmm(formula, data, family="binomial", method="profiled")
    quadrature = mc.glmm(formula, data, family="binomial", method="agq", nodes=7)
    return {
        "deviance, fast": -2 * fast.llf,
        "deviance, Laplace": -2 * laplace.llf,
        "log-likelihood, Laplace": laplace.llf,
        "deviance, 7 nodes": -2 * quadrature.llf,
    }


def _verbagg(tables: Tables) -> Values:
    data = tables.external("VerbAgg.csv").assign(id=lambda table: table["id"].astype(str))
    formula = "r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)"
    return {"deviance": -2 * float(mc.glmm(formula, data, family="binomial").llf)}


CASES = (
    Case(
        SYSTEM,
        "cbpp",
        "incidence / size ~ period + (1 | herd), binomial",
        "Laplace's approximation",
        _source("testset cbpp"),
        (
            Number("deviance", 100.09585619892968, 1e-4, TOLD),
            Number("sum of squares of u", 9.723054788538546, 1e-4, TOLD),
            Number("logdet", 16.90105378801136, 1e-3, TOLD),
            Number("sum of deviance residuals", 73.47174762237978, 1e-3, TOLD),
            Number("log-likelihood", -92.02628186840045, 1e-3, TOLD),
        ),
        _cbpp,
    ),
    Case(
        SYSTEM,
        "grouse ticks, fast = true",
        "TICKS ~ YEAR + cHEIGHT + (1 | INDEX) + (1 | BROOD) + (1 | LOCATION), poisson",
        "fixed effects profiled out",
        _source("testset grouseticks"),
        (Number("deviance, fast", 851.4046, 1e-3, TOLD),),
        _ticks,
    ),
    Case(
        SYSTEM,
        "Goldstein's counts",
        "y ~ 1 + (1 | group), poisson",
        "Laplace's approximation, and quadrature with 11 nodes",
        _source("testset goldstein"),
        (
            Number("deviance, Laplace", 193.5587302384811, 1.9e-3, TOLD),
            Number("intercept", 4.192196439077657, 1e-5, TOLD),
            Number("sd group", 1.838245201739852, 1e-5, TOLD),
            Number("deviance, 11 nodes", 193.51028088736842, 1.9e-3, TOLD),
        ),
        _goldstein,
        _goldstein_integrated,
        f"the exact maximum, which the approximation need not meet: {integral.BY}",
        data="goldstein.csv",
        note=(
            "The pinned coefficient is the logarithm of the mean of all counts, where its search "
            "starts: its deviance is 7.8 above the minimum."
        ),
    ),
    Case(
        SYSTEM,
        "VerbAgg",
        "r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item), binomial",
        "Laplace's approximation",
        _source("testset verbagg"),
        (Number("deviance", "8151.40", 8e-2, TOLD),),
        _verbagg,
        data="VerbAgg.csv",
        slow=True,
    ),
    Case(
        SYSTEM,
        "contraception",
        "use ~ age + age^2 + urban + livch + (1 | urban:district), binomial",
        "fast, Laplace's approximation, and quadrature with 7 nodes",
        _source("testset contra"),
        (
            Number("deviance, fast", 2361.657188518064, 1e-3, TOLD),
            Number("deviance, Laplace", 2361.54575, 2.4e-2, TOLD),
            Number("log-likelihood, Laplace", -1180.77288, 1.2e-2, TOLD),
            Number("deviance, 7 nodes", 2360.8760, 1e-3, TOLD),
        ),
        _contraception,
        data="Contraception.csv",
    ),
)
