"""cAIC4: conditional AICs of lmer and glmer fits, and brute force where it is wrong.

Its closed form for Gaussian responses has a factor of one half in a cross derivative of the
covariance parameters, which the theorem of Greven and Kneib (2010) has not; its version 1.0 refits
Bernoulli models to their own responses, so that nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import mixcheck as mc
from validation.published import r_values
from validation.published.dense_df import BY, Gaussian, Intercepts, gaussian_df, replaced_df
from validation.published.frame import Case, Independent, Number, Source, Tables, Values
from validation.published.pseudo_likelihood import indicators

SYSTEM = "cAIC4"
RUN = Source(
    f"cAIC4 {r_values.VERSIONS['cAIC4']}, lme4 {r_values.VERSIONS['lme4']}",
    "validation/published/r_values.R",
    "run",
)
HELP = Source("cAIC4, help page of cAIC", "output of its first example, sleepstudy", "recorded")
DIGITS = "what the optimum of lmer leaves in it: 1e-3"
REFITS = "what some 200 refits of lme4 leave in their sum: 5e-3"
HALF = (
    "cAIC4 has a factor of one half in a cross derivative that Greven and Kneib's theorem has not."
)
Roots = Callable[[np.ndarray], np.ndarray]
FORMER = "Degrees of freedom are ours without the finite-sample term, which cAIC4 leaves out."


def gaussian_values(tables: Tables, name: str, formula: str, reml: bool) -> Values:
    """Our conditional AIC without its finite-sample term."""
    result = mc.caic(mc.glmm(formula, _table(tables, name), reml=reml))
    df = result.df - result.by_term.get("finite sample", 0.0)
    return {
        "df": df,
        "conditional log-likelihood": result.conditional_llf,
        "cAIC": -2 * result.conditional_llf + 2 * df,
    }


def _table(tables: Tables, name: str) -> pd.DataFrame:
    data = tables.shipped(name)
    if name == "Pastes":
        data = data.assign(sample=data["batch"].astype(str) + ":" + data["cask"].astype(str))
    return data.assign(Days=data["Days"].astype(float)) if "Days" in data else data


def intercept_root(data: pd.DataFrame, group: str) -> Roots:
    """Loadings of a random intercept."""
    Z = indicators(data[group])
    return lambda theta: theta[0] * Z


def slope_root(data: pd.DataFrame, group: str, covariate: str) -> Roots:
    """Loadings of a random intercept and slope, by the Cholesky factor of their covariance."""
    Z = indicators(data[group])
    slope = Z * data[covariate].to_numpy(float)[:, None]

    def root(theta: np.ndarray) -> np.ndarray:
        a, b, c = theta
        return np.hstack([a * Z + b * slope, c * slope])

    return root


def line_root(data: pd.DataFrame, group: str, covariate: str) -> Roots:
    """Loadings of an intercept and a slope whose correlation is held at one."""
    Z = indicators(data[group])
    slope = Z * data[covariate].to_numpy(float)[:, None]
    return lambda theta: theta[0] * Z + theta[1] * slope


def crossed_root(data: pd.DataFrame, first: str, second: str) -> Roots:
    """Loadings of two crossed random intercepts."""
    Z, W = indicators(data[first]), indicators(data[second])
    return lambda theta: np.hstack([theta[0] * Z, theta[1] * W])


def _corr1_table() -> pd.DataFrame:
    data = pd.read_csv(Path(__file__).parents[2] / "tests" / "data" / "corr1.csv")
    return data.assign(g=data["g"].astype(str))


def _corr1(tables: Tables) -> Values:
    result = mc.caic(mc.glmm("y ~ x + (x | g)", _corr1_table(), reml=True))
    df = result.df - result.by_term.get("finite sample", 0.0)
    return {"df": df, "conditional log-likelihood": result.conditional_llf}


def _corr1_brute(tables: Tables) -> Independent:
    data = _corr1_table()
    X = np.column_stack([np.ones(len(data)), data["x"].to_numpy(float)])
    y, start = data["y"].to_numpy(float), np.array([1.5, 1.0])
    model = Gaussian(y, X, line_root(data, "g", "x"), start, restricted=True)
    return {"df": (gaussian_df(model, 0.01), 5e-4)}


def _days_brute(tables: Tables) -> Independent:
    data = tables.shipped("sleepstudy")
    one, y = np.ones((len(data), 1)), data["Reaction"].to_numpy(float)
    root = crossed_root(data, "Days", "Subject")
    model = Gaussian(y, one, root, np.array([0.7, 1.3]), restricted=True)
    return {"df": (gaussian_df(model, 0.5), 5e-4)}


def _brute(
    tables: Tables,
    name: str,
    response: str,
    fixed: tuple[str, ...],
    group: str,
    slope: str | None,
    reml: bool,
    move: float,
) -> Independent:
    data = _table(tables, name)
    X = np.column_stack([np.ones(len(data)), *(data[c].to_numpy(float) for c in fixed)])
    y = data[response].to_numpy(float)
    root = intercept_root(data, group) if slope is None else slope_root(data, group, slope)
    start = np.array([1.0]) if slope is None else np.array([1.0, 0.0, 0.3])
    return {"df": (gaussian_df(Gaussian(y, X, root, start, reml), move), 5e-4)}


def _gaussian(
    name: str,
    entry: str,
    table: str,
    formula: str,
    reml: bool,
    independent: Callable[[Tables], Independent] | None,
    note: str,
    slow: bool = False,
    by: str = BY,
) -> Case:
    record = r_values.load("caic4", entry)
    numbers = (
        Number("df", record["df"], 1e-3, DIGITS),
        Number("conditional log-likelihood", record["llf"], 1e-3, DIGITS),
    )
    return Case(
        SYSTEM,
        name,
        f"{formula}, gaussian, {'REML' if reml else 'ML'}",
        "closed form",
        RUN,
        numbers,
        lambda tables: gaussian_values(tables, table, formula, reml),
        independent,
        by,
        slow=slow,
        note=f"{note} {FORMER}".strip(),
    )


def counted(tables: Tables, which: str) -> Values:
    """Our degrees of freedom of counts and 0/1 responses, by refits."""
    formula, data, family = _discrete(tables, which)
    result = mc.caic(mc.glmm(formula, data, family=family), method="refit")
    df = result.df - result.by_term.get("spread of the random effects", 0.0)
    return {"df": df, "conditional log-likelihood": result.conditional_llf}


def _discrete(tables: Tables, which: str) -> tuple[str, pd.DataFrame, str]:
    if which == "grouseticks":
        data = tables.shipped("grouseticks")
        data = data.assign(cH=(data["HEIGHT"] - 460) / 50)
        return "TICKS ~ YEAR + cH + (1 | BROOD)", data, "poisson"
    if which == "epil":
        data = tables.shipped("epil")
        data = data.assign(
            lbase4=np.log(data["base"] / 4),
            lage_raw=np.log(data["age"]),
            Trt=(data["trt"] == "progabide").astype(float),
        )
        return "y ~ lbase4 * Trt + lage_raw + V4 + (1 | subject)", data, "poisson"
    data = tables.shipped("bacteria")
    data = data.assign(
        yes=(data["y"].astype(str) == "y").astype(float), late=(data["week"] > 2).astype(float)
    )
    return "yes ~ trt + late + (1 | ID)", data, "binomial"


def counted_independently(tables: Tables, which: str) -> Independent:
    """The same by refits without mixcheck."""
    _, data, family = _discrete(tables, which)
    one = np.ones(len(data))
    if which == "grouseticks":
        year = data["YEAR"].astype(str)
        columns: list[Any] = [one, year == "96", year == "97", data["cH"]]
        response, group = data["TICKS"], data["BROOD"]
    elif which == "epil":
        names = ("lbase4", "Trt", "lage_raw", "V4")
        columns = [one, *(data[c] for c in names), data["lbase4"] * data["Trt"]]
        response, group = data["y"], data["subject"]
    else:
        columns = [one, data["trt"] == "drug", data["trt"] == "drug+", data["late"]]
        response, group = data["yes"], data["ID"]
    X = np.column_stack([np.asarray(c, dtype=float) for c in columns])
    # Centred columns let every search be short; the predictors are the same.
    X[:, 1:] -= X[:, 1:].mean(axis=0)
    codes = pd.factorize(group)[0]
    rows = np.argsort(codes, kind="stable")
    model = Intercepts(
        response.to_numpy(float)[rows],
        X[rows],
        codes[rows],
        "poisson" if family == "poisson" else "binomial",
    )
    return {"df": (replaced_df(model), 2e-3)}


def _counts(name: str, entry: str, which: str, note: str = "") -> Case:
    record = r_values.load("caic4", entry)
    tables_needed = {
        "grouseticks": "TICKS ~ YEAR + cH + (1 | BROOD), poisson",
        "epil": "y ~ lbase4 * Trt + lage_raw + V4 + (1 | subject), poisson",
        "bacteria": "y ~ trt + late + (1 | ID), binomial",
    }
    return Case(
        SYSTEM,
        name,
        tables_needed[which],
        "Laplace's approximation, a refit for each response",
        RUN,
        (Number("df", record["df"], 5e-3, REFITS),),
        lambda tables: counted(tables, which),
        lambda tables: counted_independently(tables, which),
        BY,
        slow=True,
        note=note,
    )


def _with_caic(values: Independent, conditional: float) -> Independent:
    """The conditional AIC that follows from degrees of freedom and a conditional likelihood."""
    df, allowed = values["df"]
    return {**values, "cAIC": (-2 * conditional + 2 * df, 2 * allowed)}


SLEEP = "Reaction ~ Days + (Days | Subject)"
INTERCEPT = "Reaction ~ Days + (1 | Subject)"

CASES = (
    Case(
        SYSTEM,
        "sleepstudy, slopes, REML, as its help page prints it",
        f"{SLEEP}, gaussian, REML",
        "closed form",
        HELP,
        (
            Number("df", "31.30"),
            Number("conditional log-likelihood", "-824.51"),
            Number("cAIC", "1711.62"),
        ),
        lambda tables: gaussian_values(tables, "sleepstudy", SLEEP, True),
        lambda tables: _with_caic(
            _brute(tables, "sleepstudy", "Reaction", ("Days",), "Subject", "Days", True, 0.5),
            r_values.load("caic4", "sleepstudy_slope")["llf"],
        ),
        BY,
        slow=True,
        note=f"{HALF} {FORMER}",
    ),
    _gaussian(
        "sleepstudy, intercepts, REML",
        "sleepstudy_intercept",
        "sleepstudy",
        INTERCEPT,
        True,
        lambda tables: _brute(
            tables, "sleepstudy", "Reaction", ("Days",), "Subject", None, True, 0.5
        ),
        HALF,
        slow=True,
    ),
    _gaussian(
        "sleepstudy, intercepts, ML",
        "sleepstudy_intercept_ml",
        "sleepstudy",
        INTERCEPT,
        False,
        lambda tables: _brute(
            tables, "sleepstudy", "Reaction", ("Days",), "Subject", None, False, 0.5
        ),
        HALF,
        slow=True,
    ),
    _gaussian(
        "Pastes, samples, REML",
        "pastes_sample",
        "Pastes",
        "strength ~ 1 + (1 | sample)",
        True,
        lambda tables: _brute(tables, "Pastes", "strength", (), "sample", None, True, 0.02),
        HALF,
        slow=True,
    ),
    _gaussian(
        "Dyestuff2, a variance of zero",
        "dyestuff2",
        "Dyestuff2",
        "Yield ~ 1 + (1 | Batch)",
        True,
        lambda tables: {"df": (2.0, 1e-9)},
        "With its variance at zero the model has a mean and a variance; cAIC4 1.0 forgets the "
        "latter.",
        by="two parameters, a mean and a variance",
    ),
    _gaussian(
        "sleepstudy, crossed subjects and days, REML",
        "sleepstudy_crossed",
        "sleepstudy",
        "Reaction ~ 1 + (1 | Days) + (1 | Subject)",
        True,
        _days_brute,
        HALF,
        slow=True,
    ),
    Case(
        SYSTEM,
        "corr1, a correlation of one",
        "y ~ x + (x | g), gaussian, REML",
        "closed form",
        RUN,
        (
            Number("df", r_values.load("caic4", "corr1")["df"], 1e-3, DIGITS),
            Number(
                "conditional log-likelihood", r_values.load("caic4", "corr1")["llf"], 1e-3, DIGITS
            ),
        ),
        _corr1,
        _corr1_brute,
        f"{BY}, the correlation held at one",
        slow=True,
        note=(
            "Near a correlation of one cAIC4 differentiates in entries of the covariance, where "
            f"the optimum is not stationary. {FORMER}"
        ),
    ),
    _counts("grouse ticks, counts", "grouseticks_poisson", "grouseticks"),
    _counts("epilepsy, counts", "epil_poisson", "epil"),
    _counts(
        "bacteria, 0/1 responses",
        "bacteria_bernoulli",
        "bacteria",
        "cAIC4 1.0 refits Bernoulli models to their own responses, so that its degrees of freedom "
        "are zero.",
    ),
)
