"""GLMMadaptive: the models of its article "GLMMadaptive basics", on data drawn by its recipe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import mixcheck as mc
from validation.published import gold, integral
from validation.published.fits import sd
from validation.published.frame import Case, Independent, Number, Source, Tables, Values, within
from validation.reference import gold_laplace

SYSTEM = "GLMMadaptive"
COMMIT = "018a26a"


def _source(place: str) -> Source:
    return Source(
        f"D. Rizopoulos, GLMMadaptive, commit {COMMIT}",
        f"docs/articles/GLMMadaptive_basics.html, {place}",
        "read",
    )


FORMULA = "y ~ female * time + (1 | id)"
NAMES = {
    "(Intercept)": "Intercept",
    "sexfemale": "female",
    "time": "time",
    "sexfemale:time": "female:time",
}


def _table(tables: Tables, name: str) -> pd.DataFrame:
    data = tables.own(f"glmmadaptive_{name}.csv")
    return data.assign(id=data["id"].astype(str))


def _values(tables: Tables, name: str, family: str, nodes: int) -> Values:
    fit = mc.glmm(FORMULA, _table(tables, name), family=family, method="agq", nodes=nodes)
    deviation = sd(fit, "id")
    return {
        "log-likelihood": float(fit.llf),
        "variance id": deviation**2,
        "sd id": deviation,
        **{shown: float(fit.params[ours]) for shown, ours in NAMES.items()},
        **{f"se {shown}": float(fit.bse[ours]) for shown, ours in NAMES.items()},
    }


def _design(data: pd.DataFrame) -> np.ndarray:
    female, time = data["female"].to_numpy(float), data["time"].to_numpy(float)
    return np.column_stack([np.ones(len(data)), female, time, female * time])


def _gold(tables: Tables, nodes: int) -> Independent:
    data = _table(tables, "binary")
    term = gold_laplace.Term(
        "id", ("Intercept",), pd.factorize(data["id"])[0], np.ones((len(data), 1))
    )
    y = data["y"].to_numpy(float)
    X = _design(data)
    problem = gold_laplace.Problem(y, np.ones(len(y)), X, tuple(NAMES), (term,), "logit")
    return within(gold.maximise(problem, nodes), 1e-6)


def _integrated(tables: Tables) -> Independent:
    """The maximum of the exact likelihood, which 11 nodes reach to 1e-6 for these counts."""
    data = _table(tables, "counts")
    fit = mc.glmm(FORMULA, data, family="poisson", method="agq", nodes=11)
    y, group = data["y"].to_numpy(float), data["id"].to_numpy()
    model = integral.Grouped(y, _design(data), np.ones((len(y), 1)), group, "poisson")
    beta, deviation, value = integral.step_from(
        model, fit.params[list(NAMES.values())].to_numpy(float), sd(fit, "id")
    )
    found = dict(zip(NAMES, beta.tolist(), strict=True))
    return within({**found, "sd id": deviation, "log-likelihood": value}, 1e-5)


def _slope_fits(tables: Tables) -> dict[str, Any]:
    data = _table(tables, "binary")
    return {
        bars: mc.glmm(
            f"y ~ female * time + {bars}", data, family="binomial", method="agq", nodes=11
        )
        for bars in ("(time || id)", "(time | id)")
    }


def _slopes(tables: Tables) -> Values:
    fits = _slope_fits(tables)
    return {f"log-likelihood, {bars}": float(fit.llf) for bars, fit in fits.items()}


def _at_our_estimates(tables: Tables) -> Independent:
    """The log-likelihood of the correlated model at our estimates, integrated without mixcheck."""
    fit = _slope_fits(tables)["(time | id)"]
    data = _table(tables, "binary")
    y, X = data["y"].to_numpy(float), _design(data)
    Z = X[:, [0, 2]]
    model = integral.Grouped(y, X, Z, data["id"].to_numpy(), "binomial")
    parts = fit.variance_components
    deviations = np.diag([sd(fit, "id"), sd(fit, "id", "time")])
    corr = float(parts["corr"].dropna().iloc[0])
    root = np.linalg.cholesky(deviations @ np.array([[1, corr], [corr, 1]]) @ deviations)
    beta = fit.params[list(NAMES.values())].to_numpy(float)
    value = integral.log_likelihood(model, beta, root, nodes=11)
    return {"log-likelihood, (time | id)": (value, 1e-5)}


STOPS = (
    "Its search, EM and then quasi-Newton steps, stops before the optimum: the log-likelihood at "
    "our estimates is the larger one."
)


def _binary(nodes: int, numbers: tuple[Number, ...], place: str) -> Case:
    return Case(
        SYSTEM,
        f"binary, (1 | id), nAGQ = {nodes}",
        f"{FORMULA}, binomial",
        f"adaptive quadrature, {nodes} nodes",
        _source(place),
        numbers,
        lambda tables: _values(tables, "binary", "binomial", nodes),
        lambda tables: _gold(tables, nodes),
        gold.BY,
        slow=True,
        note=STOPS,
    )


CASES = (
    _binary(
        11,
        (
            Number("log-likelihood", "-374.51972108"),
            Number("variance id", "4.26266211"),
            Number("(Intercept)", "-2.61816557"),
            Number("sexfemale", "-1.32418678"),
            Number("time", "0.28514773"),
            Number("sexfemale:time", "0.04015372"),
            Number("se (Intercept)", "0.4448"),
            Number("se sexfemale", "0.6436"),
            Number("se time", "0.0396"),
            Number("se sexfemale:time", "0.0545"),
        ),
        "summary(fm1) and sapply(models, extract)",
    ),
    _binary(
        21,
        (
            Number("log-likelihood", "-374.5198046"),
            Number("variance id", "4.2636311"),
            Number("(Intercept)", "-2.6168440"),
            Number("sexfemale", "-1.3235049"),
            Number("time", "0.2850151"),
            Number("sexfemale:time", "0.0401995"),
        ),
        "sapply(models, extract)",
    ),
    Case(
        SYSTEM,
        "binary, random slopes",
        "y ~ female * time + (time || id) and (time | id), binomial",
        "adaptive quadrature, 11 nodes in each direction",
        _source("anova(fm1, fm2) and anova(fm2, fm3)"),
        (
            Number("log-likelihood, (time || id)", "-359.47"),
            Number("log-likelihood, (time | id)", "-358.81"),
        ),
        _slopes,
        _at_our_estimates,
        f"{integral.BY}, at our estimates",
        slow=True,
        note="The printed log-likelihood is no maximum: that at our estimates is larger.",
    ),
    Case(
        SYSTEM,
        "counts, (1 | id), nAGQ = 11",
        f"{FORMULA}, poisson",
        "adaptive quadrature, 11 nodes",
        _source("summary(gm1)"),
        (
            Number("log-likelihood", "-2782.306"),
            Number("sd id", "0.9781393"),
            Number("(Intercept)", "2.9447"),
            Number("sexfemale", "-0.8611"),
            Number("time", "0.2404"),
            Number("sexfemale:time", "-0.0511"),
        ),
        lambda tables: _values(tables, "counts", "poisson", 11),
        _integrated,
        f"a Newton step from our estimates by {integral.BY}",
        slow=True,
        note="The printed estimates are 26 units of the log-likelihood below its maximum.",
    ),
)
