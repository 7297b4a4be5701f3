"""PROC GLIMMIX of SAS: the multicentre trial and the Hessian fly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import mixcheck as mc
from validation.published import gold, pseudo_likelihood
from validation.published.fits import coefficients, linearised, linearised_independently, sd
from validation.published.frame import Case, Independent, Number, Source, Tables, Values, within
from validation.published.linearised import DENSE, MULTICENTER, PLACES, SETTLED
from validation.reference import gold_laplace

SYSTEM = "SAS PROC GLIMMIX"
GUIDE = "SAS/STAT User's Guide, The GLIMMIX Procedure"
START = Source(
    GUIDE,
    "Getting Started: Logistic Regressions with Random Intercepts, Fit Statistics, Covariance "
    "Parameter Estimates and Solutions for Fixed Effects",
    "recorded",
)
BLOCKS = Source(
    GUIDE, "Examples: Binomial Counts in Randomized Blocks, the fit with random blocks", "recorded"
)
METHOD = Source(GUIDE, "PROC GLIMMIX Statement, METHOD=", "none")
TRIAL = "sideeffect / n ~ group + (1 | center), binomial"
FLY = "y / n ~ gen + (1 | block), binomial"


def _fly(data: pd.DataFrame, **options: Any) -> Any:
    return mc.glmm("y / n ~ gen + (1 | block)", data, family="binomial", **options)


def _pseudo_fly(tables: Tables) -> Values:
    fit = _fly(tables.external("hessianfly.csv"), method="pql", reml=True)
    return linearised(fit, {}, {"block": "block"})


def _dense_fly(tables: Tables) -> Independent:
    data = tables.external("hessianfly.csv")
    model = pseudo_likelihood.Linear(
        data["y"].to_numpy(float),
        data["n"].to_numpy(float),
        pseudo_likelihood.indicators(data["gen"]),
        (pseudo_likelihood.indicators(data["block"]),),
        "binomial",
    )
    found = pseudo_likelihood.fit(model, restricted=True)
    values = linearised_independently(found, (), ("block",))
    exact = dict(within(values, SETTLED))
    return exact | {"generalised chi-square": (values["generalised chi-square"], PLACES)}


def _marginal_trial(tables: Tables, **options: Any) -> Values:
    fit = mc.glmm(MULTICENTER.formula, MULTICENTER.load(tables), family="binomial", **options)
    return coefficients(fit, MULTICENTER.names) | {
        "variance center": sd(fit, "center") ** 2,
        "log-likelihood": fit.llf,
    }


def _gold_trial(nodes: int) -> Independent:
    """Stored with treatment A as reference: the sum and the negative of its coefficients."""
    values = gold.stored("multicenter", nodes)
    slope = values["group[T.B]"]
    return within(
        {
            "Intercept": values["Intercept"] + slope,
            "group A": -slope,
            "variance center": values["variance center"],
            "log-likelihood": values["log-likelihood"],
        },
        1e-6,
    )


def _marginal_fly(tables: Tables, **options: Any) -> Values:
    fit = _fly(tables.external("hessianfly.csv"), **options)
    return {"variance block": sd(fit, "block") ** 2, "log-likelihood": fit.llf}


def _gold_fly(tables: Tables, nodes: int) -> Independent:
    data = tables.external("hessianfly.csv")
    X = pseudo_likelihood.indicators(data["gen"])
    block = gold_laplace.Term(
        "block", ("Intercept",), pd.factorize(data["block"])[0], np.ones((len(data), 1))
    )
    columns = tuple(f"gen{k}" for k in range(X.shape[1]))
    y, n = data["y"].to_numpy(float), data["n"].to_numpy(float)
    problem = gold_laplace.Problem(y, n, X, columns, (block,), "logit")
    values = gold.maximise(problem, nodes)
    return within({k: values[k] for k in ("variance block", "log-likelihood")}, 1e-6)


_MARGINAL = tuple(
    Number(q, None) for q in ("Intercept", "group A", "variance center", "log-likelihood")
)
_MARGINAL_FLY = tuple(Number(q, None) for q in ("variance block", "log-likelihood"))

CASES = (
    Case(
        SYSTEM,
        "multicentre trial, METHOD=RSPL",
        TRIAL,
        "restricted pseudo-likelihood",
        START,
        (
            Number("-2 log pseudo-likelihood", "81.44"),
            Number("generalised chi-square", "30.69"),
            Number("variance center", "0.6176"),
            Number("se variance center", "0.3181"),
            Number("Intercept", "-0.8071"),
            Number("se Intercept", "0.2514"),
            Number("group A", "-0.4896"),
            Number("se group A", "0.2034"),
        ),
        lambda tables: MULTICENTER.ours(tables, restricted=True),
        lambda tables: MULTICENTER.independent(tables, restricted=True),
        DENSE,
    ),
    Case(
        SYSTEM,
        "multicentre trial, METHOD=MSPL",
        TRIAL,
        "pseudo-likelihood",
        METHOD,
        tuple(
            Number(q, None)
            for q in (
                "-2 log pseudo-likelihood",
                "generalised chi-square",
                "variance center",
                "Intercept",
                "group A",
            )
        ),
        lambda tables: MULTICENTER.ours(tables, restricted=False),
        lambda tables: MULTICENTER.independent(tables, restricted=False),
        DENSE,
    ),
    Case(
        SYSTEM,
        "multicentre trial, METHOD=LAPLACE",
        TRIAL,
        "Laplace's approximation",
        METHOD,
        _MARGINAL,
        _marginal_trial,
        lambda tables: _gold_trial(1),
        gold.BY,
    ),
    Case(
        SYSTEM,
        "multicentre trial, METHOD=QUAD(QPOINTS=25)",
        TRIAL,
        "adaptive quadrature, 25 nodes",
        METHOD,
        _MARGINAL,
        lambda tables: _marginal_trial(tables, method="agq", nodes=25),
        lambda tables: _gold_trial(25),
        gold.BY,
    ),
    Case(
        SYSTEM,
        "Hessian fly, METHOD=RSPL",
        FLY,
        "restricted pseudo-likelihood",
        BLOCKS,
        (
            Number("-2 log pseudo-likelihood", "182.21"),
            Number("generalised chi-square", "107.96"),
            Number("variance block", "0.01116"),
            Number("se variance block", "0.03116"),
        ),
        _pseudo_fly,
        _dense_fly,
        DENSE,
        data="hessianfly.csv",
    ),
    Case(
        SYSTEM,
        "Hessian fly, METHOD=LAPLACE",
        FLY,
        "Laplace's approximation",
        METHOD,
        _MARGINAL_FLY,
        _marginal_fly,
        lambda tables: _gold_fly(tables, 1),
        gold.BY,
        data="hessianfly.csv",
        slow=True,
    ),
    Case(
        SYSTEM,
        "Hessian fly, METHOD=QUAD(QPOINTS=25)",
        FLY,
        "adaptive quadrature, 25 nodes",
        METHOD,
        _MARGINAL_FLY,
        lambda tables: _marginal_fly(tables, method="agq", nodes=25),
        lambda tables: _gold_fly(tables, 25),
        gold.BY,
        data="hessianfly.csv",
        slow=True,
    ),
)
