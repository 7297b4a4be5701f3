"""fitglme of MATLAB: its four methods on public data, and its example where the table is at hand.

MPL and REMPL are pseudo-likelihoods, Laplace is Laplace's approximation, and ApproximateLaplace is
the same with the fixed effects profiled out, as nAGQ = 0 of lme4.
"""

from __future__ import annotations

import mixcheck as mc
from validation.published import gold, r_values
from validation.published.fits import coefficients, sd
from validation.published.frame import Case, Independent, Number, Source, Tables, Values, within
from validation.published.linearised import CBPP, DENSE, SEEDS, Model

SYSTEM = "MATLAB fitglme"
HELP = Source("MATLAB documentation, fitglme", "name-value argument FitMethod", "none")
EXAMPLE = Source(
    "MATLAB documentation, fitglme, Fit a Generalized Linear Mixed-Effects Model",
    "display of glme: model fit statistics, fixed effects coefficients, covariance parameters",
    "recorded",
)
NOTE = "Its example table (mfr) comes with MATLAB only: its methods are shown on public data."


def _pseudo(name: str, model: Model, restricted: bool) -> Case:
    quantities = [n for shown in model.names for n in (shown, f"se {shown}")]
    quantities += [f"sd {group}" for group in model.groups]
    return Case(
        SYSTEM,
        f"{name}, FitMethod {'REMPL' if restricted else 'MPL'}",
        f"{model.formula}, {model.family}",
        "restricted pseudo-likelihood" if restricted else "pseudo-likelihood",
        HELP,
        tuple(Number(quantity, None) for quantity in quantities),
        lambda tables: model.ours(tables, restricted=restricted),
        lambda tables: model.independent(tables, restricted=restricted),
        DENSE,
        note=NOTE,
    )


def _cbpp(tables: Tables, method: str) -> Values:
    fit = mc.glmm(CBPP.formula, tables.shipped("cbpp"), family="binomial", method=method)
    return {
        **coefficients(fit, CBPP.names),
        "sd herd": sd(fit, "herd"),
        "log-likelihood": float(fit.llf),
    }


def _gold(tables: Tables) -> Independent:
    values = gold.stored("cbpp")
    names = {**CBPP.names, **{f"se {k}": f"se {v}" for k, v in CBPP.names.items()}}
    names |= {"sd herd": "sd herd", "log-likelihood": "log-likelihood"}
    return within({shown: values[stored] for shown, stored in names.items()}, 1e-6)


def _nagq0(tables: Tables) -> Independent:
    record = r_values.load("lme4", "cbpp_agq0")
    values = {shown: record["fixef"][r_values.name(ours)] for shown, ours in CBPP.names.items()}
    values |= {"sd herd": record["sd"]["herd"], "log-likelihood": record["llf"]}
    return within(values, 1e-5)


def _mfr(tables: Tables) -> Values:
    data = tables.external("mfr.csv")
    formula = "defects ~ newprocess + time_dev + temp_dev + supplier + (1 | factory)"
    fit = mc.glmm(formula, data, family="poisson")
    names = {
        "Intercept": "Intercept",
        "newprocess": "newprocess",
        "time_dev": "time_dev",
        "temp_dev": "temp_dev",
        "supplier_C": "supplier[T.C]",
        "supplier_B": "supplier[T.B]",
    }
    return {
        **coefficients(fit, names),
        "sd factory": sd(fit, "factory"),
        "log-likelihood": float(fit.llf),
    }


CASES = (
    _pseudo("cbpp", CBPP, True),
    _pseudo("cbpp", CBPP, False),
    _pseudo("seeds", SEEDS, True),
    _pseudo("seeds", SEEDS, False),
    Case(
        SYSTEM,
        "cbpp, FitMethod Laplace",
        f"{CBPP.formula}, binomial",
        "Laplace's approximation",
        HELP,
        tuple(
            Number(quantity, None)
            for quantity in (
                *(n for shown in CBPP.names for n in (shown, f"se {shown}")),
                "sd herd",
                "log-likelihood",
            )
        ),
        lambda tables: _cbpp(tables, "laplace"),
        _gold,
        gold.BY,
        note=NOTE,
    ),
    Case(
        SYSTEM,
        "cbpp, FitMethod ApproximateLaplace",
        f"{CBPP.formula}, binomial",
        "Laplace's approximation, fixed effects profiled out",
        HELP,
        tuple(Number(quantity, None) for quantity in (*CBPP.names, "sd herd", "log-likelihood")),
        lambda tables: _cbpp(tables, "profiled"),
        _nagq0,
        "glmer with nAGQ = 0 (validation/published/r_values.R)",
        note=NOTE,
    ),
    Case(
        SYSTEM,
        "mfr, FitMethod Laplace",
        "defects ~ newprocess + time_dev + temp_dev + supplier + (1 | factory), poisson",
        "Laplace's approximation",
        EXAMPLE,
        (
            Number("log-likelihood", "-201.17"),
            Number("Intercept", "1.4689"),
            Number("se Intercept", "0.15988"),
            Number("newprocess", "-0.36766"),
            Number("se newprocess", "0.17755"),
            Number("time_dev", "-0.094521"),
            Number("se time_dev", "0.82849"),
            Number("temp_dev", "-0.28317"),
            Number("se temp_dev", "0.9617"),
            Number("supplier_C", "-0.071868"),
            Number("se supplier_C", "0.078024"),
            Number("supplier_B", "0.071072"),
            Number("se supplier_B", "0.07739"),
            Number("sd factory", "0.31381"),
        ),
        _mfr,
        data="mfr.csv",
    ),
)
