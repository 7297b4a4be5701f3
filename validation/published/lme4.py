"""glmer and lmer of lme4: cbpp, grouse ticks, crossed data, and its printed summary of cbpp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

import mixcheck as mc
from validation.published import gold, r_values
from validation.published.fits import coefficients, sd
from validation.published.frame import Case, Independent, Number, Source, Tables, Values, within
from validation.published.linearised import CBPP, EPIL_3, SALAMANDER

SYSTEM = "lme4"
RUN = Source(
    f"lme4 {r_values.VERSIONS['lme4']}, R {r_values.VERSIONS['R']}, searches to 1e-10",
    "validation/published/r_values.R",
    "run",
)
PRINTED = Source(
    "C. Knudson, R package glmm (github.com/knudson1/glmm), CompareExamples/glmmexamples.tex",
    "section Herd CBPP Example, summary of glmer",
    "read",
)
# lme4's determinant is one step older than its mode; see validation/reference/r_fits.R.
LLF, PARAMETER = 5e-5, 1e-4
BECAUSE = (
    "lme4's determinant is one step older than its mode, and its search has no derivatives: 5e-5 "
    "in a log-likelihood, 1e-4 elsewhere"
)


def _case(
    name: str,
    formula: str,
    family: str,
    approximation: str,
    load: Callable[[Tables], pd.DataFrame],
    entry: str,
    data: str | None = None,
    slow: bool = False,
    **options: Any,
) -> Case:
    record = r_values.load("lme4", entry)
    numbers = [Number("log-likelihood", record["llf"], LLF, BECAUSE)]
    for what in ("fixef", "sd"):
        numbers += [
            Number(f"{'sd ' if what == 'sd' else ''}{shown}", value, _allowed(value), BECAUSE)
            for shown, value in record[what].items()
        ]

    def ours(tables: Tables) -> Values:
        fit = mc.glmm(formula, load(tables), family=family, **options)
        values = {r_values.name(name): float(value) for name, value in fit.params.items()}
        table = fit.variance_components
        for row in table[table["sd"].notna()].itertuples():
            values[f"sd {row.group}"] = float(row.sd)
        return values | {"log-likelihood": float(fit.llf)}

    return Case(
        SYSTEM,
        name,
        f"{formula}, {family}",
        approximation,
        RUN,
        tuple(numbers),
        ours,
        data=data,
        slow=slow,
    )


def _allowed(value: float) -> float:
    return PARAMETER * max(1.0, abs(value))


def _shipped(name: str) -> Callable[[Tables], pd.DataFrame]:
    return lambda tables: tables.shipped(name)


def _epil(tables: Tables) -> pd.DataFrame:
    data = EPIL_3.load(tables)
    return data.assign(period=data["period"].astype(str))


def _days(tables: Tables) -> pd.DataFrame:
    data = tables.shipped("sleepstudy")
    return data.assign(Days=data["Days"].astype(int).astype(str))


def _verbagg(tables: Tables) -> pd.DataFrame:
    data = tables.external("VerbAgg.csv")
    return data.assign(
        id=data["id"].astype(str),
        Gender=pd.Categorical(data["Gender"], ["F", "M"]),
        btype=pd.Categorical(data["btype"], ["curse", "scold", "shout"]),
        situ=pd.Categorical(data["situ"], ["other", "self"]),
    )


def _summary(tables: Tables) -> Values:
    fit = mc.glmm(CBPP.formula, tables.shipped("cbpp"), family="binomial")
    values = coefficients(fit, CBPP.names)
    return {
        **values,
        "AIC": fit.aic,
        "BIC": fit.bic,
        "log-likelihood": fit.llf,
        "variance herd": sd(fit, "herd") ** 2,
        "sd herd": sd(fit, "herd"),
    }


def _gold_summary(tables: Tables) -> Independent:
    values = gold.stored("cbpp")
    found = {shown: values[ours] for shown, ours in CBPP.names.items()}
    found |= {f"se {shown}": values[f"se {ours}"] for shown, ours in CBPP.names.items()}
    found |= {"variance herd": values["sd herd"] ** 2, "sd herd": values["sd herd"]}
    return within({**found, "log-likelihood": values["log-likelihood"]}, 1e-6)


TICKS = "TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION)"
LAPLACE, PROFILED = "Laplace's approximation (nAGQ = 1)", "fixed effects profiled out (nAGQ = 0)"

CASES = (
    Case(
        SYSTEM,
        "cbpp, printed summary of the default search",
        f"{CBPP.formula}, binomial",
        LAPLACE,
        PRINTED,
        (
            Number("AIC", "194.1"),
            Number("BIC", "204.2"),
            Number("log-likelihood", "-92.0"),
            Number("variance herd", "0.4123"),
            Number("sd herd", "0.6421"),
            Number("Intercept", "-1.3983"),
            Number("se Intercept", "0.2312", another=True),
            Number("period 2", "-0.9919"),
            Number("se period 2", "0.3032", another=True),
            Number("period 3", "-1.1282"),
            Number("se period 3", "0.3228", another=True),
            Number("period 4", "-1.5797"),
            Number("se period 4", "0.4220", another=True),
        ),
        _summary,
        _gold_summary,
        gold.BY,
        note=(
            "The default search of glmer stops 3e-4 short in the log-likelihood, which moves the "
            "fourth digits of its coefficients. Its standard errors hold the variance fixed; ours "
            "carry its uncertainty."
        ),
    ),
    _case("cbpp, nAGQ = 1", CBPP.formula, "binomial", LAPLACE, _shipped("cbpp"), "cbpp_agq1"),
    _case(
        "cbpp, nAGQ = 0",
        CBPP.formula,
        "binomial",
        PROFILED,
        _shipped("cbpp"),
        "cbpp_agq0",
        method="profiled",
    ),
    _case(
        "cbpp, nAGQ = 9",
        CBPP.formula,
        "binomial",
        "adaptive quadrature, 9 nodes",
        _shipped("cbpp"),
        "cbpp_agq9",
        method="agq",
        nodes=9,
    ),
    _case(
        "grouse ticks, nAGQ = 1",
        TICKS,
        "poisson",
        LAPLACE,
        _shipped("grouseticks"),
        "grouseticks_agq1",
    ),
    _case(
        "grouse ticks, nAGQ = 0",
        TICKS,
        "poisson",
        PROFILED,
        _shipped("grouseticks"),
        "grouseticks_agq0",
        method="profiled",
    ),
    _case(
        "crossed: epilepsy, subjects and periods",
        "y ~ lbase4 * Trt + lage_raw + (1 | subject) + (1 | period)",
        "poisson",
        LAPLACE,
        _epil,
        "epil_crossed",
    ),
    _case(
        "crossed: sleepstudy, subjects and days",
        "Reaction ~ 1 + (1 | Days) + (1 | Subject)",
        "gaussian",
        "exact, REML",
        _days,
        "sleepstudy_crossed",
        reml=True,
    ),
    _case(
        "crossed: Penicillin",
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        "gaussian",
        "exact, REML",
        lambda tables: tables.external("Penicillin.csv"),
        "penicillin_crossed",
        data="Penicillin.csv",
        reml=True,
    ),
    _case(
        "crossed: VerbAgg, persons and items",
        "r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)",
        "binomial",
        LAPLACE,
        _verbagg,
        "verbagg_crossed",
        data="VerbAgg.csv",
        slow=True,
    ),
    _case(
        "crossed: salamander mating",
        SALAMANDER.formula,
        "binomial",
        LAPLACE,
        SALAMANDER.load,
        "salamander_crossed",
        data="salamander_lme4.csv",
    ),
)
